//! A world of one story: topics under a prefix of its own, a database of its own, and the processes it starts.

mod doors;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bson::{Document, doc};
use futures::TryStreamExt;
use indowater::access;
use indowater::access::rights::Party;
use indowater::registry::Registry;
use indowater::stack::{Launch, Port, Process};
use indowater::system::System;
use indowater::uplink::{Uplink, Uplinked};
use indowater_common::config;
use indowater_common::kafka::{Event, Outgoing, Pace, Publisher, Ticket, base_config};
use indowater_proto::readings::v1::{DeadLetter, DeadLetterReason};
use indowater_proto::registry::v1::{Device, Property};
use indowater_proto::topics::{self, Topic};
use mongodb::{Client, Database};
use prost::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use rust_decimal::Decimal;

use crate::base::Base;
use crate::oracle::Expected;
use crate::workload::Meter;

/// How long anything may take to become true. Generous: the machine may be slow, and nobody waits when it is not.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The customer whose meters the stories use.
pub const CUSTOMER: &str = "customer-001";

/// One story's system.
pub struct World {
    /// Its addresses, as the operator's tool has them.
    pub system: System,
    /// Its addresses, as whoever may do everything has them.
    pub administrator: System,
    /// Its database.
    pub database: Database,
    programs: PathBuf,
    folder: PathBuf,
    started: usize,
    /// Where the certificates of all are, if they prove to each other who they are.
    certificates: Option<PathBuf>,
    /// Whom certificates are from, where doors are closed.
    authority: Option<PathBuf>,
}

/// A running service.
pub struct Service {
    /// Its process.
    pub process: Process,
    /// `http://…` of its admin endpoint.
    pub admin: String,
    /// `http://…` of its gRPC, or of its HTTP if it is the gateway.
    pub url: String,
}

/// What signs the gateway's tokens in tests.
pub const TOKEN_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIGHGik/M0OiT4hmk4QtM54329J1S7ussnQEJsXEuyCW+";

impl World {
    /// A world called `name`, with topics and indexes.
    ///
    /// # Errors
    /// The broker or the database refuses.
    pub async fn new(base: &Base, name: &str) -> Result<Self> {
        let mut system = System::at(base.stack.kafka.bootstrap().to_owned(), base.stack.mongodb.uri());
        system.database = format!("t_{}", name.replace('-', "_"));
        system.topic_prefix = format!("t-{name}");
        system.kafka_options = base.stack.kafka.options();
        indowater::init::init(&system, 1).await?;
        let database = Client::with_uri_str(&system.mongodb).await?.database(&system.database);
        let folder = base.folder.path().join(name);
        std::fs::create_dir_all(&folder)?;
        let (administrator, programs) = (system, base.programs.clone());
        let mut world = Self {
            system: administrator.clone(),
            administrator,
            database,
            programs,
            folder,
            started: 0,
            authority: None,
            certificates: None,
        };
        if let Some(security) = &base.security {
            access::make(&world.administrator, &world.access()).await?;
            world.system = access::system_of(&world.administrator, &world.access(), &Party::Operator)?;
            world.authority = Some(security.authority());
        }
        Ok(world)
    }

    /// Starts a service with further environment variables and waits until it is ready.
    ///
    /// # Errors
    /// It ends, or is not ready in time; its last words are in the message.
    pub async fn start(&mut self, name: &str, env: &[(&str, &str)]) -> Result<Service> {
        let service = self.launch(name, env)?;
        match name {
            "ingest" => self.system.registry_url = Some(service.url.clone()),
            "usage-aggregator" => self.system.usage_url = Some(service.url.clone()),
            "billing" => self.system.billing_url = Some(service.url.clone()),
            "voucher" => self.system.voucher_url = Some(service.url.clone()),
            "anomaly-detector" => self.system.anomaly_url = Some(service.url.clone()),
            "api-gateway" => self.system.api_url = Some(service.url.clone()),
            _ => {}
        }
        service.ready().await?;
        Ok(service)
    }

