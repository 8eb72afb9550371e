//! What a meter usually draws, learned from its own slots.

use std::sync::LazyLock;

use super::law::{self, Law, WET};
use super::rhythm::Scale;

/// Quarters of a local day: six hours each, from midnight on.
pub const QUARTERS: usize = 4;
/// Bins of a quarter: dry, and the wet ones.
const BINS: usize = WET + 1;
/// All bins of a day.
pub const CELLS: usize = QUARTERS * BINS;

/// Until a quarter has been seen so many times, a household nobody knows weighs more than the meter itself: eight days of
/// six hours.
const PRIOR_SLOTS: f32 = 48.0;
/// What even the longest history leaves to that household: guests and holidays come.
const STRANGE: f32 = 0.2;
/// What a week leaves of what was learned before: habits of three months ago count for an eighth.
const FADE: f32 = 0.85;
/// Days after which older counts fade; a younger meter needs all it has.
const YOUNG: u16 = 14;
/// Counts are kept in so many parts, so that fading does not round small ones away. The most that a quarter can hold,
/// 42 slots a week for ever, is 280.
const PARTS: u16 = 64;

/// Counts of slots by quarter of the day and volume.
///
/// Days wait for a week (for a day while the meter is new) before they are learned, and are dropped if a leak ran meanwhile or
/// may be running at their end: it must not become what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habit {
    pub(super) counts: [[u16; BINS]; QUARTERS],
    pub(super) waiting: [[u8; BINS]; QUARTERS],
    /// Dry slots of this day, which count once anything is drawn in it: days without use teach nothing.
    pub(super) dry_today: [u8; QUARTERS],
    pub(super) wet_today: bool,
    /// Whether the days that wait are not to be learned.
    pub(super) spoilt: bool,
    /// Whether those before them were not, for a leak was near.
    pub(super) doubted: bool,
    /// Local days since 1970-01-01.
    pub(super) today: i32,
    /// The first of the days that wait.
    pub(super) waits_from: i32,
    /// How many days were learned.
    pub(super) days: u16,
}

impl Default for Habit {
    fn default() -> Self {
        Self {
            counts: [[0; BINS]; QUARTERS],
            waiting: [[0; BINS]; QUARTERS],
            dry_today: [0; QUARTERS],
            wet_today: false,
            spoilt: false,
            doubted: false,
            today: i32::MIN,
            waits_from: i32::MIN,
            days: 0,
        }
    }
}

/// What is taken for usual before anything was learned.
static HOUSEHOLD: LazyLock<[[Law; QUARTERS]; 2]> = LazyLock::new(|| {
    let hours = law::household();
    [hours, hours.map(|hour| hour.times(6))]
});

impl Habit {
    /// What a slot in that quarter of the day usually draws; what is not known of it yet is as in a `household`, or anything.
    pub fn law(&self, quarter: usize, scale: Scale, household: bool) -> Law {
        let unknown =
            if household { &HOUSEHOLD[usize::from(scale != Scale::Hour)][quarter] } else { &law::ANYTHING };
        let counts = self.counts[quarter].map(|count| f32::from(count) / f32::from(PARTS));
        let slots: f32 = counts.iter().sum();
        let own = Law {
            dry: counts[0] / slots.max(1.0),
            wet: std::array::from_fn(|bin| counts[bin + 1] / slots.max(1.0)),
        };
        own.mixed((1.0 - STRANGE) * slots / (slots + PRIOR_SLOTS), unknown)
    }

    /// The share of slots of a day that are usually dry.
    pub fn dry(&self, scale: Scale, household: bool) -> f32 {
        (0..QUARTERS).map(|quarter| self.law(quarter, scale, household).dry).sum::<f32>() / QUARTERS as f32
    }

    /// How many days it knows.
    pub fn days(&self) -> u16 {
        self.days
    }

    /// Whether this is a later day than the one it is at.
    pub fn is_over(&self, today: i32) -> bool {
        today > self.today
    }

    /// Begins a local day. What waits is not learned if a leak is `near`: not at once, for what is near a second time and opened
    /// nothing meanwhile is use. A meter that is new learns whatever opens nothing, or a busy home would never be known.
    pub fn turn(&mut self, today: i32, near: bool) {
        if self.wet_today {
            for (waiting, dry) in self.waiting.iter_mut().zip(self.dry_today) {
                waiting[0] = waiting[0].saturating_add(dry);
            }
        }
        (self.dry_today, self.wet_today, self.today) = ([0; QUARTERS], false, today);
        let wait = if self.days < 7 { 1 } else { 7 };
        if self.waits_from == i32::MIN {
            self.waits_from = today;
        } else if today - self.waits_from >= wait {
            let doubts = near && !self.doubted && self.days >= 7;
            self.spoilt |= doubts;
            self.doubted = doubts;
            self.learn(today);
        }
    }

    fn learn(&mut self, today: i32) {
        let days = u16::try_from(today - self.waits_from).unwrap_or(u16::MAX);
        let waiting = std::mem::take(&mut self.waiting);
        self.waits_from = today;
        if std::mem::take(&mut self.spoilt) || waiting.iter().flatten().all(|count| *count == 0) {
            return;
        }
        if self.days >= YOUNG {
            let fade = FADE.powf(f32::from(days.min(7)) / 7.0);
            self.counts
                .iter_mut()
                .flatten()
                .for_each(|count| *count = (f32::from(*count) * fade).round() as u16);
        }
        for (count, waiting) in self.counts.iter_mut().flatten().zip(waiting.iter().flatten()) {
            *count = count.saturating_add(u16::from(*waiting) * PARTS);
        }
        self.days = self.days.saturating_add(days.min(7));
    }

    /// Notes a slot of today, to be learned one day.
    pub fn note(&mut self, quarter: usize, bin: Option<usize>) {
        match bin {
            None => self.dry_today[quarter] = self.dry_today[quarter].saturating_add(1),
            Some(bin) => {
                self.wet_today = true;
                let count = &mut self.waiting[quarter][bin + 1];
                *count = count.saturating_add(1);
            }
        }
    }

    /// The days that wait are not to be learned.
    pub fn spoil(&mut self) {
        self.spoilt = true;
    }
}
