//! What goes wrong between a meter and the broker, on purpose and counted.
//!
//! Every fault is counted when its bytes are handed over, so at the end the counts are exact: how many messages there are
//! and how many reads of them must be accepted, and how many letters and reads must be dead for each reason.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use indowater_common::kafka::{JSON, PROTOBUF};
use indowater_proto::readings::v1::DeadLetterReason;
use indowater_proto::telemetry::v1::RegisterUnit;
use rand::{Rng, RngExt as _};

use crate::telemetry::{Encoding, Read, message};
use crate::uplink::Uplinked;

/// A chance in percent, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Percent(f64);

impl Percent {
    /// A chance of never.
    pub const NEVER: Self = Self(0.0);

    #[allow(clippy::float_arithmetic, reason = "a chance is real-valued")]
    pub(super) fn happens(self, rng: &mut impl Rng) -> bool {
        self.0 > 0.0 && rng.random_bool(self.0 / 100.0)
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim_end_matches('%').parse() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent)),
            _ => Err("a chance is a number from 0 to 100, in percent".to_owned()),
        }
    }
}

/// How often each fault happens, for each report of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Default, clap::Args)]
#[command(next_help_heading = "Faults, in percent of the reports")]
pub struct Rates {
    /// The same message again
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub duplicates: Percent,
    /// A message that comes after its successor
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub disorder: Percent,
    /// A meter that keeps its reads for a while and sends them in one message
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub late: Percent,
    /// A meter that is silent for a while and loses those reads
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub gaps: Percent,
    /// A meter that is exchanged for one that begins at zero
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub resets: Percent,
    /// A register that shows nothing, or a value that stands for none, for one to three reports, and then goes on
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub dips: Percent,
    /// A message in which one read more is by a clock that is days ahead
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub clocks: Percent,
    /// A message that cannot be used, besides the good one
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub garbage: Percent,
    /// A message in which one read more has a value or a time that cannot be
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub bad_reads: Percent,
    /// A message that names the meter in another case with blanks, and in JSON its registers with the noise of floats
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub sloppy: Percent,
    /// A property that goes to another customer, from the last local midnight on or from the one before it
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub moves: Percent,
}

/// What was handed over, exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Messages of every kind.
    pub messages: u64,
    /// Reads that must be accepted, each time they are sent.
    pub reads: u64,
    /// Messages sent a second time.
    pub duplicates: u64,
    /// Messages sent after their successor.
    pub disordered: u64,
    /// Messages with more than one read, sent late.
    pub late_batches: u64,
    /// Silences.
    pub gaps: u64,
    /// Reads that were lost in them.
    pub lost_reads: u64,
    /// Meters exchanged.
    pub resets: u64,
    /// Times that a register did not show what the meter counted.
    pub dips: u64,
    /// Reads by a clock that was ahead. They are accepted, as of when they came.
    pub clocks: u64,
    /// Dead letters that there must be, by the name of the reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// Reads that must be in them; a message that cannot be read, or whose reads are not counted, is one.
    pub dead_reads: BTreeMap<&'static str, u64>,
    /// Messages that are named or counted in another way than the registry does.
    pub sloppy: u64,
    /// Properties that went to another customer.
    pub moves: u64,
    /// Days in `water_usage` that another system left.
    pub foreign_days: u64,
    /// Payments that another system left.
    pub foreign_payments: u64,
    /// Messages of which reads must be accepted.
    pub accepted: u64,
}

/// What one meter's link is doing.
#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Sound,
    Silent {
        left: u32,
    },
    Withholding {
        left: u32,
        reads: Vec<Read>,
    },
}

/// The link of one meter to the broker.
#[derive(Debug, Clone)]
pub struct Link {
    device_id: String,
    unit: RegisterUnit,
    encoding: Encoding,
    state: State,
    /// What the register shows instead of what it should, and for how many reports.
    dip: Option<(i64, u32)>,
    /// A message that waits for its successor.
    held: Option<Message>,
}

/// A message and what must become of it.
#[derive(Debug, Clone)]
struct Message {
    uplinked: Uplinked,
    /// Its reads that must be accepted.
    reads: u64,
    /// Why one read more must be dead.
    dead: Option<DeadLetterReason>,
}

