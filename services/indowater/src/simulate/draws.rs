//! How people, shops and factories draw water: a stochastic model of single draws (a flush, a shower, a laundry load, an
//! hour of a process), seeded, with plausible litres, durations and hours of the day.
//!
//! A flat random register would hide what the pipeline is for: nights without flow, morning peaks, closed Sundays, dry
//! seasons, shifts. Every draw has a start, a length and a volume, so a register read at any moment follows from it, and
//! the reads of a meter agree however often it is read. Hourly shapes are relative weights; volumes follow Indonesian
//! habits (bathing twice a day, 120 to 150 litres a person and day).

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "chance is real-valued; what leaves this module is whole seconds and millilitres"
)]

use jiff::civil::{DateTime, Weekday};
use rand::{Rng, RngExt as _};

/// What stands behind a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A home.
    Household {
        /// Who lives there.
        people: u32,
    },
    /// A shop, an office, a restaurant.
    Commercial {
        /// Hour of the day at which it opens.
        opens: i8,
        /// Hour of the day at which it closes.
        closes: i8,
        /// Visitors and staff who use water in an ordinary open hour.
        visitors: u32,
    },
    /// A factory.
    Industrial {
        /// Shifts of eight hours on a weekday, 1 to 3; the first begins at six.
        shifts: u32,
        /// What its process takes while a shift works.
        litres_per_hour: u32,
    },
}

/// Water drawn at one tap, at a constant flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Seconds from the start of the hour in which it begins.
    pub start: u32,
    /// How long it lasts, 1 s to an hour; it may reach into the next hour.
    pub seconds: u32,
    /// How much it takes in all.
    pub millilitres: u64,
}

/// The longest draw.
pub const LONGEST: u32 = 3_600;

impl Profile {
    /// Permanent flow rate of the meter that suits it, in litres per hour (ISO 4064 series).
    pub fn q3_litres_per_hour(&self) -> u32 {
        match self {
            Self::Household { .. } => 2_500,
            Self::Commercial { .. } => 6_300,
            Self::Industrial { .. } => 16_000,
        }
    }

    /// The draws that begin in the local hour that starts at `hour`.
    pub fn draws(&self, hour: DateTime, rng: &mut impl Rng) -> Vec<Draw> {
        let mut draws = Vec::new();
        match *self {
            Self::Household { people } => household(people, hour, rng, &mut draws),
            Self::Commercial { opens, closes, visitors } => {
                commercial((opens..closes).contains(&hour.hour()), visitors, hour, rng, &mut draws);
                // Cleaning, before the first visitor and after the last.
                if works(hour) && (hour.hour() == opens - 1 || hour.hour() == closes) {
                    draws.push(draw(CLEANING_SHOP, rng));
                }
            }
            Self::Industrial { shifts, litres_per_hour } => {
                industrial(shifts, f64::from(litres_per_hour), hour, rng, &mut draws);
            }
        }
        let quarter = u64::from(self.q3_litres_per_hour()) / 4;
        draws.iter_mut().for_each(|draw| draw.throttle(quarter));
        draws
    }
}

impl Draw {
    /// What of it has flowed `seconds` after its start.
    pub fn poured(&self, seconds: u64) -> u64 {
        self.millilitres * seconds.min(u64::from(self.seconds)) / u64::from(self.seconds)
    }

    /// One tap never takes more than its pipe gives: a longer draw, or, past an hour, a smaller one.
    fn throttle(&mut self, litres_per_hour: u64) {
        let needed = (self.millilitres * 3_600).div_ceil(litres_per_hour * 1_000);
        self.seconds = self.seconds.max(u32::try_from(needed).unwrap_or(LONGEST)).clamp(1, LONGEST);
        self.millilitres = self.millilitres.min(litres_per_hour * 1_000);
    }
}

/// A triangular distribution: least, most likely, most.
type Span = (f64, f64, f64);

#[derive(Clone, Copy)]
struct Use {
    litres: Span,
    seconds: Span,
}

