//! How often a meter reports, and so in which steps it is judged.

/// The length of a slot. A meter is judged by the hour where it can be; one that reports seldom, or whose register counts
/// so coarsely that a leak moves it only once in hours, by six hours or by the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scale {
    /// From a minute to an hour.
    #[default]
    Hour,
    /// Up to half a day, or registers of 10 L.
    SixHours,
    /// The rest.
    Day,
}

impl Scale {
    /// Length of a slot, seconds.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3_600,
            Self::SixHours => 6 * 3_600,
            Self::Day => 24 * 3_600,
        }
    }

    /// Length of a slot, hours.
    pub const fn hours(self) -> u8 {
        match self {
            Self::Hour => 1,
            Self::SixHours => 6,
            Self::Day => 24,
        }
    }

    /// How many slots so many seconds are, at least one.
    pub const fn slots(self, seconds: i64) -> i64 {
        let slots = (seconds + self.seconds() / 2) / self.seconds();
        if slots < 1 { 1 } else { slots }
    }

    /// The shortest slots in which reads so many seconds apart can be judged.
    const fn of_interval(seconds: i64) -> Self {
        match seconds {
            ..=7_200 => Self::Hour,
            7_201..=43_200 => Self::SixHours,
            _ => Self::Day,
        }
    }

    /// The shortest slots in which a leak of 5 L/h moves a register of this resolution (millilitres) more than once.
    const fn of_resolution(resolution: i64) -> Self {
        match resolution {
            ..5_000 => Self::Hour,
            5_000..50_000 => Self::SixHours,
            _ => Self::Day,
        }
    }
}

/// What is known of the distances of a meter's reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// The slots that suit them.
    pub(super) scale: Scale,
    /// How many of the last in a row suit other slots.
    pub(super) against: u8,
    /// How many of the last in a row were about a slot or longer.
    pub(super) long: u8,
}

/// So many in a row make a rhythm: what an outage or a batch of repeats does not.
const PROOF: u8 = 8;

impl Rhythm {
    /// Hears the distance between two reads, seconds; slots are of the length of `scale`.
    pub fn hear(&mut self, distance: i64, scale: Scale) {
        let heard = Scale::of_interval(distance);
        self.against = if heard == self.scale { 0 } else { self.against + 1 };
        self.long = if distance < early(scale) { 0 } else { self.long.saturating_add(1) };
        if self.against >= PROOF {
            *self = Self { scale: heard, ..Self::default() };
        }
    }

    /// The slots in which a register of this resolution (millilitres) is judged.
    pub fn scale(self, resolution: i64) -> Scale {
        self.scale.max(Scale::of_resolution(resolution))
    }

    /// How long a slot of `scale` is at least, seconds. Where every read ends a slot, clocks and radios may be
    /// early; where many fall into one, it is the last that ends it.
    pub fn least(self, scale: Scale) -> i64 {
        if self.long >= PROOF { early(scale) } else { scale.seconds() * 19 / 20 }
    }
}

/// What still is one slot of a meter that reports once in each.
const fn early(scale: Scale) -> i64 {
    scale.seconds() * 3 / 4
}
