//! Whether water really flowed all the time, by a rule that shares nothing with the detector.
//!
//! In homes that nobody touched, most of what opens has hours of constant flow: a cistern that runs, a tap left open. Whether
//! that is a leak nobody can say any more, but it is no false alarm of a rule that looks for constant flow. So openings are
//! counted with and without such a plateau.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "flows are compared, nothing is billed by them"
)]

use super::home::Home;

/// From so long before an opening to so long after, seconds.
const BEFORE: i64 = 72 * 3_600;
const AFTER: i64 = 24 * 3_600;
/// Of so many steps in a row the least so many must be alike, the rest may hold use besides.
const STEPS: usize = 8;
const ALIKE: usize = 6;
/// Alike means within so many litres an hour (whole litres are off by one either way), or within this share.
const WITHIN: (f64, f64) = (2.2, 0.2);
/// Litres an hour.
const LEAST: f64 = 2.0;

/// Whether a plateau of constant flow lies around a moment.
pub fn is_near(home: &Home, at: i64) -> bool {
    let reads = home.between(at - BEFORE, at + AFTER);
    let steps = reads.windows(2).filter(|pair| pair[1].joined);
    let flows: Vec<f64> = steps
        .map(|pair| (pair[1].register - pair[0].register) as f64 * 3.6 / (pair[1].at - pair[0].at) as f64)
        .collect();
    flows.windows(STEPS).any(|flows| {
        let mut flows = flows.to_vec();
        flows.sort_by(f64::total_cmp);
        flows[0] >= LEAST && flows[ALIKE - 1] - flows[0] <= WITHIN.0.max(WITHIN.1 * flows[0])
    })
}

/// In how many of how many moments, four days apart, a plateau is near: what the label says by chance.
pub fn by_chance(homes: &[Home]) -> (usize, usize) {
    let moments = homes.iter().flat_map(|home| {
        let (first, last) = home.span();
        (first + BEFORE..last).step_by(4 * 86_400).map(move |at| is_near(home, at))
    });
    moments.fold((0, 0), |(near, all), is_near| (near + usize::from(is_near), all + 1))
}
