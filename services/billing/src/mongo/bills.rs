//! Bills, and how customers pay: the collections `bills` and `billing_accounts`.

use std::collections::BTreeMap;

use bson::{DateTime, Document, doc};
use futures::TryStreamExt;
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::mongo::{from_bson_time, is_duplicate_key, to_bson_time};
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Collection, Database};
use serde::{Deserialize, Serialize};

use super::documents::month_named;
use super::{BALANCES, MONTHS};
use crate::domain::bill::{Account, Bill, Mode, Status, apply};
use crate::observe;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct BillDocument {
    #[serde(rename = "_id")]
    id: String,
    customer_id: String,
    month: String,
    charges: i64,
    carried_over: i64,
    amount: i64,
    issued_at: DateTime,
    due_date: String,
    /// What is still to be paid, and whether that is nothing: copies of what follows, for searching.
    open: Option<i64>,
    paid: bool,
    /// Absent where it was written before this was kept.
    applied: Option<Vec<AppliedDocument>>,
    carried: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    carried_to: Option<String>,
    payment_id: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct AppliedDocument {
    payment_id: String,
    amount: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct AccountDocument {
    #[serde(rename = "_id")]
    customer_id: String,
    mode: String,
    time_zone: String,
    since: DateTime,
    set_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    billed: Option<String>,
}

fn foreign(id: &str) -> Error {
    Error::custom(format!("{id} is not as this service writes it"))
}

impl BillDocument {
    fn of(bill: &Bill) -> Self {
        let applied = bill.applied.iter();
        let applied =
            applied.map(|(payment, amount)| AppliedDocument { payment_id: payment.clone(), amount: *amount });
        Self {
            id: bill.id(),
            customer_id: bill.customer_id.clone(),
            month: bill.month.month(),
            charges: bill.charges,
            carried_over: bill.carried_over,
            amount: bill.amount(),
            issued_at: to_bson_time(bill.issued_at),
            due_date: bill.due.to_string(),
            open: Some(bill.open()),
            paid: bill.open() == 0,
            applied: Some(applied.collect()),
            carried: bill.carried,
            carried_to: bill.carried_to.clone(),
            payment_id: bill.payment_id.clone(),
        }
    }

    fn bill(self) -> Result<Bill, Error> {
        let applied: BTreeMap<String, i64> = match (self.applied, &self.payment_id) {
            (Some(applied), _) => applied.into_iter().map(|of| (of.payment_id, of.amount)).collect(),
            // Once a bill was paid by one payment, of its amount.
            (None, Some(payment_id)) if self.paid => [(payment_id.clone(), self.amount)].into(),
            (None, _) => BTreeMap::new(),
        };
        Ok(Bill {
            applied,
            month: month_named(&self.month).ok_or_else(|| foreign(&self.id))?,
            due: Day::parse(&self.due_date).ok_or_else(|| foreign(&self.id))?,
            customer_id: self.customer_id,
            charges: self.charges,
            carried_over: self.carried_over,
            issued_at: from_bson_time(self.issued_at),
            carried: self.carried,
            carried_to: self.carried_to,
            payment_id: self.payment_id,
        })
    }
}

impl AccountDocument {
    fn account(self) -> Result<Account, Error> {
        let wrong = || foreign(&self.customer_id);
        Ok(Account {
            mode: Mode::named(&self.mode).ok_or_else(wrong)?,
            zone: Zone::named(&self.time_zone).ok_or_else(wrong)?,
            since: Some(from_bson_time(self.since)),
            billed: self.billed.as_deref().map(|name| month_named(name).ok_or_else(wrong)).transpose()?,
            set_by: Some(self.set_by),
            customer_id: self.customer_id,
        })
    }
}

/// A bill that a new payment is for, as it was read.
#[derive(Clone, Debug)]
pub struct Claim {
    /// `bills._id`.
    pub bill_id: String,
    /// The payment that was begun last.
    pub payment_id: Option<String>,
    /// What was to be paid.
    pub open: i64,
}

/// Bills and accounts in the database. Cheap to clone.
#[derive(Clone)]
pub struct Bills {
    database: Database,
    bills: Collection<BillDocument>,
    accounts: Collection<AccountDocument>,
}

impl Bills {
    /// On the database of billing.
    pub fn new(database: &Database) -> Self {
        Self {
            bills: database.collection("bills"),
            accounts: database.collection("billing_accounts"),
            database: database.clone(),
        }
    }

    /// A bill.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn one(&self, id: &str) -> Result<Option<Bill>, Error> {
        self.bills.find_one(doc! { "_id": id }).await?.map(BillDocument::bill).transpose()
    }

    /// A bill, or the one that took its place in the end: where it is owed.
    ///
    /// # Errors
    /// As above.
    pub async fn last(&self, id: &str) -> Result<Option<Bill>, Error> {
        let mut last = self.one(id).await?;
        let mut next = last.as_ref().and_then(|bill| following(bill, None));
        while let Some(bill) = match next {
            Some(id) => self.one(&id).await?,
            None => None,
        } {
            next = following(&bill, last.as_ref());
            last = Some(bill);
        }
        Ok(last)
    }

    /// A page of bills, newest first, after that of `after` (its month, and its id).
    ///
    /// # Errors
    /// As above.
    pub async fn list(
        &self,
        customer_id: Option<&str>,
        status: Option<Status>,
        after: Option<(&str, &str)>,
        many: usize,
    ) -> Result<Vec<Bill>, Error> {
        let mut filter = match status {
            None => Document::new(),
            Some(Status::Open) => doc! { "paid": false, "carried": false },
            Some(Status::Paid) => doc! { "paid": true },
            Some(Status::Carried) => doc! { "paid": false, "carried": true },
        };
        if let Some(customer_id) = customer_id {
            filter.insert("customer_id", customer_id);
        }
        if let Some((month, id)) = after {
            let older =
                vec![doc! { "month": { "$lt": month } }, doc! { "month": month, "_id": { "$lt": id } }];
            filter.insert("$or", older);
        }
        let many = i64::try_from(many).unwrap_or(i64::MAX);
        let found = self.bills.find(filter).sort(doc! { "month": -1, "_id": -1 }).limit(many).await?;
        let found: Vec<BillDocument> = found.try_collect().await?;
        found.into_iter().map(BillDocument::bill).collect()
    }

    /// How a customer pays; none if nobody ever said so.
    ///
    /// # Errors
    /// As above.
    pub async fn account(&self, customer_id: &str) -> Result<Option<Account>, Error> {
        let found = self.accounts.find_one(doc! { "_id": customer_id }).await?;
        found.map(AccountDocument::account).transpose()
    }

    /// Says how a customer pays. Saying it again leaves since when it is so.
    ///
    /// # Errors
    /// As above.
    pub async fn set_account(
        &self,
        customer_id: &str,
        mode: Mode,
        zone: &Zone,
        set_by: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let same = doc! { "$eq": ["$mode", mode.name()] };
        let since = doc! { "$cond": [same, "$since", to_bson_time(now)] };
        let set = doc! {
            "mode": mode.name(), "time_zone": zone.name(), "since": since, "set_by": { "$literal": set_by },
        };
        let account = self.accounts.update_one(doc! { "_id": customer_id }, vec![doc! { "$set": set }]);
        account.upsert(true).await.map(drop)
    }

    /// Postpaid accounts that are not billed up to `month`.
    ///
    /// # Errors
    /// As above.
    pub async fn unbilled(&self, month: Day) -> Result<Vec<Account>, Error> {
        let unbilled = doc! {
            "mode": Mode::Postpaid.name(),
            "$or": [{ "billed": null }, { "billed": { "$lt": month.month() } }],
        };
        let found: Vec<AccountDocument> = self.accounts.find(unbilled).await?.try_collect().await?;
        found.into_iter().map(AccountDocument::account).collect()
    }

    /// Makes the bill of a customer's month from the ledger as it is at one moment, in the place of those that are open. None if
    /// another instance has made it.
    ///
    /// # Errors
    /// As above.
    pub async fn issue(&self, account: &Account, month: Day, now: Timestamp) -> Result<Option<Bill>, Error> {
        let (this, account) = (self.clone(), account.clone());
        let mut session = self.database.client().start_session().await?;
        let issued = session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .and_run2(async move |session: &mut ClientSession| {
                let sums = this.sums(session, &account.customer_id, month).await?;
                let bill = Bill::of(&account, month, sums, now);
                this.bills.insert_one(BillDocument::of(&bill)).session(&mut *session).await?;
                let open = doc! {
                    "customer_id": &bill.customer_id,
                    "month": { "$lt": month.month() },
                    "paid": false,
                    "carried": false,
                };
                let carried = doc! { "$set": { "carried": true, "carried_to": bill.id() } };
                this.bills.update_many(open, carried).session(&mut *session).await?;
                let billed = doc! { "$set": { "billed": month.month() } };
                let account = doc! { "_id": &account.customer_id };
                this.accounts.update_one(account, billed).session(&mut *session).await?;
                Ok(bill)
            })
            .await;
        match issued {
            Ok(bill) => Ok(Some(bill)),
            Err(error) if is_duplicate_key(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes in, in a transaction, what a payment has brought to the balance by now: to the bill it is for, or to the one that
    /// took its place. That bill, if it changed.
    ///
    /// # Errors
    /// As above.
    pub(super) async fn apply(
        &self,
        session: &mut ClientSession,
        bill_id: &str,
        payment_id: &str,
        brought: i64,
    ) -> Result<Option<Bill>, Error> {
        let mut chain: Vec<Bill> = Vec::new();
        let mut next = Some(bill_id.to_owned());
        while let Some(id) = next.take() {
            let found = self.bills.find_one(doc! { "_id": &id }).session(&mut *session).await?;
            let Some(bill) = found.map(BillDocument::bill).transpose()? else { break };
            next = following(&bill, chain.last());
            chain.push(bill);
        }
        if !apply(&mut chain, payment_id, brought) {
            return Ok(None);
        }
        let Some(bill) = chain.pop() else { return Ok(None) };
        let document = BillDocument::of(&bill);
        self.bills.replace_one(doc! { "_id": bill.id() }, document).session(session).await?;
        if bill.surplus() > 0 {
            observe::bill_overpaid(&bill);
        }
        Ok(Some(bill))
    }

    /// Begins to pay a bill, in a transaction, if it is as it was read. False if it is not.
    ///
    /// # Errors
    /// As above.
    pub(super) async fn claim(
        &self,
        session: &mut ClientSession,
        claim: &Claim,
        payment_id: &str,
    ) -> Result<bool, Error> {
        let as_read = doc! {
            "_id": &claim.bill_id, "payment_id": claim.payment_id.clone(), "paid": false, "carried": false,
            "open": { "$in": [claim.open, null] },
        };
        let begun = doc! { "$set": { "payment_id": payment_id } };
        let claimed = self.bills.update_one(as_read, begun).session(session).await?;
        Ok(claimed.matched_count == 1)
    }

    /// What is posted in all, for the month, and for later ones.
    async fn sums(
        &self,
        session: &mut ClientSession,
        customer_id: &str,
        month: Day,
    ) -> Result<(i64, i64, i64), Error> {
        let balances = self.database.collection::<Document>(BALANCES);
        let balance = balances.find_one(doc! { "_id": customer_id }).session(&mut *session).await?;
        // What is accrued is water of days to come for a month that has ended.
        let posted = |balance: Document| balance.get_i64("posted").or_else(|_| balance.get_i64("balance"));
        let balance = balance.map_or(Ok(0), posted).map_err(Error::custom)?;
        let months = self.database.collection::<Document>(MONTHS);
        let since = doc! { "customer_id": customer_id, "month": { "$gte": month.month() } };
        let posted = doc! { "month": 1, "posted": 1 };
        let mut found = months.find(since).projection(posted).session(&mut *session).await?;
        let (mut charges, mut later) = (0_i64, 0_i64);
        while let Some(document) = found.next(&mut *session).await.transpose()? {
            let posted = document.get_i64("posted").map_err(Error::custom)?;
            let of_the_month = document.get_str("month").map_err(Error::custom)? == month.month();
            let sum = if of_the_month { &mut charges } else { &mut later };
            *sum = sum.saturating_add(posted);
        }
        Ok((balance, charges, later))
    }
}

/// The bill that took the place of `bill`, which took that of `last`. Each is of a later month than the one before, so that there
/// is no circle.
fn following(bill: &Bill, last: Option<&Bill>) -> Option<String> {
    bill.carried_to.clone().filter(|_| last.is_none_or(|last| last.month < bill.month))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill() -> Bill {
        Bill {
            customer_id: "customer-001".to_owned(),
            month: Day::parse("2026-10-01").unwrap(),
            charges: 90_000,
            carried_over: 10_000,
            issued_at: Timestamp::UNIX_EPOCH,
            due: Day::parse("2026-11-20").unwrap(),
            applied: [("payment-1".to_owned(), 60_000), ("payment-2".to_owned(), -5_000)].into(),
            carried: true,
            carried_to: Some("bill:customer-001|2026-11".to_owned()),
            payment_id: Some("payment-2".to_owned()),
        }
    }

    #[test]
    fn a_bill_comes_back_as_it_was_written_with_copies_for_searching() {
        let document = bson::serialize_to_document(&BillDocument::of(&bill())).unwrap();
        assert_eq!((document.get_i64("open").unwrap(), document.get_bool("paid").unwrap()), (45_000, false));
        let back: BillDocument = bson::deserialize_from_document(document).unwrap();
        assert_eq!(back.bill().unwrap(), bill());
    }

    #[test]
    fn a_bill_of_before_is_covered_by_the_payment_that_paid_it() {
        let old = |paid: bool, payment: Option<&str>| {
            let written = doc! {
                "_id": "bill:customer-001|2026-10", "customer_id": "customer-001", "month": "2026-10",
                "charges": 90_000_i64, "carried_over": 10_000_i64, "amount": 100_000_i64,
                "issued_at": DateTime::from_millis(0), "due_date": "2026-11-20", "paid": paid, "carried": false,
                "payment_id": payment,
            };
            bson::deserialize_from_document::<BillDocument>(written).unwrap().bill().unwrap()
        };
        let paid = old(true, Some("payment-1"));
        assert_eq!((paid.status(), paid.applied["payment-1"]), (Status::Paid, 100_000));
        let begun = old(false, Some("payment-1"));
        assert_eq!((begun.status(), begun.open()), (Status::Open, 100_000));
    }
}
