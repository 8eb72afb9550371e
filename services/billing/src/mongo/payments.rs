//! The payments' collection. Every change and the record that tells it are one transaction, through the outbox, conditional on the
//! revision that it changes; what a payment does to the bill it pays is part of it.

use std::sync::Arc;

use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use indowater_common::mongo::outbox::{Outbox, Row};
use indowater_common::mongo::{from_bson_time, is_duplicate_key, to_bson_time};
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Cursor, Database};
use serde::Deserialize;

use super::bills::{Bills, Claim};
use super::payment_documents::PaymentDocument;
use crate::domain::payment::Status;
use crate::domain::purchase::Method;
use crate::domain::transaction::{After, PaymentFilter, Transaction};
use crate::observe;

/// Makes the record that tells a payment.
pub type Tell = Arc<dyn Fn(&Transaction) -> Row + Send + Sync>;

/// What became of a new payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored.
    Yes,
    /// There is one of that id.
    Known,
    /// Somebody else began to pay the bill, or it is carried over.
    BillTaken,
}

/// A payment whose turn has come to be followed up: its id, and the moment that names the turn.
#[derive(Clone, Debug, Deserialize)]
pub struct Turn {
    /// `payment_transactions.id`.
    #[serde(rename = "_id")]
    pub id: String,
    at: DateTime,
}

impl Turn {
    /// When it was due.
    pub fn due_at(&self) -> Timestamp {
        from_bson_time(self.at)
    }
}

/// The payments in the database. Cheap to clone.
#[derive(Clone)]
pub struct Payments {
    database: Database,
    payments: Collection<RawDocumentBuf>,
    bills: Bills,
    follow_ups: Collection<Document>,
    outbox: Outbox,
    tell: Tell,
}

impl Payments {
    /// On the database of billing.
    pub fn new(database: &Database, outbox: Outbox, tell: Tell) -> Self {
        Self {
            payments: database.collection("payment_transactions"),
            bills: Bills::new(database),
            follow_ups: database.collection("payment_follow_ups"),
            database: database.clone(),
            outbox,
            tell,
        }
    }