    /// Starts a service and waits for nothing.
    ///
    /// # Errors
    /// The program is not there.
    pub fn launch(&mut self, name: &str, env: &[(&str, &str)]) -> Result<Service> {
        let (admin, main) = (Port::any()?, Port::any()?);
        let listen = |port: &Port| format!("127.0.0.1:{}", port.number());
        let main_setting =
            if name == "api-gateway" { "INDOWATER_HTTP_LISTEN" } else { "INDOWATER_GRPC_LISTEN" };
        // One that is started again may be wanted where it was.
        let wanted = env.iter().find(|(setting, _)| *setting == main_setting);
        let main_listen = wanted.map_or_else(|| listen(&main), |(_, listen)| (*listen).to_owned());
        let admin_listen = listen(&admin);
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        let known = |url: &Option<String>| url.clone().unwrap_or_else(|| format!("{scheme}://127.0.0.1:1"));
        let mut settings: BTreeMap<String, String> = [
            ("INDOWATER_DB", self.system.database.clone()),
            ("INDOWATER_TOPIC_PREFIX", self.system.topic_prefix.clone()),
            ("INDOWATER_GRPC_LISTEN", "127.0.0.1:0".to_owned()),
            ("INDOWATER_ADMIN_LISTEN", admin_listen.clone()),
            (main_setting, main_listen.clone()),
            ("INDOWATER_REGISTRY_URL", known(&self.system.registry_url)),
            ("INDOWATER_USAGE_URL", known(&self.system.usage_url)),
            ("INDOWATER_BILLING_URL", known(&self.system.billing_url)),
            ("INDOWATER_VOUCHER_URL", known(&self.system.voucher_url)),
            ("INDOWATER_ANOMALY_URL", known(&self.system.anomaly_url)),
            ("INDOWATER_TOKEN_KEYS", TOKEN_KEY.to_owned()),
            ("INDOWATER_INSTANCE", format!("{name}-{}", self.started + 1)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        settings.extend(self.doors(name)?);
        if self.certificates.is_some() {
            settings.insert("INDOWATER_CERTIFICATES".to_owned(), self.certificate(name)?);
        }
        settings.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let process = self.process(name, settings.into_iter().collect(), vec![admin, main])?;
        let scheme = if name == "api-gateway" { "http" } else { scheme };
        Ok(Service {
            process,
            admin: format!("http://{admin_listen}"),
            url: format!("{scheme}://{main_listen}"),
        })
    }

    /// Starts a service with these environment variables and no others of this world; it is told where to listen by them.
    ///
    /// # Errors
    /// The program is not there.
    pub fn process(&mut self, name: &str, env: Vec<(String, String)>, ports: Vec<Port>) -> Result<Process> {
        self.started += 1;
        let file = |ending: &str| self.folder.join(format!("{name}-{}.{ending}", self.started));
        Process::start(Launch {
            name: name.to_owned(),
            program: self.programs.join(name),
            args: Vec::new(),
            env,
            log: file("log"),
            pid_file: file("pid"),
            ports,
            grace: Duration::from_secs(40),
        })
    }

    /// Enrols meters of [`CUSTOMER`] at one property in Jakarta.
    ///
    /// # Errors
    /// The registry refuses.
    pub async fn enrol(&self, meters: &[Meter]) -> Result<()> {
        let url = self.system.registry_url.as_deref().context("ingest is not started")?;
        let registry = Registry::at(url, self.system.certificates.as_deref())?;
        let property = Property {
            id: "property-1".to_owned(),
            name: "Rumah".to_owned(),
            address: "Jl. Kebon Sirih 1, Jakarta".to_owned(),
            customer_id: CUSTOMER.to_owned(),
            property_type: "residential".to_owned(),
            time_zone: "Asia/Jakarta".to_owned(),
            tariff_class: "household-middle-1".to_owned(),
            ..Property::default()
        };
        registry.create_properties(vec![property]).await?;
        let devices: Vec<Device> = meters
            .iter()
            .map(|meter| Device {
                id: meter.id.clone(),
                device_id: meter.device_id.clone(),
                property_id: "property-1".to_owned(),
                installation_date: "2026-01-01T00:00:00Z".to_owned(),
                ..Device::default()
            })
            .collect();
        registry.enrol(&devices).await?;
        Ok(())
    }

    /// Produces telemetry and waits until the broker has it.
    ///
    /// # Errors
    /// The broker refuses.
    pub async fn send(&self, messages: &[Uplinked]) -> Result<()> {
        let uplink = Uplink::open(&self.system).await?;
        for message in messages {
            uplink.send(message).await?;
        }
        uplink.flush().await
    }

    /// Publishes records, as (key, value), on a topic that a service owns which the story does without.
    ///
    /// # Errors
    /// The broker refuses.
    pub async fn publish(&self, topic: &'static Topic, records: &[(String, Vec<u8>)]) -> Result<()> {
        let (publisher, ticket) =
            (Publisher::open(&self.kafka(), Pace::Prompt).map_err(|e| anyhow!("{e}"))?, Ticket::default());
        let name = topic.name(&self.system.topic_prefix);
        for (key, value) in records {
            let event =
                Event { id: key, source: topic.owner, kind: topic.message, time: 0, traceparent: None };
            publisher.send(&ticket, Outgoing { topic: &name, key: key.as_bytes(), value, event }).await?;
        }
        Ok(ticket.delivered().await?)
    }

    /// Waits until the daily records of all meters are what the oracle says, to the litre and the rupiah.
    ///
    /// # Errors
    /// The first difference that stays.
    pub async fn expect_days(&self, meters: &[Meter]) -> Result<()> {
        eventually("the daily records equal the oracle's", async || {
            for meter in meters {
                let (got, expected) = (self.days(&meter.id).await?, meter.expected());
                if got != expected {
                    let difference = expected.iter().find(|(date, day)| got.get(*date) != Some(*day));
                    let date = difference.map(|(date, _)| date.clone()).unwrap_or_default();
                    bail!(
                        "{} on {date}: expected {:?}, stored {:?} ({} of {} days stored)",
                        meter.id,
                        expected.get(&date),
                        got.get(&date),
                        got.len(),
                        expected.len()
                    );
                }
            }
            Ok(())
        })
        .await
    }

    /// The stored daily records of a device by date.
    ///
    /// # Errors
    /// The database does not answer, or a record is not as the data model says.
    pub async fn days(&self, device_id: &str) -> Result<BTreeMap<String, Expected>> {
        let records: Vec<Document> = self
            .database
            .collection("water_usage")
            .find(doc! { "device_id": device_id })
            .await?
            .try_collect()
            .await?;
        records
            .iter()
            .map(|record| {
                let decimal = |field: &str| -> Result<Decimal> {
                    let bson::Bson::Decimal128(value) = record.get(field).context("missing")? else {
                        bail!("{field} is no Decimal128");
                    };
                    let text = value.to_string();
                    Ok(text.parse().or_else(|_| Decimal::from_scientific(&text))?)
                };
                let date = record.get_datetime("date")?.try_to_rfc3339_string()?[..10].to_owned();
                let litres = decimal("consumption")? * Decimal::ONE_THOUSAND;
                let reads = usize::try_from(record.get_i32("reads_count")?)?;
                let litres = i64::try_from(litres).map_err(|e| anyhow!("{e}"))?;
                Ok((date, Expected { litres, cost: decimal("cost")?, reads }))
            })
            .collect()
    }

    /// Every record of a topic, as (partition, offset, value).
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn records(&self, topic: &'static Topic) -> Result<Vec<(i32, i64, Vec<u8>)>> {
        let (settings, name) = (self.kafka(), topic.name(&self.system.topic_prefix));
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = base_config(&settings).set("group.id", "unused").create()?;
            let mut from_start = TopicPartitionList::new();
            let mut left = 0;
            for partition in 0..topic.partitions {
                let (low, high) = consumer.fetch_watermarks(&name, partition, Duration::from_secs(20))?;
                from_start.add_partition_offset(&name, partition, Offset::Beginning)?;
                left += high - low;
            }
            consumer.assign(&from_start)?;
            let mut records = Vec::new();
            while left > 0 {
                let message =
                    consumer.poll(Duration::from_secs(20)).context("the topic ended too early")??;
                records.push((
                    message.partition(),
                    message.offset(),
                    message.payload().unwrap_or_default().to_vec(),
                ));
                left -= 1;
            }
            Ok(records)
        })
        .await?
    }

