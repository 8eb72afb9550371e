//! One Apache Kafka node (KRaft: broker and controller in one process) on the loopback address.
//!
//! The controller quorum is static (`controller.quorum.voters`), so the node's data remembers no address and
//! the next run may listen elsewhere. Topics are never created by a typing error: only `init` creates them.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::diagnosis;
use super::folder::DataFolder;
use super::ports::Port;
use super::process::{Launch, Process};
use super::progress::Progress;
use super::security::{ADMINISTRATOR, Security, stays_as_made};
use super::software::Software;

/// The largest message that a topic takes.
pub const MAX_MESSAGE_BYTES: u32 = 2 << 20;

const NAME: &str = "kafka";
/// An id in the form that Kafka's own tools give; nothing else runs under it.
const CLUSTER_ID: &str = "IndoWaterLocalStack00A";
/// One node keeps one copy of everything, and its internal topics need no width. Groups form at once instead
/// of waiting for more members; a killed broker is taken back once its session has ended, so that is short;
/// smaller segments let retention free the disk sooner.
const SETTINGS: &str = "\
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=5000
log.segment.bytes=134217728
log.retention.hours=168
log.cleaner.dedupe.buffer.size=33554432
";

/// Everyone on this machine may do everything.
const OPEN: &str = "listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT\n";

/// Clients come by TLS with a password, the node itself and its controller by the broker's certificate, and whoever is not the
/// administrator may do what was granted and nothing else.
fn closed(security: &Security) -> String {
    let login = "org.apache.kafka.common.security.scram.ScramLoginModule required";
    format!(
        "listener.security.protocol.map=CLIENTS:SASL_SSL,CONTROLLER:SSL\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={}\n\
         listener.name.controller.ssl.client.auth=required\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512\n\
         listener.name.clients.scram-sha-512.sasl.jaas.config={login} username=\"{ADMINISTRATOR}\" password=\"{}\";\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:{ADMINISTRATOR};User:CN={NAME}\n",
        security.identity(NAME).display(),
        security.authority().display(),
        security.password()
    )
}

/// To stdout, which goes to the log file; without the hundreds of settings that it repeats at every start.
const LOGGING: &str = "\
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p %c{1}: %m%n
logger.settings.name = org.apache.kafka.common.config.AbstractConfig
logger.settings.level = warn
";

const START_WITHIN: Duration = Duration::from_secs(180);
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// What a caller may want otherwise.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// The port to listen on; without it the last run's if that is free, else any.
    pub port: Option<u16>,
    /// The largest heap of its Java machine.
    pub heap_megabytes: u32,
    /// Whom it lets in; without it everyone on this machine.
    pub security: Option<Security>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self { port: None, heap_megabytes: 512, security: None }
    }
}

/// A broker that answers.
#[derive(Debug)]
pub struct Kafka {
    process: Process,
    bootstrap: String,
    security: Option<Security>,
}

impl Kafka {
    /// Starts it on the data folder's part `kafka` and waits until it answers.
    pub async fn start(
        software: &Software,
        folder: &DataFolder,
        options: &KafkaOptions,
        progress: &Progress,
    ) -> Result<Self> {
        progress.during("Starting Kafka", Self::start_from(software.jars()?, folder, options)).await
    }

    async fn start_from(jars: &Path, folder: &DataFolder, options: &KafkaOptions) -> Result<Self> {
        folder.check_space()?;
        let home = folder.part(NAME);
        fs::create_dir_all(&home)
            .with_context(|| format!("cannot create {}: check the folder's owner", home.display()))?;
        let port = match options.port {
            Some(number) => Port::exactly(number, "another port for the broker")?,
            None => Port::remembered(&home.join("port"))?,
        };
        let controller = Port::any()?;
        let bootstrap = format!("127.0.0.1:{}", port.number());
        let security = options.security.clone();
        let node = Node { jars, home, security: security.as_ref() };
        node.configure(port.number(), controller.number())?;
        node.format_once().await?;
        let process = Process::start(Launch {
            name: NAME.to_owned(),
            program: "java".into(),
            args: node.run(options.heap_megabytes),
            env: Vec::new(),
            log: folder.log(NAME),
            pid_file: folder.pid_file(NAME),
            ports: vec![port, controller],
            grace: STOP_WITHIN,
        })?;
        let kafka = Self { process, bootstrap, security };
        kafka.answers().await?;
        Ok(kafka)
    }

