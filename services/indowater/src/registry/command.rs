//! `registry`: what is known of a device, and what an administrator tells the registry about the past.

use std::process::ExitCode;

use anyhow::Result;
use indowater_proto::readings::v1::{Facts, Meter};
use indowater_proto::registry::v1::{
    CorrectDeviceRequest, Device, ExchangeMeterRequest, Property, Remark, Tenancy, TransferPropertyRequest,
};
use indowater_proto::telemetry::v1::RegisterUnit;
use serde_json::{Value, json};

use super::{Registry, RegistryAddress};
use crate::system::{Connect, System};
use crate::terminal;

/// Show what is known of a device, and correct what was wrong; exchange meters and move customers
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// Show a device: what holds today, and what held from which day on
    Show {
        /// Its id in the registry
        #[arg(value_name = "DEVICE")]
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Correct what was wrong all along or from a day on; its days are judged again
    Correct(Box<Correct>),
    /// Take one meter out and put another one in; the connection goes on
    Exchange(Box<Exchange>),
    /// Make a property, and all that is measured there, another customer's from a local midnight on
    Transfer {
        /// The property's id
        #[arg(value_name = "PROPERTY")]
        id: String,
        /// Whose it is from then on
        #[arg(long, value_name = "CUSTOMER")]
        customer: String,
        /// The first local day of the new customer [default: today]
        #[arg(long, value_name = "YYYY-MM-DD")]
        from: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Clone, clap::Args)]
struct Common {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    address: RegistryAddress,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct Correct {
    /// The device's id in the registry
    #[arg(value_name = "DEVICE")]
    id: String,
    /// The first local day of what is corrected [default: from the beginning]
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<String>,
    #[command(flatten)]
    meter: MeterFacts,
    /// What it is: water_meter or flow_sensor
    #[arg(long = "type", value_name = "TYPE")]
    device_type: Option<String>,
    /// Whether its water is charged for
    #[arg(long, value_name = "true|false")]
    billable: Option<bool>,
    /// When it was installed, RFC 3339; holds for all days
    #[arg(long, value_name = "TIME")]
    installation_date: Option<String>,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, clap::Args)]
struct Exchange {
    /// The device's id in the registry
    #[arg(value_name = "DEVICE")]
    id: String,
    /// When the meters were exchanged, RFC 3339
    #[arg(long, value_name = "TIME")]
    at: String,
    /// The last register of the old meter, m3
    #[arg(long = "final", value_name = "M3")]
    final_register: String,
    /// The first register of the new meter, m3
    #[arg(long = "initial", value_name = "M3")]
    initial_register: String,
    /// The identifier on the new meter
    #[arg(long = "meter", value_name = "SERIAL")]
    serial: String,
    #[command(flatten)]
    meter: MeterFacts,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    common: Common,
}

