//! A device and a property as a person and as a program reads them.

use indowater_proto::readings::v1::{Facts, Meter};
use indowater_proto::registry::v1::{Device, Property, Remark, Tenancy};
use indowater_proto::telemetry::v1::RegisterUnit;
use serde_json::{Value, json};

use crate::terminal;

fn unit_name(unit: RegisterUnit) -> &'static str {
    match unit {
        RegisterUnit::Unspecified => "unknown",
        RegisterUnit::Litre => "litre",
        RegisterUnit::Millilitre => "millilitre",
    }
}

/// The meter that a device has today.
fn present(device: &Device) -> Meter {
    Meter {
        unit: device.unit,
        register_digits: device.register_digits,
        q3_litres_per_hour: device.q3_litres_per_hour,
        wraps_at: device.wraps_at,
        resolution: device.resolution,
    }
}

pub(super) fn device_json(device: &Device) -> Value {
    json!({
        "id": device.id,
        "device_id": device.device_id,
        "former_device_ids": device.former_device_ids,
        "property_id": device.property_id,
        "customer_id": device.customer_id,
        "tariff_class": device.tariff_class,
        "time_zone": device.time_zone,
        "type": device.r#type,
        "status": device.status,
        "location": device.location,
        "installation_date": device.installation_date,
        "billable": device.billable.unwrap_or(true),
        "role": device.role,
        "parent_device_id": device.parent_device_id,
        "meter": meter_json(present(device)),
        "last_reading": device.last_reading,
        "last_reading_date": device.last_reading_date,
        "version": device.version,
        "timeline": device.facts.iter().map(facts_json).collect::<Vec<_>>(),
        "remarks": device.remarks.iter().map(remark_json).collect::<Vec<_>>(),
    })
}

fn meter_json(meter: Meter) -> Value {
    json!({
        "unit": unit_name(meter.unit()),
        "register_digits": meter.register_digits,
        "q3_litres_per_hour": meter.q3_litres_per_hour,
        "wraps_at": meter.wraps_at,
        "resolution": meter.resolution,
    })
}

fn facts_json(facts: &Facts) -> Value {
    let exchange = facts.exchange.map(|exchange| {
        json!({
            "at": moment(exchange.at),
            "final_register": exchange.final_register,
            "initial_register": exchange.initial_register,
        })
    });
    json!({
        "from": (!facts.from.is_empty()).then_some(&facts.from),
        "customer_id": facts.customer_id,
        "property_id": facts.property_id,
        "tariff_class": facts.tariff_class,
        "billable": facts.billable,
        "device_id": facts.serial,
        "meter": facts.meter.map(meter_json),
        "exchange": exchange,
    })
}

fn remark_json(remark: &Remark) -> Value {
    let Remark { version, at, by, reason, what } = remark;
    json!({ "version": version, "at": at, "by": by, "reason": reason, "what": what })
}

pub(super) fn property_json(property: &Property) -> Value {
    let tenancies = property.tenancies.iter().map(|Tenancy { from, customer_id, tariff_class }| {
        let from = (!from.is_empty()).then_some(from);
        json!({ "from": from, "customer_id": customer_id, "tariff_class": tariff_class })
    });
    json!({
        "id": property.id,
        "name": property.name,
        "customer_id": property.customer_id,
        "tariff_class": property.tariff_class,
        "time_zone": property.time_zone,
        "version": property.version,
        "timeline": tenancies.collect::<Vec<_>>(),
    })
}

fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

fn meter_text(meter: Meter) -> String {
    let Meter { register_digits, q3_litres_per_hour, wraps_at, resolution, .. } = meter;
    let mut text =
        format!("{} x {register_digits} digits, Q3 {q3_litres_per_hour} L/h", unit_name(meter.unit()));
    if wraps_at != 0 {
        text.push_str(&format!(", wraps at {wraps_at}"));
    }
    if resolution != 0 {
        text.push_str(&format!(", in steps of {resolution}"));
    }
    text
}

fn billed(billable: bool) -> &'static str {
    if billable { "billed" } else { "not billed" }
}