/// What registers show that could not be read: nothing, or a value that stands for it and that every meter can count to.
const SENTINELS: [i64; 2] = [0, 9_999_999];
/// How far ahead a clock is that jumped, in seconds: it has the wrong day.
const AHEAD: i64 = 3 * 86_400;
/// Reads of a message that are too many for any meter.
const OVERSIZED_READS: i64 = 1_001;

impl Link {
    /// A sound link.
    pub fn new(device_id: String, unit: RegisterUnit, encoding: Encoding) -> Self {
        Self { device_id, unit, encoding, state: State::Sound, dip: None, held: None }
    }

    /// Whether the meter is exchanged before this report.
    pub fn is_exchanged(&self, rates: &Rates, counts: &mut Counts, rng: &mut impl Rng) -> bool {
        let exchanged = rates.resets.happens(rng);
        counts.resets += u64::from(exchanged);
        exchanged
    }

    /// What reaches the broker when the meter reports `read`.
    pub fn report(
        &mut self,
        read: Read,
        rates: &Rates,
        counts: &mut Counts,
        rng: &mut impl Rng,
    ) -> Vec<Uplinked> {
        let mut out = Vec::new();
        let read = self.shown(read, rates, counts, rng);
        match &mut self.state {
            State::Silent { left } => {
                counts.lost_reads += 1;
                *left -= 1;
                if *left == 0 {
                    self.state = State::Sound;
                }
            }
            State::Withholding { left, reads } => {
                reads.push(read);
                *left -= 1;
                if *left == 0 {
                    self.release(rates, counts, rng, &mut out);
                }
            }
            State::Sound if rates.gaps.happens(rng) => {
                counts.gaps += 1;
                counts.lost_reads += 1;
                self.state = State::Silent { left: rng.random_range(3..=12) };
            }
            State::Sound if rates.late.happens(rng) => {
                self.state = State::Withholding { left: rng.random_range(3..=24), reads: vec![read] };
            }
            State::Sound => self.deliver(read, rates, counts, rng, &mut out),
        }
        if rates.garbage.happens(rng) {
            out.push(self.garbage(read, counts, rng));
        }
        out
    }

    /// What the register shows when it should show `read`.
    fn shown(&mut self, read: Read, rates: &Rates, counts: &mut Counts, rng: &mut impl Rng) -> Read {
        if self.dip.is_none() && rates.dips.happens(rng) {
            counts.dips += 1;
            let shows = SENTINELS[rng.random_range(0..SENTINELS.len())];
            self.dip = Some((shows, rng.random_range(1..=3)));
        }
        let Some((register, left)) = self.dip else { return read };
        self.dip = (left > 1).then_some((register, left - 1));
        Read { register, ..read }
    }

    /// What the link still holds, when the simulation ends.
    pub fn finish(&mut self, rates: &Rates, counts: &mut Counts, rng: &mut impl Rng) -> Vec<Uplinked> {
        let mut out = Vec::new();
        if matches!(self.state, State::Withholding { .. }) {
            self.release(rates, counts, rng, &mut out);
        }
        if let Some(held) = self.held.take() {
            counts.sent(&held);
            out.push(held.uplinked);
        }
        out
    }

    fn deliver(
        &mut self,
        read: Read,
        rates: &Rates,
        counts: &mut Counts,
        rng: &mut impl Rng,
        out: &mut Vec<Uplinked>,
    ) {
        let message = self.message(&[read], rates, counts, rng);
        if self.held.is_none() && rates.disorder.happens(rng) {
            self.held = Some(message);
            return;
        }
        if rates.duplicates.happens(rng) {
            counts.sent(&message);
            counts.duplicates += 1;
            out.push(message.uplinked.clone());
        }
        counts.sent(&message);
        out.push(message.uplinked);
        if let Some(held) = self.held.take() {
            counts.sent(&held);
            counts.disordered += 1;
            out.push(held.uplinked);
        }
    }

    fn release(&mut self, rates: &Rates, counts: &mut Counts, rng: &mut impl Rng, out: &mut Vec<Uplinked>) {
        if let State::Withholding { reads, .. } = std::mem::take(&mut self.state) {
            let message = self.message(&reads, rates, counts, rng);
            counts.sent(&message);
            counts.late_batches += 1;
            out.push(message.uplinked);
        }
    }

