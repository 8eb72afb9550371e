//! What a meter can do, and so what the step from one read to the next means.
//!
//! A step is judged by its two reads and the meter's facts alone. That is what makes the daily figures depend on the
//! set of reads and on nothing else: whichever read comes last, the same neighbours are compared in the end.

use rust_decimal::Decimal;

/// What one count of a register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A litre, the usual household meter: m3 with three decimals.
    Litre,
    /// A millilitre: six decimals.
    Millilitre,
}

impl Unit {
    /// Counts in a litre.
    pub const fn per_litre(self) -> i64 {
        match self {
            Self::Litre => 1,
            Self::Millilitre => 1_000,
        }
    }

    /// A number of counts in cubic metres, exactly.
    pub fn cubic_metres(self, counts: i64) -> Decimal {
        let scale = match self {
            Self::Litre => 3,
            Self::Millilitre => 6,
        };
        Decimal::new(counts, scale)
    }

    /// A number of counts in millilitres, exactly (saturating, far beyond any register).
    pub const fn millilitres(self, counts: i64) -> i64 {
        counts.saturating_mul(1_000 / self.per_litre())
    }

    /// How it is written in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Litre => "litre",
            Self::Millilitre => "millilitre",
        }
    }

    /// The unit of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Litre, Self::Millilitre].into_iter().find(|unit| unit.name() == name)
    }
}

/// A cumulative register at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Point {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// Counts of the meter's unit.
    pub register: i64,
}

/// The facts of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Meter {
    /// What its register counts.
    pub unit: Unit,
    /// Digits of the register; it wraps at 10^digits. 1 to 18.
    pub digits: u32,
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
    /// The register stepped back and nothing explains it: the meter was reset or exchanged. Not billed.
    Exchange,
    /// More than the meter can pass: a fault, or an exchange for a meter that stands higher. Not billed.
    Ceiling,
}

/// The judged step between two reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What happened.
    pub kind: Kind,
    /// Counts to account for: negative for backflow, zero where the jump is not billed.
    pub volume: i64,
}

/// Backflow below this is a meter's ordinary wobble (Kamstrup; the real data's median is one litre).
const BACKFLOW_LITRES: i128 = 10;
/// Q3 / Q1 of an ordinary household meter: R160 (ISO 4064-1).
const Q3_TO_Q1: i128 = 160;
const HOUR: i128 = 3_600;

impl Meter {
    /// Where the register wraps.
    pub fn capacity(&self) -> i64 {
        10_i64.checked_pow(self.digits).unwrap_or(i64::MAX)
    }

    /// Whether a register can show this.
    pub fn can_show(&self, register: i64) -> bool {
        (0..self.capacity()).contains(&register)
    }

    /// Judges the step from one read to a later one (`to.at > from.at`).
    ///
    /// Rules and numbers: the overload flow Q4 = 1.25 x Q3 with a tenth of allowance bounds what can pass (MID,
    /// EN 14154); a step back from above nine tenths of the capacity to a plausible volume is a rollover; a step back
    /// of at most max(10 L, Q1 x time) is backflow; any other step back starts a new segment.
    pub fn step(&self, from: Point, to: Point) -> Step {
        let seconds = i128::from(to.at) - i128::from(from.at);
        let difference = i128::from(to.register) - i128::from(from.register);
        let capacity = i128::from(self.capacity());
        if difference >= 0 {
            return if difference <= self.ceiling(seconds) {
                Self::judged(Kind::Flow, difference)
            } else {
                Self::judged(Kind::Ceiling, 0)
            };
        }
        let wrapped = difference + capacity;
        if i128::from(from.register) * 10 > capacity * 9 && wrapped <= self.ceiling(seconds) {
            Self::judged(Kind::Rollover, wrapped)
        } else if -difference <= self.backflow(seconds) {
            Self::judged(Kind::Backflow, difference)
        } else {
            Self::judged(Kind::Exchange, 0)
        }
    }

    fn judged(kind: Kind, volume: i128) -> Step {
        // Every branch above is bounded by the capacity, which fits.
        Step { kind, volume: i64::try_from(volume).unwrap_or(0) }
    }