/// A use of water that people make so many times a day, at hours of their liking.
struct Habit {
    what: Use,
    /// Times a day.
    per_day: f64,
    /// For each person, or for the home as a whole.
    each: bool,
    /// More often on Saturdays and Sundays.
    weekend: f64,
    /// More often from May to October.
    dry_season: f64,
    /// Relative weight of each hour of the day.
    hours: [u16; 24],
}

const fn uses(litres: Span, seconds: Span) -> Use {
    Use { litres, seconds }
}

const HABITS: [Habit; 6] = [
    // Flushing.
    Habit {
        what: uses((3.0, 6.0, 9.0), (30.0, 60.0, 120.0)),
        per_day: 5.0,
        each: true,
        weekend: 1.15,
        dry_season: 1.0,
        hours: [2, 1, 1, 1, 4, 14, 16, 10, 6, 5, 5, 6, 7, 5, 5, 6, 8, 9, 10, 10, 9, 8, 6, 3],
    },
    // Bathing, morning and late afternoon.
    Habit {
        what: uses((15.0, 28.0, 45.0), (240.0, 360.0, 720.0)),
        per_day: 1.9,
        each: true,
        weekend: 1.0,
        dry_season: 1.15,
        hours: [0, 0, 0, 0, 5, 26, 28, 10, 4, 2, 1, 1, 1, 1, 3, 8, 18, 20, 10, 6, 4, 2, 1, 0],
    },
    // Hands, cooking, drinking, ablution.
    Habit {
        what: uses((0.5, 1.5, 4.0), (12.0, 25.0, 90.0)),
        per_day: 8.0,
        each: true,
        weekend: 1.2,
        dry_season: 1.05,
        hours: [1, 0, 0, 0, 10, 12, 12, 9, 7, 6, 7, 9, 12, 7, 6, 9, 8, 10, 12, 9, 6, 4, 2, 1],
    },
    // Dishes.
    Habit {
        what: uses((6.0, 12.0, 25.0), (180.0, 400.0, 900.0)),
        per_day: 0.6,
        each: true,
        weekend: 1.15,
        dry_season: 1.0,
        hours: [0, 0, 0, 0, 0, 2, 8, 10, 6, 3, 2, 2, 6, 10, 4, 2, 2, 4, 8, 12, 8, 3, 1, 0],
    },
    // Laundry.
    Habit {
        what: uses((40.0, 60.0, 110.0), (1_800.0, 2_700.0, 3_300.0)),
        per_day: 0.22,
        each: true,
        weekend: 1.6,
        dry_season: 1.0,
        hours: [0, 0, 0, 0, 0, 2, 10, 16, 16, 12, 8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 1, 0, 0, 0],
    },
    // The garden, the yard, the motorbike.
    Habit {
        what: uses((20.0, 50.0, 120.0), (300.0, 900.0, 1_800.0)),
        per_day: 0.2,
        each: false,
        weekend: 1.5,
        dry_season: 3.5,
        hours: [0, 0, 0, 0, 0, 2, 12, 10, 4, 1, 0, 0, 0, 0, 0, 4, 14, 12, 2, 0, 0, 0, 0, 0],
    },
];

const VISIT: Use = uses((3.0, 7.0, 12.0), (60.0, 90.0, 180.0));
const COOLING: Use = uses((15.0, 50.0, 110.0), (900.0, 1_800.0, 3_600.0));
const CLEANING_SHOP: Use = uses((80.0, 150.0, 300.0), (1_200.0, 1_800.0, 2_400.0));
/// Visitors by hour, in percent of an ordinary hour.
const VISITORS: [u16; 24] =
    [30, 20, 10, 10, 20, 30, 50, 70, 80, 90, 100, 130, 160, 130, 90, 80, 90, 110, 130, 120, 100, 80, 60, 40];