    /// A message of these reads, perhaps with a bad one among them, perhaps sloppily written.
    fn message(&self, reads: &[Read], rates: &Rates, counts: &mut Counts, rng: &mut impl Rng) -> Message {
        let (mut all, mut dead) = (reads.to_vec(), None);
        if rates.bad_reads.happens(rng)
            && let Some(like) = reads.first().copied()
        {
            let (reason, bad) = bad_read(like, rng);
            all.insert(rng.random_range(0..=all.len()), bad);
            dead = Some(reason);
        }
        let mut accepted = reads.len() as u64;
        if rates.clocks.happens(rng)
            && let Some(like) = reads.last().copied()
        {
            all.push(Read { at: like.at + AHEAD, ..like });
            counts.clocks += 1;
            accepted += 1;
        }
        let mut uplinked = message(&self.device_id, self.unit, &all, self.encoding);
        if rates.sloppy.happens(rng) {
            uplinked = self.sloppily(&all);
            counts.sloppy += 1;
        }
        Message { uplinked, reads: accepted, dead }
    }

    /// The same said otherwise. The record's key stays, so that the reads of the meter stay in order.
    fn sloppily(&self, reads: &[Read]) -> Uplinked {
        let other =
            |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        let device_id = format!(" {} ", self.device_id.chars().map(other).collect::<String>());
        let said = match (self.encoding, self.unit) {
            (Encoding::Json, RegisterUnit::Litre) => noisy(&device_id, reads),
            _ => message(&device_id, self.unit, reads, self.encoding),
        };
        Uplinked { key: self.device_id.as_bytes().to_vec(), ..said }
    }

    /// A message that must end as a dead letter, of a kind that chance picks.
    fn garbage(&self, read: Read, counts: &mut Counts, rng: &mut impl Rng) -> Uplinked {
        let of = |device_id: &str, reads: &[Read]| message(device_id, self.unit, reads, self.encoding);
        let (reason, garbage) = match rng.random_range(0..6) {
            0 => (DeadLetterReason::Malformed, self.malformed(rng)),
            1 => {
                let unknown = format!("nobody-{:08x}", rng.random::<u32>());
                (DeadLetterReason::UnknownDevice, of(&unknown, &[read]))
            }
            2 => (DeadLetterReason::ImpossibleValue, of(&self.device_id, &[Read { register: -1, ..read }])),
            3 => {
                let reads: Vec<Read> =
                    (0..OVERSIZED_READS).map(|ago| Read { at: read.at - ago, ..read }).collect();
                (DeadLetterReason::Oversized, of(&self.device_id, &reads))
            }
            4 => {
                let odd = Uplinked { content_type: "text/csv".to_owned(), ..of(&self.device_id, &[read]) };
                (DeadLetterReason::UnsupportedContentType, odd)
            }
            _ => {
                let other = Uplinked { key: b"another-meter".to_vec(), ..of(&self.device_id, &[read]) };
                (DeadLetterReason::KeyMismatch, other)
            }
        };
        let whole = match reason {
            DeadLetterReason::Oversized => OVERSIZED_READS.unsigned_abs(),
            _ => 1,
        };
        counts.messages += 1;
        counts.dead(reason, whole);
        garbage
    }

