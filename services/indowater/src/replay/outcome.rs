//! What the platform made of the reads that were sent: accepted, or set aside in a dead letter, told by where their
//! messages stand on the telemetry topic.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use indowater_common::domain::zone::{Day, Zone};
use indowater_proto::readings::v1::{DeadLetter, DeadLetterReason, ReadSource, Readings};
use indowater_proto::topics::{DEAD_LETTERS, READINGS, TELEMETRY};
use prost::Message as _;
use rdkafka::Message as _;
use serde::Serialize;
use tokio::time::Instant;

use super::lost::{Lost, Place};
use crate::clients::{self, blocking};
use crate::simulate::faults::reason_name;
use crate::system::System;
use crate::topic::{Extent, Reader};

/// Where a message stands on the telemetry topic.
pub type Coordinates = (i32, i64);

/// What became of the reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Reads that were accepted.
    pub accepted: u64,
    /// Accepted reads that were moved in time, because their clock was ahead.
    pub shifted: u64,
    /// Reads in dead letters.
    pub dead: u64,
    /// Why they are there.
    pub set_aside: Lost,
    /// Days of account in which an accepted read stands, each meter's counted by itself.
    pub days_touched: u64,
    /// The first and the last of these days.
    pub days: Option<(String, String)>,
    /// Reads of which nothing was heard in time.
    pub unheard: u64,
}

/// One message: the rows behind its reads, and what was heard of it.
struct Sent {
    rows: Vec<Place>,
    accepted: Option<u64>,
    dead: BTreeSet<u32>,
}

/// The messages that were sent.
pub struct Account {
    telemetry: String,
    sent: HashMap<Coordinates, Sent>,
    days: BTreeSet<(String, Day)>,
    shifted: u64,
    set_aside: Lost,
}

impl Account {
    /// Of messages on the topic `telemetry`, with the rows behind each; `set_aside` is empty.
    pub fn of(
        telemetry: String,
        messages: impl IntoIterator<Item = (Coordinates, Vec<Place>)>,
        set_aside: Lost,
    ) -> Self {
        let sent = |(at, rows)| (at, Sent { rows, accepted: None, dead: BTreeSet::new() });
        let sent = messages.into_iter().map(sent).collect();
        Self { telemetry, sent, days: BTreeSet::new(), shifted: 0, set_aside }
    }

    /// Takes in accepted reads; those of one message count once, however often they are published.
    pub fn readings(&mut self, readings: &Readings) {
        // A record without reads is about the registry, and of no message.
        if readings.source() != ReadSource::Telemetry || readings.reads.is_empty() {
            return;
        }
        let at = (readings.telemetry_partition, readings.telemetry_offset);
        let Some(sent) = self.sent.get_mut(&at).filter(|sent| sent.accepted.is_none()) else {
            return;
        };
        sent.accepted = Some(readings.reads.len() as u64);
        let corrected = readings.reads.iter().filter(|read| read.clock_corrected).count() as u64;
        let all = if readings.clock_corrected { readings.reads.len() as u64 } else { 0 };
        self.shifted += if corrected > 0 { corrected } else { all };
        if let Some(zone) = Zone::named(&readings.time_zone) {
            let days = readings.reads.iter().map(|read| zone.day_of(read.read_at));
            self.days.extend(days.map(|day| (readings.device_id.clone(), day)));
        }
    }

    /// Takes in a dead letter.
    pub fn letter(&mut self, letter: &DeadLetter) {
        let Some(sent) = self.sent.get_mut(&(letter.partition, letter.offset)) else {
            return;
        };
        if letter.topic != self.telemetry {
            return;
        }
        let whole: Vec<u32> = (0..).take(sent.rows.len()).collect();
        let places = if letter.places.is_empty() { &whole } else { &letter.places };
        for place in places {
            let row = usize::try_from(*place).ok().and_then(|place| sent.rows.get(place));
            if let Some(row) = row
                && sent.dead.insert(*place)
            {
                let reason = letter.reason();
                self.set_aside.add(reason_name(reason), hint(reason), *row, || letter.detail.clone());
            }
        }
    }

