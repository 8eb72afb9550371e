//! `gateways`: stand-ins for Midtrans and Xendit that speak their protocols and misbehave as the real ones do.
//!
//! Top-ups can be tried without an account at a gateway: the merchant's calls, the page where a person pays, and the
//! notifications with their signatures, repetitions and retries are those of the real ones. [`chance`] adds what goes
//! wrong in the field, by a seed; [`attacker`] sends what a thief would. State is in memory and goes with the process.
//!
//! Beside the real ones' paths, below `/midtrans` and `/xendit`, there is `/_control`, by which tests decide what
//! customers and banks do. Time is compressed: every wait of a gateway (retries, reversals) is divided by `--hurry`.

pub mod attacker;
pub mod book;
pub mod chance;
mod control;
pub mod desk;
mod midtrans;
mod page;
pub mod sender;
#[cfg(test)]
mod tests;
pub mod weather;
mod xendit;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use indowater_common::clock;
use indowater_common::config::milliseconds;
use indowater_common::serve::{Protocol, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use chance::Mischief;
pub use desk::{Delivery, Desk};

use crate::signals::Signals;

/// Stand in for Midtrans and Xendit: pay pages, notifications, and their bad habits when asked for
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8500")]
    listen: SocketAddr,
    #[command(flatten)]
    options: Options,
}

/// What the stand-ins are told.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where Midtrans' notifications go; nowhere if it is not said
    #[arg(long, value_name = "URL")]
    pub midtrans_notify: Option<String>,
    /// Where Xendit's notifications go; nowhere if it is not said
    #[arg(long, value_name = "URL")]
    pub xendit_notify: Option<String>,
    /// Midtrans' server key
    #[arg(long, value_name = "KEY", default_value = MIDTRANS_KEY)]
    pub midtrans_key: String,
    /// Xendit's secret key
    #[arg(long, value_name = "KEY", default_value = XENDIT_KEY)]
    pub xendit_key: String,
    /// Xendit's callback token
    #[arg(long, value_name = "TOKEN", default_value = XENDIT_TOKEN)]
    pub xendit_token: String,
    /// How customers reach this program, if not by the address it listens on
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// What the waits of the gateways are divided by: 60 makes minutes into seconds
    #[arg(long, value_name = "N", default_value_t = HURRY)]
    pub hurry: NonZeroU32,
    /// How long a notification may take, in milliseconds; as long as at the real ones if it is not said
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub notification_timeout: Option<Duration>,
    /// What goes wrong.
    #[command(flatten)]
    pub mischief: Mischief,
}

/// Midtrans' server key, if no other is said.
pub const MIDTRANS_KEY: &str = "SB-Mid-server-indowater";
/// Xendit's secret key, if no other is said.
pub const XENDIT_KEY: &str = "xnd_development_indowater";
/// Xendit's callback token, if no other is said.
pub const XENDIT_TOKEN: &str = "indowater-callback-token";
/// Minutes take a second.
const HURRY: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// How often orders whose time is over are looked for.
const SWEEP: Duration = Duration::from_millis(250);
/// How long a call is left without an answer.
const SILENCE: Duration = Duration::from_secs(120);

impl Default for Options {
    /// No notifications, the usual keys, no mischief.
    fn default() -> Self {
        Self {
            midtrans_notify: None,
            xendit_notify: None,
            midtrans_key: MIDTRANS_KEY.to_owned(),
            xendit_key: XENDIT_KEY.to_owned(),
            xendit_token: XENDIT_TOKEN.to_owned(),
            public_url: None,
            hurry: HURRY,
            notification_timeout: None,
            mischief: Mischief::default(),
        }
    }
}

/// Stand-ins that run. They stop when it is dropped.
#[derive(Debug)]
pub struct Gateways {
    /// Where they listen.
    pub address: SocketAddr,
    /// Their state.
    pub desk: Arc<Desk>,
    tasks: [JoinHandle<()>; 2],
}

impl Gateways {
    /// Base URL of Midtrans: of Snap and of the Core API.
    pub fn midtrans_url(&self) -> String {
        format!("http://{}/midtrans", self.address)
    }

    /// Base URL of Xendit.
    pub fn xendit_url(&self) -> String {
        format!("http://{}/xendit", self.address)
    }

    /// Base URL of what tests decide.
    pub fn control_url(&self) -> String {
        format!("http://{}/_control", self.address)
    }
}

impl Drop for Gateways {
    fn drop(&mut self) {
        self.desk.stop.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts the stand-ins at `listen`; port 0 takes a free one.
///
/// # Errors
/// The address is taken.
pub async fn start(listen: SocketAddr, options: Options) -> Result<Gateways> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let base = options.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let desk = Arc::new(Desk::new(options, base, client));
    let router = router(&desk);
    let serve = tokio::spawn(serve(listener, router, Protocol::Http, desk.stop.clone()));
    let swept = desk.clone();
    let sweep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            swept.sweep(clock::now());
        }
    });
    Ok(Gateways { address, desk, tasks: [serve, sweep] })
}

fn router(desk: &Arc<Desk>) -> Router {
    let api = Router::new().nest("/midtrans", midtrans::routes()).nest("/xendit", xendit::routes());
    let api = api.layer(from_fn_with_state(desk.clone(), misbehave));
    let router = api.merge(page::routes()).nest("/_control", control::routes());
    router.with_state(desk.clone())
}

/// Does not do a call, or does it and does not answer, when the weather or chance says so.
async fn misbehave(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let is_xendit = request.uri().path().starts_with("/xendit");
    let brand = if is_xendit { book::Brand::Xendit } else { book::Brand::Midtrans };
    let weather = desk.weather.at(brand);
    if weather != weather::Weather::Fine {
        return weather.strikes(brand, request, next, SILENCE).await;
    }
    let mischief = &desk.options.mischief;
    let case = format!("{} {}", request.uri(), desk.next_call());
    if mischief.happens(mischief.errors, &format!("error {case}")) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let silent = mischief.happens(mischief.timeouts, &format!("timeout {case}"));
    let breaks = mischief.happens(mischief.resets, &format!("reset {case}"));
    let response = next.run(request).await;
    if silent {
        tokio::time::sleep(SILENCE).await;
    }
    if breaks { weather::broken() } else { response }
}

/// An answer that says no. Boxed, for it is seldom needed and large.
struct Refused(Box<Response>);

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// The user of basic authentication, which is where both gateways have the key.
fn user(headers: &HeaderMap) -> Option<String> {
    let basic = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(BASE64_STANDARD.decode(basic).ok()?).ok()?;
    decoded.split_once(':').map(|(user, _)| user.to_owned())
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let gateways = start(args.listen, args.options).await?;
    eprintln!("Midtrans: {}", gateways.midtrans_url());
    eprintln!("Xendit:   {}", gateways.xendit_url());
    eprintln!("Orders:   {}/orders", gateways.control_url());
    for (name, url) in [
        ("Midtrans", &gateways.desk.options.midtrans_notify),
        ("Xendit", &gateways.desk.options.xendit_notify),
    ] {
        match url {
            Some(url) => eprintln!("{name} notifies {url}"),
            None => eprintln!("{name} notifies nobody"),
        }
    }
    signals.next().await;
    Ok(ExitCode::SUCCESS)
}
