//! One client per process, with the durability money needs.

use std::time::Duration;

use bson::doc;
use mongodb::options::{ClientOptions, WriteConcern};
use mongodb::{Client, Database};
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::error::Fatal;
use crate::health::Dependency;

/// Makes the client and waits until the database answers.
///
/// Writes are acknowledged by a majority and journalled, for an offset is committed right after.
///
/// # Errors
/// A connection string that is wrong, or that names no replica set.
pub async fn connect(name: &str, settings: &config::Mongo) -> Result<Database, Fatal> {
    let mut options = ClientOptions::parse(&settings.uri).await.map_err(|e| format!("--mongodb: {e}"))?;
    options.app_name = Some(name.to_owned());
    options.write_concern =
        Some(WriteConcern::builder().w(mongodb::options::Acknowledgment::Majority).journal(true).build());
    options.server_selection_timeout = Some(Duration::from_secs(5));
    options.connect_timeout = Some(Duration::from_secs(5));
    let client = Client::with_options(options)?;
    let database = client.database(&settings.database);
    let mut told = false;
    while let Err(error) = database.run_command(doc! { "ping": 1 }).await {
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "waiting for the database");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let hello = database.run_command(doc! { "hello": 1 }).await?;
    if !hello.contains_key("setName") {
        return Err("the database is no replica set, and transactions need one: \
                    start mongod with --replSet and initiate it, then name it in --mongodb"
            .into());
    }
    Ok(database)
}

/// Pings the database every few seconds and keeps `database_up` up to date.
pub async fn watch_database(
    database: Database,
    database_up: Dependency,
    stop: CancellationToken,
) -> Result<(), Fatal> {
    loop {
        let pause = match database.run_command(doc! { "ping": 1 }).await {
            Ok(_) => {
                if database_up.set(true) {
                    tracing::info!("the database answers");
                }
                Duration::from_secs(5)
            }
            Err(error) => {
                if database_up.set(false) {
                    tracing::warn!(%error, "the database does not answer");
                }
                Duration::from_millis(500)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}
