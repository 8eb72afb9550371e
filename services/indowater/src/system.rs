//! Where the running system is: the addresses that `up` writes and every other command reads.
//!
//! A person who started the system with `up` should never have to type an address. `up` leaves `system.json`
//! in its data folder; [`Connect`] is what the other commands put into their arguments, and
//! [`Connect::resolve`] turns it into a [`System`]: from the file, from flags and environment variables, or
//! from the file with single addresses overridden.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use indowater_common::config::{KafkaSecurity, key_value};
use serde::{Deserialize, Serialize};

/// The data folder that is used when none is named, in the current folder.
pub const DEFAULT_DATA_DIR: &str = ".indowater";
/// The database of the data model.
pub const DEFAULT_DATABASE: &str = "indowater_db";
/// What every topic's name begins with.
pub const DEFAULT_TOPIC_PREFIX: &str = "indowater";

const FILE: &str = "system.json";

/// The addresses of one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Kafka bootstrap servers, `host:port` separated by commas.
    pub kafka: String,
    /// Further settings of its clients, for TLS and SASL.
    #[serde(default)]
    pub kafka_options: Vec<(String, String)>,
    /// MongoDB connection string.
    pub mongodb: String,
    /// Name of the database.
    pub database: String,
    /// What every topic's name begins with.
    pub topic_prefix: String,
    /// Base URL of the HTTP API (the api-gateway), if it is known.
    pub api_url: Option<String>,
    /// URL of the registry over gRPC (served by ingest), if it is known.
    pub registry_url: Option<String>,
    /// URL of usage history over gRPC (served by the usage-aggregator), if it is known.
    pub usage_url: Option<String>,
    /// URL of balances, payments and tariffs over gRPC (served by billing), if it is known.
    #[serde(default)]
    pub billing_url: Option<String>,
    /// URL of vouchers over gRPC (served by voucher), if it is known.
    #[serde(default)]
    pub voucher_url: Option<String>,
    /// URL of leaks and tampering over gRPC (served by anomaly-detector), if it is known.
    #[serde(default)]
    pub anomaly_url: Option<String>,
    /// Base URL of the stand-ins for the payment gateways, if `up` started them: `/_control` is there.
    #[serde(default)]
    pub gateways_url: Option<String>,
    /// Folder of the certificate with which this tool proves who it is to the services, if they ask for one.
    #[serde(default)]
    pub certificates: Option<PathBuf>,
    /// Each service that `up` started; empty when the system was named by flags.
    pub services: Vec<Service>,
}

/// Where one service can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Name of the service and of its binary.
    pub name: String,
    /// Base URL of its health and metrics (`/livez`, `/readyz`, `/metrics`).
    pub admin_url: String,
    /// Its gRPC address, with health.
    pub grpc_url: Option<String>,
}

impl System {
    /// A broker and a database with the default names in them, and no service yet.
    pub fn at(kafka: String, mongodb: String) -> Self {
        Self {
            kafka,
            kafka_options: Vec::new(),
            mongodb,
            database: DEFAULT_DATABASE.to_owned(),
            topic_prefix: DEFAULT_TOPIC_PREFIX.to_owned(),
            api_url: None,
            registry_url: None,
            usage_url: None,
            billing_url: None,
            voucher_url: None,
            anomaly_url: None,
            gateways_url: None,
            certificates: None,
            services: Vec::new(),
        }
    }

    /// Reads what `up` wrote into `data_dir`.
    pub fn load(data_dir: &Path) -> Result<Self> {
        match Self::find(data_dir)? {
            Some(system) => Ok(system),
            None => bail!(
                "no system runs in the data folder {}: start one with `indowater up --data-dir {0}`, name \
                 the data folder of one that runs with --data-dir, or name a broker and a database with \
                 --kafka and --mongodb",
                data_dir.display()
            ),
        }
    }

    /// Writes the addresses for [`System::load`], whole or not at all, readable by the owner only: a
    /// connection string may hold a password.
    pub fn save(&self, data_dir: &Path) -> Result<()> {
        let write = || -> Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.persist(data_dir.join(FILE))?;
            Ok(())
        };
        write().with_context(|| {
            format!("cannot write {}: check the folder's owner and free space", data_dir.join(FILE).display())
        })
    }

    /// Removes the file when the system stops, so that nobody is sent to addresses that answer no more.
    pub fn forget(data_dir: &Path) -> Result<()> {
        let path = data_dir.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}: remove it by hand", path.display()))
            }
            _ => Ok(()),
        }
    }

    fn find(data_dir: &Path) -> Result<Option<Self>> {
        let path = data_dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read {}: check who owns it", path.display()));
            }
        };
        serde_json::from_slice(&text).map(Some).with_context(|| {
            format!(
                "{} is not what `up` writes: stop `up` if it runs, remove the file, start `up` again",
                path.display()
            )
        })
    }
}

