//! What became of each read of each telemetry message: the books of invariant D1.
//!
//! A read is accepted, or set aside with its place. A message that an unknown device sent may be set aside whole and, after
//! a crash and an enrolment, be accepted; its reads count as accepted. What no registry can mend is never accepted.

use std::collections::{BTreeMap, BTreeSet};

use indowater_proto::readings::v1::{DeadLetter, DeadLetterReason, ReadSource, Readings};
use indowater_proto::telemetry::v1::Telemetry;
use prost::Message as _;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::kafka::Extent;
use crate::report::Finding;

/// What is known of one message.
#[derive(Debug, Default)]
struct Message {
    /// Its reads, if the topic still has it: retention and a producer's transactions leave offsets without a record.
    reads: Option<u32>,
    /// What it says of itself, where it says something.
    said: BTreeSet<u32>,
    /// What was accepted of it, each time.
    accepted: Vec<Accepted>,
    /// Set aside whole: for a reason that the registry can mend, for one that it cannot.
    whole: [bool; 2],
    /// Places set aside, in the same way.
    places: [BTreeSet<u32>; 2],
    /// Outcomes that were told again.
    again: u64,
}

/// One acceptance of a message.
#[derive(Debug, PartialEq, Eq)]
struct Accepted {
    device: String,
    version: i64,
    reads: u32,
    /// Distinguishes one content from another.
    content: u64,
}

/// The books over a stretch of telemetry.
pub struct Outcomes {
    partitions: BTreeMap<i32, (i64, Vec<Message>)>,
}

/// How many reads a telemetry message has; one that cannot be read, or has none, counts as one.
pub fn reads_in(content_type: Option<&str>, value: &[u8]) -> u32 {
    let kind =
        content_type.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let is_json = match kind.as_deref() {
        None => value.trim_ascii_start().starts_with(b"{"),
        Some(kind) => kind == "application/json",
    };
    let is_protobuf = matches!(kind.as_deref(), Some("application/protobuf" | "application/x-protobuf"));
    let reads = if is_json {
        #[derive(Deserialize)]
        struct Json {
            reads: Option<Vec<IgnoredAny>>,
        }
        serde_json::from_slice::<Json>(value).map(|json| json.reads.map_or(1, |reads| reads.len())).ok()
    } else if is_protobuf {
        Telemetry::decode(value).map(|telemetry| telemetry.reads.len()).ok()
    } else {
        None
    };
    reads.and_then(|reads| u32::try_from(reads).ok()).unwrap_or(1).max(1)
}

impl Outcomes {
    /// Empty books over what ingest is done with.
    pub fn over(received: &Extent) -> Self {
        let books = |(partition, (from, to)): (&i32, &(i64, i64))| {
            let many = usize::try_from(to - from).unwrap_or(0);
            (*partition, (*from, std::iter::repeat_with(Message::default).take(many).collect()))
        };
        Self { partitions: received.iter().map(books).collect() }
    }

    /// Notes a message of the telemetry topic.
    pub fn received(&mut self, partition: i32, offset: i64, reads: u32) {
        if let Some(message) = self.at(partition, offset) {
            message.reads = Some(reads);
        }
    }

    /// Notes a record of the readings topic.
    pub fn accepted(&mut self, readings: &Readings) {
        if readings.source() != ReadSource::Telemetry || readings.reads.is_empty() {
            return;
        }
        let Some(message) = self.at(readings.telemetry_partition, readings.telemetry_offset) else { return };
        message.said.extend(Some(readings.message_reads).filter(|reads| *reads > 0));
        let accepted = Accepted {
            device: readings.device_id.clone(),
            version: readings.registry_version,
            reads: u32::try_from(readings.reads.len()).unwrap_or(u32::MAX),
            content: content(readings),
        };
        if message.accepted.contains(&accepted) {
            message.again += 1;
        } else {
            message.accepted.push(accepted);
        }
    }

    /// Notes a dead letter of the telemetry topic.
    pub fn set_aside(&mut self, letter: &DeadLetter) {
        let Some(message) = self.at(letter.partition, letter.offset) else { return };
        let kind = usize::from(is_final(letter.reason()));
        if letter.places.is_empty() {
            message.again += u64::from(message.whole[kind]);
            message.whole[kind] = true;
            return;
        }
        message.said.extend(Some(letter.message_reads).filter(|reads| *reads > 0));
        let before = message.places[kind].len();
        message.places[kind].extend(&letter.places);
        message.again += u64::from(message.places[kind].len() == before);
    }

