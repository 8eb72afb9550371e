//! How a device may change from a day on.

use indowater_common::domain::zone::Day;
use jiff::Timestamp;

use super::device::{NEVER_BILLED, check_meter};
use super::text::{day, time};
use super::{Device, DeviceType, PeriodPart, Problems, Property, Refusal, Status};

/// What a caller wants different. What a meter counts is no change but a correction, and another meter is an exchange.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct DeviceChange {
    /// The version the caller read, if it matters.
    pub version: Option<i64>,
    /// The first local day of property, type, Q3 and whether it is billed; empty: today.
    pub effective_from: String,
    pub property_id: Option<String>,
    pub device_type: Option<String>,
    pub q3_litres_per_hour: Option<u32>,
    pub billable: Option<bool>,
    pub status: Option<String>,
    pub location: Option<String>,
    /// Empty: none.
    pub calibration_date: Option<String>,
    /// Empty: none.
    pub parent_device_id: Option<String>,
}

/// What of the rest of the registry a device's change depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// The property it moves to.
    pub property: Option<&'a Property>,
    /// The device it is put behind, and the one that is behind, and so on.
    pub ancestors: &'a [Device],
    /// Whether others measure a part of its water.
    pub has_sub_meters: bool,
}

impl DeviceChange {
    /// The first local day of what changes.
    pub fn day(&self, device: &Device, now: Timestamp) -> Day {
        Day::parse(&self.effective_from).unwrap_or_else(|| device.zone().day_of(now.as_second()))
    }
}

impl Device {
    /// The device as changed, the same if nothing is different.
    ///
    /// # Errors
    /// Every field that is wrong, a version that is not the current one, or what cannot be as things stand.
    pub fn change(
        &self,
        change: &DeviceChange,
        around: Surroundings<'_>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        self.check_version(change.version)?;
        let mut problems = Problems::default();
        let told = day(&change.effective_from, "effective_from", &mut problems);
        let from = told.unwrap_or_else(|| self.zone().day_of(now.as_second()));
        let mut next = self.turn(now);
        (next.version, next.updated_at) = (self.version, self.updated_at);
        // Who sends everything back as it is, and names no day, says nothing.
        let is_news = |is_other: bool| is_other || told.is_some();
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
        let device_type = change
            .device_type
            .as_ref()
            .map(|wanted| DeviceType::read(wanted, self.device_type, "type", &mut problems));
        let is_sensor =
            device_type.unwrap_or_else(|| next.timeline.on(Some(from)).device_type) == DeviceType::FlowSensor;
        if change.billable == Some(true) && is_sensor {
            problems.add("billable", NEVER_BILLED);
        }
        let part = PeriodPart {
            device_type: device_type.filter(|wanted| is_news(*wanted != next.device_type)),
            billable: change.billable.filter(|wanted| is_news(*wanted != next.billable)),
            q3_litres_per_hour: change
                .q3_litres_per_hour
                .filter(|wanted| is_news(*wanted != next.meter.q3_litres_per_hour)),
            ..PeriodPart::default()
        };
        next.timeline.say(Some(from), part);
        if let Some(property) = around.property.filter(|property| is_news(property.id != next.property_id)) {
            self.check_zone(&property.time_zone, format_args!("property {:?}", property.id))?;
            next.timeline.move_to(&property.id, &property.timeline, from);
            // Areas have no history: a meter that will move is counted where it will be.
            next.area.clone_from(&property.area);
        }
        if let Some(parent) = &change.parent_device_id {
            next.parent_device_id = (!parent.is_empty()).then(|| parent.clone());
            next.check_parent(around.ancestors)?;
        }
        let next = next.made_of(self, now);
        next.check(&mut problems);
        next.check_meters(&mut problems);
        let next = problems.or(next)?;
        if change.billable == Some(true) && around.has_sub_meters {
            return Err(self.no_difference_billing());
        }
        Ok(next)
    }

    /// Refuses a parent that cannot be one.
    ///
    /// # Errors
    /// It is the device itself or behind it, or keeps other days.
    pub fn check_parent(&self, ancestors: &[Self]) -> Result<(), Refusal> {
        let Some(parent) = self.parent_device_id.as_deref() else { return Ok(()) };
        if parent == self.id || ancestors.iter().any(|ancestor| ancestor.id == self.id) {
            return Err(Refusal::Precondition(format!(
                "device {:?} cannot be behind {parent:?}: that is behind itself then",
                self.id
            )));
        }
        let Some(found) = ancestors.iter().find(|ancestor| ancestor.id == parent) else {
            return Err(Refusal::Precondition(format!("there is no device {parent:?} to be behind")));
        };
        self.check_zone(&found.time_zone, format_args!("device {parent:?}"))
    }

    fn check_zone(&self, other: &str, of: std::fmt::Arguments<'_>) -> Result<(), Refusal> {
        if self.time_zone == other {
            return Ok(());
        }
        Err(Refusal::Precondition(format!(
            "device {:?} keeps its days in {}, {of} in {other}: enrol it there as a new device",
            self.id, self.time_zone
        )))
    }

    /// What is wrong with a meter of any of its days.
    pub(super) fn check_meters(&self, problems: &mut Problems) {
        let wrong = self.timeline.periods().into_iter().find_map(|(_, period)| {
            let mut wrong = Problems::default();
            check_meter(&period.meter, &mut wrong);
            wrong.or(()).err()
        });
        problems.append(wrong.unwrap_or_default());
    }

    pub(super) fn no_difference_billing(&self) -> Refusal {
        Refusal::Precondition(format!(
            "device {:?} has sub-meters, and billing the difference is not there yet: it cannot be billable",
            self.id
        ))
    }
}
