//! Reservations: every step is one transaction, so that whatever is killed between two writes, none of them happened.
//!
//! Each step that takes or gives back a place writes the voucher's document, and reads everything it decides on from
//! one snapshot. So of two steps of one voucher that overlap one is refused as a write conflict and runs again: the
//! steps of a voucher are serial, on however many instances they run, and its counters and its reservations never
//! differ. A customer's redemptions and reservations are counted anew in each step rather than kept in a counter that
//! could differ from them.
//!
//! What the steps of many payments write, the voucher and then the outbox's counter, they write last: the transaction of a
//! process that was killed stays open until the database ends it, and holds up whoever wants what it wrote.
//!
//! What a transaction needs it is given by value: if its closure borrowed, the compiler could not prove that the
//! future may move between threads (rust-lang/rust #96865).

use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use indowater_common::mongo::{is_duplicate_key, to_bson_time};
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::error::Error;
use mongodb::options::{Hint, ReadConcern};

use super::documents::{ReservationDocument, UsageDocument};
use super::{Store, abort, refused};
use crate::domain::money::Rupiah;
use crate::domain::redemption::{
    self, Purchase, Reservation, Settled, Share, State, Usage, needs_place, usage_id,
};
use crate::domain::refusal::{Refusal, Refused};
use crate::domain::voucher::Voucher;

/// What became of a payment that settled.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// Redeemed, and whether this very call did it.
    Redeemed {
        /// The redemption.
        usage: Usage,
        /// False if it was before.
        new: bool,
    },
    /// There was no place left.
    Lapsed {
        /// False if it was before.
        new: bool,
    },
}

/// What the database takes for "all of them".
const ALL: i64 = 0;
/// Overdue places that a step gives back when the voucher is full; it needs one, and the sweeper does the rest.
const OVERDUE: i64 = 20;
/// Two instances that do the same for the first time meet at a unique key once; then what one wrote is found.
const TRIES: usize = 3;

