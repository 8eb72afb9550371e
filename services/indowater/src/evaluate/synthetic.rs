//! A set of homes by seed, for machines that have no data: the tool's own households, with absences and a garden.

use indowater_common::domain::meter::Point;
use indowater_common::domain::zone::Zone;
use jiff::civil::DateTime;
use jiff::{Span, civil};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::home::Home;
use crate::simulate::draws::{Draw, LONGEST, Profile};

/// So many homes of one to six people, each with hourly reads of so many days from the first of March 2026 on.
pub fn homes(count: u64, days: i64, seed: u64) -> Vec<Home> {
    let zone = Zone::named("Asia/Jakarta").unwrap_or(Zone::utc());
    (0..count).map(|number| home(number, days, seed, &zone)).collect()
}

fn home(number: u64, days: i64, seed: u64, zone: &Zone) -> Home {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003) ^ number);
    let profile = Profile::Household { people: rng.random_range(1..=6) };
    let begin = civil::date(2026, 3, 1).at(0, 0, 0, 0);
    let since = zone.start_of(indowater_common::domain::zone::Day::of(begin.date()));
    // Each home is away for a weekend to two weeks, once.
    let leaves = rng.random_range(0..days);
    let away = leaves..leaves + rng.random_range(2..=14);
    // Radios report at their own minute, and not on the second.
    let minute = rng.random_range(0..3_600_i64);
    let (mut poured, mut running): (u64, Vec<(i64, Draw)>) = (0, Vec::new());
    let mut points = Vec::new();
    for hour in 0..days * 24 {
        let wall: DateTime = begin.saturating_add(Span::new().hours(hour));
        let from = since + hour * 3_600;
        if !away.contains(&(hour / 24)) {
            let draws = profile.draws(wall, &mut rng).into_iter();
            running.extend(draws.map(|draw| (from + i64::from(draw.start), draw)));
        }
        let at = from + minute + rng.random_range(-20..=20);
        let so_far = |(start, draw): &(i64, Draw)| draw.poured(u64::try_from(at - start).unwrap_or(0));
        let millilitres = poured + running.iter().map(so_far).sum::<u64>();
        let litres = i64::try_from(millilitres / 1_000).unwrap_or(i64::MAX);
        points.push(Point { at, register: litres * 1_000 });
        let (over, on): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|(start, _)| start + i64::from(LONGEST) < from);
        poured += over.iter().map(|(_, draw)| draw.millilitres).sum::<u64>();
        running = on;
    }
    Home::of(&format!("home-{number}"), points, 1_000, zone)
}
