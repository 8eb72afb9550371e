//! What the registry says of a connection, by the local day from which on it holds.
//!
//! A day is judged and charged by what was in force on it, whenever its reads or the facts themselves arrived. So the
//! timeline is whole wherever it goes, and of two timelines the one of the higher version counts for all days.

use std::sync::Arc;

use super::meter::Point;
use super::step::{Kind, MeterFacts, Step};
use super::zone::{Day, Zone};

/// Who has the water of a day, and how it is charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `users.id`.
    pub customer_id: Box<str>,
    /// `properties.id`.
    pub property_id: Box<str>,
    /// Tariff class.
    pub tariff_class: Box<str>,
    /// Whether the water is charged for.
    pub billable: bool,
}

/// One meter out, another one in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Seconds since the epoch.
    pub at: i64,
    /// The old meter's last register, millilitres.
    pub final_register: i64,
    /// The new meter's first register, millilitres.
    pub initial_register: i64,
}

/// What holds from a day on, until the next period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// First local day; [`BEGINNING`] in the first period.
    pub from: Day,
    /// Who has the water.
    pub owner: Arc<Owner>,
    /// The meter; where the period begins with an exchange, from the moment of it on.
    pub meter: MeterFacts,
    /// The exchange with which it begins.
    pub exchange: Option<Exchange>,
}

/// The first day of what has held from the beginning.
pub const BEGINNING: Day = Day(i32::MIN);

/// What holds from when on, oldest first. There is at least one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Version of the registry entry.
    pub version: i64,
    /// Reads from before this moment count for nothing.
    pub installed_at: i64,
    first: Period,
    later: Box<[Period]>,
}

impl Timeline {
    /// A timeline of periods by rising day; `first` holds from the beginning, whatever day it says.
    pub fn new(version: i64, installed_at: Option<i64>, first: Period, later: Vec<Period>) -> Self {
        let first = Period { from: BEGINNING, exchange: None, ..first };
        Self { version, installed_at: installed_at.unwrap_or(i64::MIN), first, later: later.into() }
    }

    /// The periods, oldest first.
    pub fn periods(&self) -> impl DoubleEndedIterator<Item = &Period> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// The period of a local day.
    pub fn on(&self, day: Day) -> &Period {
        self.later.iter().rev().find(|period| period.from <= day).unwrap_or(&self.first)
    }

    /// The period that holds now, or will.
    pub fn newest(&self) -> &Period {
        self.later.last().unwrap_or(&self.first)
    }

    /// The meter at a moment: that of its day's period; on the day of an exchange, of the period before until then.
    pub fn meter_at(&self, at: i64, zone: &Zone) -> &MeterFacts {
        if self.later.is_empty() {
            return &self.first.meter;
        }
        let day = zone.day_of(at);
        let holds =
            |period: &&Period| period.from <= day && period.exchange.is_none_or(|exchange| exchange.at <= at);
        self.later.iter().rev().find(holds).map_or(&self.first.meter, |period| &period.meter)
    }

    /// Judges the step between two reads, exchanges in between included. `learned` as in [`MeterFacts::step`].
    ///
    /// An exchange that the registry knows is no jump: the water is what the old meter counted up to its last register and
    /// the new one from its first on; a part that its meter cannot have counted brings nothing.
    pub fn step(&self, from: Point, to: Point, learned: i64, zone: &Zone) -> Step {
        let between = |exchange: &Exchange| from.at < exchange.at && exchange.at <= to.at;
        let mut exchanges = self.later.iter().filter_map(|period| period.exchange).filter(between).peekable();
        if exchanges.peek().is_none() {
            return self.meter_at(to.at, zone).step(from, to, learned);
        }
        let part = |at, a: Point, b: Point| {
            if a.at == b.at { 0 } else { self.meter_at(at, zone).step(a, b, learned).volume }
        };
        let (mut volume, mut begin) = (0, from);
        for Exchange { at, final_register, initial_register } in exchanges {
            volume += part(at - 1, begin, Point { at, register: final_register });
            begin = Point { at, register: initial_register };
        }
        Step { kind: Kind::KnownExchange, volume: volume + part(to.at, begin, to) }
    }