    /// How many dead letters there are for each reason, by its name in lower case.
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn dead_letters(&self) -> Result<BTreeMap<String, usize>> {
        let mut reasons = BTreeMap::new();
        for (_, _, value) in self.records(&topics::DEAD_LETTERS).await? {
            let reason = DeadLetterReason::try_from(DeadLetter::decode(&*value)?.reason)?;
            let name = reason.as_str_name().trim_start_matches("DEAD_LETTER_REASON_").to_lowercase();
            *reasons.entry(name).or_default() += 1;
        }
        Ok(reasons)
    }

    /// How many records of a topic a group has not committed.
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn uncommitted(&self, topic: &'static Topic, group: &str) -> Result<i64> {
        let (settings, name) = (self.kafka(), topic.name(&self.system.topic_prefix));
        let group = format!("{}.{group}", self.system.topic_prefix);
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = base_config(&settings).set("group.id", &group).create()?;
            let mut asked = TopicPartitionList::new();
            asked.add_partition_range(&name, 0, topic.partitions - 1);
            let committed = consumer.committed_offsets(asked, Duration::from_secs(20))?;
            let mut lag = 0;
            for partition in committed.elements() {
                let (low, high) =
                    consumer.fetch_watermarks(&name, partition.partition(), Duration::from_secs(20))?;
                lag += high - partition.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(low);
            }
            Ok(lag)
        })
        .await?
    }

    /// How clients of its broker are made that may do everything.
    pub fn kafka(&self) -> config::Kafka {
        config::Kafka {
            bootstrap: self.administrator.kafka.clone(),
            topic_prefix: self.system.topic_prefix.clone(),
            security: config::KafkaSecurity::default(),
            options: self.administrator.kafka_options.clone(),
            stall_limit: Duration::from_secs(60),
        }
    }
}

