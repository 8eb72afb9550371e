//! The file: rows of register reads, whatever its columns are called and however it writes time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use csv::{ByteRecord, ReaderBuilder};
use flate2::read::MultiGzDecoder;
use indowater_proto::telemetry::v1::RegisterUnit;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

/// In what the file counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FileUnit {
    /// Whole litres.
    Litre,
    /// Whole millilitres.
    Millilitre,
    /// Cubic metres with up to three decimals.
    CubicMetre,
}

impl FileUnit {
    /// The unit of the meters behind it.
    pub fn of_the_meter(self) -> RegisterUnit {
        match self {
            Self::Litre | Self::CubicMetre => RegisterUnit::Litre,
            Self::Millilitre => RegisterUnit::Millilitre,
        }
    }
}

/// How the file is written.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The file")]
pub struct Format {
    /// Column that tells which meter
    #[arg(long, value_name = "NAME", default_value = "meter")]
    pub meter_column: String,
    /// Column that tells when
    #[arg(long, value_name = "NAME", default_value = "time")]
    pub time_column: String,
    /// Column with the cumulative register
    #[arg(long, value_name = "NAME", default_value = "register")]
    pub register_column: String,
    /// What separates columns, one character
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = one_byte)]
    pub delimiter: u8,
    /// How time is written (strptime); with %z or %s it names a moment, otherwise it is the time zone's wall time
    #[arg(long, value_name = "FORMAT", default_value = "%Y-%m-%d %H:%M:%S")]
    pub time_format: String,
    /// In what the register counts
    #[arg(long, value_enum, default_value = "litre")]
    pub unit: FileUnit,
}

fn one_byte(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err("a separator is one ASCII character".to_owned()),
    }
}

/// When a read was, as the file tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A time on the wall of the meter's place.
    Wall(DateTime),
    /// A moment.
    Moment(Timestamp),
}

/// One read as the file tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: u64,
    /// When it was.
    pub when: When,
    /// The register in counts of the meter.
    pub register: i64,
}

/// The rows of one meter in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterRows {
    /// The meter as the file calls it.
    pub name: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// Rows that are of no use, and why; the first ones by line.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// How many.
    pub count: u64,
    /// The first of them: line and reason.
    pub first: Vec<(u64, String)>,
}

/// How many refused rows are told one by one.
const TOLD: usize = 20;

impl Refused {
    /// Counts one more.
    pub fn add(&mut self, line: u64, why: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push((line, why()));
        }
    }
}

/// All of a file.
#[derive(Debug, Default)]
pub struct Rows {
    /// By first appearance.
    pub meters: Vec<MeterRows>,
    /// Rows without a time or a register.
    pub unparsable: Refused,
}

impl Rows {
    /// Reads a file; one that ends in `.gz` is unpacked on the way.
    ///
    /// # Errors
    /// The file cannot be read, or has not the columns.
    pub fn open(path: &Path, format: &Format) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let file = BufReader::with_capacity(1 << 16, file);
        let rows = if path.extension().is_some_and(|extension| extension == "gz") {
            Self::read(MultiGzDecoder::new(file), format)
        } else {
            Self::read(file, format)
        };
        rows.with_context(|| format!("cannot replay {}", path.display()))
    }

    /// Reads rows of CSV with a header.
    ///
    /// # Errors
    /// The source fails, or has not the columns.
    pub fn read(source: impl Read, format: &Format) -> Result<Self> {
        let mut reader = ReaderBuilder::new().delimiter(format.delimiter).flexible(true).from_reader(source);
        let header = reader.byte_headers().context("the header cannot be read")?.clone();
        let meter = column(&header, &format.meter_column, "--meter-column")?;
        let time = column(&header, &format.time_column, "--time-column")?;
        let register = column(&header, &format.register_column, "--register-column")?;
        let mut rows = Self::default();
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).context("the file breaks off")? {
            let line = record.position().map_or(0, csv::Position::line);
            let field = |place| record.get(place).unwrap_or_default();
            let parsed = when(field(time), &format.time_format)
                .and_then(|when| Ok(Row { line, when, register: counts(field(register), format.unit)? }));
            let row = match parsed {
                Ok(row) => row,
                Err(why) => {
                    rows.unparsable.add(line, || why);
                    continue;
                }
            };
            let place = match places.get(field(meter)) {
                Some(place) => *place,
                None => {
                    let name = String::from_utf8_lossy(field(meter)).into_owned();
                    rows.meters.push(MeterRows { name, rows: Vec::new() });
                    places.insert(field(meter).to_vec(), rows.meters.len() - 1);
                    rows.meters.len() - 1
                }
            };
            rows.meters[place].rows.push(row);
        }
        Ok(rows)
    }
}