pub(super) fn device_text(device: &Device) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<14}{}\n", terminal::line(value)));
    line("device", &device.id);
    line("meter", &device.device_id);
    line("", &meter_text(present(device)));
    if !device.former_device_ids.is_empty() {
        line("before", &device.former_device_ids.join(", "));
    }
    line("property", &device.property_id);
    line("customer", &format!("{} ({})", device.customer_id, device.tariff_class));
    let role =
        device.parent_device_id.as_ref().map_or_else(String::new, |parent| format!(", behind {parent}"));
    let is_billed = billed(device.billable.unwrap_or(true));
    line("is", &format!("{}, {}, {is_billed}{role}", device.r#type, device.status));
    line("installed", &format!("{} ({})", device.installation_date, device.time_zone));
    if let (Some(reading), Some(date)) = (&device.last_reading, &device.last_reading_date) {
        line("last reading", &format!("{reading} m3 at {date}"));
    }
    line("version", &device.version.to_string());
    for facts in &device.facts {
        let from = if facts.from.is_empty() { "before" } else { &facts.from };
        let exchange = facts.exchange.map_or_else(String::new, |exchange| {
            format!(
                "; exchanged at {}, from {} to {}",
                moment(exchange.at),
                exchange.final_register,
                exchange.initial_register
            )
        });
        let (meter, is_billed) = (facts.meter.map(meter_text).unwrap_or_default(), billed(facts.billable));
        let Facts { customer_id, property_id, tariff_class, serial, .. } = facts;
        line(
            from,
            &format!(
                "{customer_id} ({tariff_class}) at {property_id}, {is_billed}; {serial}: {meter}{exchange}"
            ),
        );
    }
    for Remark { at, by, reason, what, .. } in &device.remarks {
        line("remark", &format!("{at} {by}: {what} ({reason})"));
    }
    text
}

pub(super) fn property_text(property: &Property) -> String {
    let Property { id, name, customer_id, tariff_class, version, .. } = property;
    let mut text = format!("{} ({}): ", terminal::line(id), terminal::line(name));
    text.push_str(&format!(
        "{} ({}), version {version}\n",
        terminal::line(customer_id),
        terminal::line(tariff_class)
    ));
    for Tenancy { from, customer_id, tariff_class } in &property.tenancies {
        let from = if from.is_empty() { "before" } else { from };
        text.push_str(&format!(
            "{from:<14}{} ({})\n",
            terminal::line(customer_id),
            terminal::line(tariff_class)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use indowater_proto::readings::v1::MeterExchange;

    use super::*;

    #[test]
    fn a_device_is_shown_with_its_timeline_and_nothing_that_a_terminal_obeys() {
        let meter = Meter { unit: RegisterUnit::Litre.into(), register_digits: 8, ..Meter::default() };
        let exchange = MeterExchange { at: 0, final_register: 7, initial_register: 0 };
        let facts = |from: &str, serial: &str, exchange| Facts {
            from: from.into(),
            serial: serial.into(),
            meter: Some(meter),
            billable: true,
            exchange,
            ..Facts::default()
        };
        let device = Device {
            id: "device-1".into(),
            location: "cellar".into(),
            former_device_ids: vec!["SN-1".into()],
            facts: vec![facts("", "SN-1", None), facts("2026-01-02", "SN-2", Some(exchange))],
            remarks: vec![Remark { reason: "\u{1b}[2J".into(), ..Remark::default() }],
            version: 3,
            ..Device::default()
        };
        let shown = device_text(&device);
        assert!(
            shown.contains("before        SN-1") && shown.contains("exchanged at 1970-01-01T00:00:00Z"),
            "{shown}"
        );
        assert!(!shown.contains('\u{1b}'), "{shown}");
        let json = device_json(&device);
        assert_eq!(
            (&json["timeline"][0]["from"], &json["timeline"][1]["from"]),
            (&Value::Null, &json!("2026-01-02"))
        );
        assert_eq!((&json["version"], &json["meter"]["unit"]), (&json!(3), &json!("unknown")));
    }
}
