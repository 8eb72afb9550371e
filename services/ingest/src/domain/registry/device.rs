//! Devices: the connections of meters, each with what holds of it from which day on.

use std::ops::RangeInclusive;

use indowater_common::domain::identifier::key;
use indowater_common::domain::meter::Unit;
use indowater_common::domain::request::{check_id, check_length, to_milliseconds};
use indowater_common::domain::zone::{Day, Zone};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::text::time;
use super::timeline::Timeline;
use super::{DEFAULT_TIME_ZONE, DeviceType, Period, Problems, Property, Refusal, Role, Status};
use crate::domain::facts::{Exchange, Facts, Holding, start_of};
use crate::domain::meter::Meter;

/// A meter's connection at a property. The fields up to the timeline are as of today; the timeline has all days.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Device {
    /// The connection: it survives an exchange of the meter.
    pub id: String,
    /// The identifier on the meter.
    pub device_id: String,
    pub property_id: String,
    pub customer_id: String,
    pub device_type: DeviceType,
    pub billable: bool,
    pub meter: Meter,
    pub tariff_class: String,
    pub timeline: Timeline<Period>,
    /// When the next entry of the timeline begins.
    pub turns_at: Option<Timestamp>,
    pub status: Status,
    pub location: String,
    pub installation_date: Timestamp,
    /// Last register, m3.
    pub last_reading: Option<Decimal>,
    pub last_reading_date: Option<Timestamp>,
    pub calibration_date: Option<Timestamp>,
    /// The meter whose water this one measures a part of.
    pub parent_device_id: Option<String>,
    pub remarks: Vec<Remark>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
    pub time_zone: String,
    /// The district metered area of its property; empty: in none.
    pub area: String,
}

/// Who changed what is known of the past, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Remark {
    /// The version that came of it.
    pub version: i64,
    pub at: Timestamp,
    pub by: String,
    pub reason: String,
    /// What was changed, for a person.
    pub what: String,
}

/// Remarks that are kept of a device, the latest.
const MOST_REMARKS: usize = 100;

/// A device as a caller describes it; empty fields and zeros take their defaults.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct DeviceDraft {
    pub id: String,
    pub device_id: String,
    pub property_id: String,
    pub device_type: String,
    pub status: String,
    pub location: String,
    pub installation_date: String,
    pub calibration_date: String,
    /// `None` means litres.
    pub unit: Option<Unit>,
    pub register_digits: u32,
    pub q3_litres_per_hour: u32,
    pub wraps_at: i64,
    pub resolution: u32,
    /// `None`: if it is a water meter without sub-meters.
    pub billable: Option<bool>,
    pub parent_device_id: String,
}

/// ISO 4064-1 knows Q3 from 1 to 6,300 m3/h.
const Q3: RangeInclusive<u32> = 1..=6_300_000;
/// Beyond these, one count or the capacity is no meter's.
pub(super) const DIGITS: RangeInclusive<u32> = 4..=15;
/// Where a register may wrap.
const WRAPS: RangeInclusive<i64> = 1_000..=1_000_000_000_000_000;

/// Five digits of cubic metres and the decimals of the unit.
pub(super) const fn default_digits(unit: Unit) -> u32 {
    match unit {
        Unit::Litre => 8,
        Unit::Millilitre => 11,
    }
}

/// What of a meter is beyond what meters are.
pub(super) fn check_meter(meter: &Meter, problems: &mut Problems) {
    if !DIGITS.contains(&meter.digits) {
        problems.add("register_digits", "must be between 4 and 15");
    }
    if !Q3.contains(&meter.q3_litres_per_hour) {
        problems.add("q3_litres_per_hour", "must be between 1 and 6,300,000");
    }
    if meter.wraps_at != 0 && !WRAPS.contains(&meter.wraps_at) {
        problems.add("wraps_at", "must be between 1,000 and 10^15, or 0 for 10^register_digits");
    } else if i64::from(meter.resolution) > meter.capacity() / 100 {
        problems.add("resolution", "must be at most a hundredth of where the register wraps");
    }
}

