//! Who may do what at the broker: made from the table of topics and groups, and from nothing else.
//!
//! A user is called `<prefix>-<service>`, so that two systems share a broker and no user. Devices' gateways and analysts are
//! enrolled one by one, as `<prefix>-device-<name>` and `<prefix>-analyst-<name>`.

use std::collections::BTreeSet;
use std::fmt;

use indowater_proto::topics::{ALL, Audience, GROUPS, TELEMETRY, Topic};

/// The services, by the names of their programs.
pub const SERVICES: [&str; 7] =
    ["ingest", "usage-aggregator", "anomaly-detector", "billing", "voucher", "notifier", "api-gateway"];

/// Names of groups that services and the tool give and never join: the client asks for the coordinator of one all the same.
const NEVER_JOINED: [&str; 2] = ["follow", "read-back"];

/// Somebody who speaks with the broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Instances of a service.
    Service(&'static str),
    /// What makes topics before a roll-out.
    Init,
    /// A person with this tool.
    Operator,
    /// A gateway of devices, by its name.
    Device(String),
    /// Somebody who reads the public topics, by name.
    Analyst(String),
}

impl Party {
    /// All that are there without being enrolled.
    pub fn permanent() -> impl Iterator<Item = Self> {
        SERVICES.into_iter().map(Self::Service).chain([Self::Init, Self::Operator])
    }

    /// Its user at the broker.
    pub fn user(&self, prefix: &str) -> String {
        format!("{prefix}-{self}")
    }

    /// Who is called so at the broker, if it is one of ours.
    pub fn of_user(user: &str, prefix: &str) -> Option<Self> {
        let name = user.strip_prefix(prefix)?.strip_prefix('-')?;
        let enrolled =
            |kind: &str| name.strip_prefix(kind).filter(|name| !name.is_empty()).map(str::to_owned);
        Self::permanent()
            .find(|party| party.to_string() == name)
            .or_else(|| enrolled("device-").map(Self::Device))
            .or_else(|| enrolled("analyst-").map(Self::Analyst))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => f.write_str(name),
            Self::Init => f.write_str("init"),
            Self::Operator => f.write_str("operator"),
            Self::Device(name) => write!(f, "device-{name}"),
            Self::Analyst(name) => write!(f, "analyst-{name}"),
        }
    }
}

/// What a right is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A topic by its whole name.
    Topic(String),
    /// All topics whose names begin so.
    Topics(String),
    /// A consumer group by its whole name.
    Group(String),
    /// All groups whose names begin so.
    Groups(String),
    /// The broker as a whole.
    Cluster,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Read records; be in a group.
    Read,
    /// Write records.
    Write,
    /// See that it is there, and how far it is.
    Describe,
    /// See settings.
    DescribeConfigs,
    /// Change settings.
    AlterConfigs,
    /// Make topics.
    Create,
    /// Have the broker number what is sent, so that nothing is there twice. Since Kafka 2.8 who writes may do so anyway.
    IdempotentWrite,
}

/// A right: one operation on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// On what.
    pub on: Resource,
    /// What.
    pub operation: Operation,
}

