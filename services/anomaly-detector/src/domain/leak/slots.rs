//! Meters that are known by the hour, or by six hours.

use super::bank::{Bank, Seen};
use super::burst::Peaks;
use super::find;
use super::habit::Habit;
use super::law::{self, Odds};
use super::life::{Found, Judged, Life};
use super::recent::Recent;
use super::rhythm::Scale;
use super::step::Step;
use super::{Kind, Setting};

/// The longest gap, in slots, whose sum is weighed: a longer one holds so much use that a leak does not show in it.
const WEIGHED: i64 = 6;
/// A burst is judged against the meter's own peaks, so these must be known for some days.
const KNOWN_DAYS: u16 = 3;
/// Fitful leaks are weighed once the habit is known for so many days: before, any home that is busier than most seems to have
/// one.
const FITFUL_DAYS: u16 = 21;
/// What a factory or a shop usually draws is known only once it was seen for two working weeks; a household nobody knows says
/// nothing of it.
const OTHERS_DAYS: u16 = 14;
/// And the least share of its slots that is dry if it rests at all: an hour a day.
const RESTS: f32 = 1.0 / 24.0;
/// What flows in an empty home is told from this volume on, millilitres, and from two counts of the register.
const WHILE_AWAY: i64 = 2_000;

/// What is known of a meter's slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// How long they are.
    pub(super) scale: Scale,
    /// What is usual.
    pub(super) habit: Habit,
    /// What speaks for a leak.
    pub(super) bank: Bank,
    /// The last ones.
    pub(super) recent: Recent,
    /// The greatest ones.
    pub(super) peaks: Peaks,
}

impl Slots {
    /// Nothing is known.
    pub fn of(scale: Scale) -> Self {
        Self { scale, ..Self::default() }
    }

    /// Passes over slots of which nothing is to be said.
    pub fn skip(&mut self, slots: i64) {
        self.recent.unknown(u8::try_from(slots).unwrap_or(u8::MAX));
        self.habit.spoil();
    }

    /// A burst in a slot that may not be over; `flow` is what it will have been at least, millilitres an hour.
    pub fn burst(&self, step: &Step, flow: u32, setting: &Setting<'_>) -> Option<Found> {
        let known_for = if setting.household { KNOWN_DAYS } else { OTHERS_DAYS };
        let is_burst = self.habit.days() >= known_for
            && self.peaks.is_burst(flow, self.is_night(step, setting), setting.household);
        is_burst.then_some(Found { kind: Kind::Burst, rate: flow, since: step.from, lost: step.volume })
    }

    fn is_night(&self, step: &Step, setting: &Setting<'_>) -> bool {
        self.scale == Scale::Hour && step.local(setting).1 == 0
    }

    /// Judges a slot, or a gap of some slots, while the leak of `life` runs, if one does.
    pub fn judge(&mut self, step: &Step, slots: i64, setting: &Setting<'_>, life: Option<&Life>) -> Judged {
        let (today, quarter) = step.local(setting);
        if self.habit.is_over(today) {
            self.habit.turn(today, find::is_near(&self.bank));
            self.peaks.turn();
        }
        let flow = step.flow();
        if slots > 1 {
            // What ran so in a gap ran so in one slot after another.
            self.peaks.last = flow;
        }
        let burst = self.burst(step, flow, setting);
        if slots == 1 {
            self.habit.note(quarter, law::bin(step.litres()));
            let usual = life.is_none() && burst.is_none();
            self.peaks.note(flow, self.is_night(step, setting), usual);
        }
        if life.is_some() {
            self.habit.spoil();
        }
        let leaked = self.weigh(step, slots, quarter, setting, life);
        let is_away = step.away && step.volume >= WHILE_AWAY.max(2 * setting.resolution);
        let while_away = is_away.then_some(Found {
            kind: Kind::WhileAway,
            rate: flow,
            since: step.from,
            lost: step.volume,
        });
        let bank = || {
            let is_weighed = slots <= WEIGHED;
            is_weighed
                .then(|| {
                    find::find(
                        &self.bank,
                        &self.recent,
                        self.habit.dry(self.scale, setting.household),
                        self.scale,
                        step.until,
                    )
                })
                .flatten()
        };
        let found = burst.or(while_away).or_else(bank);
        let rate = life.map_or(0.0, |life| life.rate() as f32 / 1_000.0);
        Judged {
            at: step.until,
            // A gap that is not weighed says nothing of how long it has been calm.
            seconds: if slots <= WEIGHED { step.seconds() } else { 0 },
            steady_calm: find::is_steady_calm(&self.bank, rate),
            calm: find::is_calm(&self.bank, rate),
            found,
            flow,
            floor: (self.recent.floor(find::window(self.scale)) * 1_000.0) as u32,
            leaked: (leaked * 1_000.0) as i64,
        }
    }

    /// Whether it is known to rest, and so shows what runs through its rests. A factory that runs day and night has a flow of
    /// its own, and its hours do not say how much of it leaks.
    fn rests(&self) -> bool {
        self.habit.days() >= OTHERS_DAYS && self.habit.dry(self.scale, false) >= RESTS
    }

    /// What so many slots of this time of the day usually draw.
    pub fn usual(&self, step: &Step, slots: i64, setting: &Setting<'_>) -> Odds {
        let (_, quarter) = step.local(setting);
        let slots = slots.min(WEIGHED);
        self.habit
            .law(quarter, self.scale, setting.household)
            .times(slots)
            .odds(setting.resolution as f32 / 1_000.0)
    }

    /// Weighs it, and says what of it the running leak lost, litres.
    fn weigh(
        &mut self,
        step: &Step,
        slots: i64,
        quarter: usize,
        setting: &Setting<'_>,
        life: Option<&Life>,
    ) -> f32 {
        let few = u8::try_from(slots).unwrap_or(u8::MAX);
        let rate = life.map_or(0.0, |life| life.rate() as f32 / 1_000.0);
        if slots > WEIGHED {
            self.recent.unknown(few);
            return (rate * step.hours()).min(step.litres());
        }
        let (odds, night) = (self.usual(step, slots, setting), quarter == 0);
        let seen = Seen { odds: &odds, litres: step.litres(), hours: step.hours(), slots: few, night };
        if setting.household || self.rests() {
            self.bank.weigh(&seen, self.habit.days() >= FITFUL_DAYS);
        }
        let flow = if step.is_dry() { 0.0 } else { step.litres() / step.hours() };
        self.recent.judged(few, flow, self.scale);
        let is_cyclic = life.is_some_and(|life| life.kind() == Kind::Cyclic);
        let share = if is_cyclic { seen.share(rate) } else { 1.0 };
        (rate * step.hours() * share).min(step.litres())
    }
}
