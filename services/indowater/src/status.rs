//! `status`: whether the system works, how far behind it is, and what it could not use.
//!
//! It is asked most when something is wrong, so what does not answer is told and the rest is shown all the same.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use futures::future::join_all;
use indowater_common::config;
use indowater_proto::readings::v1::DeadLetter;
use indowater_proto::topics::{ALL, DEAD_LETTERS};
use prost::Message as _;
use rdkafka::Message as _;
use serde::Serialize;

use crate::clients::{self, PATIENCE, blocking};
use crate::quarantine;
use crate::simulate::faults::reason_name;
use crate::system::{Connect, Service, System};
use crate::terminal;
use crate::topic::{Extent, Reader, lag, records};

/// Show what is ready, how far behind the pipeline is, and what it could not use
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connect: Connect,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// How a system stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whether everything that was asked is ready.
    pub ready: bool,
    /// What is not, in sentences.
    pub problems: Vec<String>,
    /// Each service that is known.
    pub services: Vec<Readiness>,
    /// The topics, if the broker answers.
    pub topics: Vec<TopicStatus>,
    /// How far the consumer groups are.
    pub groups: Vec<Lag>,
    /// Messages that became dead letters, by reason, of the newest [`MOST_LETTERS`].
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// Documents by collection, if the database answers.
    pub documents: BTreeMap<&'static str, u64>,
    /// Records in quarantine, by its collection, where there are any.
    pub quarantined: BTreeMap<String, u64>,
}

/// Whether one service is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The service.
    pub name: String,
    /// Whether it said so.
    pub ready: bool,
    /// What it said.
    pub says: String,
}

/// How much a topic holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicStatus {
    /// Full name.
    pub topic: String,
    /// Records; for compacted topics, and where producers use transactions, an upper bound.
    pub records: i64,
}

/// How far a group is behind a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Full name of the group.
    pub group: String,
    /// Full name of the topic.
    pub topic: String,
    /// Records that it has not committed yet.
    pub lag: i64,
}

