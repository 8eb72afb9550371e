//! Why a process ended before it answered, in words that say what to do.
//!
//! Brokers and databases explain themselves in their logs, in pages; the few causes that people really meet
//! are told in a sentence, and everything else with the last line of the log and where to read the rest.

use std::process::ExitStatus;

use anyhow::{Error, anyhow};

use super::process::Process;

/// What a log says, and what it means to the person who reads our message.
const CAUSES: [(&str, &str); 8] = [
    (
        "error while loading shared libraries",
        "a library of the system is missing: install it with `sudo apt-get install \
      --yes libcurl4 libssl3 liblzma5`",
    ),
    (
        "No space left on device",
        "the disk is full: free some space, or use a folder on another disk with --data-dir",
    ),
    (
        "ddress already in use",
        "another program took its port a moment ago: start again, another port is chosen then",
    ),
    ("DBPathInUse", "another mongod runs on the same data: stop it (`pgrep -af mongod` lists them)"),
    (
        "Failed to acquire lock on file",
        "another broker runs on the same data: stop it (`pgrep -af kafka.Kafka` lists them)",
    ),
    ("Cannot allocate memory", "the machine is out of memory: stop what is not needed"),
    (
        "OutOfMemoryError",
        "its heap is too small for its data: start over with `up --reset`, or use a broker of yours with \
      --kafka",
    ),
    ("Permission denied", "it may not read its data: check who owns the data folder"),
];

/// The error of a process that ended before it answered.
pub(super) fn ended_early(process: &Process, status: ExitStatus) -> Error {
    let said = process.last_words();
    let cause = CAUSES.iter().find(|(sign, _)| said.contains(sign)).map(|(_, cause)| (*cause).to_owned());
    let cause = cause.unwrap_or_else(|| format!("it said last: {}", last_line(&said)));
    anyhow!("{} did not start ({status}): {cause}; its log is {}", process.name(), process.log().display())
}

/// The error of a process that runs and does not answer.
pub(super) fn silent(process: &Process) -> Error {
    anyhow!(
        "{} runs (pid {}) and does not answer: the machine may be overloaded; its log is {}",
        process.name(),
        process.pid(),
        process.log().display()
    )
}

fn last_line(said: &str) -> &str {
    said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing")
}
