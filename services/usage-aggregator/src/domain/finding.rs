//! What the reads of a day say about its meter that a person has to look at.

use indowater_common::domain::meter::Point;
use indowater_common::domain::path::Lead;
use indowater_common::domain::step::Kind;

/// The kinds of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// The register stepped back for good.
    Exchange,
    /// The register jumped up by more than the meter can pass, and went on from there.
    Jump,
    /// It goes on counting more than the meter can pass: its size or its unit is wrong in the registry.
    AboveCeiling,
}

impl FindingKind {
    const NAMES: [(Self, &str); 3] =
        [(Self::Exchange, "exchange"), (Self::Jump, "jump"), (Self::AboveCeiling, "above_ceiling")];

    /// Its name in documents and ids.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// A finding, and the reads that it lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub kind: FindingKind,
    /// The read before it.
    pub before: Point,
    /// The read after it.
    pub after: Point,
}

/// The findings of a day; usually none.
pub type Findings = Box<[Finding]>;

/// So many reads in a row above the ceiling are no single fault.
const IN_A_ROW: usize = 3;

impl Finding {
    /// What a step on the path has to be looked at for.
    pub fn of_step(kind: Kind, before: Point, after: Point) -> Option<Self> {
        let kind = match kind {
            Kind::Exchange => FindingKind::Exchange,
            Kind::Jump => FindingKind::Jump,
            Kind::Flow | Kind::Rollover | Kind::Backflow | Kind::KnownExchange => return None,
        };
        Some(Self { kind, before, after })
    }
}

/// Whether the reads of a day, and those they go on from, keep rising by more than the meter can pass; and by how much in the
/// day, millilitres.
pub fn above_ceiling(
    lead: &Lead,
    candidates: &[Point],
    is_jump: impl Fn(Point, Point) -> bool,
) -> Option<(Finding, i64)> {
    let earlier = lead.ends();
    let lowest = candidates.chunk_by(|a, b| a.at == b.at).map(|moment| moment[0]);
    let points: Vec<Point> = earlier.iter().copied().chain(lowest).collect();
    let (mut row, mut longest, mut unbilled) = (0, 0, 0);
    let (mut before, mut after) = (None, None);
    for pair in points.windows(2) {
        if !is_jump(pair[0], pair[1]) {
            row = 0;
            continue;
        }
        row += 1;
        longest = longest.max(row);
        before = before.or(Some(pair[0]));
        after = Some(pair[1]);
        if candidates.contains(&pair[1]) {
            unbilled += pair[1].register - pair[0].register;
        }
    }
    let (before, after) = before.zip(after)?;
    let finding = Finding { kind: FindingKind::AboveCeiling, before, after };
    (longest >= IN_A_ROW && unbilled > 0).then_some((finding, unbilled))
}
