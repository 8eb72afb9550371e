//! The collections of the data model, their owners and their indexes: the one table that services and the operator's
//! tool create them from.

use bson::Document;
use mongodb::error::{Error, ErrorKind};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};

/// A collection and who alone reads and writes it.
pub struct Collection {
    /// Its name.
    pub name: &'static str,
    /// The owning service.
    pub owner: &'static str,
    /// Its indexes besides `_id`.
    pub indexes: &'static [Index],
}

/// An index: fields with 1 (rising) or -1 (falling).
pub struct Index {
    /// The fields in order.
    pub fields: &'static [(&'static str, i32)],
    /// Whether no two documents may have the same key.
    pub unique: bool,
    /// Documents go so long after the time in the (single) field, if set.
    pub expires: bool,
    /// Documents without the field are left out, so that many may lack a unique one.
    pub sparse: bool,
}

const fn unique(fields: &'static [(&'static str, i32)]) -> Index {
    Index { fields, unique: true, expires: false, sparse: false }
}

const fn index(fields: &'static [(&'static str, i32)]) -> Index {
    Index { fields, unique: false, expires: false, sparse: false }
}

const fn expiring(fields: &'static [(&'static str, i32)]) -> Index {
    Index { fields, unique: false, expires: true, sparse: false }
}

/// For a field that older documents do not have yet.
const fn unique_where_present(fields: &'static [(&'static str, i32)]) -> Index {
    Index { fields, unique: true, expires: false, sparse: true }
}

const ID: Index = unique(&[("id", 1)]);

/// What of a quarantine's records of a topic is to be processed again, in order.
const QUARANTINED: Index = index(&[("topic", 1), ("released", 1), ("partition", 1), ("offset", 1)]);

/// A collection that is found by `_id` alone.
const fn plain(name: &'static str, owner: &'static str) -> Collection {
    Collection { name, owner, indexes: &[] }
}