/// Facts of a meter; what is left out stays as it is.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The meter")]
struct MeterFacts {
    /// What its register counts
    #[arg(long, value_enum)]
    unit: Option<Unit>,
    /// Digits of its register, in its unit
    #[arg(long, value_name = "N")]
    digits: Option<u32>,
    /// Its permanent flow rate, litres per hour
    #[arg(long, value_name = "L/H")]
    q3: Option<u32>,
    /// The count at which it wraps, such as 16777216; 0: at 10^digits
    #[arg(long, value_name = "COUNT")]
    wraps_at: Option<i64>,
    /// The step in which it counts, in its unit, such as 10; 0: not known
    #[arg(long, value_name = "COUNT")]
    resolution: Option<u32>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Unit {
    Litre,
    Millilitre,
}

#[derive(Debug, Clone, clap::Args)]
struct Why {
    /// Why; it is kept with the device
    #[arg(long)]
    reason: String,
    /// Who says so; it is kept with the device
    #[arg(long, value_name = "NAME", env = "USER")]
    by: String,
}

/// Runs the command.
///
/// # Errors
/// The registry does not answer, or refuses it.
pub async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::Show { id, common } => {
            let device = common.registry()?.device(&id).await?;
            common.print_device(&device);
        }
        Action::Correct(correct) => {
            let device = correct.common.registry()?.correct(correct.request()).await?;
            correct.common.print_device(&device);
        }
        Action::Exchange(exchange) => {
            let device = exchange.common.registry()?.exchange(exchange.request()).await?;
            exchange.common.print_device(&device);
        }
        Action::Transfer { id, customer, from, common } => {
            let transfer = TransferPropertyRequest {
                id,
                customer_id: customer,
                effective_from: from.unwrap_or_default(),
                version: None,
            };
            let property = common.registry()?.transfer(transfer).await?;
            if common.json {
                println!("{:#}", property_json(&property));
            } else {
                print!("{}", property_text(&property));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Common {
    /// The registry that is named; only one that is not needs a running system.
    fn registry(&self) -> Result<Registry> {
        match &self.address.url {
            Some(url) => Registry::at(url),
            None => self.address.open(&self.system()?),
        }
    }

    fn system(&self) -> Result<System> {
        self.connect.resolve()
    }

    fn print_device(&self, device: &Device) {
        if self.json {
            println!("{:#}", device_json(device));
        } else {
            print!("{}", device_text(device));
        }
    }
}

impl Correct {
    fn request(&self) -> CorrectDeviceRequest {
        CorrectDeviceRequest {
            id: self.id.clone(),
            from: self.from.clone().unwrap_or_default(),
            unit: self.meter.unit(),
            register_digits: self.meter.digits,
            q3_litres_per_hour: self.meter.q3,
            wraps_at: self.meter.wraps_at,
            resolution: self.meter.resolution,
            r#type: self.device_type.clone(),
            billable: self.billable,
            installation_date: self.installation_date.clone(),
            reason: self.why.reason.clone(),
            by: self.why.by.clone(),
            version: None,
        }
    }
}

impl Exchange {
    fn request(&self) -> ExchangeMeterRequest {
        ExchangeMeterRequest {
            id: self.id.clone(),
            at: self.at.clone(),
            final_register: self.final_register.clone(),
            initial_register: self.initial_register.clone(),
            device_id: self.serial.clone(),
            unit: self.meter.unit(),
            register_digits: self.meter.digits,
            q3_litres_per_hour: self.meter.q3,
            wraps_at: self.meter.wraps_at,
            resolution: self.meter.resolution,
            reason: self.why.reason.clone(),
            by: self.why.by.clone(),
            version: None,
        }
    }
}

impl MeterFacts {
    fn unit(&self) -> i32 {
        let unit = match self.unit {
            None => RegisterUnit::Unspecified,
            Some(Unit::Litre) => RegisterUnit::Litre,
            Some(Unit::Millilitre) => RegisterUnit::Millilitre,
        };
        unit.into()
    }
}

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

fn device_json(device: &Device) -> Value {
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

fn property_json(property: &Property) -> Value {
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

fn device_text(device: &Device) -> String {
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

fn property_text(property: &Property) -> String {
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
    use clap::Parser;
    use indowater_proto::readings::v1::MeterExchange;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(line: &str) -> Action {
        Line::try_parse_from(line.split(' ')).unwrap().args.action
    }

    #[test]
    fn what_is_typed_is_what_is_asked() {
        let line = "x correct device-1 --unit millilitre --resolution 10 --billable false --from 2026-01-02 \
                    --reason nameplate --by admin-001";
        let Action::Correct(correct) = parsed(line) else { panic!("no correction") };
        let expected = CorrectDeviceRequest {
            id: "device-1".into(),
            from: "2026-01-02".into(),
            unit: RegisterUnit::Millilitre.into(),
            resolution: Some(10),
            billable: Some(false),
            reason: "nameplate".into(),
            by: "admin-001".into(),
            ..CorrectDeviceRequest::default()
        };
        assert_eq!(correct.request(), expected);
        let line = "x exchange device-1 --at 2026-01-02T03:00:00Z --final 1204.551 --initial 0 --meter SN-2 \
                    --digits 7 --reason old --by technician-001";
        let Action::Exchange(exchange) = parsed(line) else { panic!("no exchange") };
        let expected = ExchangeMeterRequest {
            id: "device-1".into(),
            at: "2026-01-02T03:00:00Z".into(),
            final_register: "1204.551".into(),
            initial_register: "0".into(),
            device_id: "SN-2".into(),
            register_digits: Some(7),
            reason: "old".into(),
            by: "technician-001".into(),
            ..ExchangeMeterRequest::default()
        };
        assert_eq!(exchange.request(), expected);
    }

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
