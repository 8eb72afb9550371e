//! `seed`: what a newcomer needs to see the product at work: accounts to log in with, properties and meters of every
//! kind, half a year of usage, vouchers, payments, and tips.
//!
//! Usage is not written into its collection. The meters' reads are produced as back-dated telemetry and the pipeline
//! computes the days, so that every demo figure can be traced to reads like a real one. Accounts and tips go straight
//! into the database: they are the operator's to give. Vouchers and payments are asked of the services that own them.
//! Everything has a fixed identity and follows from `--seed`, so a second run finds it and changes nothing.

mod accounts;
pub mod demo;
mod history;
mod money;
mod tips;

use std::fmt;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use indowater_common::clock;
use jiff::{Timestamp, ToSpan as _};
use mongodb::Database;

pub use accounts::{ACCOUNTS, Account};

use crate::clients;
use crate::registry::{Registry, RegistryAddress};
use crate::simulate::fleet::enrol;
use crate::system::{Connect, System};
use crate::uplink::Uplink;

/// The password of the demo accounts, unless another is given.
pub const DEFAULT_PASSWORD: &str = "indowater-demo";

/// Fill the system with demo accounts, meters, half a year of their reads, vouchers, payments, and tips
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    registry: RegistryAddress,
    #[command(flatten)]
    addresses: money::Addresses,
    #[command(flatten)]
    options: Options,
}

/// What to fill a system with.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Password of the demo accounts that are new
    #[arg(long, env = "INDOWATER_DEMO_PASSWORD", value_name = "PASSWORD", default_value = DEFAULT_PASSWORD, hide_env_values = true)]
    pub password: String,
    /// How many days of reads the meters have behind them; 0 for none
    #[arg(long, value_name = "N", default_value_t = 180, value_parser = clap::value_parser!(u16).range(..=365))]
    pub days: u16,
    /// What chance follows from: the same seed gives the same draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { password: DEFAULT_PASSWORD.to_owned(), days: 180, seed: 1 }
    }
}

/// What was not there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seeded {
    /// Accounts.
    pub accounts: usize,
    /// Tips.
    pub tips: usize,
    /// Properties.
    pub properties: usize,
    /// Devices.
    pub devices: u64,
    /// Vouchers.
    pub vouchers: usize,
    /// Payments.
    pub payments: usize,
    /// Messages of telemetry that were sent.
    pub messages: u64,
    /// Reads in them.
    pub reads: u64,
}

impl fmt::Display for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accounts, tips, properties, devices, vouchers, payments, messages, reads } = self;
        write!(
            f,
            "{accounts} accounts, {tips} tips, {properties} properties, {devices} meters, {vouchers} vouchers and \
             {payments} payments are new; {reads} reads were sent in {messages} messages"
        )
    }
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    let mut system = args.connect.resolve()?;
    args.addresses.apply(&mut system);
    let registry = args.registry.open(&system)?;
    let seeded = seed(&system, &registry, &args.options).await?;
    println!("{seeded}");
    if seeded.reads > 0 {
        println!("the pipeline turns the reads into daily usage now; `indowater status` shows how far it is");
    }
    for account in &ACCOUNTS[..3] {
        println!("{:<12}{}", account.role, account.email);
    }
    let password = if seeded.accounts > 0 {
        args.options.password.as_str()
    } else {
        "as it was set when they were made"
    };
    println!("{:<12}{password}", "password");
    Ok(ExitCode::SUCCESS)
}

/// Brings into `system` what is missing of the demo.
///
/// # Errors
/// The broker, the database, the registry, billing or voucher does not answer, or refuses.
pub async fn seed(system: &System, registry: &Registry, options: &Options) -> Result<Seeded> {
    let now = clock::now();
    let (accounts, tips) = clients::with_database(system, async |database| {
        let accounts = accounts::create(database, &options.password, now).await?;
        Ok((accounts, tips::create(database, now).await?))
    })
    .await?;

    let meters: Vec<_> = demo::meters(options.seed, installed(now, options.days)).collect();
    let enrolled = enrol(registry, &meters).await?;
    // Before the reads, so that no balance falls below zero for a moment.
    let money::Made { vouchers, payments } = money::create(system, now, options.days).await?;
    let mut sent = history::Sent::default();
    if options.days > 0 {
        let uplink = Uplink::open(system).await?;
        for meter in meters {
            let device = enrolled.known.get(&meter.device.device_id).unwrap_or(&meter.device);
            if device.last_reading.is_none() {
                sent += history::send(&uplink, device, &meter, now, options.days).await?;
            }
        }
        uplink.flush().await?;
    }
    Ok(Seeded {
        accounts,
        tips,
        properties: enrolled.properties,
        devices: enrolled.devices,
        vouchers,
        payments,
        messages: sent.messages,
        reads: sent.reads,
    })
}

/// When the meters are said to have been installed: well before their first read.
fn installed(now: Timestamp, days: u16) -> Timestamp {
    let hours = i64::from(days) * 24 + 48;
    now.checked_sub(hours.hours()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Inserts the documents whose `_id` is not there yet. Returns how many were new.
async fn insert_missing(database: &Database, collection: &str, documents: Vec<Document>) -> Result<usize> {
    let target = database.collection::<Document>(collection);
    let mut new = 0;
    for document in documents {
        let id = document.get_str("_id").unwrap_or_default().to_owned();
        let outcome =
            target.update_one(doc! { "_id": &id }, doc! { "$setOnInsert": document }).upsert(true).await;
        let outcome = outcome.with_context(|| {
            format!("{id} was not written to {collection}: if another document has its unique values, remove that one")
        })?;
        new += usize::from(outcome.upserted_id.is_some());
    }
    Ok(new)
}
