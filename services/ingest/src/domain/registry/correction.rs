//! What was wrong in the registry all along, or from a day on.

use indowater_common::domain::meter::Unit;
use indowater_common::domain::zone::Day;
use jiff::Timestamp;

use super::device::{DIGITS, NEVER_BILLED};
use super::text::{day, time, why};
use super::{Device, DeviceType, PeriodPart, Problems, Refusal};

/// What an administrator corrects.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Correction {
    /// The version the caller read, if it matters.
    pub version: Option<i64>,
    /// The first local day of what is corrected; empty: from the beginning.
    pub from: String,
    pub unit: Option<Unit>,
    pub register_digits: Option<u32>,
    pub q3_litres_per_hour: Option<u32>,
    pub wraps_at: Option<i64>,
    pub resolution: Option<u32>,
    pub device_type: Option<String>,
    pub billable: Option<bool>,
    /// Holds for all days.
    pub installation_date: Option<String>,
    pub reason: String,
    /// Who corrects it.
    pub by: String,
}

impl Device {
    /// The device as corrected, the same if it was right. `has_sub_meters`: others measure a part of its water.
    ///
    /// # Errors
    /// Every field that is wrong, a version that is not the current one, or what cannot be as things stand.
    pub fn correct(
        &self,
        wanted: &Correction,
        has_sub_meters: bool,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        self.check_version(wanted.version)?;
        let mut problems = Problems::default();
        why(&wanted.by, &wanted.reason, &mut problems);
        let from = day(&wanted.from, "from", &mut problems);
        let mut next = self.clone();
        let device_type = wanted
            .device_type
            .as_ref()
            .map(|wanted| DeviceType::read(wanted, self.device_type, "type", &mut problems));
        let is_sensor =
            device_type.unwrap_or_else(|| self.timeline.on(from).device_type) == DeviceType::FlowSensor;
        if wanted.billable == Some(true) && is_sensor {
            problems.add("billable", NEVER_BILLED);
        }
        if let Some(text) = &wanted.installation_date {
            next.installation_date = time(text, self.installation_date, "installation_date", &mut problems);
            if text.is_empty() || next.installation_date > now {
                problems.add("installation_date", "must be a time in RFC 3339 that is not in the future");
            }
        }
        let part = PeriodPart {
            device_type,
            billable: wanted.billable,
            ..self.corrected_meter(wanted, from, &mut problems)
        };
        if part == PeriodPart::default() && wanted.installation_date.is_none() {
            problems.add("correction", "says nothing: name what is wrong");
        }
        let what = wanted.describe(&part);
        next.timeline.say(from, part);
        next.check_meters(&mut problems);
        problems.or(())?;
        if wanted.billable == Some(true) && has_sub_meters {
            return Err(self.no_difference_billing());
        }
        if next == *self {
            return Ok(next);
        }
        next.remark(&wanted.by, &wanted.reason, what, now);
        Ok(next.made_of(self, now))
    }

    /// The meter's facts that are corrected. A unit takes the digits with it: as many cubic metres as before.
    fn corrected_meter(&self, wanted: &Correction, from: Option<Day>, problems: &mut Problems) -> PeriodPart {
        let meter = self.timeline.on(from).meter;
        let mut digits = wanted.register_digits;
        if let Some(unit) = wanted.unit.filter(|unit| *unit != meter.unit) {
            if digits.is_none() {
                let moved = match unit {
                    Unit::Millilitre => meter.digits + 3,
                    Unit::Litre => meter.digits.saturating_sub(3),
                };
                digits = Some(moved.clamp(*DIGITS.start(), *DIGITS.end()));
            }
            let counted_in_it = [
                ("wraps_at", meter.wraps_at != 0 && wanted.wraps_at.is_none()),
                ("resolution", meter.resolution != 0 && wanted.resolution.is_none()),
            ];
            for (field, is_left_out) in counted_in_it {
                if is_left_out {
                    problems.add(field, "counts in the unit and must be named with it");
                }
            }
        }
        PeriodPart {
            unit: wanted.unit,
            digits,
            q3_litres_per_hour: wanted.q3_litres_per_hour,
            wraps_at: wanted.wraps_at,
            resolution: wanted.resolution,
            ..PeriodPart::default()
        }
    }
}

impl Correction {
    /// For the remark.
    fn describe(&self, part: &PeriodPart) -> String {
        let mut what = Vec::new();
        let mut told = |field: &str, value: Option<String>| {
            if let Some(value) = value {
                what.push(format!("{field} {value}"));
            }
        };
        told("unit", part.unit.map(|unit| unit.name().to_owned()));
        told("register_digits", part.digits.map(|value| value.to_string()));
        told("q3_litres_per_hour", part.q3_litres_per_hour.map(|value| value.to_string()));
        told("wraps_at", part.wraps_at.map(|value| value.to_string()));
        told("resolution", part.resolution.map(|value| value.to_string()));
        told("type", part.device_type.map(|value| value.name().to_owned()));
        told("billable", part.billable.map(|value| value.to_string()));
        told("installation_date", self.installation_date.clone());
        let from = if self.from.is_empty() { "the beginning" } else { &self.from };
        format!("{} from {from} on", what.join(", "))
    }
}
