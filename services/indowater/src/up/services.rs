//! The seven services: what each is told about the system, how it is started, when it is ready.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use rcgen::{KeyPair, PKCS_ED25519};
use reqwest::{Client, StatusCode};
use tokio::time::{Instant, sleep};

use super::closed::Closed;
use crate::stack::{DataFolder, Launch, Port, Progress, kept_secret};
use crate::system::{Service, System};

/// How long a service may take from its start until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a service drains before it gives up what is left, in seconds; a little less than we wait for it.
const DRAIN_SECONDS: &str = "18";
const STOP_WITHIN: Duration = Duration::from_secs(20);

const INGEST: &str = "ingest";
const USAGE: &str = "usage-aggregator";
const BILLING: &str = "billing";
const VOUCHER: &str = "voucher";
const ANOMALY: &str = "anomaly-detector";
const API: &str = "api-gateway";

/// All of them, by the names of their programs.
pub(super) const SERVICES: [&str; 7] = [INGEST, USAGE, ANOMALY, BILLING, VOUCHER, "notifier", API];

/// The system with an address for each service, and the way to start each.
pub(super) struct Plan {
    pub system: System,
    pub launches: Vec<Launch>,
}

impl Plan {
    /// Gives every service ports of its own, and `api` to the one that serves people; `system` has the broker
    /// and the database, `gateways` is what billing is told of those through whom customers pay.
    pub(super) fn make(
        system: System,
        folder: &DataFolder,
        programs: &Path,
        api: Port,
        gateways: &[(String, String)],
        closed: Option<&Closed>,
    ) -> Result<Self> {
        let mut http = Some(api);
        let allot = |name| {
            let http = if name == API { http.take() } else { None };
            Ok(Ports { name, admin: Port::any()?, grpc: Port::any()?, http })
        };
        let allotted = SERVICES.into_iter().map(allot).collect::<Result<Vec<_>>>()?;
        let system = addresses(system, &allotted);
        // A log-in outlives a restart.
        let secret = token_key(&folder.part("token-key"))?;
        let launch = |ports: Ports| {
            let mut env = environment(&system, &ports, &secret, gateways);
            if let Some(closed) = closed {
                let own = closed.environment(ports.name)?;
                env.retain(|(name, _)| {
                    name != "INDOWATER_KAFKA_OPTIONS" && own.iter().all(|(replaced, _)| replaced != name)
                });
                env.extend(own);
            }
            Ok(Launch {
                name: ports.name.to_owned(),
                program: programs.join(ports.name),
                args: Vec::new(),
                env,
                log: folder.log(ports.name),
                pid_file: folder.pid_file(ports.name),
                ports: [Some(ports.admin), Some(ports.grpc), ports.http].into_iter().flatten().collect(),
                grace: STOP_WITHIN,
            })
        };
        let launches = allotted.into_iter().map(launch).collect::<Result<_>>()?;
        Ok(Self { system, launches })
    }
}

struct Ports {
    name: &'static str,
    admin: Port,
    grpc: Port,
    http: Option<Port>,
}

/// The system with the addresses that follow from the ports.
fn addresses(mut system: System, allotted: &[Ports]) -> System {
    let url = |port: &Port| format!("http://127.0.0.1:{}", port.number());
    for Ports { name, admin, grpc, http } in allotted {
        match *name {
            INGEST => system.registry_url = Some(url(grpc)),
            USAGE => system.usage_url = Some(url(grpc)),
            BILLING => system.billing_url = Some(url(grpc)),
            VOUCHER => system.voucher_url = Some(url(grpc)),
            ANOMALY => system.anomaly_url = Some(url(grpc)),
            API => system.api_url = http.as_ref().map(url),
            _ => {}
        }
        let (name, admin_url) = ((*name).to_owned(), url(admin));
        system.services.push(Service { name, admin_url, grpc_url: Some(url(grpc)) });
    }
    system
}

