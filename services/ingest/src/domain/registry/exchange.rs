//! One meter out, another one in, at the same connection.

use indowater_common::domain::identifier::key;
use indowater_common::domain::meter::Unit;
use indowater_common::domain::request::check_id;
use indowater_common::domain::zone::Day;
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::device::{check_meter, default_digits};
use super::text::{time, why};
use super::{Device, Exchanged, Period, PeriodPart, Problems, Refusal};
use crate::domain::meter::Meter;

/// An exchange as a caller describes it. Facts of the new meter that are left out are those of the old one.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct MeterExchange {
    /// The version the caller read, if it matters.
    pub version: Option<i64>,
    /// RFC 3339.
    pub at: String,
    /// The last register of the old meter, m3.
    pub final_register: String,
    /// The first register of the new meter, m3.
    pub initial_register: String,
    /// The identifier on the new meter.
    pub device_id: String,
    pub unit: Option<Unit>,
    pub register_digits: Option<u32>,
    pub q3_litres_per_hour: Option<u32>,
    pub wraps_at: Option<i64>,
    pub resolution: Option<u32>,
    pub reason: String,
    /// Who says so.
    pub by: String,
}

impl Device {
    /// The device with the new meter; the same if that was known. What is told of a day on which an exchange is known
    /// already takes its place: that is how a mistaken one is corrected.
    ///
    /// # Errors
    /// Every field that is wrong, or a version that is not the current one.
    pub fn exchange(&self, wanted: &MeterExchange, now: Timestamp) -> Result<Self, Refusal> {
        self.check_version(wanted.version)?;
        let mut problems = Problems::default();
        why(&wanted.by, &wanted.reason, &mut problems);
        let serial = wanted.device_id.trim().to_owned();
        check_id(&serial, "device_id", &mut problems);
        if wanted.at.is_empty() {
            problems.add("at", "is missing");
        }
        let at = time(&wanted.at, now, "at", &mut problems);
        if at > now {
            problems.add("at", "must not be in the future");
        }
        if at < self.installation_date {
            problems.add("at", "must not be before the installation date");
        }
        let at = at.as_second();
        let day = self.zone().day_of(at);
        // The meter of the evening before: on the day itself another word about this exchange may stand.
        let Period { meter: old, serial: old_serial, .. } =
            self.timeline.on(Some(Day(day.0.saturating_sub(1))));
        let new = wanted.meter(old);
        check_meter(&new, &mut problems);
        let exchange = Exchanged {
            at,
            final_millilitres: register(&wanted.final_register, old, "final_register", &mut problems),
            initial_millilitres: register(&wanted.initial_register, new, "initial_register", &mut problems),
        };
        problems.or(())?;
        let mut next = self.clone();
        let what = format!(
            "meter {serial} at {} m3 for {old_serial} at {} m3, {}",
            wanted.initial_register, wanted.final_register, wanted.at
        );
        let part = PeriodPart { serial: Some(serial), exchange: Some(exchange), ..PeriodPart::of_meter(new) };
        next.timeline.say(Some(day), part);
        if next == *self {
            return Ok(next);
        }
        next.remark(&wanted.by, &wanted.reason, what, now);
        Ok(next.made_of(self, now))
    }

    /// Refuses a meter that is or was elsewhere when it came here.
    ///
    /// # Errors
    /// Where it was.
    pub fn check_others(&self, wanted: &MeterExchange, others: &[Self]) -> Result<(), Refusal> {
        let mut problems = Problems::default();
        let at = time(&wanted.at, self.updated_at, "at", &mut problems).as_second();
        others
            .iter()
            .filter(|other| other.id != self.id)
            .try_for_each(|other| other.give_up(wanted.device_id.trim(), at))
    }

    /// Whether a meter may be taken from a moment on although this device has or had it.
    ///
    /// # Errors
    /// It is there still, or was there then.
    pub fn give_up(&self, serial: &str, from: i64) -> Result<(), Refusal> {
        if key(&self.device_id) == key(serial) {
            return Err(Refusal::Taken { field: "device_id", value: serial.to_owned() });
        }
        let holdings = self.holdings();
        let ends = holdings.windows(2).filter(|pair| key(&pair[0].serial) == key(serial));
        let left = ends.map(|pair| pair[1].exchange.map_or(pair[1].starts_at, |exchange| exchange.at)).max();
        match left.filter(|left| *left > from) {
            Some(left) => Err(Refusal::Precondition(format!(
                "meter {serial:?} was at device {:?} until {}: it can be elsewhere from then on",
                self.id,
                self.zone().rfc3339(left)
            ))),
            None => Ok(()),
        }
    }
}

impl MeterExchange {
    fn meter(&self, old: Meter) -> Meter {
        let unit = self.unit.unwrap_or(old.unit);
        // What counts in another unit cannot be as before.
        let like = if unit == old.unit {
            old
        } else {
            Meter { digits: default_digits(unit), wraps_at: 0, resolution: 0, ..old }
        };
        Meter {
            unit,
            digits: self.register_digits.unwrap_or(like.digits),
            q3_litres_per_hour: self.q3_litres_per_hour.unwrap_or(like.q3_litres_per_hour),
            wraps_at: self.wraps_at.unwrap_or(like.wraps_at),
            resolution: self.resolution.unwrap_or(like.resolution),
        }
    }
}

/// Reads a register in cubic metres, as the meter can show it; millilitres.
fn register(text: &str, meter: Meter, field: &str, problems: &mut Problems) -> i64 {
    match text.parse::<Decimal>().ok().and_then(|cubic_metres| meter.count_of(cubic_metres)) {
        Some(count) => meter.unit.millilitres(count),
        None => {
            let unit = meter.unit.name();
            problems.add(
                field,
                format_args!(
                    "must be a register in m3 that a {unit} meter of its digits can show, such as 1204.551"
                ),
            );
            0
        }
    }
}
