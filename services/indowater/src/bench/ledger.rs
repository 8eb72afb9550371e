//! The ledger: how many postings become durable, one by one and grouped, and how long one takes.
//!
//! One by one is what it would be without a writer for each customer: a transaction of its own for every posting (entry,
//! balance, fence), from one writer and from eight. Grouped is billing as built, with a backlog of instructions for customers who have
//! a balance already; then, at half of that rate, from the instruction to the entry on its topic.

use std::collections::HashSet;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bson::{Document, doc};
use indowater_common::clock;
use indowater_common::kafka::{Event, Outgoing, Pace, Publisher, Ticket};
use indowater_common::mongo::schema::create_collection;
use indowater_proto::billing::v1::instruction::What;
use indowater_proto::billing::v1::{EntryKind, Instruction, LedgerEntry, Leg, Movement};
use indowater_proto::topics::{ENTRIES, INSTRUCTIONS};
use mongodb::Database;
use prost::Message as _;
use rdkafka::Message as _;
use serde::Serialize;

use super::ground::Ground;
use super::pipeline::{STALLED, start};
use crate::stack::Process;
use crate::system::System;
use crate::topic::{Reader, lag};
use crate::{clients, init};

/// How long single transactions are measured.
const ALONE: Duration = Duration::from_secs(3);
/// For how long instructions are sent at a steady rate.
const STEADY: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(5);
const GROUP: &str = "billing-ledger";

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    customers: u64,
    postings: u64,
    /// Transactions per second, one posting in each, from one writer.
    one_by_one: f64,
    /// The same from eight.
    one_by_one_of_eight: f64,
    /// Postings per second.
    pub grouped: f64,
    /// Postings per second while latency was measured.
    steady: f64,
    /// Milliseconds from instruction to entry.
    p50_ms: i64,
    p99_ms: i64,
}

/// Measures once.
pub(super) async fn measure(ground: &Ground, site: &System, customers: u64, postings: u64) -> Result<Report> {
    init::init(site, 1).await?;
    let database = clients::database(site).await?;
    eprintln!("  posts one by one");
    let one_by_one = alone(&database, 1).await?;
    let one_by_one_of_eight = alone(&database, 8).await?;

    eprintln!("  gives every customer a first posting");
    let sender = Sender::open(site, customers)?;
    let ticket = Ticket::default();
    sender.send_all(&ticket, 0..customers).await?;
    let billing = start(ground, site, "billing")?;
    drain(site, &billing).await?;
    billing.stop().await;

    eprintln!("  instructs {postings} postings");
    let known = customers + postings;
    sender.send_all(&ticket, customers..known).await?;
    eprintln!("  posts them");
    let started = Instant::now();
    let billing = start(ground, site, "billing")?;
    drain(site, &billing).await?;
    let elapsed = started.elapsed();
    let grouped = postings as f64 / elapsed.as_secs_f64();

    eprintln!("  posts at half of that rate");
    // Half of what was reached.
    let per_tick = u64::try_from(u128::from(postings) * TICK.as_millis() / (2 * elapsed.as_millis()))?.max(1);
    let (mut sent, paced) = (known, Instant::now());
    let mut ticks = tokio::time::interval(TICK);
    while paced.elapsed() < STEADY {
        ticks.tick().await;
        for _ in 0..per_tick {
            sender.send(&ticket, sent).await?;
            sent += 1;
        }
    }
    let steady = (sent - known) as f64 / paced.elapsed().as_secs_f64();
    ticket.delivered().await?;
    drain(site, &billing).await?;
    billing.stop().await;
    let mut latencies = latencies(site, known, sent).await?;
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
    Ok(Report {
        customers,
        postings,
        one_by_one,
        one_by_one_of_eight,
        grouped,
        steady,
        p50_ms: at(50),
        p99_ms: at(99),
    })
}

/// Transactions per second, one posting in each.
async fn alone(database: &Database, writers: u64) -> Result<f64> {
    for name in ["alone_entries", "alone_balances"] {
        create_collection(database, name).await?;
    }
    let started = Instant::now();
    let writing = (0..writers).map(|writer| async move {
        let mut posted = 0_u64;
        while started.elapsed() < ALONE {
            post(database, writers, writer, posted).await?;
            posted += 1;
        }
        anyhow::Ok(posted)
    });
    let posted: u64 = futures::future::try_join_all(writing).await?.into_iter().sum();
    Ok(posted as f64 / started.elapsed().as_secs_f64())
}

async fn post(database: &Database, writers: u64, writer: u64, number: u64) -> Result<()> {
    let mut session = database.client().start_session().await?;
    session.start_transaction().await?;
    let entry = doc! { "_id": format!("{writers}-{writer}-{number}"), "customer_id": format!("c-{writer}"), "amount": 1_i64 };
    database.collection::<Document>("alone_entries").insert_one(entry).session(&mut session).await?;
    let raise = doc! { "$inc": { "balance": 1_i64, "sequence": 1_i64 } };
    let balances = database.collection::<Document>("alone_balances");
    balances
        .update_one(doc! { "_id": format!("c-{writer}") }, raise)
        .upsert(true)
        .session(&mut session)
        .await?;
    session.commit_transaction().await.context("a transaction was not committed")
}