impl Service {
    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// It ends, or time is up; its last words are in the message.
    pub async fn ready(&self) -> Result<()> {
        let outcome = eventually("the service is ready", async || {
            ensure!(self.process.is_running(), "it ended");
            let answer = http()?.get(format!("{}/readyz", self.admin)).send().await?;
            ensure!(answer.status().is_success(), "{}", answer.text().await?);
            Ok(())
        });
        outcome.await.with_context(|| format!("{}: {}", self.process.name(), self.process.last_words()))
    }

    /// What `/readyz` answers now.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn ready_now(&self) -> Result<u16> {
        Ok(http()?.get(format!("{}/readyz", self.admin)).send().await?.status().as_u16())
    }

    /// The sum of a metric over its labels; `labels` must all be in the line.
    ///
    /// # Errors
    /// It does not answer, or has no such metric.
    pub async fn metric(&self, name: &str, labels: &str) -> Result<Decimal> {
        let text = http()?.get(format!("{}/metrics", self.admin)).send().await?.text().await?;
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")))
            .filter(|line| line.contains(labels))
            .collect();
        ensure!(!lines.is_empty(), "no metric {name} with {labels} in:\n{text}");
        lines.iter().map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<Decimal>()?)).sum()
    }
}

/// A client for addresses on this machine.
///
/// # Errors
/// It cannot be made.
pub fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?)
}

/// Waits until `check` holds.
///
/// # Errors
/// Why it still does not when [`PATIENCE`] ends.
pub async fn eventually<T>(what: &str, check: impl AsyncFn() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(50);
    loop {
        match check().await {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("not in time: {what}")));
            }
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 3 / 2).min(Duration::from_secs(1));
    }
}
