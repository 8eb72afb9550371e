//! What a study found, for people and for machines.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "shares and rates of findings; nothing is billed by them"
)]

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::study::hard;
use super::trial::{Limit, Outcome, Scenario};

/// What a study found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How many homes.
    pub homes: usize,
    /// How long they were watched, all together.
    pub meter_months: f64,
    /// Of all chance.
    pub seed: u64,
    /// How often each leak was put into a home.
    pub trials: usize,
    /// How many of a thousand homes are supposed to begin to leak in a month.
    pub prevalence: u32,
    /// What opened in homes as they are, by method.
    pub openings: Vec<Opened>,
    /// In how many of how many moments, four days apart, there is a plateau of constant flow.
    pub plateaus_by_chance: (usize, usize),
    /// What was found of what was put in, by method.
    pub scenarios: Vec<(ScenarioName, BTreeMap<&'static str, Recall>)>,
    /// What a finding is worth, by kind.
    pub precision: Vec<Precision>,
    /// When the end of a leak is told.
    pub stops: Vec<Stops>,
    /// The same where it is hard.
    pub robust: Vec<Robust>,
}

/// A scenario in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioName {
    leak: String,
    limit: String,
}

impl From<&Scenario> for ScenarioName {
    fn from(scenario: &Scenario) -> Self {
        let limit = match scenario.limit {
            Limit::Hours(hours) if hours >= 120 => format!("{} d", hours / 24),
            Limit::Hours(hours) => format!("{hours} h"),
            Limit::Reads(reads) => format!("{reads} reads"),
        };
        Self { leak: scenario.pattern.to_string(), limit }
    }
}

impl fmt::Display for ScenarioName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.leak, self.limit)
    }
}

impl Serialize for ScenarioName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What was told of leaks that were put in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Recall {
    /// How many leaks were put in.
    pub trials: usize,
    /// How many were told in time.
    pub in_time: usize,
    /// How many could not be tried, because a leak was told to run there already.
    pub running: usize,
    /// Hours after which each one was told, in order; those that were not are missing at the end.
    pub hours: Vec<f64>,
}

impl Recall {
    /// Of trials; `None` are those that could not be made.
    pub fn of(outcomes: &[Option<Outcome>]) -> Self {
        let made: Vec<Outcome> = outcomes.iter().flatten().copied().collect();
        let told = made.iter().filter_map(|outcome| outcome.told);
        let mut hours: Vec<f64> = told.map(|(seconds, _)| seconds as f64 / 3_600.0).collect();
        hours.sort_by(f64::total_cmp);
        Self {
            trials: made.len(),
            in_time: made.iter().filter(|outcome| outcome.in_time).count(),
            running: outcomes.len() - made.len(),
            hours,
        }
    }

    /// The share that was told in time.
    pub fn share(&self) -> f64 {
        self.in_time as f64 / self.trials.max(1) as f64
    }

    /// After how many hours so many in a hundred were told, if they were.
    pub fn after(&self, percent: usize) -> Option<f64> {
        self.hours.get(percent * self.trials / 100).copied()
    }
}

/// How often something was told in homes as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Opened; what comes back within two weeks is not counted again.
    pub opened: u32,
    /// Came back within two weeks.
    pub returned: u32,
    /// Opened without a plateau of constant flow near it.
    pub opened_without_plateau: u32,
    /// Came back without one.
    pub returned_without_plateau: u32,
}

impl Counts {
    /// Counts one that opened, or came back.
    pub fn add(&mut self, opened: bool, plateau: bool) {
        let lonely = u32::from(!plateau);
        if opened {
            (self.opened, self.opened_without_plateau) =
                (self.opened + 1, self.opened_without_plateau + lonely);
        } else {
            (self.returned, self.returned_without_plateau) =
                (self.returned + 1, self.returned_without_plateau + lonely);
        }
    }
}

/// What a method told of homes as they are.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Opened {
    /// Which.
    pub method: &'static str,
    /// How long it watched, in months of one meter.
    pub months: f64,
    /// All.
    pub counts: Counts,
    /// By kind.
    pub kinds: BTreeMap<String, Counts>,
}

/// What a finding of a kind is worth.
#[derive(Debug, Clone, Serialize)]
pub struct Precision {
    /// As what it was told first.
    pub kind: String,
    /// The confidence that the service states before anybody has answered.
    pub stated: f64,
    /// How many leaks would be told as this in a month of one home.
    pub leaks_a_month: f64,
    /// What else opened as this in the homes.
    pub others: u32,
    /// The same without those that have a plateau of constant flow.
    pub others_without_plateau: u32,
    /// The share of leaks among them, if nothing that was in the homes already is one.
    pub least: f64,
    /// The same if whatever has a plateau of constant flow is one: water ran there for hours that nobody used.
    pub most: f64,
}

