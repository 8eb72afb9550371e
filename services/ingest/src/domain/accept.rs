//! The decision, read by read: each read of an uplink is held against the facts of its device and the arrival of its
//! message, and is accepted or set aside with its place, whatever its neighbours are. So accepted and dead reads add up
//! to the received ones.

use indowater_common::domain::identifier;
use indowater_common::domain::meter::Point;
use indowater_common::domain::request::MOST_ID;
use jiff::Timestamp;

use super::arrival::Arrival;
use super::clock::{Clock, END_OF_TIME};
use super::facts::Facts;
use super::number::{Misfit, whole_steps};
use super::reject::{Fault, Reason, Reject};
use super::uplink::{SaidRead, SaidUnit, State, Uplink};

/// Reads of one message at most.
pub const MOST_READS: usize = 1_000;

/// An accepted read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// Counts of the meter's own unit.
    pub register: i64,
    /// Momentary flow.
    pub flow_litres_per_hour: Option<u32>,
    /// Whether the device's clock was ahead and the time was set by the receive time.
    pub clock_corrected: bool,
}

impl Read {
    /// Its time and register.
    pub const fn point(&self) -> Point {
        Point { at: self.at, register: self.register }
    }
}

/// The accepted reads of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// By rising time; at least one.
    pub reads: Vec<Read>,
    /// The newest of them.
    pub newest: Point,
    /// How many reads the message had.
    pub message_reads: u32,
    /// Reads whose times were set by the receive time.
    pub corrected: usize,
    /// Whether the message named no unit, so that the registers are taken as counts of the meter's own.
    pub unit_assumed: bool,
    /// When the broker first took the message, seconds since the epoch.
    pub received_at: i64,
    /// What the device tells of itself.
    pub state: State,
    /// The gateway that took the message.
    pub gateway_id: Option<Box<str>>,
}

/// What becomes of one message: every read of it is in exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The reads that are accepted, if any are.
    pub accepted: Option<Accepted>,
    /// The reads that are not, one entry for each reason.
    pub rejects: Vec<Reject>,
}

impl From<Reject> for Decision {
    /// A whole message is set aside.
    fn from(reject: Reject) -> Self {
        Self { accepted: None, rejects: vec![reject] }
    }
}

/// Refuses what no registry entry can make right: no reads, too many, another device's key.
///
/// # Errors
/// Why the message cannot be used.
pub fn check(uplink: &Uplink<'_>, key: &[u8]) -> Result<(), Reject> {
    let whole = |reason, detail: String| Err(Reject::new(reason, detail).of(uplink.message_reads));
    if uplink.device_key.is_empty() {
        return whole(Reason::Malformed, "device_id is missing".to_owned());
    }
    if !key.is_empty() && key != uplink.device_id.as_bytes() {
        let key = String::from_utf8_lossy(key);
        if identifier::key(&key) != uplink.device_key {
            let detail = format!("the record's key is {key:.100?}, its device_id {:.100?}", uplink.device_id);
            return whole(Reason::KeyMismatch, detail);
        }
    }
    if uplink.device_key.len() > MOST_ID {
        // Nor could the registry be asked for it.
        let detail = format!("a device_id of {} bytes is in no registry", uplink.device_key.len());
        return whole(Reason::UnknownDevice, detail);
    }
    match uplink.message_reads as usize {
        0 => whole(Reason::ImpossibleValue, "there are no reads".to_owned()),
        1..=MOST_READS => Ok(()),
        many => whole(Reason::Oversized, format!("{many} reads; a message may have {MOST_READS}")),
    }
}

/// Decides the reads of an uplink that passed [`check`]. Reads older than `most_age` seconds when they were first
/// received are accepted of a backfill only.
pub fn accept(uplink: &Uplink<'_>, facts: &Facts, arrival: &Arrival, most_age: i64) -> Decision {
    let Uplink { ref device_id, unit, message_reads, state, .. } = *uplink;
    if !facts.active {
        let detail = format!("device {device_id:?} ({}) is inactive in the registry", facts.id);
        return Reject::new(Reason::InactiveDevice, detail).of(message_reads).into();
    }
    let received_at = arrival.received_at();
    let clock = Clock::of(uplink.reads.iter().map(|read| read.at), received_at);
    let judge =
        Judge { facts, device_id, clock, unit, received_at, most_age, is_backfill: arrival.is_backfill };
    let mut reads = Vec::with_capacity(uplink.reads.len());
    let mut faults = uplink.faults.clone();
    for said in &uplink.reads {
        match judge.read(*said) {
            Ok(read) => reads.push(read),
            Err(fault) => faults.push(fault),
        }
    }
    reads.sort_unstable_by_key(|read| (read.at, read.register));
    let accepted = reads.last().map(Read::point).map(|newest| Accepted {
        newest,
        message_reads,
        corrected: reads.iter().filter(|read| read.clock_corrected).count(),
        unit_assumed: unit.is_none(),
        received_at,
        state,
        gateway_id: gateway(uplink),
        reads,
    });
    Decision { accepted, rejects: Reject::of_reads(faults, message_reads) }
}