    /// A payment.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn one(&self, id: &str) -> Result<Option<Transaction>, Error> {
        self.found(doc! { "id": id }).await
    }

    /// The payment whose order has that name, if that is not the payment's own: one of another system.
    ///
    /// # Errors
    /// As above.
    pub async fn by_reference(&self, reference: &str) -> Result<Option<Transaction>, Error> {
        self.found(doc! { "reference_id": reference }).await
    }

    async fn found(&self, which: Document) -> Result<Option<Transaction>, Error> {
        let found = self.payments.find_one(which).await?;
        found.as_ref().map(PaymentDocument::read).transpose()
    }

    /// Has payments of another system that wait for their customer followed up from now on. Returns how many there are.
    ///
    /// # Errors
    /// As above.
    pub async fn adopt(&self, now: Timestamp) -> Result<usize, Error> {
        let foreign = doc! { "state": { "$exists": false }, "status": Status::Pending.name() };
        let mut found = self.payments.find(foreign).await?;
        let mut adopted = 0;
        while let Some(raw) = found.try_next().await? {
            match PaymentDocument::read(&raw) {
                Ok(transaction) => {
                    let method = transaction.method.name();
                    let turn = doc! { "$setOnInsert": { "method": method, "at": to_bson_time(now) } };
                    let id = transaction.payment.id();
                    self.follow_ups.update_one(doc! { "_id": id }, turn).upsert(true).await?;
                    adopted += 1;
                }
                Err(error) => observe::payment_unreadable(&error),
            }
        }
        Ok(adopted)
    }

    /// The id of the payment that the gateway knows by that page or invoice.
    ///
    /// # Errors
    /// As above.
    pub async fn by_page(&self, page: &str) -> Result<Option<String>, Error> {
        let found = self.follow_ups.find_one(doc! { "page": page }).await?;
        Ok(found.and_then(|found| found.get_str("_id").ok().map(str::to_owned)))
    }

    /// A page of payments, newest first.
    ///
    /// # Errors
    /// As above.
    pub async fn list(
        &self,
        wanted: &PaymentFilter,
        after: Option<After>,
        many: usize,
    ) -> Result<Vec<Transaction>, Error> {
        let mut filter = matching(wanted);
        if let Some((at, id)) = after {
            let at = to_bson_time(at);
            let older =
                vec![doc! { "created_at": { "$lt": at } }, doc! { "created_at": at, "id": { "$lt": id } }];
            filter.insert("$or", older);
        }
        let newest_first = doc! { "created_at": -1, "id": -1 };
        let many = i64::try_from(many).unwrap_or(i64::MAX);
        readable(self.payments.find(filter).sort(newest_first).limit(many).await?).await
    }

    /// Stores a new payment, which is followed up at `first_turn`, and takes the bill it is for.
    ///
    /// # Errors
    /// As above.
    pub async fn insert(
        &self,
        transaction: &Transaction,
        claim: Option<Claim>,
        first_turn: Option<Timestamp>,
    ) -> Result<Inserted, Error> {
        let document = bson::serialize_to_raw_document_buf(&PaymentDocument::of(transaction))?;
        let (row, id) = ((self.tell)(transaction), transaction.payment.id().to_owned());
        let (payments, bills) = (self.payments.clone(), self.bills.clone());
        let (follow_ups, outbox) = (self.follow_ups.clone(), self.outbox.clone());
        let brought = transaction.payment.balance().get();
        let method = transaction.method.name().to_owned();
        let mut session = self.database.client().start_session().await?;
        let stored = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                payments.insert_one(&document).session(&mut *session).await?;
                if let Some(at) = first_turn {
                    let turn = doc! { "_id": &id, "method": &method, "at": to_bson_time(at) };
                    follow_ups.insert_one(turn).session(&mut *session).await?;
                }
                if let Some(claim) = &claim {
                    if !bills.claim(session, claim, &id).await? {
                        return Err(Error::custom(BillTaken));
                    }
                    bills.apply(session, &claim.bill_id, &id, brought).await?;
                }
                outbox.put(session, std::slice::from_ref(&row)).await
            })
            .await;
        match stored {
            Ok(()) => Ok(Inserted::Yes),
            Err(error) if is_duplicate_key(&error) => Ok(Inserted::Known),
            Err(error) if error.get_custom::<BillTaken>().is_some() => Ok(Inserted::BillTaken),
            Err(error) => Err(error),
        }
    }

    /// Writes a payment in the place of its revision before, and what it does to its bill. False if another revision is there. What
    /// another system wrote besides stays.
    ///
    /// # Errors
    /// As above.
    pub async fn replace(&self, transaction: &Transaction) -> Result<bool, Error> {
        let changes = PaymentDocument::of(transaction).changes()?;
        // One of another system has no revision, which null matches.
        let revision = match transaction.revision {
            1 => Bson::Null,
            revision => (revision - 1).into(),
        };
        let known = doc! { "id": transaction.payment.id(), "revision": revision };
        let (bill, id) = (transaction.bill_id.clone(), transaction.payment.id().to_owned());
        let brought = transaction.payment.balance().get();
        let row = (self.tell)(transaction);
        let (payments, bills, outbox) = (self.payments.clone(), self.bills.clone(), self.outbox.clone());
        let mut session = self.database.client().start_session().await?;
        session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let replaced =
                    payments.update_one(known.clone(), changes.clone()).session(&mut *session).await?;
                if replaced.matched_count == 0 {
                    return Ok(false);
                }
                if let Some(bill) = &bill {
                    bills.apply(session, bill, &id, brought).await?;
                }
                outbox.put(session, std::slice::from_ref(&row)).await?;
                Ok(true)
            })
            .await
    }

    /// Remembers by which page or invoice the gateway knows a payment.
    ///
    /// # Errors
    /// As above.
    pub async fn remember_page(&self, id: &str, page: &str) -> Result<(), Error> {
        let known = doc! { "$set": { "page": page } };
        self.follow_ups.update_one(doc! { "_id": id }, known).upsert(true).await.map(drop)
    }

    /// Payments by that method whose turn has come, the longest waiting first. Turns that name no method, from before they did,
    /// come with those by hand.
    ///
    /// # Errors
    /// As above.
    pub async fn due(&self, method: Method, now: Timestamp, many: i64) -> Result<Vec<Turn>, Error> {
        let by: Vec<Option<&str>> = match method {
            Method::Midtrans | Method::Xendit => vec![Some(method.name())],
            Method::Manual => vec![Some(method.name()), None],
        };
        let due = doc! { "method": { "$in": by }, "at": { "$lte": to_bson_time(now) } };
        let turns = self.follow_ups.clone_with_type::<Turn>();
        turns.find(due).sort(doc! { "at": 1 }).limit(many).await?.try_collect().await
    }

    /// The payments of those ids.
    ///
    /// # Errors
    /// As above.
    pub async fn those(&self, ids: impl IntoIterator<Item = &String>) -> Result<Vec<Transaction>, Error> {
        let ids: Vec<&String> = ids.into_iter().collect();
        readable(self.payments.find(doc! { "id": { "$in": ids } }).await?).await
    }

    /// Takes a turn until `until`; none if somebody else has it.
    ///
    /// # Errors
    /// As above.
    pub async fn begin(&self, turn: &Turn, until: Timestamp) -> Result<Option<Turn>, Error> {
        let until = to_bson_time(until);
        let began = self.turn(turn, doc! { "$set": { "at": until } }).await?;
        Ok(began.then(|| Turn { id: turn.id.clone(), at: until }))
    }

    /// Ends a turn and says when the next one is, if ever. If somebody wanted one meanwhile, that one stays.
    ///
    /// # Errors
    /// As above.
    pub async fn end(&self, turn: &Turn, next: Option<Timestamp>) -> Result<(), Error> {
        let next = match next {
            Some(next) => doc! { "$set": { "at": to_bson_time(next) } },
            None => doc! { "$unset": { "at": "" } },
        };
        self.turn(turn, next).await.map(drop)
    }

    async fn turn(&self, turn: &Turn, change: Document) -> Result<bool, Error> {
        let same = doc! { "_id": &turn.id, "at": turn.at };
        Ok(self.follow_ups.update_one(same, change).await?.matched_count == 1)
    }

    /// Wants a payment by that method to be followed up now.
    ///
    /// # Errors
    /// As above.
    pub async fn want(&self, id: &str, method: Method, now: Timestamp) -> Result<(), Error> {
        let now = doc! { "$set": { "at": to_bson_time(now), "method": method.name() } };
        self.follow_ups.update_one(doc! { "_id": id }, now).upsert(true).await.map(drop)
    }
}

