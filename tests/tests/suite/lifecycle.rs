//! The life of a process: ready when it can work, a clean end when asked, a failing code when something is wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bson::{Document, doc};
use indowater_common::mongo::Lease;
use indowater_tests::base::Base;
use indowater_tests::world::{World, http};
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

const SERVICES: [&str; 7] =
    ["ingest", "usage-aggregator", "anomaly-detector", "billing", "voucher", "notifier", "api-gateway"];

/// The one that is told to tell its schemas.
const REFLECTS: &str = "ingest";

/// All seven become ready, answer gRPC health, tell their schemas only where that is wanted, and end with 0 on SIGTERM.
pub async fn every_service_starts_serves_health_and_stops(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "services").await?;
    let mut running = Vec::new();
    for name in SERVICES {
        let reflects = [("INDOWATER_GRPC_REFLECTION", "true")];
        let env = if name == REFLECTS { &reflects[..] } else { &[] };
        running.push(world.start(name, env).await.with_context(|| name.to_owned())?);
    }
    for service in &running {
        let live = http()?.get(format!("{}/livez", service.admin)).send().await?;
        ensure!(live.status().is_success(), "{} is not alive", service.process.name());
        if service.process.name() == "api-gateway" {
            continue;
        }
        let channel = Endpoint::from_shared(service.url.clone())?.connect().await?;
        let answer = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await?;
        ensure!(
            answer.into_inner().status() == ServingStatus::Serving,
            "{} does not serve",
            service.process.name()
        );
        let list = ServerReflectionRequest {
            message_request: Some(MessageRequest::ListServices(String::new())),
            ..Default::default()
        };
        let answered =
            ServerReflectionClient::new(channel).server_reflection_info(tokio_stream::once(list)).await;
        match answered {
            Ok(answers) if service.process.name() == REFLECTS => {
                ensure!(answers.into_inner().message().await?.is_some(), "{REFLECTS} reflects nothing");
            }
            Err(status) if service.process.name() != REFLECTS => {
                ensure!(status.code() == Code::Unimplemented, "{}: {status:?}", service.process.name());
            }
            other => bail!("{}: {:?}", service.process.name(), other.map(drop)),
        }
    }
    for service in &running {
        service.process.stop().await;
        let status = service.process.ended().await;
        ensure!(status.success(), "{}: {status}: {}", service.process.name(), service.process.last_words());
    }
    Ok(())
}

/// Every wrong setting is named in one go, before anything is bound, and the code is 2.
pub async fn wrong_settings_are_reported_at_once(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "settings").await?;
    for name in SERVICES {
        let wrong = [("INDOWATER_ADMIN_LISTEN", "everywhere"), ("INDOWATER_SHUTDOWN_DEADLINE", "soon")];
        let service = world.launch(name, &wrong)?;
        let status = service.process.ended().await;
        let said = service.process.last_words();
        ensure!(status.code() == Some(2), "{name} ended with {status}: {said}");
        for flag in ["--admin-listen", "--shutdown-deadline"] {
            ensure!(said.contains(flag), "{name} does not name {flag}: {said}");
        }
    }
    Ok(())
}

/// A part that cannot run, here gRPC whose address is taken, ends the process with a failing code and a sentence.
pub async fn a_part_that_cannot_run_ends_the_process_with_a_failure(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "dead-part").await?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let service = world.launch("usage-aggregator", &[("INDOWATER_GRPC_LISTEN", &address)])?;
    let status = service.process.ended().await;
    let said = service.process.last_words();
    ensure!(status.code() == Some(1), "it ended with {status}: {said}");
    ensure!(said.contains(&address) && said.contains("--grpc-listen"), "it does not say what to do: {said}");
    Ok(())
}

/// Work that rests on a lease is ended when the lease goes to another or cannot be renewed; while it can, work may take
/// longer than its term.
pub async fn a_lease_that_was_outlived_is_told_to_its_work(base: Arc<Base>) -> Result<()> {
    let world = World::new(&base, "lease").await?;
    let term = Duration::from_secs(2);
    let lease = Lease::new(&world.database, "one", "first", term);
    ensure!(lease.keep(async {}).await.is_err(), "nobody holds it yet");
    ensure!(lease.hold().await?, "it is free");
    let work = lease.keep(tokio::time::sleep(term * 2)).await;
    ensure!(work.is_ok(), "it is renewed while the work goes on: {work:?}");

    let leases = world.database.collection::<Document>("leases");
    let another = doc! { "$set": { "holder": "second", "until": bson::DateTime::MAX } };
    leases.update_one(doc! { "_id": "one" }, another).await?;
    let began = Instant::now();
    let work = lease.keep(std::future::pending::<()>()).await;
    let told = work.err().context("it went to another")?.to_string();
    ensure!(told.contains("one") && began.elapsed() < term * 2, "{told} after {:?}", began.elapsed());
    Ok(())
}
