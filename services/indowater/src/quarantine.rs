//! `quarantine`: looking at records of the system's own topics that a service could not process, and having it process
//! them again once the cause is mended.
//!
//! Each service keeps its own in a collection `quarantine_<service>`. Releasing only marks a record: the service that has
//! its partition takes it within seconds, as if it came again, and forgets it when its effect is durable. What fails again is
//! set aside again, with the new reason.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use bson::doc;
use futures::TryStreamExt as _;
use indowater_common::mongo::from_bson_time;
use indowater_common::mongo::quarantine::{PREFIX, SetAside, collection_of, release};
use mongodb::Database;
use serde_json::{Value, json};

use crate::clients;
use crate::dead_letters::{dump, hex};
use crate::system::{Connect, System};
use crate::terminal;

/// Look at records that a service could not process, and release them
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// List what is in quarantine, oldest first
    List {
        #[command(flatten)]
        connect: Connect,
        /// Only that of this service
        #[arg(long, value_name = "SERVICE")]
        service: Option<String>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one record with its bytes
    Show {
        #[command(flatten)]
        connect: Connect,
        /// Where it stood, as `list` tells
        #[arg(value_name = "TOPIC:PARTITION:OFFSET")]
        id: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Have records processed again, once the cause is mended
    Release {
        #[command(flatten)]
        connect: Connect,
        /// Which ones, as `list` tells
        #[arg(value_name = "TOPIC:PARTITION:OFFSET", required_unless_present = "all")]
        ids: Vec<String>,
        /// All of them
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

/// A record, and whose quarantine it is in.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Name of the collection.
    pub collection: String,
    /// The record.
    pub record: SetAside,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::List { connect, service, json } => {
            list(&connect.resolve()?, service.as_deref(), json).await?;
        }
        Action::Show { connect, id, json } => show(&connect.resolve()?, &id, json).await?,
        Action::Release { connect, ids, all } => {
            let released = release_those(&connect.resolve()?, (!all).then_some(&*ids)).await?;
            println!("{released} released; what fails again is listed again, with its reason");
            if released < ids.len() as u64 {
                bail!("{} of them are not in quarantine", ids.len() as u64 - released);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The collections of a database that are quarantines.
///
/// # Errors
/// The database does not answer.
pub async fn quarantines(database: &Database) -> Result<Vec<String>> {
    let names = database.list_collection_names().await.context("collections cannot be listed")?;
    let mut quarantines: Vec<String> = names.into_iter().filter(|name| name.starts_with(PREFIX)).collect();
    quarantines.sort_unstable();
    Ok(quarantines)
}

/// What is in quarantine, oldest first; of one service if it is named.
///
/// # Errors
/// The database does not answer.
pub async fn kept(system: &System, service: Option<&str>) -> Result<Vec<Kept>> {
    let wanted = service.map(collection_of);
    clients::with_database(system, async |database| {
        let mut kept = Vec::new();
        for collection in quarantines(database).await? {
            if wanted.as_ref().is_some_and(|wanted| *wanted != collection) {
                continue;
            }
            let unreadable = || format!("{collection} cannot be read");
            let records = database.collection::<SetAside>(&collection);
            let found = records.find(doc! {}).sort(doc! { "set_aside_at": 1 });
            let found: Vec<SetAside> =
                found.await.with_context(unreadable)?.try_collect().await.with_context(unreadable)?;
            kept.extend(found.into_iter().map(|record| Kept { collection: collection.clone(), record }));
        }
        Ok(kept)
    })
    .await
}

/// Says of those records, or of all, that they are to be processed again. Returns how many there are.
///
/// # Errors
/// The database does not answer.
pub async fn release_those(system: &System, ids: Option<&[String]>) -> Result<u64> {
    clients::with_database(system, async |database| {
        let mut released = 0;
        for collection in quarantines(database).await? {
            released += release(database, &collection, ids)
                .await
                .with_context(|| format!("{collection} cannot be written"))?;
        }
        Ok(released)
    })
    .await
}

async fn list(system: &System, service: Option<&str>, json: bool) -> Result<()> {
    let kept = kept(system, service).await?;
    if json {
        let all: Vec<Value> = kept.iter().map(summary).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for Kept { record, .. } in &kept {
        let released = if record.released { "  (released)" } else { "" };
        println!(
            "{}  {}  {:<20} {}{released}",
            record.id,
            from_bson_time(record.set_aside_at),
            terminal::line(&String::from_utf8_lossy(&record.key.bytes)),
            terminal::line(&record.reason)
        );
    }
    eprintln!(
        "{} records in quarantine; see one with `indowater quarantine show TOPIC:PARTITION:OFFSET`",
        kept.len()
    );
    Ok(())
}

async fn show(system: &System, id: &str, json: bool) -> Result<()> {
    let kept = kept(system, None).await?.into_iter().find(|kept| kept.record.id == id);
    let Some(kept) = kept else {
        bail!("{id} is not in quarantine; `indowater quarantine list` says what is")
    };
    if json {
        let mut shown = summary(&kept);
        shown["value_hex"] = hex(&kept.record.value.bytes).into();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(());
    }
    let Kept { collection, record } = &kept;
    println!("reason        {}", terminal::line(&record.reason));
    println!("kept in       {collection}");
    println!("came from     {}", record.id);
    println!("key           {}", terminal::line(&String::from_utf8_lossy(&record.key.bytes)));
    println!("stamped       {}", from_bson_time(record.stamped_at));
    println!("set aside     {}", from_bson_time(record.set_aside_at));
    println!("released      {}", if record.released { "yes" } else { "no" });
    println!("value         {} bytes", record.value.bytes.len());
    print!("{}", dump(&record.value.bytes));
    Ok(())
}

fn summary(Kept { collection, record }: &Kept) -> Value {
    json!({
        "id": record.id,
        "quarantine": collection,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": String::from_utf8_lossy(&record.key.bytes),
        "reason": record.reason,
        "stamped_at": from_bson_time(record.stamped_at).to_string(),
        "set_aside_at": from_bson_time(record.set_aside_at).to_string(),
        "released": record.released,
    })
}
