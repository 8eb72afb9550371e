//! Weeks of devices as documents of `anomaly_weeks`: packed, each with what was remembered before it.

use bson::raw::cstr;
use bson::{Binary, DateTime, Decimal128, RawArrayBuf, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use indowater_common::domain::facts::Timeline;
use indowater_common::domain::meter::Point;
use indowater_common::domain::path::Lead;
use indowater_common::domain::reads::ReadSet;
use indowater_common::domain::zone::Zone;
use indowater_common::mongo::facts::StoredPeriod;
use indowater_common::mongo::{Guarded, from_decimal128, seconds, time, to_bson_time, to_decimal128};
use jiff::Timestamp;
use mongodb::error::Error;
use serde::Deserialize;

use crate::domain::condition::Heard;
use crate::domain::daily::Daily;
use crate::domain::history::{Snapshot, Week};
use crate::domain::leak::Meter;
use crate::domain::loss::Tally;
use crate::domain::place::Place;
use crate::domain::supply::Supply;

#[derive(Debug, Deserialize)]
pub struct StoredWeek {
    week: i32,
    revision: i64,
    time_zone: String,
    registry_version: i64,
    #[serde(default)]
    installed_at: Option<DateTime>,
    timeline: Vec<StoredPeriod>,
    days: Vec<Binary>,
    meter: Binary,
    path: Binary,
    #[serde(default)]
    last_at: Option<DateTime>,
    #[serde(default)]
    last_register: i64,
    total: i64,
    tally: StoredTally,
    daily: Binary,
    /// Weeks of before it was kept have none.
    #[serde(default)]
    supply: Option<Binary>,
    #[serde(default)]
    heard: Option<StoredHeard>,
    #[serde(default)]
    area: String,
    #[serde(default)]
    gateway_id: String,
    #[serde(default)]
    judged_by: i64,
}

/// Of the newest week alone.
#[derive(Debug, Deserialize)]
struct StoredHeard {
    last: DateTime,
    /// Seconds.
    gaps: Vec<i64>,
    battery: Vec<(i32, i32)>,
    signal: Vec<(i32, i32)>,
    complains: bool,
}

#[derive(Debug, Deserialize)]
struct StoredTally {
    day: i32,
    volume: i64,
    lost: i64,
    #[serde(default)]
    episode: Option<DateTime>,
    episode_lost: i64,
    earlier: Decimal128,
}

/// The document of a week is named after its device and number.
pub fn id(device_id: &str, number: i32) -> String {
    format!("{device_id}|{number}")
}

fn binary(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes }
}

/// What the newest week of a device keeps besides.
#[derive(Clone, Copy)]
pub struct Newest<'a> {
    /// What was heard of the device.
    pub heard: &'a Heard,
    /// Where it belongs.
    pub place: &'a Place,
    /// From when on it is missed.
    pub due_at: Option<i64>,
    /// The partition of its readings, where its silence is noticed.
    pub partition: i32,
}

/// What a week is written of.
#[derive(Clone, Copy)]
pub struct OfDevice<'a> {
    /// `devices.id`.
    pub device_id: &'a str,
    /// What the registry says.
    pub timeline: &'a Timeline,
    /// The property's zone.
    pub zone: &'a Zone,
}

/// The document of a week, whole, guarded by the revision it replaces.
pub fn guarded(device: OfDevice<'_>, week: &Week, newest: Option<Newest<'_>>, now: Timestamp) -> Guarded {
    let OfDevice { device_id, timeline, zone } = device;
    let id = id(device_id, week.number);
    let Snapshot { meter, lead, last, total, tally, daily, supply } = &week.start;
    let days: RawArrayBuf = week.days.iter().map(|reads| binary(reads.bytes().to_vec())).collect();
    let periods: RawArrayBuf = timeline.periods().map(|period| StoredPeriod::of(period).document()).collect();
    let mut document = rawdoc! {
        "_id": id.as_str(),
        "device_id": device_id,
        "property_id": &*timeline.newest().owner.property_id,
        "week": week.number,
        "revision": week.revision + 1,
        "updated_at": to_bson_time(now),
        "time_zone": zone.name(),
        "registry_version": timeline.version,
        "timeline": periods,
        "days": days,
        "meter": binary(meter.encode()),
        "path": binary(lead.bytes().to_vec()),
        "total": *total,
        "tally": tally_document(tally),
        "daily": binary(daily.encode()),
        "supply": binary(supply.encode()),
    };
    if timeline.installed_at != i64::MIN {
        document.append(cstr!("installed_at"), time(timeline.installed_at));
    }
    if let Some(last) = last {
        document.append(cstr!("last_at"), time(last.at));
        document.append(cstr!("last_register"), last.register);
    }
    if let Some(Newest { heard, place, due_at, partition }) = newest.filter(|newest| newest.heard.last > 0) {
        document.append(cstr!("heard"), heard_document(heard));
        document.append(cstr!("partition"), partition);
        if let Some(due_at) = due_at {
            document.append(cstr!("due_at"), time(due_at));
        }
        let Place { area, gateway_id, judged_by } = place;
        document.append(cstr!("area"), &**area);
        document.append(cstr!("gateway_id"), &**gateway_id);
        document.append(cstr!("judged_by"), *judged_by);
    }
    Guarded { id, replaces: week.revision, document, kept: None }
}

