//! What is said at the end, and by `--dry-run` before anything is sent.

use std::collections::HashMap;
use std::fmt;

use indowater_common::domain::zone::Zone;
use serde::Serialize;

use super::lost::Lost;
use super::moments::ClockChanges;
use super::outcome::Outcome;
use super::rows::FileFacts;
use crate::telemetry::Read;

/// A row as it was understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Understood {
    /// The file.
    pub file: String,
    /// Line in it.
    pub line: u64,
    /// Identifier of the meter.
    pub meter: String,
    /// When, with the offset of the meters' zone.
    pub at: String,
    /// The register in the meter's unit.
    pub register: i64,
}

/// What was found in the files, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Nothing was sent.
    pub dry_run: bool,
    /// The files.
    pub files: Vec<FileFacts>,
    /// In which zone times without an offset were read.
    pub times_in: String,
    /// The zone of the meters, as far as the registry has no other.
    pub time_zone: String,
    /// In what the files count.
    pub unit: &'static str,
    /// In what the meters count.
    pub meter_unit: &'static str,
    /// What the values of the files are: registers, or volumes of intervals.
    pub values: &'static str,
    /// The first rows.
    pub first_rows: Vec<Understood>,
    /// Rows, the headers and blank ones not counted.
    pub rows: u64,
    /// Rows that are of no use.
    pub refused: Lost,
    /// Meters with reads.
    pub meters: usize,
    /// Meters that were new; unknown where the registry was not asked.
    pub meters_made: Option<usize>,
    /// Why the registry was not asked.
    pub registry: Option<String>,
    /// The oldest and the newest read, with the offset of the meters' zone.
    pub span: Option<(String, String)>,
    /// Reads.
    pub reads: u64,
    /// Messages that they go out in.
    pub messages: u64,
    /// Reads that are there already: same meter, moment and register.
    pub duplicates: u64,
    /// Reads of a moment that has another register already.
    pub conflicts: u64,
    /// Reads older than one before them.
    pub out_of_order: u64,
    /// Reads whose register was finer than a count of the meter.
    pub decimals_cut: u64,
    /// Reads whose register has more digits than their meter, which the platform sets aside.
    pub beyond_digits: u64,
    /// How clock changes were met.
    #[serde(flatten)]
    pub clock_changes: ClockChanges,
    /// What became of the reads; nothing of a dry run.
    pub outcome: Option<Outcome>,
}

impl Summary {
    /// Counts what is odd in the reads of one meter.
    pub fn count(&mut self, reads: &[Read]) {
        self.reads += reads.len() as u64;
        let mut seen: HashMap<i64, i64> = HashMap::with_capacity(reads.len());
        let mut newest = i64::MIN;
        for read in reads {
            match seen.insert(read.at, read.register) {
                Some(register) if register == read.register => self.duplicates += 1,
                Some(_) => self.conflicts += 1,
                None => {}
            }
            self.out_of_order += u64::from(read.at < newest);
            newest = newest.max(read.at);
        }
    }

    /// Notes the span of all reads.
    pub fn span_of(&mut self, zone: &Zone, times: impl Iterator<Item = i64> + Clone) {
        let ends = times.clone().min().zip(times.max());
        self.span = ends.map(|(oldest, newest)| (zone.rfc3339(oldest), zone.rfc3339(newest)));
    }

