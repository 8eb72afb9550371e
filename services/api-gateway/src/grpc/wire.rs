//! What services say, as the domain's types.

use indowater_proto::registry::v1 as registry;
use indowater_proto::telemetry::v1 as telemetry;
use indowater_proto::usage::v1 as usage;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::domain::metering::{
    CubicMetres, DailyUsage, Device, HourlyUsage, MonthlyUsage, Property, Reading, ReadingType, RegisterUnit,
    Rupiah,
};
use crate::domain::word;

/// A field that holds what it never should.
#[derive(Debug, PartialEq, Eq)]
pub struct Unexpected(pub &'static str);

/// A property.
pub fn property(wire: registry::Property) -> Result<Property, Unexpected> {
    Ok(Property {
        id: wire.id,
        name: wire.name,
        address: wire.address,
        customer_id: wire.customer_id,
        property_type: word(&wire.property_type).ok_or(Unexpected("property_type"))?,
        time_zone: wire.time_zone,
        tariff_class: wire.tariff_class,
        created_at: moment(&wire.created_at).ok_or(Unexpected("created_at"))?,
        updated_at: moment(&wire.updated_at).ok_or(Unexpected("updated_at"))?,
    })
}

/// A device.
pub fn device(wire: registry::Device) -> Result<Device, Unexpected> {
    let unit = unit(wire.unit())?;
    let last_reading =
        wire.last_reading.as_deref().map(|text| CubicMetres::parse(text).ok_or(Unexpected("last_reading")));
    Ok(Device {
        id: wire.id,
        device_id: wire.device_id,
        property_id: wire.property_id,
        customer_id: wire.customer_id,
        kind: word(&wire.r#type).ok_or(Unexpected("type"))?,
        status: word(&wire.status).ok_or(Unexpected("status"))?,
        location: wire.location,
        installation_date: maybe(Some(wire.installation_date), "installation_date")?,
        last_reading: last_reading.transpose()?,
        last_reading_date: maybe(wire.last_reading_date, "last_reading_date")?,
        calibration_date: maybe(wire.calibration_date, "calibration_date")?,
        unit,
        register_digits: wire.register_digits,
        q3_litres_per_hour: wire.q3_litres_per_hour,
        time_zone: wire.time_zone,
        tariff_class: wire.tariff_class,
        created_at: moment(&wire.created_at).ok_or(Unexpected("created_at"))?,
        updated_at: moment(&wire.updated_at).ok_or(Unexpected("updated_at"))?,
    })
}

/// A read.
pub fn reading(wire: usage::StoredRead) -> Result<Reading, Unexpected> {
    let unit = unit(wire.unit())?;
    let verdict = constant(wire.verdict().as_str_name(), "READ_VERDICT_");
    Ok(Reading {
        read_at: moment(&wire.read_at).ok_or(Unexpected("read_at"))?,
        reading: unit.volume(wire.register),
        register: wire.register,
        unit,
        source: wire.source,
        verdict,
        clock_corrected: wire.clock_corrected,
    })
}

/// An hour.
pub fn hour(wire: usage::HourlyUsage) -> Result<HourlyUsage, Unexpected> {
    let quality = constant(wire.quality().as_str_name(), "USAGE_QUALITY_");
    Ok(HourlyUsage {
        device_id: wire.device_id,
        hour: wire.hour,
        consumption: CubicMetres::parse(&wire.consumption).ok_or(Unexpected("consumption"))?,
        quality,
    })
}

/// A day.
pub fn day(wire: usage::DailyUsage) -> Result<DailyUsage, Unexpected> {
    let flags =
        wire.flags().map(|flag| constant(flag.as_str_name(), "USAGE_FLAG_").ok_or(Unexpected("flags")));
    let flags = flags.collect::<Result<_, _>>()?;
    let quality = constant(wire.quality().as_str_name(), "USAGE_QUALITY_");
    // The data model knows no other than these two, and the first of them for everything that is not by hand.
    let reading_type =
        constant(wire.reading_type().as_str_name(), "READING_TYPE_").unwrap_or(ReadingType::Automatic);
    Ok(DailyUsage {
        id: wire.id,
        device_id: wire.device_id,
        customer_id: wire.customer_id,
        property_id: wire.property_id,
        date: wire.date.parse().map_err(|_| Unexpected("date"))?,
        time_zone: wire.time_zone,
        consumption: CubicMetres::from_millilitres(wire.volume_ml),
        reverse_consumption: CubicMetres::from_millilitres(wire.reverse_volume_ml),
        cost: Rupiah::parse(&wire.cost).ok_or(Unexpected("cost"))?,
        tariff_class: wire.tariff_class,
        month_to_date_before: CubicMetres::from_millilitres(wire.month_to_date_before_ml),
        timestamp: Timestamp::from_second(wire.timestamp).map_err(|_| Unexpected("timestamp"))?,
        reading_type,
        quality,
        error_bound: CubicMetres::from_millilitres(wire.error_bound_ml),
        reads_count: wire.reads_count,
        billable: wire.billable.unwrap_or(true),
        unbilled: CubicMetres::from_millilitres(wire.unbilled_ml),
        glitches: wire.glitches,
        flags,
        is_anomaly: wire.is_anomaly,
        complete: wire.complete,
        revision: wire.revision,
    })
}

/// A month.
pub fn month(wire: usage::MonthlyUsage) -> Result<MonthlyUsage, Unexpected> {
    Ok(MonthlyUsage {
        device_id: wire.device_id,
        customer_id: wire.customer_id,
        property_id: wire.property_id,
        month: wire.month,
        consumption: CubicMetres::parse(&wire.consumption).ok_or(Unexpected("consumption"))?,
        cost: Rupiah::parse(&wire.cost).ok_or(Unexpected("cost"))?,
        days: wire.days,
        days_estimated: wire.days_estimated,
        days_anomalous: wire.days_anomalous,
    })
}

fn unit(unit: telemetry::RegisterUnit) -> Result<RegisterUnit, Unexpected> {
    constant(unit.as_str_name(), "REGISTER_UNIT_").ok_or(Unexpected("unit"))
}

/// The domain's word for a constant of the schema, whose name has a prefix and is upper case. None for the unspecified.
pub fn constant<T: DeserializeOwned>(name: &str, prefix: &str) -> Option<T> {
    word(&name.strip_prefix(prefix)?.to_lowercase())
}

/// A moment in seconds since 1970-01-01T00:00:00Z.
pub fn seconds(seconds: i64, field: &'static str) -> Result<Timestamp, Unexpected> {
    Timestamp::from_second(seconds).map_err(|_| Unexpected(field))
}

/// A text that is there, for what is empty means that nothing is said.
pub fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// A moment as RFC 3339 has it.
pub fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// A moment that need not be known.
fn maybe(text: Option<String>, field: &'static str) -> Result<Option<Timestamp>, Unexpected> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| moment(&text).ok_or(Unexpected(field))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metering::{ReadVerdict, UsageFlag, UsageQuality};

    /// Every constant of the schema but the unspecified has its word, or a new one would be an outage.
    #[test]
    fn every_constant_has_a_word() {
        fn names<T: TryFrom<i32>>(name: impl Fn(T) -> &'static str) -> Vec<&'static str> {
            (1..100).map_while(|number| T::try_from(number).ok()).map(name).collect()
        }
        let qualities = names(|constant: usage::UsageQuality| constant.as_str_name());
        assert!(
            qualities.len() == 3
                && qualities.iter().all(|name| constant::<UsageQuality>(name, "USAGE_QUALITY_").is_some())
        );
        let flags = names(|constant: usage::UsageFlag| constant.as_str_name());
        assert!(
            flags.len() == 11
                && flags.iter().all(|name| constant::<UsageFlag>(name, "USAGE_FLAG_").is_some())
        );
        let verdicts = names(|constant: usage::ReadVerdict| constant.as_str_name());
        assert!(
            verdicts.len() == 4
                && verdicts.iter().all(|name| constant::<ReadVerdict>(name, "READ_VERDICT_").is_some())
        );
        let types = names(|constant: usage::ReadingType| constant.as_str_name());
        assert!(
            types.len() == 2
                && types.iter().all(|name| constant::<ReadingType>(name, "READING_TYPE_").is_some())
        );
        let units = names(|constant: telemetry::RegisterUnit| constant.as_str_name());
        assert!(
            units.len() == 2
                && units.iter().all(|name| constant::<RegisterUnit>(name, "REGISTER_UNIT_").is_some())
        );
    }

    #[test]
    fn a_day_keeps_every_millilitre() {
        let wire = usage::DailyUsage {
            date: "2026-11-21".to_owned(),
            volume_ml: 512_001,
            cost: "2355.20".to_owned(),
            flags: vec![usage::UsageFlag::ProlongedGap.into()],
            quality: usage::UsageQuality::Estimated.into(),
            ..usage::DailyUsage::default()
        };
        let day = day(wire).unwrap();
        assert_eq!(day.consumption, CubicMetres::parse("0.512001").unwrap());
        assert_eq!((day.flags, day.quality), (vec![UsageFlag::ProlongedGap], Some(UsageQuality::Estimated)));
        assert_eq!(day.reading_type, ReadingType::Automatic);
        assert!(day.billable, "where nothing is said, water is charged for");
    }

    #[test]
    fn what_is_not_billed_is_shown() {
        let wire = usage::DailyUsage {
            date: "2026-11-21".to_owned(),
            cost: "0".to_owned(),
            billable: Some(false),
            glitches: 2,
            unbilled_ml: 80_000_001,
            flags: vec![usage::UsageFlag::Glitch.into(), usage::UsageFlag::Imported.into()],
            ..usage::DailyUsage::default()
        };
        let day = day(wire).unwrap();
        assert_eq!((day.billable, day.glitches), (false, 2));
        assert_eq!(day.unbilled, CubicMetres::parse("80.000001").unwrap());
        assert_eq!(day.flags, [UsageFlag::Glitch, UsageFlag::Imported]);
    }

    #[test]
    fn what_was_made_of_a_read_is_told_if_it_is_known() {
        let told = |verdict: usage::ReadVerdict| {
            let wire = usage::StoredRead {
                read_at: "2026-11-21T10:00:00Z".to_owned(),
                unit: telemetry::RegisterUnit::Litre.into(),
                verdict: verdict.into(),
                clock_corrected: true,
                ..usage::StoredRead::default()
            };
            let read = reading(wire).unwrap();
            (read.verdict, read.clock_corrected)
        };
        assert_eq!(told(usage::ReadVerdict::Unspecified), (None, true));
        assert_eq!(told(usage::ReadVerdict::Glitch), (Some(ReadVerdict::Glitch), true));
    }

    #[test]
    fn what_is_unexpected_is_named() {
        let wire = usage::DailyUsage {
            date: "2026-11-21".to_owned(),
            cost: "free".to_owned(),
            ..usage::DailyUsage::default()
        };
        assert_eq!(day(wire).unwrap_err(), Unexpected("cost"));
        assert_eq!(device(registry::Device::default()).unwrap_err(), Unexpected("unit"));
    }
}
