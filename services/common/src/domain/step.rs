//! What the step from one read of a register to a later one means, by what the meter can do.
//!
//! Registers, volumes and resolutions are millilitres throughout, whatever unit a meter counts in: a connection keeps its
//! water when its meter is exchanged for one that counts finer.

use super::meter::{Point, Unit};

/// What a meter can count and pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MeterFacts {
    /// What its register counts.
    pub unit: Unit,
    /// Where the register wraps, millilitres.
    pub wraps_at: i64,
    /// The step in which it counts, millilitres: at least one count of its unit.
    pub resolution: i64,
    /// Permanent flow rate Q3, litres per hour (ISO 4064-1; a household meter has 2,500).
    pub q3_litres_per_hour: u32,
}

/// What happened between two reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Water flowed, or none.
    Flow,
    /// The register wrapped.
    Rollover,
    /// A little water flowed back.
    Backflow,
    /// The meter was exchanged as the registry says.
    KnownExchange,
    /// The register stepped back and nothing explains it: a reset or an unknown exchange. Not billed.
    Exchange,
    /// More than the meter can pass: a fault, or an unknown exchange for a meter that stands higher. Not billed.
    Jump,
}

impl Kind {
    /// Whether one meter can have shown both reads, in that order.
    pub const fn is_plausible(self) -> bool {
        !matches!(self, Self::Exchange | Self::Jump)
    }
}

/// The judged step between two reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What happened.
    pub kind: Kind,
    /// Millilitres to account for: negative for backflow, zero where the jump is not billed.
    pub volume: i64,
}

/// Backflow below this, in millilitres, is a meter's ordinary wobble (Kamstrup; the real data's median is one litre).
const WOBBLE: i128 = 10_000;
/// Q3 / Q1 of an ordinary household meter: R160 (ISO 4064-1).
const Q3_TO_Q1: i128 = 160;
const HOUR: i128 = 3_600;
/// A leak runs backwards for a day at most before somebody's meter shows it; over a longer gap no more is believed.
const LONGEST_BACKFLOW: i128 = 24 * HOUR;

impl MeterFacts {
    /// Whether its register can show this.
    pub const fn can_show(&self, register: i64) -> bool {
        0 <= register && register < self.wraps_at
    }

    /// Judges the step from one read to a later one (`to.at >= from.at`). `learned` is the step in which the register was
    /// seen to count, millilitres, where nobody said it.
    ///
    /// Rules and numbers: the overload flow Q4 = 1.25 x Q3 with a tenth of allowance bounds what can pass (MID, EN 14154),
    /// and one step of the register more, for it shows whole steps; a step back from above nine tenths of the capacity to a
    /// plausible volume is a rollover; a step back of at most max(10 L, one step of the register, Q1 x min(time, 24 h)) is
    /// backflow; any other step is not one meter's.
    pub fn step(&self, from: Point, to: Point, learned: i64) -> Step {
        let seconds = i128::from(to.at) - i128::from(from.at);
        let difference = i128::from(to.register) - i128::from(from.register);
        let resolution = i128::from(self.resolution.max(learned));
        // 1.25 x 1.1 = 11 / 8.
        let ceiling = self.passed(seconds * 11, 8) + resolution;
        if difference >= 0 {
            let kind = if difference <= ceiling { Kind::Flow } else { Kind::Jump };
            return judged(kind, difference);
        }
        let capacity = i128::from(self.wraps_at);
        let wrapped = difference + capacity;
        let backflow = self.passed(seconds.min(LONGEST_BACKFLOW), Q3_TO_Q1).max(WOBBLE).max(resolution);
        if i128::from(from.register) * 10 > capacity * 9 && wrapped <= ceiling {
            judged(Kind::Rollover, wrapped)
        } else if -difference <= backflow {
            judged(Kind::Backflow, difference)
        } else {
            judged(Kind::Exchange, 0)
        }
    }

    /// Millilitres that Q3 / `share` passes in so many seconds, rounded up.
    fn passed(&self, seconds: i128, share: i128) -> i128 {
        let volume = i128::from(self.q3_litres_per_hour) * 1_000 * seconds;
        (volume + HOUR * share - 1) / (HOUR * share)
    }
}

