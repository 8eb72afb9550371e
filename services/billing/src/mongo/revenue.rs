//! What each account of the ledger received on each day: kept up in the transactions that post, so that a report is a look-up.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::{Document, doc, rawdoc};
use futures::TryStreamExt;
use indowater_common::domain::zone::Day;
use mongodb::ClientSession;
use mongodb::error::Error;

use super::{Commit, Store};
use crate::domain::ledger::{AccountDay, Entry, Kind, book_day, by_account};

const DAYS: &str = "ledger_days";

/// The day on whose books an entry is: of what moved at a gateway, the day on which it moved there, as in the gateway's own
/// reports; of all else the day on which it was posted.
fn day_of(entry: &Entry, posted_at: i64) -> Day {
    book_day(match entry.draft.kind {
        Kind::Payment | Kind::Reversal | Kind::Refund => entry.draft.occurred_at,
        Kind::Usage | Kind::Adjustment => posted_at,
    })
}

impl Store {
    /// Adds the legs of a transaction to their days. Transactions that are on their way together are of different partitions, and have
    /// documents of their own: two that changed the same one would wait for each other.
    pub(super) async fn add_to_days(
        &self,
        session: &mut ClientSession,
        commits: &[Arc<Commit>],
    ) -> Result<(), Error> {
        let Some(partition) = commits.first().map(|commit| commit.partition) else { return Ok(()) };
        let mut sums: BTreeMap<(Day, &str), (i64, i64)> = BTreeMap::new();
        for commit in commits {
            for entry in &commit.entries {
                let day = day_of(entry, commit.posted_at);
                for (account, (amount, legs)) in by_account(std::slice::from_ref(entry)) {
                    let sum = sums.entry((day, account)).or_default();
                    *sum = (sum.0.saturating_add(amount), sum.1 + legs);
                }
            }
        }
        let mut updates = Vec::new();
        for ((day, account), (amount, legs)) in sums {
            let update = rawdoc! {
                "$inc": { "amount": amount, "legs": legs },
                "$setOnInsert": { "date": day.to_string(), "account": account },
            };
            let id = format!("{day}|{account}|{partition}");
            updates.push(rawdoc! { "q": { "_id": id }, "u": update, "upsert": true });
        }
        self.update(session, DAYS, updates).await
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
