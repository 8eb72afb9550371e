//! Closed doors: services prove to each other who they are, certificates change under way, and no secret is told.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use indowater_common::credentials::Credentials;
use indowater_common::grpc::channel;
use indowater_proto::registry::v1::registry_service_client::RegistryServiceClient;
use indowater_proto::registry::v1::{ListDevicesRequest, UpdatePropertyRequest};
use indowater_tests::base::Base;
use indowater_tests::collector::Collector;
use indowater_tests::workload::meters;
use indowater_tests::world::{CUSTOMER, Service, TOKEN_KEY, World, eventually, http};
use rust_decimal::Decimal;
use serde_json::json;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::api::{PASSWORD, Session, add_user, log_in};

/// A call of a service to another with the certificate of `caller`, on a connection of its own.
async fn list(world: &World, url: &str, caller: &str) -> Result<Result<(), Status>> {
    let own = Credentials::open(Path::new(&world.certificate(caller)?)).map_err(|error| anyhow!(error))?;
    Ok(list_by(channel(url, "ingest", Some(&own)).map_err(|error| anyhow!(error))?).await)
}

async fn list_by(channel: Channel) -> Result<(), Status> {
    RegistryServiceClient::new(channel).list_devices(ListDevicesRequest::default()).await.map(drop)
}