/// The sixteen collections of the data model, then those that a capability needs besides; each of these is described
/// in its owner's README.
pub const COLLECTIONS: &[Collection] = &[
    Collection {
        name: "users",
        owner: "api-gateway",
        // Besides the data model: for telling what changed.
        indexes: &[unique(&[("email", 1)]), ID, index(&[("role", 1)]), index(&[("updated_at", 1)])],
    },
    Collection {
        name: "properties",
        owner: "ingest",
        // Besides the data model: whose day comes.
        indexes: &[ID, index(&[("customer_id", 1)]), index(&[("turns_at", 1)])],
    },
    Collection {
        name: "devices",
        owner: "ingest",
        indexes: &[
            ID,
            unique(&[("device_id", 1)]),
            index(&[("customer_id", 1)]),
            index(&[("property_id", 1)]),
            // Besides the data model: identifiers as they are compared, and what their misspellings have in common.
            unique_where_present(&[("device_key", 1)]),
            index(&[("device_alike", 1)]),
            // What late reads of a meter that was exchanged are found by; where devices stood; what is behind them; whose
            // day comes.
            index(&[("former_device_keys", 1)]),
            index(&[("timeline.property_id", 1)]),
            index(&[("parent_device_id", 1)]),
            index(&[("turns_at", 1)]),
        ],
    },
    Collection {
        name: "water_usage",
        owner: "usage-aggregator",
        indexes: &[
            ID,
            index(&[("customer_id", 1), ("date", -1)]),
            index(&[("device_id", 1), ("date", -1)]),
            index(&[("date", -1)]),
        ],
    },
    Collection {
        name: "work_orders",
        owner: "ingest",
        indexes: &[
            ID,
            index(&[("assigned_to", 1), ("status", 1)]),
            index(&[("customer_id", 1)]),
            index(&[("status", 1), ("scheduled_date", 1)]),
        ],
    },
    Collection {
        name: "meter_readings",
        owner: "ingest",
        indexes: &[ID, index(&[("device_id", 1), ("submitted_at", -1)]), index(&[("work_order_id", 1)])],
    },
    Collection {
        name: "payment_transactions",
        owner: "billing",
        indexes: &[
            ID,
            unique(&[("reference_id", 1)]),
            index(&[("customer_id", 1), ("created_at", -1)]),
            index(&[("status", 1)]),
            // Besides the data model: for lists of all customers' payments.
            index(&[("created_at", -1), ("id", -1)]),
        ],
    },
    Collection {
        name: "vouchers",
        owner: "voucher",
        indexes: &[ID, unique(&[("code", 1)]), index(&[("status", 1), ("valid_until", 1)])],
    },
    Collection {
        name: "voucher_usage",
        owner: "voucher",
        indexes: &[ID, index(&[("voucher_id", 1)]), index(&[("customer_id", 1), ("used_at", -1)])],
    },
    Collection {
        name: "alerts",
        owner: "notifier",
        indexes: &[
            ID,
            index(&[("customer_id", 1), ("status", 1), ("created_at", -1)]),
            index(&[("type", 1), ("created_at", -1)]),
            // Besides the data model: at most one open alert of a subject and type.
            unique_where_present(&[("open_for", 1)]),
        ],
    },
    Collection {
        name: "alert_preferences",
        owner: "notifier",
        indexes: &[ID, unique(&[("customer_id", 1)])],
    },
    Collection {
        name: "leak_detection_events",
        owner: "anomaly-detector",
        indexes: &[
            ID,
            index(&[("customer_id", 1), ("detected_at", -1)]),
            index(&[("device_id", 1), ("status", 1)]),
            // Besides the data model: at most one open event a device; the dearest of them first.
            unique_where_present(&[("open_for", 1)]),
            index(&[("expected_saving", -1)]),
        ],
    },
    Collection {
        name: "device_tampering_events",
        owner: "anomaly-detector",
        indexes: &[
            ID,
            index(&[("customer_id", 1), ("detected_at", -1)]),
            index(&[("device_id", 1), ("status", 1)]),
            // Besides the data model: at most one open event a device and type.
            unique_where_present(&[("open_for", 1)]),
        ],
    },
    Collection { name: "water_saving_tips", owner: "notifier", indexes: &[ID, index(&[("category", 1)])] },
    Collection {
        name: "budget_goals",
        owner: "usage-aggregator",
        indexes: &[ID, unique(&[("customer_id", 1)])],
    },
    Collection {
        name: "notifications",
        owner: "notifier",
        indexes: &[ID, index(&[("user_id", 1), ("read", 1), ("created_at", -1)])],
    },
    Collection {
        name: "refresh_tokens",
        owner: "api-gateway",
        indexes: &[index(&[("user_id", 1)]), expiring(&[("expires_at", 1)])],
    },
    Collection {
        name: "voucher_reservations",
        owner: "voucher",
        indexes: &[
            index(&[("state", 1), ("expires_at", 1)]),
            index(&[("voucher_id", 1), ("state", 1), ("expires_at", 1)]),
            index(&[("customer_id", 1), ("state", 1)]),
        ],
    },
    Collection {
        name: "ledger_entries",
        owner: "billing",
        indexes: &[unique(&[("customer_id", 1), ("sequence", -1)])],
    },
    Collection { name: "balances", owner: "billing", indexes: &[] },
    Collection {
        name: "ledger_months",
        owner: "billing",
        indexes: &[index(&[("customer_id", 1), ("month", 1)])],
    },
    Collection { name: "ledger_partitions", owner: "billing", indexes: &[] },
    Collection { name: "ledger_days", owner: "billing", indexes: &[index(&[("date", 1)])] },
    Collection {
        name: "payment_follow_ups",
        owner: "billing",
        indexes: &[index(&[("method", 1), ("at", 1)]), index(&[("page", 1)])],
    },
    Collection {
        name: "payment_notifications",
        owner: "billing",
        indexes: &[index(&[("payment_id", 1), ("received_at", 1)]), expiring(&[("expires_at", 1)])],
    },
    Collection {
        name: "bills",
        owner: "billing",
        indexes: &[index(&[("customer_id", 1), ("month", -1)]), index(&[("month", -1), ("_id", -1)])],
    },
    Collection {
        name: "billing_accounts",
        owner: "billing",
        indexes: &[index(&[("mode", 1), ("billed", 1)])],
    },
    Collection { name: "billing_corrections", owner: "billing", indexes: &[] },
    Collection { name: "tariffs", owner: "billing", indexes: &[] },
    Collection { name: "quarantine_ingest", owner: "ingest", indexes: &[QUARANTINED] },
    Collection { name: "quarantine_usage_aggregator", owner: "usage-aggregator", indexes: &[QUARANTINED] },
    Collection { name: "quarantine_billing", owner: "billing", indexes: &[QUARANTINED] },
    Collection { name: "quarantine_anomaly_detector", owner: "anomaly-detector", indexes: &[QUARANTINED] },
    Collection {
        name: "anomaly_weeks",
        owner: "anomaly-detector",
        indexes: &[
            index(&[("device_id", 1), ("week", -1)]),
            index(&[("property_id", 1)]),
            index(&[("partition", 1), ("due_at", 1)]),
        ],
    },
    Collection { name: "device_conditions", owner: "anomaly-detector", indexes: &[] },
    Collection { name: "device_rests", owner: "anomaly-detector", indexes: &[] },
    Collection { name: "group_members", owner: "anomaly-detector", indexes: &[index(&[("area", 1)])] },
    Collection { name: "listening_groups", owner: "anomaly-detector", indexes: &[index(&[("due_at", 1)])] },
    Collection {
        name: "network_events",
        owner: "anomaly-detector",
        indexes: &[
            index(&[("group", 1), ("from", -1)]),
            index(&[("sequence", 1)]),
            index(&[("kind", 1), ("from", -1), ("_id", -1)]),
        ],
    },
    Collection {
        name: "planned_interruptions",
        owner: "anomaly-detector",
        indexes: &[
            index(&[("area", 1), ("from", -1)]),
            index(&[("sequence", 1)]),
            index(&[("from", -1), ("_id", -1)]),
            unique_where_present(&[("key", 1)]),
        ],
    },
    Collection { name: "flow_expectations", owner: "anomaly-detector", indexes: &[] },
    Collection { name: "people", owner: "notifier", indexes: &[index(&[("role", 1)])] },
    Collection { name: "alert_watches", owner: "notifier", indexes: &[index(&[("customer_id", 1)])] },
    Collection {
        name: "deliveries",
        owner: "notifier",
        indexes: &[
            index(&[("state", 1), ("due_at", 1)]),
            index(&[("created_at", -1)]),
            index(&[("user_id", 1), ("created_at", -1)]),
            index(&[("alert_id", 1)]),
        ],
    },
    Collection { name: "push_tokens", owner: "notifier", indexes: &[index(&[("user_id", 1)])] },
    Collection { name: "tip_readers", owner: "notifier", indexes: &[] },
    Collection { name: "quarantine_notifier", owner: "notifier", indexes: &[QUARANTINED] },
    plain("leases_ingest", "ingest"),
    plain("leases_usage_aggregator", "usage-aggregator"),
    plain("leases_anomaly_detector", "anomaly-detector"),
    plain("leases_billing", "billing"),
    plain("leases_voucher", "voucher"),
    plain("leases_notifier", "notifier"),
    plain("leases_api_gateway", "api-gateway"),
    plain("outbox_ingest", "ingest"),
    plain("counters_ingest", "ingest"),
    plain("outbox_anomaly_detector", "anomaly-detector"),
    plain("counters_anomaly_detector", "anomaly-detector"),
    plain("outbox_billing", "billing"),
    plain("counters_billing", "billing"),
    plain("outbox_voucher", "voucher"),
    plain("counters_voucher", "voucher"),
    plain("outbox_notifier", "notifier"),
    plain("counters_notifier", "notifier"),
];

