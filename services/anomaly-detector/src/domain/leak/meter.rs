//! What is remembered of one meter, and how a read changes it.

use indowater_common::domain::meter::Point;

use super::bank::Bank;
use super::daily::Daily;
use super::life::{Judged, Life};
use super::rhythm::{Rhythm, Scale};
use super::slots::Slots;
use super::step::Step;
use super::{Change, Episode, Kind, Read, Setting, Signal};

/// A longer gap without flow says no more than this many dry slots.
const DRY_AT_MOST: i64 = 72;
/// What was held for a burst and ended by itself within this time was use: a pool, a garden, a tank.
const USE: i64 = 12 * 3_600;

/// All that is remembered of one meter: under 500 bytes, nothing on the heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    pub(super) reads: Option<Reads>,
    pub(super) rhythm: Rhythm,
    pub(super) judge: Judge,
    pub(super) life: Option<Life>,
}

/// Up to where the reads were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// The read with which the last slot ended.
    pub(super) settled: Point,
    /// The moment of the newest one.
    pub(super) newest: i64,
}

/// How a meter is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all meters are of the larger kind, and none is moved about"
)]
pub enum Judge {
    /// By the hour, or by six hours.
    Slots(Slots),
    /// By the day.
    Days(Daily),
}

impl Default for Judge {
    fn default() -> Self {
        Self::of(Scale::Hour)
    }
}

impl Judge {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Day => Self::Days(Daily::default()),
            Scale::Hour | Scale::SixHours => Self::Slots(Slots::of(scale)),
        }
    }

    fn scale(&self) -> Scale {
        match self {
            Self::Slots(slots) => slots.scale,
            Self::Days(_) => Scale::Day,
        }
    }
}

impl Meter {
    /// Takes the next read of the path, and says what it changed.
    ///
    /// A read that is not newer than the newest one changes nothing: late reads are judged by [`super::replay`].
    pub fn read(&mut self, read: Read, setting: &Setting<'_>) -> Vec<Signal> {
        let mut signals = Vec::new();
        let point = Point { at: read.at, register: read.register };
        let begin = Reads { settled: point, newest: point.at };
        let Some(Reads { settled, newest }) = self.reads else {
            self.reads = Some(begin);
            return signals;
        };
        if point.at <= newest {
            return signals;
        }
        self.rhythm.hear(point.at - newest, self.judge.scale());
        let scale = self.rhythm.scale(setting.resolution);
        if scale != self.judge.scale() {
            self.judge = Judge::of(scale);
        }
        if !read.joined {
            self.reads = Some(begin);
            return signals;
        }
        let step = Step::between(settled, point, setting);
        if step.seconds() >= self.rhythm.least(scale) {
            self.reads = Some(begin);
            self.settle(&step, setting, &mut signals);
        } else {
            self.reads = Some(Reads { settled, newest: point.at });
            self.glance(&step, setting, &mut signals);
        }
        signals
    }

    /// The moment of the newest read, seconds since the epoch.
    pub fn newest(&self) -> Option<i64> {
        self.reads.map(|reads| reads.newest)
    }

    /// The present episode: one that runs, or that stopped less than two weeks ago.
    pub fn episode(&self) -> Option<Episode> {
        self.life.as_ref().map(Life::episode)
    }

    /// The slots in which it is judged.
    pub fn scale(&self) -> Scale {
        self.judge.scale()
    }

    fn running(&self) -> Option<Life> {
        self.life.filter(Life::runs)
    }

    /// Looks at a slot that is not over: only a burst cannot wait.
    fn glance(&mut self, step: &Step, setting: &Setting<'_>, signals: &mut Vec<Signal>) {
        let Judge::Slots(slots) = &self.judge else {
            return;
        };
        // As if nothing came after what flowed so far.
        let flow = u32::try_from(step.volume / i64::from(slots.scale.hours())).unwrap_or(u32::MAX);
        let is_known = self.running().is_some_and(|life| life.kind() == Kind::Burst);
        if step.quiet || is_known {
            return;
        }
        if let Some(found) = slots.burst(step, flow, setting) {
            self.live(&Judged::at_once(step.until, found), signals);
        }
    }

    /// Judges a slot, or the slots of a gap.
    fn settle(&mut self, step: &Step, setting: &Setting<'_>, signals: &mut Vec<Signal>) {
        let slots = self.judge.scale().slots(step.seconds());
        match &mut self.judge {
            Judge::Slots(judge) if step.quiet => judge.skip(slots),
            Judge::Days(_) if step.quiet => {}
            Judge::Days(daily) => {
                let judged = daily.judge(step, slots);
                self.live(&judged, signals);
            }
            // A gap without flow is so many dry slots.
            Judge::Slots(_) if step.is_dry() => {
                for step in step.split(slots.min(DRY_AT_MOST)) {
                    self.judge(&step, 1, setting, signals);
                }
            }
            Judge::Slots(_) => self.judge(step, slots, setting, signals),
        }
    }

    fn judge(&mut self, step: &Step, slots: i64, setting: &Setting<'_>, signals: &mut Vec<Signal>) {
        let running = self.running();
        if let Judge::Slots(judge) = &mut self.judge {
            let judged = judge.judge(step, slots, setting, running.as_ref());
            self.live(&judged, signals);
        }
    }

    fn live(&mut self, judged: &Judged, signals: &mut Vec<Signal>) {
        let before = signals.len();
        Life::live(&mut self.life, judged, signals);
        let Judge::Slots(slots) = &mut self.judge else {
            return;
        };
        for Signal { change, episode, .. } in &signals[before..] {
            let is_burst = episode.kind == Kind::Burst;
            match change {
                Change::Stopped => {
                    // What spoke for it is over; what else there is has to speak for itself.
                    slots.bank = Bank::default();
                    if is_burst && episode.until - episode.since <= USE {
                        slots.peaks.learn(u32::try_from(episode.rate).unwrap_or(u32::MAX));
                    }
                }
                Change::Opened | Change::Worse | Change::Returned if is_burst => slots.peaks.forget_today(),
                Change::Opened | Change::Worse | Change::Returned | Change::Grew | Change::Closed => {}
            }
        }
    }
}