/// Who is let in and may call is answered, all others are refused; certificates are renewed while calls are made, and none
/// of them fails.
pub async fn services_prove_who_they_are_and_renew_without_a_failed_call(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "doors").await?.proving()?;
    let ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", &[]).await?;
    // It is ready only when both have answered it.
    let gateway = world.start("api-gateway", &[]).await?;
    // The operator's tool enrols.
    world.enrol(&meters(40, 1, 1)).await?;

    list(&world, &ingest.url, "api-gateway").await?.context("the gateway is not answered")?;
    for stranger in ["voucher", "notifier", "kafka"] {
        let Err(refused) = list(&world, &ingest.url, stranger).await? else {
            bail!("{stranger} is answered")
        };
        ensure!(refused.code() == Code::PermissionDenied, "{stranger}: {refused:?}");
        let wanted = format!("{stranger} may not call /indowater.registry.v1.RegistryService/ListDevices");
        ensure!(refused.message().starts_with(&wanted), "{refused:?}");
    }
    let operator = Credentials::with(Path::new(&world.certificate("operator")?), Duration::ZERO)
        .map_err(|e| anyhow!(e))?;
    let lasting = channel(&ingest.url, "ingest", Some(&operator)).map_err(|e| anyhow!(e))?;
    let mut tool = RegistryServiceClient::new(lasting.clone());
    let refused = tool.update_property(UpdatePropertyRequest::default()).await;
    let refused = refused.err().context("the tool may not change properties")?;
    ensure!(refused.code() == Code::PermissionDenied, "{refused:?}");
    let plain = channel(&ingest.url.replace("https", "http"), "ingest", None).map_err(|e| anyhow!(e))?;
    let refused = list_by(plain).await.err().context("it is answered in plain")?;
    ensure!(
        refused.code() != Code::PermissionDenied,
        "a call was read from one who proved nothing: {refused:?}"
    );

    let (made, failed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let calling = tokio::spawn({
        let (url, operator, lasting) = (ingest.url.clone(), operator.clone(), lasting.clone());
        let (made, failed) = (made.clone(), failed.clone());
        async move {
            loop {
                for channel in [channel(&url, "ingest", Some(&operator)).ok(), Some(lasting.clone())] {
                    let Some(channel) = channel else { continue };
                    match list_by(channel).await {
                        Ok(()) => made.fetch_add(1, Ordering::SeqCst),
                        Err(_) => failed.fetch_add(1, Ordering::SeqCst),
                    };
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    for times in 1..=2 {
        world.renew_certificates()?;
        eventually("ingest uses the renewed certificate", async || {
            let seen =
                std::fs::read_to_string(ingest.process.log())?.matches("the certificate was renewed").count();
            ensure!(seen == times, "{seen} of {times} renewals were seen");
            Ok(())
        })
        .await?;
        ensure!(gateway.ready_now().await? == 200, "the gateway lost whom it asks");
    }
    let left = ingest.metric("indowater_certificate_seconds_left", "").await?;
    ensure!(left > Decimal::from(89 * 86_400), "{left} s are left of a new certificate");
    calling.abort();
    let (made, failed) = (made.load(Ordering::SeqCst), failed.load(Ordering::SeqCst));
    ensure!(failed == 0 && made > 20, "{failed} of {} calls failed", made + failed);
    Ok(())
}

/// A certificate of another service is refused at the start, with a word about it.
pub async fn a_service_does_not_start_as_another(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "impostor").await?.proving()?;
    let wrong = world.certificate("billing")?;
    for (certificates, said) in
        [(wrong.as_str(), "is of billing, and this is voucher"), ("/nowhere", "cannot be read")]
    {
        let voucher = world.launch("voucher", &[("INDOWATER_CERTIFICATES", certificates)])?;
        let status = voucher.process.ended().await;
        let words = voucher.process.last_words();
        ensure!(status.code() == Some(1) && words.contains(said), "{status}: {words}");
    }
    Ok(())
}

/// A run that uses every kind of secret, some in vain: none of them stands in a log, a metric or a trace.
#[allow(clippy::too_many_lines, reason = "a third of it are the settings of six services")]
pub async fn no_secret_is_told(base: Arc<Base>) -> Result<()> {
    let collector = Collector::default();
    let endpoint = collector.start().await?;
    let mut world = World::new(&base, "secrets").await?.proving()?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{text}\n"))?;
        Ok(path.display().to_string())
    };
    let [midtrans, xendit, callback, broker, database, mail, chat] =
        ["midtrans", "xendit", "callback", "broker", "database", "mail", "chat"]
            .map(|of| format!("quiet-{of}-8c1f"));
    let options = file("options", &format!("sasl.password={broker}"))?;
    let (token_key, midtrans_key) = (file("token-key", TOKEN_KEY)?, file("midtrans", &midtrans)?);
    let otlp = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("INDOWATER_LOG", "debug"),
        ("INDOWATER_KAFKA_OPTIONS_FILE", options.as_str()),
    ];
    let with = |further: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        let all = otlp.iter().chain(further);
        all.map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let smtp = format!("smtp://sender:{mail}@127.0.0.1:1");
    let unreachable =
        format!("mongodb://user:{database}@127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=300");
    let plans = [
        ("voucher", with(&[])),
        ("ingest", with(&[])),
        ("usage-aggregator", with(&[])),
        (
            "billing",
            with(&[
                ("INDOWATER_MIDTRANS", "http://127.0.0.1:1/midtrans"),
                ("INDOWATER_MIDTRANS_SERVER_KEY_FILE", &midtrans_key),
                ("INDOWATER_XENDIT", "http://127.0.0.1:1/xendit"),
                ("INDOWATER_XENDIT_SECRET_KEY", &xendit),
                ("INDOWATER_XENDIT_CALLBACK_TOKEN", &callback),
            ]),
        ),
        (
            "notifier",
            with(&[
                ("INDOWATER_SMTP_URL", &smtp),
                ("INDOWATER_WHATSAPP_NUMBER_ID", "1"),
                ("INDOWATER_WHATSAPP_TOKEN", &chat),
            ]),
        ),
        ("api-gateway", with(&[("INDOWATER_TOKEN_KEYS", ""), ("INDOWATER_TOKEN_KEYS_FILE", &token_key)])),
    ];
    let mut running = Vec::new();
    for (name, env) in &plans {
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        running.push(world.start(name, &env).await?);
    }
    let _lost = start_in_vain(&mut world, &broker, &unreachable).await?;

    let session = use_the_api(&world, &callback).await?;
    eventually("traces and metrics were sent", async || {
        ensure!(collector.taken().contains("POST /api/v1/auth/login"), "no span of the log-in");
        ensure!(!collector.metrics().is_empty() || collector.taken().len() > 10_000, "little was sent");
        Ok(())
    })
    .await?;
    let shown = everything_shown(&world, &collector, &running).await?;
    ensure!(shown[0].1.contains("127.0.0.1:1"), "the trouble of the run stands in the logs");
    let key = std::fs::read_to_string(Path::new(&world.certificate("billing")?).join("tls.key"))?;
    let key = key.lines().nth(1).context("a key has lines")?;
    let secrets =
        [&midtrans, &xendit, &callback, &broker, &database, &mail, &chat, &session.access, &session.refresh];
    let mut secrets =
        secrets.into_iter().map(String::as_str).chain([TOKEN_KEY, PASSWORD, "quiet-mistyped-8c1f", key]);
    secrets.try_for_each(|secret| stands_nowhere(&shown, secret))
}

/// Logs in, mistypes, tops up in vain, lies as a gateway, and refreshes; the session that was.
async fn use_the_api(world: &World, callback: &str) -> Result<Session> {
    add_user(world, CUSTOMER, "siti@example.com", "customer").await?;
    let session = log_in(world, "siti@example.com").await?;
    let api = world.system.api_url.clone().context("no gateway")?;
    let mistyped = json!({ "email": "siti@example.com", "password": "quiet-mistyped-8c1f" });
    http()?.post(format!("{api}/api/v1/auth/login")).json(&mistyped).send().await?;
    for method in ["midtrans", "xendit"] {
        let top_up = json!({ "amount": 50_000, "payment_method": method, "payment_type": "balance_topup" });
        let request = http()?.post(format!("{api}/api/v1/payments")).bearer_auth(&session.access);
        let status = request.header("idempotency-key", method).json(&top_up).send().await?.status();
        ensure!(status.is_server_error(), "{method} is not there, and yet: {status}");
    }
    let forged = http()?.post(format!("{api}/api/v1/webhooks/xendit")).header("x-callback-token", callback);
    forged.json(&json!({ "id": "1", "external_id": "none" })).send().await?;
    let refresh = json!({ "refresh_token": session.refresh });
    http()?.post(format!("{api}/api/v1/auth/refresh")).json(&refresh).send().await?;
    Ok(session)
}

/// What can be read of a run: (what it is, the text).
async fn everything_shown(
    world: &World,
    collector: &Collector,
    running: &[Service],
) -> Result<Vec<(&'static str, String)>> {
    let mut shown = vec![("a log", world.logs()?), ("a trace or metric sent", collector.taken())];
    for service in running {
        for (what, path) in [("metrics", "/metrics"), ("readiness", "/readyz")] {
            let answer = http()?.get(format!("{}{path}", service.admin)).send().await?;
            shown.push((what, answer.text().await?));
        }
    }
    Ok(shown)
}

/// Starts one that never finds its database, which is returned, and one whose settings are wrong: they say why, and not
/// with what.
async fn start_in_vain(world: &mut World, broker: &str, unreachable: &str) -> Result<Service> {
    let lost = world.launch("voucher", &[("INDOWATER_MONGODB", unreachable), ("INDOWATER_LOG", "debug")])?;
    let wrong = [("INDOWATER_KAFKA_OPTIONS", broker), ("INDOWATER_MONGODB", unreachable)];
    let refused = world.launch("voucher", &wrong)?;
    ensure!(refused.process.ended().await.code() == Some(2), "{}", refused.process.last_words());
    Ok(lost)
}

fn stands_nowhere(shown: &[(&'static str, String)], secret: &str) -> Result<()> {
    if let Some((what, text)) = shown.iter().find(|(_, text)| text.contains(secret)) {
        let line = text.lines().find(|line| line.contains(secret)).unwrap_or_default();
        bail!("{secret} stands in {what}: {}", line.chars().take(600).collect::<String>());
    }
    Ok(())
}
