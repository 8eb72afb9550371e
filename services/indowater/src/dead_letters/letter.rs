//! Dead letters as they stand in their topic, and how they are shown.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use indowater_common::domain::identifier;
use indowater_proto::readings::v1::{DeadLetter, DeadLetterReason};
use indowater_proto::topics::DEAD_LETTERS;
use jiff::Timestamp;
use prost::Message as _;
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use serde_json::json;
use tokio::sync::mpsc;

use super::Which;
use super::again::{device, first, reads};
use crate::clients::{self, blocking};
use crate::simulate::faults::reason_name;
use crate::system::System;
use crate::terminal;
use crate::topic::{Extent, Reader};

/// A reason, as it is typed and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub DeadLetterReason);

const REASONS: [Reason; 9] = [
    Reason(DeadLetterReason::Malformed),
    Reason(DeadLetterReason::UnsupportedContentType),
    Reason(DeadLetterReason::UnknownDevice),
    Reason(DeadLetterReason::InactiveDevice),
    Reason(DeadLetterReason::ImpossibleValue),
    Reason(DeadLetterReason::Oversized),
    Reason(DeadLetterReason::KeyMismatch),
    Reason(DeadLetterReason::BeforeInstallation),
    Reason(DeadLetterReason::TooOld),
];

impl clap::ValueEnum for Reason {
    fn value_variants<'a>() -> &'a [Self] {
        &REASONS
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(reason_name(self.0)))
    }
}

/// Where a letter stands in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    partition: i32,
    offset: i64,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').and_then(|(p, o)| Some((p.parse().ok()?, o.parse().ok()?)));
        let (partition, offset) = parts.ok_or("a place is PARTITION:OFFSET, such as 2:117")?;
        Ok(Self { partition, offset })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

/// A dead letter and where it stands.
pub struct Letter {
    /// Full name of the topic it stands in.
    pub topic: String,
    /// Where it stands.
    pub place: Place,
    /// What it says.
    pub letter: DeadLetter,
}

/// What tells letters about the same reads of the same message: where and when it was first received, and what would be
/// sent again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    topic: String,
    partition: i32,
    offset: i64,
    received_at_ms: i64,
    reads: u64,
}

/// The latest letter of each group. A restart of ingest may have left two letters of one message, and what was sent again
/// in vain has left a new one: only the latest says how things stand.
pub struct Latest {
    /// Not to be foreseen by those who send telemetry, so that nobody's letter hides another's.
    hasher: RandomState,
    places: HashMap<Group, Place>,
}

