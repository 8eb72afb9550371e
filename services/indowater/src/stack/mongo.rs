//! A MongoDB replica set of one on the loopback address: a single server could not run transactions or change
//! streams.
//!
//! The set's configuration, kept in the data, names its member by address. When the port has to change, the
//! member is moved by a forced reconfiguration, so that data from any earlier run comes up on any port.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use mongodb::Client;
use mongodb::error::{Error as MongoError, ErrorKind};
use mongodb::options::{ClientOptions, Credential, ServerAddress, Tls, TlsOptions};
use tokio::time::{sleep, timeout};

use super::diagnosis;
use super::folder::DataFolder;
use super::ports::Port;
use super::process::{Launch, Process};
use super::progress::Progress;
use super::security::{ADMINISTRATOR, Security, stays_as_made};
use super::software::Software;

const NAME: &str = "mongodb";
/// Whom its certificate names.
const IDENTITY: &str = "mongo";
const REPLICA_SET: &str = "rs0";
const START_WITHIN: Duration = Duration::from_secs(180);
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// The error code of a server that has no replica set's configuration yet.
const NOT_YET_INITIALIZED: i32 = 94;
/// The error code of a server that has one.
const ALREADY_INITIALIZED: i32 = 23;
/// The error code of a server that does not know the user.
const AUTHENTICATION_FAILED: i32 = 18;

/// What a caller may want otherwise.
#[derive(Debug, Clone)]
pub struct MongoOptions {
    /// The port to listen on; without it the last run's if that is free, else any.
    pub port: Option<u16>,
    /// The size of its cache.
    pub cache_megabytes: u32,
    /// Whom it lets in; without it everyone on this machine.
    pub security: Option<Security>,
}

impl Default for MongoOptions {
    fn default() -> Self {
        Self { port: None, cache_megabytes: 1_000, security: None }
    }
}

/// A primary that answers.
#[derive(Debug)]
pub struct Mongo {
    process: Process,
    address: String,
    security: Option<Security>,
}

impl Mongo {
    /// Starts it on the data folder's part `mongodb` and waits until it is primary.
    pub async fn start(
        software: &Software,
        folder: &DataFolder,
        options: &MongoOptions,
        progress: &Progress,
    ) -> Result<Self> {
        progress.during("Starting MongoDB", Self::start_from(software.mongod()?, folder, options)).await
    }

    async fn start_from(mongod: &Path, folder: &DataFolder, options: &MongoOptions) -> Result<Self> {
        folder.check_space()?;
        let home = folder.part(NAME);
        let data = home.join("data");
        let security = options.security.clone();
        let is_new = !data.exists();
        fs::create_dir_all(&data)
            .with_context(|| format!("cannot create {}: check the folder's owner", data.display()))?;
        stays_as_made(&home, is_new, security.as_ref())?;
        let port = match options.port {
            Some(number) => Port::exactly(number, "another port for the database")?,
            None => Port::remembered(&home.join("port"))?,
        };
        let address = format!("127.0.0.1:{}", port.number());
        let process = Process::start(Launch {
            name: NAME.to_owned(),
            program: mongod.to_owned(),
            args: arguments(&data, port.number(), options.cache_megabytes, security.as_ref())?,
            env: Vec::new(),
            log: folder.log(NAME),
            pid_file: folder.pid_file(NAME),
            ports: vec![port],
            grace: STOP_WITHIN,
        })?;
        let mongo = Self { process, address, security };
        mongo.becomes_primary().await?;
        Ok(mongo)
    }

    /// The connection string for its clients; its administrator's, where it asks who they are.
    pub fn uri(&self) -> String {
        match &self.security {
            None => format!("mongodb://{}/?replicaSet={REPLICA_SET}", self.address),
            Some(security) => format!(
                "mongodb://{ADMINISTRATOR}:{}@{}/?replicaSet={REPLICA_SET}&authSource=admin&{}",
                security.password(),
                self.address,
                security.mongodb_options()
            ),
        }
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
        self.becomes_primary().await
    }