/// When the end of a leak is told.
#[derive(Debug, Clone, Serialize)]
pub struct Stops {
    /// Which leak.
    pub leak: String,
    /// How many were told.
    pub told: usize,
    /// Of how many the end was.
    pub stopped: usize,
    /// Hours after the end, of half of them.
    pub median: Option<f64>,
    /// Hours after the end, of nine in ten.
    pub most: Option<f64>,
}

/// What becomes of it where it is hard.
#[derive(Debug, Clone, Serialize)]
pub struct Robust {
    /// What is hard.
    pub name: String,
    /// What opens in homes as they are, per meter and month.
    pub opened: Option<f64>,
    /// In the order of [`hard`].
    pub recalls: Vec<Recall>,
}

fn hours(hours: Option<f64>) -> String {
    hours.map_or_else(|| "-".to_owned(), |hours| format!("{hours:.0} h"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { homes, meter_months, seed, trials, .. } = self;
        writeln!(
            f,
            "{homes} homes, {meter_months:.0} meter-months; each leak {trials} times, seed {seed}\n"
        )?;
        self.show_openings(f)?;
        self.show_recalls(f)?;
        self.show_precision(f)?;
        writeln!(
            f,
            "\n{:44} {:>6} {:>7} {:>7} {:>7}",
            "told to have stopped, after the end", "told", "ends", "half", "nine"
        )?;
        for Stops { leak, told, stopped, median, most } in &self.stops {
            writeln!(f, "{leak:44} {told:6} {stopped:7} {:>7} {:>7}", hours(*median), hours(*most))?;
        }
        write!(f, "\n{:28} {:>8}", "where it is hard", "opened")?;
        for (name, place) in hard().iter().zip('a'..) {
            write!(f, "  {place}: {name}")?;
        }
        writeln!(f)?;
        for Robust { name, opened, recalls } in &self.robust {
            let opened = opened.map_or_else(|| "-".to_owned(), |opened| format!("{opened:.4}"));
            write!(f, "{name:28} {opened:>8}")?;
            for (recall, place) in recalls.iter().zip('a'..) {
                write!(f, "  {place} {:5.1} % ({})", recall.share() * 100.0, hours(recall.after(50)))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Report {
    fn show_openings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["opened", "with returns", "no plateau", "with returns"];
        write!(f, "{:28}", "per meter-month, untouched")?;
        heads.iter().try_for_each(|head| write!(f, " {head:>12}"))?;
        writeln!(f)?;
        for Opened { method, months, counts, kinds } in &self.openings {
            let row = |f: &mut fmt::Formatter<'_>, name: &str, counts: &Counts| {
                let Counts { opened, returned, opened_without_plateau, returned_without_plateau } = *counts;
                write!(f, "{name:28}")?;
                for count in [
                    opened,
                    opened + returned,
                    opened_without_plateau,
                    opened_without_plateau + returned_without_plateau,
                ] {
                    write!(f, " {:12.4}", f64::from(count) / months)?;
                }
                writeln!(f)
            };
            row(f, method, counts)?;
            if *method == "detector" {
                kinds.iter().try_for_each(|(kind, counts)| row(f, &format!("  {kind}"), counts))?;
            }
        }
        let (near, all) = self.plateaus_by_chance;
        writeln!(f, "({near} of {all} moments of the homes have a plateau of constant flow near them)\n")
    }

    fn show_recalls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:44} {:>8} {:>6} {:>6} {:>6}   vendors' rules",
            "leaks told in time", "detector", "half", "nine", "all"
        )?;
        for (name, row) in &self.scenarios {
            let name = name.to_string();
            let Some(recall) = row.get("detector") else {
                continue;
            };
            let [half, nine, all] = [50, 90, 99].map(|percent| hours(recall.after(percent)));
            write!(f, "{name:44} {:6.1} % {half:>6} {nine:>6} {all:>6}  ", recall.share() * 100.0)?;
            for (method, recall) in row.iter().filter(|(method, _)| **method != "detector") {
                write!(f, " {method} {:.0} %;", recall.share() * 100.0)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn show_precision(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prevalence = f64::from(self.prevalence) / 10.0;
        let head = format!("worth, if {prevalence} % of homes begin to leak a month");
        writeln!(f, "\n{head:44} {:>8} {:>8} {:>8}", "stated", "at least", "at most")?;
        for Precision { kind, stated, least, most, .. } in &self.precision {
            writeln!(f, "{kind:44} {stated:8.2} {least:8.2} {most:8.2}")?;
        }
        Ok(())
    }
}
