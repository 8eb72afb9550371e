//! Questions people ask: pages of days, months, and the reads themselves.

use bson::{Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use indowater_common::domain::facts::{BEGINNING, Period, Timeline};
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::mongo::{from_decimal128, time};
use mongodb::error::Error;
use serde::Deserialize;

use super::imported::{self, NO_METER};
use super::{Store, document};
use crate::domain::day::Next;
use crate::domain::question::{Filter, Found, Month, Span, Whose};

fn direction(filter: &Filter) -> (i32, &'static str) {
    if filter.ascending { (1, "$gt") } else { (-1, "$lt") }
}

fn range(filter: &Filter) -> Document {
    let mut range = whose(&filter.whose);
    range.insert("date", doc! { "$gte": document::date(filter.from), "$lte": document::date(filter.to) });
    range
}

fn whose(whose: &Whose) -> Document {
    let given =
        [("device_id", &whose.device), ("property_id", &whose.property), ("customer_id", &whose.customer)];
    given.into_iter().filter_map(|(field, id)| Some((field.to_owned(), id.as_ref()?.into()))).collect()
}

/// What comes after the filter's token in the order of the fields `day` and `id`.
fn beyond(filter: &Filter, day: &str, id: &str) -> Document {
    let Some(after) = &filter.after else { return doc! {} };
    let (_, beyond) = direction(filter);
    let date = document::date(after.day);
    doc! { "$or": [{ day: { beyond: date } }, { day: date, id: { beyond: &after.id } }] }
}

fn page(filter: &Filter) -> i64 {
    i64::try_from(filter.page).unwrap_or(i64::MAX)
}

impl Store {
    /// A page of days.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn days(&self, filter: &Filter) -> Result<Vec<Found>, Error> {
        let (direction, _) = direction(filter);
        let wanted = doc! { "$and": [range(filter), beyond(filter, "date", "_id")] };
        let order = doc! { "date": direction, "_id": direction };
        let stored: Vec<RawDocumentBuf> =
            self.usage.find(wanted).sort(order).limit(page(filter)).await?.try_collect().await?;
        Ok(stored.iter().filter_map(readable).collect())
    }

    /// Those of these days that are stored.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn days_of(&self, ids: impl IntoIterator<Item = &String>) -> Result<Vec<Found>, Error> {
        let ids: Vec<&String> = ids.into_iter().collect();
        let stored: Vec<RawDocumentBuf> =
            self.usage.find(doc! { "_id": { "$in": ids } }).await?.try_collect().await?;
        Ok(stored.iter().filter_map(readable).collect())
    }

    /// The first read on the path of a device after a day.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn first_read_after(&self, device_id: &str, day: Day) -> Result<Option<Next>, Error> {
        let later = doc! {
            "device_id": device_id,
            "date": { "$gt": document::date(day) },
            "reads_count": { "$gt": 0 },
        };
        let mut days = self.usage.find(later).sort(doc! { "date": 1 }).await?;
        while let Some(raw) = days.try_next().await? {
            let Some(found) = readable(&raw) else { continue };
            if let Some(first) = found.record.taken_apart(found.context()).first() {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    /// The days that may have reads of a span, newest first: those whose first read is before its end, back to the day
    /// of its start.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn days_with_reads(&self, of: &Whose, span: Span, many: i64) -> Result<Vec<Found>, Error> {
        let (first, last) = span.days();
        let mut wanted = whose(of);
        wanted.insert("date", doc! { "$gte": document::date(first), "$lte": document::date(last) });
        wanted.insert("reads_count", doc! { "$gt": 0 });
        wanted.insert("first_read_at", doc! { "$lt": time(span.before) });
        let stored: Vec<RawDocumentBuf> =
            self.usage.find(wanted).sort(doc! { "date": -1 }).limit(many).await?.try_collect().await?;
        Ok(stored.iter().filter_map(readable).collect())
    }

    /// A page of months.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn months(&self, filter: &Filter) -> Result<Vec<Month>, Error> {
        let (direction, _) = direction(filter);
        let count = |condition: Document| doc! { "$sum": { "$cond": [condition, 1, 0] } };
        let stages = [
            doc! { "$match": range(filter) },
            doc! { "$sort": { "date": 1 } },
            doc! { "$group": {
                "_id": { "month": { "$dateTrunc": { "date": "$date", "unit": "month" } }, "device": "$device_id" },
                "customer_id": { "$last": "$customer_id" },
                "property_id": { "$last": "$property_id" },
                "consumption": { "$sum": exact("$consumption") },
                "cost": { "$sum": exact("$cost") },
                "days": { "$sum": 1 },
                "estimated": count(doc! { "$eq": ["$quality", "estimated"] }),
                "anomalous": count(doc! { "$eq": ["$is_anomaly", true] }),
            } },
            doc! { "$match": beyond(filter, "_id.month", "_id.device") },
            doc! { "$sort": { "_id.month": direction, "_id.device": direction } },
            doc! { "$limit": page(filter) },
        ];
        let months: Vec<Grouped> =
            self.documents().aggregate(stages).with_type::<Grouped>().await?.try_collect().await?;
        months.into_iter().map(Grouped::month).collect()
    }
}

