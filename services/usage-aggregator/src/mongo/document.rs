//! Daily records as documents of `water_usage`: the data model's fields and, besides, what computing needs.

use std::sync::Arc;

use bson::raw::cstr;
use bson::{Binary, DateTime, Decimal128, RawArrayBuf, RawDocumentBuf, rawdoc};
use indowater_common::domain::facts::{Owner, Timeline};
use indowater_common::domain::meter::{Point, Unit};
use indowater_common::domain::path::Lead;
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::mongo::{Guarded, Kept, from_decimal128, seconds, time, to_bson_time, to_decimal128};
use jiff::Timestamp;
use mongodb::error::Error;
use serde::{Deserialize, Serialize};

use crate::domain::day::{Carry, DayRecord, Figures, Flags, Pending, Quality, StoredReads, cubic_metres};
use crate::domain::finding::{Finding, FindingKind, Findings};
use crate::domain::outlier::Recent;
use crate::mongo::parts::{self, EARLIER_READS, READS, binary};
use indowater_common::domain::reads::ReadSet;
use indowater_common::mongo::facts::{StoredMeter, StoredPeriod};

/// How reads and volumes are kept: 2 packs registers in millilitres. Documents without it are from before.
const FORMAT: i32 = 2;

/// What is read back.
#[derive(Debug, Deserialize)]
pub struct Stored {
    pub device_id: String,
    pub date: DateTime,
    customer_id: String,
    property_id: String,
    cost: Decimal128,
    timestamp: DateTime,
    is_anomaly: bool,
    created_at: DateTime,
    tariff_class: String,
    registry_version: i64,
    unit: String,
    volume: i64,
    reverse_volume: i64,
    quality: String,
    error_bound: i64,
    flags: Vec<String>,
    complete: bool,
    revision: i64,
    reads: Binary,
    #[serde(default)]
    earlier_reads: Vec<Binary>,
    carry: StoredCarry,
    meter: StoredMeter,
    #[serde(default)]
    former_customer_ids: Vec<Box<str>>,
    #[serde(default)]
    format: i32,
    #[serde(default = "yes")]
    billable: bool,
    #[serde(default)]
    installed_at: Option<DateTime>,
    #[serde(default)]
    timeline: Vec<StoredPeriod>,
    #[serde(default)]
    off_path: Vec<StoredPoint>,
    #[serde(default)]
    glitches: u32,
    #[serde(default)]
    unbilled_volume: i64,
    #[serde(default)]
    findings: Vec<StoredFinding>,
    #[serde(default)]
    withdrawn_findings: Vec<StoredFinding>,
    #[serde(default)]
    unpublished_from: Option<DateTime>,
}

/// The field that says from which day on something may be written and not published.
pub const UNPUBLISHED_FROM: &str = "unpublished_from";

const fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
struct StoredCarry {
    previous_at: Option<DateTime>,
    previous_register: Option<i64>,
    month_to_date: i64,
    #[serde(default)]
    others_to_date: Vec<OtherToDate>,
    recent: Binary,
    flowed: bool,
    path: Option<Binary>,
}

#[derive(Debug, Deserialize, Serialize)]
struct OtherToDate {
    customer_id: Box<str>,
    volume: i64,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct StoredPoint {
    at: DateTime,
    register: i64,
}

#[derive(Debug, Deserialize, Serialize)]
struct StoredFinding {
    kind: String,
    before: StoredPoint,
    after: StoredPoint,
}

impl From<Point> for StoredPoint {
    fn from(point: Point) -> Self {
        Self { at: time(point.at), register: point.register }
    }
}

impl From<StoredPoint> for Point {
    fn from(stored: StoredPoint) -> Self {
        Self { at: seconds(stored.at), register: stored.register }
    }
}

/// A local day as the data model stores a date: its calendar date at 00:00 UTC.
pub fn date(day: Day) -> DateTime {
    time(day.utc_midnight())
}

const QUALITIES: [(Quality, &str); 3] = [
    (Quality::Measured, "measured"),
    (Quality::Interpolated, "interpolated"),
    (Quality::Estimated, "estimated"),
];

/// What a document says of the device besides its day.
#[derive(Clone, Copy)]
pub struct OfDevice<'a> {
    /// `devices.id`.
    pub device_id: &'a str,
    /// What the registry says.
    pub timeline: &'a Timeline,
    /// The property's zone.
    pub zone: &'a Zone,
    /// From which day on its days are written and have to be published then.
    pub unpublished_from: Option<Day>,
}

