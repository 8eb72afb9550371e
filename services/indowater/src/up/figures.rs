//! What is going on, in one line: how much came in, what became of it, what is still to do, what could not be
//! used.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bson::Document;
use futures::future::join_all;
use indowater_common::kafka::base_config;
use indowater_proto::topics::{DEAD_LETTERS, TELEMETRY, Topic};
use mongodb::Database;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use reqwest::Client;
use tokio::time::interval;

use super::screen::Screen;
use crate::clients;
use crate::system::System;

const PERIOD: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(2);
/// The gauge of every consumer: records that its partitions hold and it has not applied yet.
const LAG: &str = "indowater_consumer_lag";

/// Shows the figures for as long as it is polled.
pub(super) async fn watch(system: &System, screen: &Screen) -> Result<Infallible> {
    let observer = Observer::new(system).await?;
    let mut period = interval(PERIOD);
    loop {
        period.tick().await;
        screen.show(
            observer
                .line()
                .await
                .unwrap_or_else(|_| "waiting for the broker and the database".to_owned()),
        );
    }
}

struct Observer {
    system: System,
    broker: Arc<BaseConsumer>,
    database: Database,
    http: Client,
}

impl Observer {
    async fn new(system: &System) -> Result<Self> {
        Ok(Self {
            system: system.clone(),
            broker: Arc::new(
                base_config(&clients::kafka(system))
                    .create()
                    .context("cannot create a Kafka client")?,
            ),
            database: clients::database(system).await?,
            // A proxy of the environment would be asked for loopback addresses too.
            http: Client::builder().no_proxy().timeout(PATIENCE).build()?,
        })
    }

    async fn line(&self) -> Result<String> {
        let records = async {
            let records = self.database.collection::<Document>("water_usage");
            Ok(records.estimated_document_count().await?)
        };
        let (received, dead, records) = tokio::try_join!(
            self.records_of(&TELEMETRY),
            self.records_of(&DEAD_LETTERS),
            records
        )?;
        let lag = match self.lag().await {
            Some(lag) => grouped(lag),
            None => "unknown".to_owned(),
        };
        Ok(format!(
            "{} messages in | {} daily records | lag {lag} | {} dead letters",
            grouped(received),
            grouped(records),
            grouped(dead)
        ))
    }

    /// How many records the topic has ever received.
    async fn records_of(&self, topic: &Topic) -> Result<u64> {
        let (broker, name, partitions) = (
            Arc::clone(&self.broker),
            topic.name(&self.system.topic_prefix),
            topic.partitions,
        );
        clients::blocking(move || {
            (0..partitions).try_fold(0, |sum, partition| {
                let (_, end) = broker.fetch_watermarks(&name, partition, PATIENCE)?;
                Ok(sum + u64::try_from(end)?)
            })
        })
        .await
    }

    /// The lag of all consumers together, unless no service can be asked.
    async fn lag(&self) -> Option<u64> {
        let scraped = join_all(self.system.services.iter().map(async |service| {
            let url = format!("{}/metrics", service.admin_url);
            self.http.get(url).send().await.ok()?.text().await.ok()
        }));
        scraped
            .await
            .into_iter()
            .flatten()
            .map(|metrics| lag_in(&metrics))
            .reduce(|a, b| a + b)
    }
}

/// The sum of the gauge's samples in a page of metrics; a sample is the last word of its line.
fn lag_in(metrics: &str) -> u64 {
    let samples = metrics.lines().filter(|line| line.starts_with(LAG));
    samples
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// The number with its thousands apart, as people read it.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn the_lag_is_the_sum_over_partitions() {
        let metrics = "# TYPE indowater_consumer_lag gauge\n\
                       indowater_consumer_lag{topic=\"t\",partition=\"0\"} 3\n\
                       indowater_consumer_lag{topic=\"t\",partition=\"1\"} 4\n\
                       indowater_reads_total 99\n";
        assert_eq!(lag_in(metrics), 7);
    }
}
