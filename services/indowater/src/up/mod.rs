//! `up`: the whole system on this machine, from nothing to meters that report, by one command.
//!
//! It prepares (checks, fetches, builds), starts in the order of dependency (database and broker, topics and
//! indexes, payment gateways, services, demo data, meters), then watches: a child that dies is started again,
//! figures are kept up to date on one line. The first signal stops everything in reverse order; a second one
//! kills. All state is in the data folder, so the next run goes on where this one stopped.

mod binaries;
mod closed;
mod demo;
mod figures;
mod gateways;
mod screen;
mod services;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::future::{OptionFuture, join_all};
use indowater_common::config::seconds;

use crate::init;
use crate::signals::Signals;
use crate::stack::{
    Cache, DataFolder, Death, Kafka, KafkaOptions, Launch, Mongo, MongoOptions, Port, Process, Progress,
    Security, Software, Supervised, Wanted,
};
use crate::system::{Connect, System};
use closed::Closed;
use gateways::{Accounts, Gateways};
use screen::Screen;
use services::Plan;

/// Run the whole system on this machine: database, broker, services, demo data, simulated meters
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connect: Connect,
    /// Port of the HTTP API; 0 takes any free one
    #[arg(long, value_name = "PORT", env = "INDOWATER_API_PORT", default_value_t = 8080)]
    api_port: u16,
    /// How many simulated meters report; 0 for none
    #[arg(long, value_name = "N", default_value_t = 50)]
    meters: u64,
    /// How long each simulated meter waits between two reports, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    interval: Duration,
    /// Start over: delete all that earlier runs left in the data folder
    #[arg(long)]
    reset: bool,
    /// With closed doors: broker and database take TLS and passwords only, and each service may do no more than it must;
    /// certificates and passwords are made in the data folder
    #[arg(long, conflicts_with_all = ["kafka", "mongodb"])]
    secure: bool,
    /// Use the services as they are built
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    accounts: Accounts,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let screen = Screen::new();
    let folder = tokio::select! {
        folder = DataFolder::open(&args.connect.data_dir) => folder?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let outcome = tokio::select! {
        outcome = run_in(&folder, &args, &screen, &mut signals) => outcome,
        never = screen.tick() => match never {},
    };
    screen.clear();
    System::forget(folder.path())?;
    // What a failed or interrupted start had started so far was told to end when it was dropped.
    tokio::select! {
        ended = folder.outwait_leftovers() => ended?,
        () = signals.next() => folder.kill_all()?,
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn run_in(folder: &DataFolder, args: &Args, screen: &Screen, signals: &mut Signals) -> Result<()> {
    let running = tokio::select! {
        running = Running::start(folder, args, screen) => running?,
        () = signals.next() => {
            screen.say("Stopping what was started so far.");
            return Ok(());
        }
    };
    screen.say(running.greeting(folder));
    let watched = tokio::select! {
        Err(error) = figures::watch(&running.system, screen) => Err(error),
        () = signals.next() => Ok(()),
    };
    screen.clear();
    screen.say("Stopping. Once more kills.");
    tokio::select! {
        () = running.stop() => screen.say("Stopped. The next `up` goes on from here."),
        () = signals.next() => {
            folder.kill_all()?;
            bail!("killed before everything had stopped in good order; nothing that was stored is lost");
        }
    }
    watched
}

/// All that runs, in the order in which it was started.
struct Running {
    system: System,
    demo: bool,
    paid_through: String,
    stack: Vec<Supervised>,
    gateways: Option<Supervised>,
    services: Vec<Supervised>,
    meters: Option<Supervised>,
}

impl Running {
    async fn start(folder: &DataFolder, args: &Args, screen: &Screen) -> Result<Self> {
        let progress = screen.progress();
        if args.reset {
            folder.reset()?;
            screen.say(format!("Deleted what earlier runs left in {}.", folder.path().display()));
        }
        // First what can fail at once, then what takes time.
        let api = match args.api_port {
            0 => Port::any()?,
            number => Port::exactly(number, "--api-port (0 takes any free one)")?,
        };
        let Gateways { env: gateways_env, who: paid_through, stand_ins } =
            args.accounts.gateways(folder, api.number())?;
        let wanted = Wanted { kafka: args.connect.kafka.is_none(), mongodb: args.connect.mongodb.is_none() };
        let software = Software::obtain(&Cache::of_user()?, wanted, &progress).await?;
        let programs = binaries::folder(args.no_build, screen).await?;

        let keep = |process| Supervised::keep(process, tell(screen));
        let (system, stack) = start_stack(folder, args, &software, wanted, &progress).await?;
        let stack = stack.into_iter().map(keep).collect();
        progress.during("Creating topics and indexes", init::init(&system, 1)).await?;
        let closed = OptionFuture::from(args.secure.then(|| Closed::make(&system, folder)));
        let closed = closed.await.transpose()?;
        let system = closed.as_ref().map_or(Ok(system.clone()), |closed| closed.for_operator(&system))?;

        let Plan { mut system, launches } =
            Plan::make(system, folder, &programs, api, &gateways_env, closed.as_ref())?;
        let (url, gateways) = stand_ins.unzip();
        system.gateways_url = url;
        system.save(folder.path())?;
        let gateways = gateways.map(|launch| Process::start(launch).map(keep)).transpose()?;
        let services: Result<Vec<_>> =
            launches.into_iter().map(|launch| Process::start(launch).map(keep)).collect();
        let services = services?;
        services::ready(&system, folder, &progress).await?;

        let demo = demo::fill(&system, &progress).await?;
        let meters = match args.meters {
            0 => None,
            _ => Some(keep(Process::start(simulator(folder, args, demo)?)?)),
        };
        Ok(Self { system, demo, paid_through, stack, gateways, services, meters })
    }

    /// What a newcomer wants to know.
    fn greeting(&self, folder: &DataFolder) -> String {
        let System { kafka, mongodb, api_url, .. } = &self.system;
        let paid_through = &self.paid_through;
        let logins = if self.demo { demo::logins() } else { "with the accounts of your database".to_owned() };
        format!(
            "\nIndoWater is up.\n  \
             API        {}/api/v1   (OpenAPI: /api/v1/openapi.json)\n  \
             log in     {logins}\n  \
             pay        top up with POST /api/v1/payments; its payment_url opens a pay page ({paid_through})\n  \
             kafka      {kafka}\n  \
             mongodb    {}\n  \
             logs       {}\n\
             Ctrl-C stops it, the next `up` goes on from here, `up --reset` starts over.\n",
            api_url.as_deref().unwrap_or_default(),
            without_password(mongodb),
            folder.log("*").display()
        )
    }

    /// Stops it in the reverse order, so that each can still reach what it drains into.
    async fn stop(self) {
        if let Some(meters) = self.meters {
            meters.stop().await;
        }
        join_all(self.services.into_iter().map(Supervised::stop)).await;
        if let Some(gateways) = self.gateways {
            gateways.stop().await;
        }
        for process in self.stack.into_iter().rev() {
            process.stop().await;
        }
    }
}

/// A connection string as it may be shown.
fn without_password(uri: &str) -> String {
    match uri.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('@'))) {
        Some((scheme, Some((_, hosts)))) => format!("{scheme}://{hosts}"),
        _ => uri.to_owned(),
    }
}