/// A figure as a decimal; of a binary float the noise below a millionth is left out.
fn exact(field: &str) -> Document {
    let rounded = doc! { "$round": [{ "$toDecimal": field }, 6] };
    doc! { "$cond": [{ "$eq": [{ "$type": field }, "decimal"] }, field, rounded] }
}

/// As [`found`]; what cannot be read is left out, and the log names it.
fn readable(raw: &RawDocumentBuf) -> Option<Found> {
    found(raw).inspect_err(crate::observe::passed_over).ok()
}

/// A stored record and what it takes to show it. What another system left is shown in the zone of most.
fn found(raw: &RawDocumentBuf) -> Result<Found, Error> {
    let zone = Zone::named(raw.get_str("time_zone").unwrap_or("Asia/Jakarta"));
    let zone = zone.ok_or_else(|| Error::custom("water_usage names an unknown zone"))?;
    Ok(match imported::read(raw, &zone)? {
        imported::Found::Ours(stored) => {
            let (device_id, timeline) = (stored.device_id.clone(), stored.timeline()?);
            Found { device_id, record: stored.record()?, zone, timeline }
        }
        imported::Found::Imported(day) => {
            let imported::Imported { device_id, record, .. } = *day;
            let alone =
                Period { from: BEGINNING, owner: record.owner.clone(), meter: NO_METER, exchange: None };
            Found { device_id, record, zone, timeline: Timeline::new(0, None, alone, Vec::new()) }
        }
    })
}

#[derive(Deserialize)]
struct Grouped {
    #[serde(rename = "_id")]
    of: MonthOfDevice,
    customer_id: String,
    property_id: String,
    consumption: bson::Decimal128,
    cost: bson::Decimal128,
    days: i64,
    estimated: i64,
    anomalous: i64,
}

#[derive(Deserialize)]
struct MonthOfDevice {
    month: bson::DateTime,
    device: String,
}

impl Grouped {
    fn month(self) -> Result<Month, Error> {
        let decimal =
            |value| from_decimal128(value).ok_or_else(|| Error::custom("a sum is beyond any decimal"));
        let day = i32::try_from(self.of.month.timestamp_millis().div_euclid(86_400_000));
        let count = |days| u32::try_from(days).unwrap_or(u32::MAX);
        Ok(Month {
            device_id: self.of.device,
            customer_id: self.customer_id,
            property_id: self.property_id,
            month: Day(day.map_err(Error::custom)?),
            consumption: decimal(self.consumption)?,
            cost: decimal(self.cost)?.normalize(),
            days: count(self.days),
            estimated: count(self.estimated),
            anomalous: count(self.anomalous),
        })
    }
}