/// The document of a record, whole, guarded by the revision it replaces.
pub fn guarded(device: OfDevice<'_>, record: &DayRecord, now: Timestamp) -> Guarded {
    let OfDevice { device_id, timeline, zone, unpublished_from } = device;
    let id = record.id(device_id);
    let DayRecord { figures, carry, owner, .. } = record;
    let created = if record.created_ms == 0 { now.as_millisecond() } else { record.created_ms };
    let quality =
        QUALITIES.iter().find(|(quality, _)| *quality == figures.quality).map_or("", |(_, name)| name);
    let mut flags = RawArrayBuf::new();
    figures.flags.names().for_each(|name| flags.push(name));
    let meter = StoredMeter::of(&timeline.on(record.day).meter, timeline.version);
    let mut document = rawdoc! {
        "_id": id.as_str(),
        "id": id.as_str(),
        "device_id": device_id,
        "customer_id": &*owner.customer_id,
        "property_id": &*owner.property_id,
        "date": date(record.day),
        "consumption": to_decimal128(cubic_metres(figures.volume)),
        "cost": to_decimal128(figures.cost),
        "timestamp": time(figures.timestamp),
        "reading_type": if record.is_manual() { "manual" } else { "automatic" },
        "is_anomaly": figures.is_anomaly,
        "created_at": DateTime::from_millis(created),
        "updated_at": to_bson_time(now),
        "revision": record.revision + 1,
        "format": FORMAT,
        "time_zone": zone.name(),
        "tariff_class": &*owner.tariff_class,
        "billable": owner.billable,
        "registry_version": timeline.version,
        "unit": Unit::Millilitre.name(),
        "volume": figures.volume,
        "reverse_volume": figures.reverse,
        "unbilled_volume": figures.unbilled,
        "quality": quality,
        "error_bound": figures.error_bound,
        "flags": flags,
        "glitches": i64::from(figures.glitches),
        "complete": figures.complete,
        "reads_count": i32::try_from(record.reads.count()).unwrap_or(i32::MAX),
        READS: parts::last(record.reads.bytes()),
        "carry": carry_document(carry),
        "meter": meter.document(),
    };
    if let Some(first) = record.reads.iter().next() {
        document.append(cstr!("first_read_at"), time(first.at));
    }
    if timeline.installed_at != i64::MIN {
        document.append(cstr!("installed_at"), time(timeline.installed_at));
    }
    if let Some(from) = unpublished_from {
        document.append(cstr!("unpublished_from"), date(from));
    }
    append_what_is_rare(&mut document, record, timeline);
    let packed = record.reads.bytes();
    let first = parts::kept(record.stored, packed);
    let then = parts::earlier(packed, first);
    let mut kept = None;
    if first > 0 {
        kept = Some(Kept { field: EARLIER_READS, first: i32::try_from(first).unwrap_or(i32::MAX), then });
    } else if !then.is_empty() {
        document.append(EARLIER_READS, then);
    }
    Guarded { id, replaces: record.revision, document, kept }
}

/// Most days have none of it.
fn append_what_is_rare(document: &mut RawDocumentBuf, record: &DayRecord, timeline: &Timeline) {
    if !record.former_customers.is_empty() {
        let former = record.former_customers.iter().map(|id| &**id);
        document.append(cstr!("former_customer_ids"), former.collect::<RawArrayBuf>());
    }
    if timeline.periods().count() > 1 {
        let periods = timeline.periods().map(|period| StoredPeriod::of(period).document());
        document.append(cstr!("timeline"), periods.collect::<RawArrayBuf>());
    }
    if !record.off_path.is_empty() {
        let points = record.off_path.iter().map(|point| point_document(*point));
        document.append(cstr!("off_path"), points.collect::<RawArrayBuf>());
    }
    for (name, findings) in
        [(cstr!("findings"), &record.figures.findings), (cstr!("withdrawn_findings"), &record.withdrawn)]
    {
        if !findings.is_empty() {
            let findings = findings.iter().map(|finding| {
                rawdoc! {
                    "kind": finding.kind.name(),
                    "before": point_document(finding.before),
                    "after": point_document(finding.after),
                }
            });
            document.append(name, findings.collect::<RawArrayBuf>());
        }
    }
}

fn point_document(point: Point) -> RawDocumentBuf {
    rawdoc! { "at": time(point.at), "register": point.register }
}

fn carry_document(carry: &Carry) -> RawDocumentBuf {
    let mut document = rawdoc! {
        "month_to_date": carry.month_to_date,
        "recent": binary(carry.recent.bytes()),
        "flowed": carry.flowed,
        "path": binary(carry.lead.bytes()),
    };
    if let Some(previous) = carry.previous {
        document.append(cstr!("previous_at"), time(previous.at));
        document.append(cstr!("previous_register"), previous.register);
    }
    if !carry.others_to_date.is_empty() {
        let others = carry.others_to_date.iter();
        let others = others.map(|(id, volume)| rawdoc! { "customer_id": &**id, "volume": *volume });
        document.append(cstr!("others_to_date"), others.collect::<RawArrayBuf>());
    }
    document
}

