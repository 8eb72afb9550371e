//! The table of topics: the one place that knows their names, keys, sizes and retention.
//!
//! A name is `<prefix>.<owner>.<what>.v1`. The prefix is `indowater` in production; another one isolates a second
//! system, or a test, on the same broker.

/// The prefix of a production system.
pub const DEFAULT_PREFIX: &str = "indowater";

/// How long records stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Deleted after so many days.
    Days(u32),
    /// The newest record of each key stays forever: a new consumer builds its view from the beginning.
    Compacted,
}

/// Who may read a topic besides the services that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Analysts: it says nothing about people but whose the water is, by id.
    Public,
    /// Nobody: names, contacts, addresses, positions, free text, expectations, or bytes of strangers travel on it.
    Internal,
}

/// A topic as it is created and documented.
#[derive(Debug)]
pub struct Topic {
    /// The service (or `device`) that alone writes it.
    pub owner: &'static str,
    /// The other services that read it.
    pub readers: &'static [&'static str],
    /// Who reads it besides.
    pub audience: Audience,
    /// What its records are.
    pub what: &'static str,
    /// What the record key is; order holds per key.
    pub key: &'static str,
    /// Full name of the protobuf message in the value.
    pub message: &'static str,
    /// How many partitions a new topic gets: the bound on how many instances share the work.
    pub partitions: i32,
    /// How long records stay.
    pub retention: Retention,
    /// The largest record batch the broker takes, in bytes.
    pub max_message_bytes: u32,
    /// Whether the broker stamps records itself, because producers are strangers.
    pub log_append_time: bool,
}

impl Topic {
    /// The name on the broker.
    pub fn name(&self, prefix: &str) -> String {
        format!("{prefix}.{}.{}.v1", self.owner, self.what)
    }

    /// The broker's settings of the topic, as key and value.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = match self.retention {
            Retention::Days(days) => vec![
                ("cleanup.policy", "delete".to_owned()),
                ("retention.ms", (u64::from(days) * 86_400_000).to_string()),
            ],
            Retention::Compacted => vec![("cleanup.policy", "compact".to_owned())],
        };
        settings.push(("max.message.bytes", self.max_message_bytes.to_string()));
        let timestamps = if self.log_append_time { "LogAppendTime" } else { "CreateTime" };
        settings.push(("message.timestamp.type", timestamps.to_owned()));
        if self.log_append_time {
            // What strangers packed with gzip or zstd may be a thousand times its size, and clients unpack it without a bound. The
            // broker packs it anew, and snappy holds at most 22 times its size (64 bytes in 3, by its format).
            settings.push(("compression.type", "snappy".to_owned()));
        }
        settings
    }
}

const MIB: u32 = 1024 * 1024;

/// Partitions of a topic whose order is by device or customer. It divides by most numbers of instances, and it bounds them. A
/// topic that is there keeps the number that it was made with: keys would move, and with them their order.
const BY_ENTITY: i32 = 24;

/// Register reads of meters, from devices and their gateways. The broker's clock stamps them: it is the receive time.
pub const TELEMETRY: Topic = Topic {
    owner: "device",
    readers: &["ingest"],
    audience: Audience::Internal,
    what: "telemetry",
    key: "devices.device_id (the identifier on the meter)",
    message: "indowater.telemetry.v1.Telemetry (or JSON)",
    partitions: BY_ENTITY,
    retention: Retention::Days(30),
    max_message_bytes: MIB,
    log_append_time: true,
};

