//! Schemas to domain and back, for the topics and for gRPC alike.

use indowater_common::domain::meter::{Meter, Point, Unit};
use indowater_common::domain::zone::Zone;
use indowater_proto::readings::v1::{ReadSource, Readings};
use indowater_proto::telemetry::v1::RegisterUnit;
use indowater_proto::usage::v1::{DailyUsage, ReadingType, UsageFlag, UsageQuality};

use crate::app::devices::Reading;
use crate::domain::day::{DayRecord, Facts, Flags, Quality};
use crate::domain::reads::{Read, Source};

/// Understands a record of the readings topic.
///
/// # Errors
/// What does not make sense in it.
pub fn reading(message: Readings) -> Result<Reading, String> {
    let meter = message.meter.ok_or("it has no meter")?;
    let unit = match meter.unit() {
        RegisterUnit::Litre => Unit::Litre,
        RegisterUnit::Millilitre => Unit::Millilitre,
        RegisterUnit::Unspecified => return Err("its meter has no unit".to_owned()),
    };
    let zone =
        Zone::named(&message.time_zone).ok_or_else(|| format!("unknown zone {}", message.time_zone))?;
    if message.device_id.is_empty() || message.reads.is_empty() {
        return Err("it has no device or no reads".to_owned());
    }
    let source = match message.source() {
        ReadSource::Telemetry => Source::Telemetry,
        ReadSource::VerifiedManual => Source::Manual,
        ReadSource::Unspecified => return Err("it has no source".to_owned()),
    };
    let read = |at, register| Read {
        point: Point { at, register },
        source,
        clock_corrected: message.clock_corrected,
    };
    Ok(Reading {
        reads: message.reads.iter().map(|r| read(r.read_at, r.register)).collect(),
        device_id: message.device_id.into(),
        facts: Facts {
            version: message.registry_version,
            customer_id: message.customer_id.into(),
            property_id: message.property_id.into(),
            tariff_class: message.tariff_class.into(),
        },
        meter: Meter { unit, digits: meter.register_digits, q3_litres_per_hour: meter.q3_litres_per_hour },
        zone,
        span: None,
    })
}

/// A daily record as it is published and answered.
pub fn daily_usage(device_id: &str, record: &DayRecord, time_zone: &str, unit: Unit) -> DailyUsage {
    let figures = &record.figures;
    DailyUsage {
        id: record_id(device_id, record),
        device_id: device_id.to_owned(),
        customer_id: record.facts.customer_id.to_string(),
        property_id: record.facts.property_id.to_string(),
        date: record.day.to_string(),
        time_zone: time_zone.to_owned(),
        volume_ml: unit.millilitres(figures.volume),
        reverse_volume_ml: unit.millilitres(figures.reverse),
        cost: figures.cost.to_string(),
        tariff_class: record.facts.tariff_class.to_string(),
        month_to_date_before_ml: unit.millilitres(record.carry.month_to_date),
        quality: quality(figures.quality).into(),
        error_bound_ml: unit.millilitres(figures.error_bound),
        reads_count: u32::try_from(record.reads.iter().count()).unwrap_or(u32::MAX),
        flags: flags(figures.flags),
        is_anomaly: figures.is_anomaly,
        complete: figures.complete,
        revision: record.revision,
        reading_type: if record.is_manual() { ReadingType::Manual } else { ReadingType::Automatic }.into(),
        timestamp: figures.timestamp,
        former_customer_ids: record.former_customers.iter().map(ToString::to_string).collect(),
        ..DailyUsage::default()
    }
}

/// The deterministic id of a daily record.
pub fn record_id(device_id: &str, record: &DayRecord) -> String {
    format!("{device_id}|{}", record.day)
}

/// How sure, on the wire.
pub fn quality(quality: Quality) -> UsageQuality {
    match quality {
        Quality::Measured => UsageQuality::Measured,
        Quality::Interpolated => UsageQuality::Interpolated,
        Quality::Estimated => UsageQuality::Estimated,
    }
}

fn flags(flags: Flags) -> Vec<i32> {
    let table = [
        (Flags::ROLLOVER, UsageFlag::Rollover),
        (Flags::EXCHANGE, UsageFlag::Exchange),
        (Flags::BACKFLOW, UsageFlag::Backflow),
        (Flags::GAP, UsageFlag::Gap),
        (Flags::PROLONGED_GAP, UsageFlag::ProlongedGap),
        (Flags::CONFLICT, UsageFlag::Conflict),
        (Flags::CEILING, UsageFlag::Ceiling),
        (Flags::CLOCK, UsageFlag::Clock),
        (Flags::ZERO, UsageFlag::Zero),
    ];
    table.into_iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, known)| known.into()).collect()
}
