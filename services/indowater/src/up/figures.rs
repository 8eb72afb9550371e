//! What is going on, in one line: how much came in, what became of it, what is still to do, what could not be
//! used.

use std::convert::Infallible;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bson::Document;
use futures::future::join_all;
use indowater_proto::topics::DEAD_LETTERS;
use mongodb::Database;
use reqwest::Client;
use tokio::time::interval;

use super::screen::Screen;
use crate::clients;
use crate::system::System;
use crate::topic::Reader;

const PERIOD: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(2);
/// The counter of reads that came in, and the gauge of records that consumers have not applied yet.
const READS: &str = "indowater_reads_accepted";
const LAG: &str = "indowater_consumer_lag";

/// Shows the figures for as long as it is polled.
pub(super) async fn watch(system: &System, screen: &Screen) -> Result<Infallible> {
    let mut observer = Observer::new(system).await?;
    let mut period = interval(PERIOD);
    loop {
        period.tick().await;
        let line = observer.line().await;
        screen.show(line.unwrap_or_else(|_| "waiting for the broker and the database".to_owned()));
    }
}

struct Observer {
    system: System,
    broker: Arc<Reader>,
    database: Database,
    http: Client,
    reads: Rising,
}

impl Observer {
    async fn new(system: &System) -> Result<Self> {
        Ok(Self {
            system: system.clone(),
            broker: Arc::new(Reader::open(&clients::kafka(system))?),
            database: clients::database(system).await?,
            // A proxy of the environment would be asked for loopback addresses too.
            http: Client::builder().no_proxy().timeout(PATIENCE).build()?,
            reads: Rising::default(),
        })
    }

    async fn line(&mut self) -> Result<String> {
        let records = self.database.collection::<Document>("water_usage");
        let records = records.estimated_document_count();
        let (metrics, dead_letters, records) =
            tokio::join!(self.metrics(), self.dead_letters(), records.into_future());
        if let Some(reads) = sum_of(READS, &metrics) {
            self.reads.show(reads);
        }
        Ok(format!(
            "reads in {} | daily records {} | lag {} | dead letters {}",
            grouped(self.reads.total),
            grouped(records?),
            sum_of(LAG, &metrics).map_or("unknown".to_owned(), grouped),
            grouped(dead_letters?)
        ))
    }

    /// How many there ever were.
    async fn dead_letters(&self) -> Result<u64> {
        let broker = Arc::clone(&self.broker);
        let topic = DEAD_LETTERS.name(&self.system.topic_prefix);
        clients::blocking(move || {
            let ends = broker.extent(&topic)?.into_values().map(|(_, end)| end);
            Ok(u64::try_from(ends.sum::<i64>())?)
        })
        .await
    }

    /// The metrics of the services that answer.
    async fn metrics(&self) -> String {
        let pages = self.system.services.iter().map(async |service| {
            let page = self.http.get(format!("{}/metrics", service.admin_url)).send().await.ok()?;
            page.text().await.ok()
        });
        join_all(pages).await.into_iter().flatten().collect()
    }
}

/// A counter of processes that may be started again, and then count from zero.
#[derive(Debug, Default)]
struct Rising {
    total: u64,
    shown: u64,
}

impl Rising {
    fn show(&mut self, now: u64) {
        self.total += now.checked_sub(self.shown).unwrap_or(now);
        self.shown = now;
    }
}

/// The sum of the samples of an instrument in pages of metrics, if there are any; a sample is the last word
/// of its line.
fn sum_of(instrument: &str, metrics: &str) -> Option<u64> {
    let samples = metrics.lines().filter(|line| line.starts_with(instrument));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).reduce(|a, b| a + b)
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
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_figure_is_the_sum_over_services_and_partitions() {
        let metrics = "# TYPE indowater_consumer_lag gauge\n\
                       indowater_consumer_lag{topic=\"t\",partition=\"0\"} 3\n\
                       indowater_consumer_lag{topic=\"t\",partition=\"1\"} 4\n\
                       indowater_reads_accepted_total 99\n";
        assert_eq!((sum_of(LAG, metrics), sum_of(READS, metrics)), (Some(7), Some(99)));
        assert_eq!(sum_of(LAG, ""), None);
    }

    #[test]
    fn a_restarted_service_does_not_take_figures_back() {
        let mut reads = Rising::default();
        [5, 9, 2, 4].into_iter().for_each(|now| reads.show(now));
        assert_eq!(reads.total, 13);
    }
}
