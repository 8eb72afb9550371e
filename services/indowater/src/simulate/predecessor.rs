//! What another system left behind: documents as the data model describes them, and nothing more.
//!
//! They stand in the collections before anybody here has written of their meters and customers: days of water before the
//! installation, and payments that were settled there. Our services read them, build upon them and change none of them.

use anyhow::{Context as _, Result};
use bson::{DateTime, Document, doc};
use indowater_common::domain::zone::{Day, Zone};
use jiff::Timestamp;
use mongodb::Database;
use rand::{Rng, RngExt as _};

use super::population::Simulated;

/// Days of a meter that the other system has.
const DAYS: i32 = 5;
/// Rupiah per m3 there: another tariff than ours.
const PRICE: f64 = 3_700.0;
/// By which ways people pay there.
const METHODS: [&str; 3] = ["midtrans", "xendit", "manual"];
/// How payments ended there.
const SETTLED: [&str; 3] = ["paid", "failed", "expired"];

/// How many documents there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// In `water_usage`.
    pub days: u64,
    /// In `payment_transactions`.
    pub payments: u64,
}

/// Puts documents of another system there for `meters`: for each the days up to the one before its installation, and for its
/// customer a payment. What is there already stays as it is.
///
/// # Errors
/// The database does not answer, or refuses one.
pub async fn leave<'a>(
    database: &Database,
    meters: impl IntoIterator<Item = &'a Simulated>,
    rng: &mut impl Rng,
) -> Result<Left> {
    let mut left = Left::default();
    for meter in meters {
        for day in days(meter, rng)? {
            left.days += u64::from(put(database, "water_usage", day).await?);
        }
        let payment = payment(meter, left.payments, rng)?;
        left.payments += u64::from(put(database, "payment_transactions", payment).await?);
    }
    Ok(left)
}

/// Whether it is new.
async fn put(database: &Database, collection: &str, document: Document) -> Result<bool> {
    let same = doc! { "id": document.get_str("id")? };
    let documents = database.collection::<Document>(collection);
    let put = documents.update_one(same, doc! { "$setOnInsert": document }).upsert(true).await;
    let put = put.with_context(|| format!("a document of {collection} could not be left"))?;
    Ok(put.upserted_id.is_some())
}

#[allow(clippy::float_arithmetic, reason = "the other system counts in floats")]
fn days(meter: &Simulated, rng: &mut impl Rng) -> Result<Vec<Document>> {
    let (device, property) = (&meter.device, &meter.property);
    let zone = Zone::named(&property.time_zone).context("a property is in no time zone")?;
    let installed = zone.day_of(installed(meter)?.as_second());
    let day = |ago: i32| {
        let day = Day(installed.0 - ago);
        let cubic_metres = f64::from(rng.random_range(50..=900_u32)) / 1_000.0;
        doc! {
            "id": format!("{}-{day}", device.id),
            "device_id": &device.id,
            "customer_id": &property.customer_id,
            "property_id": &property.id,
            "date": at(day.utc_midnight()),
            "consumption": cubic_metres,
            "cost": cubic_metres * PRICE,
            "timestamp": at(zone.start_of(day.next()) - 1),
            "reading_type": "automatic",
            "is_anomaly": false,
            "created_at": at(zone.start_of(day.next())),
        }
    };
    Ok((1..=DAYS).rev().map(day).collect())
}

fn payment(meter: &Simulated, number: u64, rng: &mut impl Rng) -> Result<Document> {
    let (customer, made) = (&meter.property.customer_id, at(installed(meter)?.as_second()));
    let method = METHODS[rng.random_range(0..METHODS.len())];
    let status = SETTLED[usize::try_from(number).unwrap_or(0) % SETTLED.len()];
    Ok(doc! {
        "id": format!("left-{}", meter.device.id),
        "reference_id": format!("LEFT {}", meter.device.id),
        "customer_id": customer,
        "customer_email": format!("{customer}@example.com"),
        "amount": f64::from(rng.random_range(10_000..=200_000_u32)),
        "payment_method": method,
        "payment_type": "balance_topup",
        "status": status,
        "payment_url": null,
        "voucher_code": null,
        "discount_amount": 0.0,
        "metadata": {},
        "created_at": made,
        "updated_at": made,
        "paid_at": if status == "paid" { Some(made) } else { None },
    })
}

fn installed(meter: &Simulated) -> Result<Timestamp> {
    meter.device.installation_date.parse().context("an installation date is no time")
}

fn at(seconds: i64) -> DateTime {
    DateTime::from_millis(seconds.saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::super::population::Population;
    use super::*;

    #[test]
    fn documents_have_the_fields_of_the_data_model_and_end_before_the_installation() {
        let installed: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let population = Population { meters: 1, meters_per_property: 1, seed: 3 };
        let meter = population.meters(installed).next().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let days = days(&meter, &mut rng).unwrap();
        assert_eq!(days.len(), 5);
        for day in &days {
            assert!(day.get_datetime("date").unwrap().timestamp_millis() < installed.as_millisecond());
            assert!(day.get_f64("cost").is_ok() && day.get_f64("consumption").is_ok(), "{day}");
            assert_eq!(day.len(), 11, "the data model has eleven: {day}");
        }
        let newest = days.last().unwrap().get_str("id").unwrap();
        assert!(newest.ends_with("-2026-11-20"), "{newest}");
        let payment = payment(&meter, 0, &mut rng).unwrap();
        assert_eq!((payment.get_str("status").unwrap(), payment.len()), ("paid", 15));
    }
}
