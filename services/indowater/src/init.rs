//! `init`: the topics and the collections with their indexes, where they are missing.
//!
//! What is there stays as it is, but for settings of topics that the services rely on: those are set right and told. So the
//! command is safe on a system that runs, and after an upgrade brings only what the new release needs besides.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use indowater_common::kafka::topics;
use indowater_common::mongo::schema;
use indowater_proto::topics::ALL;
use mongodb::Database;

use crate::access;
use crate::former;
use crate::system::{Connect, System};
use crate::{certificates, clients};

/// Create the topics, collections and indexes that are missing
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connect: Connect,
    /// On how many brokers each record is kept; 3 in production
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    replicas: i32,
    /// Make certificates for the services in this folder too, where they are missing or end soon, as `certificates` does
    #[arg(long, value_name = "FOLDER")]
    make_certificates: Option<PathBuf>,
    /// Make users at the broker and in the database, too, each with the rights that it needs and no others, and keep their
    /// credentials in this folder; the broker and the database are named with an administrator's
    #[arg(long, value_name = "FOLDER")]
    access: Option<PathBuf>,
}

/// What was missing and is there now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Created {
    /// Full names of topics.
    pub topics: Vec<String>,
    /// Settings of topics that were not as the services rely on them, and are now.
    pub mended: Vec<String>,
    /// Names of collections.
    pub collections: Vec<&'static str>,
    /// How many indexes, `_id` not counted.
    pub indexes: usize,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    if let Some(folder) = &args.make_certificates {
        for name in certificates::make(folder, &certificates::NAMES, &[], false)? {
            println!("certificate {}", folder.join(name).display());
        }
    }
    let system = args.connect.resolve()?;
    let created = init(&system, args.replicas).await?;
    for topic in &created.topics {
        println!("topic       {topic}");
    }
    for setting in &created.mended {
        println!("mended      {setting}");
    }
    for collection in &created.collections {
        println!("collection  {}.{collection}", system.database);
    }
    println!(
        "{} of {} topics, {} of {} collections and {} indexes were missing and are there now",
        created.topics.len(),
        ALL.len(),
        created.collections.len(),
        schema::COLLECTIONS.len(),
        created.indexes
    );
    if let Some(folder) = &args.access {
        let made = access::make(&system, folder).await?;
        println!(
            "{} rights were missing and are granted, {} are taken back; credentials of {} are in {}",
            made.granted,
            made.withdrawn,
            made.parties.join(", "),
            folder.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Creates what is missing in `system`.
///
/// # Errors
/// The broker or the database does not answer, or refuses.
pub async fn init(system: &System, replicas: i32) -> Result<Created> {
    let made = topics::make(&clients::kafka(system), replicas).await.with_context(|| {
        format!("topics were not made on {}: start the broker, or name another with --kafka", system.kafka)
    })?;
    let (before, after) = clients::with_database(system, async |database| {
        former::give_up(database).await?;
        let before = Standing::of(database).await?;
        schema::ensure(database, None).await.context(
            "collections and indexes were not created: an index that differs from the data model must be dropped first",
        )?;
        Ok((before, Standing::of(database).await?))
    })
    .await?;
    let is_new = |name: &&str| after.collections.contains(*name) && !before.collections.contains(*name);
    Ok(Created {
        topics: made.created,
        mended: made.mended,
        collections: schema::COLLECTIONS.iter().map(|c| c.name).filter(is_new).collect(),
        indexes: after.indexes - before.indexes,
    })
}

/// What of the data model is there.
struct Standing {
    collections: BTreeSet<String>,
    indexes: usize,
}

impl Standing {
    async fn of(database: &Database) -> Result<Self> {
        let collections: BTreeSet<String> = database
            .list_collection_names()
            .await
            .context("collections cannot be listed")?
            .into_iter()
            .collect();
        let mut indexes = 0;
        for name in schema::COLLECTIONS.iter().map(|c| c.name).filter(|name| collections.contains(*name)) {
            let names = database.collection::<bson::Document>(name).list_index_names().await;
            indexes +=
                names.with_context(|| format!("indexes of {name} cannot be listed"))?.len().saturating_sub(1);
        }
        Ok(Self { collections, indexes })
    }
}
