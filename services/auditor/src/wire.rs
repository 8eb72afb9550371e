//! From the schemas to what is computed with.

use std::collections::BTreeSet;

use indowater_proto::billing::v1::TariffSchedule;
use indowater_proto::readings::v1::{self as readings, ReadSource, Readings};
use indowater_proto::telemetry::v1::RegisterUnit;
use indowater_proto::usage::v1::{DailyUsage, ReadingType, UsageFlag, UsageQuality};
use rust_decimal::Decimal;

use crate::domain::calendar::{Day, Zone};
use crate::domain::compare::Record;
use crate::domain::days::{Figures, Quality};
use crate::domain::device::Message;
use crate::domain::facts::{Entry, Exchange, Facts, Meter};
use crate::domain::reads::Sent;
use crate::domain::tariff::Tariff;

/// Understands a record of the readings topic.
///
/// # Errors
/// What makes no sense in it.
pub fn message(readings: &Readings) -> Result<Message, String> {
    if readings.device_id.is_empty() {
        return Err("it has no device".to_owned());
    }
    let manual = match readings.source() {
        ReadSource::Telemetry => false,
        ReadSource::VerifiedManual => true,
        // Says only that the registry's entry has changed.
        ReadSource::Unspecified if readings.reads.is_empty() => false,
        ReadSource::Unspecified => return Err("it has no source".to_owned()),
    };
    let facts = facts(readings)?;
    let read = |read: &readings::AcceptedRead| {
        let register = i128::from(read.register);
        // A record from before reads said it one by one said it for all of them.
        let corrected = read.clock_corrected || (readings.clock_corrected && is_old(readings));
        let count = if read.unit_assumed { 1 } else { facts.meter_at(read.read_at).count };
        Sent { at: read.read_at, register: register * count, manual, assumed: read.unit_assumed, corrected }
    };
    let reads = readings.reads.iter().map(read).collect();
    Ok(Message { device: readings.device_id.clone(), version: readings.registry_version, reads, facts })
}

/// Whether a record is from before messages said how many reads they had.
fn is_old(readings: &Readings) -> bool {
    readings.message_reads == 0
}

fn facts(readings: &Readings) -> Result<Facts, String> {
    let zone = Zone::named(&readings.time_zone)
        .ok_or_else(|| format!("unknown time zone {:?}", readings.time_zone))?;
    let mut entries = Vec::new();
    for facts in &readings.facts {
        let from = match facts.from.as_str() {
            "" => None,
            day => Some(Day::parse(day).ok_or_else(|| format!("{day:?} is no day"))?),
        };
        let exchange = facts.exchange.as_ref().map(|exchange| Exchange {
            at: exchange.at,
            last: exchange.final_register.into(),
            first: exchange.initial_register.into(),
        });
        entries.push(Entry {
            from,
            customer: facts.customer_id.clone(),
            property: facts.property_id.clone(),
            class: facts.tariff_class.clone(),
            meter: meter(facts.meter.as_ref())?,
            billable: facts.billable,
            exchange,
        });
    }
    if entries.is_empty() {
        entries.push(Entry {
            from: None,
            customer: readings.customer_id.clone(),
            property: readings.property_id.clone(),
            class: readings.tariff_class.clone(),
            meter: meter(readings.meter.as_ref())?,
            billable: readings.billable.unwrap_or(true),
            exchange: None,
        });
    }
    Facts::new(zone, readings.installed_at, entries)
}

fn meter(meter: Option<&readings::Meter>) -> Result<Meter, String> {
    let meter = meter.ok_or("it has no meter")?;
    let count = match meter.unit() {
        RegisterUnit::Litre => 1_000,
        RegisterUnit::Millilitre => 1,
        RegisterUnit::Unspecified => return Err("its meter has no unit".to_owned()),
    };
    let wrap = match meter.wraps_at {
        0 => 10_i128.checked_pow(meter.register_digits).filter(|wrap| *wrap < 10_i128.pow(30)),
        wraps_at => Some(i128::from(wraps_at)),
    };
    let wrap = wrap.ok_or_else(|| format!("a meter of {} digits", meter.register_digits))?;
    Ok(Meter {
        count,
        wrap: wrap * count,
        resolution: i128::from(meter.resolution) * count,
        q3: meter.q3_litres_per_hour.into(),
    })
}

