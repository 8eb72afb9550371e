//! What ends a service, and what makes it unready, against a broker that is played by librdkafka itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Batch, Consume, Event, FlushPolicy, Outgoing, Pace, Publisher, Ticket, Work, consume};
use crate::config;
use crate::error::{Fatal, Retry};
use crate::health::Health;

const TOPIC: &str = "test.readings.v1";
const STALL: Duration = Duration::from_millis(700);

/// What the work of a partition does with each batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Well,
    Panic,
    Fail,
    Hang,
}

struct Play {
    does: Does,
    flushed: Arc<AtomicUsize>,
    waiting: usize,
}

impl Work for Play {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        match self.does {
            Does::Well => {}
            Does::Panic => panic!("a bug in the work"),
            Does::Fail => return Err(Retry::because("the database is away")),
            Does::Hang => std::future::pending().await,
        }
        self.waiting += batch.len();
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.flushed.fetch_add(std::mem::take(&mut self.waiting), Ordering::AcqRel);
        Ok(())
    }

    fn pending(&self) -> usize {
        self.waiting
    }
}

struct Stage {
    cluster: MockCluster<'static, DefaultProducerContext>,
    kafka: config::Kafka,
    health: Health,
    flushed: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl Stage {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        let kafka = config::Kafka {
            bootstrap: cluster.bootstrap_servers(),
            topic_prefix: "test".to_owned(),
            security: config::KafkaSecurity::default(),
            options: Vec::new(),
            stall_limit: STALL,
        };
        let (health, flushed, stop) = (Health::default(), Arc::default(), CancellationToken::new());
        Self { cluster, kafka, health, flushed, stop }
    }

    async fn publish(&self, publisher: &Publisher) -> Ticket {
        let ticket = Ticket::default();
        let event =
            Event { id: "1", source: "/test", kind: "test.v1", time: 1_767_225_600, traceparent: None };
        let outgoing = Outgoing { topic: TOPIC, key: b"one", value: b"value", event };
        publisher.send(&ticket, outgoing).await.unwrap();
        ticket
    }

    fn consume(&self, does: Does) -> JoinHandle<Result<(), Fatal>> {
        let flushed = self.flushed.clone();
        let consumed = Consume {
            returned: None,
            kafka: self.kafka.clone(),
            topic: TOPIC.to_owned(),
            group: "play",
            flush: FlushPolicy {
                idle: Duration::from_millis(10),
                age: Duration::from_millis(50),
                pending: 10,
            },
            joined: self.health.needs("readings"),
            stop: self.stop.clone(),
        };
        tokio::spawn(consume(consumed, move |_| Play { does, flushed: flushed.clone(), waiting: 0 }))
    }

    async fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what} did not come; missing: {:?}", self.health.missing());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_the_work_of_a_partition_ends_the_consumption() {
    let stage = Stage::new();
    let publisher = Publisher::open(&stage.kafka, Pace::Prompt).unwrap();
    let consumed = stage.consume(Does::Panic);
    stage.publish(&publisher).await.delivered().await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), consumed).await;
    let death = ended.expect("it ends").unwrap().expect_err("it fails").to_string();
    assert!(death.contains("partition 0") && death.contains("a bug in the work"), "{death}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_retries_or_hangs_makes_the_service_unready() {
    for (does, reason) in [(Does::Fail, "the database is away"), (Does::Hang, "its oldest record has waited")]
    {
        let stage = Stage::new();
        let publisher = Publisher::open(&stage.kafka, Pace::Prompt).unwrap();
        let consumed = stage.consume(does);
        stage.eventually("ready", |stage| stage.health.missing().is_empty()).await;
        stage.publish(&publisher).await.delivered().await.unwrap();
        stage.eventually("a stall", |stage| !stage.health.missing().is_empty()).await;
        let missing = stage.health.missing().join(", ");
        assert!(missing.starts_with("readings: partition 0: ") && missing.contains(reason), "{missing}");
        // It gives up at its own pace, which is no matter here.
        consumed.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_are_refused_make_it_unready_and_are_tried_again() {
    let stage = Stage::new();
    let publisher = Publisher::open(&stage.kafka, Pace::Prompt).unwrap();
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 1_000];
    stage.cluster.request_errors(RDKafkaApiKey::OffsetCommit, &refusals);
    let consumed = stage.consume(Does::Well);
    stage.publish(&publisher).await.delivered().await.unwrap();
    stage.eventually("a flush", |stage| stage.flushed.load(Ordering::Acquire) == 1).await;
    stage
        .eventually("a stall", |stage| stage.health.missing().join("").contains("could not be committed"))
        .await;
    stage.cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
    stage.eventually("a commit without further records", |stage| stage.health.missing().is_empty()).await;
    stage.stop.cancel();
    consumed.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fatal_error_of_the_publisher_is_told() {
    let stage = Stage::new();
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 100];
    stage.cluster.request_errors(RDKafkaApiKey::InitProducerId, &refusals);
    let publisher = Publisher::open(&stage.kafka, Pace::Prompt).unwrap();
    let watched = tokio::spawn(publisher.clone().until_fatal(stage.stop.clone()));
    let _ticket = stage.publish(&publisher).await;
    let ended = tokio::time::timeout(Duration::from_secs(30), watched).await;
    let death = ended.expect("it ends").unwrap().expect_err("it fails").to_string();
    assert!(death.contains("cannot go on"), "{death}");
    let sound = Publisher::open(&stage.kafka, Pace::Prompt).unwrap();
    stage.stop.cancel();
    sound.until_fatal(stage.stop.clone()).await.unwrap();
}
