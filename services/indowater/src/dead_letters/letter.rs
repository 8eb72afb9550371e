//! Dead letters as they stand in their topic, and how they are shown.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::ops::ControlFlow;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use indowater_proto::readings::v1::{DeadLetter, DeadLetterReason};
use indowater_proto::topics::DEAD_LETTERS;
use jiff::Timestamp;
use prost::Message as _;
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use serde_json::json;
use tokio::sync::mpsc;

use crate::clients::{self, blocking};
use crate::simulate::faults::reason_name;
use crate::system::System;
use crate::topic::{Extent, Reader};

/// A reason, as it is typed and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub DeadLetterReason);

const REASONS: [Reason; 7] = [
    Reason(DeadLetterReason::Malformed),
    Reason(DeadLetterReason::UnsupportedContentType),
    Reason(DeadLetterReason::UnknownDevice),
    Reason(DeadLetterReason::InactiveDevice),
    Reason(DeadLetterReason::ImpossibleValue),
    Reason(DeadLetterReason::Oversized),
    Reason(DeadLetterReason::KeyMismatch),
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

/// Reads all letters that are there now, one for each message, on a thread of its own.
pub fn read(system: &System, reason: Option<Reason>) -> mpsc::Receiver<Result<Letter>> {
    let (sender, receiver) = mpsc::channel(64);
    let kafka = clients::kafka(system);
    tokio::task::spawn_blocking(move || {
        let topic = DEAD_LETTERS.name(&kafka.topic_prefix);
        let mut seen = HashSet::new();
        let mut read = || {
            let reader = Reader::open(&kafka)?;
            reader.read(&topic, &reader.extent(&topic)?, |record| {
                let letter = Letter::of(record)?;
                let is_wanted = reason.is_none_or(|reason| reason.0 == letter.letter.reason())
                    && seen.insert(letter.identity());
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

/// The letter at a place.
///
/// # Errors
/// There is none, or the broker does not answer.
pub async fn find(system: &System, place: Place) -> Result<Letter> {
    let kafka = clients::kafka(system);
    blocking(move || {
        let topic = DEAD_LETTERS.name(&kafka.topic_prefix);
        let reader = Reader::open(&kafka)?;
        let held = reader.extent(&topic)?.get(&place.partition).copied();
        if !held.is_some_and(|(low, high)| (low..high).contains(&place.offset)) {
            bail!("{topic} has nothing at {place}: see what there is with `indowater dead-letters list`");
        }
        let mut found = None;
        let extent = Extent::from([(place.partition, (place.offset, place.offset + 1))]);
        reader.read(&topic, &extent, |record| {
            found = Some(Letter::of(record)?);
            Ok(ControlFlow::Break(()))
        })?;
        found.with_context(|| format!("{topic} has no record at {place}"))
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

    /// What tells the message behind it from all others: a restart of ingest may have left two letters of one message, and
    /// a topic that was deleted and made again counts from the beginning.
    pub fn identity(&self) -> String {
        let DeadLetter { topic, partition, offset, received_at_ms, .. } = &self.letter;
        format!("{topic}:{partition}:{offset}@{received_at_ms}")
    }

    /// Its reason, as it is written.
    pub fn reason(&self) -> &'static str {
        reason_name(self.letter.reason())
    }

    /// When the broker took the telemetry, RFC 3339.
    pub fn received_at(&self) -> String {
        Timestamp::from_millisecond(self.letter.received_at_ms)
            .map_or_else(|_| "?".to_owned(), |at| format!("{at:.3}"))
    }

    /// All but its bytes.
    pub fn summary(&self, is_redriven: bool) -> serde_json::Value {
        let DeadLetter { topic, partition, offset, detail, content_type, key, .. } = &self.letter;
        json!({
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
        let is_shown = |c: char| !c.is_control() || c.is_ascii_whitespace();
        match std::str::from_utf8(bytes) {
            Ok(text) if text.chars().all(is_shown) => Self::Text(text),
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
        for value in 1..=7 {
            let reason = Reason(DeadLetterReason::try_from(value).unwrap());
            assert_eq!(Reason::from_str(reason_name(reason.0), false), Ok(reason));
        }
    }

    #[test]
    fn bytes_are_dumped_and_text_is_shown() {
        assert!(matches!(Payload::of(b"{\"device_id\":\"a\"}\n"), Payload::Text(_)));
        let Payload::Bytes(bytes) = Payload::of(b"\x0f\x00A") else { panic!("no text") };
        assert_eq!(dump(bytes), format!("00000000  {:<47}  ..A\n", "0f 00 41"));
    }
}