fn household(people: u32, hour: DateTime, rng: &mut impl Rng, draws: &mut Vec<Draw>) {
    // On free days people rise an hour later.
    let free = is_weekend(hour);
    let of_day =
        usize::try_from(if free && hour.hour() < 12 { (hour.hour() - 1).max(0) } else { hour.hour() });
    let of_day = of_day.unwrap_or_default();
    for habit in &HABITS {
        let all: u16 = habit.hours.iter().sum();
        let share = f64::from(habit.hours[of_day]) / f64::from(all);
        let heads = if habit.each { f64::from(people) } else { 1.0 };
        let day = if free { habit.weekend } else { 1.0 };
        let season = if is_dry(hour) { habit.dry_season } else { 1.0 };
        for _ in 0..poisson(habit.per_day * heads * share * day * season, rng) {
            draws.push(draw(habit.what, rng));
        }
    }
}

fn commercial(open: bool, visitors: u32, hour: DateTime, rng: &mut impl Rng, draws: &mut Vec<Draw>) {
    if !open || !works(hour) {
        return;
    }
    let busy = f64::from(VISITORS[usize::try_from(hour.hour()).unwrap_or_default()]) / 100.0;
    let day = if hour.date().weekday() == Weekday::Saturday { 1.3 } else { 1.0 };
    for _ in 0..poisson(f64::from(visitors) * busy * day, rng) {
        draws.push(draw(VISIT, rng));
    }
    if is_dry(hour) || rng.random_bool(0.4) {
        draws.push(draw(COOLING, rng));
    }
}

fn industrial(shifts: u32, litres_per_hour: f64, hour: DateTime, rng: &mut impl Rng, draws: &mut Vec<Draw>) {
    let shifts = match hour.date().weekday() {
        Weekday::Sunday => 0,
        Weekday::Saturday => 1,
        _ => shifts,
    };
    // The working day runs from six to six; its third shift belongs to the evening it began in.
    let since_six = u32::try_from((hour.hour() + 18) % 24).unwrap_or_default();
    let (working, first_hour) = (since_six / 8 < shifts, since_six % 8 == 0);
    let season = if is_dry(hour) { 1.1 } else { 1.0 };
    let load = if working { triangular((0.75, 1.0, 1.25), rng) } else { triangular((0.01, 0.02, 0.04), rng) };
    draws.push(Draw {
        start: 0,
        seconds: LONGEST,
        millilitres: millilitres(litres_per_hour * load * season),
    });
    if working && first_hour {
        let litres = litres_per_hour * triangular((0.4, 0.7, 1.2), rng);
        draws.push(Draw {
            start: rng.random_range(0..900),
            seconds: rng.random_range(1_800..=2_700),
            millilitres: millilitres(litres),
        });
    }
}

fn draw(what: Use, rng: &mut impl Rng) -> Draw {
    Draw {
        start: rng.random_range(0..3_600),
        seconds: triangular(what.seconds, rng).round() as u32,
        millilitres: millilitres(triangular(what.litres, rng)),
    }
}

fn millilitres(litres: f64) -> u64 {
    (litres * 1_000.0).round() as u64
}

