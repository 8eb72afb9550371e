//! The meters of the files, held against the registry: new ones are enrolled, of those that are there nothing is changed,
//! and where files or options say something else than the registry, nothing is sent.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result, bail};
use indowater_common::domain::request::MOST_ID;
use indowater_common::domain::tariff::DEFAULT_CLASS;
use indowater_proto::registry::v1::{Device, Property};
use indowater_proto::telemetry::v1::RegisterUnit;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::format::{Values, zone};
use super::number::FileUnit;
use super::values::Reads;
use crate::registry::Registry;

/// What the options say of the meters.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The meters")]
pub struct Facts {
    /// Time zone of the meters: of wall times in the files, and of their properties' days of account [default: Asia/Jakarta]
    #[arg(long, value_name = "NAME", value_parser = zone)]
    pub time_zone: Option<TimeZone>,
    /// What goes before the file's name of a meter in its identifier; empty for meters that are enrolled under their own
    #[arg(long, value_name = "TEXT", default_value = "replay-")]
    pub prefix: String,
    /// Whose new meters are [default: replay-customer]
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// Tariff class of the properties of new meters [default: household-middle-1]
    #[arg(long, value_name = "CLASS")]
    pub tariff_class: Option<String>,
    /// Permanent flow rate Q3 of new meters, litres per hour [default: 2500]
    #[arg(long, value_name = "LITRES", value_parser = clap::value_parser!(u32).range(1..))]
    pub q3: Option<u32>,
    /// Digits of the registers of new meters [default: 8 (11 of millilitres), or as many as a meter's own reads need]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=15))]
    pub register_digits: Option<u32>,
    /// The day on which new meters were installed [default: 1970-01-01, so that older files may follow]
    #[arg(long, value_name = "DATE")]
    pub installed: Option<Date>,
    /// Go on where the registry says something else than options and files: what it says holds
    #[arg(long)]
    pub keep_registry: bool,
}

const CUSTOMER: &str = "replay-customer";
const Q3: u32 = 2_500;
/// The registry takes no more.
const MOST_DIGITS: u32 = 15;
/// Differences that are named before the rest is counted.
const NAMED: usize = 50;

impl Facts {
    /// The same with every default in place of what was left out.
    fn complete(&self) -> Self {
        Self {
            time_zone: Some(self.zone()),
            customer: Some(self.customer.clone().unwrap_or_else(|| CUSTOMER.to_owned())),
            tariff_class: Some(self.tariff_class.clone().unwrap_or_else(|| DEFAULT_CLASS.to_owned())),
            q3: Some(self.q3.unwrap_or(Q3)),
            ..self.clone()
        }
    }

    /// The zone of the meters.
    pub fn zone(&self) -> TimeZone {
        let jakarta = || TimeZone::get("Asia/Jakarta").unwrap_or(TimeZone::UTC);
        self.time_zone.clone().unwrap_or_else(jakarta)
    }
}

/// A meter with its reads in the order of the files.
#[derive(Debug, Clone)]
pub struct Meter {
    /// The identifier on it, as the registry has it or will have it.
    pub device_id: String,
    /// Its reads.
    pub reads: Reads,
    /// What the registry knows of it; nothing if it is new.
    pub known: Option<Device>,
}

/// Identifiers of meters: those of the files with a prefix, safe in keys and URLs.
///
/// # Errors
/// Two meters would be called the same, or a name is too long.
pub fn identified(named: Vec<(String, Reads)>, prefix: &str) -> Result<Vec<Meter>> {
    let mut names: HashMap<String, String> = HashMap::with_capacity(named.len());
    let mut meters = Vec::with_capacity(named.len());
    for (name, reads) in named {
        let device_id = identifier(prefix, &name);
        if property_id(&device_id).len() > MOST_ID {
            bail!(
                "the name {name:?} makes an identifier of more than {MOST_ID} characters: shorten it in the file"
            );
        }
        if let Some(other) = names.insert(device_id.to_lowercase(), name.clone()) {
            bail!("{other:?} and {name:?} would both be called {device_id}: rename one of them in the file");
        }
        meters.push(Meter { device_id, reads, known: None });
    }
    Ok(meters)
}

fn identifier(prefix: &str, name: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "._:-".contains(c) { c } else { '-' }
    };
    prefix.chars().chain(name.chars()).map(safe).collect()
}

fn property_id(device_id: &str) -> String {
    format!("property-{device_id}")
}

/// Finds the meters that the registry has already.
///
/// # Errors
/// The registry does not answer.
pub async fn recognise(registry: &Registry, meters: &mut [Meter]) -> Result<()> {
    let devices = registry.devices(None).await?.into_iter();
    let mut known: HashMap<String, Device> =
        devices.map(|device| (device.device_id.trim().to_lowercase(), device)).collect();
    for meter in meters {
        meter.known = known.remove(&meter.device_id.to_lowercase());
        if let Some(device) = &meter.known {
            meter.device_id.clone_from(&device.device_id);
        }
    }
    Ok(())
}