/// What `party` may do in the system called `prefix`; all else is refused.
pub fn rights(party: &Party, prefix: &str) -> BTreeSet<Right> {
    let mut rights = Vec::new();
    let mut may = |on: Resource, operations: &[Operation]| {
        rights.extend(operations.iter().map(|operation| Right { on: on.clone(), operation: *operation }));
    };
    let topic = |topic: &Topic| Resource::Topic(topic.name(prefix));
    let (topics, groups) = (Resource::Topics(format!("{prefix}.")), Resource::Groups(format!("{prefix}.")));
    match party {
        Party::Service(service) => {
            for known in ALL {
                if known.owner == *service {
                    // It reads back what was published under its name.
                    may(topic(known), &[Operation::Read, Operation::Write, Operation::DescribeConfigs]);
                } else if known.readers.contains(service) {
                    may(topic(known), &[Operation::Read, Operation::DescribeConfigs]);
                }
            }
            for group in GROUPS.iter().filter(|group| group.service == *service) {
                may(Resource::Group(format!("{prefix}.{}", group.name)), &[Operation::Read]);
            }
            for name in NEVER_JOINED {
                may(Resource::Group(format!("{prefix}.{name}")), &[Operation::Describe]);
            }
            may(Resource::Cluster, &[Operation::IdempotentWrite]);
        }
        Party::Init => may(
            topics,
            &[Operation::Create, Operation::Describe, Operation::DescribeConfigs, Operation::AlterConfigs],
        ),
        Party::Operator => {
            may(topics, &[Operation::Read, Operation::DescribeConfigs]);
            // Re-driven dead letters and replayed files go the way of all telemetry.
            may(topic(&TELEMETRY), &[Operation::Write]);
            may(groups, &[Operation::Describe]);
            may(Resource::Cluster, &[Operation::IdempotentWrite]);
        }
        Party::Device(_) => may(topic(&TELEMETRY), &[Operation::Write]),
        Party::Analyst(_) => {
            for known in ALL.into_iter().filter(|topic| topic.audience == Audience::Public) {
                may(topic(known), &[Operation::Read]);
            }
            let own = party.user(prefix);
            may(Resource::Groups(format!("{own}.")), &[Operation::Read]);
            may(Resource::Group(own), &[Operation::Read]);
        }
    }
    rights.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use indowater_proto::topics::{CUSTOMERS, PAYMENTS, USAGE};

    fn right(on: Resource, operation: Operation) -> Right {
        Right { on, operation }
    }

    #[test]
    fn only_the_owner_writes_a_topic_and_only_its_readers_read_it() {
        for topic in ALL {
            let on = Resource::Topic(topic.name("p"));
            for service in SERVICES {
                let may = rights(&Party::Service(service), "p");
                let (owns, reads) = (topic.owner == service, topic.readers.contains(&service));
                assert_eq!(may.contains(&right(on.clone(), Operation::Write)), owns, "{service} {on:?}");
                assert_eq!(
                    may.contains(&right(on.clone(), Operation::Read)),
                    owns || reads,
                    "{service} {on:?}"
                );
            }
            let known = topic.readers.iter().chain([&topic.owner]);
            let strange: Vec<_> =
                known.filter(|name| **name != "device" && !SERVICES.contains(name)).collect();
            assert!(strange.is_empty(), "{} names {strange:?}", topic.what);
        }
    }

    #[test]
    fn a_group_reads_what_its_service_may_read() {
        for group in GROUPS {
            let may = rights(&Party::Service(group.service), "p");
            assert!(
                may.contains(&right(Resource::Topic(group.topic.name("p")), Operation::Read)),
                "{}",
                group.name
            );
            assert!(may.contains(&right(Resource::Group(format!("p.{}", group.name)), Operation::Read)));
            let others = SERVICES.into_iter().filter(|service| *service != group.service);
            for other in others.map(Party::Service) {
                let may = rights(&other, "p");
                assert!(!may.contains(&right(Resource::Group(format!("p.{}", group.name)), Operation::Read)));
            }
        }
    }

    #[test]
    fn a_device_writes_telemetry_and_does_nothing_else() {
        let may = rights(&Party::Device("gedung-1".to_owned()), "p");
        let telemetry = Resource::Topic("p.device.telemetry.v1".to_owned());
        assert_eq!(may, BTreeSet::from([right(telemetry, Operation::Write)]));
    }

    #[test]
    fn an_analyst_reads_what_is_public_in_groups_of_its_own() {
        let may = rights(&Party::Analyst("budi".to_owned()), "p");
        let reads = |topic: &Topic| may.contains(&right(Resource::Topic(topic.name("p")), Operation::Read));
        assert!(reads(&USAGE) && !reads(&PAYMENTS) && !reads(&CUSTOMERS) && !reads(&TELEMETRY));
        assert!(may.iter().all(|right| right.operation == Operation::Read), "{may:?}");
        let groups = may.iter().filter(|right| matches!(right.on, Resource::Group(_) | Resource::Groups(_)));
        let names = ["p-analyst-budi", "p-analyst-budi."];
        assert!(
            groups.clone().count() == 2
                && groups.clone().all(|right| match &right.on {
                    Resource::Group(name) | Resource::Groups(name) => names.contains(&name.as_str()),
                    _ => false,
                })
        );
    }

    #[test]
    fn a_user_is_known_by_its_name_and_strangers_are_not() {
        let enrolled = [Party::Device("a".to_owned()), Party::Analyst("device-b".to_owned())];
        for party in Party::permanent().chain(enrolled) {
            assert_eq!(Party::of_user(&party.user("p"), "p"), Some(party));
        }
        for stranger in ["ingest", "q-ingest", "p-else", "p-device-", "pp-ingest", "p"] {
            assert_eq!(Party::of_user(stranger, "p"), None, "{stranger}");
        }
    }
}
