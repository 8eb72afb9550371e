//! How likely a volume is: a share of dry slots, and a density over bins of wet ones.

/// Bins of wet volumes.
pub const WET: usize = 15;

/// Their edges in litres: fine where leaks of a few litres an hour hide, then coarser by a factor of about 1.4. Below the
/// first edge a slot is dry; halves, for a register of whole litres shows no others.
const EDGES: [f32; WET + 1] =
    [0.5, 1.5, 2.5, 4.5, 6.5, 9.5, 13.5, 19.5, 28.5, 42.5, 64.5, 100.5, 160.5, 270.5, 480.5, 1000.5];

/// In which bin a volume is: `None` for dry. What is beyond all bins is in the last.
pub fn bin(litres: f32) -> Option<usize> {
    (litres >= EDGES[0]).then(|| EDGES[1..WET].partition_point(|edge| *edge <= litres))
}

/// What a slot may draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// The probability that it is dry.
    pub dry: f32,
    /// The probability of each bin.
    pub wet: [f32; WET],
}

impl Law {
    const EMPTY: Self = Self { dry: 0.0, wet: [0.0; WET] };

    /// A mixture: `weight` of this one and the rest of the other.
    pub fn mixed(&self, weight: f32, other: &Self) -> Self {
        let mix = |own: f32, other: f32| weight * own + (1.0 - weight) * other;
        Self {
            dry: mix(self.dry, other.dry),
            wet: std::array::from_fn(|bin| mix(self.wet[bin], other.wet[bin])),
        }
    }

    /// What two independent slots draw together.
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = Self { dry: self.dry * other.dry, ..Self::EMPTY };
        for one in 0..WET {
            sum.wet[one] += self.dry * other.wet[one] + self.wet[one] * other.dry;
            for two in 0..WET {
                let mass = self.wet[one] * other.wet[two];
                // Nobody would see what is thinner.
                if mass > 1e-7 {
                    sum.spread(mass, EDGES[one] + EDGES[two], EDGES[one + 1] + EDGES[two + 1]);
                }
            }
        }
        sum
    }

    /// What so many independent slots of this law draw together.
    pub fn times(&self, slots: i64) -> Self {
        (1..slots).fold(*self, |sum, _| sum.plus(self))
    }

    /// Adds `mass`, spread evenly over the litres between `from` and `to`.
    fn spread(&mut self, mass: f32, from: f32, to: f32) {
        let (mut low, mut bin) = (from, EDGES[1..WET].partition_point(|edge| *edge <= from));
        while low < to {
            let high = if bin == WET - 1 { to } else { to.min(EDGES[bin + 1]) };
            self.wet[bin] += mass * (high - low) / (to - from);
            (low, bin) = (high, bin + 1);
        }
    }

    /// The same, ready to be asked of volumes that are known to so many litres.
    pub fn odds(&self, resolution: f32) -> Odds {
        let mut below = [0.0; WET + 1];
        for bin in 0..WET {
            below[bin + 1] = below[bin] + self.wet[bin];
        }
        Odds { dry: self.dry, below, half: resolution.max(1.0) / 2.0 }
    }
}

/// A [`Law`] as its distribution function.
#[derive(Clone, Copy, Debug)]
pub struct Odds {
    dry: f32,
    /// Wet mass below each edge.
    below: [f32; WET + 1],
    /// Half of what one count of the register is, litres.
    half: f32,
}

impl Odds {
    /// Wet mass below a volume.
    fn below(&self, litres: f32) -> f32 {
        if litres <= EDGES[0] {
            return 0.0;
        }
        let bin = EDGES[1..WET].partition_point(|edge| *edge <= litres);
        let part = ((litres - EDGES[bin]) / (EDGES[bin + 1] - EDGES[bin])).min(1.0);
        self.below[bin] + part * (self.below[bin + 1] - self.below[bin])
    }

    /// How likely the volume is without a leak: a probability for dry slots, a density for wet ones.
    pub fn usual(&self, litres: f32) -> f32 {
        if litres < EDGES[0] {
            return self.dry;
        }
        // What is beyond all bins is as likely as what is just within.
        let litres = litres.min(EDGES[WET] - self.half);
        (self.below(litres + self.half) - self.below(litres - self.half)) / (2.0 * self.half)
    }

    /// How likely it is with a leak that adds between `least` and `most` litres, all of them equally likely.
    pub fn with_leak(&self, litres: f32, least: f32, most: f32) -> f32 {
        let (least, most) = (least - self.half, most + self.half);
        let width = most - least;
        if litres < EDGES[0] {
            // A dry slot has room for next to nothing.
            return self.dry * ((EDGES[0] - least.max(0.0)) / width).clamp(0.0, 1.0);
        }
        let alone = if least <= litres && litres <= most { self.dry } else { 0.0 };
        let litres = litres.min(EDGES[WET] + least);
        (alone + self.below(litres - least) - self.below(litres - most)) / width
    }

    /// The volume that a share of slots does not exceed, litres.
    pub fn quantile(&self, share: f32) -> f32 {
        let wanted = share - self.dry;
        if wanted <= 0.0 {
            return 0.0;
        }
        let bin = self.below[1..WET].partition_point(|mass| *mass <= wanted);
        let mass = self.below[bin + 1] - self.below[bin];
        let part = if mass > 0.0 { ((wanted - self.below[bin]) / mass).clamp(0.0, 1.0) } else { 1.0 };
        EDGES[bin] + part * (EDGES[bin + 1] - EDGES[bin])
    }

    /// The share of dry slots.
    pub fn dry(&self) -> f32 {
        self.dry
    }
}

/// A household of whom nothing is known yet: of the hours in each quarter of its day (from midnight, six, noon and six
/// on) this share is dry, and the wet ones are lognormal around a median of so many litres.
///
/// Basis: in most homes four of five night hours are dry, and about half of all; a wet hour holds one to a few uses, of
/// which a flush takes 6 L and a shower 50 L.
const HOUSEHOLD: [(f32, f32); 4] = [(0.80, 7.0), (0.40, 14.0), (0.42, 14.0), (0.40, 14.0)];
/// Standard deviation of the logarithm of a wet hour's volume: one wet hour in a hundred takes more than 250 L.
const SPREAD: f32 = 1.25;

/// What an hour of an unknown household draws, by quarter of the day.
pub fn household() -> [Law; 4] {
    HOUSEHOLD.map(|(dry, median)| {
        let shares: [f32; WET] = std::array::from_fn(|bin| {
            let distance = ((EDGES[bin] * EDGES[bin + 1]).sqrt() / median).ln() / SPREAD;
            (-0.5 * distance * distance).exp() * (EDGES[bin + 1] / EDGES[bin]).ln()
        });
        let all: f32 = shares.iter().sum();
        Law { dry, wet: shares.map(|share| (1.0 - dry) * share / all) }
    })
}

/// What a slot of anything but a household draws before it was seen: any volume as well as any other by its magnitude.
pub const ANYTHING: Law = Law { dry: 1.0 / (WET + 1) as f32, wet: [1.0 / (WET + 1) as f32; WET] };
