//! What speaks for a leak: a bank of likelihood ratios, one for each rate a leak may have.
//!
//! Every slot adds to each score the logarithm of how much better "usual draw and a leak of this rate" explains it than
//! "usual draw" alone (Page's cumulative sum). Scores do not fall below zero, so that what was before a leak does not hide
//! it; a slot counts only so much, and a score is capped, so that one strange hour opens nothing and an old leak is
//! not believed in for ever.

use super::law::Odds;

/// Leaks that run all the time: 2 to 180 L/h.
pub const STEADY: usize = 18;
/// Leaks that run some of the time: 8 to 49 L/h. What drips now and then is not told from use.
pub const FITFUL: usize = 8;
/// The place of the least fitful rate among the steady ones.
const FITFUL_FROM: usize = 5;
/// The least rate, litres an hour. 2.1 puts the fourth at 4.6: what runs at 5 is found by a rate that is no drip.
pub const LEAST: f32 = 2.1;
/// From one rate to the next; half of the distance is bridged from either side.
const RATIO: f32 = 1.3;
const WITHIN: f32 = 0.13;

/// Scores are kept in so many parts of a nat.
const PARTS: f32 = 1_024.0;
/// What one slot can say, against and for, nats.
const SLOT: (f32, f32) = (-4.0, 2.5);
/// What a gap can say for a steady leak: busy hours come together, so their sum is no such proof. Of a fitful leak it says
/// nothing.
const GAP: f32 = 1.0;
/// The most a steady leak is believed in: half a dozen dry hours let go of it.
const STEADY_CAP: f32 = 18.0;
/// The most a fitful leak is believed in: its own rests must not end it.
const FITFUL_CAP: f32 = 48.0;
/// The most that nights are believed: a dry one or two after a repair let go of it.
const NIGHTS_CAP: f32 = 20.0;

/// One slot in twenty of a steady leak is as if there were none, for it pauses.
const PAUSES: f32 = 0.05;
/// How a fitful leak spends its slots: off and on; partly on in the rest.
const ALL_DAY: Mixture = Mixture { off: 0.3, on: 0.4 };
/// The same at night, where next to nothing else flows: even one that runs for some minutes in every other hour is seen.
const AT_NIGHT: Mixture = Mixture { off: 0.5, on: 0.15 };

#[derive(Clone, Copy)]
struct Mixture {
    off: f32,
    on: f32,
}

/// The scores of all rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bank {
    /// For leaks that run all the time.
    pub(super) steady: Scores<STEADY>,
    /// For leaks that run some of the time.
    pub(super) fitful: Scores<FITFUL>,
    /// For the same by the nights alone, when guests sleep as well.
    pub(super) nights: [u16; FITFUL],
}

impl Default for Bank {
    fn default() -> Self {
        Self { steady: Scores::ZERO, fitful: Scores::ZERO, nights: [0; FITFUL] }
    }
}

/// The scores of one way to leak, in [`PARTS`] of a nat, and for how many slots each has kept above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scores<const N: usize> {
    pub(super) parts: [u16; N],
    pub(super) ages: [u8; N],
}

/// The best of a bank.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Best {
    /// Litres an hour.
    pub rate: f32,
    /// Nats.
    pub score: f32,
    /// Slots since the score began to rise.
    pub age: u8,
}

/// A volume, and how likely it was.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What a slot (or a few together) usually draws.
    pub odds: &'a Odds,
    /// What was drawn.
    pub litres: f32,
    /// In how many hours.
    pub hours: f32,
    /// How many slots that was.
    pub slots: u8,
    /// Whether it was between midnight and six.
    pub night: bool,
}

