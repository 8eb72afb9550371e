//! One life for every service: settings, telemetry, admin endpoint, start, run, drain, exit code.
//!
//! The first signal drains: consumers flush and commit, servers finish what they have. A second signal, or the
//! deadline, ends the process at once. A task that dies ends the process with a failing exit code, for a service that
//! lost a part of itself is not a service any more; the supervisor starts a whole one.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Common, Settings, parse_from};
use crate::credentials::Credentials;
use crate::error::Fatal;
use crate::grpc::Listen;
use crate::health::Health;
use crate::{http, telemetry};

/// What a running service is given by its lifecycle. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    /// The service's name.
    pub name: &'static str,
    /// This instance's name.
    pub instance: Arc<str>,
    /// The settings every service has.
    pub common: Arc<Common>,
    /// What it proves with who it is, if it was given that.
    pub credentials: Option<Arc<Credentials>>,
    /// What this service waits for before it is ready.
    pub health: Health,
    /// Cancelled when the service is to drain.
    pub stop: CancellationToken,
    tasks: TaskTracker,
    deaths: mpsc::UnboundedSender<String>,
}

impl Host {
    /// Where and to whom gRPC is served.
    pub fn grpc(&self) -> Listen {
        Listen {
            address: self.common.grpc_listen,
            credentials: self.credentials.clone(),
            reflection: self.common.grpc_reflection,
        }
    }

    /// Runs a part of the service. It should end by itself after `stop`; if it ends before, or fails, the process
    /// ends with a failing exit code.
    pub fn spawn(&self, part: &'static str, work: impl Future<Output = Result<(), Fatal>> + Send + 'static) {
        let (stop, deaths) = (self.stop.clone(), self.deaths.clone());
        let task = tokio::spawn(work);
        self.tasks.spawn(async move {
            let death = match task.await {
                Ok(Ok(())) if stop.is_cancelled() => return,
                Ok(Ok(())) => "it ended although nobody asked it to".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic.to_string(),
            };
            // The receiver lives as long as the process is supervised.
            let _ = deaths.send(format!("{part}: {death}"));
        });
    }
}

/// The whole life of a service, for its `main`.
///
/// `start` wires the service up and returns once its parts are spawned. It may wait for its dependencies as long as
/// it takes: the admin endpoint is up before it is called.
pub fn main<S, F, Fut>(name: &'static str, about: &'static str, start: F) -> ExitCode
where
    S: Settings,
    F: FnOnce(S, Host) -> Fut,
    Fut: Future<Output = Result<(), Fatal>> + Send + 'static,
{
    let (common, own) = match parse_from::<S>(name, about, std::env::args_os()) {
        Ok(settings) => settings,
        Err((text, code)) => {
            if code == 0 {
                print!("{text}")
            } else {
                eprint!("{text}")
            }
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{name} cannot start its runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(live(name, common, own, start));
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn live<S, F, Fut>(name: &'static str, common: Common, own: S, start: F) -> ExitCode
where
    S: Settings,
    F: FnOnce(S, Host) -> Fut,
    Fut: Future<Output = Result<(), Fatal>> + Send + 'static,
{
    let instance = common.instance.clone().unwrap_or_else(host_name);
    let telemetry = match telemetry::start(name, &instance, &common.log, common.otlp_endpoint.as_deref()) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("{name} cannot start its telemetry: {error}");
            return ExitCode::FAILURE;
        }
    };
    let credentials = match credentials(name, common.certificates.as_deref()) {
        Ok(credentials) => credentials,
        Err(problem) => {
            eprintln!("{name} cannot start: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let (deaths, dead) = mpsc::unbounded_channel();
    let host = Host {
        name,
        instance: instance.into(),
        common: Arc::new(common),
        credentials,
        health: Health::default(),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        deaths,
    };
    let outcome = supervise(&host, dead, telemetry.metrics(), start(own, host.clone())).await;
    match &outcome {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!(%error, "stopped by a failure"),
    }
    telemetry.flush();
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What `name` proves with who it is, from the folder it was given.
fn credentials(name: &str, folder: Option<&Path>) -> Result<Option<Arc<Credentials>>, String> {
    let Some(folder) = folder else { return Ok(None) };
    let credentials = Credentials::open(folder)?;
    if credentials.identity() != name {
        let (folder, of) = (folder.display(), credentials.identity());
        return Err(format!("the certificate in {folder} is of {of}, and this is {name}"));
    }
    credentials.report();
    Ok(Some(credentials))
}

async fn supervise(
    host: &Host,
    mut dead: mpsc::UnboundedReceiver<String>,
    metrics: prometheus::Registry,
    start: impl Future<Output = Result<(), Fatal>> + Send + 'static,
) -> Result<(), Fatal> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let address = host.common.admin_listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("the admin address {address} cannot be taken ({e}); set --admin-listen"))?;
    // Before the admin endpoint answers, so that no one is told "ready" too early.
    let started = host.health.needs("start");
    tracing::info!(version = env!("CARGO_PKG_VERSION"), admin = %listener.local_addr()?, instance = %host.instance, "starting");
    // The admin endpoint answers through the drain, so it has a stop of its own.
    let admin_stop = CancellationToken::new();
    let served = http::serve_admin(listener, host.health.clone(), metrics, admin_stop.clone());
    let admin = tokio::spawn(report(served, "admin endpoint", host.deaths.clone()));

    let (stop, deaths) = (host.stop.clone(), host.deaths.clone());
    host.tasks.spawn(async move {
        let starting = async {
            tokio::select! {
                () = stop.cancelled() => {}
                outcome = start => match outcome {
                    Ok(()) => _ = started.set(true),
                    Err(error) => _ = deaths.send(format!("start: {error}")),
                }
            }
        };
        report(starting, "start", deaths.clone()).await;
    });
    let mut outcome = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        Some(death) = dead.recv() => Err(death),
    };
    tracing::info!("draining");
    host.stop.cancel();
    host.tasks.close();
    tokio::select! {
        () = host.tasks.wait() => {}
        _ = terminate.recv() => outcome = outcome.and(Err("a second signal cut the drain short".into())),
        _ = interrupt.recv() => outcome = outcome.and(Err("a second signal cut the drain short".into())),
        () = tokio::time::sleep(host.common.shutdown_deadline) =>
            outcome = outcome.and(Err("the drain took longer than --shutdown-deadline".into())),
    }
    if let Ok(death) = dead.try_recv() {
        outcome = outcome.and(Err(death));
    }
    admin_stop.cancel();
    admin.await?;
    outcome.map_err(Fatal::from)
}

/// Does `work`, and reports a panic in it as the death of `part`.
async fn report(work: impl Future<Output = ()>, part: &'static str, deaths: mpsc::UnboundedSender<String>) {
    if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
        let said =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        // The receiver lives as long as the process is supervised.
        let _ = deaths.send(format!("{part}: it panicked: {}", said.unwrap_or("without a word")));
    }
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_else(|_| "localhost".to_owned())
}
