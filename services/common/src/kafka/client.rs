//! What every client of the broker has in common.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::error::Fatal;
use crate::health::Dependency;

/// The settings every client starts from: the servers, how they know each other, and whatever the operator adds.
pub fn base_config(kafka: &config::Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.bootstrap).set("log.connection.close", "false");
    for (key, value) in kafka.security.options().iter().chain(&kafka.options) {
        config.set(key, value);
    }
    config
}

/// The settings of every client that reads records: what one answer of the broker brings is bounded, for the client unpacks all of
/// it at once. A batch of the largest size that topics allow always fits.
pub(super) fn reading_config(kafka: &config::Kafka) -> ClientConfig {
    let mut config = base_config(kafka);
    config
        .set("enable.auto.commit", "false")
        .set("fetch.max.bytes", (1 << 20).to_string())
        .set("max.partition.fetch.bytes", (1 << 20).to_string());
    config
}

/// Asks the broker for its metadata every few seconds and keeps `broker` up to date.
pub async fn watch_broker(
    kafka: config::Kafka,
    broker: Dependency,
    stop: CancellationToken,
) -> Result<(), Fatal> {
    let client: BaseConsumer = base_config(&kafka).create()?;
    let (sender, mut answers) = tokio::sync::mpsc::channel(1);
    // The call blocks, so it has a thread of its own; it ends with the channel.
    std::thread::Builder::new().name("broker-watch".to_owned()).spawn(move || {
        loop {
            let answer = client.fetch_metadata(None, Duration::from_secs(3)).map(|_| ());
            let pause = Duration::from_millis(if answer.is_ok() { 5_000 } else { 500 });
            if sender.blocking_send(answer).is_err() {
                return;
            }
            std::thread::sleep(pause);
        }
    })?;
    loop {
        let answer = tokio::select! {
            answer = answers.recv() => answer,
            () = stop.cancelled() => return Ok(()),
        };
        match answer {
            Some(Ok(())) => {
                if broker.set(true) {
                    tracing::info!(servers = kafka.bootstrap, "the broker answers");
                }
            }
            Some(Err(error)) => {
                if broker.set(false) {
                    tracing::warn!(%error, servers = kafka.bootstrap, "the broker does not answer");
                }
            }
            None => return Err("the thread that watches the broker ended".into()),
        }
    }
}