/// Tells a death as a sentence that stays.
fn tell(screen: &Screen) -> impl Fn(Death) + Send + 'static {
    let screen = screen.clone();
    move |death| screen.say(death.to_string())
}

/// Starts the database and the broker side by side, except what flags name; that is used as it is.
async fn start_stack(
    folder: &DataFolder,
    args: &Args,
    software: &Software,
    wanted: Wanted,
    progress: &Progress,
) -> Result<(System, Vec<Process>)> {
    let security = args.secure.then(|| Security::of(folder)).transpose()?;
    let kafka_options = KafkaOptions { security: security.clone(), ..KafkaOptions::default() };
    let mongo_options = MongoOptions { security, ..MongoOptions::default() };
    let mongodb =
        OptionFuture::from(wanted.mongodb.then(|| Mongo::start(software, folder, &mongo_options, progress)));
    let kafka =
        OptionFuture::from(wanted.kafka.then(|| Kafka::start(software, folder, &kafka_options, progress)));
    let (mongodb, kafka) =
        tokio::try_join!(async { mongodb.await.transpose() }, async { kafka.await.transpose() },)?;
    let bootstrap = kafka.as_ref().map(|kafka| kafka.bootstrap().to_owned());
    let mut system =
        System::at(bootstrap.unwrap_or_default(), mongodb.as_ref().map(Mongo::uri).unwrap_or_default());
    system.kafka_options = kafka.as_ref().map(Kafka::options).unwrap_or_default();
    args.connect.apply(&mut system)?;
    let processes = [mongodb.map(Mongo::into_process), kafka.map(Kafka::into_process)];
    Ok((system, processes.into_iter().flatten().collect()))
}

/// The simulated fleet is a process like any other: it may die, it logs, it is started again.
fn simulator(folder: &DataFolder, args: &Args, demo: bool) -> Result<Launch> {
    let name = "simulator";
    let mut command: Vec<OsString> = vec!["simulate".into(), "--data-dir".into(), folder.path().into()];
    command.extend(["--meters".into(), args.meters.to_string().into()]);
    command.extend(["--interval".into(), args.interval.as_secs().to_string().into()]);
    // A seed of its own: a fleet that somebody adds with `simulate` has other meters.
    command.extend(["--seed".into(), "0".into()]);
    if demo {
        command.push("--demo".into());
    }
    Ok(Launch {
        name: name.to_owned(),
        program: env::current_exe().context("cannot tell where this program is")?,
        args: command,
        env: Vec::new(),
        log: folder.log(name),
        pid_file: folder.pid_file(name),
        ports: Vec::new(),
        grace: Duration::from_secs(10),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_password("mongodb://me:secret@db:27017/?w=1"), "mongodb://db:27017/?w=1");
        assert_eq!(without_password("mongodb://db:27017"), "mongodb://db:27017");
    }
}