    async fn becomes_primary(&self) -> Result<()> {
        let client = direct_client(&self.address, self.security.as_ref(), true)?;
        let stranger = direct_client(&self.address, self.security.as_ref(), false)?;
        let coming = async {
            loop {
                let step = match self.step(&client).await {
                    Err(error) if code(&error) == Some(AUTHENTICATION_FAILED) => {
                        self.first_step(&stranger).await.map(|()| false)
                    }
                    other => other,
                };
                match step {
                    Ok(true) => return,
                    Ok(false) => {}
                    // Before it listens, and while it elects itself, errors are what it answers.
                    Err(error) => tracing::trace!(%error, "the database does not answer yet"),
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let outcome = tokio::select! {
            status = self.process.ended() => Err(diagnosis::ended_early(&self.process, status)),
            primary = timeout(START_WITHIN, coming) => primary.map_err(|_| diagnosis::silent(&self.process)),
        };
        client.shutdown().await;
        stranger.shutdown().await;
        outcome
    }

    /// Makes the set, and then its administrator: what a server without any user allows whoever comes from this machine.
    async fn first_step(&self, stranger: &Client) -> Result<(), MongoError> {
        let admin = stranger.database("admin");
        if !admin.run_command(doc! { "hello": 1 }).await?.get_bool("isWritablePrimary").unwrap_or(false) {
            return match self.initiate(stranger).await {
                // It elects itself.
                Err(error) if code(&error) == Some(ALREADY_INITIALIZED) => Ok(()),
                other => other,
            };
        }
        let password = self.security.as_ref().map(Security::password).unwrap_or_default();
        let user = doc! { "createUser": ADMINISTRATOR, "pwd": password, "roles": ["root"] };
        admin.run_command(user).await.map(drop)
    }

    async fn initiate(&self, client: &Client) -> Result<(), MongoError> {
        let member = doc! { "_id": 0, "host": &self.address };
        let set = doc! { "_id": REPLICA_SET, "members": [member] };
        client.database("admin").run_command(doc! { "replSetInitiate": set }).await.map(drop)
    }

    /// Brings the set one step nearer to a primary at our address; true when it is there.
    async fn step(&self, client: &Client) -> Result<bool, MongoError> {
        let admin = client.database("admin");
        let hello = admin.run_command(doc! { "hello": 1 }).await?;
        let is_primary = hello.get_bool("isWritablePrimary").unwrap_or(false);
        if is_primary && hello.get_str("me").ok() == Some(self.address.as_str()) {
            return Ok(true);
        }
        // A set whose member is elsewhere says "no valid configuration" like one without any, so `hello`
        // cannot tell.
        match admin.run_command(doc! { "replSetGetConfig": 1 }).await {
            Ok(current) => {
                if let Some(moved) = current.get_document("config").ok().and_then(|config| self.moved(config))
                {
                    admin.run_command(doc! { "replSetReconfig": moved, "force": true }).await?;
                }
            }
            Err(error) if code(&error) == Some(NOT_YET_INITIALIZED) => self.initiate(client).await?,
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    /// The configuration with its one member at our address, if it is elsewhere.
    fn moved(&self, config: &Document) -> Option<Document> {
        let mut config = config.clone();
        let version = config.get_i32("version").ok()?;
        let member = config.get_array_mut("members").ok()?.first_mut()?.as_document_mut()?;
        if member.get_str("host").ok() == Some(self.address.as_str()) {
            return None;
        }
        member.insert("host", &self.address);
        config.insert("version", version + 1);
        Some(config)
    }
}

/// Snapshots for readers of the past and diagnostic files cost memory and disk that a developer's machine
/// needs for itself. A transaction of a service that was killed keeps its locks until it has lived too long, which by
/// default is a minute.
fn arguments(
    data: &Path,
    port: u16,
    cache_megabytes: u32,
    security: Option<&Security>,
) -> Result<Vec<OsString>> {
    let cache = format!("{}.{:03}", cache_megabytes / 1_000, cache_megabytes % 1_000);
    let (flag, port) = ("--setParameter", port.to_string());
    let mut args: Vec<OsString> = vec!["--dbpath".into(), data.into()];
    args.extend(["--replSet", REPLICA_SET, "--bind_ip", "127.0.0.1", "--port", &port].map(OsString::from));
    args.extend(["--nounixsocket", "--quiet", "--wiredTigerCacheSizeGB", &cache].map(OsString::from));
    args.extend([flag, "diagnosticDataCollectionEnabled=false"].map(OsString::from));
    args.extend([flag, "minSnapshotHistoryWindowInSeconds=0"].map(OsString::from));
    args.extend([flag, "transactionLifetimeLimitSeconds=10"].map(OsString::from));
    if let Some(security) = security {
        args.extend(
            ["--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates"].map(OsString::from),
        );
        args.extend(["--tlsCertificateKeyFile".into(), security.identity(IDENTITY).into()]);
        args.extend(["--tlsCAFile".into(), security.authority().into()]);
        args.extend(["--keyFile".into(), security.member_key()?.into()]);
    }
    Ok(args)
}

/// A client that speaks to this server whatever its state; a replica set's client would wait for a primary first. Where the
/// server asks who it is, it is the administrator, or nobody.
fn direct_client(address: &str, security: Option<&Security>, as_administrator: bool) -> Result<Client> {
    let mut options = ClientOptions::builder()
        .hosts(vec![ServerAddress::parse(address)?])
        .direct_connection(true)
        .connect_timeout(Duration::from_secs(1))
        .server_selection_timeout(Duration::from_secs(1))
        .build();
    if let Some(security) = security {
        let authority = TlsOptions::builder().ca_file_path(security.authority()).build();
        options.tls = Some(Tls::Enabled(authority));
        options.credential = as_administrator.then(|| {
            let user = Credential::builder().username(ADMINISTRATOR.to_owned());
            user.password(security.password().to_owned()).source("admin".to_owned()).build()
        });
    }
    Client::with_options(options).context("cannot create a MongoDB client")
}

fn code(error: &MongoError) -> Option<i32> {
    match *error.kind {
        ErrorKind::Command(ref command) => Some(command.code),
        ErrorKind::Authentication { .. } => Some(AUTHENTICATION_FAILED),
        _ => None,
    }
}
