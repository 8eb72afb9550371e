//! Devices.

use std::ops::RangeInclusive;

use indowater_common::domain::meter::{Meter, Point, Unit};
use indowater_common::domain::request::{check_id, check_length, to_milliseconds};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::text::time;
use super::{DeviceType, Problems, Property, Refusal, Status};
use crate::domain::facts::{Facts, Known};

/// A meter at a property.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Device {
    pub id: String,
    /// The identifier on the meter.
    pub device_id: String,
    pub property_id: String,
    pub customer_id: String,
    pub device_type: DeviceType,
    pub status: Status,
    pub location: String,
    pub installation_date: Timestamp,
    /// Last register, m3.
    pub last_reading: Option<Decimal>,
    pub last_reading_date: Option<Timestamp>,
    pub calibration_date: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub meter: Meter,
    pub version: i64,
    pub time_zone: String,
    pub tariff_class: String,
}

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
}

/// What a caller wants different. What a meter counts is fixed: another meter is another device.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct DeviceChange {
    /// The version the caller read, if it matters.
    pub version: Option<i64>,
    pub property_id: Option<String>,
    pub device_type: Option<String>,
    pub status: Option<String>,
    pub location: Option<String>,
    /// Empty: none.
    pub calibration_date: Option<String>,
    pub q3_litres_per_hour: Option<u32>,
}

/// A household meter's permanent flow (domain defaults of the field: Q3 = 2.5 m3/h).
const DEFAULT_Q3: u32 = 2_500;
/// ISO 4064-1 knows Q3 from 1 to 6,300 m3/h.
const Q3: RangeInclusive<u32> = 1..=6_300_000;
/// Beyond these, one count or the capacity is no meter's.
const DIGITS: RangeInclusive<u32> = 4..=15;

/// Five digits of cubic metres and the decimals of the unit.
const fn default_digits(unit: Unit) -> u32 {
    match unit {
        Unit::Litre => 8,
        Unit::Millilitre => 11,
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
        let device = Self {
            id: if draft.id.is_empty() { new_id } else { draft.id },
            device_id: draft.device_id.trim().to_owned(),
            property_id: draft.property_id,
            customer_id: String::new(),
            device_type: DeviceType::read(&draft.device_type, DeviceType::WaterMeter, "type", &mut problems),
            status: Status::read(&draft.status, Status::Active, "status", &mut problems),
            location: draft.location,
            installation_date: time(&draft.installation_date, now, "installation_date", &mut problems),
            last_reading: None,
            last_reading_date: None,
            calibration_date: calibrated.then_some(calibration_date),
            created_at: now,
            updated_at: now,
            meter: Meter {
                unit,
                digits: or_default(draft.register_digits, default_digits(unit)),
                q3_litres_per_hour: or_default(draft.q3_litres_per_hour, DEFAULT_Q3),
            },
            version: 1,
            time_zone: String::new(),
            tariff_class: String::new(),
        };
        device.check(&mut problems);
        problems.or(device)
    }

    /// Puts the device where it stands: customer, time zone and class are the property's.
    pub fn place(&mut self, property: &Property) {
        self.property_id.clone_from(&property.id);
        self.customer_id.clone_from(&property.customer_id);
        self.time_zone.clone_from(&property.time_zone);
        self.tariff_class.clone_from(&property.tariff_class);
    }

    /// The device after its property changed.
    pub fn follow(&self, property: &Property) -> Self {
        let mut next = self.clone();
        next.place(property);
        next.version += 1;
        next.updated_at = property.updated_at;
        next
    }

    /// The device as changed, the same if nothing is different; `property` is the one it moves to.
    ///
    /// # Errors
    /// Every field that is wrong, a version that is not the current one, or a move across time zones.
    pub fn change(
        &self,
        change: &DeviceChange,
        property: Option<&Property>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if let Some(expected) = change.version.filter(|version| *version != self.version) {
            return Err(Refusal::Stale { what: "device", id: self.id.clone(), expected, is: self.version });
        }
        let mut problems = Problems::default();
        let mut next = self.clone();
        if let Some(wanted) = &change.device_type {
            next.device_type = DeviceType::read(wanted, self.device_type, "type", &mut problems);
        }
        if let Some(wanted) = &change.status {
            next.status = Status::read(wanted, self.status, "status", &mut problems);
        }
        if let Some(wanted) = &change.location {
            next.location.clone_from(wanted);
        }
        if let Some(wanted) = &change.calibration_date {
            let date = time(wanted, now, "calibration_date", &mut problems);
            next.calibration_date = (!wanted.is_empty()).then_some(date);
        }
        if let Some(wanted) = change.q3_litres_per_hour {
            next.meter.q3_litres_per_hour = wanted;
        }
        if let Some(property) = property {
            if property.time_zone != self.time_zone {
                return Err(Refusal::Precondition(format!(
                    "device {:?} keeps its days in {}, property {:?} in {}: enrol it there as a new device",
                    self.id, self.time_zone, property.id, property.time_zone
                )));
            }
            next.place(property);
        }
        next.check(&mut problems);
        let mut next = problems.or(next)?;
        if next != *self {
            next.version += 1;
            next.updated_at = to_milliseconds(now);
        }
        Ok(next)
    }

    fn check(&self, problems: &mut Problems) {
        check_id(&self.id, "id", problems);
        check_id(&self.device_id, "device_id", problems);
        check_id(&self.property_id, "property_id", problems);
        check_length(&self.location, 200, "location", problems);
        if !DIGITS.contains(&self.meter.digits) {
            problems.add("register_digits", "must be between 4 and 15");
        }
        if !Q3.contains(&self.meter.q3_litres_per_hour) {
            problems.add("q3_litres_per_hour", "must be between 1 and 6,300,000");
        }
    }

    /// What accepting its reads needs.
    pub fn known(&self) -> Known {
        let facts = Facts {
            id: self.id.as_str().into(),
            property_id: self.property_id.as_str().into(),
            customer_id: self.customer_id.as_str().into(),
            time_zone: self.time_zone.as_str().into(),
            tariff_class: self.tariff_class.as_str().into(),
            meter: self.meter,
            installed_at: self.installation_date.as_second(),
            active: self.status != Status::Inactive,
            version: self.version,
        };
        let counts = Decimal::from(self.meter.unit.per_litre() * 1_000);
        let last = self.last_reading.zip(self.last_reading_date).and_then(|(reading, date)| {
            let register = reading.checked_mul(counts)?.to_i64()?;
            Some(Point { at: date.as_second(), register })
        });
        Known { facts, last }
    }
}