impl Latest {
    fn read(reader: &Reader, topic: &str, extent: &Extent) -> Result<Self> {
        let mut latest = Self { hasher: RandomState::new(), places: HashMap::new() };
        reader.read(topic, extent, |record| {
            latest.note(&Letter::of(record)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(latest)
    }

    /// Letters of one group have one key, and so one partition, in which the later ones come later.
    fn note(&mut self, letter: &Letter) {
        let group = self.group(&letter.letter);
        self.places.insert(group, letter.place);
    }

    /// Where the latest letter about the reads of this one stands.
    pub fn of(&self, letter: &Letter) -> Place {
        self.places.get(&self.group(&letter.letter)).copied().unwrap_or(letter.place)
    }

    fn group(&self, letter: &DeadLetter) -> Group {
        let first = first(letter);
        Group {
            topic: letter.topic.clone(),
            partition: first.partition,
            offset: first.offset,
            received_at_ms: letter.received_at_ms,
            reads: self.hasher.hash_one(reads(letter)),
        }
    }
}

/// Reads the latest letters that are there now, on a thread of its own.
pub fn read(system: &System, which: &Which) -> mpsc::Receiver<Result<Letter>> {
    let (sender, receiver) = mpsc::channel(64);
    let kafka = clients::kafka(system);
    let (reason, wanted) = (which.reason, which.device.as_deref().map(|id| identifier::key(id).into_owned()));
    tokio::task::spawn_blocking(move || {
        let topic = DEAD_LETTERS.name(&kafka.topic_prefix);
        let read = || {
            let reader = Reader::open(&kafka)?;
            let extent = reader.extent(&topic)?;
            let latest = Latest::read(&reader, &topic, &extent)?;
            reader.read(&topic, &extent, |record| {
                let letter = Letter::of(record)?;
                let is_wanted = latest.of(&letter) == letter.place
                    && reason.is_none_or(|reason| reason.0 == letter.letter.reason())
                    && wanted.as_ref().is_none_or(|wanted| *wanted == device(&letter.letter));
                // The one who asked may have enough.
                let gone = is_wanted && sender.blocking_send(Ok(letter)).is_err();
                Ok(if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
        };
        if let Err(error) = read() {
            _ = sender.blocking_send(Err(error));
        }
    });
    receiver
}

/// The letter at a place, and where the latest one about the same reads stands.
///
/// # Errors
/// There is none, or the broker does not answer.
pub async fn find(system: &System, place: Place) -> Result<(Letter, Place)> {
    let kafka = clients::kafka(system);
    blocking(move || {
        let topic = DEAD_LETTERS.name(&kafka.topic_prefix);
        let reader = Reader::open(&kafka)?;
        let all = reader.extent(&topic)?;
        let held = all.get(&place.partition).copied();
        if !held.is_some_and(|(low, high)| (low..high).contains(&place.offset)) {
            bail!("{topic} has nothing at {place}: see what there is with `indowater dead-letters list`");
        }
        let mut found = None;
        let extent = Extent::from([(place.partition, (place.offset, place.offset + 1))]);
        reader.read(&topic, &extent, |record| {
            found = Some(Letter::of(record)?);
            Ok(ControlFlow::Break(()))
        })?;
        let letter: Letter = found.with_context(|| format!("{topic} has no record at {place}"))?;
        let latest = Latest::read(&reader, &topic, &all)?.of(&letter);
        Ok((letter, latest))
    })
    .await
}

impl Letter {
    fn of(record: &BorrowedMessage<'_>) -> Result<Self> {
        let place = Place { partition: record.partition(), offset: record.offset() };
        let letter = DeadLetter::decode(record.payload().unwrap_or_default());
        let letter = letter.with_context(|| format!("{} {place} is no dead letter", record.topic()))?;
        Ok(Self { topic: record.topic().to_owned(), place, letter })
    }

    /// What tells what it is about from all else: the message, for a topic that was deleted and made again counts from the
    /// beginning, and the reason, for a message has a letter for each.
    pub fn identity(&self) -> String {
        let DeadLetter { topic, partition, offset, received_at_ms, places, .. } = &self.letter;
        let reason = if places.is_empty() { String::new() } else { format!("#{}", self.reason()) };
        format!("{topic}:{partition}:{offset}@{received_at_ms}{reason}")
    }

    /// Where it stands, with its topic.
    pub fn stands_at(&self) -> String {
        format!("{}:{}", self.topic, self.place)
    }

    /// Its reason, as it is written.
    pub fn reason(&self) -> &'static str {
        reason_name(self.letter.reason())
    }

    /// When the broker first took the telemetry, RFC 3339.
    pub fn received_at(&self) -> String {
        Timestamp::from_millisecond(self.letter.received_at_ms)
            .map_or_else(|_| "?".to_owned(), |at| format!("{at:.3}"))
    }

    /// How many reads it sets aside of how many, and which, in short.
    pub fn reads(&self) -> String {
        /// Places that are told one by one.
        const TOLD: usize = 5;
        let DeadLetter { places, message_reads, .. } = &self.letter;
        if places.is_empty() {
            return if *message_reads == 0 { "all".to_owned() } else { format!("all {message_reads}") };
        }
        let told: Vec<String> = places.iter().take(TOLD).map(u32::to_string).collect();
        let more = if places.len() > TOLD { ",…" } else { "" };
        format!("{} of {message_reads} [{}{more}]", places.len(), told.join(","))
    }

    /// Its key, fit for a terminal.
    pub fn key(&self) -> String {
        terminal::line(&String::from_utf8_lossy(&self.letter.key)).into_owned()
    }

    /// All but its bytes.
    pub fn summary(&self, is_redriven: bool) -> serde_json::Value {
        let DeadLetter { topic, partition, offset, detail, content_type, key, .. } = &self.letter;
        let first = first(&self.letter);
        json!({
            "device": device(&self.letter),
            "places": self.letter.places,
            "message_reads": self.letter.message_reads,
            "first_at": format!("{topic}:{}:{}", first.partition, first.offset),
            "is_cut": self.letter.is_cut,
            "backfill": self.letter.backfill,
            "place": self.place.to_string(),
            "reason": self.reason(),
            "detail": detail,
            "received_at": self.received_at(),
            "came_from": format!("{topic}:{partition}:{offset}"),
            "key": String::from_utf8_lossy(key),
            "content_type": content_type,
            "bytes": self.letter.payload.len(),
            "redriven": is_redriven,
        })
    }
}

/// Bytes that are text, or are not.
pub enum Payload<'a> {
    /// Text that a terminal can show.
    Text(&'a str),
    /// Anything else.
    Bytes(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// What these bytes are.
    pub fn of(bytes: &'a [u8]) -> Self {
        // Lines and tabs do no harm.
        let is_shown =
            |part: &str| matches!(terminal::line(part.strip_suffix('\r').unwrap_or(part)), Cow::Borrowed(_));
        match std::str::from_utf8(bytes) {
            Ok(text) if text.split('\n').flat_map(|line| line.split('\t')).all(is_shown) => Self::Text(text),
            _ => Self::Bytes(bytes),
        }
    }
}

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// Sixteen bytes a line: place, hexadecimal, and what of it is ASCII.
pub fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let pairs: Vec<String> = chunk.iter().map(|byte| hex(&[*byte])).collect();
        let ascii: String =
            chunk.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        _ = writeln!(text, "{:08x}  {:<47}  {ascii}", line * 16, pairs.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place: Place = "2:117".parse().unwrap();
        assert_eq!(place.to_string(), "2:117");
        for wrong in ["2", "2:", "a:1", "1:2:3"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_reason_can_be_asked_for() {
        for value in 1..=9 {
            let reason = Reason(DeadLetterReason::try_from(value).unwrap());
            assert_eq!(Reason::from_str(reason_name(reason.0), false), Ok(reason));
        }
    }

    #[test]
    fn bytes_are_dumped_and_text_is_shown() {
        assert!(matches!(Payload::of(b"{\"device_id\":\"a\",\r\n\t\"reads\":[]}\n"), Payload::Text(_)));
        for obeyed in ["\x1b[2J", "a\rb", "\u{202e}a"] {
            assert!(matches!(Payload::of(obeyed.as_bytes()), Payload::Bytes(_)), "{obeyed:?}");
        }
        let Payload::Bytes(bytes) = Payload::of(b"\x0f\x00A") else { panic!("no text") };
        assert_eq!(dump(bytes), format!("00000000  {:<47}  ..A\n", "0f 00 41"));
    }

    fn letter(at: i64, letter: DeadLetter) -> Letter {
        let topic = "indowater.device.telemetry.v1".to_owned();
        let letter = DeadLetter {
            topic,
            key: b"SN-1".to_vec(),
            content_type: "application/json".to_owned(),
            ..letter
        };
        Letter { topic: "dead".to_owned(), place: Place { partition: 0, offset: at }, letter }
    }

    /// The offsets of the letters that count.
    fn counting(letters: &[Letter]) -> Vec<i64> {
        let mut latest = Latest { hasher: RandomState::new(), places: HashMap::new() };
        letters.iter().for_each(|letter| latest.note(letter));
        let is_latest = |letter: &&Letter| latest.of(letter) == letter.place;
        letters.iter().filter(is_latest).map(|letter| letter.place.offset).collect()
    }

    /// What ingest says of the same letter when it was sent again in vain.
    fn in_vain(at: i64, sent: &Letter, reason: DeadLetterReason) -> Letter {
        let payload = reads(&sent.letter).into_owned();
        let many = u32::try_from(sent.letter.places.len()).unwrap();
        letter(
            at,
            DeadLetter {
                payload,
                reason: reason.into(),
                places: (0..many).collect(),
                message_reads: many,
                partition: 0,
                offset: 1_000 + at,
                first: Some(first(&sent.letter)),
                ..sent.letter.clone()
            },
        )
    }

    #[test]
    fn a_hopeless_letter_is_one_however_often_it_is_sent_again() {
        use DeadLetterReason::{BeforeInstallation, ImpossibleValue, TooOld};
        let payload = br#"{"device_id":"SN-1","reads":[{"time":1,"register":1},{"time":2,"register":2},{"time":3,"register":-3}]}"#;
        let of = |places: &[u32], reason: DeadLetterReason| DeadLetter {
            payload: payload.to_vec(),
            offset: 7,
            reason: reason.into(),
            places: places.to_vec(),
            message_reads: 3,
            received_at_ms: 5,
            ..DeadLetter::default()
        };
        let early = letter(0, of(&[0], BeforeInstallation));
        let old = letter(1, of(&[1], TooOld));
        let impossible = letter(2, of(&[2], ImpossibleValue));
        assert_ne!(early.identity(), old.identity());
        // A restart of ingest said one of them again.
        let mut letters = vec![early, old, impossible, letter(3, of(&[2], ImpossibleValue))];
        assert_eq!(counting(&letters), [0, 1, 3]);
        // Sent again in vain; then, with the installation date corrected, for another reason. Its neighbour that has
        // that reason from the beginning is another read.
        letters.push(in_vain(4, &letters[0], BeforeInstallation));
        letters.push(in_vain(5, &letters[4], TooOld));
        assert_eq!(counting(&letters), [1, 3, 5]);
        letters.push(in_vain(6, &letters[5], TooOld));
        letters.push(in_vain(7, &letters[6], TooOld));
        assert_eq!(counting(&letters), [1, 3, 7]);
        // The same reads in another message are another matter.
        letters.push(letter(8, DeadLetter { offset: 8, ..of(&[2], ImpossibleValue) }));
        assert_eq!(counting(&letters), [1, 3, 7, 8]);
    }

    #[test]
    fn the_reads_are_told_in_short() {
        let of = |places: &[u32], message_reads| {
            letter(0, DeadLetter { places: places.to_vec(), message_reads, ..DeadLetter::default() }).reads()
        };
        assert_eq!(of(&[], 0), "all");
        assert_eq!(of(&[], 24), "all 24");
        assert_eq!(of(&[3], 24), "1 of 24 [3]");
        assert_eq!(of(&[0, 1, 2, 3, 4, 5], 24), "6 of 24 [0,1,2,3,4,…]");
    }
}
