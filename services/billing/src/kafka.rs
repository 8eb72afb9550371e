//! The broker's edge: usage, payments and instructions in; instructions, entries and balances out.

use std::sync::Arc;

use indowater_common::error::Retry;
use indowater_common::kafka::{Batch, Event, Outgoing, Publisher, Record, Ticket, Work};
use indowater_common::quarantine::Aside;
use indowater_proto::billing::v1 as wire;
use indowater_proto::topics::{BALANCES, ENTRIES, INSTRUCTIONS, PAYMENTS, TARIFFS, Topic, USAGE};
use prost::Message;

use crate::app::books::{Books, Shared};
use crate::domain::ledger::{Balance, Entry};
use crate::wire as encode;

/// `ce_source` of everything this service says.
pub const SOURCE: &str = "/indowater/billing";

/// The topics that this service relies on.
pub const TOPICS: [&Topic; 6] = [&USAGE, &TARIFFS, &PAYMENTS, &INSTRUCTIONS, &ENTRIES, &BALANCES];

/// The way out.
#[derive(Clone)]
pub struct Outlet {
    publisher: Publisher,
    instructions: Arc<str>,
    entries: Arc<str>,
    balances: Arc<str>,
}

impl Outlet {
    /// Topics under `prefix`.
    pub fn new(publisher: Publisher, prefix: &str) -> Self {
        let name = |topic: &Topic| topic.name(prefix).into();
        Self {
            publisher,
            instructions: name(&INSTRUCTIONS),
            entries: name(&ENTRIES),
            balances: name(&BALANCES),
        }
    }

    /// The same topics, for a stint of writing that begins now.
    #[must_use]
    pub fn for_new_stint(&self) -> Self {
        Self { publisher: self.publisher.for_new_stint(), ..self.clone() }
    }

    /// Asks the ledger to post something. It is on the broker when `ticket` says so.
    ///
    /// # Errors
    /// The broker will never take it.
    pub async fn instruct(
        &self,
        ticket: &Ticket,
        id: &str,
        time: i64,
        instruction: &wire::Instruction,
    ) -> Result<(), Retry> {
        let (key, value) = (instruction.customer_id.as_bytes(), instruction.encode_to_vec());
        self.send(ticket, &self.instructions, (id, INSTRUCTIONS.message, time), key, &value).await
    }

    /// Tells an entry.
    ///
    /// # Errors
    /// The broker will never take it.
    pub async fn entry(&self, ticket: &Ticket, entry: &Entry, posted_at: i64) -> Result<(), Retry> {
        let value = encode::entry(entry, posted_at).encode_to_vec();
        let event = (entry.draft.id.as_str(), ENTRIES.message, entry.draft.occurred_at);
        self.send(ticket, &self.entries, event, entry.customer_id.as_bytes(), &value).await
    }

    /// Tells a balance.
    ///
    /// # Errors
    /// The broker will never take it.
    pub async fn balance(
        &self,
        ticket: &Ticket,
        customer_id: &str,
        balance: Balance,
        updated_at: i64,
    ) -> Result<(), Retry> {
        let value = encode::balance(customer_id, balance, updated_at).encode_to_vec();
        let id = format!("{customer_id}@{}", balance.sequence);
        self.send(ticket, &self.balances, (&id, BALANCES.message, updated_at), customer_id.as_bytes(), &value)
            .await
    }

    async fn send(
        &self,
        ticket: &Ticket,
        topic: &str,
        (id, kind, time): (&str, &str, i64),
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Retry> {
        let event = Event { id, source: SOURCE, kind, time, traceparent: None };
        Ok(self.publisher.send(ticket, Outgoing { topic, key, value, event }).await?)
    }
}

/// What a record asks of the ledger: for each instruction its id and when it happened, seconds since the epoch.
pub type Asked = Vec<(String, i64, wire::Instruction)>;

/// One partition of a topic whose records become instructions for the ledger, by customer. It keeps nothing.
pub struct Instructing {
    outlet: Outlet,
    aside: Aside,
    read: fn(&[u8]) -> Result<Asked, String>,
    ticket: Ticket,
    pending: usize,
}

impl Instructing {
    /// Each daily record says what the day costs whom.
    pub fn of_usage(outlet: Outlet, aside: Aside) -> Self {
        Self::new(outlet, aside, |value| encode::usage_asks(decode(value)?))
    }

    /// Each payment says all that it ever did; the ledger knows what it has of that.
    pub fn of_payments(outlet: Outlet, aside: Aside) -> Self {
        Self::new(outlet, aside, |value| Ok(encode::payment_asks(decode(value)?)))
    }

    fn new(outlet: Outlet, aside: Aside, read: fn(&[u8]) -> Result<Asked, String>) -> Self {
        Self { outlet, aside, read, ticket: Ticket::default(), pending: 0 }
    }

    async fn instruct(&mut self, partition: i32, record: &Record<'_>) -> Result<(), Retry> {
        let asked = match (self.read)(record.value) {
            Ok(asked) => asked,
            Err(why) => return self.aside.record(partition, record, &why).await,
        };
        for (id, time, instruction) in asked {
            self.outlet.instruct(&self.ticket, &id, time, &instruction).await?;
            self.pending += 1;
        }
        Ok(())
    }
}

fn decode<M: Message + Default>(value: &[u8]) -> Result<M, String> {
    M::decode(value).map_err(|error| error.to_string())
}

impl Work for Instructing {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        for record in batch.records() {
            self.instruct(batch.partition, &record).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.ticket.delivered().await?;
        (self.ticket, self.pending) = (Ticket::default(), 0);
        Ok(())
    }

    fn pending(&self) -> usize {
        self.pending
    }
}

/// One partition of instructions: the books of its customers.
pub struct Partition {
    books: Books,
    aside: Aside,
}

impl Partition {
    /// With nothing in memory.
    pub fn new(shared: Arc<Shared>, partition: i32, aside: Aside) -> Self {
        Self { books: Books::new(shared, partition), aside }
    }
}

impl Work for Partition {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        let mut instructions = Vec::with_capacity(batch.len());
        for record in batch.records() {
            match decode(record.value).and_then(encode::instruction) {
                Ok(instruction) => instructions.push(instruction),
                // Only billing writes them, so this is a fault of ours.
                Err(why) => self.aside.record(batch.partition, &record, &why).await?,
            }
        }
        self.books.take(instructions).await?;
        self.aside.keep(batch);
        self.aside.keys(self.books.spoilt()).await
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.books.flush().await?;
        self.aside.keys(self.books.spoilt()).await?;
        self.aside.clear();
        Ok(())
    }

    fn pending(&self) -> usize {
        self.books.pending()
    }
}
