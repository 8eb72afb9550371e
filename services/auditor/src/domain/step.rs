//! What the step of one meter's register from one moment to a later one means.

use super::facts::Meter;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Water flowed, or none.
    Flow,
    /// The register wrapped.
    Rollover,
    /// A little water flowed back.
    Backflow,
    /// The meter was exchanged, and the registry knows.
    KnownExchange,
    /// The register stepped back and nothing explains it.
    Exchange,
    /// More than the meter can pass.
    Ceiling,
}

/// A judged step, millilitres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub kind: Kind,
    /// The water in it; 0 where nobody knows.
    pub volume: i128,
    /// By how much the register differs.
    pub difference: i128,
}

impl Step {
    /// Whether one meter can have made it.
    pub fn is_plausible(&self) -> bool {
        !matches!(self.kind, Kind::Exchange | Kind::Ceiling)
    }

    /// Whether it is unknown how its water lies in time.
    pub fn is_unknown(&self) -> bool {
        !self.is_plausible() || self.kind == Kind::KnownExchange
    }
}

const HOUR: i128 = 3_600;
const DAY: i128 = 86_400;
const LITRE: i128 = 1_000;

/// Judges a step of one meter that took so many seconds, more than none.
pub fn judge(meter: &Meter, resolution: i128, seconds: i64, from: i128, to: i128) -> Step {
    let seconds = i128::from(seconds);
    let difference = to - from;
    let step = |kind, volume| Step { kind, volume, difference };
    // 1.1 x Q4 = 1.1 x 1.25 x Q3 = 11/8 x Q3.
    let ceiling = divided_up(meter.q3 * LITRE * seconds * 11, 8 * HOUR) + resolution;
    if difference >= 0 {
        return if difference <= ceiling { step(Kind::Flow, difference) } else { step(Kind::Ceiling, 0) };
    }
    if from * 10 > meter.wrap * 9 && difference + meter.wrap <= ceiling {
        return step(Kind::Rollover, difference + meter.wrap);
    }
    // Q1 = Q3 / 160, for a day at most.
    let by_time = divided_up(meter.q3 * LITRE * seconds.min(DAY), 160 * HOUR);
    let backflow = (10 * LITRE).max(resolution).max(by_time);
    if -difference <= backflow { step(Kind::Backflow, difference) } else { step(Kind::Exchange, 0) }
}

fn divided_up(what: i128, by: i128) -> i128 {
    (what + by - 1) / by
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUSEHOLD: Meter = Meter { count: 1_000, wrap: 100_000_000_000, resolution: 0, q3: 2_500 };

    fn kind(meter: &Meter, resolution: i128, seconds: i64, from: i128, to: i128) -> (Kind, i128) {
        let step = judge(meter, resolution, seconds, from, to);
        (step.kind, step.volume)
    }

    /// Numbers by hand: 2,500 L/h x 11/8 = 3,437.5 L in an hour; Q1 is 15.625 L/h, 375 L in a day.
    #[test]
    fn every_bound_is_where_it_should_be() {
        let litre = |litres: i128| litres * 1_000;
        for (case, seconds, from, to, expected) in [
            ("nothing", 3_600, litre(5), litre(5), (Kind::Flow, 0)),
            ("the ceiling and a count", 3_600, 0, 3_438_500, (Kind::Flow, 3_438_500)),
            ("above it", 3_600, 0, 3_438_501, (Kind::Ceiling, 0)),
            ("one second, rounded up: 955 mL and a count", 1, 0, 1_955, (Kind::Flow, 1_955)),
            ("above that", 1, 0, 1_956, (Kind::Ceiling, 0)),
            ("wrap", 3_600, litre(99_999_900), litre(60), (Kind::Rollover, litre(160))),
            ("not full enough to wrap", 3_600, litre(90_000_000), litre(60), (Kind::Exchange, 0)),
            ("10 L back in a second", 1, litre(20), litre(10), (Kind::Backflow, -litre(10))),
            ("more", 1, litre(20), litre(10) - 1, (Kind::Exchange, 0)),
            ("375 L back in a day", 86_400, litre(500), litre(125), (Kind::Backflow, -litre(375))),
            ("no more in a month", 30 * 86_400, litre(500), litre(125) - 1, (Kind::Exchange, 0)),
        ] {
            assert_eq!(kind(&HOUSEHOLD, 1_000, seconds, from, to), expected, "{case}");
        }
        assert_eq!(kind(&HOUSEHOLD, 1_000_000, 900, 0, litre(1_000)), (Kind::Flow, litre(1_000)));
        assert_eq!(
            kind(&HOUSEHOLD, 1_000_000, 900, litre(2_000), litre(1_000)),
            (Kind::Backflow, -litre(1_000))
        );
    }
}
