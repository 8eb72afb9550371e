//! The path: of all reads those that one meter can have shown in that order.

use super::rules::{Point, Rules};

/// What a read is worth.
const READ: i64 = 64;
/// What a chain is worth that begins at a read with others before it: where both are as good, it is better to go on.
const LATE_BEGIN: i64 = READ - 1;

/// The best chain that ends at a candidate.
#[derive(Clone, Copy)]
struct Best {
    score: i64,
    parent: Option<usize>,
    /// The highest score of all candidates of this moment and earlier ones.
    highest: i64,
}

/// The path through `candidates`, which are in order of time, and of one moment in order of the register.
///
/// For every candidate all earlier ones are tried as the read before it, latest first. The search may stop where what is left
/// cannot score more than what was found; that changes nothing, for of equals the later one counts.
pub fn path(candidates: &[(i64, i128)], rules: &Rules<'_>) -> Vec<Point> {
    let point = |place: usize| Point { at: candidates[place].0, register: candidates[place].1 };
    let mut best: Vec<Best> = Vec::with_capacity(candidates.len());
    let mut moment_start = 0;
    for place in 0..candidates.len() {
        if candidates[place].0 != candidates[moment_start].0 {
            moment_start = place;
        }
        let (score, parent) = chain_to(place, moment_start, &point, &best, rules);
        let highest = best.last().map_or(score, |before| before.highest.max(score));
        best.push(Best { score, parent, highest });
    }
    let mut chain = Vec::new();
    let mut next = end_of(candidates, &best);
    while let Some(place) = next {
        chain.push(point(place));
        next = best[place].parent;
    }
    chain.reverse();
    chain
}

/// The score of the best chain that ends at a candidate, and the read before it in that chain.
fn chain_to(
    place: usize,
    moment_start: usize,
    point: &impl Fn(usize) -> Point,
    best: &[Best],
    rules: &Rules<'_>,
) -> (i64, Option<usize>) {
    let to = point(place);
    let cost = READ * rules.days()[rules.place(to.at)].reads_of_a_break + 1;
    let mut found: Option<(i64, usize)> = None;
    let mut moment_end = moment_start;
    while moment_end > 0 {
        // All candidates of one moment, the lower register first.
        let at = point(moment_end - 1).at;
        let mut first = moment_end - 1;
        while first > 0 && point(first - 1).at == at {
            first -= 1;
        }
        for (earlier, chain) in (first..).zip(&best[first..moment_end]) {
            let step = rules.step(point(earlier), to);
            let value = chain.score - if step.is_plausible() { 0 } else { cost };
            if found.is_none_or(|(most, _)| value > most) {
                found = Some((value, earlier));
            }
        }
        let left = first.checked_sub(1).map(|last| best[last].highest);
        if found.zip(left).is_some_and(|((most, _), left)| most >= left) {
            break;
        }
        moment_end = first;
    }
    match found {
        Some((value, earlier)) if READ + value >= LATE_BEGIN => (READ + value, Some(earlier)),
        Some(_) => (LATE_BEGIN, None),
        None => (READ, None),
    }
}

/// Where the path ends: at the latest moment among the candidates whose score, in whole reads, is the highest.
fn end_of(candidates: &[(i64, i128)], best: &[Best]) -> Option<usize> {
    let whole = |place: usize| (best[place].score + READ - 1).div_euclid(READ);
    let highest = (0..best.len()).map(whole).max()?;
    (0..best.len()).filter(|place| whole(*place) == highest).max_by(|a, b| {
        let later = candidates[*a].0.cmp(&candidates[*b].0);
        let better = best[*a].score.cmp(&best[*b].score);
        later.then(better).then(candidates[*b].1.cmp(&candidates[*a].1))
    })
}
