//! The customers of one partition of instructions: one writer for each, and one transaction for many postings.
//!
//! A batch of instructions becomes entries, balances and months that are written in one transaction (see [`super::committer`])
//! together with the partition's own document: its revision fences off an instance that lost the partition without knowing, and the ids in it
//! are what the next owner publishes again if we die before we could. So every entry is told at least once, and nothing is
//! posted twice: a day by its revision, a movement by its id.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use indowater_common::clock;
use indowater_common::domain::zone::Day;
use indowater_common::error::Retry;
use indowater_common::kafka::Ticket;
use indowater_common::quarantine::Spoilt;

use super::committer::Committer;
use crate::domain::charge::{DayCharge, Month};
use crate::domain::ledger::{Balance, Draft, Entry};
use crate::kafka::Outlet;
use crate::mongo::{Commit, Fence, MonthKey, Outcome, Store};
use crate::observe;

/// What all partitions of an instance share.
pub struct Shared {
    /// The database.
    pub store: Store,
    /// Makes postings durable.
    pub committer: Committer,
    /// The topics.
    pub outlet: Outlet,
    /// Months that a partition keeps in memory.
    pub months_in_memory: usize,
}

/// What the ledger is asked to post, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Instruction {
    /// A day's usage as it stands.
    Day {
        /// Whose month.
        key: MonthKey,
        /// The local day.
        day: Day,
        /// What it costs.
        charge: DayCharge,
    },
    /// Money that came or went, or a correction.
    Movement {
        /// `users.id`.
        customer_id: Box<str>,
        /// What to post.
        draft: Draft,
    },
}

impl Instruction {
    /// Whose books it changes.
    pub fn customer_id(&self) -> &str {
        match self {
            Self::Day { key, .. } => &key.customer_id,
            Self::Movement { customer_id, .. } => customer_id,
        }
    }
}

/// A transaction on its way: made once, tried until it is durable and told.
struct Flush {
    commit: Arc<Commit>,
    durable: bool,
}

/// The books of one partition.
pub struct Books {
    shared: Arc<Shared>,
    /// The topics, for the time that this instance has the partition.
    outlet: Outlet,
    partition: i32,
    /// Revision of the partition's document; none until it was read.
    fence: Option<i64>,
    balances: HashMap<Box<str>, Balance>,
    months: HashMap<MonthKey, Month>,
    /// Months with something to post.
    changed: BTreeSet<MonthKey>,
    /// Movements to post, by customer, in the order in which they came.
    drafts: Vec<(Box<str>, Draft)>,
    /// Their ids.
    drafted: HashSet<String>,
    /// What came since the last flush, in case it has to be entered again.
    waiting: Vec<Instruction>,
    flush: Option<Flush>,
    /// Another instance has written the partition since it was read.
    stale: bool,
    /// Movements may be in the ledger already: they come again after a crash.
    doubtful: bool,
    /// Customers of whom something cannot be read or posted: what came of them since the last flush is to be set aside.
    spoilt: Vec<Spoilt>,
    /// Entries that the last writer may not have told and that cannot be read, with whose they are. As long as that is so,
    /// nothing is posted for these customers; and the partition's document keeps them, so that they are told once they can be read.
    untold: Vec<(Box<str>, String)>,
}

/// How often a flush starts over before another instance is taken for the owner.
const ROUNDS: usize = 5;

impl Books {
    /// With nothing in memory.
    pub fn new(shared: Arc<Shared>, partition: i32) -> Self {
        Self {
            outlet: shared.outlet.for_new_stint(),
            shared,
            partition,
            fence: None,
            balances: HashMap::new(),
            months: HashMap::new(),
            changed: BTreeSet::new(),
            drafts: Vec::new(),
            drafted: HashSet::new(),
            waiting: Vec::new(),
            flush: None,
            stale: false,
            doubtful: true,
            spoilt: Vec::new(),
            untold: Vec::new(),
        }
    }

    /// How many postings wait.
    pub fn pending(&self) -> usize {
        self.changed.len() + self.drafts.len()
    }

    /// Takes instructions. Doing it again changes nothing.
    ///
    /// # Errors
    /// The database or the broker did not answer.
    pub async fn take(&mut self, instructions: Vec<Instruction>) -> Result<(), Retry> {
        self.enter(&instructions).await?;
        self.waiting.extend(instructions);
        Ok(())
    }

    /// The customers of whom something cannot be read or posted. Nothing of them is in memory, and nothing is written.
    pub fn spoilt(&mut self) -> &mut Vec<Spoilt> {
        &mut self.spoilt
    }