/// Those of the payments that can be read; the others must not keep them from being shown.
async fn readable(mut found: Cursor<RawDocumentBuf>) -> Result<Vec<Transaction>, Error> {
    let mut payments = Vec::new();
    while let Some(raw) = found.try_next().await? {
        match PaymentDocument::read(&raw) {
            Ok(payment) => payments.push(payment),
            Err(error) => observe::payment_unreadable(&error),
        }
    }
    Ok(payments)
}

#[derive(Debug, thiserror::Error)]
#[error("the bill has another payment")]
struct BillTaken;

fn matching(wanted: &PaymentFilter) -> Document {
    let mut filter = Document::new();
    let bills = wanted.bills.map(|bills| if bills { "water_bill" } else { "balance_topup" });
    for (field, value) in [
        ("customer_id", wanted.customer_id.as_deref()),
        ("status", wanted.status.map(Status::name)),
        ("payment_method", wanted.method.map(Method::name)),
        ("payment_type", bills),
    ] {
        if let Some(value) = value {
            filter.insert(field, value);
        }
    }
    if wanted.needs_attention {
        filter.insert("attention", doc! { "$exists": true });
    }
    let mut created = Document::new();
    for (bound, at) in [("$gte", wanted.from), ("$lt", wanted.to)] {
        if let Some(at) = at {
            created.insert(bound, to_bson_time(at));
        }
    }
    if !created.is_empty() {
        filter.insert("created_at", created);
    }
    filter
}
