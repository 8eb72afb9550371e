//! Creating the topics of the table, and finding out how they stand.

use std::time::Duration;

use indowater_proto::topics::{ALL, Topic};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config;

/// Why topics could not be created.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The broker could not be asked.
    #[error("the broker could not be asked to create topics: {0}")]
    Broker(#[from] KafkaError),
    /// It refused one.
    #[error("the broker refused to create topic {topic}: {code}")]
    Refused {
        /// The topic's name.
        topic: String,
        /// The broker's reason.
        code: RDKafkaErrorCode,
    },
}

/// Creates the topics of the table that are not there yet; those that are stay as they are.
///
/// Returns the names of the new ones.
///
/// # Errors
/// The broker does not answer, or refuses.
pub async fn create(kafka: &config::Kafka, replicas: i32) -> Result<Vec<String>, TopicsError> {
    let admin: AdminClient<DefaultClientContext> = super::base_config(kafka).create()?;
    let names: Vec<String> = ALL.iter().map(|topic| topic.name(&kafka.topic_prefix)).collect();
    let settings: Vec<_> = ALL.iter().map(|topic| topic.settings()).collect();
    let wanted: Vec<NewTopic<'_>> = std::iter::zip(ALL, std::iter::zip(&names, &settings))
        .map(|(topic, (name, settings))| new_topic(topic, name, settings, replicas))
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
    let mut created = Vec::new();
    for answer in admin.create_topics(&wanted, &options).await? {
        match answer {
            Ok(name) => created.push(name),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicsError::Refused { topic, code }),
        }
    }
    Ok(created)
}

fn new_topic<'a>(
    topic: &Topic,
    name: &'a str,
    settings: &'a [(&'static str, String)],
    replicas: i32,
) -> NewTopic<'a> {
    let new = NewTopic::new(name, topic.partitions, TopicReplication::Fixed(replicas));
    settings.iter().fold(new, |new, (key, value)| new.set(key, value))
}
