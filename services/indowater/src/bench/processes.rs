//! What processes use of the machine, as Linux accounts for it in `/proc`.

use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::stack::Process;

/// Clock ticks in a second of `/proc`: Linux tells user space 100 whatever its own clock is.
const TICKS: f64 = 100.0;

/// A process by name and pid.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    name: String,
    pid: u32,
}

impl From<&Process> for Watched {
    fn from(process: &Process) -> Self {
        Self { name: process.name().to_owned(), pid: process.pid() }
    }
}

/// What a process used in the time that was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Use {
    pub name: String,
    /// Seconds of processor time.
    pub cpu_seconds: f64,
    /// The most memory it ever held, since it was started.
    pub peak_rss_mib: f64,
}

/// The processor time of some processes and of the whole machine at one moment.
pub(super) struct Account {
    processes: Vec<(Watched, f64)>,
    machine: Machine,
}

/// Where the processors' time went while an account was open, in seconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Spent {
    /// What was watched.
    pub processes: Vec<Use>,
    /// Everything else on the machine.
    pub others: f64,
    /// What the host of this machine, if it is a virtual one, gave to its neighbours while we had work.
    pub stolen: f64,
}

impl Spent {
    /// All of it.
    pub(super) fn sum(&self) -> f64 {
        self.processes.iter().map(|one| one.cpu_seconds).sum::<f64>() + self.others + self.stolen
    }
}

impl Account {
    /// Opens it: what was used before does not count.
    pub(super) fn open(processes: Vec<Watched>) -> Result<Self> {
        let processes =
            processes.into_iter().map(|process| process.cpu_seconds().map(|seconds| (process, seconds)));
        Ok(Self { processes: processes.collect::<Result<_>>()?, machine: Machine::read()? })
    }

    /// With processes that were started since it was opened.
    pub(super) fn with(mut self, started: impl Iterator<Item = Watched>) -> Self {
        self.processes.splice(0..0, started.map(|process| (process, 0.0)));
        self
    }

    /// What was spent since.
    pub(super) fn close(&self) -> Result<Spent> {
        let machine = Machine::read()?;
        let processes = self.processes.iter().map(|(process, before)| {
            Ok(Use {
                name: process.name.clone(),
                cpu_seconds: process.cpu_seconds()? - before,
                peak_rss_mib: process.peak_rss_mib()?,
            })
        });
        let processes: Vec<Use> = processes.collect::<Result<_>>()?;
        let ours: f64 = processes.iter().map(|one| one.cpu_seconds).sum();
        let others = (machine.working - self.machine.working - ours).max(0.0);
        Ok(Spent { processes, others, stolen: machine.stolen - self.machine.stolen })
    }
}

impl Watched {
    /// User and system time of all its threads so far.
    fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.read("stat")?;
        // The name may hold blanks and brackets; after its last bracket the state is the third field.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
        let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / TICKS)
    }

    fn peak_rss_mib(&self) -> Result<f64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        Ok(kib.with_context(|| format!("Linux does not tell the memory of {}", self.name))? / 1024.0)
    }

    fn read(&self, file: &str) -> Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid))
            .with_context(|| format!("{} (pid {}) cannot be watched", self.name, self.pid))
    }
}

/// What all processors spent so far, in seconds.
struct Machine {
    working: f64,
    stolen: f64,
}

impl Machine {
    fn read() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("the machine's processor time cannot be read")?;
        let all = stat.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1);
        let seconds: Vec<f64> =
            all.filter_map(|field| field.parse::<f64>().ok()).map(|ticks| ticks / TICKS).collect();
        let [user, nice, system, _idle, _iowait, irq, softirq, stolen, ..] = seconds[..] else {
            bail!("Linux does not tell the machine's processor time");
        };
        Ok(Self { working: user + nice + system + irq + softirq, stolen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_work_is_accounted_for() {
        let us = Watched { name: "us".to_owned(), pid: std::process::id() };
        let account = Account::open(vec![us]).unwrap();
        let mut sum = 0_u64;
        while account.close().unwrap().processes[0].cpu_seconds < 0.05 {
            sum = (0..1_000_000_u64).fold(sum, u64::wrapping_add);
        }
        assert!(std::hint::black_box(sum) > 0);
        assert!(account.close().unwrap().processes[0].peak_rss_mib > 1.0);
    }
}
