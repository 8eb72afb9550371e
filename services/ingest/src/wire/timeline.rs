//! What the registry says of a device in the records of its readings.

use indowater_common::domain::zone::{Day, Zone};
use indowater_proto::readings::v1 as readings;
use prost::Message;

use super::protobuf::{unit_from_wire, unit_to_wire};
use crate::domain::facts::{Exchange, Facts, Holding, start_of};
use crate::domain::meter::Meter;

/// Writes whose the reads are whose newest is at `at`, and what holds on all other days.
pub(super) fn write(message: &mut readings::Readings, facts: &Facts, at: i64) {
    let holds = facts.on_day_of(at);
    message.customer_id.push_str(holds.customer_id);
    message.property_id.push_str(holds.property_id);
    message.time_zone.push_str(&facts.time_zone);
    message.tariff_class.push_str(holds.tariff_class);
    message.meter = Some(meter(holds.meter));
    message.billable = Some(holds.billable);
    message.installed_at = Some(facts.installed_at);
    message.registry_version = facts.version;
    message.area.push_str(&facts.area);
    message.parent_device_id.push_str(facts.parent_device_id.as_deref().unwrap_or_default());
    message.facts.extend(entries(&facts.history));
}

/// A record without reads: what the registry says of a device from now on, as of `at`.
pub fn encode_facts(facts: &Facts, at: i64) -> Vec<u8> {
    let mut message = readings::Readings {
        device_id: facts.id.to_string(),
        source: readings::ReadSource::Telemetry.into(),
        received_at: at,
        // It comes from no telemetry.
        telemetry_partition: -1,
        telemetry_offset: -1,
        ..readings::Readings::default()
    };
    write(&mut message, facts, at);
    message.encode_to_vec()
}

/// The entries of a timeline.
pub(super) fn entries(history: &[Holding]) -> impl Iterator<Item = readings::Facts> {
    history.iter().map(|holding| readings::Facts {
        from: holding.from.map(|day| day.to_string()).unwrap_or_default(),
        customer_id: holding.customer_id.to_string(),
        property_id: holding.property_id.to_string(),
        tariff_class: holding.tariff_class.to_string(),
        meter: Some(meter(holding.meter)),
        billable: holding.billable,
        serial: holding.serial.to_string(),
        exchange: holding.exchange.map(|exchange| readings::MeterExchange {
            at: exchange.at,
            final_register: exchange.final_register,
            initial_register: exchange.initial_register,
        }),
    })
}

/// The entries of a timeline in this zone; none if they are not what [`entries`] writes.
pub(super) fn history(entries: Vec<readings::Facts>, zone: &Zone) -> Option<Box<[Holding]>> {
    let holding = |(place, entry): (usize, readings::Facts)| {
        let from = match place {
            0 => None,
            _ => Some(Day::parse(&entry.from)?),
        };
        let told = entry.meter?;
        Some(Holding {
            from,
            starts_at: start_of(from, zone),
            property_id: entry.property_id.into(),
            customer_id: entry.customer_id.into(),
            tariff_class: entry.tariff_class.into(),
            billable: entry.billable,
            serial: entry.serial.into(),
            meter: Meter {
                unit: unit_from_wire(told.unit())?,
                digits: told.register_digits,
                q3_litres_per_hour: told.q3_litres_per_hour,
                wraps_at: told.wraps_at,
                resolution: told.resolution,
            },
            exchange: entry.exchange.map(|exchange| Exchange {
                at: exchange.at,
                final_register: exchange.final_register,
                initial_register: exchange.initial_register,
            }),
        })
    };
    entries.into_iter().enumerate().map(holding).collect()
}

fn meter(meter: Meter) -> readings::Meter {
    readings::Meter {
        unit: unit_to_wire(meter.unit).into(),
        register_digits: meter.digits,
        q3_litres_per_hour: meter.q3_litres_per_hour,
        wraps_at: meter.wraps_at,
        resolution: meter.resolution,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{example, exchanged};

    #[test]
    fn a_record_without_reads_says_what_holds_and_comes_from_no_telemetry() {
        let facts = exchanged();
        let at = facts.history[1].starts_at;
        let message = readings::Readings::decode(&*encode_facts(&facts, at)).unwrap();
        assert_eq!((message.telemetry_partition, message.telemetry_offset), (-1, -1));
        assert_eq!((message.reads.len(), message.message_reads, message.registry_version), (0, 0, 2));
        assert_eq!((message.billable, message.installed_at), (Some(true), Some(facts.installed_at)));
        assert_eq!(message.meter.unwrap().register_digits, 7);
        let told: Vec<_> = message.facts.iter().map(|facts| (&*facts.from, &*facts.serial)).collect();
        assert_eq!(told, [("", "SN-1"), ("2024-10-04", "SN-2")]);
        let exchange = message.facts[1].exchange.unwrap();
        assert_eq!((exchange.final_register, exchange.initial_register), (500_000, 12));
        let zone = Zone::named("Asia/Jakarta").unwrap();
        assert_eq!(history(message.facts, &zone), Some(facts.history));
    }

    #[test]
    fn reads_say_whose_their_newest_day_is() {
        let facts = exchanged();
        let mut message = readings::Readings::default();
        write(&mut message, &facts, facts.history[1].starts_at - 1);
        assert_eq!((message.meter.unwrap().register_digits, message.facts.len()), (8, 2));
        let mut message = readings::Readings::default();
        write(&mut message, &example(), 0);
        assert!(message.facts.is_empty(), "one entry needs no timeline");
    }
}
