//! The decision: an uplink held against the facts of its device is accepted whole or rejected whole, so that accepted
//! and dead messages add up to the received ones.

use indowater_common::domain::meter::Point;
use indowater_common::domain::request::MOST_ID;

use super::clock::{self, END_OF_TIME};
use super::facts::Facts;
use super::number::Misfit;
use super::reject::{Reason, Reject};
use super::uplink::{SaidRead, SaidUnit, State, Uplink};

/// Reads of one message at most.
pub const MOST_READS: usize = 1_000;

/// An accepted read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// Counts of the meter's own unit.
    pub register: i64,
    /// Momentary flow.
    pub flow_litres_per_hour: Option<u32>,
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
    /// Whether the device's clock was wrong and the times were set by the receive time.
    pub clock_corrected: bool,
    /// When the broker took the message, seconds since the epoch.
    pub received_at: i64,
    /// What the device tells of itself.
    pub state: State,
}

/// Refuses what no registry entry can make right: no reads, too many, another device's key.
///
/// # Errors
/// Why the message cannot be used.
pub fn check(uplink: &Uplink<'_>, key: &[u8]) -> Result<(), Reject> {
    if uplink.device_id.is_empty() {
        return Err(Reject::new(Reason::Malformed, "device_id is missing"));
    }
    if !key.is_empty() && key != uplink.device_id.as_bytes() {
        let key = String::from_utf8_lossy(key);
        let detail = format!("the record's key is {key:?}, its device_id {:?}", uplink.device_id);
        return Err(Reject::new(Reason::KeyMismatch, detail));
    }
    if uplink.device_id.len() > MOST_ID {
        // Nor could the registry be asked for it.
        let detail = format!("a device_id of {} bytes is in no registry", uplink.device_id.len());
        return Err(Reject::new(Reason::UnknownDevice, detail));
    }
    match uplink.reads.len() {
        0 => Err(Reject::new(Reason::ImpossibleValue, "there are no reads")),
        1..=MOST_READS => Ok(()),
        many => Err(Reject::new(Reason::Oversized, format!("{many} reads; a message may have {MOST_READS}"))),
    }
}

/// Makes accepted reads of an uplink that passed [`check`].
///
/// # Errors
/// Why the message cannot be used.
pub fn accept(uplink: Uplink<'_>, facts: &Facts, received_at: i64) -> Result<Accepted, Reject> {
    if !facts.active {
        let detail = format!("device {:?} ({}) is inactive in the registry", uplink.device_id, facts.id);
        return Err(Reject::new(Reason::InactiveDevice, detail));
    }
    let (said, device_id) = (uplink.unit, uplink.device_id);
    let mut place = 0;
    let mut reads = uplink
        .reads
        .into_iter()
        .map(|read| {
            place += 1;
            facts
                .check_serial(&device_id, read.at)
                .and_then(|()| accept_read(read, said, facts))
                .map_err(|why| impossible(place - 1, &why))
        })
        .collect::<Result<Vec<_>, _>>()?;
    reads.sort_unstable_by_key(|read| (read.at, read.register));
    let clock_corrected = clock::correct(&mut reads, received_at, facts.installed_at);
    let (Some(oldest), Some(newest)) = (reads.first(), reads.last().map(Read::point)) else {
        return Err(Reject::new(Reason::ImpossibleValue, "there are no reads"));
    };
    if oldest.at < 0 {
        let detail = "the clock is wrong and the reads are too far apart to set it right by the receive time";
        return Err(Reject::new(Reason::ImpossibleValue, detail));
    }
    Ok(Accepted { newest, clock_corrected, received_at, state: uplink.state, reads })
}

fn impossible(place: usize, why: &str) -> Reject {
    Reject::new(Reason::ImpossibleValue, format!("reads[{place}]: {why}"))
}