/// The arguments of every command that talks to a running system; put it in with `#[command(flatten)]`.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Which system")]
pub struct Connect {
    /// Data folder of the system that `up` runs
    #[arg(long, env = "INDOWATER_DATA_DIR", value_name = "FOLDER", default_value = DEFAULT_DATA_DIR)]
    pub data_dir: PathBuf,
    /// Kafka bootstrap servers to use instead of the data folder's
    #[arg(long, env = "INDOWATER_KAFKA", value_name = "HOST:PORT,..")]
    pub kafka: Option<String>,
    /// How the client and the broker know each other
    #[command(flatten)]
    pub security: KafkaSecurity,
    /// A further setting of the Kafka client, such as `sasl.mechanism=PLAIN`; several times if there are several
    #[arg(long = "kafka-option", env = "INDOWATER_KAFKA_OPTIONS", value_delimiter = ';', value_name = "KEY=VALUE", value_parser = key_value)]
    pub kafka_options: Vec<(String, String)>,
    /// MongoDB connection string to use instead of the data folder's
    #[arg(long, env = "INDOWATER_MONGODB", value_name = "URI", hide_env_values = true)]
    pub mongodb: Option<String>,
    /// Name of the database [default: the running system's, or indowater_db]
    #[arg(long, env = "INDOWATER_DB", value_name = "NAME")]
    pub database: Option<String>,
    /// What every topic's name begins with [default: the running system's, or indowater]
    #[arg(long, env = "INDOWATER_TOPIC_PREFIX", value_name = "PREFIX")]
    pub topic_prefix: Option<String>,
    /// Folder of the certificate with which the tool proves who it is to services whose addresses begin with https://
    #[arg(long, env = "INDOWATER_CERTIFICATES", value_name = "FOLDER")]
    pub certificates: Option<PathBuf>,
}

impl Connect {
    /// The system that was meant: a broker and a database named by flags stand alone; with one or none named,
    /// the rest comes from the data folder.
    pub fn resolve(&self) -> Result<System> {
        let mut system = match (&self.kafka, &self.mongodb) {
            (Some(kafka), Some(mongodb)) => System::at(kafka.clone(), mongodb.clone()),
            _ => System::load(&self.data_dir)?,
        };
        self.apply(&mut system)?;
        Ok(system)
    }

    /// Puts what flags name in place of what `system` has.
    ///
    /// # Errors
    /// Half of a user, or a file that is none.
    pub(crate) fn apply(&self, system: &mut System) -> Result<()> {
        let mut security = self.security.clone();
        let problems = security.resolve();
        if !problems.is_empty() {
            bail!(problems.join("; "));
        }
        let options: Vec<_> =
            security.options().into_iter().chain(self.kafka_options.iter().cloned()).collect();
        let overrides = [
            (&mut system.kafka, &self.kafka),
            (&mut system.mongodb, &self.mongodb),
            (&mut system.database, &self.database),
            (&mut system.topic_prefix, &self.topic_prefix),
        ];
        if !options.is_empty() {
            system.kafka_options = options;
        }
        if self.certificates.is_some() {
            system.certificates.clone_from(&self.certificates);
        }
        for (setting, flag) in overrides {
            if let Some(value) = flag {
                setting.clone_from(value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> System {
        System {
            kafka: "127.0.0.1:9092".to_owned(),
            kafka_options: Vec::new(),
            mongodb: "mongodb://127.0.0.1:27017".to_owned(),
            database: "one_db".to_owned(),
            topic_prefix: "one".to_owned(),
            api_url: Some("http://127.0.0.1:8080".to_owned()),
            registry_url: None,
            usage_url: None,
            billing_url: None,
            voucher_url: None,
            anomaly_url: None,
            gateways_url: None,
            certificates: None,
            services: Vec::new(),
        }
    }

    fn connect(data_dir: &Path) -> Connect {
        Connect {
            data_dir: data_dir.to_owned(),
            kafka: None,
            security: KafkaSecurity::default(),
            kafka_options: Vec::new(),
            mongodb: None,
            database: None,
            topic_prefix: None,
            certificates: None,
        }
    }

    #[test]
    fn what_up_saved_is_found_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        system().save(folder.path()).unwrap();
        assert_eq!(connect(folder.path()).resolve().unwrap(), system());
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        System::forget(folder.path()).unwrap();
        System::forget(folder.path()).unwrap();
        assert!(connect(folder.path()).resolve().is_err());
    }

    #[test]
    fn a_flag_overrides_one_address_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        system().save(folder.path()).unwrap();
        let flags = Connect { kafka: Some("kafka:9092".to_owned()), ..connect(folder.path()) };
        assert_eq!(flags.resolve().unwrap(), System { kafka: "kafka:9092".to_owned(), ..system() });
    }

    #[test]
    fn a_broker_and_a_database_named_by_flags_need_no_file() {
        let flags = Connect {
            kafka: Some("kafka:9092".to_owned()),
            mongodb: Some("mongodb://db".to_owned()),
            database: Some("two_db".to_owned()),
            ..connect(Path::new("/nonexistent"))
        };
        let system = flags.resolve().unwrap();
        assert_eq!((system.kafka.as_str(), system.database.as_str()), ("kafka:9092", "two_db"));
        assert_eq!((system.topic_prefix.as_str(), system.api_url), (DEFAULT_TOPIC_PREFIX, None));
    }

    #[test]
    fn a_missing_system_is_told_with_what_to_do() {
        let error = connect(Path::new("/nonexistent")).resolve().unwrap_err().to_string();
        assert!(error.contains("indowater up") && error.contains("--kafka"), "{error}");
    }
}
