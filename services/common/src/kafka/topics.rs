//! Creating the topics of the table, and whether those that are there stand as they are relied on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indowater_proto::topics::{ALL, Retention, Topic};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config;
use crate::error::Fatal;
use crate::lifecycle::Host;

/// Why topics could not be created.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The broker could not be asked.
    #[error("the broker could not be asked about topics: {0}")]
    Broker(#[from] KafkaError),
    /// It refused one.
    #[error("the broker refused topic {topic}: {code}")]
    Refused {
        /// The topic's name.
        topic: String,
        /// The broker's reason.
        code: RDKafkaErrorCode,
    },
}

/// What was done about the topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Names of those that were missing.
    pub created: Vec<String>,
    /// What was wrong with settings of others, and is mended.
    pub mended: Vec<String>,
}

type Admin = AdminClient<DefaultClientContext>;

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(Duration::from_secs(20)))
        .request_timeout(Some(Duration::from_secs(30)))
}

/// Creates the topics of the table that are not there yet, and mends the settings that are relied on of those that are; their
/// other settings and their partitions stay as they are.
///
/// # Errors
/// The broker does not answer, or refuses.
pub async fn make(kafka: &config::Kafka, replicas: i32) -> Result<Made, TopicsError> {
    let admin: Admin = super::base_config(kafka).create()?;
    let names: Vec<String> = ALL.iter().map(|topic| topic.name(&kafka.topic_prefix)).collect();
    let settings: Vec<_> = ALL.iter().map(|topic| topic.settings()).collect();
    let wanted: Vec<NewTopic<'_>> = std::iter::zip(ALL, std::iter::zip(&names, &settings))
        .map(|(topic, (name, settings))| new_topic(topic, name, settings, replicas))
        .collect();
    let mut made = Made::default();
    for answer in admin.create_topics(&wanted, &options()).await? {
        match answer {
            Ok(name) => made.created.push(name),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicsError::Refused { topic, code }),
        }
    }
    for (topic, name) in std::iter::zip(ALL, &names).filter(|(_, name)| !made.created.contains(name)) {
        made.mended.extend(mend(&admin, topic, name).await?);
    }
    Ok(made)
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

/// Sets what is wrong with a topic right. The broker forgets whatever it is not told then, so it is told all that was set.
async fn mend(admin: &Admin, topic: &Topic, name: &str) -> Result<Vec<String>, TopicsError> {
    let stands = stands(admin, name).await?;
    let faults = faults(topic, &stands.all);
    if !faults.is_empty() {
        let mut settings = stands.set_here;
        // Only what is wrong: what an operator keeps longer stays so.
        settings.extend(faults.iter().map(|fault| (fault.key.to_owned(), fault.wanted.clone())));
        let new = AlterConfig::new(ResourceSpecifier::Topic(name));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        for answer in admin.alter_configs(&[new], &options()).await? {
            answer.map_err(|(_, code)| TopicsError::Refused { topic: name.to_owned(), code })?;
        }
    }
    Ok(faults.into_iter().map(|fault| format!("{name}: {fault}")).collect())
}

/// The settings of a topic.
struct Stands {
    all: BTreeMap<String, String>,
    /// Those that were set for this topic.
    set_here: BTreeMap<String, String>,
}

async fn stands(admin: &Admin, name: &str) -> Result<Stands, TopicsError> {
    let mut stands = Stands { all: BTreeMap::new(), set_here: BTreeMap::new() };
    for answer in admin.describe_configs(&[ResourceSpecifier::Topic(name)], &options()).await? {
        let topic = answer.map_err(|code| TopicsError::Refused { topic: name.to_owned(), code })?;
        for entry in topic.entries {
            let Some(value) = entry.value else { continue };
            if matches!(entry.source, ConfigSource::DynamicTopic) {
                stands.set_here.insert(entry.name.clone(), value.clone());
            }
            stands.all.insert(entry.name, value);
        }
    }
    Ok(stands)
}

/// A setting that is not as the services rely on it.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    key: &'static str,
    is: String,
    wanted: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} and should be {}", self.key, self.is, self.wanted)
    }
}

/// What of a topic's settings is not as the services rely on it. Longer retention than ours is an operator's choice.
fn faults(topic: &Topic, stands: &BTreeMap<String, String>) -> Vec<Wrong> {
    let is_kept_longer = |value: &str| match topic.retention {
        Retention::Days(days) => {
            value.parse().is_ok_and(|kept: i64| kept < 0 || kept >= i64::from(days) * 86_400_000)
        }
        Retention::Compacted => true,
    };
    let fault = |(key, wanted): (&'static str, String)| {
        let is = stands.get(key).map_or("not told", String::as_str);
        let is_right = is == wanted || (key == "retention.ms" && is_kept_longer(is));
        (!is_right).then(|| Wrong { key, is: is.to_owned(), wanted })
    };
    topic.settings().into_iter().filter_map(fault).collect()
}

/// How often topics that stood right are looked at again, and those that did not.
const PAUSES: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(5)];

