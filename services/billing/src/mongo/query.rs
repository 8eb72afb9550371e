//! What people ask: balances, statements, recent usage.

use bson::{Document, doc};
use futures::TryStreamExt;
use indowater_common::domain::zone::Day;
use mongodb::error::Error;

use super::Store;
use super::documents::{EntryDocument, MonthDocument, OwnedBalance};
use crate::domain::charge::Month;
use crate::domain::ledger::{Balance, Entry};

impl Store {
    /// A customer's balance and when it changed last, seconds since the epoch; none if nothing was ever posted.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn balance(&self, customer_id: &str) -> Result<Option<(Balance, i64)>, Error> {
        let found =
            self.balances.clone_with_type::<OwnedBalance>().find_one(doc! { "_id": customer_id }).await?;
        Ok(found.map(|document| document.balance().1))
    }

    /// A page of a customer's entries, newest first, before sequence `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn statement(
        &self,
        customer_id: &str,
        before: Option<i64>,
        many: i64,
    ) -> Result<Vec<(Entry, i64)>, Error> {
        let mut wanted: Document = doc! { "customer_id": customer_id };
        if let Some(before) = before {
            wanted.insert("sequence", doc! { "$lt": before });
        }
        let found = self.entries.find(wanted).sort(doc! { "sequence": -1 }).limit(many).await?;
        let found: Vec<EntryDocument> = found.try_collect().await?;
        found.into_iter().map(EntryDocument::entry).collect()
    }

    /// One entry of a customer.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn entry(&self, customer_id: &str, id: &str) -> Result<Option<(Entry, i64)>, Error> {
        let found = self.entries.find_one(doc! { "_id": id, "customer_id": customer_id }).await?;
        found.map(EntryDocument::entry).transpose()
    }

    /// A customer's months from `since` on.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn months_since(&self, customer_id: &str, since: Day) -> Result<Vec<Month>, Error> {
        let wanted = doc! { "customer_id": customer_id, "month": { "$gte": since.month() } };
        let found: Vec<MonthDocument> =
            self.months.clone_with_type().find(wanted).await?.try_collect().await?;
        found.into_iter().map(|document| document.month().map(|(_, month)| month)).collect()
    }
}
