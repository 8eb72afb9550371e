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

/// What to expect before anybody answered, in thousandths.
const fn expected(kind: Kind) -> u16 {
    match kind {
        Kind::Constant | Kind::Pausing | Kind::Growing => 930,
        Kind::Burst | Kind::WhileAway => 800,
        Kind::Cyclic => 700,
        Kind::Drip => 600,
    }
}