impl Seen<'_> {
    /// How likely it is while a leak of this rate runs all the time.
    fn with(&self, rate: f32) -> f32 {
        let leaked = rate * self.hours;
        self.odds.with_leak(self.litres, leaked * (1.0 - WITHIN), leaked * (1.0 + WITHIN))
    }

    /// How likely it is while a leak of this rate runs for a part of the time.
    fn with_part(&self, rate: f32) -> f32 {
        self.odds.with_leak(self.litres, 0.0, rate * self.hours)
    }

    /// Nothing is impossible: what no household does would else weigh as an infinity.
    fn usual(&self) -> f32 {
        self.odds.usual(self.litres).max(1e-7)
    }

    fn steady(&self, rate: f32) -> f32 {
        let usual = self.usual();
        let ratio = (((1.0 - PAUSES) * self.with(rate) + PAUSES * usual) / usual).ln();
        if self.slots > 1 { ratio.min(GAP) } else { ratio }
    }

    fn fitful(&self, rate: f32, Mixture { off, on }: Mixture) -> f32 {
        let usual = self.usual();
        ((off * usual + on * self.with(rate) + (1.0 - off - on) * self.with_part(rate)) / usual).ln()
    }

    /// The share of it in which a fitful leak of this rate ran, as far as its volume tells.
    pub fn share(&self, rate: f32) -> f32 {
        let Mixture { off, on } = ALL_DAY;
        let (off, on, partly) =
            (off * self.usual(), on * self.with(rate), (1.0 - off - on) * self.with_part(rate));
        (on + partly / 2.0) / (off + on + partly)
    }
}

impl Bank {
    /// Weighs what was seen; for fitful leaks only where the habit is `known` well.
    pub fn weigh(&mut self, seen: &Seen<'_>, known: bool) {
        self.steady.add(seen.slots, STEADY_CAP, |place| seen.steady(rate(place)));
        if !known {
            return;
        }
        let is_gap = seen.slots > 1;
        let fitful = |place, mixture| {
            if is_gap { 0.0 } else { seen.fitful(rate(place + FITFUL_FROM), mixture) }
        };
        self.fitful.add(seen.slots, FITFUL_CAP, |place| fitful(place, ALL_DAY));
        if seen.night {
            for (place, score) in self.nights.iter_mut().enumerate() {
                *score = added(*score, NIGHTS_CAP, fitful(place, AT_NIGHT));
            }
        }
    }

    /// The best steady rate of those that were kept up for so many slots.
    pub fn steady(&self, least: u8) -> Best {
        self.steady.best(least, 0)
    }

    /// The best score of a steady rate of at least so many litres an hour, nats.
    pub fn steady_above(&self, least: f32) -> f32 {
        self.steady.above(least, 0)
    }

    /// The best score of a fitful rate of at least so many litres an hour, nats.
    pub fn fitful_above(&self, least: f32) -> f32 {
        self.fitful.above(least, FITFUL_FROM)
    }

    /// The best fitful rate of those that were kept up for so many slots.
    pub fn fitful(&self, least: u8) -> Best {
        self.fitful.best(least, FITFUL_FROM)
    }

    /// What the nights say of the fitful rate of which they say most, nats.
    pub fn nights(&self) -> f32 {
        f32::from(self.nights.into_iter().max().unwrap_or(0)) / PARTS
    }
}

impl<const N: usize> Scores<N> {
    const ZERO: Self = Self { parts: [0; N], ages: [0; N] };

    fn add(&mut self, slots: u8, cap: f32, ratio: impl Fn(usize) -> f32) {
        for place in 0..N {
            self.parts[place] = added(self.parts[place], cap, ratio(place));
            let age = self.ages[place].saturating_add(slots);
            self.ages[place] = if self.parts[place] == 0 { 0 } else { age };
        }
    }

    fn above(&self, least: f32, from: usize) -> f32 {
        // The greatest is always among them.
        let above = (0..N).filter(|place| *place == N - 1 || rate(place + from) >= least);
        f32::from(above.map(|place| self.parts[place]).max().unwrap_or(0)) / PARTS
    }

    fn best(&self, least: u8, from: usize) -> Best {
        let kept = (0..N).filter(|place| self.ages[*place] >= least.max(1));
        let best = kept.max_by_key(|place| (self.parts[*place], self.ages[*place]));
        best.map_or(Best::default(), |place| Best {
            rate: rate(place + from),
            score: f32::from(self.parts[place]) / PARTS,
            age: self.ages[place],
        })
    }
}

/// Litres an hour.
fn rate(place: usize) -> f32 {
    LEAST * RATIO.powi(i32::try_from(place).unwrap_or(0))
}

/// A score after one more ratio.
fn added(parts: u16, cap: f32, ratio: f32) -> u16 {
    let score = f32::from(parts) / PARTS + ratio.clamp(SLOT.0, SLOT.1);
    (score.clamp(0.0, cap) * PARTS).round() as u16
}
