//! The ways into a running system that commands share: its broker's settings and its database.
//!
//! A service waits for its dependencies as long as it takes; a person at a terminal wants to be told. So everything here
//! gives up after a bounded time and says what did not answer and what to do.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use indowater_common::credentials::Credentials;
use indowater_common::{config, grpc, mongo};
use mongodb::Database;
use mongodb::options::ClientOptions;
use tonic::Status;
use tonic::transport::Channel;

use crate::system::System;

/// How long a broker, a database or a service may take to answer before a command gives up.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The broker of `system`, as the shared library takes it.
pub fn kafka(system: &System) -> config::Kafka {
    config::Kafka {
        bootstrap: system.kafka.clone(),
        topic_prefix: system.topic_prefix.clone(),
        security: config::KafkaSecurity::default(),
        options: system.kafka_options.clone(),
        stall_limit: Duration::from_secs(60),
    }
}

/// A channel to `service` at `url`, which connects when it is first used; with the certificate in `certificates`, where the
/// services ask for one.
///
/// # Errors
/// The address is no URL, or not of the kind that goes with certificates; the folder holds none.
pub fn channel(url: &str, service: &str, certificates: Option<&Path>) -> Result<Channel> {
    let own = certificates.map(Credentials::open).transpose().map_err(|error| anyhow!(error))?;
    grpc::channel(url, service, own.as_ref()).map_err(anyhow::Error::from_boxed)
}

/// Why a call was not answered: what the library says, and the cause at the bottom of it, such as a certificate that is not
/// believed.
pub fn why(status: &Status) -> String {
    let mut cause = status.source();
    while let Some(deeper) = cause.and_then(Error::source) {
        cause = Some(deeper);
    }
    match cause.map(ToString::to_string) {
        Some(cause) if cause != status.message() => format!("{}: {cause}", status.message()),
        _ => status.message().to_owned(),
    }
}

/// The database of `system`, once it has answered.
///
/// # Errors
/// A wrong connection string, a database that is no replica set, or one that does not answer in time.
pub async fn database(system: &System) -> Result<Database> {
    let settings = config::Mongo { uri: system.mongodb.clone(), database: system.database.clone() };
    match tokio::time::timeout(PATIENCE, mongo::connect("indowater", &settings)).await {
        Ok(connected) => connected.map_err(|error| anyhow!(error)),
        Err(_) => Err(anyhow!(
            "the database at {} does not answer within {} s: start it, or name another with --mongodb",
            hosts(&system.mongodb).await,
            PATIENCE.as_secs()
        )),
    }
}

/// Does `work` with the database of `system`, and lets go of it in order: a client that is dropped as the program ends
/// still tells the server, from a runtime that is no more, and panics.
///
/// # Errors
/// As [`database`], and those of `work`.
pub async fn with_database<T>(system: &System, work: impl AsyncFnOnce(&Database) -> Result<T>) -> Result<T> {
    let database = database(system).await?;
    let outcome = work(&database).await;
    database.client().clone().shutdown().immediate(true).await;
    outcome
}

/// The hosts of a connection string, which may hold a password and so is never shown.
async fn hosts(uri: &str) -> String {
    let Ok(options) = ClientOptions::parse(uri).await else {
        return "the given address".to_owned();
    };
    options.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Runs a call of the Kafka client, which blocks, beside the runtime's threads.
///
/// # Errors
/// Those of `work`.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("the thread that talks to the broker died")?
}