    /// The bootstrap servers for its clients.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// What its clients need besides to be its administrator, as settings of librdkafka; nothing where it asks nobody.
    pub fn options(&self) -> Vec<(String, String)> {
        self.security.as_ref().map(Security::kafka_options).unwrap_or_default()
    }

    /// Its process, to watch or to signal.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its process, to keep it running from here on.
    pub fn into_process(self) -> Process {
        self.process
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

    /// Waits until it tells a client of a broker that takes requests.
    async fn answers(&self) -> Result<()> {
        let mut config = ClientConfig::new();
        config.extend(self.options());
        let client: BaseConsumer = config
            .set("bootstrap.servers", &self.bootstrap)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "200")
            .create()
            .context("cannot create a Kafka client")?;
        let client = Arc::new(client);
        let asking = async {
            while !has_broker(Arc::clone(&client)).await {
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            status = self.process.ended() => Err(diagnosis::ended_early(&self.process, status)),
            answered = timeout(START_WITHIN, asking) => answered.map_err(|_| diagnosis::silent(&self.process)),
        }
    }
}

/// Asks for no longer than a moment, so that an interrupted start ends at once.
async fn has_broker(client: Arc<BaseConsumer>) -> bool {
    let ask = move || client.fetch_metadata(None, Duration::from_millis(500));
    matches!(spawn_blocking(ask).await, Ok(Ok(metadata)) if !metadata.brokers().is_empty())
}

/// What the Java side needs: its jars, its configuration, its storage.
struct Node<'a> {
    jars: &'a Path,
    home: PathBuf,
    security: Option<&'a Security>,
}

impl Node<'_> {
    fn configure(&self, port: u16, controller: u16) -> Result<()> {
        let data = self.home.join("data");
        let properties = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             inter.broker.listener.name=CLIENTS\n\
             log.dirs={}\n\
             message.max.bytes={MAX_MESSAGE_BYTES}\n\
             replica.fetch.max.bytes={MAX_MESSAGE_BYTES}\n{SETTINGS}{}",
            data.display(),
            self.security.map_or_else(|| OPEN.to_owned(), closed)
        );
        for (name, text) in [("server.properties", properties.as_str()), ("log4j2.properties", LOGGING)] {
            let path = self.home.join(name);
            // The administrator's password may stand in it.
            let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| {
                format!("cannot write {}: check its owner and free space", path.display())
            })?;
        }
        Ok(())
    }

    /// Formats the storage unless that was done to its end before.
    async fn format_once(&self) -> Result<()> {
        let (data, done) = (self.home.join("data"), self.home.join("formatted"));
        let is_new = !done.exists();
        stays_as_made(&self.home, is_new, self.security)?;
        if !is_new {
            return Ok(());
        }
        if data.exists() {
            fs::remove_dir_all(&data)
                .with_context(|| format!("cannot delete {}: delete it by hand", data.display()))?;
        }
        let mut format = Command::new("java");
        format.arg("-XX:TieredStopAtLevel=1").args(self.java()).args(["kafka.tools.StorageTool", "format"]);
        format.args(["--cluster-id", CLUSTER_ID, "--config"]).arg(self.home.join("server.properties"));
        if let Some(security) = self.security {
            // The broker asks for a password before anybody can have given it one.
            let password = security.password();
            format.arg("--add-scram");
            format.arg(format!("SCRAM-SHA-512=[name=\"{ADMINISTRATOR}\",password=\"{password}\"]"));
        }
        let output =
            format.kill_on_drop(true).output().await.context("cannot run java to format Kafka's storage")?;
        if !output.status.success() {
            bail!(
                "Kafka cannot format its storage in {}: {}",
                data.display(),
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim()
            );
        }
        fs::write(&done, "").with_context(|| format!("cannot write {}: check its owner", done.display()))
    }

    /// The arguments that run it. Pauses matter more than throughput here, and a broker that lives for minutes on a
    /// machine with few processors spends more on the second compiler than it gains by it: half of its time.
    fn run(&self, heap_megabytes: u32) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![format!("-Xmx{heap_megabytes}m").into()];
        args.extend(["-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"].map(OsString::from));
        args.extend(["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"].map(OsString::from));
        args.extend(self.java());
        args.extend(["kafka.Kafka".into(), self.home.join("server.properties").into()]);
        args
    }

    fn java(&self) -> [OsString; 3] {
        let mut logging = OsString::from("-Dlog4j2.configurationFile=");
        logging.push(self.home.join("log4j2.properties"));
        [logging, "-cp".into(), self.jars.join("*").into()]
    }
}
