//! The database as the data model says.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, ensure};
use futures::TryStreamExt;
use indowater_tests::base::Base;
use indowater_tests::world::World;
use mongodb::IndexModel;

/// The data model's indexes, written down a second time: fields, `-` for falling, `!` for unique.
const DATA_MODEL: &str = "
users: email! id! role
properties: id! customer_id
devices: id! device_id! customer_id property_id
water_usage: id! customer_id,-date device_id,-date -date
work_orders: id! assigned_to,status customer_id status,scheduled_date
meter_readings: id! device_id,-submitted_at work_order_id
payment_transactions: id! reference_id! customer_id,-created_at status
vouchers: id! code! status,valid_until
voucher_usage: id! voucher_id customer_id,-used_at
alerts: id! customer_id,status,-created_at type,-created_at
alert_preferences: id! customer_id!
leak_detection_events: id! customer_id,-detected_at device_id,status
device_tampering_events: id! customer_id,-detected_at device_id,status
water_saving_tips: id! category
budget_goals: id! customer_id!
notifications: id! user_id,read,-created_at
";

/// Indexes that a capability needs besides.
const BESIDES: &[(&str, &str)] = &[
    ("users", "updated_at"),
    ("payment_transactions", "-created_at,-id"),
    ("properties", "turns_at"),
    ("devices", "device_key!"),
    ("devices", "device_alike"),
    ("devices", "former_device_keys"),
    ("devices", "timeline.property_id"),
    ("devices", "parent_device_id"),
    ("devices", "turns_at"),
    ("leak_detection_events", "open_for!"),
    ("leak_detection_events", "-expected_saving"),
    ("device_tampering_events", "open_for!"),
    ("alerts", "open_for!"),
];

/// The services alone, without `init`, create the indexes of their collections: those of the data model, and no other that is
/// not told here.
pub async fn indexes_are_those_of_the_data_model(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "indexes").await?;
    let database = world.database.clone();
    database.drop().await?;
    let mut running = Vec::new();
    for name in
        ["ingest", "usage-aggregator", "anomaly-detector", "billing", "voucher", "notifier", "api-gateway"]
    {
        running.push(world.start(name, &[]).await?);
    }
    for line in DATA_MODEL.trim().lines() {
        let (collection, indexes) = line.split_once(": ").expect("a collection and its indexes");
        let besides = BESIDES.iter().filter(|(of, _)| *of == collection).map(|(_, index)| *index);
        let expected: BTreeSet<String> = indexes.split(' ').chain(besides).map(str::to_owned).collect();
        let found: Vec<IndexModel> =
            database.collection::<bson::Document>(collection).list_indexes().await?.try_collect().await?;
        let found: BTreeSet<String> =
            found.iter().map(written).filter(|index| index != "_id" && index != "_id!").collect();
        ensure!(found == expected, "{collection}: {found:?} instead of {expected:?}");
    }
    Ok(())
}

fn written(index: &IndexModel) -> String {
    let fields = index.keys.iter().map(|(field, direction)| {
        let falling = direction.as_i32() == Some(-1) || direction.as_i64() == Some(-1);
        if falling { format!("-{field}") } else { field.clone() }
    });
    let fields = fields.collect::<Vec<_>>().join(",");
    let unique = index.options.as_ref().and_then(|options| options.unique).unwrap_or(false);
    if unique { format!("{fields}!") } else { fields }
}