/// What all reads of a message are judged by.
struct Judge<'a> {
    facts: &'a Facts,
    /// The identifier on the meter that sent them.
    device_id: &'a str,
    clock: Clock,
    unit: Option<SaidUnit>,
    received_at: i64,
    most_age: i64,
    is_backfill: bool,
}

impl Judge<'_> {
    fn read(&self, said: SaidRead) -> Result<Read, Fault> {
        let (at, clock_corrected) = self.time(said.at).map_err(|(reason, why)| fault(said, reason, why))?;
        self.facts
            .check_serial(self.device_id, at)
            .map_err(|why| fault(said, Reason::ImpossibleValue, why))?;
        let register = self.register(said, at).map_err(|why| fault(said, Reason::ImpossibleValue, why))?;
        Ok(Read { at, register, flow_litres_per_hour: said.flow_litres_per_hour, clock_corrected })
    }

    /// The time of a read, and whether it was set by the receive time.
    ///
    /// The installation date comes before the age: correcting it is the remedy that somebody can act on, and what is too
    /// old besides will say so then.
    fn time(&self, said: i64) -> Result<(i64, bool), (Reason, String)> {
        if !(0..=END_OF_TIME).contains(&said) {
            let why = format!("time {said} is not in seconds since 1970, or not before the year 10000");
            return Err((Reason::ImpossibleValue, why));
        }
        let (at, is_moved) = self.clock.time(said);
        let is_old = at < self.received_at.saturating_sub(self.most_age);
        if is_moved && (is_old || at < 0) {
            let why = format!(
                "time {} is ahead, and too far from the newest one to be set by the receive time",
                moment(said)
            );
            return Err((Reason::ImpossibleValue, why));
        }
        if at < self.facts.installed_at {
            let (at, installed) = (moment(at), moment(self.facts.installed_at));
            return Err((
                Reason::BeforeInstallation,
                format!("time {at} lies before the installation date {installed}"),
            ));
        }
        if is_old && !self.is_backfill {
            let (days, at, received) = (self.most_age / 86_400, moment(at), moment(self.received_at));
            return Err((
                Reason::TooOld,
                format!("time {at} lies more than {days} days before {received}, when it came"),
            ));
        }
        Ok((at, is_moved))
    }

    /// The register of a read in counts of the meter that stood there then.
    fn register(&self, SaidRead { register, .. }: SaidRead, at: i64) -> Result<i64, String> {
        let meter = self.facts.meter_at(at);
        let said = self.unit.unwrap_or(meter.unit.into());
        match register.counts(said, meter.unit) {
            Ok(count) if meter.can_show(count) => Ok(whole_steps(count, self.facts.resolution_at(at))),
            Err(Misfit::Negative) => Err(format!("register {register} ({said:?}) is below zero")),
            Ok(_) | Err(Misfit::TooLarge) => Err(format!(
                "register {register} ({said:?}) is not on a meter of {} {} digits",
                meter.digits,
                meter.unit.name()
            )),
        }
    }
}

/// The gateway as its network names it; a name that no identifier has says nothing, and spoils no read.
fn gateway(uplink: &Uplink<'_>) -> Option<Box<str>> {
    let name = uplink.gateway_id.as_deref()?.trim();
    let is_one = (1..=MOST_ID).contains(&name.len()) && !name.contains(['|', '\0']);
    is_one.then(|| name.into())
}

fn fault(said: SaidRead, reason: Reason, why: String) -> Fault {
    Fault { place: said.place, reason, why }
}

/// A moment as people read it.
fn moment(at: i64) -> String {
    Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests;
