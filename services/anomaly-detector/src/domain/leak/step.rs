//! What flowed between two reads, and what is stated of that time.

use indowater_common::domain::meter::Point;

use super::{Setting, Stated};

/// A register that counts whole litres shows half a litre or more as one; less is dry.
const DRY: i64 = 500;

/// What flowed between the ends of two slots, beyond what is stated to be normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its beginning, seconds since the epoch.
    pub from: i64,
    /// Its end, seconds since the epoch.
    pub until: i64,
    /// Millilitres, never negative: what flows back is no leak.
    pub volume: i64,
    /// Whether nobody was there all the time.
    pub away: bool,
    /// Whether what flowed says nothing.
    pub quiet: bool,
}

impl Step {
    /// The step between two reads.
    pub fn between(from: Point, until: Point, setting: &Setting<'_>) -> Self {
        let (mut normal, mut away, mut quiet) = (0, false, false);
        for period in setting.periods.iter().filter(|period| period.from < until.at && from.at < period.until)
        {
            match period.what {
                Stated::Normal(rate) => normal = normal.max(rate),
                // Who leaves at noon may have drawn water before.
                Stated::Away => away |= period.from <= from.at && until.at <= period.until,
                Stated::Quiet => quiet = true,
            }
        }
        let normal = i128::from(normal) * i128::from(until.at - from.at) / 3_600;
        let volume = i128::from(until.register) - i128::from(from.register) - normal;
        let volume = i64::try_from(volume.max(0)).unwrap_or(i64::MAX);
        Self { from: from.at, until: until.at, volume, away, quiet }
    }

    /// Its length, seconds.
    pub fn seconds(&self) -> i64 {
        self.until - self.from
    }

    /// Its length, hours.
    pub fn hours(&self) -> f32 {
        self.seconds() as f32 / 3_600.0
    }

    /// What flowed, litres.
    pub fn litres(&self) -> f32 {
        self.volume as f32 / 1_000.0
    }

    /// Its flow, millilitres an hour.
    pub fn flow(&self) -> u32 {
        let flow = i128::from(self.volume) * 3_600 / i128::from(self.seconds().max(1));
        u32::try_from(flow).unwrap_or(u32::MAX)
    }

    /// Whether next to nothing flowed.
    pub fn is_dry(&self) -> bool {
        self.volume < DRY
    }

    /// Local day and quarter of the day in which its middle is.
    pub fn local(&self, setting: &Setting<'_>) -> (i32, usize) {
        let (day, seconds) = setting.zone.local(self.from.midpoint(self.until));
        (day.0, usize::try_from(seconds / (6 * 3_600)).unwrap_or(0).min(3))
    }

    /// A dry gap as so many dry steps.
    pub fn split(self, parts: i64) -> impl Iterator<Item = Self> {
        let length = self.seconds() / parts;
        (1..=parts).rev().map(move |part| {
            let until = self.until - (part - 1) * length;
            Self { from: until - length, until, ..self }
        })
    }
}
