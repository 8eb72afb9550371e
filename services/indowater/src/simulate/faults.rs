//! What goes wrong between a meter and the broker, on purpose and counted.
//!
//! Every fault is counted when its bytes are handed over, so at the end the counts are exact: how many messages there are,
//! how many of them must become accepted reads, and how many must become dead letters of each reason.

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
    /// A message that cannot be used, besides the good one
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub garbage: Percent,
}

/// What was handed over, exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Messages of every kind.
    pub messages: u64,
    /// Reads in the messages that can be used, each time they are sent.
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
    /// Messages that must end as dead letters, by the name of the reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// Messages that must end as accepted reads.
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
    /// A message that waits for its successor.
    held: Option<Uplinked>,
}

/// Reads of a message that are too many for any meter.
const OVERSIZED_READS: i64 = 1_001;

impl Link {
    /// A sound link.
    pub fn new(device_id: String, unit: RegisterUnit, encoding: Encoding) -> Self {
        Self { device_id, unit, encoding, state: State::Sound, held: None }
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
                    self.release(counts, &mut out);
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

    /// What the link still holds, when the simulation ends.
    pub fn finish(&mut self, counts: &mut Counts) -> Vec<Uplinked> {
        let mut out = Vec::new();
        if matches!(self.state, State::Withholding { .. }) {
            self.release(counts, &mut out);
        }
        if let Some(held) = self.held.take() {
            counts.good(1);
            out.push(held);
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
        let message = message(&self.device_id, self.unit, &[read], self.encoding);
        if self.held.is_none() && rates.disorder.happens(rng) {
            self.held = Some(message);
            return;
        }
        counts.good(1);
        if rates.duplicates.happens(rng) {
            counts.good(1);
            counts.duplicates += 1;
            out.push(message.clone());
        }
        out.push(message);
        if let Some(held) = self.held.take() {
            counts.good(1);
            counts.disordered += 1;
            out.push(held);
        }
    }

    fn release(&mut self, counts: &mut Counts, out: &mut Vec<Uplinked>) {
        if let State::Withholding { reads, .. } = std::mem::take(&mut self.state) {
            counts.good(reads.len());
            counts.late_batches += 1;
            out.push(message(&self.device_id, self.unit, &reads, self.encoding));
        }
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
        counts.messages += 1;
        *counts.dead_letters.entry(reason_name(reason)).or_default() += 1;
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

impl Counts {
    fn good(&mut self, reads: usize) {
        self.messages += 1;
        self.accepted += 1;
        self.reads += reads as u64;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dead: u64 = self.dead_letters.values().sum();
        writeln!(
            f,
            "messages       {:>10}  expected: {} accepted, {dead} dead",
            self.messages, self.accepted
        )?;
        writeln!(f, "reads          {:>10}", self.reads)?;
        writeln!(f, "duplicates     {:>10}", self.duplicates)?;
        writeln!(f, "out of order   {:>10}", self.disordered)?;
        writeln!(f, "late batches   {:>10}", self.late_batches)?;
        writeln!(f, "gaps           {:>10}  {} reads lost in them", self.gaps, self.lost_reads)?;
        writeln!(f, "exchanges      {:>10}", self.resets)?;
        for (reason, count) in &self.dead_letters {
            writeln!(f, "garbage        {count:>10}  {reason}")?;
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
mod tests {
    use super::*;
    use indowater_proto::telemetry::v1::Telemetry;
    use prost::Message as _;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    fn run(rates: Rates, reports: i64) -> (Vec<Uplinked>, Counts) {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut counts = Counts::default();
        let mut link = Link::new("sim-1".to_owned(), RegisterUnit::Litre, Encoding::Protobuf);
        let mut sent = Vec::new();
        for at in 0..reports {
            sent.extend(link.report(Read { at, register: at }, &rates, &mut counts, &mut rng));
        }
        sent.extend(link.finish(&mut counts));
        (sent, counts)
    }

    fn times(message: &Uplinked) -> Vec<i64> {
        Telemetry::decode(message.payload.as_slice()).unwrap().reads.iter().map(|read| read.read_at).collect()
    }

    fn chance(percent: &str) -> Percent {
        percent.parse().unwrap()
    }

    #[test]
    fn without_faults_every_read_is_one_message_in_order() {
        let (sent, counts) = run(Rates::default(), 500);
        assert_eq!(sent.iter().flat_map(times).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
        assert_eq!((counts.messages, counts.reads, counts.accepted), (500, 500, 500));
    }

    #[test]
    fn every_fault_is_counted_exactly() {
        let percent = chance("10");
        let rates = Rates {
            duplicates: percent,
            disorder: percent,
            late: percent,
            gaps: percent,
            ..Rates::default()
        };
        let (sent, counts) = run(rates, 5_000);
        let all: Vec<Vec<i64>> = sent.iter().map(times).collect();
        assert_eq!(counts.messages, all.len() as u64);
        assert_eq!(counts.accepted, counts.messages);
        assert_eq!(counts.reads, all.iter().map(Vec::len).sum::<usize>() as u64);
        assert_eq!(counts.late_batches, all.iter().filter(|times| times.len() > 1).count() as u64);
        let distinct: std::collections::BTreeSet<i64> = all.iter().flatten().copied().collect();
        assert_eq!(distinct.len() as u64 + counts.lost_reads, 5_000, "what is not lost arrives");
        assert_eq!(counts.reads - counts.duplicates, distinct.len() as u64);
        let singles: Vec<i64> = all.iter().filter(|times| times.len() == 1).map(|times| times[0]).collect();
        let back = singles.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
        assert!(counts.disordered >= back && back > 0);
        assert!(counts.gaps > 0 && counts.late_batches > 0 && counts.duplicates > 0, "{counts:?}");
    }

    #[test]
    fn garbage_comes_besides_the_good_messages() {
        let (sent, counts) = run(Rates { garbage: chance("100%"), ..Rates::default() }, 600);
        let dead: u64 = counts.dead_letters.values().sum();
        assert_eq!((counts.accepted, dead, sent.len()), (600, 600, 1_200));
        assert_eq!(counts.dead_letters.len(), 6, "{counts:?}");
        let broken = sent.iter().filter(|m| Telemetry::decode(m.payload.as_slice()).is_err()).count() as u64;
        assert_eq!(broken, counts.dead_letters["malformed"]);
    }

    #[test]
    fn a_chance_is_a_percentage() {
        assert_eq!("0.5%".parse(), Ok(Percent(0.5)));
        assert!("101".parse::<Percent>().is_err() && "often".parse::<Percent>().is_err());
    }
}
