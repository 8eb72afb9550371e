//! One run: enrol, produce the backlog, start the services, watch until every read is durable, count.

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bson::{Document, doc};
use futures::TryStreamExt as _;
use indowater_common::config;
use indowater_proto::topics::{READINGS, TELEMETRY, Topic};
use mongodb::Database;
use serde::{Deserialize, Serialize};

use super::fleet::{Fleet, Load};
use super::ground::Ground;
use super::processes::{Account, Spent, Watched};
use super::raw::{self, Upserts};
use crate::stack::{Launch, Port, Process};
use crate::system::System;
use crate::topic::{Extent, Reader};
use crate::uplink::Uplink;
use crate::{clients, init};

const PERIOD: Duration = Duration::from_millis(500);
/// Without any progress for so long it is given up.
pub(super) const STALLED: Duration = Duration::from_secs(60);
const SERVICES: [&str; 2] = ["ingest", "usage-aggregator"];

/// What one run measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Run {
    /// From the start of the services until every read was durable and its offset committed.
    pub seconds: f64,
    pub reads_per_second: f64,
    pub messages_per_second: f64,
    /// Daily records at the end.
    pub documents: u64,
    /// Writes that it took to make them, revisions included.
    pub document_writes: u64,
    /// Where the processors' time went meanwhile.
    pub spent: Spent,
    /// Messages per second of a plain consumer of the same topic.
    pub raw_consumed: f64,
    /// Documents per second of the same database alone.
    pub raw_upserts: Upserts,
    pub lag: Vec<Lag>,
}

/// How many messages were still to do at a moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Lag {
    pub seconds: f64,
    pub telemetry: u64,
    pub readings: u64,
}

/// Measures once, on topics and in a database that are there for nothing else.
pub(super) async fn measure(ground: &Ground, site: &System, load: &Load) -> Result<Run> {
    init::init(site, 1).await?;
    let database = clients::database(site).await?;
    eprintln!("  enrols {} meters", load.meters);
    let fleet = Fleet::enrol(&database, load).await?;
    eprintln!("  produces {} messages", load.messages);
    fleet.report(&Uplink::open(site).await?, load).await?;
    let raw_consumed = raw::consume(site).await?;
    // What was prepared is on disk before the clock runs.
    database.client().database("admin").run_command(doc! { "fsync": 1 }).await?;

    eprintln!("  measures");
    let account = Account::open(ground.processes())?;
    let started = Instant::now();
    let services = SERVICES.map(|name| start(ground, site, name));
    let services = services.into_iter().collect::<Result<Vec<_>>>()?;
    let account = account.with(services.iter().map(Watched::from));
    let lag = drain(site, &services, started).await?;
    let seconds = started.elapsed().as_secs_f64();
    let spent = account.close()?;
    for service in &services {
        service.stop().await;
    }

    let stored = Stored::count(&database).await?;
    if (stored.documents, stored.reads) != (load.documents(), load.reads()) {
        bail!(
            "the pipeline stored {} reads in {} daily records where {} reads in {} were due: what it did is worth \
             nothing however fast it was; dead letters and the services' logs tell more",
            stored.reads,
            stored.documents,
            load.reads(),
            load.documents()
        );
    }
    Ok(Run {
        seconds,
        reads_per_second: load.reads() as f64 / seconds,
        messages_per_second: load.messages as f64 / seconds,
        documents: stored.documents,
        document_writes: stored.writes,
        spent,
        raw_consumed,
        raw_upserts: raw::upsert(&database).await?,
        lag,
    })
}

