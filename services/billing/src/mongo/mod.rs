//! The database's edge: the ledger's collections, tariffs, payments and bills.

mod bills;
mod corrections;
mod documents;
mod foreign_payments;
mod notifications;
mod payment_documents;
mod payments;
mod query;
mod revenue;
mod tariffs;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;
use std::sync::Arc;

use bson::{Document, RawDocumentBuf, doc, rawdoc};
use futures::TryStreamExt;
use indowater_common::domain::zone::Day;
use indowater_common::mongo::{commit, insert_within, is_duplicate_key, update_within};
use indowater_common::quarantine::Spoilt;
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};
use serde::{Deserialize, Serialize};

use crate::domain::charge::Month;
use crate::domain::ledger::{Balance, Entry};
use documents::{BalanceDocument, EntryDocument, MonthDocument, OwnedBalance};

pub use bills::{Bills, Claim};
pub use corrections::CorrectionStore;
pub use notifications::Notifications;
pub use payments::{Inserted, Payments, Tell, Turn};
pub use tariffs::{Announce, Tariffs};

/// Whose month, and of which device.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonthKey {
    /// `users.id`.
    pub customer_id: Box<str>,
    /// `devices.id`.
    pub device_id: Box<str>,
    /// Its first day.
    pub month: Day,
}

impl MonthKey {
    fn id(&self) -> String {
        format!("{}|{}|{}", self.customer_id, self.device_id, self.month.month())
    }
}

/// Postings of one partition that become durable together or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Partition of the instructions.
    pub partition: i32,
    /// Revision of the partition's document that the writer knows.
    pub replaces: i64,
    /// Tells this transaction from anybody else's.
    pub token: String,
    /// The entries, in order.
    pub entries: Vec<Entry>,
    /// The balances they lead to.
    pub balances: BTreeMap<Box<str>, Balance>,
    /// The months they come from.
    pub months: Vec<(MonthKey, Month)>,
    /// Entries of before that may not be told yet, for they cannot be read.
    pub untold: Vec<String>,
    /// Seconds since the epoch.
    pub posted_at: i64,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Committed,
    /// Another writer has come since; nothing was written.
    Fenced,
    /// An entry of it is in the ledger already; nothing was written.
    Repeated,
}

/// What the last writer of a partition left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    /// Revision of the partition's document; 0 if there is none.
    pub revision: i64,
    /// Ids of the entries that may not be told yet: those of its last transaction, and earlier ones that could not be read.
    pub entries: Vec<String>,
}

/// Entries that were asked for by id.
#[derive(Default)]
pub struct Stored {
    /// Those that can be read, each with the moment of its posting (seconds since the epoch), in the order of the statements.
    pub found: Vec<(Entry, i64)>,
    /// Those that cannot: whose they are, as far as they say so, and the ids.
    pub unreadable: Vec<(Spoilt, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartitionDocument {
    revision: i64,
    token: String,
    entries: Vec<String>,
}

/// What was read of some keys, and whose documents cannot be.
pub struct Read<K, V> {
    /// What is stored.
    pub found: HashMap<K, V>,
    /// The customers of whom a document cannot be read, and why.
    pub spoilt: Vec<Spoilt>,
}

impl<K, V> Default for Read<K, V> {
    fn default() -> Self {
        Self { found: HashMap::new(), spoilt: Vec::new() }
    }
}

fn spoilt(collection: &str, raw: &RawDocumentBuf, customer_id: &str, error: &dyn Display) -> Spoilt {
    let id = raw.get_str("_id").unwrap_or("without an id");
    let reason = format!("the document {id} of {collection} cannot be read, mend it: {error}");
    Spoilt { key: customer_id.into(), reason }
}

/// The ledger. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    entries: Collection<EntryDocument>,
    balances: Collection<RawDocumentBuf>,
    months: Collection<RawDocumentBuf>,
    partitions: Collection<PartitionDocument>,
}

const ENTRIES: &str = "ledger_entries";
const BALANCES: &str = "balances";
const MONTHS: &str = "ledger_months";
const PARTITIONS: &str = "ledger_partitions";

impl Store {
    /// On the database of billing.
    pub fn new(database: Database) -> Self {
        Self {
            entries: database.collection(ENTRIES),
            balances: database.collection(BALANCES),
            months: database.collection(MONTHS),
            partitions: database.collection(PARTITIONS),
            database,
        }
    }

    /// What the last writer of a partition left.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn fence(&self, partition: i32) -> Result<Fence, Error> {
        let found = self.partitions.find_one(doc! { "_id": partition }).await?;
        Ok(found.map_or_else(Fence::default, |PartitionDocument { revision, entries, .. }| Fence {
            revision,
            entries,
        }))
    }

