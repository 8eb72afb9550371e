//! The manifests of Kubernetes, with the real programs: each is started with what its manifest tells it, asked as a kubelet
//! asks, and stopped as a kubelet stops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indowater::stack::{Port, Process};
use indowater_common::config;
use indowater_common::kafka::base_config;
use indowater_tests::base::Base;
use indowater_tests::manifests::{Consumer, Manifests, SERVICES, Source, text};
use indowater_tests::world::{TOKEN_KEY, World, eventually, http};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::Value;

/// A service that runs on its manifest.
struct Running {
    process: Process,
    admin: String,
}

impl Running {
    /// Asks a probe of the manifest until it answers well, for as long as the kubelet would.
    async fn probe(&self, probe: &Value) -> Result<()> {
        let (path, port) = (text(&probe["httpGet"]["path"]), text(&probe["httpGet"]["port"]));
        ensure!(
            path.starts_with('/') && port == "admin",
            "a probe asks over HTTP on the admin port: {probe}"
        );
        let url = format!("{}{path}", self.admin);
        eventually(&url, async || {
            ensure!(self.process.is_running(), "it ended");
            let answer = http()?.get(&url).send().await?;
            ensure!(answer.status().is_success(), "{}", answer.text().await?);
            Ok(())
        })
        .await
        .with_context(|| format!("{}: {}", self.process.name(), self.process.last_words()))
    }
}

/// Starts `service` with its manifest's environment. What a cluster gives is given by this machine: addresses, secrets, ports
/// and a world of its own; no other variable is added.
fn start(
    world: &mut World,
    manifests: &Manifests,
    service: &str,
    urls: &mut BTreeMap<String, String>,
) -> Result<Running> {
    let (admin, main) = (Port::any()?, Port::any()?);
    let listen = |port: &Port| format!("127.0.0.1:{}", port.number());
    let (admin_listen, main_listen) = (listen(&admin), listen(&main));
    let main_setting =
        if service == "api-gateway" { "INDOWATER_HTTP_LISTEN" } else { "INDOWATER_GRPC_LISTEN" };
    let mut env = BTreeMap::new();
    for (name, source) in manifests.environment(manifests.container(service)) {
        let value = match (name.as_str(), source) {
            // Told below.
            ("INDOWATER_KAFKA" | "INDOWATER_MONGODB", _) => continue,
            ("INDOWATER_CERTIFICATES", _) => world.certificate(service)?,
            ("INDOWATER_TOKEN_KEYS", _) => TOKEN_KEY.to_owned(),
            ("INDOWATER_SMTP_URL", _) => "smtp://127.0.0.1:1".to_owned(),
            // Optional, and a whole key file: without it nothing is pushed.
            ("INDOWATER_FCM_ACCOUNT", _) => String::new(),
            (_, Source::Secret) => "a secret of the cluster that nobody else uses".to_owned(),
            (_, Source::Value(value)) => match value
                .strip_prefix("https://")
                .and_then(|rest| rest.split_once(':'))
            {
                // Names of Services lead to the processes that stand for them.
                Some((host, _)) => urls.get(host).with_context(|| format!("{host} is not started"))?.clone(),
                None => value,
            },
        };
        env.insert(name, value);
    }
    env.extend(world.doors(service)?);
    env.insert("INDOWATER_TOPIC_PREFIX".to_owned(), world.system.topic_prefix.clone());
    env.insert("INDOWATER_DB".to_owned(), world.system.database.clone());
    env.insert("INDOWATER_ADMIN_LISTEN".to_owned(), admin_listen.clone());
    // All of them share this machine's ports, so nobody may take the default one.
    env.insert("INDOWATER_GRPC_LISTEN".to_owned(), "127.0.0.1:0".to_owned());
    env.insert(main_setting.to_owned(), main_listen.clone());
    urls.insert(service.to_owned(), format!("https://{main_listen}"));
    let process = world.process(service, env.into_iter().collect(), vec![admin, main])?;
    Ok(Running { process, admin: format!("http://{admin_listen}") })
}

/// All seven start on their manifests, answer the probes, consume what KEDA asks the lag of and nothing else, and end within
/// their grace.
pub async fn every_service_runs_on_its_manifest(base: Arc<Base>) -> Result<()> {
    let manifests = Manifests::here();
    let mut world = World::new(&base, "manifests").await?.proving()?;
    let (mut urls, mut running) = (BTreeMap::new(), Vec::new());
    // Whom others ask comes first, for its address must be known.
    for service in
        ["voucher", "ingest", "usage-aggregator", "anomaly-detector", "billing", "notifier", "api-gateway"]
    {
        running.push(start(&mut world, &manifests, service, &mut urls)?);
    }
    let container = &manifests.pod()["containers"][0];
    for service in &running {
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            service.probe(&container[probe]).await.context(probe)?;
        }
    }

    let scaled: BTreeSet<Consumer> =
        SERVICES.iter().flat_map(|service| manifests.scaled_by(service)).collect();
    eventually("KEDA asks the lag of every consumer, and of no other", async || {
        let consuming = consumers(world.kafka()).await?;
        ensure!(consuming == scaled, "services consume {consuming:?}, scaling objects ask for {scaled:?}");
        Ok(())
    })
    .await?;

    let grace = manifests.pod()["terminationGracePeriodSeconds"].as_u64().context("a grace")?;
    for service in &running {
        let asked = Instant::now();
        service.process.stop().await;
        let status = service.process.ended().await;
        ensure!(status.success(), "{}: {status}: {}", service.process.name(), service.process.last_words());
        ensure!(asked.elapsed() < Duration::from_secs(grace), "{} took too long", service.process.name());
    }
    Ok(())
}

/// Which consumer groups of a prefix have members, and what these read, as the broker tells it.
async fn consumers(kafka: config::Kafka) -> Result<BTreeSet<Consumer>> {
    let prefix = format!("{}.", kafka.topic_prefix);
    tokio::task::spawn_blocking(move || {
        let asking: BaseConsumer = base_config(&kafka).set("group.id", "unused").create()?;
        let groups = asking.fetch_group_list(None, Duration::from_secs(20))?;
        let mut found = BTreeSet::new();
        for group in groups.groups() {
            let Some(name) = group.name().strip_prefix(&prefix) else { continue };
            for topic in group.members().iter().flat_map(|one| subscribed(one.metadata().unwrap_or_default()))
            {
                let topic = topic.strip_prefix(&prefix).context("a topic of another world")?;
                found.insert((name.to_owned(), topic.to_owned()));
            }
        }
        Ok(found)
    })
    .await?
}

/// The topics in a member's metadata: version (2 bytes), count (4), and each with its length (2) before it.
fn subscribed(metadata: &[u8]) -> Vec<String> {
    let mut topics = Vec::new();
    let mut rest = metadata.get(6..).unwrap_or_default();
    let count = metadata.get(2..6).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    for _ in 0..count {
        let Some((length, after)) = rest.split_first_chunk() else { break };
        let Some((name, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))) else {
            break;
        };
        topics.push(String::from_utf8_lossy(name).into_owned());
        rest = after;
    }
    topics
}
