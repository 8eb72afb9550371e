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
}

/// The path through `candidates`, which are in order of time, and of one moment in order of the register.
///
/// A chain that is behind the best one by what an impossible step costs on the day of the newest read is given up: whatever
/// goes on from its end can as well break away from the best.
pub fn path(candidates: &[(i64, i128)], rules: &Rules<'_>) -> Vec<Point> {
    let point = |place: usize| Point { at: candidates[place].0, register: candidates[place].1 };
    let mut best: Vec<Best> = Vec::with_capacity(candidates.len());
    let mut alive: Vec<usize> = Vec::new();
    let mut highest = i64::MIN;
    for place in 0..candidates.len() {
        let to = point(place);
        let cost = READ * rules.days()[rules.place(to.at)].reads_of_a_break + 1;
        let mut found: Option<(i64, usize)> = None;
        for earlier in alive.iter().copied().filter(|earlier| point(*earlier).at < to.at) {
            let step = rules.step(point(earlier), to);
            let value = READ + best[earlier].score - if step.is_plausible() { 0 } else { cost };
            let is_better = found.is_none_or(|(most, other)| {
                let (new, old) = (point(earlier), point(other));
                value > most
                    || (value == most
                        && (new.at > old.at || (new.at == old.at && new.register < old.register)))
            });
            if is_better {
                found = Some((value, earlier));
            }
        }
        let (score, parent) = match found {
            Some((value, earlier)) if value >= LATE_BEGIN => (value, Some(earlier)),
            Some(_) => (LATE_BEGIN, None),
            None => (READ, None),
        };
        best.push(Best { score, parent });
        alive.push(place);
        highest = highest.max(score);
        alive.retain(|place| best[*place].score > highest - cost);
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