/// Creates the collections of `owner` (of everyone if `None`) and their indexes where they are missing.
///
/// # Errors
/// The database does not answer, or holds an index of the same name that is different.
pub async fn ensure(database: &Database, owner: Option<&str>) -> Result<(), Error> {
    for collection in COLLECTIONS.iter().filter(|c| owner.is_none_or(|owner| c.owner == owner)) {
        let models = collection.indexes.iter().map(|index| {
            let keys: Document = index.fields.iter().map(|(f, d)| ((*f).to_owned(), (*d).into())).collect();
            let options = IndexOptions::builder()
                .unique(index.unique.then_some(true))
                .sparse(index.sparse.then_some(true))
                .expire_after(index.expires.then_some(std::time::Duration::ZERO))
                .build();
            IndexModel::builder().keys(keys).options(options).build()
        });
        if collection.indexes.is_empty() {
            // A transaction writes it, and none makes a collection and writes to it at once when others do the same.
            create_collection(database, collection.name).await?;
        } else {
            database.collection::<Document>(collection.name).create_indexes(models).await?;
        }
    }
    Ok(())
}

/// The error code of a collection that is there already.
const NAMESPACE_EXISTS: i32 = 48;

/// Creates a collection if it is not there.
///
/// # Errors
/// The database does not answer.
pub async fn create_collection(database: &Database, name: &str) -> Result<(), Error> {
    match database.create_collection(name).await {
        Err(error) if matches!(*error.kind, ErrorKind::Command(ref e) if e.code == NAMESPACE_EXISTS) => {
            Ok(())
        }
        other => other,
    }
}

/// Waits until [`ensure`] has succeeded, for the services' start.
pub async fn ensure_eventually(database: &Database, owner: &str) {
    while let Err(error) = ensure(database, Some(owner)).await {
        tracing::warn!(%error, "indexes could not be created yet");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_ids_indexed() {
        let mut names: Vec<_> = COLLECTIONS.iter().map(|c| c.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COLLECTIONS.len());
        for collection in &COLLECTIONS[..16] {
            let id = collection.indexes.iter().find(|i| i.fields == [("id", 1)]);
            assert!(id.is_some_and(|i| i.unique), "{} needs its unique id", collection.name);
        }
    }
}