    /// The first day on which two timelines say something different; none if they say the same.
    pub fn differs_from(&self, other: &Self, zone: &Zone) -> Option<Day> {
        let moved = (self.installed_at != other.installed_at).then(|| {
            let earlier = self.installed_at.min(other.installed_at);
            if earlier == i64::MIN { BEGINNING } else { zone.day_of(earlier) }
        });
        let days = self.periods().chain(other.periods()).map(|period| period.from);
        let same = |day: Day| {
            let (a, b) = (self.on(day), other.on(day));
            // An exchange counts on the day it begins a period.
            let exchange = |period: &Period| period.exchange.filter(|_| period.from == day);
            a.owner == b.owner && a.meter == b.meter && exchange(a) == exchange(b)
        };
        days.filter(|day| !same(*day)).chain(moved).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::meter::Unit;
    use super::*;

    const L: i64 = 1_000;

    fn meter(unit: Unit) -> MeterFacts {
        MeterFacts {
            unit,
            wraps_at: 100_000_000 * L,
            resolution: unit.millilitres(1),
            q3_litres_per_hour: 2_500,
        }
    }

    fn period(from: Day, customer: &str, exchange: Option<Exchange>) -> Period {
        let owner = Owner {
            customer_id: customer.into(),
            property_id: "property-1".into(),
            tariff_class: "household-middle-1".into(),
            billable: true,
        };
        let unit = if exchange.is_some() { Unit::Millilitre } else { Unit::Litre };
        Period { from, owner: Arc::new(owner), meter: meter(unit), exchange }
    }

    fn jakarta() -> Zone {
        Zone::named("Asia/Jakarta").unwrap()
    }

    #[test]
    fn a_day_takes_what_held_on_it() {
        let day = Day(20_000);
        let later = vec![period(day, "b", None), period(Day(20_010), "c", None)];
        let timeline = Timeline::new(3, None, period(BEGINNING, "a", None), later);
        let who = |day| timeline.on(day).owner.customer_id.to_string();
        let found = [Day(0), Day(19_999), day, Day(20_009), Day(20_010), Day(30_000)].map(who);
        assert_eq!(found, ["a", "a", "b", "b", "c", "c"]);
    }

    #[test]
    fn an_exchanged_meter_counts_from_its_moment_on() {
        let (zone, day) = (jakarta(), Day(20_000));
        let noon = zone.start_of(day) + 12 * 3_600;
        let exchange = Exchange { at: noon, final_register: 1_050 * L, initial_register: 3 * L };
        let timeline =
            Timeline::new(1, None, period(BEGINNING, "a", None), vec![period(day, "a", Some(exchange))]);
        assert_eq!(timeline.meter_at(noon - 1, &zone).unit, Unit::Litre);
        assert_eq!(timeline.meter_at(noon, &zone).unit, Unit::Millilitre);
        let at = |seconds, litres| Point { at: noon + seconds, register: litres * L };
        let step = timeline.step(at(-3_600, 1_000), at(3_600, 23), 0, &zone);
        assert_eq!(step, Step { kind: Kind::KnownExchange, volume: 70 * L });
        // The final register can be no water of an hour: only the new meter's part counts.
        let step = timeline.step(at(-3_600, 900_000), at(3_600, 23), 0, &zone);
        assert_eq!(step.volume, 20 * L);
        assert_eq!(timeline.step(at(0, 3), at(60, 4), 0, &zone).kind, Kind::Flow);
    }

    #[test]
    fn the_first_difference_is_found() {
        let (zone, day) = (jakarta(), Day(20_000));
        let one = Timeline::new(1, None, period(BEGINNING, "a", None), vec![]);
        let moved = Timeline::new(2, None, period(BEGINNING, "a", None), vec![period(day, "b", None)]);
        let corrected = Timeline::new(3, None, period(BEGINNING, "c", None), vec![period(day, "b", None)]);
        let installed = Timeline { installed_at: 20_100 * 86_400, ..one.clone() };
        assert_eq!(one.differs_from(&Timeline { version: 9, ..one.clone() }, &zone), None);
        assert_eq!(one.differs_from(&moved, &zone), Some(day));
        assert_eq!(moved.differs_from(&corrected, &zone), Some(BEGINNING));
        assert_eq!(one.differs_from(&installed, &zone), Some(BEGINNING));
        let later = Timeline { installed_at: 20_200 * 86_400, ..one };
        assert_eq!(later.differs_from(&installed, &zone), Some(Day(20_100)));
    }
}