    /// Nothing for messages that retention took, or that are still on their way.
    fn at(&mut self, partition: i32, offset: i64) -> Option<&mut Message> {
        let (from, messages) = self.partitions.get_mut(&partition)?;
        messages.get_mut(usize::try_from(offset - *from).ok()?)
    }

    /// D1.
    pub fn d1(&self) -> Finding {
        let mut d1 = Finding::new("D1", "every read was accepted or set aside", "reads");
        let (mut accepted, mut dead, mut again, mut gone) = (0, 0, 0, 0);
        for (partition, (from, messages)) in &self.partitions {
            for (offset, message) in (*from..).zip(messages) {
                let Some(reads) = message.reads else {
                    gone += u64::from(!message.accepted.is_empty());
                    continue;
                };
                let of_message = message.most_accepted().min(reads);
                accepted += u64::from(of_message);
                dead += u64::from(reads - of_message);
                again += message.again;
                for wrong in message.wrongs(reads) {
                    d1.breaks(|| format!("telemetry {partition}:{offset}: {wrong}"));
                }
            }
        }
        d1.checked = accepted + dead;
        d1.notes.push(format!("{accepted} accepted, {dead} set aside"));
        if again > 0 {
            d1.notes.push(format!("{again} outcomes were published again after a restart"));
        }
        d1.skips(gone, "messages are gone from the topic, and were not counted");
        let cut: i64 = self.partitions.values().map(|(from, _)| from).sum();
        d1.skips(u64::try_from(cut).unwrap_or(0), "messages are older than the topic, and were not counted");
        d1
    }
}

impl Message {
    fn most_accepted(&self) -> u32 {
        self.accepted.iter().map(|accepted| accepted.reads).max().unwrap_or(0)
    }

    /// What does not add up.
    fn wrongs(&self, reads: u32) -> Vec<String> {
        let mut wrongs = Vec::new();
        for said in self.said.iter().filter(|said| **said != reads) {
            wrongs.push(format!("it has {reads} reads, and is said to have {said}"));
        }
        let places: BTreeSet<u32> = self.places.iter().flatten().copied().collect();
        if let Some(place) = places.iter().find(|place| **place >= reads) {
            wrongs.push(format!("it has {reads} reads, and number {place} is set aside"));
        }
        let is_whole = self.whole.contains(&true);
        let (accepted, aside) = (self.most_accepted(), count(&places));
        if accepted == 0 && !is_whole && aside == 0 {
            wrongs.push(format!("none of its {reads} reads was accepted or set aside"));
        } else if !is_whole && accepted.saturating_add(aside) < reads {
            let lost = reads - accepted - aside;
            wrongs.push(format!("{lost} of its {reads} reads were neither accepted nor set aside"));
        } else if is_whole && accepted > 0 && accepted.saturating_add(aside) < reads {
            let lost = reads - accepted - aside;
            wrongs.push(format!("{lost} of its {reads} reads were not accepted with the others"));
        }
        // The reasons that stay are those of the message alone: what they hold for was never acceptable.
        let hopeless = if self.whole[1] { reads } else { count(&self.places[1]) };
        if accepted > 0 && accepted.saturating_add(hopeless) > reads {
            wrongs.push(format!("{accepted} of its {reads} reads were accepted, and {hopeless} cannot be"));
        }
        wrongs.extend(self.contradiction());
        wrongs
    }

    /// Acceptances that contradict each other: by the same registry entry all are alike, and none is for another device.
    fn contradiction(&self) -> Option<String> {
        for (place, one) in self.accepted.iter().enumerate() {
            for other in &self.accepted[..place] {
                if one.device != other.device {
                    return Some(format!("it was accepted for {} and for {}", other.device, one.device));
                }
                if one.version == other.version {
                    return Some(format!("it was accepted twice for {}, and not alike", one.device));
                }
            }
        }
        None
    }
}

fn count(places: &BTreeSet<u32>) -> u32 {
    u32::try_from(places.len()).unwrap_or(u32::MAX)
}

/// Whether no change of the registry can mend it.
fn is_final(reason: DeadLetterReason) -> bool {
    matches!(
        reason,
        DeadLetterReason::Malformed
            | DeadLetterReason::UnsupportedContentType
            | DeadLetterReason::Oversized
            | DeadLetterReason::KeyMismatch
    )
}

/// A number that tells the reads of one record from others (FNV-1a).
fn content(readings: &Readings) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for read in &readings.reads {
        for byte in read.read_at.to_le_bytes().into_iter().chain(read.register.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

#[cfg(test)]
#[path = "outcomes_tests.rs"]
mod tests;