    /// Why not everything arrived, if so.
    pub fn shortfall(&self) -> Option<String> {
        let (dead, unheard) = self.outcome.as_ref().map_or((0, 0), |outcome| (outcome.dead, outcome.unheard));
        if self.reads == 0 {
            return Some("nothing was read".to_owned());
        }
        let mut parts = Vec::new();
        for (count, what) in [
            (self.refused.count, "rows were refused"),
            (dead, "reads were set aside"),
            (unheard, "reads were not heard of in time: is ingest running? see `indowater status`"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Reads and files in words.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            write!(f, "file            {} ({}, columns by {:?}", file.file, file.encoding, file.delimiter)?;
            file.date_order.map_or(Ok(()), |order| write!(f, ", dates are {order}"))?;
            writeln!(f, ")")?;
            for (shape, rows) in &file.times {
                writeln!(f, "                {rows:>10}  times: {shape}")?;
            }
        }
        writeln!(
            f,
            "values          {}s in {}s, meters count in {}s",
            self.values, self.unit, self.meter_unit
        )?;
        writeln!(f, "zones           times without offset {}, meters {}", self.times_in, self.time_zone)?;
        for row in &self.first_rows {
            let Understood { file, line, meter, at, register } = row;
            writeln!(f, "understood      {file}:{line}  {meter}  {at}  {register} {}", self.meter_unit)?;
        }
        writeln!(f, "rows            {:>10}", self.rows)?;
        lost(f, "refused", &self.refused)?;
        let made = match (self.meters_made, self.dry_run) {
            (Some(made), false) => format!("of them {made} made now"),
            (Some(made), true) => format!("of them {made} to be made"),
            (None, _) => {
                format!("not compared with the registry: {}", self.registry.as_deref().unwrap_or("?"))
            }
        };
        writeln!(f, "meters          {:>10}  {made}", self.meters)?;
        if let Some((oldest, newest)) = &self.span {
            writeln!(f, "span            {oldest} to {newest}")?;
        }
        let (reads, messages) = (self.reads, self.messages);
        let verb = if self.dry_run { "to send" } else { "sent" };
        writeln!(f, "{verb:<16}{reads:>10}  reads in {messages} messages")?;
        for (count, what) in [
            (self.duplicates, "are there already"),
            (self.conflicts, "have another register of the same moment before them"),
            (self.out_of_order, "are older than one before them"),
            (self.clock_changes.folds_resolved, "times of a repeated hour, told apart by the register"),
            (self.clock_changes.folds_assumed, "times of a repeated hour, single, taken as the earlier"),
            (self.decimals_cut, "are finer than a count of the meter: cut off"),
            (self.beyond_digits, "have more digits than their meter: sent, and the platform sets them aside"),
        ] {
            if count > 0 {
                writeln!(f, "                {count:>10}  {what}")?;
            }
        }
        self.outcome.as_ref().map_or(Ok(()), |outcome| outcome.fmt(f))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "accepted        {:>10}  reads", self.accepted)?;
        writeln!(f, "shifted         {:>10}  of them, because their clock was ahead", self.shifted)?;
        lost(f, "dead", &self.set_aside)?;
        if self.unheard > 0 {
            writeln!(f, "not heard of    {:>10}", self.unheard)?;
        }
        let days = self.days.as_ref().map(|(first, last)| format!("{first} to {last}, "));
        writeln!(
            f,
            "days touched    {:>10}  {}each meter's by itself",
            self.days_touched,
            days.unwrap_or_default()
        )
    }
}

fn lost(f: &mut fmt::Formatter<'_>, what: &str, lost: &Lost) -> fmt::Result {
    writeln!(f, "{what:<16}{:>10}", lost.count)?;
    for (reason, group) in &lost.reasons {
        writeln!(f, "    {reason:<20}{:>10}  {}", group.count, group.hint)?;
        for line in &group.first {
            writeln!(f, "        {}:{}  {}", line.file, line.line, line.why)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::lost::{Place, Reason};
    use super::*;

    #[test]
    fn what_is_odd_is_counted() {
        let mut summary = Summary::default();
        let read = |at, register| Read { at, register };
        summary.count(&[read(1, 1), read(3, 3), read(2, 2), read(3, 3), read(3, 4)]);
        assert_eq!((summary.duplicates, summary.conflicts, summary.out_of_order), (1, 1, 1));
    }

    #[test]
    fn it_fails_where_something_was_lost_or_nothing_read() {
        let whole = Summary { reads: 1, outcome: Some(Outcome::default()), ..Summary::default() };
        assert_eq!(whole.shortfall(), None);
        assert!(Summary::default().shortfall().unwrap().contains("nothing"));
        let mut refused = whole.clone();
        refused.refused.refuse(Reason::Time, Place::default(), String::new);
        assert_eq!(refused.shortfall().unwrap(), "1 rows were refused");
        for outcome in
            [Outcome { dead: 1, ..Outcome::default() }, Outcome { unheard: 1, ..Outcome::default() }]
        {
            assert!(Summary { outcome: Some(outcome), ..whole.clone() }.shortfall().is_some());
        }
    }

    #[test]
    fn a_reason_is_said_once_with_its_hint_and_first_lines() {
        let mut refused = Lost::of(vec!["a.csv".to_owned()]);
        for line in 2..100 {
            refused
                .refuse(Reason::Time, Place { file: 0, line }, || "time \"soon\" is not understood".into());
        }
        let text = Summary { refused, ..Summary::default() }.to_string();
        assert_eq!(text.matches(Reason::Time.hint()).count(), 1, "{text}");
        assert_eq!(text.matches("a.csv:").count(), 5, "{text}");
    }
}