/// Accepted reads. Kept long, for the whole history can be computed again from them.
pub const READINGS: Topic = Topic {
    owner: "ingest",
    readers: &["usage-aggregator", "anomaly-detector"],
    audience: Audience::Public,
    what: "readings",
    key: "devices.id",
    message: "indowater.readings.v1.Readings",
    partitions: BY_ENTITY,
    retention: Retention::Days(400),
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Telemetry that could not be used, as it came.
pub const DEAD_LETTERS: Topic = Topic {
    owner: "ingest",
    readers: &[],
    audience: Audience::Internal,
    what: "dead-letters",
    key: "the key of the telemetry",
    message: "indowater.readings.v1.DeadLetter",
    partitions: 3,
    retention: Retention::Days(90),
    max_message_bytes: 2 * MIB,
    log_append_time: false,
};

/// The registry of devices, whole current state.
pub const DEVICES: Topic = Topic {
    owner: "ingest",
    readers: &["anomaly-detector", "notifier"],
    audience: Audience::Internal,
    what: "devices",
    key: "devices.id",
    message: "indowater.registry.v1.Device",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// The registry of properties, whole current state.
pub const PROPERTIES: Topic = Topic {
    owner: "ingest",
    readers: &[],
    audience: Audience::Internal,
    what: "properties",
    key: "properties.id",
    message: "indowater.registry.v1.Property",
    partitions: 3,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Daily usage, one record per change of a device's day. The key names the day, so that compaction keeps the newest
/// state of every day; the partition is chosen by the device alone, so that all days of a device stay in order.
pub const USAGE: Topic = Topic {
    owner: "usage-aggregator",
    readers: &["billing", "notifier"],
    audience: Audience::Public,
    what: "usage",
    key: "water_usage.id (partitioned by devices.id)",
    message: "indowater.usage.v1.DailyUsage",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// What a person has to look at on a meter, as its reads say.
pub const METER_FINDINGS: Topic = Topic {
    owner: "usage-aggregator",
    readers: &["ingest"],
    audience: Audience::Public,
    what: "meter-findings",
    key: "device|kind|day (partitioned by devices.id)",
    message: "indowater.usage.v1.MeterFinding",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Block tariffs, all versions of each class.
pub const TARIFFS: Topic = Topic {
    owner: "billing",
    readers: &["usage-aggregator", "anomaly-detector"],
    audience: Audience::Public,
    what: "tariffs",
    key: "tariff class",
    message: "indowater.billing.v1.TariffSchedule",
    partitions: 1,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// What the ledger is asked to post. Internal to billing: it brings all that changes a customer's balance to one writer.
pub const INSTRUCTIONS: Topic = Topic {
    owner: "billing",
    readers: &[],
    audience: Audience::Internal,
    what: "instructions",
    key: "users.id of the customer",
    message: "indowater.billing.v1.Instruction",
    partitions: BY_ENTITY,
    retention: Retention::Days(30),
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Every transaction of the ledger. Kept for ten years, as Indonesian bookkeeping has to be (UU 8/1997, article 11).
pub const ENTRIES: Topic = Topic {
    owner: "billing",
    readers: &[],
    audience: Audience::Internal,
    what: "entries",
    key: "users.id of the customer",
    message: "indowater.billing.v1.LedgerEntry",
    partitions: BY_ENTITY,
    retention: Retention::Days(3_650),
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Balances, whole current state.
pub const BALANCES: Topic = Topic {
    owner: "billing",
    readers: &["notifier"],
    audience: Audience::Public,
    what: "balances",
    key: "users.id of the customer",
    message: "indowater.billing.v1.Balance",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Payments, whole current state, with everything each of them ever did to the ledger: billing posts from here, so the
/// ledger can be computed again from usage and payments.
pub const PAYMENTS: Topic = Topic {
    owner: "billing",
    readers: &["notifier"],
    audience: Audience::Internal,
    what: "payments",
    key: "users.id of the customer|payment_transactions.id",
    message: "indowater.billing.v1.Payment",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Redeemed vouchers, one record for each payment that used one.
pub const REDEMPTIONS: Topic = Topic {
    owner: "voucher",
    readers: &[],
    audience: Audience::Public,
    what: "redemptions",
    key: "users.id of the customer",
    message: "indowater.voucher.v1.Redemption",
    partitions: BY_ENTITY,
    retention: Retention::Days(400),
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Leaks and tampering, one record per revision of an event. The key names the event, so that compaction keeps the newest revision of
/// each; the partition is chosen by the device alone, so that all events of a device stay in order.
pub const ANOMALIES: Topic = Topic {
    owner: "anomaly-detector",
    readers: &["notifier"],
    audience: Audience::Internal,
    what: "anomalies",
    key: "device|event (partitioned by devices.id)",
    message: "indowater.anomaly.v1.Anomaly",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Silence, battery and signal of devices, whole current state.
pub const DEVICE_CONDITION: Topic = Topic {
    owner: "anomaly-detector",
    readers: &["notifier"],
    audience: Audience::Public,
    what: "device-condition",
    key: "devices.id",
    message: "indowater.anomaly.v1.DeviceCondition",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// What concerns a whole area or gateway, from the meters. Internal to anomaly-detector: it brings all of a group to one partition.
pub const GROUP_FACTS: Topic = Topic {
    owner: "anomaly-detector",
    readers: &["anomaly-detector"],
    audience: Audience::Internal,
    what: "group-facts",
    key: "group|device or @partition (partitioned by group)",
    message: "indowater.anomaly.v1.GroupFact",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Interruptions of the supply, silences of areas and gateways, one record per revision.
pub const NETWORK_EVENTS: Topic = Topic {
    owner: "anomaly-detector",
    readers: &["anomaly-detector", "notifier"],
    audience: Audience::Public,
    what: "network-events",
    key: "group|event (partitioned by group)",
    message: "indowater.anomaly.v1.NetworkEvent",
    partitions: 3,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Alerts, one record per revision. The key names the alert, so that compaction keeps the newest revision of each; the partition is
/// chosen by the customer alone.
pub const ALERTS: Topic = Topic {
    owner: "notifier",
    readers: &[],
    audience: Audience::Internal,
    what: "alerts",
    key: "users.id of the customer|alerts.id",
    message: "indowater.notify.v1.Alert",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Whoever can be written to, whole current state. Internal: it has names and addresses of people.
pub const CUSTOMERS: Topic = Topic {
    owner: "api-gateway",
    readers: &["notifier"],
    audience: Audience::Internal,
    what: "customers",
    key: "users.id",
    message: "indowater.account.v1.Customer",
    partitions: BY_ENTITY,
    retention: Retention::Compacted,
    max_message_bytes: MIB,
    log_append_time: false,
};

/// Every topic there is.
pub const ALL: [&Topic; 19] = [
    &TELEMETRY,
    &READINGS,
    &DEAD_LETTERS,
    &DEVICES,
    &PROPERTIES,
    &USAGE,
    &METER_FINDINGS,
    &ANOMALIES,
    &DEVICE_CONDITION,
    &GROUP_FACTS,
    &NETWORK_EVENTS,
    &TARIFFS,
    &INSTRUCTIONS,
    &ENTRIES,
    &BALANCES,
    &PAYMENTS,
    &REDEMPTIONS,
    &ALERTS,
    &CUSTOMERS,
];

/// A consumer group: its members share the partitions of one topic.
#[derive(Debug)]
pub struct Group {
    /// Its name, behind the prefix.
    pub name: &'static str,
    /// The service that its members are instances of.
    pub service: &'static str,
    /// What they read.
    pub topic: &'static Topic,
}

const fn group(name: &'static str, service: &'static str, topic: &'static Topic) -> Group {
    Group { name, service, topic }
}

/// Every consumer group there is.
pub const GROUPS: [Group; 15] = [
    group("ingest", "ingest", &TELEMETRY),
    group("ingest-findings", "ingest", &METER_FINDINGS),
    group("usage-aggregator", "usage-aggregator", &READINGS),
    group("anomaly-detector", "anomaly-detector", &READINGS),
    group("anomaly-detector-devices", "anomaly-detector", &DEVICES),
    group("billing-charging", "billing", &USAGE),
    group("billing-crediting", "billing", &PAYMENTS),
    group("billing-ledger", "billing", &INSTRUCTIONS),
    group("notifier-customers", "notifier", &CUSTOMERS),
    group("notifier-anomalies", "notifier", &ANOMALIES),
    group("notifier-condition", "notifier", &DEVICE_CONDITION),
    group("notifier-devices", "notifier", &DEVICES),
    group("notifier-balances", "notifier", &BALANCES),
    group("notifier-usage", "notifier", &USAGE),
    group("notifier-payments", "notifier", &PAYMENTS),
];
