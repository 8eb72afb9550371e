//! Readings between their schema and the domain: ingest writes them, and who computes from reads understands them in one way.

use std::sync::Arc;

use indowater_proto::readings::v1 as readings;
use indowater_proto::readings::v1::{ReadSource, Readings};
use indowater_proto::telemetry::v1::RegisterUnit;

use crate::domain::facts::{BEGINNING, Exchange, Owner, Period, Timeline};
use crate::domain::meter::Unit;
use crate::domain::reads::{Read, Source};
use crate::domain::step::MeterFacts;
use crate::domain::zone::{Day, Zone};

/// What a record of the readings topic says of a device and its reads.
#[derive(Debug)]
pub struct Reading {
    /// `devices.id`.
    pub device_id: Box<str>,
    /// What the registry says of it.
    pub timeline: Timeline,
    /// The property's zone.
    pub zone: Zone,
    /// None where only the registry's entry has changed.
    pub reads: Vec<Read>,
}

/// Understands a record of the readings topic.
///
/// # Errors
/// What does not make sense in it.
pub fn reading(message: &Readings) -> Result<Reading, String> {
    let zone =
        Zone::named(&message.time_zone).ok_or_else(|| format!("unknown zone {}", message.time_zone))?;
    if message.device_id.is_empty() {
        return Err("it names no device".to_owned());
    }
    let source = match message.source() {
        ReadSource::Telemetry => Source::Telemetry,
        ReadSource::VerifiedManual => Source::Manual,
        ReadSource::Unspecified if message.reads.is_empty() => Source::Telemetry,
        ReadSource::Unspecified => return Err("it has no source".to_owned()),
    };
    let timeline = timeline(message)?;
    let read = |read: &readings::AcceptedRead| {
        let register = if read.unit_assumed {
            read.register
        } else {
            timeline.meter_at(read.read_at, &zone).unit.millilitres(read.register)
        };
        Read {
            at: read.read_at,
            register,
            source,
            unit_assumed: read.unit_assumed,
            // Records from before reads were decided one by one say it of all of them.
            clock_corrected: read.clock_corrected || (message.message_reads == 0 && message.clock_corrected),
        }
    };
    Ok(Reading {
        reads: message.reads.iter().map(read).collect(),
        device_id: message.device_id.as_str().into(),
        timeline,
        zone,
    })
}

/// What the registry says of the device of a record, for all days.
fn timeline(message: &Readings) -> Result<Timeline, String> {
    let alone = Period {
        from: BEGINNING,
        owner: Arc::new(Owner {
            customer_id: message.customer_id.as_str().into(),
            property_id: message.property_id.as_str().into(),
            tariff_class: message.tariff_class.as_str().into(),
            billable: message.billable.unwrap_or(true),
        }),
        meter: meter(message.meter.as_ref())?,
        exchange: None,
    };
    let mut periods = Vec::with_capacity(message.facts.len());
    for facts in &message.facts {
        let period = period(facts, periods.last())?;
        if periods.last().is_some_and(|before: &Period| before.from >= period.from) {
            return Err(format!("its facts from {} do not follow those before them", facts.from));
        }
        periods.push(period);
    }
    let mut periods = periods.into_iter();
    let first = periods.next().unwrap_or(alone);
    Ok(Timeline::new(message.registry_version, message.installed_at, first, periods.collect()))
}

fn period(facts: &readings::Facts, before: Option<&Period>) -> Result<Period, String> {
    let from = match before {
        None => BEGINNING,
        Some(_) => {
            Day::parse(&facts.from).ok_or_else(|| format!("{:?} is no day of its facts", facts.from))?
        }
    };
    let meter = meter(facts.meter.as_ref())?;
    let exchange = facts.exchange.as_ref().map(|exchange| Exchange {
        at: exchange.at,
        final_register: before
            .map_or(meter.unit, |before| before.meter.unit)
            .millilitres(exchange.final_register),
        initial_register: meter.unit.millilitres(exchange.initial_register),
    });
    Ok(Period {
        from,
        owner: Arc::new(Owner {
            customer_id: facts.customer_id.as_str().into(),
            property_id: facts.property_id.as_str().into(),
            tariff_class: facts.tariff_class.as_str().into(),
            billable: facts.billable,
        }),
        meter,
        exchange,
    })
}

