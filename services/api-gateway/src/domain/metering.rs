//! Places, meters, reads and consumption as people see them, in the words of the data model.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A volume of water in cubic metres: an exact decimal in a string, for a JSON number becomes a binary float in most
/// clients, and a float is not what a meter counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, format = "decimal", pattern = r"^-?[0-9]+(\.[0-9]+)?$", example = "0.512")]
pub struct CubicMetres(Decimal);

impl CubicMetres {
    /// A volume in millilitres.
    pub fn from_millilitres(millilitres: i64) -> Self {
        Self(Decimal::new(millilitres, 6).normalize())
    }

    /// A volume in litres.
    pub fn from_litres(litres: i64) -> Self {
        Self(Decimal::new(litres, 3).normalize())
    }

    /// All of them together, and no less than nothing: a month that ran backwards is not in any block.
    pub fn total(volumes: impl Iterator<Item = Self>) -> Self {
        Self(volumes.map(|volume| volume.0).sum::<Decimal>().max(Decimal::ZERO).normalize())
    }

    /// The number.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// A volume written as a decimal of cubic metres.
    pub fn parse(text: &str) -> Option<Self> {
        Decimal::from_str_exact(text).ok().map(|value| Self(value.normalize()))
    }
}

/// An amount in Indonesian rupiah: an exact decimal in a string, for a JSON number becomes a binary float in most
/// clients, and money does not bear that. The cost of a day may have decimals; what is posted to a balance is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, format = "decimal", pattern = r"^-?[0-9]+(\.[0-9]+)?$", example = "2355.2")]
pub struct Rupiah(Decimal);

impl Rupiah {
    /// An amount written as a decimal.
    pub fn parse(text: &str) -> Option<Self> {
        Decimal::from_str_exact(text).ok().map(|value| Self(value.normalize()))
    }
}

/// What a property is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PropertyType {
    /// A home.
    Residential,
    /// A business.
    Commercial,
    /// A factory.
    Industrial,
}

/// A place where meters stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Property {
    /// Unique id.
    #[schema(example = "property-001")]
    pub id: String,
    /// What its people call it.
    #[schema(example = "Rumah Siti")]
    pub name: String,
    /// Postal address.
    #[schema(example = "Jl. Merdeka 10, Bandung")]
    pub address: String,
    /// Whose it is.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// What it is used for.
    pub property_type: PropertyType,
    /// IANA name of the time zone whose local day is the day of account.
    #[schema(example = "Asia/Jakarta")]
    pub time_zone: String,
    /// Which block tariff prices its water.
    #[schema(example = "household-middle-1")]
    pub tariff_class: String,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub updated_at: Timestamp,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceType {
    /// Counts volume.
    WaterMeter,
    /// Tells flow.
    FlowSensor,
}

/// What a device is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStatus {
    /// In use.
    Active,
    /// Retired.
    Inactive,
    /// Being worked on.
    Maintenance,
}

impl DeviceStatus {
    /// Its written form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Maintenance => "maintenance",
        }
    }
}

/// In what a register counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegisterUnit {
    /// Litres.
    Litre,
    /// Millilitres.
    Millilitre,
}

impl RegisterUnit {
    /// A register of this unit as a volume.
    pub fn volume(self, register: i64) -> CubicMetres {
        match self {
            Self::Litre => CubicMetres::from_litres(register),
            Self::Millilitre => CubicMetres::from_millilitres(register),
        }
    }
}

/// A water meter or another device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Device {
    /// Unique id.
    #[schema(example = "device-001")]
    pub id: String,
    /// The identifier on the device itself.
    #[schema(example = "IDW-2026-000001")]
    pub device_id: String,
    /// Where it stands.
    #[schema(example = "property-001")]
    pub property_id: String,
    /// Whose it is.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: DeviceType,
    /// What it is doing.
    pub status: DeviceStatus,
    /// Where on the property.
    #[schema(example = "Front yard, meter box")]
    pub location: String,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub installation_date: Option<Timestamp>,
    /// The last register.
    pub last_reading: Option<CubicMetres>,
    /// When that was read.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-22T03:15:00Z")]
    pub last_reading_date: Option<Timestamp>,
    /// When it was last calibrated.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub calibration_date: Option<Timestamp>,
    /// In what its register counts.
    pub unit: RegisterUnit,
    /// How many digits the register has before it starts again at zero.
    #[schema(example = 8)]
    pub register_digits: u32,
    /// Permanent flow rate (Q3) in litres per hour, which bounds what it can count.
    #[schema(example = 2500)]
    pub q3_litres_per_hour: u32,
    /// Time zone of its property.
    #[schema(example = "Asia/Jakarta")]
    pub time_zone: String,
    /// Tariff class of its property.
    #[schema(example = "household-middle-1")]
    pub tariff_class: String,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub updated_at: Timestamp,
}

/// An accepted read of a meter's register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reading {
    /// When the meter read it.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T03:15:00Z")]
    pub read_at: Timestamp,
    /// The cumulative register.
    pub reading: CubicMetres,
    /// The same, as the meter counts it.
    #[schema(example = 120_512)]
    pub register: i64,
    /// In what the meter counts.
    pub unit: RegisterUnit,
    /// How it came: `telemetry` or `manual`.
    #[schema(example = "telemetry")]
    pub source: String,
    /// What was made of it; null where that is not known.
    pub verdict: Option<ReadVerdict>,
    /// Whether the device's clock was ahead, and the read stands at the time at which it was received.
    #[schema(example = false)]
    pub clock_corrected: bool,
}

/// What was made of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadVerdict {
    /// It counts.
    Counted,
    /// Another read of the same moment counts.
    Conflict,
    /// The meter cannot have shown it between its neighbours.
    Glitch,
    /// It is from before the installation date.
    BeforeInstallation,
}