/// Has the service be ready only while the topics that it relies on are there, with the settings that it relies on. What is
/// wrong is told by readiness and in the log, and `indowater init` mends it.
pub(super) fn rely_on(host: &Host, topics: &'static [&'static Topic]) {
    let (up, known) = (host.health.needs("topics"), Arc::new(Mutex::new(Vec::new())));
    let told = known.clone();
    up.watch(move || told.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let (kafka, stop) = (host.common.kafka.clone(), host.stop.clone());
    host.spawn("topics", async move {
        let admin: Admin = super::base_config(&kafka).create()?;
        let mut refusals = Refusals::default();
        while !stop.is_cancelled() {
            let found = look(&admin, &kafka.topic_prefix, topics).await;
            let is_right = found.as_ref().is_ok_and(Looked::is_right);
            match found {
                Ok(Looked { mut faults, refused }) => {
                    let many = refused.len();
                    let lasting = refusals.lasting(refused);
                    if lasting.len() == many {
                        up.set(true);
                    }
                    faults.extend(lasting);
                    note(&known, faults);
                }
                // What was known is not known to be otherwise.
                Err(error) => tracing::warn!(%error, "the topics could not be looked at"),
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSES[usize::from(!is_right)]) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok::<(), Fatal>(())
    });
}

fn note(known: &Mutex<Vec<String>>, faults: Vec<String>) {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    for fault in faults.iter().filter(|fault| !known.contains(fault)) {
        tracing::error!(fault, "a topic is not as this service relies on it; `indowater init` mends it");
    }
    *known = faults;
}

/// What a look at topics found.
#[derive(Debug, Default)]
struct Looked {
    /// What is wrong with those that are there.
    faults: Vec<String>,
    /// Of which topics the broker says nothing, and why.
    refused: Vec<String>,
}

impl Looked {
    fn is_right(&self) -> bool {
        self.faults.is_empty() && self.refused.is_empty()
    }
}

/// What the broker would not say. A broker that has just started, or lost its controller, does not know topics that are there: so a
/// refusal is a fault only when the next look meets it too.
#[derive(Debug, Default)]
struct Refusals(Vec<String>);

impl Refusals {
    /// Those of these refusals that the look before this one met.
    fn lasting(&mut self, refused: Vec<String>) -> Vec<String> {
        let lasting = refused.iter().filter(|refusal| self.0.contains(refusal)).cloned().collect();
        self.0 = refused;
        lasting
    }
}

/// What is wrong with these topics.
async fn look(admin: &Admin, prefix: &str, topics: &[&Topic]) -> Result<Looked, TopicsError> {
    let mut looked = Looked::default();
    for topic in topics {
        let name = topic.name(prefix);
        match stands(admin, &name).await {
            Ok(stands) => {
                let faults = faults(topic, &stands.all).into_iter();
                looked.faults.extend(faults.map(|fault| format!("{name}: {fault}")));
            }
            Err(refused @ TopicsError::Refused { .. }) => looked.refused.push(refused.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(looked)
}

#[cfg(test)]
mod tests {
    use indowater_proto::topics::{TELEMETRY, USAGE};

    use super::*;

    fn stands(topic: &Topic, other: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut stands: BTreeMap<String, String> =
            topic.settings().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        stands.extend(other.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        stands
    }

    #[test]
    fn what_is_relied_on_is_looked_at_and_nothing_else() {
        type Other = &'static [(&'static str, &'static str)];
        let cases: [(&Topic, Other, usize); 9] = [
            (&TELEMETRY, &[("min.insync.replicas", "2")], 0),
            (&TELEMETRY, &[("message.timestamp.type", "CreateTime")], 1),
            (&TELEMETRY, &[("retention.ms", "-1")], 0),
            (&TELEMETRY, &[("retention.ms", "31536000000")], 0),
            (&TELEMETRY, &[("retention.ms", "86400000")], 1),
            (&TELEMETRY, &[("cleanup.policy", "compact"), ("max.message.bytes", "99999999")], 2),
            (&USAGE, &[("retention.ms", "1")], 0),
            (&USAGE, &[("cleanup.policy", "delete")], 1),
            (&USAGE, &[("cleanup.policy", "compact,delete")], 1),
        ];
        for (topic, other, expected) in cases {
            assert_eq!(faults(topic, &stands(topic, other)).len(), expected, "{} {other:?}", topic.what);
        }
        let told = faults(&TELEMETRY, &stands(&TELEMETRY, &[("message.timestamp.type", "CreateTime")]));
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["message.timestamp.type is CreateTime and should be LogAppendTime"]);
        assert_eq!(
            faults(&USAGE, &BTreeMap::new()).len(),
            USAGE.settings().len(),
            "nothing is taken on trust"
        );
    }

    #[test]
    fn what_a_broker_does_not_know_in_passing_is_no_fault() {
        let mut refusals = Refusals::default();
        let of = |topics: &[&str]| topics.iter().map(|topic| (*topic).to_owned()).collect::<Vec<_>>();
        assert_eq!(refusals.lasting(of(&["usage"])), of(&[]), "seen once");
        assert_eq!(refusals.lasting(of(&["usage", "readings"])), of(&["usage"]), "seen twice in a row");
        assert_eq!(refusals.lasting(of(&[])), of(&[]));
        assert_eq!(refusals.lasting(of(&["usage"])), of(&[]), "it was known in between");
    }
}
