//! How often findings like this one were leaks.

use super::Kind;

/// The share of findings of a kind that are leaks, in thousandths: what evaluation says, as if of twenty findings, and what
/// people found since of this kind, confirmed (a repair, a technician) or rejected ("not a leak").
pub fn confidence(kind: Kind, confirmed: u32, rejected: u32) -> u16 {
    let expected = expected(kind);
    let (confirmed, rejected) = (u64::from(confirmed), u64::from(rejected));
    let share =
        (PRIOR_FINDINGS * u64::from(expected) + 1_000 * confirmed) / (PRIOR_FINDINGS + confirmed + rejected);
    u16::try_from(share).unwrap_or(1_000)
}

/// As many findings of one's own weigh as much as what was expected.
const PRIOR_FINDINGS: u64 = 20;

/// What to expect before anybody answered, in thousandths: the share of leaks among findings of the kind in real homes if one
/// home in a hundred begins to leak a month, where water that ran for hours at a constant rate is taken for a leak
/// (`indowater evaluate leaks`, README). Bursts are rare and gardens are not; guests look like a valve that sticks.
const fn expected(kind: Kind) -> u16 {
    match kind {
        Kind::Constant | Kind::Pausing | Kind::Growing => 900,
        // Where nobody is, hardly anything else draws water; not measured.
        Kind::Drip | Kind::WhileAway => 800,
        Kind::Cyclic | Kind::Burst => 300,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_outweigh_what_was_expected() {
        assert_eq!(confidence(Kind::Constant, 0, 0), 900);
        // As many answers as the expectation weighs count for half.
        assert_eq!(confidence(Kind::Cyclic, 20, 0), 650);
        assert_eq!(confidence(Kind::Constant, 0, 20), 450);
        assert!(confidence(Kind::Burst, 500, 0) > 950 && confidence(Kind::Drip, 0, 500) < 50);
        assert_eq!(confidence(Kind::Burst, u32::MAX, 0), 999);
    }
}