/// Sends instructions for customers in turn.
struct Sender {
    publisher: Publisher,
    topic: String,
    customers: u64,
}

impl Sender {
    fn open(site: &System, customers: u64) -> Result<Self> {
        let publisher = Publisher::open(&clients::kafka(site), Pace::Thrifty)?;
        Ok(Self { publisher, topic: INSTRUCTIONS.name(&site.topic_prefix), customers })
    }

    async fn send_all(&self, ticket: &Ticket, numbers: Range<u64>) -> Result<()> {
        for number in numbers {
            self.send(ticket, number).await?;
        }
        Ok(ticket.delivered().await?)
    }

    async fn send(&self, ticket: &Ticket, number: u64) -> Result<()> {
        let now = clock::now();
        let movement = Movement {
            id: format!("bench:{number}:{}", now.as_millisecond()),
            kind: EntryKind::Adjustment.into(),
            legs: vec![Leg { account: "adjustments".to_owned(), amount: -1 }],
            description: "bench".to_owned(),
            occurred_at: now.as_second(),
            made_by: "bench".to_owned(),
            ..Movement::default()
        };
        let customer_id = format!("customer-{}", number % self.customers);
        let event = Event {
            id: &movement.id.clone(),
            source: "bench",
            kind: INSTRUCTIONS.message,
            time: now.as_second(),
            traceparent: None,
        };
        let instruction =
            Instruction { customer_id: customer_id.clone(), what: Some(What::Movement(movement)) };
        let value = instruction.encode_to_vec();
        let outgoing = Outgoing { topic: &self.topic, key: customer_id.as_bytes(), value: &value, event };
        Ok(self.publisher.send(ticket, outgoing).await?)
    }
}

/// Waits until billing has committed all instructions; no more come meanwhile.
async fn drain(site: &System, billing: &Process) -> Result<()> {
    let (kafka, prefix) = (clients::kafka(site), site.topic_prefix.clone());
    let topic = INSTRUCTIONS.name(&prefix);
    let left = clients::blocking(move || {
        let reader = Reader::open(&kafka)?;
        let extent = reader.extent(&topic)?;
        Ok(move || -> Result<i64> {
            let committed = reader.committed(&format!("{prefix}.{GROUP}"), &topic, extent.keys().copied())?;
            Ok(lag(&extent, &committed))
        })
    })
    .await?;
    let left = Arc::new(left);
    let (mut progress, mut before) = (Instant::now(), i64::MAX);
    loop {
        if !billing.is_running() {
            bail!("billing ended before the work was done; it said last:\n{}", billing.last_words());
        }
        let asked = left.clone();
        let left = clients::blocking(move || asked()).await?;
        if left == 0 {
            return Ok(());
        }
        if left < before {
            (progress, before) = (Instant::now(), left);
        } else if progress.elapsed() > STALLED {
            bail!(
                "nothing moved for {} s while {left} instructions were left; billing said last:\n{}",
                STALLED.as_secs(),
                billing.last_words()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Milliseconds from instruction to entry, of those sent at a steady rate. Fails if not every posting is there once.
async fn latencies(site: &System, from: u64, sent: u64) -> Result<Vec<i64>> {
    let (kafka, topic) = (clients::kafka(site), ENTRIES.name(&site.topic_prefix));
    let (latencies, seen) = clients::blocking(move || {
        let reader = Reader::open(&kafka)?;
        let (mut latencies, mut seen) = (Vec::new(), HashSet::new());
        reader.read(&topic, &reader.extent(&topic)?, |record| {
            let entry = LedgerEntry::decode(record.payload().unwrap_or_default())?;
            let mut parts = entry.id.split(':').skip(1);
            let number: u64 = parts.next().context("a strange entry")?.parse()?;
            let sent_at: i64 = parts.next().context("a strange entry")?.parse()?;
            // What came before was told by an instance that ended; the next one tells its last transaction again.
            ensure!(seen.insert(number) || number < from, "posting {number} was told twice");
            if number >= from {
                latencies.push(record.timestamp().to_millis().unwrap_or_default() - sent_at);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((latencies, seen.len() as u64))
    })
    .await?;
    ensure!(seen == sent, "{seen} of {sent} postings are there: what was measured is worth nothing");
    Ok(latencies)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} postings for {} customers", self.postings, self.customers)?;
        writeln!(f, "one by one, one writer     {:>9.0} postings/s", self.one_by_one)?;
        writeln!(f, "one by one, eight writers  {:>9.0} postings/s", self.one_by_one_of_eight)?;
        writeln!(f, "grouped                    {:>9.0} postings/s", self.grouped)?;
        writeln!(
            f,
            "instruction to entry at {:.0} postings/s: p50 {} ms, p99 {} ms",
            self.steady, self.p50_ms, self.p99_ms
        )
    }
}
