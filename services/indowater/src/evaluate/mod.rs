//! `evaluate`: how good the detectors are, on reads of homes that nobody here needs to have seen.
//!
//! It runs the anomaly-detector's own domain code over real reads, untouched and with leaks put in, and counts. `home` and
//! `leak` are the ground, `watch` what watches (the vendors' rules beside the service), `trial` and `plateau` how it is
//! judged, `study` what is tried, `report` and `plots` what is told. Without files it takes homes that it makes up.

mod home;
mod leak;
mod plateau;
mod plots;
mod report;
mod study;
mod synthetic;
mod trial;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use indowater_common::domain::zone::Zone;
use jiff::tz::TimeZone;

use crate::clients::blocking;
use crate::replay::{self, Format};
use home::Home;
use study::Plan;

/// Measure the detectors on reads of homes
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// What is found of leaks that are put into homes, how soon, and what opens in homes as they are
    Leaks(Box<Leaks>),
}

#[derive(Debug, Clone, clap::Args)]
struct Leaks {
    /// CSV files of register reads, as `replay` takes them; made-up homes if there are none
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    format: Format,
    /// Time zone of the meters: of wall times in the files, and of people's nights [default: Asia/Jakarta]
    #[arg(long, value_name = "NAME", value_parser = replay::zone)]
    time_zone: Option<TimeZone>,
    /// What the registers count in, litres
    #[arg(long, value_name = "LITRES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    resolution: u16,
    /// Which of the homes, by name: what is tuned on one half is reported on the other
    #[arg(long, value_enum, default_value_t = Half::All)]
    homes: Half,
    /// How often each leak is put into each home
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    trials: u16,
    /// Of all chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many of a thousand homes begin to leak in a month
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    prevalence: u32,
    /// Draw pictures into this folder
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Which of the homes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Half {
    /// All
    All,
    /// The first, third, fifth ... by name: to tune on
    Odd,
    /// The second, fourth, sixth ... by name: to report on
    Even,
}

/// Homes and days that are made up where there are no files.
const MADE_UP: (u64, i64) = (24, 150);

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    let What::Leaks(leaks) = args.what;
    let homes = homes(&leaks).await?;
    let plan = Plan { seed: leaks.seed, trials: leaks.trials.into(), prevalence: leaks.prevalence };
    let plots = leaks.plots.clone();
    let report = blocking(move || {
        let report = study::study(&homes, plan);
        if let Some(folder) = plots {
            plots::write(&folder, &report, &study::examples(&homes, plan))?;
        }
        Ok(report)
    })
    .await?;
    if leaks.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn homes(leaks: &Leaks) -> Result<Vec<Home>> {
    if leaks.files.is_empty() {
        return Ok(synthetic::homes(MADE_UP.0, MADE_UP.1, leaks.seed));
    }
    let zone = leaks.time_zone.clone();
    let meters = replay::registers(leaks.files.clone(), leaks.format.clone(), zone).await?;
    let zone = leaks.time_zone.as_ref().and_then(TimeZone::iana_name).unwrap_or("Asia/Jakarta");
    let zone = Zone::named(zone).unwrap_or(Zone::utc());
    let resolution = i64::from(leaks.resolution) * 1_000;
    let mut homes: Vec<Home> =
        meters.into_iter().map(|(name, points)| Home::of(&name, points, resolution, &zone)).collect();
    homes.sort_by(|one, other| one.name.cmp(&other.name));
    let skipped = match leaks.homes {
        Half::All => None,
        Half::Odd => Some(1),
        Half::Even => Some(0),
    };
    let homes: Vec<Home> = homes
        .into_iter()
        .enumerate()
        .filter(|(place, _)| skipped.is_none_or(|skipped| place % 2 != skipped))
        .map(|(_, home)| home)
        .collect();
    ensure!(!homes.is_empty(), "there are no reads of any home in the files");
    Ok(homes)
}

#[cfg(test)]
mod tests;
