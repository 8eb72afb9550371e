//! Holding the daily records against the oracle, device by device.
//!
//! The system may run while it is audited. Then a record is right if it is what the reads give up to *some* message among
//! those that may or may not have been applied when it was read; all others must be applied.

use std::collections::BTreeMap;

use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::Day;
use rust_decimal::Decimal;

use super::oracle::{Course, Device, Figures, cubic_metres, days};

/// A daily record as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Net volume, counts.
    pub volume: i64,
    /// The same in cubic metres.
    pub consumption: Decimal,
    /// Rupiah.
    pub cost: Decimal,
}

/// What the audit of a device found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audited {
    /// Days that were compared.
    pub days: u64,
    /// Days that cannot be: reads they follow from are not in the topic any more.
    pub skipped: u64,
    /// Days that are wrong, and how.
    pub wrong_days: Vec<(Day, String)>,
    /// How the sum of the days misses the registers, if it does.
    pub wrong_sum: Option<String>,
}

/// Audits one device. `whole` says that the topic still holds all of its reads.
pub fn audit(device: &Device, stored: &BTreeMap<Day, Stored>, whole: bool, tariffs: &TariffBook) -> Audited {
    let mut audited = Audited::default();
    let candidates: Vec<BTreeMap<Day, Figures>> = std::iter::once(device.settled)
        .chain(device.unsettled.iter().copied())
        .map(|count| days(device, count, tariffs))
        .collect();
    let from = first_checked(device, whole);
    let all: std::collections::BTreeSet<Day> =
        stored.keys().copied().chain(candidates.iter().flat_map(|days| days.keys().copied())).collect();
    for day in all {
        if day < from {
            audited.skipped += 1;
            continue;
        }
        audited.days += 1;
        if let Some(wrong) = compare(device, stored.get(&day), candidates.iter().map(|days| days.get(&day))) {
            audited.wrong_days.push((day, wrong));
        }
    }
    audited.wrong_sum = compare_sum(device, stored, from);
    audited
}

/// Where reads are gone, the rest of the first month lacks the volume before it, and so its costs their block.
fn first_checked(device: &Device, whole: bool) -> Day {
    let first = device.reads.iter().map(|read| read.at).min();
    match first.map(|at| device.zone.day_of(at)) {
        Some(day) if !whole => Day::of(day.date().last_of_month()).next(),
        _ => Day(i32::MIN),
    }
}

/// How a stored day differs from every candidate; `None` if it is like one of them.
fn compare<'a>(
    device: &Device,
    stored: Option<&Stored>,
    candidates: impl Iterator<Item = Option<&'a Figures>>,
) -> Option<String> {
    let is_like = |figures: &Figures, stored: &Stored| {
        stored.volume == figures.volume
            && stored.cost == figures.cost
            && stored.consumption == cubic_metres(figures.volume, device.meter.per_litre)
    };
    let mut last = None;
    for candidate in candidates {
        match (stored, candidate) {
            (None, None) => return None,
            (Some(stored), Some(figures)) if is_like(figures, stored) => return None,
            _ => last = candidate,
        }
    }
    let said = |figures: &Figures| {
        format!(
            "{} m3 for Rp {}",
            cubic_metres(figures.volume, device.meter.per_litre).normalize(),
            figures.cost.normalize()
        )
    };
    Some(match (stored, last) {
        (None, _) => format!("there is no record, the reads give {}", last.map_or_else(String::new, said)),
        (Some(_), None) => "there is a record, and no reads that give one".to_owned(),
        (Some(stored), Some(figures)) => format!(
            "the record says {} m3 ({} counts) for Rp {}, the reads give {}",
            stored.consumption.normalize(),
            stored.volume,
            stored.cost.normalize(),
            said(figures)
        ),
    })
}