impl Stored {
    /// What the registry said when the document was written.
    ///
    /// # Errors
    /// A document that this service did not write.
    pub fn timeline(&self) -> Result<Timeline, Error> {
        let unit = self.unit()?;
        let version = self.registry_version.max(self.meter.registry_version);
        let installed_at = self.installed_at.map(seconds);
        let mut periods = self.timeline.iter().map(StoredPeriod::period);
        let first = match periods.next() {
            Some(first) => first,
            None => StoredPeriod::alone(self.owner(), self.meter.facts(unit)).period(),
        };
        Ok(Timeline::new(version, installed_at, first, periods.collect()))
    }

    /// The first day of what may have been written and not published before a crash.
    pub fn unpublished_from(&self) -> Option<Day> {
        let day = self.unpublished_from?.timestamp_millis().div_euclid(86_400_000);
        Some(Day(i32::try_from(day).unwrap_or(i32::MIN)))
    }

    fn owner(&self) -> Owner {
        Owner {
            customer_id: self.customer_id.as_str().into(),
            property_id: self.property_id.as_str().into(),
            tariff_class: self.tariff_class.as_str().into(),
            billable: self.billable,
        }
    }

    fn unit(&self) -> Result<Unit, Error> {
        Unit::named(&self.unit).ok_or_else(|| self.foreign("unit"))
    }

    /// The record.
    ///
    /// # Errors
    /// A document that this service did not write.
    pub fn record(self) -> Result<DayRecord, Error> {
        let quality = QUALITIES.iter().find(|(_, name)| *name == self.quality);
        let quality = quality.map(|(quality, _)| *quality).ok_or_else(|| self.foreign("quality"))?;
        let cost = from_decimal128(self.cost).ok_or_else(|| self.foreign("cost"))?;
        let day = i32::try_from(self.date.timestamp_millis().div_euclid(86_400_000));
        let day = Day(day.map_err(|_| self.foreign("date"))?);
        let unit = self.unit()?;
        let flags = self.flags.iter().filter_map(|name| Flags::named(name));
        let flags = flags.fold(Flags::default(), Flags::and);
        let owner = Arc::new(self.owner());
        let packed = parts::join(self.earlier_reads, self.reads);
        let (reads, stored, scale) = if self.format == FORMAT {
            let reads = ReadSet::from_bytes(packed);
            let stored = StoredReads::all(&reads);
            (reads, stored, 1)
        } else {
            (ReadSet::from_counts(&packed, unit), Default::default(), unit.millilitres(1))
        };
        let figures = Figures {
            volume: self.volume.saturating_mul(scale),
            reverse: self.reverse_volume.saturating_mul(scale),
            cost,
            quality,
            error_bound: self.error_bound.saturating_mul(scale),
            flags,
            is_anomaly: self.is_anomaly,
            complete: self.complete,
            timestamp: seconds(self.timestamp),
            glitches: self.glitches,
            unbilled: self.unbilled_volume,
            findings: findings(self.findings),
        };
        Ok(DayRecord {
            day,
            owner,
            reads,
            stored,
            off_path: self.off_path.into_iter().map(Point::from).collect(),
            carry: self.carry.carry(scale),
            counted: figures.counted(),
            figures,
            former_customers: self.former_customer_ids.into(),
            withdrawn: findings(self.withdrawn_findings),
            revision: self.revision,
            created_ms: self.created_at.timestamp_millis(),
            pending: Pending::Nothing,
        })
    }

    fn foreign(&self, field: &str) -> Error {
        Error::custom(format!(
            "water_usage of {} on {}: {field} is not as this service writes it",
            self.device_id, self.date
        ))
    }
}

impl StoredCarry {
    /// Volumes and registers are multiplied by `scale`.
    fn carry(self, scale: i64) -> Carry {
        let previous = self
            .previous_at
            .zip(self.previous_register)
            .map(|(at, register)| Point { at: seconds(at), register: register.saturating_mul(scale) });
        let others = self.others_to_date.into_iter().map(|other| (other.customer_id, other.volume));
        let recent = Recent::from_bytes(self.recent.bytes);
        Carry {
            previous,
            lead: self.path.map_or_else(|| Lead::of(previous), |path| Lead::from_bytes(path.bytes)),
            month_to_date: self.month_to_date.saturating_mul(scale),
            others_to_date: others.collect(),
            recent: if scale == 1 { recent } else { recent.scaled(scale) },
            flowed: self.flowed,
        }
    }
}

fn findings(stored: Vec<StoredFinding>) -> Findings {
    let finding = |StoredFinding { kind, before, after }: StoredFinding| {
        Some(Finding { kind: FindingKind::named(&kind)?, before: before.into(), after: after.into() })
    };
    stored.into_iter().filter_map(finding).collect()
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