fn meter(meter: Option<&readings::Meter>) -> Result<MeterFacts, String> {
    let meter = meter.ok_or("it has no meter")?;
    let unit = match meter.unit() {
        RegisterUnit::Litre => Unit::Litre,
        RegisterUnit::Millilitre => Unit::Millilitre,
        RegisterUnit::Unspecified => return Err("its meter has no unit".to_owned()),
    };
    let by_digits = 10_i64.checked_pow(meter.register_digits).unwrap_or(i64::MAX);
    let wraps_at = if meter.wraps_at > 0 { meter.wraps_at } else { by_digits };
    Ok(MeterFacts {
        unit,
        wraps_at: unit.millilitres(wraps_at),
        resolution: unit.millilitres(i64::from(meter.resolution.max(1))),
        q3_litres_per_hour: meter.q3_litres_per_hour,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDNIGHT: i64 = 1_772_298_000;

    fn litres(digits: u32) -> Option<readings::Meter> {
        let unit = RegisterUnit::Litre.into();
        Some(readings::Meter {
            unit,
            register_digits: digits,
            q3_litres_per_hour: 2_500,
            ..Default::default()
        })
    }

    fn message() -> Readings {
        Readings {
            device_id: "device-1".into(),
            customer_id: "customer-1".into(),
            property_id: "property-1".into(),
            tariff_class: "social-1".into(),
            time_zone: "Asia/Jakarta".into(),
            meter: litres(8),
            registry_version: 4,
            source: ReadSource::Telemetry.into(),
            reads: vec![readings::AcceptedRead { read_at: MIDNIGHT, register: 7, ..Default::default() }],
            ..Readings::default()
        }
    }

    #[test]
    fn without_facts_the_records_own_fields_hold_for_all_days() {
        let reading = reading(&message()).unwrap();
        assert_eq!(reading.timeline.periods().count(), 1);
        let owner = &reading.timeline.on(Day(0)).owner;
        assert_eq!(
            (&*owner.customer_id, &*owner.tariff_class, owner.billable),
            ("customer-1", "social-1", true)
        );
        assert_eq!(
            (reading.reads[0].register, reading.timeline.newest().meter.wraps_at),
            (7_000, 100_000_000_000)
        );
        let unbilled = Readings { billable: Some(false), ..message() };
        assert!(!super::reading(&unbilled).unwrap().timeline.newest().owner.billable);
    }

    #[test]
    fn each_read_counts_in_the_unit_of_the_meter_of_its_time() {
        let exchange =
            readings::MeterExchange { at: MIDNIGHT + 3_600, final_register: 9, initial_register: 11 };
        let finer = readings::Meter {
            unit: RegisterUnit::Millilitre.into(),
            wraps_at: 1 << 24,
            resolution: 10,
            ..litres(8).unwrap()
        };
        let facts = |from: &str, meter, exchange| readings::Facts {
            from: from.into(),
            customer_id: "customer-1".into(),
            meter: Some(meter),
            billable: true,
            exchange,
            ..Default::default()
        };
        let read = |seconds, register, unit_assumed| readings::AcceptedRead {
            read_at: MIDNIGHT + seconds,
            register,
            unit_assumed,
            ..Default::default()
        };
        let message = Readings {
            facts: vec![facts("", litres(8).unwrap(), None), facts("2026-03-01", finer, Some(exchange))],
            reads: vec![read(0, 8, false), read(7_200, 500, false), read(7_300, 600, true)],
            installed_at: Some(MIDNIGHT - 5),
            ..message()
        };
        let reading = reading(&message).unwrap();
        assert_eq!(reading.reads.iter().map(|read| read.register).collect::<Vec<_>>(), [8_000, 500, 600]);
        assert!(reading.reads[2].unit_assumed);
        assert_eq!(reading.timeline.installed_at, MIDNIGHT - 5);
        let period = reading.timeline.newest();
        assert_eq!((period.meter.wraps_at, period.meter.resolution), (1 << 24, 10));
        let expected = Exchange { at: MIDNIGHT + 3_600, final_register: 9_000, initial_register: 11 };
        assert_eq!(period.exchange, Some(expected));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        let facts =
            |from: &str| readings::Facts { from: from.into(), meter: litres(8), ..Default::default() };
        for (case, message) in [
            ("unknown zone", Readings { time_zone: "Mars".into(), ..message() }),
            ("no device", Readings { device_id: String::new(), ..message() }),
            ("no meter", Readings { meter: None, ..message() }),
            ("no unit", Readings { meter: Some(readings::Meter::default()), ..message() }),
            ("no source", Readings { source: 0, ..message() }),
            ("is no day", Readings { facts: vec![facts(""), facts("soon")], ..message() }),
            (
                "do not follow",
                Readings { facts: ["", "2026-03-02", "2026-03-01"].map(facts).into(), ..message() },
            ),
        ] {
            let why = reading(&message).unwrap_err();
            assert!(why.contains(case), "{case}: {why}");
        }
        let news = Readings { reads: Vec::new(), source: 0, ..message() };
        assert!(reading(&news).unwrap().reads.is_empty(), "the registry alone may have changed");
    }
}