/// Understands a record of the usage topic.
///
/// # Errors
/// What makes no sense in it.
pub fn record(usage: DailyUsage) -> Result<(String, Day, Record), String> {
    let day = Day::parse(&usage.date).ok_or_else(|| format!("{:?} is no day", usage.date))?;
    let cost: Decimal = usage.cost.parse().map_err(|_| format!("{:?} is no amount", usage.cost))?;
    let flags = usage.flags().map(flag_name).collect::<BTreeSet<_>>();
    let quality = match usage.quality() {
        UsageQuality::Unspecified => "",
        UsageQuality::Measured => "measured",
        UsageQuality::Interpolated => "interpolated",
        UsageQuality::Estimated => "estimated",
    };
    let reading_type = match usage.reading_type() {
        ReadingType::Unspecified => "",
        ReadingType::Automatic => "automatic",
        ReadingType::Manual => "manual",
    };
    let record = Record {
        id: usage.id,
        customer: usage.customer_id,
        property: usage.property_id,
        time_zone: usage.time_zone,
        class: usage.tariff_class,
        volume: usage.volume_ml.into(),
        consumption: None,
        reverse: usage.reverse_volume_ml.into(),
        cost,
        month_to_date: Some(usage.month_to_date_before_ml.into()),
        quality: quality.to_owned(),
        error_bound: usage.error_bound_ml.into(),
        flags,
        is_anomaly: usage.is_anomaly,
        complete: usage.complete,
        timestamp: usage.timestamp,
        reads: usage.reads_count.into(),
        glitches: usage.glitches.into(),
        unbilled: usage.unbilled_ml.into(),
        reading_type: reading_type.to_owned(),
        billable: usage.billable.unwrap_or(true),
        former: usage.former_customer_ids,
        revision: usage.revision,
    };
    Ok((usage.device_id, day, record))
}

/// A day as it must be on the usage topic, but for its revision and whose it was before.
pub fn daily_usage(device: &str, day: Day, facts: &Facts, figures: &Figures) -> DailyUsage {
    let (entry, volume) = (facts.on(day), |millilitres: i128| i64::try_from(millilitres).unwrap_or(i64::MAX));
    let quality = match figures.quality {
        Quality::Measured => UsageQuality::Measured,
        Quality::Interpolated => UsageQuality::Interpolated,
        Quality::Estimated => UsageQuality::Estimated,
    };
    let is_set = |flag: &UsageFlag| figures.flags.contains(flag_name(*flag).as_str());
    let flags = (1..).map_while(|number| UsageFlag::try_from(number).ok()).filter(is_set);
    let reading_type = if figures.is_manual { ReadingType::Manual } else { ReadingType::Automatic };
    DailyUsage {
        id: format!("{device}|{day}"),
        device_id: device.to_owned(),
        customer_id: entry.customer.clone(),
        property_id: entry.property.clone(),
        date: day.to_string(),
        time_zone: facts.zone().name().to_owned(),
        volume_ml: volume(figures.volume),
        reverse_volume_ml: volume(figures.reverse),
        cost: figures.cost.normalize().to_string(),
        tariff_class: entry.class.clone(),
        month_to_date_before_ml: volume(figures.month_to_date),
        quality: quality.into(),
        error_bound_ml: volume(figures.error_bound),
        reads_count: u32::try_from(figures.reads).unwrap_or(u32::MAX),
        flags: flags.map(i32::from).collect(),
        is_anomaly: figures.is_anomaly,
        complete: figures.complete,
        revision: 0,
        reading_type: reading_type.into(),
        timestamp: figures.timestamp,
        former_customer_ids: Vec::new(),
        billable: Some(entry.billable),
        glitches: u32::try_from(figures.glitches).unwrap_or(u32::MAX),
        unbilled_ml: volume(figures.unbilled),
    }
}

/// A flag's name in documents.
fn flag_name(flag: UsageFlag) -> String {
    flag.as_str_name().trim_start_matches("USAGE_FLAG_").to_ascii_lowercase()
}

