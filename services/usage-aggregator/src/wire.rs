//! Schemas to domain and back, for the topics and for gRPC alike.

use indowater_common::domain::meter::Point;
use indowater_common::wire::readings;
use indowater_proto::readings::v1::Readings;
use indowater_proto::usage::v1::{
    DailyUsage, MeterFinding, MeterFindingKind, MeterPoint, ReadingType, UsageFlag, UsageQuality,
};

use prost::Message as _;

use crate::app::device::Reading;
use crate::domain::day::{DayRecord, Flags, Quality};
use crate::domain::finding::{Finding, FindingKind};

/// Understands a record of the readings topic.
///
/// # Errors
/// What does not make sense in it.
pub fn reading(message: &Readings) -> Result<Reading, String> {
    let understood = readings::reading(message)?;
    let readings::Reading { device_id, timeline, zone, reads } = understood;
    Ok(Reading { device_id, timeline, zone, reads, span: None })
}

/// A daily record as it is published and answered.
pub fn daily_usage(device_id: &str, record: &DayRecord, time_zone: &str) -> DailyUsage {
    let figures = &record.figures;
    DailyUsage {
        id: record.id(device_id),
        device_id: device_id.to_owned(),
        customer_id: record.owner.customer_id.to_string(),
        property_id: record.owner.property_id.to_string(),
        date: record.day.to_string(),
        time_zone: time_zone.to_owned(),
        volume_ml: figures.volume,
        reverse_volume_ml: figures.reverse,
        cost: figures.cost.to_string(),
        tariff_class: record.owner.tariff_class.to_string(),
        month_to_date_before_ml: record.carry.month_to_date,
        quality: quality(figures.quality).into(),
        error_bound_ml: figures.error_bound,
        reads_count: record.reads.count(),
        flags: flags(figures.flags),
        is_anomaly: figures.is_anomaly,
        complete: figures.complete,
        revision: record.revision,
        reading_type: if record.is_manual() { ReadingType::Manual } else { ReadingType::Automatic }.into(),
        timestamp: figures.timestamp,
        former_customer_ids: record.former_customers.iter().map(ToString::to_string).collect(),
        // What another system computed it has also charged for.
        billable: Some(record.owner.billable && !record.is_imported()),
        glitches: figures.glitches,
        unbilled_ml: figures.unbilled,
    }
}

/// What a record's day says about the meter, and what earlier revisions said and it does not.
pub fn findings<'a>(device_id: &'a str, record: &'a DayRecord) -> impl Iterator<Item = MeterFinding> + 'a {
    let point = |point: Point| MeterPoint { read_at: point.at, register_ml: point.register };
    let message = move |finding: &Finding, withdrawn| MeterFinding {
        id: format!("{device_id}|{}|{}", finding.kind.name(), record.day),
        device_id: device_id.to_owned(),
        customer_id: record.owner.customer_id.to_string(),
        property_id: record.owner.property_id.to_string(),
        date: record.day.to_string(),
        kind: match finding.kind {
            FindingKind::Exchange => MeterFindingKind::Exchange,
            FindingKind::Jump => MeterFindingKind::Jump,
            FindingKind::AboveCeiling => MeterFindingKind::AboveCeiling,
        }
        .into(),
        before: Some(point(finding.before)),
        after: Some(point(finding.after)),
        withdrawn,
        revision: record.revision,
    };
    let now = record.figures.findings.iter().map(move |finding| message(finding, false));
    now.chain(record.withdrawn.iter().map(move |finding| message(finding, true)))
}

/// The day that a record of the usage topic tells of (`water_usage.id`), and its revision.
pub fn usage_revision(value: &[u8]) -> Option<(String, i64)> {
    let usage = DailyUsage::decode(value).ok()?;
    Some((usage.id, usage.revision))
}

/// The day that a record about a meter was found on (`water_usage.id`), and its revision.
pub fn finding_revision(value: &[u8]) -> Option<(String, i64)> {
    let finding = MeterFinding::decode(value).ok()?;
    Some((format!("{}|{}", finding.device_id, finding.date), finding.revision))
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
        (Flags::GLITCH, UsageFlag::Glitch),
        (Flags::IMPORTED, UsageFlag::Imported),
    ];
    table.into_iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, known)| known.into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quality_and_flag_keeps_its_name_on_the_wire() {
        for (quality, name) in [
            (Quality::Measured, "USAGE_QUALITY_MEASURED"),
            (Quality::Interpolated, "USAGE_QUALITY_INTERPOLATED"),
            (Quality::Estimated, "USAGE_QUALITY_ESTIMATED"),
        ] {
            assert_eq!(super::quality(quality).as_str_name(), name);
        }
        for bit in 0..11 {
            let flag = Flags(1 << bit);
            let word = flag.names().next().unwrap().to_uppercase();
            let known: Vec<_> =
                flags(flag).into_iter().map(|known| UsageFlag::try_from(known).unwrap()).collect();
            assert_eq!(known.len(), 1, "{word}");
            assert_eq!(known[0].as_str_name(), format!("USAGE_FLAG_{word}"));
        }
    }
}