fn column(header: &ByteRecord, name: &str, flag: &str) -> Result<usize> {
    if let Some(place) = header.iter().position(|field| field == name.as_bytes()) {
        return Ok(place);
    }
    let there: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    bail!(
        "it has no column {name:?}, but {}: name the column with {flag}, what separates columns with --delimiter",
        there.join(", ")
    )
}

fn when(field: &[u8], format: &str) -> Result<When, String> {
    let parsed = strtime::parse(format, field);
    let parsed = parsed.map_err(|why| format!("time {:?}: {why}", String::from_utf8_lossy(field)))?;
    let when = if parsed.offset().is_some() || parsed.timestamp().is_some() {
        parsed.to_timestamp().map(When::Moment)
    } else {
        parsed.to_datetime().map(When::Wall)
    };
    when.map_err(|why| format!("time {:?}: {why}", String::from_utf8_lossy(field)))
}

/// A register in counts of the meter, taken exactly.
///
/// Spreadsheets and statistics tools write a round register as `4e+05`; that is a number like any other.
fn counts(field: &[u8], unit: FileUnit) -> Result<i64, String> {
    let text = std::str::from_utf8(field).unwrap_or_default().trim();
    if unit != FileUnit::CubicMetre
        && let Ok(counts) = text.parse()
    {
        return Ok(counts);
    }
    let number = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text));
    let number = number.map_err(|_| format!("register {text:?} is no number"))?;
    let counts =
        if unit == FileUnit::CubicMetre { number * Decimal::ONE_THOUSAND } else { number }.normalize();
    match counts.to_i64() {
        Some(whole) if counts.scale() == 0 => Ok(whole),
        _ => Err(format!("register {text:?} is no whole count of a meter")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(time_format: &str) -> Format {
        Format {
            meter_column: "meter".to_owned(),
            time_column: "time".to_owned(),
            register_column: "register".to_owned(),
            delimiter: b';',
            time_format: time_format.to_owned(),
            unit: FileUnit::Litre,
        }
    }

    #[test]
    fn rows_keep_their_order_and_bad_ones_are_told_by_line() {
        let file = "time;register;meter\n\
                    01/03/2016 00:28:55;10;a\n\
                    soon;11;a\n\
                    01/03/2016 00:30:00;7;b\n\
                    01/03/2016 00:20:00;9;a\n\
                    01/03/2016 01:00:00;much;b\n";
        let rows = Rows::read(file.as_bytes(), &format("%d/%m/%Y %H:%M:%S")).unwrap();
        let registers =
            |place: usize| rows.meters[place].rows.iter().map(|row| row.register).collect::<Vec<_>>();
        assert_eq!((rows.meters[0].name.as_str(), registers(0)), ("a", vec![10, 9]));
        assert_eq!((rows.meters[1].name.as_str(), registers(1)), ("b", vec![7]));
        let lines: Vec<_> = rows.unparsable.first.iter().map(|(line, _)| *line).collect();
        assert_eq!((rows.unparsable.count, lines), (2, vec![3, 6]));
    }

    #[test]
    fn a_moment_needs_no_time_zone() {
        for (time, format) in [("2016-03-01T01:00:00+0100", "%Y-%m-%dT%H:%M:%S%z"), ("1456790400", "%s")] {
            let midnight = Timestamp::from_second(1_456_790_400).unwrap();
            assert_eq!(when(time.as_bytes(), format), Ok(When::Moment(midnight)), "{time}");
        }
    }

    #[test]
    fn a_register_is_taken_exactly() {
        for (text, unit, expected) in [
            ("68321", FileUnit::Litre, Some(68_321)),
            ("4e+05", FileUnit::Litre, Some(400_000)),
            ("12.0", FileUnit::Litre, Some(12)),
            ("12.5", FileUnit::Litre, None),
            ("12.345", FileUnit::CubicMetre, Some(12_345)),
            ("0.1", FileUnit::CubicMetre, Some(100)),
            ("12.3456", FileUnit::CubicMetre, None),
            ("-1", FileUnit::Millilitre, Some(-1)),
            ("", FileUnit::Litre, None),
            ("99999999999999999999", FileUnit::Litre, None),
        ] {
            assert_eq!(counts(text.as_bytes(), unit).ok(), expected, "{text} {unit:?}");
        }
    }

    #[test]
    fn a_missing_column_is_told_with_those_that_are_there() {
        let error = Rows::read("user key,datetime\n".as_bytes(), &format("%s")).unwrap_err().to_string();
        assert!(error.contains("user key,datetime") && error.contains("--meter-column"), "{error}");
    }
}
