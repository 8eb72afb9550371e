//! Meters that are known by the day only: a lasting rise against their own weeks.

use super::Kind;
use super::life::{Found, Judged};
use super::rhythm::Scale;
use super::step::Step;

/// How many days a meter is compared with.
pub const DAYS: usize = 28;
/// Below this there is nothing to compare with.
const ENOUGH: u8 = 7;
/// A rise that is no more than this, in deviations, is none.
const SLACK: f32 = 0.8;
/// So many deviations, added up over days, are a leak.
const OPENS: f32 = 8.0;
/// No day says more, for or against: three days at least.
const DAY: f32 = 3.0;
/// The most a rise is believed in, so that its end is seen within days.
const CAP: f32 = 10.0;
/// A meter that is used like a clock still varies by so many litres a day, or this share of its median.
const LEAST_DEVIATION: (f32, f32) = (30.0, 0.2);
/// Scores are kept in so many parts of a deviation.
const PARTS: f32 = 1_024.0;

/// The last usual days, and what speaks for a rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daily {
    /// Litres of the last days that were usual, a ring.
    pub(super) days: [u32; DAYS],
    pub(super) next: u8,
    pub(super) held: u8,
    /// In [`PARTS`] of a deviation.
    pub(super) score: u16,
    /// Days since the score began to rise.
    pub(super) age: u8,
}

impl Default for Daily {
    fn default() -> Self {
        Self { days: [0; DAYS], next: 0, held: 0, score: 0, age: 0 }
    }
}

impl Daily {
    /// Judges a day, or the days of a gap, each with its share.
    pub fn judge(&mut self, step: &Step, days: i64) -> Judged {
        let litres = step.litres() / days as f32;
        // A gap says no more than a week does.
        let above = (0..days.min(7)).fold(0.0, |_, _| self.weigh(litres));
        let found = self.rises().map(|age| Found {
            kind: Kind::Constant,
            rate: (above * 1_000.0 / 24.0) as u32,
            since: step.until - i64::from(age) * Scale::Day.seconds(),
            lost: (above * f32::from(age) * 1_000.0) as i64,
        });
        Judged {
            at: step.until,
            seconds: step.seconds(),
            found,
            steady_calm: self.is_calm(),
            calm: self.is_calm(),
            flow: step.flow(),
            floor: (above * 1_000.0 / 24.0) as u32,
            leaked: (above * days as f32 * 1_000.0) as i64,
        }
    }

    /// Weighs a day of so many litres. Returns what is above the median of the usual days.
    fn weigh(&mut self, litres: f32) -> f32 {
        let Some((median, deviation)) = self.usual() else {
            self.learn(litres);
            return 0.0;
        };
        let says = ((litres - median) / deviation - SLACK).clamp(-DAY, DAY);
        let score = (f32::from(self.score) / PARTS + says).clamp(0.0, CAP);
        self.score = (score * PARTS).round() as u16;
        self.age = if self.score == 0 { 0 } else { self.age.saturating_add(1) };
        if self.score < (OPENS / 2.0 * PARTS) as u16 {
            self.learn(litres);
        }
        (litres - median).max(0.0)
    }

    /// Since how many days there is a rise that is to be told.
    fn rises(&self) -> Option<u8> {
        (f32::from(self.score) >= OPENS * PARTS).then_some(self.age)
    }

    /// Whether next to nothing speaks for a rise.
    fn is_calm(&self) -> bool {
        f32::from(self.score) < OPENS / 2.0 * PARTS
    }

    /// The volume that a share of the usual days does not exceed, litres.
    pub fn quantile(&self, share: f32) -> f32 {
        let mut days = self.days;
        let days = &mut days[..usize::from(self.held)];
        days.sort_unstable();
        let place = (share * days.len() as f32) as usize;
        days.get(place.min(days.len().saturating_sub(1))).map_or(0.0, |litres| *litres as f32)
    }

    /// Days without use teach nothing.
    fn learn(&mut self, litres: f32) {
        if litres >= 1.0 {
            self.days[usize::from(self.next) % DAYS] = litres as u32;
            self.next = (self.next + 1) % DAYS as u8;
            self.held = (self.held + 1).min(DAYS as u8);
        }
    }

    /// Median and deviation of the usual days.
    fn usual(&self) -> Option<(f32, f32)> {
        if self.held < ENOUGH {
            return None;
        }
        let mut days: [f32; DAYS] = self.days.map(|litres| litres as f32);
        let days = &mut days[..usize::from(self.held)];
        let median = middle(days);
        days.iter_mut().for_each(|day| *day = (*day - median).abs());
        // 1.48 makes a standard deviation of it where days are normally distributed.
        let deviation = 1.48 * middle(days);
        Some((median, deviation.max(LEAST_DEVIATION.0).max(LEAST_DEVIATION.1 * median)))
    }
}

fn middle(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    values[values.len() / 2]
}
