//! One Apache Kafka node (KRaft: broker and controller in one process) on the loopback address.
//!
//! The controller quorum is static (`controller.quorum.voters`), so the node's data remembers no address and the next run
//! may listen elsewhere. Topics are never created by a typing error: only `init` creates them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::diagnosis;
use super::folder::DataFolder;
use super::ports::Port;
use super::process::{Launch, Process};

/// The largest message that a topic takes.
pub const MAX_MESSAGE_BYTES: u32 = 2 << 20;

const NAME: &str = "kafka";
/// An id in the form that Kafka's own tools give; nothing else runs under it.
const CLUSTER_ID: &str = "IndoWaterLocalStack00A";
const START_WITHIN: Duration = Duration::from_secs(90);
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// What a caller may want otherwise.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// The port to listen on; without it the last run's if that is free, else any.
    pub port: Option<u16>,
    /// The largest heap of its Java machine.
    pub heap_megabytes: u32,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self { port: None, heap_megabytes: 512 }
    }
}

/// A broker that answers.
#[derive(Debug)]
pub struct Kafka {
    process: Process,
    port: Port,
    _controller: Port,
}

impl Kafka {
    /// Starts it from the folder of its jars, on the data folder's part `kafka`, and waits until it answers.
    pub async fn start(jars: &Path, folder: &DataFolder, options: &KafkaOptions) -> Result<Self> {
        let home = folder.part(NAME);
        fs::create_dir_all(&home)
            .with_context(|| format!("cannot create {}: check the folder's owner", home.display()))?;
        let port = match options.port {
            Some(number) => Port::exactly(number, "another port for the broker")?,
            None => Port::remembered(&home.join("port"))?,
        };
        let controller = Port::any()?;
        let node = Node { jars, home };
        node.configure(port.number(), controller.number())?;
        node.format_once().await?;
        let process = Process::start(Launch {
            name: NAME.to_owned(),
            program: "java".into(),
            args: node.run(options.heap_megabytes),
            env: Vec::new(),
            log: folder.log(NAME),
            pid_file: folder.pid_file(NAME),
            grace: STOP_WITHIN,
        })?;
        let kafka = Self { process, port, _controller: controller };
        kafka.answers().await?;
        Ok(kafka)
    }

    /// The bootstrap servers for its clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// Its process, to watch or to signal.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Stops it in good order.
    pub async fn stop(&self) {
        self.process.stop().await;
    }

    /// Kills it, as a crash would.
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Stops it if it runs, and starts it on the same port and data.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.stop().await;
        self.process.start_again()?;
        self.answers().await
    }

    /// Waits until a client is told of a broker that takes requests.
    async fn answers(&self) -> Result<()> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "200")
            .create()
            .context("cannot create a Kafka client")?;
        let asking = spawn_blocking(move || while !has_broker(&client).unwrap_or(false) {});
        tokio::select! {
            status = self.process.ended() => Err(diagnosis::ended_early(&self.process, status)),
            answered = timeout(START_WITHIN, asking) => match answered {
                Ok(joined) => joined.context("the wait for the broker was cut short"),
                Err(_) => Err(diagnosis::silent(&self.process)),
            },
        }
    }
}