/// How the volumes of the closed span of a device miss the difference of its registers.
fn compare_sum(device: &Device, stored: &BTreeMap<Day, Stored>, from: Day) -> Option<String> {
    let course = Course::of(device, device.settled);
    let (first, last) = course.span()?;
    // The days from the read before the first unsettled one on may still change.
    let unsettled = device.reads[device.settled..].iter().map(|read| read.at).min();
    let until = match unsettled {
        Some(at) => device.zone.day_of(course.read_before(at)?),
        None => device.zone.day_of(last).next(),
    };
    let start = device.zone.start_of(from.max(device.zone.day_of(first)));
    let end = device.zone.start_of(until);
    if end <= start {
        return None;
    }
    let difference = course.register_difference(end) - course.register_difference(start);
    let sum: i128 = stored.range(from..until).map(|(_, day)| i128::from(day.volume)).sum();
    (sum != difference).then(|| {
        format!("the days before {until} add up to {sum} counts, the registers differ by {difference}")
    })
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Accepted, Meter};
    use super::*;
    use indowater_common::domain::zone::Zone;

    const HOUR: i64 = 3_600;
    /// A midnight in Jakarta.
    const MIDNIGHT: i64 = 1_774_890_000;

    /// Hourly reads of 10 L each, the last of which are unsettled.
    fn device(hours: i64, unsettled: usize) -> Device {
        let read = |hour: i64| Accepted {
            at: MIDNIGHT + hour * HOUR,
            register: 500 + hour * 10,
            rank: 1,
            version: 1,
            class: 0,
        };
        let reads: Vec<_> = (0..hours).map(read).collect();
        let settled = reads.len() - unsettled;
        Device {
            settled,
            unsettled: (settled + 1..=reads.len()).collect(),
            reads,
            meter: Meter { per_litre: 1, digits: 8, q3_litres_per_hour: 2_500 },
            meter_version: 1,
            zone: Zone::named("Asia/Jakarta").unwrap(),
            classes: vec!["household-middle-1".into()],
        }
    }

    fn records(device: &Device, count: usize) -> BTreeMap<Day, Stored> {
        let of = |figures: Figures| Stored {
            volume: figures.volume,
            consumption: cubic_metres(figures.volume, 1),
            cost: figures.cost,
        };
        days(device, count, &TariffBook::built_in())
            .into_iter()
            .map(|(day, figures)| (day, of(figures)))
            .collect()
    }

    fn check(device: &Device, stored: &BTreeMap<Day, Stored>) -> Audited {
        audit(device, stored, true, &TariffBook::built_in())
    }

    #[test]
    fn right_records_pass() {
        let device = device(100, 0);
        let audited = check(&device, &records(&device, 100));
        assert_eq!((audited.days, audited.wrong_days.len(), audited.wrong_sum), (5, 0, None));
    }

    #[test]
    fn a_litre_too_much_is_found_twice() {
        let device = device(100, 0);
        let mut stored = records(&device, 100);
        stored.values_mut().nth(1).unwrap().volume += 1;
        let audited = check(&device, &stored);
        assert_eq!(audited.wrong_days.len(), 1);
        assert!(audited.wrong_sum.unwrap().contains("991 counts"), "990 L flowed");
    }

    #[test]
    fn a_rupiah_too_much_a_missing_and_an_invented_day_are_found() {
        let device = device(100, 0);
        let mut stored = records(&device, 100);
        let first = *stored.keys().next().unwrap();
        let mut moved = stored.remove(&first).unwrap();
        stored.insert(Day(first.0 - 1), moved);
        moved.cost += Decimal::ONE;
        stored.insert(Day(first.0 + 1), moved);
        let wrong: Vec<Day> = check(&device, &stored).wrong_days.into_iter().map(|(day, _)| day).collect();
        assert_eq!(wrong, [Day(first.0 - 1), first, first.next()]);
    }

    #[test]
    fn while_reads_come_any_of_their_states_is_right_but_no_older_one() {
        let device = device(30, 3);
        for applied in 27..=30 {
            let audited = check(&device, &records(&device, applied));
            assert_eq!((audited.wrong_days.len(), audited.wrong_sum), (0, None), "{applied} applied");
        }
        assert_eq!(check(&device, &records(&device, 26)).wrong_days.len(), 1);
    }

    #[test]
    fn where_reads_are_gone_the_rest_of_the_month_is_not_judged() {
        // 2026-03-31 and three days of April.
        let device = device(96, 0);
        let mut stored = records(&device, 96);
        stored.values_mut().next().unwrap().volume += 100;
        let audited = audit(&device, &stored, false, &TariffBook::built_in());
        assert_eq!(
            (audited.skipped, audited.days, audited.wrong_days.len(), audited.wrong_sum),
            (1, 3, 0, None)
        );
    }
}