/// Starts a service that lies beside this program; it takes its own settings from our environment.
pub(super) fn start(ground: &Ground, site: &System, name: &str) -> Result<Process> {
    let beside = env::current_exe().context("cannot tell where this program is")?.with_file_name(name);
    if !beside.is_file() {
        bail!("{} is not built: run `cargo build --release --workspace` first", beside.display());
    }
    let ports = [Port::any()?, Port::any()?];
    let listen = |port: &Port| format!("127.0.0.1:{}", port.number());
    let env = [
        ("INDOWATER_KAFKA", site.kafka.clone()),
        ("INDOWATER_MONGODB", site.mongodb.clone()),
        ("INDOWATER_DB", site.database.clone()),
        ("INDOWATER_TOPIC_PREFIX", site.topic_prefix.clone()),
        ("INDOWATER_ADMIN_LISTEN", listen(&ports[0])),
        ("INDOWATER_GRPC_LISTEN", listen(&ports[1])),
    ];
    Process::start(Launch {
        name: name.to_owned(),
        program: beside,
        args: Vec::new(),
        env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        log: ground.folder.log(name),
        pid_file: ground.folder.pid_file(name),
        ports: ports.into(),
        grace: Duration::from_secs(20),
    })
}

/// Waits until both services committed the end of their topics.
async fn drain(site: &System, services: &[Process], started: Instant) -> Result<Vec<Lag>> {
    let watch = Arc::new(Watch::new(site).await?);
    let mut lags: Vec<Lag> = Vec::new();
    let mut progress = Instant::now();
    loop {
        if let Some(dead) = services.iter().find(|service| !service.is_running()) {
            bail!("{} ended before the work was done; it said last:\n{}", dead.name(), dead.last_words());
        }
        let (telemetry, readings) = watch.lag().await?;
        let seconds = started.elapsed().as_secs_f64();
        if lags.last().is_none_or(|last| (last.telemetry, last.readings) != (telemetry, readings)) {
            progress = Instant::now();
        } else if progress.elapsed() > STALLED {
            bail!(
                "nothing moved for {} s while {telemetry} messages and {readings} readings were left; {} said last:\n{}",
                STALLED.as_secs(),
                services[0].name(),
                services[0].last_words()
            );
        }
        lags.push(Lag { seconds, telemetry, readings });
        if (telemetry, readings) == (0, 0) {
            return Ok(lags);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// How far the services are, by what they committed.
struct Watch {
    kafka: config::Kafka,
    reader: Reader,
    /// Nothing is produced any more.
    telemetry: Extent,
}

impl Watch {
    async fn new(site: &System) -> Result<Self> {
        let kafka = clients::kafka(site);
        clients::blocking(move || {
            let reader = Reader::open(&kafka)?;
            let telemetry = reader.extent(&TELEMETRY.name(&kafka.topic_prefix))?;
            Ok(Self { kafka, reader, telemetry })
        })
        .await
    }

    /// The messages and the readings left. All readings are there once no message is left, for ingest commits after.
    async fn lag(self: &Arc<Self>) -> Result<(u64, u64)> {
        let watch = self.clone();
        clients::blocking(move || {
            let telemetry = watch.left("ingest", &TELEMETRY, &watch.telemetry)?;
            let extent = watch.reader.extent(&READINGS.name(&watch.kafka.topic_prefix))?;
            let readings = watch.left("usage-aggregator", &READINGS, &extent)?;
            Ok((telemetry, readings))
        })
        .await
    }

    fn left(&self, group: &str, topic: &Topic, extent: &Extent) -> Result<u64> {
        let prefix = &self.kafka.topic_prefix;
        let group = format!("{prefix}.{group}");
        let committed = self.reader.committed(&group, &topic.name(prefix), extent.keys().copied())?;
        let left =
            extent.iter().map(|(partition, (first, end))| end - committed.get(partition).unwrap_or(first));
        Ok(u64::try_from(left.sum::<i64>())?)
    }
}

/// What is in the database.
#[derive(Debug, Default, Deserialize)]
struct Stored {
    documents: u64,
    reads: u64,
    writes: u64,
}

impl Stored {
    /// Counts it. Each write of a record makes its next revision, so revisions count the writes.
    async fn count(database: &Database) -> Result<Self> {
        let sums = doc! { "$group": {
            "_id": null,
            "documents": { "$sum": 1 },
            "reads": { "$sum": "$reads_count" },
            "writes": { "$sum": "$revision" },
        } };
        let usage = database.collection::<Document>("water_usage");
        let mut counted = usage.aggregate([sums]).with_type::<Self>().await?;
        Ok(counted.try_next().await?.unwrap_or_default())
    }
}
