//! What each account of the ledger received on each day: kept up in the transactions that post, so that a report is a look-up.

use std::collections::BTreeMap;

use bson::{Document, RawArrayBuf, doc, rawdoc};
use futures::TryStreamExt;
use indowater_common::domain::zone::Day;
use indowater_common::mongo::update_within;
use mongodb::ClientSession;
use mongodb::error::Error;

use super::{Commit, Store};
use crate::domain::ledger::{AccountDay, book_day, by_account};

const DAYS: &str = "ledger_days";

impl Store {
    /// Adds the legs of a transaction to their day. Each partition has documents of its own, for two that changed the same one
    /// would wait for each other.
    pub(super) async fn add_to_days(
        &self,
        session: &mut ClientSession,
        commit: &Commit,
    ) -> Result<(), Error> {
        if commit.entries.is_empty() {
            return Ok(());
        }
        let (date, partition) = (book_day(commit.posted_at).to_string(), commit.partition);
        let mut updates = RawArrayBuf::new();
        for (account, (amount, legs)) in by_account(&commit.entries) {
            let id = format!("{date}|{account}|{partition}");
            let update = rawdoc! {
                "$inc": { "amount": amount, "legs": legs },
                "$setOnInsert": { "date": date.as_str(), "account": account },
            };
            updates.push(rawdoc! { "q": { "_id": id }, "u": update, "upsert": true });
        }
        update_within(session, &self.database, DAYS, updates).await
    }

    /// What every account received on every day of a span, by date and account.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn revenue(&self, from: Day, to: Day) -> Result<Vec<AccountDay>, Error> {
        let days = self.database.collection::<Document>(DAYS);
        let of_span = doc! { "date": { "$gte": from.to_string(), "$lte": to.to_string() } };
        let documents = days.clone_with_type::<AccountDay>().find(of_span).await?;
        let documents: Vec<AccountDay> = documents.try_collect().await?;
        let mut sums: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
        for AccountDay { date, account, amount, legs } in documents {
            let sum = sums.entry((date, account)).or_default();
            *sum = (sum.0.saturating_add(amount), sum.1.saturating_add(legs));
        }
        let days = sums.into_iter().filter(|(_, (_, legs))| *legs != 0);
        Ok(days.map(|((date, account), (amount, legs))| AccountDay { date, account, amount, legs }).collect())
    }
}
