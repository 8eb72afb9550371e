//! How files are written: the options that say so.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::number::{DecimalSign, FileUnit};
use super::source;
use super::time::{DateOrder, Reading};

/// What the values of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Values {
    /// What the register showed
    Register,
    /// What flowed in the interval that ends with the row's time
    Interval,
}

/// How the files are written.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "How the files are written")]
pub struct Format {
    /// The meter that all rows are of, where no column says it
    #[arg(long, value_name = "NAME", conflicts_with = "meter_column")]
    pub meter: Option<String>,
    /// Column that says which meter
    #[arg(long, value_name = "NAME", default_value = "meter")]
    pub meter_column: String,
    /// Column that says when
    #[arg(long, value_name = "NAME", default_value = "time")]
    pub time_column: String,
    /// Column of the date, where the time column has only the time of day
    #[arg(long, value_name = "NAME")]
    pub date_column: Option<String>,
    /// Column with the cumulative register
    #[arg(long, value_name = "NAME", default_value = "register")]
    pub register_column: String,
    /// What separates columns: one character, or `tab` [default: recognised]
    #[arg(long, value_name = "CHAR", value_parser = source::delimiter)]
    pub delimiter: Option<u8>,
    /// Lines before the header
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip_lines: u64,
    /// How time is written (strptime); with %z or %s it names a moment [default: recognised row by row]
    #[arg(long, value_name = "FORMAT")]
    pub time_format: Option<String>,
    /// What comes first in dates that end with the year [default: recognised where the file leaves no doubt]
    #[arg(long, value_enum, value_name = "ORDER")]
    pub date_order: Option<DateOrder>,
    /// Time of day at which the meters were read, where the file has only dates
    #[arg(long, value_name = "HH:MM")]
    pub read_at: Option<Time>,
    /// Time zone of times without an offset, such as UTC [default: the zone of the meters]
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    pub times_in: Option<TimeZone>,
    /// The sign before decimals, where numbers have signs that can be read both ways; the other one separates thousands
    #[arg(long, value_enum, value_name = "SIGN")]
    pub decimal: Option<DecimalSign>,
    /// In what the register counts [default: litre]
    #[arg(long, value_enum)]
    pub unit: Option<FileUnit>,
    /// What the values are [default: register; volumes of intervals are recognised and refused]
    #[arg(long, value_enum)]
    pub values: Option<Values>,
}

impl Format {
    /// In what the register counts.
    pub fn unit(&self) -> FileUnit {
        self.unit.unwrap_or(FileUnit::Litre)
    }

    /// How to read times.
    pub fn reading(&self) -> Reading {
        Reading { format: self.time_format.clone(), read_at: self.read_at }
    }
}

/// A time zone by its name.
///
/// # Errors
/// There is none of that name.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|error| format!("{error}; a zone is named as in Asia/Jakarta or UTC"))
}