/// The versions of a class of tariffs.
///
/// # Errors
/// What makes no sense in it.
pub fn tariffs(schedule: &TariffSchedule) -> Result<Vec<Tariff>, String> {
    let decimal = |text: &str| text.parse::<Decimal>().map_err(|_| format!("{text:?} is no number"));
    let optional = |text: &str| if text.is_empty() { Ok(Decimal::ZERO) } else { decimal(text) };
    let mut versions = Vec::new();
    for version in &schedule.versions {
        let from = match version.from.as_str() {
            "" => None,
            day => Some(Day::parse(day).ok_or_else(|| format!("{day:?} is no day"))?),
        };
        let mut blocks = Vec::new();
        for block in &version.blocks {
            let bound = if block.up_to.is_empty() { None } else { Some(decimal(&block.up_to)?) };
            blocks.push((bound, decimal(&block.price)?));
        }
        versions.push(Tariff {
            from,
            blocks,
            fixed_charge: optional(&version.fixed_charge)?,
            minimum: optional(&version.minimum_volume)?,
        });
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::compare::{Expected, Source, differences};
    use crate::domain::device::Device;
    use crate::domain::tariff::Tariffs;

    fn readings() -> Readings {
        Readings {
            device_id: "d".to_owned(),
            customer_id: "c".to_owned(),
            time_zone: "Asia/Jakarta".to_owned(),
            meter: Some(readings::Meter {
                unit: RegisterUnit::Litre.into(),
                register_digits: 8,
                q3_litres_per_hour: 2_500,
                ..readings::Meter::default()
            }),
            registry_version: 3,
            source: ReadSource::Telemetry.into(),
            reads: vec![
                readings::AcceptedRead { read_at: 5, register: 7, ..Default::default() },
                readings::AcceptedRead { read_at: 6, register: 8, unit_assumed: true, ..Default::default() },
            ],
            clock_corrected: true,
            ..Readings::default()
        }
    }

    #[test]
    fn registers_are_millilitres_unless_their_unit_was_assumed() {
        let message = message(&readings()).unwrap();
        assert_eq!(message.reads.iter().map(|read| read.register).collect::<Vec<_>>(), [7_000, 8]);
        assert!(message.reads.iter().all(|read| read.corrected), "an old record says it of all its reads");
        let entry = message.facts.on(Day(0));
        assert_eq!((entry.meter.wrap, entry.billable, entry.customer.as_str()), (100_000_000_000, true, "c"));
        let new = Readings { message_reads: 2, ..readings() };
        assert!(super::message(&new).unwrap().reads.iter().all(|read| !read.corrected));
    }

    #[test]
    fn a_change_of_facts_needs_no_reads_and_facts_make_sense() {
        let change = Readings { reads: Vec::new(), source: 0, ..readings() };
        assert_eq!(message(&change).map(|message| message.reads.len()), Ok(0));
        let wrong: [fn(&mut Readings); 5] = [
            |readings| readings.source = 0,
            |readings| readings.device_id.clear(),
            |readings| readings.time_zone.clear(),
            |readings| readings.meter = None,
            |readings| readings.meter.as_mut().unwrap().unit = 0,
        ];
        for (number, change) in wrong.into_iter().enumerate() {
            let mut readings = readings();
            change(&mut readings);
            assert!(message(&readings).is_err(), "{number}");
        }
    }

    /// What is worked out and told is understood again as it was, in every field.
    #[test]
    fn a_day_is_the_same_after_the_wire() {
        let mut device = Device::default();
        let message = message(&Readings { message_reads: 2, ..readings() }).unwrap();
        device.take(message, true);
        let (facts, days) = device.expected(&Tariffs::built_in()).unwrap();
        let (day, figures) = days.first_key_value().unwrap();
        let figures = Figures {
            flags: BTreeSet::from(["glitch", "prolonged_gap"]),
            quality: Quality::Estimated,
            reverse: 1,
            error_bound: 2,
            unbilled: 3,
            glitches: 4,
            month_to_date: 5,
            ..figures.clone()
        };
        let (id, read_day, record) = record(daily_usage("d", *day, facts, &figures)).unwrap();
        assert_eq!((id.as_str(), read_day), ("d", *day));
        let expected = Expected { zone: "Asia/Jakarta", entry: facts.on(*day), figures: &figures };
        let place = (Source::Topic, "d", *day);
        assert_eq!(differences(place, Some(expected), Some(&record), &BTreeSet::new()), []);
        assert_eq!((record.flags.len(), record.quality.as_str(), record.reads), (2, "estimated", 2));
    }

    #[test]
    fn flags_have_their_names_in_documents() {
        assert_eq!(flag_name(UsageFlag::ProlongedGap), "prolonged_gap");
        assert_eq!(flag_name(UsageFlag::Imported), "imported");
    }
}