/// What files and options say besides facts, as far as the registry must agree.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// The unit of the file, if an option says it.
    pub unit: Option<FileUnit>,
    /// Whether times of the files were read in the zone of the meters.
    pub zone_matters: bool,
    /// What the values of the files are.
    pub values: Values,
}

/// Holds the meters against the registry and the options.
///
/// # Errors
/// What differs, meter by meter, and what can be done.
pub fn check<'a>(meters: impl IntoIterator<Item = &'a Meter>, facts: &Facts, said: Said) -> Result<()> {
    let mut refusal = Refusal::default();
    for meter in meters {
        let id = &meter.device_id;
        let oldest = meter.reads.reads.iter().map(|read| read.at).min();
        let installed = match &meter.known {
            Some(device) => device.installation_date.parse::<Timestamp>().ok().map(Timestamp::as_second),
            None => facts.installed.map(|_| installation(facts).map(Timestamp::as_second)).transpose()?,
        };
        if let (Some(oldest), Some(installed)) = (oldest, installed)
            && oldest < installed
        {
            let moment = |at| Timestamp::from_second(at).map_or_else(|_| String::new(), |at| at.to_string());
            let line = format!("{id}: installed {}, first read {}", moment(installed), moment(oldest));
            refusal.too_early.push(line);
        }
        let Some(device) = &meter.known else {
            continue;
        };
        let differences = differences(device, facts, said);
        if !differences.is_empty() {
            refusal.different.push(format!("{id}: {}", differences.join("; ")));
        }
        if said.values == Values::Interval && device.last_reading_date.is_some() {
            refusal.begun.push(id.clone());
        }
    }
    if facts.keep_registry {
        refusal.different.clear();
        refusal.too_early.clear();
    }
    refusal.end()
}

/// Meters of which nothing can be sent, by why not.
#[derive(Default)]
struct Refusal {
    different: Vec<String>,
    too_early: Vec<String>,
    begun: Vec<String>,
}

impl Refusal {
    fn end(self) -> Result<()> {
        let problems = [
            (
                self.different,
                "the registry says something else than the options",
                "give the options as the registry has them, correct it (`indowater registry correct`), or keep what it says \
                 with --keep-registry",
            ),
            (
                self.too_early,
                "reads are older than the installation of their meter, and so would not count",
                "name the true day with --installed if the meters are new, correct the registry's (`indowater registry \
                 correct`) if they are not, or have those reads set aside with --keep-registry",
            ),
            (
                self.begun,
                "meters have reads already, and registers that are summed from intervals would begin again at zero",
                "give all files of intervals in one call, with a --prefix of their own",
            ),
        ];
        let mut text = String::new();
        for (lines, what, hint) in problems {
            if lines.is_empty() {
                continue;
            }
            text.push_str(&format!("\n{what} ({} meters):", lines.len()));
            lines.iter().take(NAMED).for_each(|line| text.push_str(&format!("\n    {line}")));
            if lines.len() > NAMED {
                text.push_str(&format!("\n    and {} more", lines.len() - NAMED));
            }
            text.push_str(&format!("\n  {hint}"));
        }
        if text.is_empty() { Ok(()) } else { bail!("nothing is sent:{text}") }
    }
}

/// What the options say otherwise than the registry.
fn differences(device: &Device, facts: &Facts, said: Said) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, registry: &str, given: Option<&str>| {
        if let Some(given) = given
            && given != registry
        {
            found.push(format!("{what} is {registry} in the registry, not {given}"));
        }
    };
    compare("the customer", &device.customer_id, facts.customer.as_deref());
    compare("the class", &device.tariff_class, facts.tariff_class.as_deref());
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    compare("Q3", &device.q3_litres_per_hour.to_string(), number(facts.q3).as_deref());
    compare(
        "the number of digits",
        &device.register_digits.to_string(),
        number(facts.register_digits).as_deref(),
    );
    let unit = |unit| match unit {
        RegisterUnit::Millilitre => "millilitre",
        RegisterUnit::Litre | RegisterUnit::Unspecified => "litre",
    };
    compare("the unit", unit(device.unit()), said.unit.map(|said| unit(said.of_the_meter())));
    let zone = facts.zone();
    let zone = zone.iana_name().filter(|_| facts.time_zone.is_some() || said.zone_matters);
    compare("the time zone", &device.time_zone, zone);
    found
}