/// Dead letters that are counted at most; more are a matter for other tools.
pub const MOST_LETTERS: i64 = 1_000_000;
const COLLECTIONS: [&str; 3] = ["properties", "devices", "water_usage"];

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    let status = status(&args.connect.resolve()?).await;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{status}");
    }
    Ok(if status.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks everything that `system` is made of. What does not answer is among the problems.
pub async fn status(system: &System) -> Status {
    let kafka = clients::kafka(system);
    let (services, broker, documents) =
        tokio::join!(readiness(&system.services), blocking(move || broker(&kafka)), documents(system));
    let mut status = Status { services, ..Status::default() };
    for service in status.services.iter().filter(|service| !service.ready) {
        status.problems.push(format!("{} is not ready: {}", service.name, service.says));
    }
    match broker {
        Ok((topics, groups, dead_letters)) => {
            (status.topics, status.groups, status.dead_letters) = (topics, groups, dead_letters);
        }
        Err(error) => status.problems.push(format!("{error:#}")),
    }
    match documents {
        Ok((documents, quarantined)) => (status.documents, status.quarantined) = (documents, quarantined),
        Err(error) => status.problems.push(format!("{error:#}")),
    }
    status.ready = status.problems.is_empty();
    status
}

async fn readiness(services: &[Service]) -> Vec<Readiness> {
    let client = reqwest::Client::new();
    join_all(services.iter().map(|service| async {
        let answer = client.get(format!("{}/readyz", service.admin_url)).timeout(PATIENCE / 5).send().await;
        let (ready, says) = match answer {
            Ok(answer) => {
                (answer.status().is_success(), answer.text().await.unwrap_or_default().trim().to_owned())
            }
            Err(_) => (false, format!("{} does not answer", service.admin_url)),
        };
        Readiness { name: service.name.clone(), ready, says }
    }))
    .await
}

type Broker = (Vec<TopicStatus>, Vec<Lag>, BTreeMap<&'static str, u64>);

fn broker(kafka: &config::Kafka) -> Result<Broker> {
    let reader = Reader::open(kafka)?;
    let names = ALL.map(|topic| topic.name(&kafka.topic_prefix));
    let extents: Vec<(String, Extent)> =
        names.into_iter().map(|name| Ok((name.clone(), reader.extent(&name)?))).collect::<Result<_>>()?;
    let topics =
        extents.iter().map(|(topic, extent)| TopicStatus { topic: topic.clone(), records: records(extent) });
    let mut groups = Vec::new();
    for group in reader.groups()? {
        let places = extents
            .iter()
            .flat_map(|(topic, extent)| extent.keys().map(move |partition| (topic.as_str(), *partition)));
        let committed = reader.committed_of_all(&group, places)?;
        for (topic, extent) in &extents {
            if let Some(committed) = committed.get(topic) {
                let lag = lag(extent, committed);
                groups.push(Lag { group: group.clone(), topic: topic.clone(), lag });
            }
        }
    }
    let dead_letters = DEAD_LETTERS.name(&kafka.topic_prefix);
    let reasons = match extents.iter().find(|(topic, _)| *topic == dead_letters) {
        Some((topic, extent)) => reasons(&reader, topic, extent)?,
        None => BTreeMap::new(),
    };
    Ok((topics.collect(), groups, reasons))
}

fn reasons(reader: &Reader, topic: &str, extent: &Extent) -> Result<BTreeMap<&'static str, u64>> {
    let each = MOST_LETTERS / i64::try_from(extent.len().max(1)).unwrap_or(1);
    let newest = extent.iter().map(|(partition, (low, high))| (*partition, ((*low).max(high - each), *high)));
    let mut reasons = BTreeMap::new();
    // A restart of ingest may have left two letters of one message.
    let mut seen = HashSet::new();
    reader.read(topic, &newest.collect(), |record| {
        let letter = DeadLetter::decode(record.payload().unwrap_or_default());
        let letter = letter.with_context(|| format!("{topic} {}:{}", record.partition(), record.offset()))?;
        let reason = reason_name(letter.reason());
        if seen.insert((letter.topic, letter.partition, letter.offset, reason)) {
            *reasons.entry(reason).or_default() += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(reasons)
}

type Counted = (BTreeMap<&'static str, u64>, BTreeMap<String, u64>);

async fn documents(system: &System) -> Result<Counted> {
    clients::with_database(system, async |database| {
        let count = async |name: &str| {
            let count = database.collection::<Document>(name).estimated_document_count().await;
            count.with_context(|| format!("the documents of {name} cannot be counted"))
        };
        let mut documents = BTreeMap::new();
        for name in COLLECTIONS {
            documents.insert(name, count(name).await?);
        }
        let mut quarantined = BTreeMap::new();
        for name in quarantine::quarantines(database).await? {
            quarantined.insert(name.clone(), count(&name).await?);
        }
        quarantined.retain(|_, count| *count > 0);
        Ok((documents, quarantined))
    })
    .await
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for service in &self.services {
            let mark = if service.ready { "ready" } else { "NOT READY" };
            writeln!(
                f,
                "{:<20}{mark:<12}{}",
                service.name,
                if service.ready { "".into() } else { terminal::line(&service.says) }
            )?;
        }
        if self.services.is_empty() {
            writeln!(f, "no service was asked: their addresses are known in the data folder of `up` only")?;
        }
        for topic in &self.topics {
            writeln!(f, "{:<44}{:>12} records", topic.topic, topic.records)?;
        }
        for Lag { group, topic, lag } in &self.groups {
            writeln!(f, "{:<44}{lag:>12} behind on {topic}", terminal::line(group))?;
        }
        for (reason, count) in &self.dead_letters {
            writeln!(f, "{:<44}{count:>12} dead letters", reason)?;
        }
        for (collection, count) in &self.documents {
            writeln!(f, "{collection:<44}{count:>12} documents")?;
        }
        for (collection, count) in &self.quarantined {
            writeln!(f, "{collection:<44}{count:>12} records to look at: `indowater quarantine list`")?;
        }
        for problem in &self.problems {
            writeln!(f, "! {}", terminal::line(problem))?;
        }
        writeln!(f, "{}", if self.ready { "all is ready" } else { "not all is ready" })
    }
}