    /// Entries by id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn entries(&self, ids: &[String]) -> Result<Stored, Error> {
        let mut stored = Stored::default();
        if ids.is_empty() {
            return Ok(stored);
        }
        let entries = self.database.collection::<RawDocumentBuf>(ENTRIES);
        let mut found = entries.find(doc! { "_id": { "$in": ids } }).sort(doc! { "sequence": 1 }).await?;
        while let Some(raw) = found.try_next().await? {
            let entry = bson::deserialize_from_slice(raw.as_bytes()).map_err(Error::custom);
            match entry.and_then(EntryDocument::entry) {
                Ok(entry) => stored.found.push(entry),
                Err(error) => {
                    let id = raw.get_str("_id").unwrap_or_default().to_owned();
                    let customer_id = raw.get_str("customer_id").unwrap_or_default();
                    stored.unreadable.push((spoilt(ENTRIES, &raw, customer_id, &error), id));
                }
            }
        }
        Ok(stored)
    }

    /// Which of these entries are in the ledger.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn posted(&self, ids: &[&str]) -> Result<HashSet<String>, Error> {
        let entries = self.database.collection::<Document>(ENTRIES);
        let found = entries.find(doc! { "_id": { "$in": ids } }).projection(doc! { "_id": 1 }).await?;
        let found: Vec<Document> = found.try_collect().await?;
        Ok(found.iter().filter_map(|entry| entry.get_str("_id").ok().map(str::to_owned)).collect())
    }

    /// The balances of those of these customers that have one, and when they changed (seconds since the epoch).
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn balances(
        &self,
        customers: impl Iterator<Item = &Box<str>>,
    ) -> Result<Read<Box<str>, (Balance, i64)>, Error> {
        let ids: Vec<&str> = customers.map(|id| &**id).collect();
        let mut read = Read::default();
        if ids.is_empty() {
            return Ok(read);
        }
        let mut found = self.balances.find(doc! { "_id": { "$in": ids } }).await?;
        while let Some(raw) = found.try_next().await? {
            match bson::deserialize_from_slice::<OwnedBalance>(raw.as_bytes()) {
                Ok(balance) => read.found.extend([balance.balance()]),
                Err(error) => {
                    read.spoilt.push(spoilt(BALANCES, &raw, raw.get_str("_id").unwrap_or_default(), &error))
                }
            }
        }
        Ok(read)
    }

    /// Those of these months that are stored.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn months(&self, keys: HashSet<&MonthKey>) -> Result<Read<MonthKey, Month>, Error> {
        let asked: HashMap<String, &MonthKey> = keys.into_iter().map(|key| (key.id(), key)).collect();
        let mut read = Read::default();
        let ids: Vec<&String> = asked.keys().collect();
        let mut found = self.months.find(doc! { "_id": { "$in": ids } }).await?;
        while let Some(raw) = found.try_next().await? {
            let Some(key) = raw.get_str("_id").ok().and_then(|id| asked.get(id)) else { continue };
            let month = bson::deserialize_from_slice(raw.as_bytes()).map_err(Error::custom);
            let month = month.and_then(MonthDocument::month).and_then(|(of, month)| {
                // Whose it is stands in its id too.
                if of == **key {
                    Ok(month)
                } else {
                    Err(Error::custom("it says to be another month than its id"))
                }
            });
            match month {
                Ok(month) => _ = read.found.insert((*key).clone(), month),
                Err(error) => read.spoilt.push(spoilt(MONTHS, &raw, &key.customer_id, &error)),
            }
        }
        for (key, month) in read.found.iter_mut().filter(|(_, month)| !month.knows_classes()) {
            let ids = (1..=month.postings).map(|posting| format!("usage:{}@{posting}", key.id()));
            let entries = self.entries(&ids.collect::<Vec<_>>()).await?;
            month.learn_classes(entries.found.iter().flat_map(|(entry, _)| &entry.draft.others));
            // Whose they are stands in the key: an entry may not say it any more.
            let of_key =
                entries.unreadable.into_iter().map(|(of, _)| Spoilt { key: key.customer_id.clone(), ..of });
            read.spoilt.extend(of_key);
        }
        let Read { found, spoilt } = &mut read;
        found.retain(|key, _| spoilt.iter().all(|of| of.key != key.customer_id));
        Ok(read)
    }

    /// Writes postings in one transaction, durable on a majority, unless somebody else has written the partition since.
    ///
    /// # Errors
    /// The database does not answer. It may be written then or not; writing it again is safe.
    pub async fn commit(&self, commit: &Arc<Commit>) -> Result<Outcome, Error> {
        let Err(error) = self.commit_together(std::slice::from_ref(commit)).await else {
            return Ok(Outcome::Committed);
        };
        match self.partitions.find_one(doc! { "_id": commit.partition }).await? {
            // The answer to an earlier try was lost. What is read here a majority has, so it cannot be undone any more; and
            // where it is not there yet, the fence has the next try fail or succeed as a whole.
            Some(stored) if stored.token == commit.token => Ok(Outcome::Committed),
            Some(stored) if stored.revision != commit.replaces => Ok(Outcome::Fenced),
            None if commit.replaces != 0 => Ok(Outcome::Fenced),
            _ if is_duplicate_key(&error) => Ok(Outcome::Repeated),
            _ => Err(error),
        }
    }

    /// Writes postings of several partitions in one transaction, all or none.
    ///
    /// # Errors
    /// Somebody else has written one of the partitions, an entry is there already, or the database does not answer; then all or
    /// none are written, and [`commit`](Self::commit) tells for each.
    pub async fn commit_together(&self, commits: &[Arc<Commit>]) -> Result<(), Error> {
        let mut session = self.database.client().start_session().await?;
        session.start_transaction().await?;
        match self.write(&mut session, commits).await {
            Ok(()) => commit(&mut session).await,
            Err(error) => {
                // It ends by itself if this does not reach the database.
                let _ = session.abort_transaction().await;
                Err(error)
            }
        }
    }

    async fn write(&self, session: &mut ClientSession, commits: &[Arc<Commit>]) -> Result<(), Error> {
        // First the fences: whoever lost a partition learns it before anything else is written.
        self.pass_fences(session, commits).await?;
        let entries = commits
            .iter()
            .flat_map(|commit| commit.entries.iter().map(|entry| EntryDocument::of(entry, commit.posted_at)));
        let entries = entries.map(|entry| bson::serialize_to_raw_document_buf(&entry));
        let entries = entries.collect::<Result<Vec<RawDocumentBuf>, _>>()?;
        insert_within(session, &self.database, ENTRIES, &entries).await?;
        self.write_balances(session, commits).await?;
        self.write_months(session, commits).await?;
        self.add_to_days(session, commits).await
    }

    async fn pass_fences(&self, session: &mut ClientSession, commits: &[Arc<Commit>]) -> Result<(), Error> {
        let mut updates = Vec::new();
        for commit in commits {
            let stored = PartitionDocument {
                revision: commit.replaces + 1,
                token: commit.token.clone(),
                entries: (commit.entries.iter().map(|entry| &entry.draft.id))
                    .chain(&commit.untold)
                    .cloned()
                    .collect(),
            };
            let is_first = commit.replaces == 0;
            // A partition that nobody wrote has no document; if it has one after all, the insertion fails.
            let known = match is_first {
                true => rawdoc! { "_id": commit.partition, "revision": { "$exists": false } },
                false => rawdoc! { "_id": commit.partition, "revision": commit.replaces },
            };
            let stored = bson::serialize_to_raw_document_buf(&stored)?;
            updates.push(rawdoc! { "q": known, "u": { "$set": stored }, "upsert": is_first });
        }
        let passed = update_within(session, &self.database, PARTITIONS, &updates).await?;
        let all = u64::try_from(commits.len()).map_err(Error::custom)?;
        if passed == all { Ok(()) } else { Err(Error::custom("a partition has another writer")) }
    }

    async fn write_balances(
        &self,
        session: &mut ClientSession,
        commits: &[Arc<Commit>],
    ) -> Result<(), Error> {
        let mut updates = Vec::new();
        for commit in commits {
            for (customer_id, balance) in &commit.balances {
                let new = BalanceDocument::of(*balance, commit.posted_at);
                let new = bson::serialize_to_raw_document_buf(&new)?;
                updates
                    .push(rawdoc! { "q": { "_id": &**customer_id }, "u": { "$set": new }, "upsert": true });
            }
        }
        self.update(session, BALANCES, updates).await
    }

    /// Puts months in the place of what is there, or where nothing is. As a pipeline, an update journals what differs and not the
    /// whole document with all its days, at half the price.
    async fn write_months(&self, session: &mut ClientSession, commits: &[Arc<Commit>]) -> Result<(), Error> {
        let mut updates = Vec::new();
        for commit in commits {
            for (key, month) in &commit.months {
                let document = MonthDocument::of(key, month, commit.posted_at);
                let document = bson::serialize_to_raw_document_buf(&document)?;
                let new = rawdoc! { "$replaceWith": { "$literal": document } };
                updates.push(rawdoc! { "q": { "_id": key.id() }, "u": [new], "upsert": true });
            }
        }
        self.update(session, MONTHS, updates).await
    }

    async fn update(
        &self,
        session: &mut ClientSession,
        collection: &str,
        updates: Vec<RawDocumentBuf>,
    ) -> Result<(), Error> {
        update_within(session, &self.database, collection, &updates).await.map(drop)
    }
}