fn is_weekend(hour: DateTime) -> bool {
    matches!(hour.date().weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Shops and offices rest on Sundays.
fn works(hour: DateTime) -> bool {
    hour.date().weekday() != Weekday::Sunday
}

/// The dry season of most of the archipelago: May to October.
fn is_dry(hour: DateTime) -> bool {
    (5..=10).contains(&hour.month())
}

/// How many events come in a while that has `mean` of them on average (Knuth).
fn poisson(mean: f64, rng: &mut impl Rng) -> u32 {
    let limit = (-mean).exp();
    let (mut events, mut product) = (0, rng.random::<f64>());
    while product > limit {
        events += 1;
        product *= rng.random::<f64>();
    }
    events
}

fn triangular((least, likely, most): Span, rng: &mut impl Rng) -> f64 {
    let chance = rng.random::<f64>();
    let turn = (likely - least) / (most - least);
    if chance < turn {
        least + (chance * (most - least) * (likely - least)).sqrt()
    } else {
        most - ((1.0 - chance) * (most - least) * (most - likely)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan as _;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    const HOME: Profile = Profile::Household { people: 4 };
    const SHOP: Profile = Profile::Commercial { opens: 9, closes: 21, visitors: 20 };
    const FACTORY: Profile = Profile::Industrial { shifts: 2, litres_per_hour: 2_000 };

    /// Litres by hour, summed over `days` from `first` on.
    fn by_hour(profile: Profile, first: DateTime, days: i32) -> [u64; 24] {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut litres = [0; 24];
        for hour in 0..days * 24 {
            let hour = first.checked_add(hour.hours()).unwrap();
            let drawn: u64 = profile.draws(hour, &mut rng).iter().map(|d| d.millilitres).sum();
            litres[usize::try_from(hour.hour()).unwrap()] += drawn / 1_000;
        }
        litres
    }

    fn a_day(profile: Profile, first: DateTime, days: i32) -> u64 {
        by_hour(profile, first, days).iter().sum::<u64>() / u64::try_from(days).unwrap()
    }

    fn on(year: i16, month: i8, day: i8) -> DateTime {
        jiff::civil::date(year, month, day).at(0, 0, 0, 0)
    }

    #[test]
    fn a_home_of_four_takes_half_a_cubic_metre_a_day_and_little_at_night() {
        // Four weeks of the wet season.
        let hours = by_hour(HOME, on(2026, 1, 5), 28);
        let day = hours.iter().sum::<u64>() / 28;
        assert!((400..=620).contains(&day), "{day} L a day");
        let night: u64 = hours[1..4].iter().sum();
        assert!(night * 25 < hours.iter().sum::<u64>(), "the night takes {night} L of {hours:?}");
        assert!(hours[5] + hours[6] > 3 * (hours[13] + hours[14]), "the morning is no peak: {hours:?}");
    }

    #[test]
    fn most_night_hours_of_a_home_are_dry() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let night = on(2026, 1, 5).checked_add(2.hours()).unwrap();
        let dry = (0..1_000).filter(|_| HOME.draws(night, &mut rng).is_empty()).count();
        assert!((750..=950).contains(&dry), "{dry} of 1,000");
    }

    #[test]
    fn the_dry_season_takes_more() {
        for profile in [HOME, SHOP, FACTORY] {
            let (wet, dry) = (a_day(profile, on(2026, 1, 5), 56), a_day(profile, on(2026, 7, 6), 56));
            assert!(dry * 100 > wet * 104, "{profile:?}: {wet} L wet, {dry} L dry");
        }
    }

    #[test]
    fn a_shop_is_dry_when_it_is_closed() {
        let monday = by_hour(SHOP, on(2026, 1, 5), 1);
        assert_eq!(monday[..8], [0; 8]);
        assert_eq!(monday[22..], [0; 2]);
        let day: u64 = monday.iter().sum();
        assert!((1_200..=3_500).contains(&day), "{day} L on a Monday");
        assert_eq!(by_hour(SHOP, on(2026, 1, 4), 1), [0; 24], "Sunday");
    }

    #[test]
    fn a_factory_follows_its_shifts() {
        let monday = by_hour(FACTORY, on(2026, 1, 5), 1);
        let idle = monday[..6].iter().chain(&monday[22..]).max().unwrap();
        let busy = monday[6..22].iter().min().unwrap();
        assert!(busy > &1_400 && idle < &100, "{monday:?}");
        let sunday = a_day(FACTORY, on(2026, 1, 4), 1);
        assert!(sunday < 2_500, "{sunday} L on a Sunday");
    }

    #[test]
    fn no_draw_is_beyond_its_pipe() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for profile in [HOME, SHOP, FACTORY] {
            let quarter = u64::from(profile.q3_litres_per_hour()) / 4;
            for hour in 0..24 * 90 {
                for draw in profile.draws(on(2026, 5, 1).checked_add(hour.hours()).unwrap(), &mut rng) {
                    assert!(draw.seconds > 0 && draw.seconds <= LONGEST, "{draw:?}");
                    let flow = draw.millilitres * 3_600 / u64::from(draw.seconds) / 1_000;
                    assert!(flow <= quarter, "{profile:?} draws {flow} L/h: {draw:?}");
                    assert_eq!(draw.poured(u64::from(LONGEST) * 2), draw.millilitres);
                }
            }
        }
    }
}
