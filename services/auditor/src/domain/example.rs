//! Meters and reads for tests.

use super::calendar::{Day, Zone};
use super::facts::{Entry, Facts, Meter};
use super::reads::Sent;

/// A midnight in Jakarta: 2026-03-01.
pub const MIDNIGHT: i64 = 1_772_298_000;
pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 86_400;

/// Litres, eight digits, Q3 2.5 m3/h.
pub const HOUSEHOLD: Meter = Meter { count: 1_000, wrap: 100_000_000_000, resolution: 0, q3: 2_500 };

pub fn entry(from: Option<&str>, meter: Meter) -> Entry {
    Entry {
        from: from.map(|day| Day::parse(day).unwrap()),
        customer: "c".to_owned(),
        property: "p".to_owned(),
        class: "household-middle-1".to_owned(),
        meter,
        billable: true,
        exchange: None,
    }
}

pub fn facts(entries: Vec<Entry>) -> Facts {
    Facts::new(Zone::named("Asia/Jakarta").unwrap(), None, entries).unwrap()
}

pub fn household() -> Facts {
    facts(vec![entry(None, HOUSEHOLD)])
}

/// A read so many seconds after [`MIDNIGHT`], in litres.
pub fn read(after: i64, litres: i128) -> Sent {
    Sent { at: MIDNIGHT + after, register: litres * 1_000, manual: false, assumed: false, corrected: false }
}

pub fn reads(points: &[(i64, i128)]) -> Vec<Sent> {
    points.iter().map(|(after, litres)| read(*after, *litres)).collect()
}
