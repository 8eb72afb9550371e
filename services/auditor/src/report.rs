//! What an audit found.

use std::fmt;

use serde::Serialize;

/// How one invariant stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name in the architecture.
    pub invariant: &'static str,
    /// What it says.
    pub says: &'static str,
    /// How many things were compared.
    pub checked: u64,
    /// What they are.
    pub of: &'static str,
    /// How many differences there are.
    pub broken: u64,
    /// The first of those, each with its id.
    pub first: Vec<String>,
    /// How many things could not be compared; the notes say why.
    pub unchecked: u64,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// All findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every invariant holds, as far as it was checked.
    pub holds: bool,
    /// One for each invariant.
    pub findings: Vec<Finding>,
}

/// Differences that are listed one by one.
const LISTED: usize = 20;

impl Finding {
    /// Nothing found yet.
    pub fn new(invariant: &'static str, says: &'static str, of: &'static str) -> Self {
        Self { invariant, says, of, ..Self::default() }
    }

    /// Notes a difference.
    pub fn breaks(&mut self, what: impl FnOnce() -> String) {
        self.broken += 1;
        if self.first.len() < LISTED {
            self.first.push(what());
        }
    }

    /// Notes that something was not checked, and why; nothing if there is nothing of it.
    pub fn skips(&mut self, many: u64, what: &str) {
        if many > 0 {
            self.unchecked += many;
            self.notes.push(format!("{many} {what}"));
        }
    }
}

impl Report {
    /// The report of these findings.
    pub fn of(findings: Vec<Finding>) -> Self {
        Self { holds: findings.iter().all(|finding| finding.broken == 0), findings }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let Finding { invariant, says, checked, of, broken, first, notes, .. } = finding;
            let verdict = if *broken == 0 { "holds".to_owned() } else { format!("{broken} BROKEN") };
            writeln!(f, "{invariant:<4}{says:<50}{checked:>10} {of:<10}{verdict}")?;
            for note in notes {
                writeln!(f, "      {note}")?;
            }
            for difference in first {
                writeln!(f, "    ! {}", printable(difference))?;
            }
        }
        Ok(())
    }
}

/// Without what would speak to the terminal: ids may be anybody's text.
fn printable(text: &str) -> String {
    let escaped =
        text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() });
    escaped.collect()
}