impl Store {
    /// Holds a place for a purchase, once. Returns the reservation as it is, and whether it is new.
    ///
    /// # Errors
    /// The voucher does not hold, the payment holds something else, or the database does not answer.
    pub async fn reserve(
        self,
        purchase: Purchase,
        least: Rupiah,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(Reservation, bool), Refusal> {
        for _ in 1..TRIES {
            match self.clone().try_reserve(purchase.clone(), least, expires_at, now).await {
                Err(error) if is_duplicate_key(&error) => {}
                other => return other.map_err(refused),
            }
        }
        self.try_reserve(purchase, least, expires_at, now).await.map_err(refused)
    }

    async fn try_reserve(
        self,
        purchase: Purchase,
        least: Rupiah,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(Reservation, bool), Error> {
        let mut session = self.session().await?;
        session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .and_run2(async move |session: &mut ClientSession| {
                if let Some(found) = self.reservation(&purchase.payment_id, session).await? {
                    found.check_same(&purchase).map_err(abort)?;
                    return Ok((found, false));
                }
                let found = self.voucher(doc! { "code": &purchase.code }, session).await?;
                let mut voucher = found.ok_or_else(|| abort(Refused::unknown(&purchase.code)))?;
                let share = self.make_room(&mut voucher, &purchase.customer_id, now, session).await?;
                let reserved =
                    redemption::reserve(&mut voucher, share, purchase.clone(), least, expires_at, now);
                let reservation = reserved.map_err(abort)?;
                let document = ReservationDocument::from(&reservation);
                self.reservations.insert_one(document).session(&mut *session).await?;
                self.keep_counts(&voucher, now, session).await?;
                Ok((reservation, true))
            })
            .await
    }

    /// Redeems for a settled payment, or lets it lapse, once.
    ///
    /// # Errors
    /// The payment holds something else, there is no such voucher, or the database does not answer.
    pub async fn commit(self, settled: Settled, now: Timestamp) -> Result<Settlement, Refusal> {
        for _ in 1..TRIES {
            match self.clone().try_commit(settled.clone(), now).await {
                Err(error) if is_duplicate_key(&error) => {}
                other => return other.map_err(refused),
            }
        }
        self.try_commit(settled, now).await.map_err(refused)
    }

    async fn try_commit(self, settled: Settled, now: Timestamp) -> Result<Settlement, Error> {
        let mut session = self.session().await?;
        session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .and_run2(async move |session: &mut ClientSession| {
                let purchase = &settled.purchase;
                let found = self.reservation(&purchase.payment_id, session).await?;
                if let Some(found) = &found {
                    found.check_settled(&settled).map_err(abort)?;
                    match found.state {
                        State::Committed => {
                            let usage = self.redeemed(&purchase.payment_id, session).await?;
                            return Ok(Settlement::Redeemed { usage, new: false });
                        }
                        State::Lapsed => return Ok(Settlement::Lapsed { new: false }),
                        State::Reserved | State::Released => {}
                    }
                }
                let voucher = self.voucher(doc! { "code": &purchase.code }, session).await?;
                let mut voucher = voucher.ok_or_else(|| abort(Refusal::NotFound(purchase.code.clone())))?;
                let share = if needs_place(found.as_ref()) {
                    self.make_room(&mut voucher, &purchase.customer_id, now, session).await?
                } else {
                    Share::default()
                };
                let reservation = redemption::commit(found, &mut voucher, share, &settled, now);
                self.settle(&reservation, &voucher, now, session).await
            })
            .await
    }

    /// Writes what a settled payment came to, and the record that tells it.
    async fn settle(
        &self,
        reservation: &Reservation,
        voucher: &Voucher,
        now: Timestamp,
        session: &mut ClientSession,
    ) -> Result<Settlement, Error> {
        let key = doc! { "_id": &reservation.purchase.payment_id };
        let document = ReservationDocument::from(reservation);
        self.reservations.replace_one(key, document).upsert(true).session(&mut *session).await?;
        if reservation.state != State::Committed {
            self.keep_counts(voucher, now, session).await?;
            return Ok(Settlement::Lapsed { new: true });
        }
        let usage = Usage::of(reservation);
        self.usage.insert_one(UsageDocument::from(&usage)).session(&mut *session).await?;
        self.keep_counts(voucher, now, session).await?;
        self.outbox.put(session, &[(self.announce)(&usage)]).await?;
        Ok(Settlement::Redeemed { usage, new: true })
    }

    /// Gives back the place that a payment holds; with `overdue_at`, only if its time is up then. Returns where the
    /// reservation stands, and whether this very call gave it back.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn release(
        self,
        payment_id: String,
        overdue_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(State, bool), Refusal> {
        let mut session = self.session().await.map_err(refused)?;
        let released = session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .and_run2(async move |session: &mut ClientSession| {
                let Some(mut found) = self.reservation(&payment_id, session).await? else {
                    return Ok((State::Released, false));
                };
                let early = overdue_at.is_some_and(|at| !found.is_overdue(at));
                if found.state != State::Reserved || early {
                    return Ok((found.state, false));
                }
                let voucher = self.voucher(doc! { "_id": &found.voucher_id }, session).await?;
                let mut voucher = voucher.ok_or_else(|| abort(lost(&found)))?;
                self.give_back(&mut found, &mut voucher, now, session).await?;
                self.keep_counts(&voucher, now, session).await?;
                Ok((State::Released, true))
            })
            .await;
        released.map_err(refused)
    }

    /// Payments that hold a place although their time is up, the longest overdue first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn overdue(&self, now: Timestamp, most: i64) -> Result<Vec<String>, Refusal> {
        let overdue = doc! { "state": State::Reserved.name(), "expires_at": { "$lte": to_bson_time(now) } };
        let reservations = self.reservations.clone_with_type::<Document>();
        let found = reservations.find(overdue).projection(doc! { "_id": 1 });
        let found = found.sort(doc! { "expires_at": 1 }).limit(most).await.map_err(refused)?;
        let found: Vec<Document> = found.try_collect().await.map_err(refused)?;
        Ok(found.iter().filter_map(|document| document.get_str("_id").map(str::to_owned).ok()).collect())
    }

    /// The code of the voucher that a payment holds or held.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn code_of(&self, payment_id: &str) -> Result<Option<String>, Refusal> {
        let code = doc! { "voucher_code": 1 };
        let documents = self.reservations.clone_with_type::<Document>();
        let found = documents.find_one(doc! { "_id": payment_id }).projection(code).await;
        let found = found.map_err(refused)?;
        Ok(found.and_then(|document| document.get_str("voucher_code").map(str::to_owned).ok()))
    }

