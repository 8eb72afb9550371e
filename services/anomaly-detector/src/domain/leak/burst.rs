//! Bursts: far more in an hour or two than this meter ever took.

/// The most that a meter took, millilitres an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most {
    /// In one slot.
    pub(super) one: u32,
    /// In each of two slots after each other.
    pub(super) two: u32,
    /// In a slot between midnight and six.
    pub(super) night: u32,
}

/// What a meter took on the days before, as far as it is remembered, and today: a burst is not its own measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    pub(super) known: Most,
    pub(super) today: Most,
    /// The flow of the slot before.
    pub(super) last: u32,
}

/// More than any bath, less than most broken pipes, millilitres an hour: a tub is filled with 200 to 300 L, and what runs at
/// 1,000 L/h must be told with the first whole hour of it.
const ONE: u32 = 900_000;
/// What hardly anybody draws for two hours, or at night; what runs at 300 L/h must be told with the second whole hour.
const TWO: u32 = 290_000;

/// How far above its own peaks a burst is, in tenths.
const ABOVE: u32 = 12;

impl Most {
    fn raise(&mut self, other: Self) {
        self.one = self.one.max(other.one);
        self.two = self.two.max(other.two);
        self.night = self.night.max(other.night);
    }
}

impl Peaks {
    /// Whether a flow, millilitres an hour, after the slot before it, is a burst. Baths say nothing of what is no `household`.
    pub fn is_burst(&self, flow: u32, night: bool, household: bool) -> bool {
        let two = if household { TWO } else { ONE };
        let above = |peak: u32, least: u32| (peak / 10).saturating_mul(ABOVE).max(least);
        flow >= above(self.known.one, ONE)
            || flow.min(self.last) >= above(self.known.two, two)
            || night && flow >= above(self.known.night, two)
    }

    /// Notes a whole slot; those of a burst only as what came before the next one.
    pub fn note(&mut self, flow: u32, night: bool, usual: bool) {
        if usual {
            self.today.raise(Most {
                one: flow,
                two: flow.min(self.last),
                night: if night { flow } else { 0 },
            });
        }
        self.last = flow;
    }

    /// A day passed: today is known, and peaks fade by a hundredth, so that a pool that was filled once is forgotten within
    /// a season.
    pub fn turn(&mut self) {
        for peak in [&mut self.known.one, &mut self.known.two, &mut self.known.night] {
            *peak -= *peak / 100;
        }
        self.known.raise(std::mem::take(&mut self.today));
    }

    /// A burst begins: what led to it was no use.
    pub fn forget_today(&mut self) {
        self.today = Most::default();
    }

    /// What was held for a burst went away by itself within hours: it was use.
    pub fn learn(&mut self, flow: u32) {
        self.known.raise(Most { one: flow, two: flow, night: 0 });
    }
}