fn judged(kind: Kind, volume: i128) -> Step {
    // What is plausible is bounded by the capacity, which fits; what is not is not billed.
    let volume = if kind.is_plausible() { i64::try_from(volume).unwrap_or(0) } else { 0 };
    Step { kind, volume }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const L: i64 = 1_000;
    const HOUSEHOLD: MeterFacts =
        MeterFacts { unit: Unit::Litre, wraps_at: 100_000_000 * L, resolution: L, q3_litres_per_hour: 2_500 };

    /// Times in seconds, registers in litres.
    fn step(from: (i64, i64), to: (i64, i64)) -> (Kind, i64) {
        let point = |(at, litres)| Point { at, register: litres * L };
        let Step { kind, volume } = HOUSEHOLD.step(point(from), point(to), 0);
        (kind, volume / L)
    }

    #[test]
    fn steps_mean_what_the_meter_can_do() {
        const DAY: i64 = 86_400;
        for (case, from, to, expected) in [
            ("an hour of water", (0, 100), (3_600, 150), (Kind::Flow, 50)),
            ("none", (0, 100), (3_600, 100), (Kind::Flow, 0)),
            // 2.5 m3/h x 1.25 x 1.1 = 3,437.5 L in an hour, and a count.
            ("the ceiling", (0, 0), (3_600, 3_438), (Kind::Flow, 3_438)),
            ("above the ceiling", (0, 0), (3_600, 3_439), (Kind::Jump, 0)),
            ("a full register", (0, 99_999_900), (3_600, 60), (Kind::Rollover, 160)),
            ("a full register that lands too far", (0, 99_999_900), (3_600, 50_000), (Kind::Exchange, 0)),
            ("a litre back", (0, 500), (3_600, 499), (Kind::Backflow, -1)),
            ("ten litres back in a minute", (0, 500), (60, 490), (Kind::Backflow, -10)),
            ("more than ten in a minute", (0, 500), (60, 489), (Kind::Exchange, 0)),
            // Q1 = 2,500 / 160 = 15.6 L/h: 375 L in a day.
            ("a day's backflow", (0, 500), (DAY, 125), (Kind::Backflow, -375)),
            ("a month's backflow is no more", (0, 20_000), (30 * DAY, 19_625), (Kind::Backflow, -375)),
            ("eleven m3 back in a month", (0, 20_000), (30 * DAY, 9_000), (Kind::Exchange, 0)),
            ("a jump back", (0, 300_000), (3_600, 51_480), (Kind::Exchange, 0)),
        ] {
            assert_eq!(step(from, to), expected, "{case}");
        }
    }

    #[test]
    fn a_coarse_register_is_allowed_one_step() {
        let coarse = MeterFacts { resolution: 1_000 * L, ..HOUSEHOLD };
        let at = |at, litres| Point { at, register: litres * L };
        let quarter = |meter: &MeterFacts, learned| meter.step(at(0, 12_000), at(900, 13_000), learned);
        assert_eq!(quarter(&HOUSEHOLD, 0).kind, Kind::Jump);
        assert_eq!(quarter(&coarse, 0), Step { kind: Kind::Flow, volume: 1_000 * L });
        assert_eq!(quarter(&HOUSEHOLD, 1_000 * L), quarter(&coarse, 0));
        assert_eq!(coarse.step(at(0, 12_000), at(900, 11_000), 0).kind, Kind::Backflow);
    }

    #[test]
    fn a_register_wraps_where_its_meter_says() {
        let radio = MeterFacts { wraps_at: (1 << 24) * L, ..HOUSEHOLD };
        let at = |at, litres| Point { at, register: litres * L };
        let step = radio.step(at(0, (1 << 24) - 10), at(3_600, 25), 0);
        assert_eq!(step, Step { kind: Kind::Rollover, volume: 35 * L });
        assert!(!radio.can_show((1 << 24) * L) && radio.can_show(0) && !radio.can_show(-1));
    }

    proptest! {
        /// Whatever stands in two reads, the volume is bounded by what the meter can pass, and nothing panics.
        #[test]
        fn no_step_bills_more_than_the_meter_can_pass(
            seconds in 1_i64..400 * 86_400, from in 0_i64..100_000_000, to in 0_i64..100_000_000,
        ) {
            let (_, litres) = step((0, from), (seconds, to));
            prop_assert!(litres <= 2_500 * 11 * seconds / (8 * 3_600) + 2);
            prop_assert!(litres >= -375);
        }
    }
}
