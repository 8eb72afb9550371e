//! The seven services: what each is told about the system, how it is started, when it is ready.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use reqwest::{Client, StatusCode};
use tokio::time::{Instant, sleep};

use crate::stack::{DataFolder, Launch, Port, Progress};
use crate::system::{Service, System};

/// How long a service may take from its start until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a service drains before it gives up what is left, in seconds; a little less than we wait for it.
const DRAIN_SECONDS: &str = "18";
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// A service as it is started here.
pub(super) struct Spec {
    /// Its name, and its program's.
    pub name: &'static str,
    serves: Serves,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Serves {
    Grpc,
    Http,
}

const INGEST: &str = "ingest";
const USAGE: &str = "usage-aggregator";
const API: &str = "api-gateway";

/// All of them.
pub(super) const SERVICES: [Spec; 7] = [
    Spec {
        name: INGEST,
        serves: Serves::Grpc,
    },
    Spec {
        name: USAGE,
        serves: Serves::Grpc,
    },
    Spec {
        name: "anomaly-detector",
        serves: Serves::Grpc,
    },
    Spec {
        name: "billing",
        serves: Serves::Grpc,
    },
    Spec {
        name: "voucher",
        serves: Serves::Grpc,
    },
    Spec {
        name: "notifier",
        serves: Serves::Grpc,
    },
    Spec {
        name: API,
        serves: Serves::Http,
    },
];

/// The system with an address for each service, and the way to start each.
pub(super) struct Plan {
    pub system: System,
    pub launches: Vec<Launch>,
}

impl Plan {
    /// Gives every service ports of its own; `system` has the broker and the database.
    pub(super) fn make(mut system: System, folder: &DataFolder, programs: &Path, api: Port) -> Result<Self> {
        let secret = jwt_secret(&folder.part("jwt-secret"))?;
        let mut api = Some(api);
        let mut ports = Vec::new();
        for spec in &SERVICES {
            let admin = Port::any()?;
            let main = match spec.serves {
                Serves::Grpc => Port::any()?,
                Serves::Http => api.take().context("two services serve HTTP")?,
            };
            let url = |port: &Port| format!("http://127.0.0.1:{}", port.number());
            let grpc_url = (spec.serves == Serves::Grpc).then(|| url(&main));
            match spec.name {
                INGEST => system.registry_url.clone_from(&grpc_url),
                USAGE => system.usage_url.clone_from(&grpc_url),
                API => system.api_url = Some(url(&main)),
                _ => {}
            }
            system.services.push(Service {
                name: spec.name.to_owned(),
                admin_url: url(&admin),
                grpc_url,
            });
            ports.push((admin, main));
        }
        let launch = |(spec, (admin, main)): (&Spec, (Port, Port))| Launch {
            name: spec.name.to_owned(),
            program: programs.join(spec.name),
            args: Vec::new(),
            env: environment(spec, &system, &admin, &main, &secret),
            log: folder.log(spec.name),
            pid_file: folder.pid_file(spec.name),
            ports: vec![admin, main],
            grace: STOP_WITHIN,
        };
        let launches = SERVICES.iter().zip(ports).map(launch).collect();
        Ok(Self { system, launches })
    }
}

fn environment(
    spec: &Spec,
    system: &System,
    admin: &Port,
    main: &Port,
    secret: &str,
) -> Vec<(String, String)> {
    let listen = |port: &Port| format!("127.0.0.1:{}", port.number());
    let mut env = vec![
        ("INDOWATER_KAFKA", system.kafka.clone()),
        ("INDOWATER_MONGODB", system.mongodb.clone()),
        ("INDOWATER_DB", system.database.clone()),
        ("INDOWATER_TOPIC_PREFIX", system.topic_prefix.clone()),
        ("INDOWATER_ADMIN_LISTEN", listen(admin)),
        ("INDOWATER_SHUTDOWN_DEADLINE", DRAIN_SECONDS.to_owned()),
    ];
    match spec.serves {
        Serves::Grpc => env.push(("INDOWATER_GRPC_LISTEN", listen(main))),
        Serves::Http => env.extend([
            ("INDOWATER_HTTP_LISTEN", listen(main)),
            (
                "INDOWATER_REGISTRY_URL",
                system.registry_url.clone().unwrap_or_default(),
            ),
            (
                "INDOWATER_USAGE_URL",
                system.usage_url.clone().unwrap_or_default(),
            ),
            ("INDOWATER_JWT_SECRET", secret.to_owned()),
        ]),
    }
    env.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The secret that signs access tokens: made once, so that a log-in outlives a restart, and read by its owner
/// only.
fn jwt_secret(path: &Path) -> Result<String> {
    let kept = fs::read_to_string(path).unwrap_or_default();
    if !kept.is_empty() {
        return Ok(kept);
    }
    let secret: String = rand::random::<[u8; 32]>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(secret.as_bytes()))
        .with_context(|| format!("cannot write {}: check its owner and free space", path.display()))?;
    Ok(secret)
}

/// Waits until every service says that it is ready.
pub(super) async fn ready(system: &System, folder: &DataFolder, progress: &Progress) -> Result<()> {
    // A proxy of the environment would be asked for loopback addresses too.
    let client = Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()?;
    let all = try_join_all(
        system
            .services
            .iter()
            .map(|service| ready_one(&client, service, folder)),
    );
    progress.during("Starting the services", all).await.map(drop)
}

async fn ready_one(client: &Client, service: &Service, folder: &DataFolder) -> Result<()> {
    let begun = Instant::now();
    let url = format!("{}/readyz", service.admin_url);
    loop {
        let answer = match client.get(&url).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => return Ok(()),
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(_) => "it does not answer".to_owned(),
        };
        if begun.elapsed() > READY_WITHIN {
            bail!(
                "{} is not ready after {} s ({}): its log says why: {}",
                service.name,
                READY_WITHIN.as_secs(),
                answer.trim(),
                folder.log(&service.name).display()
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt-secret");
        let secret = jwt_secret(&path).unwrap();
        assert_eq!(secret.len(), 64);
        assert_eq!(jwt_secret(&path).unwrap(), secret);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn every_service_is_told_the_same_system_on_ports_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path()).await.unwrap();
        let system = System::at("kafka:9092".to_owned(), "mongodb://db".to_owned());
        let plan = Plan::make(system, &folder, Path::new("/opt"), Port::any().unwrap()).unwrap();
        let mut listens: Vec<&str> = Vec::new();
        for launch in &plan.launches {
            assert!(
                launch
                    .env
                    .contains(&("INDOWATER_KAFKA".to_owned(), "kafka:9092".to_owned()))
            );
            let own = launch.env.iter().filter(|(name, _)| name.ends_with("_LISTEN"));
            listens.extend(own.map(|(_, value)| value.as_str()));
        }
        listens.sort_unstable();
        listens.dedup();
        assert_eq!(listens.len(), 2 * SERVICES.len());
        assert!(plan.system.api_url.is_some() && plan.system.registry_url.is_some());
    }
}