    async fn enter(&mut self, instructions: &[Instruction]) -> Result<(), Retry> {
        self.open().await?;
        self.look_again(instructions).await?;
        self.load_balances(instructions).await?;
        self.load_months(instructions).await?;
        let posted = self.posted(instructions).await?;
        for instruction in instructions {
            if self.spoilt.iter().any(|spoilt| &*spoilt.key == instruction.customer_id()) {
                continue;
            }
            match instruction {
                Instruction::Day { key, day, charge } => {
                    if self.months.entry(key.clone()).or_default().take(*day, charge.clone()) {
                        self.changed.insert(key.clone());
                    }
                }
                Instruction::Movement { customer_id, draft } => {
                    if posted.contains(&draft.id) || !self.drafted.insert(draft.id.clone()) {
                        observe::repeated(&draft.id);
                    } else {
                        self.drafts.push((customer_id.clone(), draft.clone()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Another instance has written this partition since we read it. Either it is the owner now, and we will be told; or it
    /// was, and what it still had under way came after us: then what it left is read, and what waits is entered again.
    async fn start_over(&mut self) -> Result<(), Retry> {
        self.flush = None;
        self.fence = None;
        self.forget();
        self.changed.clear();
        self.drafts.clear();
        self.drafted.clear();
        let waiting = std::mem::take(&mut self.waiting);
        let entered = self.enter(&waiting).await;
        self.waiting = waiting;
        self.stale = entered.is_err();
        entered
    }

    fn forget(&mut self) {
        self.months.clear();
        self.balances.clear();
    }

    /// Reads the partition's document once, and tells again what its last writer may not have told.
    async fn open(&mut self) -> Result<(), Retry> {
        if self.fence.is_some() {
            return Ok(());
        }
        let Fence { revision, entries } = self.shared.store.fence(self.partition).await?;
        self.untold = self.tell_stored(&entries).await?;
        self.fence = Some(revision);
        Ok(())
    }

    /// Looks again at the entries that could not be read, when something comes for their customers.
    async fn look_again(&mut self, instructions: &[Instruction]) -> Result<(), Retry> {
        let is_due = |customer_id: &str| instructions.iter().any(|of| of.customer_id() == customer_id);
        let ids: Vec<String> =
            self.untold.iter().filter(|(of, _)| is_due(of)).map(|(_, id)| id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let still = self.tell_stored(&ids).await?;
        self.untold.retain(|(_, id)| !ids.contains(id));
        self.untold.extend(still);
        Ok(())
    }

    /// Tells entries as they are stored, and the balances they belong to. Returns those that cannot be read, which spoils their
    /// customers, with whose they are.
    async fn tell_stored(&mut self, ids: &[String]) -> Result<Vec<(Box<str>, String)>, Retry> {
        let entries = self.shared.store.entries(ids).await?;
        let customers: BTreeSet<Box<str>> =
            entries.found.iter().map(|(entry, _)| entry.customer_id.clone()).collect();
        let balances = self.shared.store.balances(customers.iter()).await?.found;
        let ticket = Ticket::default();
        for (entry, posted_at) in &entries.found {
            self.outlet.entry(&ticket, entry, *posted_at).await?;
        }
        for (customer_id, (balance, updated_at)) in &balances {
            self.outlet.balance(&ticket, customer_id, *balance, *updated_at).await?;
        }
        ticket.delivered().await?;
        let unreadable = entries.unreadable.into_iter().map(|(spoilt, id)| {
            observe::entry_unreadable(&spoilt.reason);
            let customer_id = spoilt.key.clone();
            self.spoilt.push(spoilt);
            (customer_id, id)
        });
        Ok(unreadable.collect())
    }

    async fn load_months(&mut self, instructions: &[Instruction]) -> Result<(), Retry> {
        let missing: HashSet<&MonthKey> = instructions
            .iter()
            .filter_map(|instruction| match instruction {
                Instruction::Day { key, .. } if !self.months.contains_key(key) => Some(key),
                _ => None,
            })
            .collect();
        if !missing.is_empty() {
            let months = self.shared.store.months(missing).await?;
            self.months.extend(months.found);
            self.spoilt.extend(months.spoilt);
        }
        Ok(())
    }

    async fn load_balances(&mut self, instructions: &[Instruction]) -> Result<(), Retry> {
        let customers = instructions.iter().map(Instruction::customer_id);
        let missing: BTreeSet<Box<str>> =
            customers.filter(|id| !self.balances.contains_key(*id)).map(Box::from).collect();
        let mut loaded = self.shared.store.balances(missing.iter()).await?;
        for customer_id in missing {
            let balance = loaded.found.remove(&customer_id).map(|(balance, _)| balance);
            self.balances.insert(customer_id, balance.unwrap_or_default());
        }
        for Spoilt { key, .. } in &loaded.spoilt {
            self.balances.remove(key);
        }
        self.spoilt.extend(loaded.spoilt);
        Ok(())
    }

    /// The movements among the instructions that are in the ledger already. A payment tells all that it ever did whenever it changes;
    /// others come again only after a crash, and if they do the database says so.
    async fn posted(&self, instructions: &[Instruction]) -> Result<HashSet<String>, Retry> {
        let ids = instructions.iter().filter_map(|instruction| match instruction {
            Instruction::Movement { draft, .. } if self.doubtful || draft.payment_id.is_some() => {
                Some(draft.id.as_str())
            }
            Instruction::Movement { .. } | Instruction::Day { .. } => None,
        });
        let ids: Vec<&str> = ids.collect();
        if ids.is_empty() { Ok(HashSet::new()) } else { Ok(self.shared.store.posted(&ids).await?) }
    }

    /// Posts everything that waits, in one transaction, and tells it.
    ///
    /// # Errors
    /// The database or the broker did not answer, or another instance writes this partition. Nothing is forgotten; doing it again
    /// is safe.
    pub async fn flush(&mut self) -> Result<(), Retry> {
        for _ in 0..ROUNDS {
            if self.stale {
                self.start_over().await?;
            }
            if self.flush.is_none() {
                self.prepare();
            }
            if self.make_durable().await? {
                self.tell().await?;
                self.doubtful = false;
                self.flush = None;
                self.waiting.clear();
                self.drafted.clear();
                if self.months.len().max(self.balances.len()) > self.shared.months_in_memory {
                    // All of it is stored, and what is asked for is loaded again.
                    observe::forgotten(self.months.len());
                    self.forget();
                }
                return Ok(());
            }
            (self.stale, self.doubtful) = (true, true);
        }
        Err(Retry::because("another instance keeps writing this partition of the ledger"))
    }

    /// False if another instance has written the partition since, or some of it is in the ledger already.
    async fn make_durable(&mut self) -> Result<bool, Retry> {
        let Some(flush) = self.flush.as_mut().filter(|flush| !flush.durable) else { return Ok(true) };
        let started = Instant::now();
        match self.shared.committer.commit(flush.commit.clone()).await? {
            Outcome::Committed => {
                observe::posted(flush.commit.entries.len(), started.elapsed());
                self.fence = Some(flush.commit.replaces + 1);
                flush.durable = true;
                return Ok(true);
            }
            Outcome::Fenced => observe::fenced(self.partition),
            Outcome::Repeated => observe::posted_before(self.partition),
        }
        Ok(false)
    }

    /// Makes the transaction: settles what changed and gives every entry its place.
    fn prepare(&mut self) {
        if self.pending() == 0 {
            return;
        }
        let now = clock::now().as_second();
        let mut drafts = std::mem::take(&mut self.drafts);
        let changed = std::mem::take(&mut self.changed);
        for key in &changed {
            let Some(month) = self.months.get_mut(key) else { continue };
            let draft = month.settle(&key.customer_id, &key.device_id, key.month, now);
            drafts.extend(draft.map(|draft| (key.customer_id.clone(), draft)));
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(drafts.len());
        for (customer_id, draft) in drafts {
            let balance = self.balances.entry(customer_id.clone()).or_default();
            match balance.post(&customer_id, draft) {
                Ok(entry) => entries.push(entry),
                Err(overflow) => {
                    let reason = format!("it cannot be posted: {overflow}");
                    self.spoilt.push(Spoilt { key: customer_id, reason });
                }
            }
        }
        for Spoilt { key, .. } in &self.spoilt {
            // Nothing of it is posted, rather than a part: what is in memory has taken more than that.
            entries.retain(|entry| entry.customer_id != *key);
            self.balances.remove(key);
            self.months.retain(|month, _| month.customer_id != *key);
        }
        let balances: BTreeMap<Box<str>, Balance> = entries
            .iter()
            .filter_map(|entry| Some((entry.customer_id.clone(), *self.balances.get(&entry.customer_id)?)))
            .collect();
        let months = changed.into_iter().filter_map(|key| Some((self.months.get(&key)?.clone(), key)));
        let commit = Commit {
            partition: self.partition,
            replaces: self.fence.unwrap_or_default(),
            token: clock::new_id("flush"),
            months: months.map(|(month, key)| (key, month)).collect(),
            untold: self.untold.iter().map(|(_, id)| id.clone()).collect(),
            entries,
            balances,
            posted_at: now,
        };
        self.flush = Some(Flush { commit: Arc::new(commit), durable: false });
    }

    async fn tell(&self) -> Result<(), Retry> {
        let Some(Flush { commit, .. }) = &self.flush else { return Ok(()) };
        let ticket = Ticket::default();
        for entry in &commit.entries {
            self.outlet.entry(&ticket, entry, commit.posted_at).await?;
        }
        for (customer_id, balance) in &commit.balances {
            self.outlet.balance(&ticket, customer_id, *balance, commit.posted_at).await?;
        }
        Ok(ticket.delivered().await?)
    }
}
