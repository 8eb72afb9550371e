//! The files: rows of register reads, whatever their columns are called and however they write time and numbers.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use csv::{ByteRecord, Position};
use rust_decimal::Decimal;

use super::format::{Format, Values};
use super::lost::{Lost, Place, Reason};
use super::number::{self, NoNumber};
use super::source::{self, Source, cell, column};
use super::time::{self, Evidence, NoTime, Reading, Shape, Stamp, When};

/// One read as the file says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Where it stands.
    pub place: Place,
    /// When it was.
    pub when: When,
    /// The number in the unit of the file.
    pub value: Decimal,
}

/// The rows of one meter in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterRows {
    /// The meter as the file calls it.
    pub name: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// What was found out about a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileFacts {
    /// Its name.
    pub file: String,
    /// How its text is encoded.
    pub encoding: &'static str,
    /// What separates its columns.
    pub delimiter: String,
    /// Rows by how their time is written.
    pub times: BTreeMap<String, u64>,
    /// What comes first in its dates, if a date ends with the year.
    pub date_order: Option<&'static str>,
}

/// All of the files.
#[derive(Debug, Default)]
pub struct Table {
    /// By first appearance.
    pub meters: Vec<MeterRows>,
    /// Rows that are of no use.
    pub refused: Lost,
    /// All rows, the headers and blank ones not counted.
    pub rows: u64,
    /// The files.
    pub files: Vec<FileFacts>,
    places: HashMap<String, usize>,
}

/// A row before the order of the file's dates is known.
struct Unsettled {
    meter: usize,
    place: Place,
    stamp: Stamp,
    value: Decimal,
}

/// Where the columns are.
struct Columns {
    meter: Option<usize>,
    date: Option<usize>,
    time: usize,
    register: usize,
    all: usize,
}

/// Numbers that can be read both ways: how many, and the first.
type Doubts = (u64, Option<(u64, String)>);

impl Table {
    /// Reads files, as if they were one.
    ///
    /// # Errors
    /// A file cannot be read, has not the columns, or leaves a doubt that only an option can end.
    pub fn open(paths: &[PathBuf], format: &Format) -> Result<Self> {
        let names = paths.iter().map(|path| path.display().to_string()).collect();
        let mut table = Self { refused: Lost::of(names), ..Self::default() };
        for (file, path) in (0..).zip(paths) {
            let name = path.display().to_string();
            let read = source::bytes(path).and_then(|bytes| table.read(file, name, bytes, format));
            read.with_context(|| format!("cannot replay {}", path.display()))?;
        }
        Ok(table)
    }

    /// Reads one file.
    fn read(&mut self, file: u16, name: String, bytes: Box<dyn BufRead>, format: &Format) -> Result<()> {
        let wanted = [&format.meter_column, &format.time_column, &format.register_column];
        let wanted: Vec<&str> = wanted.into_iter().chain(&format.date_column).map(String::as_str).collect();
        let mut source = source::open(bytes, format.skip_lines, format.delimiter, &wanted)?;
        let header = source.reader.byte_headers().context("its header cannot be read")?.clone();
        let columns = Columns::of(&header, format)?;
        let (mut evidence, mut doubts) = (Evidence::default(), Doubts::default());
        let unsettled = self.take(file, &mut source, &columns, format, &mut evidence, &mut doubts)?;
        if let (count, Some((line, text))) = doubts {
            bail!(
                "{count} of its numbers, such as {text:?} in line {line}, can be read in two ways: say which sign stands \
                 before decimals with --decimal point or --decimal comma"
            );
        }
        let order = evidence.order(format.date_order).map_err(anyhow::Error::msg)?;
        let mut times: BTreeMap<String, u64> = BTreeMap::new();
        let mut has_order = false;
        for Unsettled { meter, place, stamp, value } in unsettled {
            *times.entry(stamp.shape.to_string()).or_default() += 1;
            has_order |= matches!(stamp.shape, Shape::YearLast { .. });
            match stamp.settle(order) {
                Some(when) => self.meters[meter].rows.push(Row { place, when, value }),
                None => self.refused.refuse(Reason::Time, place, || "there is no such day".to_owned()),
            }
        }
        let order = match order {
            time::DateOrder::Dmy => "day, month, year",
            time::DateOrder::Mdy => "month, day, year",
        };
        let delimiter =
            if source.delimiter == b'\t' { "tab".into() } else { char::from(source.delimiter).into() };
        let date_order = has_order.then_some(order);
        self.files.push(FileFacts { file: name, encoding: source.encoding, delimiter, times, date_order });
        Ok(())
    }

