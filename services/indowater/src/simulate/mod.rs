//! `simulate`: a fleet of meters that report in real time, with the faults of the field when asked for.
//!
//! [`draws`] is the pure model of what people and factories take, [`meter`] the register that follows from it,
//! [`population`] who is simulated, [`faults`] what goes wrong on the way, [`moves`] who moves meanwhile, [`predecessor`] what
//! another system left before, and [`fleet`] brings them to the broker. At the end the command prints what it handed over, exactly, so that `status` and `verify` can be held against it.

pub mod draws;
pub mod faults;
pub mod fleet;
pub mod meter;
pub mod moves;
pub mod population;
pub mod predecessor;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use indowater_common::clock;
use indowater_common::config::seconds;
use jiff::{Timestamp, ToSpan as _};
use tokio_util::sync::CancellationToken;

pub use faults::{Counts, Percent, Rates};
pub use fleet::{Bounds, Fleet, Reporting};
pub use population::{Population, Simulated};

use meter::Identity;
use predecessor::Left;

use crate::clients;
use crate::registry::RegistryAddress;
use crate::seed::demo;
use crate::signals::Signals;
use crate::system::{Connect, System};
use crate::uplink::Uplink;

/// Let simulated meters report, with faults if asked for, until Ctrl-C or a bound
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    registry: RegistryAddress,
    /// How many meters
    #[arg(long, value_name = "N", default_value_t = 100)]
    meters: u64,
    /// How many meters stand in one property, which is one customer's
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    meters_per_property: u64,
    /// How long each meter waits between two reports, in seconds, give or take a tenth
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = interval)]
    interval: Duration,
    /// The demo's meters report too
    #[arg(long)]
    demo: bool,
    /// What chance follows from: the same seed gives the same meters and the same draws, another one other meters
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Stop after so many messages
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Of how many meters another system left days of water, and of their customers payments, in percent
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    foreign: Percent,
    /// How many of the messages begin a sampled trace, in percent
    #[arg(long, value_name = "PERCENT", default_value = "1")]
    traces: Percent,
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    rates: Rates,
}

/// What a generator is for besides an hour and a meter.
const OF_THE_PREDECESSOR: i64 = i64::MIN + 3;

/// A meter's clock shows whole seconds, so reports of one meter must not fall into the same one.
const SHORTEST: Duration = Duration::from_secs(2);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = seconds(text)?;
    if interval < SHORTEST {
        Err(format!("a meter reports every {} s at most", SHORTEST.as_secs()))
    } else {
        Ok(interval)
    }
}

/// When a meter that starts to report at `now` was installed: before its first read.
pub fn installed_before(now: Timestamp) -> Timestamp {
    now.checked_sub(24.hours()).unwrap_or(now)
}

/// Lets another system leave documents of some of the meters, as chance picks them.
///
/// # Errors
/// The database does not answer, or refuses one.
pub async fn leave(system: &System, meters: &[Simulated], foreign: Percent, seed: u64) -> Result<Left> {
    let mut chance = Identity { seed, number: 0 }.chance(OF_THE_PREDECESSOR);
    let some: Vec<&Simulated> = meters.iter().filter(|_| foreign.happens(&mut chance)).collect();
    if some.is_empty() {
        return Ok(Left::default());
    }
    clients::with_database(system, async |database| predecessor::leave(database, some, &mut chance).await)
        .await
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    let system = args.connect.resolve()?;
    let registry = args.registry.open(&system)?;
    let uplink = Uplink::open(&system).await?;
    let population =
        Population { meters: args.meters, meters_per_property: args.meters_per_property, seed: args.seed };
    let reporting =
        Reporting { interval: args.interval, rates: args.rates, traces: args.traces, seed: args.seed };
    let installed = installed_before(clock::now());
    let demo = demo::meters(args.seed, installed).filter(|_| args.demo);
    let meters: Vec<Simulated> = population.meters(installed).chain(demo).collect();
    // Before the first read of theirs: a service that has a day in memory does not look for another system's.
    let left = leave(&system, &meters, args.foreign, args.seed).await?;
    let mut fleet = Fleet::enrol(&registry, meters, reporting).await?;
    fleet.note_left(left);
    if fleet.is_empty() {
        bail!("no meter would report: ask for some with --meters, or for the demo's with --demo");
    }
    eprintln!("{} meters report every {} s; Ctrl-C ends it", fleet.len(), args.interval.as_secs());

    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.next().await;
        signalled.cancel();
    });
    let bounds = Bounds { duration: args.duration, messages: args.messages };
    fleet.run(&uplink, &registry, bounds, &stop).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(fleet.counts())?);
    } else {
        print!("{}", fleet.counts());
    }
    Ok(ExitCode::SUCCESS)
}