impl Device {
    /// Admits a draft; `new_id` is taken if it names none. The device stands nowhere until it is [placed](Self::place).
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn admit(draft: DeviceDraft, new_id: String, now: Timestamp) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let now = to_milliseconds(now);
        let unit = draft.unit.unwrap_or(Unit::Litre);
        let or_default = |value, default| if value == 0 { default } else { value };
        let calibrated = !draft.calibration_date.is_empty();
        let calibration_date = time(&draft.calibration_date, now, "calibration_date", &mut problems);
        let device_type = DeviceType::read(&draft.device_type, DeviceType::WaterMeter, "type", &mut problems);
        if draft.billable == Some(true) && device_type == DeviceType::FlowSensor {
            problems.add("billable", NEVER_BILLED);
        }
        let meter = Meter {
            unit,
            digits: or_default(draft.register_digits, default_digits(unit)),
            q3_litres_per_hour: or_default(draft.q3_litres_per_hour, Meter::HOUSEHOLD.q3_litres_per_hour),
            wraps_at: draft.wraps_at,
            resolution: draft.resolution,
        };
        let device_id = draft.device_id.trim().to_owned();
        let period = Period {
            property_id: draft.property_id,
            customer_id: String::new(),
            tariff_class: String::new(),
            device_type,
            billable: draft.billable.unwrap_or(true),
            serial: device_id.clone(),
            meter,
            exchange: None,
        };
        let parent = draft.parent_device_id;
        let device = Self {
            id: if draft.id.is_empty() { new_id } else { draft.id },
            device_id,
            property_id: period.property_id.clone(),
            customer_id: String::new(),
            device_type,
            billable: period.is_billed(),
            meter,
            tariff_class: String::new(),
            timeline: Timeline::new(period),
            turns_at: None,
            status: Status::read(&draft.status, Status::Active, "status", &mut problems),
            location: draft.location,
            installation_date: time(&draft.installation_date, now, "installation_date", &mut problems),
            last_reading: None,
            last_reading_date: None,
            calibration_date: calibrated.then_some(calibration_date),
            parent_device_id: (!parent.is_empty()).then_some(parent),
            remarks: Vec::new(),
            created_at: now,
            updated_at: now,
            version: 1,
            time_zone: String::new(),
            area: String::new(),
        };
        device.check(&mut problems);
        check_meter(&device.meter, &mut problems);
        problems.or(device)
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        check_id(&self.id, "id", problems);
        check_id(&self.device_id, "device_id", problems);
        check_id(&self.property_id, "property_id", problems);
        check_length(&self.location, 200, "location", problems);
        if let Some(parent) = &self.parent_device_id {
            check_id(parent, "parent_device_id", problems);
        }
    }

    /// Puts a new device where it stands: customer, time zone and class are the property's, on all days.
    pub fn place(&mut self, property: &Property) {
        self.time_zone.clone_from(&property.time_zone);
        self.area.clone_from(&property.area);
        self.timeline.follow(&property.id, &property.timeline, None);
        self.be_as_of(self.updated_at);
    }

    /// The device after its property's facts changed from a day on; the same if it does not stand there then.
    #[must_use]
    pub fn follow(&self, property: &Property, from: Day) -> Self {
        let mut next = self.clone();
        next.timeline.follow(&property.id, &property.timeline, Some(from));
        if next.property_id == property.id {
            next.area.clone_from(&property.area);
        }
        next.made_of(self, property.updated_at)
    }

    /// The device as of now: another one where a day has come from which on other facts hold.
    #[must_use]
    pub fn turn(&self, now: Timestamp) -> Self {
        self.clone().made_of(self, now)
    }

    /// The device after a meter was put behind it from a day on: it is not billed any more.
    #[must_use]
    pub fn become_parent(&self, from: Day, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.timeline.end_billing(from);
        next.made_of(self, now)
    }

    /// With the fields of the present brought up to date and, if anything is different, the next version.
    pub(super) fn made_of(mut self, before: &Self, now: Timestamp) -> Self {
        self.be_as_of(now);
        if self != *before {
            self.version = before.version + 1;
            self.updated_at = to_milliseconds(now);
        }
        self
    }

    fn be_as_of(&mut self, now: Timestamp) {
        let zone = self.zone();
        let today = zone.day_of(now.as_second());
        let period = self.timeline.on(Some(today));
        self.billable = period.is_billed();
        self.device_type = period.device_type;
        self.meter = period.meter;
        self.device_id = period.serial;
        self.property_id = period.property_id;
        self.customer_id = period.customer_id;
        self.tariff_class = period.tariff_class;
        let next = self.timeline.next_change(today);
        self.turns_at = next.and_then(|day| Timestamp::from_second(zone.start_of(day)).ok());
    }

    /// Its time zone; that of most where a document names none that there is.
    pub fn zone(&self) -> Zone {
        Self::zone_named(&self.time_zone)
    }

    /// The zone of that name, or the one of most.
    pub fn zone_named(time_zone: &str) -> Zone {
        Zone::named(time_zone).or_else(|| Zone::named(DEFAULT_TIME_ZONE)).unwrap_or_else(Zone::utc)
    }

    /// Notes who changed what is known of the past, and why.
    pub(super) fn remark(&mut self, by: &str, reason: &str, what: String, now: Timestamp) {
        let (by, reason) = (by.trim().to_owned(), reason.trim().to_owned());
        let at = to_milliseconds(now);
        self.remarks.push(Remark { version: self.version + 1, at, by, reason, what });
        let surplus = self.remarks.len().saturating_sub(MOST_REMARKS);
        self.remarks.drain(..surplus);
    }

    pub(super) fn check_version(&self, expected: Option<i64>) -> Result<(), Refusal> {
        match expected.filter(|version| *version != self.version) {
            Some(expected) => {
                Err(Refusal::Stale { what: "device", id: self.id.clone(), expected, is: self.version })
            }
            None => Ok(()),
        }
    }

    /// Whether it measures a part of another one's water.
    pub const fn role(&self) -> Role {
        if self.parent_device_id.is_some() { Role::Sub } else { Role::Main }
    }

    /// Identifiers of meters that were here before, other than the present one.
    pub fn former_device_ids(&self) -> Vec<String> {
        let later = self.timeline.said().filter_map(|(_, part)| part.serial.as_ref());
        let mut former: Vec<String> = Vec::new();
        for serial in std::iter::once(&self.timeline.base().serial).chain(later) {
            if key(serial) != key(&self.device_id) && !former.iter().any(|known| key(known) == key(serial)) {
                former.push(serial.clone());
            }
        }
        former
    }

    /// What holds from when on: at least one entry, neighbours never the same.
    pub fn holdings(&self) -> Vec<Holding> {
        let zone = self.zone();
        let mut holdings: Vec<Holding> = Vec::new();
        for (from, period) in self.timeline.periods() {
            let before = holdings.last();
            let exchange = period.exchange.map(|exchange| Exchange {
                at: exchange.at,
                final_register: counts(
                    exchange.final_millilitres,
                    before.map_or(period.meter, |before| before.meter),
                ),
                initial_register: counts(exchange.initial_millilitres, period.meter),
            });
            let holding = Holding {
                from,
                starts_at: start_of(from, &zone),
                billable: period.is_billed(),
                property_id: period.property_id.into(),
                customer_id: period.customer_id.into(),
                tariff_class: period.tariff_class.into(),
                serial: period.serial.into(),
                meter: period.meter,
                exchange,
            };
            let goes_on = before.is_some_and(|before| {
                let (from, starts_at) = (holding.from, holding.starts_at);
                holding == Holding { from, starts_at, exchange: None, ..before.clone() }
            });
            if !goes_on {
                holdings.push(holding);
            }
        }
        holdings
    }

    /// Whether its days are judged alike by what is known of both: then nobody need be told.
    pub fn is_judged_like(&self, other: &Self) -> bool {
        self.installation_date.as_second() == other.installation_date.as_second()
            && (&self.area, &self.parent_device_id) == (&other.area, &other.parent_device_id)
            && (self.timeline == other.timeline || self.holdings() == other.holdings())
    }

    /// What accepting its reads needs, and goes with them.
    pub fn facts(&self) -> Facts {
        let mut history = self.holdings();
        if history.len() == 1 {
            history.clear();
        }
        Facts {
            id: self.id.as_str().into(),
            property_id: self.property_id.as_str().into(),
            customer_id: self.customer_id.as_str().into(),
            time_zone: self.time_zone.as_str().into(),
            tariff_class: self.tariff_class.as_str().into(),
            meter: self.meter,
            billable: self.billable,
            installed_at: self.installation_date.as_second(),
            active: self.status != Status::Inactive,
            version: self.version,
            area: self.area.as_str().into(),
            parent_device_id: self.parent_device_id.as_deref().map(Into::into),
            history: history.into(),
        }
    }
}

pub(super) const NEVER_BILLED: &str = "cannot be: what a flow_sensor measures is never billed";

/// A register in counts of a meter.
fn counts(millilitres: i64, meter: Meter) -> i64 {
    millilitres / (1_000 / meter.unit.per_litre())
}