    /// Takes the rows of one file as far as each can be understood by itself.
    fn take(
        &mut self,
        file: u16,
        source: &mut Source,
        columns: &Columns,
        format: &Format,
        evidence: &mut Evidence,
        doubts: &mut Doubts,
    ) -> Result<Vec<Unsettled>> {
        let (reading, mut record, mut unsettled) = (format.reading(), ByteRecord::new(), Vec::new());
        while source.reader.read_byte_record(&mut record).context("it breaks off")? {
            let line = source.skipped + record.position().map_or(0, Position::line);
            if record.iter().all(<[u8]>::is_empty) {
                continue;
            }
            self.rows += 1;
            let place = Place { file, line };
            let swallowed = columns.swallowed(&record, source.delimiter);
            if swallowed > 0 {
                let why = || format!("a quotation mark opens here that closes {swallowed} lines later");
                self.refused.refuse(Reason::Quote, place, why);
                self.refused.more(Reason::Quote, swallowed);
                self.rows += swallowed;
                continue;
            }
            let stamp = columns.stamp(&record, &reading);
            if let Ok(stamp) = &stamp {
                evidence.note(stamp, line);
            }
            let (name, stamp) = match (columns.name(&record, format), stamp) {
                (Ok(name), Ok(stamp)) => (name, stamp),
                (Err((reason, why)), _) | (_, Err((reason, why))) => {
                    self.refused.refuse(reason, place, || why);
                    continue;
                }
            };
            match columns.value(&record, format) {
                Ok(value) => {
                    let meter = self.place_of(name);
                    unsettled.push(Unsettled { meter, place, stamp, value });
                }
                Err(Unread::Refused(reason, why)) => self.refused.refuse(reason, place, || why),
                Err(Unread::Doubtful(text)) => {
                    doubts.0 += 1;
                    doubts.1.get_or_insert((line, text));
                }
            }
        }
        Ok(unsettled)
    }

    /// Identifiers are the same but for case and blanks around them.
    fn place_of(&mut self, name: &str) -> usize {
        let key = name.to_lowercase();
        *self.places.entry(key).or_insert_with(|| {
            self.meters.push(MeterRows { name: name.to_owned(), rows: Vec::new() });
            self.meters.len() - 1
        })
    }
}

/// Why a value is not taken.
enum Unread {
    Refused(Reason, String),
    Doubtful(String),
}

impl Columns {
    fn of(header: &ByteRecord, format: &Format) -> Result<Self> {
        let find = |name: &str, flag: &str| {
            column(header, name).with_context(|| {
                let there: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
                format!(
                    "it has no column {name:?}, but {:?}: name the column with {flag}, what separates columns with \
                     --delimiter, how many lines are before the header with --skip-lines",
                    there.join(", ")
                )
            })
        };
        Ok(Self {
            meter: match format.meter {
                Some(_) => None,
                None => Some(find(&format.meter_column, "--meter-column (or the only meter with --meter)")?),
            },
            date: format.date_column.as_ref().map(|name| find(name, "--date-column")).transpose()?,
            time: find(&format.time_column, "--time-column")?,
            register: find(&format.register_column, "--register-column")?,
            all: header.len(),
        })
    }

    fn name<'a>(&self, record: &'a ByteRecord, format: &'a Format) -> Result<&'a str, (Reason, String)> {
        let name = match (&format.meter, self.meter) {
            (Some(name), _) => name.trim(),
            (None, Some(place)) => std::str::from_utf8(cell(record, place))
                .map_err(|_| (Reason::Meter, "its meter is no UTF-8".to_owned()))?,
            (None, None) => "",
        };
        if name.is_empty() { Err((Reason::Meter, "no meter is named".to_owned())) } else { Ok(name) }
    }

    fn stamp(&self, record: &ByteRecord, reading: &Reading) -> Result<Stamp, (Reason, String)> {
        let field = |place| String::from_utf8_lossy(cell(record, place));
        let text = match self.date {
            Some(date) => time::joined(&field(date), &field(self.time)).into(),
            None => field(self.time),
        };
        time::stamp(&text, reading).map_err(|why| match why {
            NoTime::Senseless => (Reason::Time, format!("time {text:?} is not understood")),
            NoTime::DateOnly => (Reason::DateOnly, format!("{text:?} is a date without a time of day")),
        })
    }

    fn value(&self, record: &ByteRecord, format: &Format) -> Result<Decimal, Unread> {
        let text = String::from_utf8_lossy(cell(record, self.register));
        let refused = |reason, why: &str| Unread::Refused(reason, format!("register {text:?} {why}"));
        let value = number::number(&text, format.decimal, format.unit()).map_err(|why| match why {
            NoNumber::Senseless => refused(Reason::Number, "is no number"),
            NoNumber::Ambiguous => Unread::Doubtful(text.clone().into_owned()),
        })?;
        let is_interval = format.values == Some(Values::Interval);
        if value.is_sign_negative() && !value.is_zero() && !is_interval {
            return Err(refused(Reason::Negative, "is below zero"));
        }
        if format.unit.is_none() && number::has_decimals(value) {
            return Err(refused(Reason::Decimals, "has decimals"));
        }
        if number::counts(value, format.unit()).is_err() {
            return Err(refused(Reason::TooLarge, "is beyond every register"));
        }
        Ok(value)
    }

    /// How many further lines a quotation mark without its partner took into a cell of this record: those that have as
    /// many columns as the file. Notes of several lines have not.
    fn swallowed(&self, record: &ByteRecord, delimiter: u8) -> u64 {
        let is_row = |line: &&[u8]| line.iter().filter(|byte| **byte == delimiter).count() + 1 >= self.all;
        let rows = record.iter().flat_map(|field| field.split(|byte| *byte == b'\n').skip(1));
        if self.all < 2 { 0 } else { rows.filter(is_row).count() as u64 }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