    /// Gives back what is overdue and in the way: all of this customer's places of the voucher, and if the voucher is
    /// full, some of anybody's. Returns what the customer has of the voucher then.
    async fn make_room(
        &self,
        voucher: &mut Voucher,
        customer_id: &str,
        now: Timestamp,
        session: &mut ClientSession,
    ) -> Result<Share, Error> {
        let mine = doc! { "customer_id": customer_id, "voucher_id": &voucher.id };
        let used = self.usage.count_documents(mine.clone());
        // All redemptions of a popular voucher are many, those of a customer are few.
        let by_customer = Hint::Keys(doc! { "customer_id": 1, "used_at": -1 });
        let used = used.hint(by_customer).session(&mut *session).await?;
        let mut open = mine;
        open.insert("state", State::Reserved.name());
        let mut reserved = 0;
        for mut reservation in self.find_reservations(open, ALL, session).await? {
            if reservation.is_overdue(now) {
                self.give_back(&mut reservation, voucher, now, session).await?;
            } else {
                reserved += 1;
            }
        }
        if voucher.is_full() {
            let overdue = doc! {
                "voucher_id": &voucher.id,
                "state": State::Reserved.name(),
                "expires_at": { "$lte": to_bson_time(now) },
            };
            for mut reservation in self.find_reservations(overdue, OVERDUE, session).await? {
                self.give_back(&mut reservation, voucher, now, session).await?;
            }
        }
        Ok(Share { used: i64::try_from(used).map_err(Error::custom)?, reserved })
    }

    /// Gives one place back: the reservation is written, the voucher's counters are the caller's to write.
    async fn give_back(
        &self,
        reservation: &mut Reservation,
        voucher: &mut Voucher,
        now: Timestamp,
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        redemption::release(reservation, voucher, now);
        let state = doc! {
            "state": reservation.state.name(),
            "updated_at": to_bson_time(reservation.updated_at),
        };
        let key = doc! { "_id": &reservation.purchase.payment_id };
        self.reservations.update_one(key, doc! { "$set": state }).session(session).await.map(|_| ())
    }

    /// Writes a voucher's counters and what follows from them.
    async fn keep_counts(
        &self,
        voucher: &Voucher,
        now: Timestamp,
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        let counts = doc! {
            "usage_count": voucher.usage_count,
            "reserved_count": voucher.reserved_count,
            "status": voucher.status(now).name(),
        };
        let key = doc! { "_id": &voucher.id };
        // A write that changes nothing conflicts with nothing, and a step that gives one place back and takes one
        // leaves the counters as they are. The revision makes every step a write.
        let step = doc! { "$set": counts, "$inc": { "revision": 1_i64 } };
        self.vouchers.update_one(key, step).session(session).await.map(|_| ())
    }

    async fn voucher(&self, filter: Document, session: &mut ClientSession) -> Result<Option<Voucher>, Error> {
        let found = self.vouchers.find_one(filter).session(session).await?;
        found.map(|document| document.try_into().map_err(Error::custom)).transpose()
    }

    async fn reservation(
        &self,
        payment_id: &str,
        session: &mut ClientSession,
    ) -> Result<Option<Reservation>, Error> {
        let found = self.reservations.find_one(doc! { "_id": payment_id }).session(session).await?;
        found.map(|document| document.try_into().map_err(Error::custom)).transpose()
    }

    async fn find_reservations(
        &self,
        filter: Document,
        most: i64,
        session: &mut ClientSession,
    ) -> Result<Vec<Reservation>, Error> {
        let mut cursor = self.reservations.find(filter).limit(most).session(&mut *session).await?;
        let documents: Vec<ReservationDocument> = cursor.stream(session).try_collect().await?;
        documents.into_iter().map(|document| document.try_into().map_err(Error::custom)).collect()
    }

    async fn redeemed(&self, payment_id: &str, session: &mut ClientSession) -> Result<Usage, Error> {
        let id = Bson::from(usage_id(payment_id));
        let found = self.usage.find_one(doc! { "_id": id }).session(session).await?;
        let lost = || Error::custom(format!("what payment {payment_id:?} redeemed is not there"));
        found.ok_or_else(lost)?.try_into().map_err(Error::custom)
    }
}

fn lost(reservation: &Reservation) -> Refusal {
    let Purchase { payment_id, code, .. } = &reservation.purchase;
    Refusal::Unavailable(format!(
        "voucher {code:?}, of which payment {payment_id:?} holds a place, is not there"
    ))
}
