//! What was measured, for people and for programs.

use std::fmt;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::fleet::Load;
use super::pipeline::{Lag, Run};
use crate::telemetry::Encoding;

/// With less of the processors idle than this, in percent, they are what limits.
const IDLE: f64 = 15.0;
/// Lines of the lag's course.
const COURSE: usize = 8;

/// All runs and the one in the middle.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of the run in the middle.
    pub reads_per_second: f64,
    /// What limits it.
    limit: String,
    meters: u64,
    reads: u64,
    reads_per_message: u64,
    encoding: &'static str,
    processors: usize,
    optimised: bool,
    /// Which run is in the middle, from 0.
    median: usize,
    runs: Vec<Run>,
}

impl Report {
    pub(super) fn new(load: &Load, runs: Vec<Run>) -> Result<Self> {
        let mut order: Vec<usize> = (0..runs.len()).collect();
        order.sort_by(|a, b| runs[*a].reads_per_second.total_cmp(&runs[*b].reads_per_second));
        let median = *order.get(order.len().saturating_sub(1) / 2).context("nothing was measured")?;
        let processors = std::thread::available_parallelism()?.get();
        Ok(Self {
            reads_per_second: runs[median].reads_per_second,
            limit: limit(&runs[median], processors),
            meters: load.meters,
            reads: load.reads(),
            reads_per_message: load.reads_per_message,
            encoding: match load.encoding {
                Encoding::Protobuf => "protobuf",
                Encoding::Json => "json",
            },
            processors,
            optimised: !cfg!(debug_assertions),
            median,
            runs,
        })
    }
}

/// Who used the processors, if they were what there was too little of.
fn limit(run: &Run, processors: usize) -> String {
    let all = run.seconds * processors as f64;
    let idle = 100.0 * (1.0 - run.spent.sum() / all).max(0.0);
    let most = run.spent.processes.iter().max_by(|a, b| a.cpu_seconds.total_cmp(&b.cpu_seconds));
    let most = most.map_or_else(
        || "what was not watched".to_owned(),
        |most| format!("{} with {:.0} %", most.name, 100.0 * most.cpu_seconds / all),
    );
    if idle < IDLE {
        format!("processor time, of which {idle:.0} % was idle; {most} used the most")
    } else {
        format!(
            "waiting, for the disk or for flushes: {idle:.0} % of the processor time was idle; {most} used the most"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{} meters, {} reads, {} in a message ({}), {} processors\n",
            self.meters, self.reads, self.reads_per_message, self.encoding, self.processors
        )?;
        writeln!(
            f,
            "{:<6}{:>10}{:>12}{:>10}{:>12}{:>10}{:>14}",
            "run", "reads/s", "messages/s", "seconds", "documents", "writes", "reads/write"
        )?;
        for (index, run) in self.runs.iter().enumerate() {
            let mark = if index == self.median { " *" } else { "" };
            writeln!(
                f,
                "{:<6}{:>10.0}{:>12.0}{:>10.1}{:>12}{:>10}{:>14.1}",
                format!("{}{mark}", index + 1),
                run.reads_per_second,
                run.messages_per_second,
                run.seconds,
                run.documents,
                run.document_writes,
                self.reads as f64 / run.document_writes as f64
            )?;
        }
        let run = &self.runs[self.median];
        writeln!(f, "* the one in the middle, of which is the rest:\n")?;
        self.processes(f, run)?;
        self.parts(f, run)?;
        course(f, &run.lag)?;
        writeln!(f, "\n{:.0} reads/s. The limit is {}.", self.reads_per_second, self.limit)
    }
}

impl Report {
    fn processes(&self, f: &mut fmt::Formatter<'_>, run: &Run) -> fmt::Result {
        let all = run.seconds * self.processors as f64;
        let millions = self.reads as f64 / 1e6;
        writeln!(
            f,
            "{:<18}{:>10}{:>18}{:>10}{:>14}",
            "process", "CPU s", "CPU s/M reads", "share", "peak RSS MiB"
        )?;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, cpu: f64, rss: Option<f64>| {
            let rss = rss.map_or(String::new(), |mib| format!("{mib:.0}"));
            writeln!(f, "{name:<18}{cpu:>10.1}{:>18.2}{:>8.0} %{rss:>14}", cpu / millions, 100.0 * cpu / all)
        };
        for one in &run.spent.processes {
            line(f, &one.name, one.cpu_seconds, Some(one.peak_rss_mib))?;
        }
        line(f, "all others", run.spent.others, None)?;
        line(f, "taken by the host", run.spent.stolen, None)
    }

    fn parts(&self, f: &mut fmt::Formatter<'_>, run: &Run) -> fmt::Result {
        let consumed = run.raw_consumed;
        writeln!(
            f,
            "\nAlone, the broker hands out {consumed:.0} messages/s ({:.0} reads/s): the pipeline takes {:.1} % of it.",
            consumed * self.reads_per_message as f64,
            100.0 * run.messages_per_second / consumed
        )?;
        let writes = run.document_writes as f64 / run.seconds;
        writeln!(
            f,
            "Alone, the database takes {:.0} new and {:.0} revised documents/s; the pipeline writes {writes:.0}.",
            run.raw_upserts.inserts, run.raw_upserts.replacements
        )
    }
}

fn course(f: &mut fmt::Formatter<'_>, lag: &[Lag]) -> fmt::Result {
    writeln!(f, "\n{:>8}{:>18}{:>18}", "second", "messages left", "readings left")?;
    let step = lag.len().div_ceil(COURSE).max(1);
    let last = lag.len().saturating_sub(1);
    for (_, at) in lag.iter().enumerate().filter(|(index, _)| index.is_multiple_of(step) || *index == last) {
        writeln!(f, "{:>8.1}{:>18}{:>18}", at.seconds, at.telemetry, at.readings)?;
    }
    Ok(())
}