/// Digits of the register of a new meter.
pub fn digits(meter: &Meter, facts: &Facts, unit: RegisterUnit) -> u32 {
    let (least, per_litre) = match unit {
        RegisterUnit::Millilitre => (11, 1_000),
        RegisterUnit::Litre | RegisterUnit::Unspecified => (8, 1),
    };
    match (&meter.known, facts.register_digits) {
        (Some(device), _) => device.register_digits,
        (None, Some(digits)) => digits,
        (None, None) => {
            let largest = largest_plausible(&meter.reads, facts.q3.unwrap_or(Q3), per_litre);
            largest.max(1).ilog10().saturating_add(1).clamp(least, MOST_DIGITS)
        }
    }
}

/// The largest register that the meter can have reached from its median one in all the time of the file. A sentinel or an
/// error code is beyond it, and says nothing about how many digits a meter has.
fn largest_plausible(Reads { reads, .. }: &Reads, q3: u32, per_litre: i64) -> i64 {
    let mut registers: Vec<i64> = reads.iter().map(|read| read.register).collect();
    registers.sort_unstable();
    let Some(median) = registers.get(registers.len().saturating_sub(1) / 2) else {
        return 0;
    };
    let newest = reads.iter().map(|read| read.at).max().unwrap_or(0);
    let oldest = reads.iter().map(|read| read.at).min().unwrap_or(0);
    // Q4 and a tenth, as steps of a register are judged.
    let flow = i128::from(q3) * i128::from(per_litre) * i128::from(newest - oldest) * 11 / (8 * 3_600);
    let most = i128::from(*median) + flow;
    registers.iter().rev().copied().find(|register| i128::from(*register) <= most).unwrap_or(*median)
}

/// Registers that the meter cannot show by its digits: they are sent, and the platform sets them aside.
pub fn beyond(meter: &Meter, facts: &Facts, unit: RegisterUnit) -> u64 {
    let is_fine = |unit| unit == RegisterUnit::Millilitre;
    let own = meter.known.as_ref().map_or(unit, Device::unit);
    let capacity = 10_i128.pow(digits(meter, facts, unit).min(MOST_DIGITS));
    let capacity = match (is_fine(own), is_fine(unit)) {
        (true, false) => capacity / 1_000,
        (false, true) => capacity * 1_000,
        _ => capacity,
    };
    meter.reads.reads.iter().filter(|read| i128::from(read.register) >= capacity).count() as u64
}

fn installation(facts: &Facts) -> Result<Timestamp> {
    let Some(day) = facts.installed else {
        return Ok(Timestamp::UNIX_EPOCH);
    };
    let midnight = day.to_zoned(facts.zone()).context("the day of --installed is beyond the calendar")?;
    Ok(midnight.timestamp())
}

/// Enrols the new meters, each at a property of its own, and returns how many there are.
///
/// # Errors
/// The registry refuses one, has a property of one already that says something else, or does not answer.
pub async fn enrol(
    registry: &Registry,
    meters: &mut [Meter],
    facts: &Facts,
    said: Said,
    unit: RegisterUnit,
    address: &str,
) -> Result<usize> {
    let facts = facts.complete();
    let (mut properties, mut devices) = (Vec::new(), Vec::new());
    for meter in meters.iter().filter(|meter| meter.known.is_none()) {
        let (property, device) = drafts(meter, &facts, unit, address)?;
        properties.push(property);
        devices.push(device);
    }
    let created = registry.create_properties(properties).await?;
    registry.enrol(&devices).await?;
    if created < devices.len() {
        // A call that was cut short left properties without meters; what they say may not be what is said now.
        let new: HashSet<String> = devices.iter().map(|device| device.device_id.clone()).collect();
        recognise(registry, meters).await?;
        check(meters.iter().filter(|meter| new.contains(&meter.device_id)), &facts, said)?;
    }
    Ok(devices.len())
}

/// A new meter and its property.
fn drafts(meter: &Meter, facts: &Facts, unit: RegisterUnit, address: &str) -> Result<(Property, Device)> {
    let zone = facts.zone();
    let property = Property {
        id: property_id(&meter.device_id),
        name: format!("Meter {}", meter.device_id),
        customer_id: facts.customer.clone().unwrap_or_default(),
        address: address.to_owned(),
        property_type: "residential".to_owned(),
        time_zone: zone.iana_name().context("the time zone has no name")?.to_owned(),
        tariff_class: facts.tariff_class.clone().unwrap_or_default(),
        ..Default::default()
    };
    let device = Device {
        id: meter.device_id.clone(),
        device_id: meter.device_id.clone(),
        property_id: property.id.clone(),
        r#type: "water_meter".to_owned(),
        status: "active".to_owned(),
        installation_date: installation(facts)?.to_string(),
        unit: unit.into(),
        register_digits: digits(meter, facts, unit),
        q3_litres_per_hour: facts.q3.unwrap_or(Q3),
        ..Default::default()
    };
    Ok((property, device))
}

#[cfg(test)]
#[path = "meters_tests.rs"]
mod tests;