/// What a service is told about the system and its place in it.
fn environment(
    system: &System,
    ports: &Ports,
    secret: &str,
    gateways: &[(String, String)],
) -> Vec<(String, String)> {
    let listen = |port: &Port| format!("127.0.0.1:{}", port.number());
    let mut env = vec![
        ("INDOWATER_KAFKA", system.kafka.clone()),
        ("INDOWATER_MONGODB", system.mongodb.clone()),
        ("INDOWATER_DB", system.database.clone()),
        ("INDOWATER_TOPIC_PREFIX", system.topic_prefix.clone()),
        ("INDOWATER_ADMIN_LISTEN", listen(&ports.admin)),
        ("INDOWATER_GRPC_LISTEN", listen(&ports.grpc)),
        // For tools of whoever tries things out on this machine.
        ("INDOWATER_GRPC_REFLECTION", "true".to_owned()),
        ("INDOWATER_SHUTDOWN_DEADLINE", DRAIN_SECONDS.to_owned()),
    ];
    if !system.kafka_options.is_empty() {
        let options: Vec<_> =
            system.kafka_options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        env.push(("INDOWATER_KAFKA_OPTIONS", options.join(";")));
    }
    if let Some(http) = &ports.http {
        env.extend([
            ("INDOWATER_HTTP_LISTEN", listen(http)),
            ("INDOWATER_REGISTRY_URL", system.registry_url.clone().unwrap_or_default()),
            ("INDOWATER_USAGE_URL", system.usage_url.clone().unwrap_or_default()),
            ("INDOWATER_BILLING_URL", system.billing_url.clone().unwrap_or_default()),
            ("INDOWATER_ANOMALY_URL", system.anomaly_url.clone().unwrap_or_default()),
            ("INDOWATER_TOKEN_KEYS", secret.to_owned()),
        ]);
    }
    if [BILLING, API].contains(&ports.name) {
        env.push(("INDOWATER_VOUCHER_URL", system.voucher_url.clone().unwrap_or_default()));
    }
    let own = if ports.name == BILLING { gateways } else { &[] };
    env.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(own.iter().cloned()).collect()
}

/// The key that signs access tokens: made once, so that a log-in outlives a restart, and read by its owner
/// only.
fn token_key(path: &Path) -> Result<String> {
    kept_secret(path, || {
        Ok(KeyPair::generate_for(&PKCS_ED25519).context("no key can be made")?.serialize_pem())
    })
}

/// Waits until every service says that it is ready.
pub(super) async fn ready(system: &System, folder: &DataFolder, progress: &Progress) -> Result<()> {
    // A proxy of the environment would be asked for loopback addresses too.
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    let all = try_join_all(system.services.iter().map(|service| ready_one(&client, service, folder)));
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
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token-key");
        let secret = token_key(&path).unwrap();
        assert!(secret.starts_with("-----BEGIN PRIVATE KEY-----"), "{secret}");
        assert_eq!(token_key(&path).unwrap(), secret);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn every_service_is_told_the_same_system_on_ports_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path()).await.unwrap();
        let system = System::at("kafka:9092".to_owned(), "mongodb://db".to_owned());
        let gateways = [("INDOWATER_MIDTRANS".to_owned(), "sandbox".to_owned())];
        let plan =
            Plan::make(system, &folder, Path::new("/opt"), Port::any().unwrap(), &gateways, None).unwrap();
        let mut listens: Vec<&str> = Vec::new();
        for launch in &plan.launches {
            assert!(launch.env.contains(&("INDOWATER_KAFKA".to_owned(), "kafka:9092".to_owned())));
            let own = launch.env.iter().filter(|(name, _)| name.ends_with("_LISTEN"));
            listens.extend(own.map(|(_, value)| value.as_str()));
        }
        listens.sort_unstable();
        listens.dedup();
        assert_eq!(listens.len(), 2 * SERVICES.len() + 1);
        assert!(plan.system.api_url.is_some() && plan.system.registry_url.is_some());
        let told = |service: &str, wanted: &str| {
            let launch = plan.launches.iter().find(|launch| launch.name == service).unwrap();
            launch.env.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        assert_eq!(told(API, "INDOWATER_BILLING_URL"), plan.system.billing_url);
        assert!(plan.system.voucher_url.is_some());
        for service in [API, BILLING] {
            assert_eq!(told(service, "INDOWATER_VOUCHER_URL"), plan.system.voucher_url, "{service}");
        }
        assert_eq!(told(BILLING, "INDOWATER_MIDTRANS").as_deref(), Some("sandbox"));
        assert_eq!(told(API, "INDOWATER_MIDTRANS"), None);
    }
}