fn heard_document(heard: &Heard) -> RawDocumentBuf {
    let pair = |of: i32, value: i32| RawArrayBuf::from_iter([of, value]);
    let battery: RawArrayBuf =
        heard.battery.iter().map(|(week, percent)| pair(*week, (*percent).into())).collect();
    let signal: RawArrayBuf = heard.signal.iter().map(|(day, dbm)| pair(*day, (*dbm).into())).collect();
    rawdoc! {
        "last": time(heard.last),
        "gaps": heard.gaps.iter().copied().collect::<RawArrayBuf>(),
        "battery": battery,
        "signal": signal,
        "complains": heard.complains,
    }
}

fn tally_document(tally: &Tally) -> RawDocumentBuf {
    let mut document = rawdoc! {
        "day": tally.day,
        "volume": tally.volume,
        "lost": tally.lost,
        "episode_lost": tally.episode_lost,
        "earlier": to_decimal128(tally.earlier),
    };
    if let Some(episode) = tally.episode {
        document.append(cstr!("episode"), time(episode));
    }
    document
}

impl StoredWeek {
    /// Reads a document.
    ///
    /// # Errors
    /// It is not as this service writes it.
    pub fn read(raw: &RawDocumentBuf) -> Result<Self, Error> {
        bson::deserialize_from_slice(raw.as_bytes()).map_err(|error| Error::custom(error.to_string()))
    }

    /// What the registry said when it was written.
    pub fn timeline(&self) -> Result<Timeline, Error> {
        let mut periods = self.timeline.iter().map(StoredPeriod::period);
        let first = periods.next().ok_or_else(|| Error::custom("a week without facts of the registry"))?;
        let installed_at = self.installed_at.map(seconds);
        Ok(Timeline::new(self.registry_version, installed_at, first, periods.collect()))
    }

    /// The zone of its days.
    pub fn zone(&self) -> Result<Zone, Error> {
        Zone::named(&self.time_zone).ok_or_else(|| Error::custom("a week in an unknown zone"))
    }

    /// Where the device belongs; nowhere, unless it is the newest week.
    pub fn belongs(&self) -> Place {
        let (area, gateway_id) = (self.area.as_str().into(), self.gateway_id.as_str().into());
        Place { area, gateway_id, judged_by: self.judged_by }
    }

    /// What was heard of the device; nothing, unless it is the newest week.
    pub fn heard(&self) -> Heard {
        let Some(stored) = &self.heard else { return Heard::default() };
        let battery =
            stored.battery.iter().map(|(week, percent)| (*week, u8::try_from(*percent).unwrap_or_default()));
        let signal = stored.signal.iter().map(|(day, dbm)| (*day, i16::try_from(*dbm).unwrap_or_default()));
        Heard {
            last: seconds(stored.last),
            gaps: stored.gaps.clone(),
            battery: battery.collect(),
            signal: signal.collect(),
            complains: stored.complains,
        }
    }

    /// The week.
    pub fn week(self) -> Result<Week, Error> {
        let last = self.last_at.map(|at| Point { at: seconds(at), register: self.last_register });
        let days: Vec<ReadSet> =
            self.days.into_iter().map(|reads| ReadSet::from_bytes(reads.bytes)).collect();
        let tally = Tally {
            day: self.tally.day,
            volume: self.tally.volume,
            lost: self.tally.lost,
            episode: self.tally.episode.map(seconds),
            episode_lost: self.tally.episode_lost,
            earlier: from_decimal128(self.tally.earlier).unwrap_or_default(),
        };
        let start = Snapshot {
            // A layout of the state that is no longer known begins anew.
            meter: Meter::decode(&self.meter.bytes).unwrap_or_default(),
            lead: Lead::from_bytes(self.path.bytes),
            last,
            total: self.total,
            tally,
            daily: Daily::decode(&self.daily.bytes),
            supply: self.supply.map(|supply| Supply::decode(&supply.bytes)).unwrap_or_default(),
        };
        let days = days.try_into().map_err(|_| Error::custom("a week that has not seven days"))?;
        Ok(Week { number: self.week, start, days, revision: self.revision, is_dirty: false })
    }
}