    fn malformed(&self, rng: &mut impl Rng) -> Uplinked {
        let (payload, content_type) = match self.encoding {
            // A line that broke off.
            Encoding::Json => {
                (format!(r#"{{"device_id":"{}","reads":[{{"#, self.device_id).into_bytes(), JSON)
            }
            // Noise behind a tag of wire type 7, which protobuf does not have.
            Encoding::Protobuf => {
                let noise = std::iter::once(0x0f).chain((0..24).map(|_| rng.random::<u8>()));
                (noise.collect(), PROTOBUF)
            }
        };
        let key = self.device_id.as_bytes().to_vec();
        Uplinked { key, payload, content_type: content_type.to_owned(), headers: Vec::new() }
    }
}

/// A read that cannot be, made of one that can: below zero, or of the day the epoch began.
fn bad_read(like: Read, rng: &mut impl Rng) -> (DeadLetterReason, Read) {
    match rng.random_range(0..3) {
        0 => (DeadLetterReason::ImpossibleValue, Read { register: -1, ..like }),
        1 => (DeadLetterReason::ImpossibleValue, Read { at: like.at.saturating_mul(1_000), ..like }),
        // Every meter was installed later.
        _ => (DeadLetterReason::BeforeInstallation, Read { at: 3_600, ..like }),
    }
}

/// Litres in m3 as a device writes them that computed in binary floats: `6.053999999999999` for 6,054.
fn noisy(device_id: &str, reads: &[Read]) -> Uplinked {
    let register = |litres: i64| {
        let (sign, litres) = (if litres < 0 { "-" } else { "" }, litres.unsigned_abs());
        match litres.checked_sub(1) {
            Some(below) => format!("{sign}{}.{:03}999999999999", below / 1_000, below % 1_000),
            None => "0.000000000000001".to_owned(),
        }
    };
    let reads: Vec<String> = reads
        .iter()
        .map(|read| format!(r#"{{"time":{},"register":{}}}"#, read.at, register(read.register)))
        .collect();
    let device_id = serde_json::Value::from(device_id);
    let payload = format!(r#"{{"device_id":{device_id},"unit":"m3","reads":[{}]}}"#, reads.join(","));
    Uplinked { payload: payload.into_bytes(), content_type: JSON.to_owned(), ..Uplinked::default() }
}

impl Counts {
    fn sent(&mut self, message: &Message) {
        self.messages += 1;
        self.accepted += 1;
        self.reads += message.reads;
        if let Some(reason) = message.dead {
            self.dead(reason, 1);
        }
    }

    fn dead(&mut self, reason: DeadLetterReason, reads: u64) {
        *self.dead_letters.entry(reason_name(reason)).or_default() += 1;
        *self.dead_reads.entry(reason_name(reason)).or_default() += reads;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dead: u64 = self.dead_reads.values().sum();
        writeln!(f, "messages       {:>10}  reads of {} of them are accepted", self.messages, self.accepted)?;
        writeln!(f, "reads          {:>10}  expected to be accepted, and {dead} dead", self.reads)?;
        writeln!(f, "duplicates     {:>10}", self.duplicates)?;
        writeln!(f, "out of order   {:>10}", self.disordered)?;
        writeln!(f, "late batches   {:>10}", self.late_batches)?;
        writeln!(f, "gaps           {:>10}  {} reads lost in them", self.gaps, self.lost_reads)?;
        writeln!(f, "exchanges      {:>10}", self.resets)?;
        writeln!(f, "dips           {:>10}", self.dips)?;
        writeln!(f, "clocks ahead   {:>10}", self.clocks)?;
        writeln!(f, "sloppy         {:>10}", self.sloppy)?;
        writeln!(f, "moves          {:>10}", self.moves)?;
        let (days, payments) = (self.foreign_days, self.foreign_payments);
        writeln!(f, "another's      {days:>10}  days, and {payments} payments that another system left")?;
        for (reason, count) in &self.dead_letters {
            let reads = self.dead_reads.get(reason).copied().unwrap_or_default();
            writeln!(f, "dead letters   {count:>10}  {reason}, with {reads} reads")?;
        }
        Ok(())
    }
}

/// How a reason is written for people and machines: `unknown_device`.
pub fn reason_name(reason: DeadLetterReason) -> &'static str {
    match reason {
        DeadLetterReason::Unspecified => "unspecified",
        DeadLetterReason::Malformed => "malformed",
        DeadLetterReason::UnsupportedContentType => "unsupported_content_type",
        DeadLetterReason::UnknownDevice => "unknown_device",
        DeadLetterReason::InactiveDevice => "inactive_device",
        DeadLetterReason::ImpossibleValue => "impossible_value",
        DeadLetterReason::Oversized => "oversized",
        DeadLetterReason::KeyMismatch => "key_mismatch",
        DeadLetterReason::BeforeInstallation => "before_installation",
        DeadLetterReason::TooOld => "too_old",
    }
}

#[cfg(test)]
#[path = "faults_tests.rs"]
mod tests;
