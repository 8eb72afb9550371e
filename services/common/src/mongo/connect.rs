//! One client per process, with the durability money needs.

use std::time::Duration;

use bson::doc;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::error::Fatal;
use crate::health::Dependency;

/// What every client of the database is set to, whatever the connection string says.
///
/// Writes are acknowledged by a majority and journalled, for an offset is committed right after. Reads are of what a
/// majority has, from the primary: what a decision rests on (a fence, a token, a look-up before a payment, a month)
/// cannot be rolled back after it. Commands that are put together by hand, and those of a transaction, carry their own.
///
/// # Errors
/// A connection string that is wrong.
pub async fn options(name: &str, settings: &config::Mongo) -> Result<ClientOptions, Fatal> {
    let mut options = ClientOptions::parse(&settings.uri).await.map_err(|e| format!("--mongodb: {e}"))?;
    options.app_name = Some(name.to_owned());
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    // A write whose answer was lost is sent again under the same number, and the database knows it.
    options.retry_writes = Some(true);
    options.retry_reads = Some(true);
    options.server_selection_timeout = Some(Duration::from_secs(5));
    options.connect_timeout = Some(Duration::from_secs(5));
    Ok(options)
}

/// Makes the client, set as [`options`] says, and waits until the database answers.
///
/// # Errors
/// A connection string that is wrong, or that names no replica set.
pub async fn connect(name: &str, settings: &config::Mongo) -> Result<Database, Fatal> {
    let options = options(name, settings).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_connection_string_weakens_what_is_read_or_written() {
        for uri in [
            "mongodb://127.0.0.1:27017/?replicaSet=rs0",
            "mongodb://127.0.0.1:27017/?replicaSet=rs0&w=1&journal=false&readConcernLevel=local\
             &readPreference=secondaryPreferred&retryWrites=false",
        ] {
            let settings = config::Mongo { uri: uri.to_owned(), database: "any".to_owned() };
            let options = options("test", &settings).await.unwrap();
            let write = options.write_concern.unwrap();
            assert_eq!((write.w, write.journal), (Some(Acknowledgment::Majority), Some(true)));
            assert_eq!(options.read_concern, Some(ReadConcern::majority()));
            let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
            assert_eq!(options.selection_criteria, Some(primary));
            assert_eq!((options.retry_writes, options.retry_reads), (Some(true), Some(true)));
        }
    }
}