    /// Reads of which nothing was heard yet.
    pub fn unheard(&self) -> u64 {
        let of = |sent: &Sent| {
            let heard = sent.accepted.unwrap_or(0) + sent.dead.len() as u64;
            (sent.rows.len() as u64).saturating_sub(heard)
        };
        self.sent.values().map(of).sum()
    }

    /// What became of all.
    pub fn close(self) -> Outcome {
        let by_day: BTreeSet<Day> = self.days.iter().map(|(_, day)| *day).collect();
        Outcome {
            accepted: self.sent.values().filter_map(|sent| sent.accepted).sum(),
            shifted: self.shifted,
            dead: self.set_aside.count,
            days_touched: self.days.len() as u64,
            days: by_day
                .first()
                .zip(by_day.last())
                .map(|(first, last)| (first.to_string(), last.to_string())),
            unheard: self.unheard(),
            set_aside: self.set_aside,
        }
    }
}

/// What can be done about reads that were set aside.
const fn hint(reason: DeadLetterReason) -> &'static str {
    match reason {
        DeadLetterReason::UnknownDevice => "enrol the meter, then `indowater dead-letters redrive`",
        DeadLetterReason::InactiveDevice => "make the meter active, then `indowater dead-letters redrive`",
        DeadLetterReason::BeforeInstallation => {
            "correct the installation date, then `indowater dead-letters redrive`"
        }
        DeadLetterReason::ImpossibleValue => {
            "no meter of so many digits shows it: correct the line, or the digits in the registry"
        }
        _ => "see it with `indowater dead-letters list`",
    }
}

/// The ends of the topics that say what became of telemetry, noted before it is sent.
pub struct Follower {
    reader: Reader,
    prefix: String,
    readings: Extent,
    letters: Extent,
}

impl Follower {
    /// Notes where the topics end now.
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn from_now(system: &System) -> Result<Self> {
        let kafka = clients::kafka(system);
        blocking(move || {
            let (reader, prefix) = (Reader::open(&kafka)?, kafka.topic_prefix);
            let readings = reader.extent(&READINGS.name(&prefix))?;
            let letters = reader.extent(&DEAD_LETTERS.name(&prefix))?;
            Ok(Self { reader, prefix, readings, letters })
        })
        .await
    }

    /// Name of the topic that is followed up.
    pub fn telemetry(&self) -> String {
        TELEMETRY.name(&self.prefix)
    }

    /// Reads on until all is heard of, or nothing new was for as long as `patience`.
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn follow(mut self, mut account: Account, patience: Duration) -> Result<Outcome> {
        let (mut left, mut heard) = (account.unheard(), Instant::now());
        while left > 0 && heard.elapsed() <= patience {
            (self, account) = blocking(move || {
                self.read(&mut account)?;
                Ok((self, account))
            })
            .await?;
            let now = account.unheard();
            if now < left {
                (left, heard) = (now, Instant::now());
            }
            if left > 0 {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
        Ok(account.close())
    }

    fn read(&mut self, account: &mut Account) -> Result<()> {
        let Self { reader, prefix, readings, letters } = self;
        news(reader, &READINGS.name(prefix), readings, |value| {
            account.readings(&Readings::decode(value).unwrap_or_default());
        })?;
        news(reader, &DEAD_LETTERS.name(prefix), letters, |value| {
            account.letter(&DeadLetter::decode(value).unwrap_or_default());
        })
    }
}

/// Reads what came to a topic since `seen`, which goes on to its end.
fn news(reader: &Reader, topic: &str, seen: &mut Extent, mut each: impl FnMut(&[u8])) -> Result<()> {
    let now = reader.extent(topic)?;
    let ends = |(partition, (_, end)): (&i32, &(i64, i64))| {
        let from = seen.get(partition).map_or(0, |(_, seen)| *seen);
        (*partition, (from, *end))
    };
    let new: Extent = now.iter().map(ends).collect();
    reader.read(topic, &new, |record| {
        each(record.payload().unwrap_or_default());
        Ok(ControlFlow::Continue(()))
    })?;
    *seen = now;
    Ok(())
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
