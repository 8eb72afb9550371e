//! `registry`: what is known of a device, and what an administrator tells the registry about the past.

use std::process::ExitCode;

use anyhow::Result;
use indowater_proto::registry::v1::{
    CorrectDeviceRequest, Device, ExchangeMeterRequest, TransferPropertyRequest,
};
use indowater_proto::telemetry::v1::RegisterUnit;

use super::show::{device_json, device_text, property_json, property_text};
use super::{Registry, RegistryAddress};
use crate::system::{Connect, System};

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
            Some(url) => Registry::at(url, self.connect.certificates.as_deref()),
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

#[cfg(test)]
mod tests {
    use clap::Parser;

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
}