fn accept_read(read: SaidRead, said: Option<SaidUnit>, facts: &Facts) -> Result<Read, String> {
    let SaidRead { at, register, flow_litres_per_hour } = read;
    if !(0..=END_OF_TIME).contains(&at) {
        return Err(format!("time {at} is not in seconds since 1970, or not before the year 10000"));
    }
    let meter = facts.meter_at(at);
    let said = said.unwrap_or(meter.unit.into());
    let count = match register.counts(said, meter.unit) {
        Ok(count) if meter.can_show(count) => count,
        Ok(_) | Err(Misfit::TooLarge) => {
            let (unit, digits) = (meter.unit.name(), meter.digits);
            return Err(format!(
                "register {register} ({said:?}) is not on a meter of {digits} {unit} digits"
            ));
        }
        Err(Misfit::TooFine) => {
            return Err(format!(
                "register {register} ({said:?}) is finer than a {} meter counts",
                meter.unit.name()
            ));
        }
    };
    Ok(Read { at, register: count, flow_litres_per_hour })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use indowater_common::domain::meter::Unit;

    use super::*;
    use crate::domain::facts::{example as facts, exchanged};
    use crate::domain::number::Number;

    const NOW: i64 = 1_790_000_000;

    fn uplink(reads: &[(i64, &str)]) -> Uplink<'static> {
        let read = |(at, register): &(i64, &str)| SaidRead {
            at: *at,
            register: Number::parse(register).unwrap(),
            flow_litres_per_hour: None,
        };
        Uplink {
            device_id: Cow::Borrowed("SN-1"),
            unit: Some(SaidUnit::Litre),
            reads: reads.iter().map(read).collect(),
            state: State::default(),
        }
    }

    fn reject(reads: &[(i64, &str)]) -> Reject {
        accept(uplink(reads), &facts(), NOW).unwrap_err()
    }

    #[test]
    fn reads_are_accepted_in_the_meters_unit_by_rising_time() {
        let mut said = uplink(&[(NOW, "12.345"), (NOW - 60, "12.3")]);
        said.unit = Some(SaidUnit::CubicMetre);
        let accepted = accept(said, &facts(), NOW + 7).unwrap();
        let points: Vec<_> = accepted.reads.iter().map(|read| (read.at, read.register)).collect();
        assert_eq!(points, [(NOW - 60, 12_300), (NOW, 12_345)]);
        assert_eq!(accepted.newest, Point { at: NOW, register: 12_345 });
        assert_eq!((accepted.received_at, accepted.clock_corrected), (NOW + 7, false));
    }

    #[test]
    fn without_a_unit_it_is_the_registrys() {
        let mut said = uplink(&[(NOW, "1500")]);
        said.unit = None;
        let mut facts = facts();
        facts.meter.unit = Unit::Millilitre;
        assert_eq!(accept(said, &facts, NOW).unwrap().newest.register, 1_500);
    }

    #[test]
    fn reads_are_of_the_meter_that_was_there() {
        let facts = exchanged();
        let noon = facts.history[1].exchange.unwrap().at;
        let from = |serial: &'static str, at| {
            let said = Uplink { device_id: Cow::Borrowed(serial), ..uplink(&[(at, "12")]) };
            accept(said, &facts, NOW)
        };
        assert!(from("sn-1", noon - 1).is_ok() && from("SN-2", noon).is_ok());
        for (serial, at, there) in [("SN-1", noon, "SN-2"), ("SN-2", noon - 1, "SN-1")] {
            let reject = from(serial, at).unwrap_err();
            assert_eq!(reject.reason, Reason::ImpossibleValue);
            assert!(reject.detail.contains(there), "{}", reject.detail);
        }
        // The new meter has a digit less.
        let many = |serial: &'static str, at| {
            let said = Uplink { device_id: Cow::Borrowed(serial), ..uplink(&[(at, "12345678")]) };
            accept(said, &facts, NOW).is_ok()
        };
        assert!(many("SN-1", noon - 1) && !many("SN-2", noon));
    }

    #[test]
    fn an_inactive_device_is_rejected() {
        let facts = Facts { active: false, ..facts() };
        let reject = accept(uplink(&[(NOW, "1")]), &facts, NOW).unwrap_err();
        assert_eq!(reject.reason, Reason::InactiveDevice);
        assert!(reject.detail.contains("SN-1"), "{}", reject.detail);
    }

    #[test]
    fn an_impossible_value_is_rejected_with_its_place() {
        for (register, why) in [
            ("-1", "8 litre digits"),
            ("100000000", "8 litre digits"),
            ("1e30", "8 litre digits"),
            ("99999999999999999999", "8 litre digits"),
            ("1.5", "finer than a litre meter counts"),
        ] {
            let reject = reject(&[(NOW, "1"), (NOW, register)]);
            assert_eq!(reject.reason, Reason::ImpossibleValue, "{register}");
            assert!(reject.detail.starts_with("reads[1]: "), "{}", reject.detail);
            assert!(reject.detail.contains(why), "{}", reject.detail);
        }
        assert!(accept(uplink(&[(NOW, "99999999")]), &facts(), NOW).is_ok());
    }

    #[test]
    fn a_time_that_is_none_is_impossible() {
        for at in [-1, NOW * 1_000, i64::MAX, i64::MIN] {
            assert_eq!(reject(&[(at, "1")]).reason, Reason::ImpossibleValue, "{at}");
        }
        assert_eq!(reject(&[(0, "1"), (END_OF_TIME, "1")]).reason, Reason::ImpossibleValue);
    }

    #[test]
    fn a_wrong_clock_is_corrected() {
        let accepted = accept(uplink(&[(NOW + 3_600, "2"), (NOW, "1")]), &facts(), NOW).unwrap();
        assert!(accepted.clock_corrected);
        assert_eq!((accepted.reads[0].at, accepted.newest.at), (NOW - 3_600, NOW));
    }

    #[test]
    fn the_key_must_be_the_device() {
        let said = uplink(&[(NOW, "1")]);
        assert_eq!(check(&said, b"SN-1"), Ok(()));
        assert_eq!(check(&said, b""), Ok(()));
        assert_eq!(check(&said, b"SN-2").unwrap_err().reason, Reason::KeyMismatch);
        assert_eq!(check(&said, b"\xff").unwrap_err().reason, Reason::KeyMismatch);
    }

    #[test]
    fn no_reads_are_impossible_and_too_many_oversized() {
        assert_eq!(check(&uplink(&[]), b"").unwrap_err().reason, Reason::ImpossibleValue);
        assert_eq!(check(&uplink(&[(NOW, "1"); 1_000]), b""), Ok(()));
        assert_eq!(check(&uplink(&[(NOW, "1"); 1_001]), b"").unwrap_err().reason, Reason::Oversized);
    }

    #[test]
    fn a_device_must_have_a_name() {
        let nameless = Uplink { device_id: Cow::Borrowed(""), ..uplink(&[(NOW, "1")]) };
        assert_eq!(check(&nameless, b"").unwrap_err().reason, Reason::Malformed);
        let endless = Uplink { device_id: "x".repeat(65).into(), ..uplink(&[(NOW, "1")]) };
        assert_eq!(check(&endless, b"").unwrap_err().reason, Reason::UnknownDevice);
    }
}