/// How sure a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageQuality {
    /// A read stands at each end.
    Measured,
    /// An end lies between reads at most a day apart.
    Interpolated,
    /// An end lies in a longer gap: the total over the gap is known, its split is not.
    Estimated,
}

/// How the reads behind a figure came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadingType {
    /// From the meter.
    Automatic,
    /// From a person.
    Manual,
}

/// What validation met inside a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageFlag {
    /// The register started again at zero.
    Rollover,
    /// The meter was exchanged or reset.
    Exchange,
    /// Water flowed backwards.
    Backflow,
    /// Reads are missing.
    Gap,
    /// Reads are missing for long.
    ProlongedGap,
    /// Two different registers for one moment.
    Conflict,
    /// More than the meter can count.
    Ceiling,
    /// The meter's clock was wrong.
    Clock,
    /// Nothing flowed.
    Zero,
    /// A read that one meter cannot have shown between its neighbours: kept, and not counted.
    Glitch,
    /// Taken over from another system: the figures stand as they came.
    Imported,
}

/// What one device consumed in one hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HourlyUsage {
    /// Which device.
    #[schema(example = "device-001")]
    pub device_id: String,
    /// When the hour starts, with the property's offset.
    #[schema(format = DateTime, example = "2026-11-22T10:00:00+07:00")]
    pub hour: String,
    /// How much water.
    pub consumption: CubicMetres,
    /// How sure that is; null where it is not known.
    pub quality: Option<UsageQuality>,
}

/// What one device consumed on one local day. Late reads revise it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DailyUsage {
    /// Unique id.
    #[schema(example = "device-001|2026-11-21")]
    pub id: String,
    /// Which device.
    #[schema(example = "device-001")]
    pub device_id: String,
    /// Whose it was.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// Where it stood.
    #[schema(example = "property-001")]
    pub property_id: String,
    /// The local day.
    #[schema(value_type = String, format = Date, example = "2026-11-21")]
    pub date: Date,
    /// Whose local day.
    #[schema(example = "Asia/Jakarta")]
    pub time_zone: String,
    /// How much water, net.
    pub consumption: CubicMetres,
    /// How much of it flowed backwards (already subtracted).
    pub reverse_consumption: CubicMetres,
    /// What this day adds to the month's cost under the block tariff.
    pub cost: Rupiah,
    /// Under which tariff class.
    #[schema(example = "household-middle-1")]
    pub tariff_class: String,
    /// The month's consumption before this day under the same customer, which decides the tariff's block.
    pub month_to_date_before: CubicMetres,
    /// Whether the water is charged for; where it is not, `cost` is 0.
    #[schema(example = true)]
    pub billable: bool,
    /// What passed by the registers and is not charged for, because nobody knows that it was water.
    pub unbilled: CubicMetres,
    /// The newest read inside the day, or the day's end.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T17:00:00Z")]
    pub timestamp: Timestamp,
    /// How the reads came.
    pub reading_type: ReadingType,
    /// How sure the figure is; null where it is not known.
    pub quality: Option<UsageQuality>,
    /// How much the interpolation at the two midnights may have put on the wrong side.
    pub error_bound: CubicMetres,
    /// How many reads stand inside the day.
    #[schema(example = 96)]
    pub reads_count: u32,
    /// How many of them the meter cannot have shown in that order: they are kept, and not counted.
    #[schema(example = 0)]
    pub glitches: u32,
    /// What validation met.
    pub flags: Vec<UsageFlag>,
    /// Whether it is far outside what this device usually counts.
    pub is_anomaly: bool,
    /// Whether a read at or after the end of the day exists.
    pub complete: bool,
    /// Rises with every change of this record.
    #[schema(example = 3)]
    pub revision: i64,
}

/// What one device consumed in one local month: the sum of its days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MonthlyUsage {
    /// Which device.
    #[schema(example = "device-001")]
    pub device_id: String,
    /// Whose it was.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// Where it stood.
    #[schema(example = "property-001")]
    pub property_id: String,
    /// The month.
    #[schema(example = "2026-11", pattern = "^[0-9]{4}-[0-9]{2}$")]
    pub month: String,
    /// How much water.
    pub consumption: CubicMetres,
    /// What it cost.
    pub cost: Rupiah,
    /// How many days have a record.
    #[schema(example = 21)]
    pub days: u32,
    /// How many of them are estimated.
    #[schema(example = 0)]
    pub days_estimated: u32,
    /// How many of them are far outside what this device usually counts.
    #[schema(example = 1)]
    pub days_anomalous: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_and_money_are_strings_without_loss() {
        for (volume, text) in [
            (CubicMetres::from_litres(120_512), "120.512"),
            (CubicMetres::from_litres(0), "0"),
            (CubicMetres::from_litres(1_000), "1"),
            (CubicMetres::from_millilitres(-1), "-0.000001"),
            (CubicMetres::from_millilitres(i64::MAX), "9223372036854.775807"),
            (CubicMetres::parse("12.3450").unwrap(), "12.345"),
        ] {
            assert_eq!(serde_json::to_value(volume).unwrap(), text);
        }
        let cost = Rupiah::parse("79228162514264337593543950.335").unwrap();
        assert_eq!(serde_json::to_value(cost).unwrap(), "79228162514264337593543950.335");
        for wrong in ["", "1e3", "NaN", "twelve", "1,5"] {
            assert_eq!(CubicMetres::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_register_is_a_volume_in_its_unit() {
        assert_eq!(RegisterUnit::Litre.volume(1_500), CubicMetres::parse("1.5").unwrap());
        assert_eq!(RegisterUnit::Millilitre.volume(1_500), CubicMetres::parse("0.0015").unwrap());
    }
}