    /// Counts that can pass in so many seconds: Q4 x time x 1.1, Q4 = 1.25 x Q3; one count more, for a register shows
    /// whole counts.
    fn ceiling(&self, seconds: i128) -> i128 {
        // 1.25 x 1.1 = 11 / 8.
        self.at_flow(seconds * 11, 8) + 1
    }

    /// Counts that may run back: max(10 L, Q1 x time).
    fn backflow(&self, seconds: i128) -> i128 {
        let wobble = BACKFLOW_LITRES * i128::from(self.unit.per_litre());
        self.at_flow(seconds, Q3_TO_Q1).max(wobble)
    }

    /// Counts that Q3 / `share` passes, rounded up.
    fn at_flow(&self, seconds: i128, share: i128) -> i128 {
        let counts = i128::from(self.q3_litres_per_hour) * i128::from(self.unit.per_litre()) * seconds;
        (counts + HOUR * share - 1) / (HOUR * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUSEHOLD: Meter = Meter { unit: Unit::Litre, digits: 8, q3_litres_per_hour: 2_500 };

    fn step(from: (i64, i64), to: (i64, i64)) -> Step {
        HOUSEHOLD.step(Point { at: from.0, register: from.1 }, Point { at: to.0, register: to.1 })
    }

    #[test]
    fn an_hour_of_water_is_flow() {
        assert_eq!(step((0, 100), (3600, 150)), Step { kind: Kind::Flow, volume: 50 });
        assert_eq!(step((0, 100), (3600, 100)), Step { kind: Kind::Flow, volume: 0 });
    }

    #[test]
    fn the_physical_ceiling_is_q4_and_a_tenth() {
        // 2.5 m3/h x 1.25 x 1.1 = 3,437.5 L in an hour.
        assert_eq!(step((0, 0), (3600, 3_438)).kind, Kind::Flow);
        assert_eq!(step((0, 0), (3600, 3_440)), Step { kind: Kind::Ceiling, volume: 0 });
    }

    #[test]
    fn a_full_register_rolls_over() {
        let step = step((0, 99_999_900), (3600, 60));
        assert_eq!(step, Step { kind: Kind::Rollover, volume: 160 });
    }

    #[test]
    fn a_full_register_that_lands_too_far_was_exchanged() {
        assert_eq!(step((0, 99_999_900), (3600, 50_000)), Step { kind: Kind::Exchange, volume: 0 });
    }

    #[test]
    fn a_litre_back_is_backflow_and_counts_against_the_day() {
        assert_eq!(step((0, 500), (3600, 499)), Step { kind: Kind::Backflow, volume: -1 });
        assert_eq!(step((0, 500), (60, 490)), Step { kind: Kind::Backflow, volume: -10 });
        // Q1 = 2,500 / 160 = 15.6 L/h: over a day more may run back.
        assert_eq!(step((0, 500), (86_400, 200)).kind, Kind::Backflow);
    }

    #[test]
    fn a_jump_back_is_an_exchange_and_never_billed() {
        assert_eq!(step((0, 300_000), (3600, 51_480)), Step { kind: Kind::Exchange, volume: 0 });
    }

    #[test]
    fn millilitres_follow_the_same_rules() {
        let meter = Meter { unit: Unit::Millilitre, digits: 11, ..HOUSEHOLD };
        let at = |at, register| Point { at, register };
        assert_eq!(meter.step(at(0, 0), at(3600, 3_437_500)).kind, Kind::Flow);
        assert_eq!(meter.step(at(0, 0), at(3600, 3_437_502)).kind, Kind::Ceiling);
        assert_eq!(meter.step(at(0, 20_000), at(1, 10_000)).kind, Kind::Backflow);
    }

    proptest! {
        /// Whatever stands in two reads, the volume is bounded by what the meter can pass, and never panics.
        #[test]
        fn no_step_bills_more_than_the_meter_can_pass(
            seconds in 1_i64..400 * 86_400, from in 0_i64..100_000_000, to in 0_i64..100_000_000,
        ) {
            let step = step((0, from), (seconds, to));
            let most = 2_500 * 11 * seconds / (8 * 3_600) + 2;
            prop_assert!(step.volume <= most);
            prop_assert!(step.volume >= -(10.max(2_500 * seconds / (160 * 3_600) + 1)));
        }
    }
}
