//! What daily records must be, for those who compare by themselves.

use std::collections::BTreeMap;

use indowater_proto::billing::v1::TariffSchedule;
use indowater_proto::readings::v1::Readings;
use indowater_proto::usage::v1::DailyUsage;

use crate::domain::device::Device;
use crate::domain::tariff::Tariffs;
use crate::wire;

/// The daily records that these readings give, by device and day. Revisions and former customers are left open.
///
/// A class without a schedule has the tariff that the platform comes with.
///
/// # Errors
/// A record that makes no sense.
pub fn daily_usage<'a>(
    readings: impl IntoIterator<Item = &'a Readings>,
    schedules: &[TariffSchedule],
) -> Result<Vec<DailyUsage>, String> {
    let mut tariffs = Tariffs::built_in();
    for schedule in schedules {
        tariffs.publish(&schedule.class, wire::tariffs(schedule)?);
    }
    let mut devices: BTreeMap<String, Device> = BTreeMap::new();
    for record in readings {
        let message = wire::message(record)?;
        devices.entry(message.device.clone()).or_default().take(message, true);
    }
    let mut found = Vec::new();
    for (id, device) in &devices {
        if let Some((facts, days)) = device.expected(&tariffs) {
            found.extend(days.iter().map(|(day, figures)| wire::daily_usage(id, *day, facts, figures)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use indowater_proto::billing::v1::{Tariff, TariffBlock};
    use indowater_proto::readings::v1::{AcceptedRead, Meter, ReadSource};
    use indowater_proto::telemetry::v1::RegisterUnit;

    use super::*;

    /// A midnight in Jakarta: 2026-03-01.
    const MIDNIGHT: i64 = 1_772_298_000;

    #[test]
    fn readings_become_days_at_the_published_price() {
        let readings = |device: &str, day: i64, register: i64| Readings {
            device_id: device.to_owned(),
            time_zone: "Asia/Jakarta".to_owned(),
            tariff_class: "flat".to_owned(),
            meter: Some(Meter {
                unit: RegisterUnit::Litre.into(),
                register_digits: 8,
                q3_litres_per_hour: 2_500,
                ..Meter::default()
            }),
            source: ReadSource::Telemetry.into(),
            reads: vec![AcceptedRead {
                read_at: MIDNIGHT + day * 86_400,
                register,
                ..AcceptedRead::default()
            }],
            ..Readings::default()
        };
        let told = [readings("b", 1, 1_400), readings("a", 0, 7), readings("b", 0, 1_000)];
        let block = TariffBlock { up_to: String::new(), price: "2.5".to_owned() };
        let version = Tariff { blocks: vec![block], ..Tariff::default() };
        let schedule =
            TariffSchedule { class: "flat".to_owned(), versions: vec![version], ..Default::default() };
        let days = daily_usage(&told, &[schedule]).unwrap();
        let found: Vec<_> =
            days.iter().map(|day| (day.id.as_str(), day.volume_ml, day.cost.as_str())).collect();
        assert_eq!(
            found,
            [("a|2026-03-01", 0, "0"), ("b|2026-03-01", 400_000, "1"), ("b|2026-03-02", 0, "0")]
        );
        assert!(daily_usage(&[Readings::default()], &[]).is_err());
    }
}
