//! Seeded reads of meters that only count up, and the ways a network delivers them: repeated, out of order, in late
//! batches, with garbage between. The same seed makes the same bytes.

use std::collections::BTreeMap;

use indowater::uplink::Uplinked;
use indowater_common::kafka::BACKFILL;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::oracle::{self, Expected};

/// Hourly-ish reads of one meter: (seconds since the epoch, litres).
#[derive(Clone, Debug)]
pub struct Meter {
    /// `devices.id`.
    pub id: String,
    /// The identifier on the meter.
    pub device_id: String,
    /// Its reads in time order.
    pub reads: Vec<(i64, i64)>,
}

impl Meter {
    /// What its daily records must say.
    pub fn expected(&self) -> BTreeMap<String, Expected> {
        oracle::days(self.reads.iter().copied())
    }

    /// What its water must be posted at, whole rupiah: each month rounded once.
    pub fn owed(&self) -> i64 {
        let mut months: BTreeMap<String, Decimal> = BTreeMap::new();
        for (date, day) in self.expected() {
            *months.entry(date[..7].to_owned()).or_default() += day.cost;
        }
        let rounded = |cost: Decimal| cost.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        months.into_values().map(|cost| i64::try_from(rounded(cost)).expect("rupiah")).sum()
    }
}

/// 2026-01-20T05:00 in Jakarta: reads of two weeks cross a month's end.
pub const START: i64 = 1_768_860_000;

/// `many` meters with `reads` reads each.
pub fn meters(seed: u64, many: usize, reads: usize) -> Vec<Meter> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    (0..many)
        .map(|number| {
            let (mut at, mut litres) =
                (START + chance.random_range(0..3_600), chance.random_range(0..50_000));
            let reads = (0..reads)
                .map(|_| {
                    at += chance.random_range(1_800..5_400);
                    litres += if chance.random_bool(0.5) { 0 } else { chance.random_range(1..400) };
                    (at, litres)
                })
                .collect();
            Meter { id: format!("device-{number:04}"), device_id: format!("MTR{number:06}"), reads }
        })
        .collect()
}

/// How the network treats the messages.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Reads of one message at most.
    pub batch: usize,
    /// One message in so many comes again, later.
    pub repeat: u32,
    /// One message in so many comes after all the others.
    pub late: u32,
    /// Messages change places with others up to so many places away.
    pub disorder: usize,
}

impl Network {
    /// Everything at once.
    pub const ROUGH: Self = Self { batch: 9, repeat: 5, late: 9, disorder: 60 };
}

/// The meters' reads as messages, in the order they arrive.
pub fn messages(seed: u64, meters: &[Meter], network: Network) -> Vec<Uplinked> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let mut on_time: Vec<(i64, Uplinked)> = Vec::new();
    let mut late = Vec::new();
    for meter in meters {
        let mut rest = &meter.reads[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(chance.random_range(1..=network.batch).min(rest.len()));
            rest = later;
            let message = message(meter, now);
            if chance.random_ratio(1, network.repeat) {
                late.push(message.clone());
            }
            if chance.random_ratio(1, network.late) {
                late.push(message);
            } else {
                on_time.push((now[0].0, message));
            }
        }
    }
    on_time.sort_by_key(|(at, _)| *at);
    let mut messages: Vec<Uplinked> = on_time.into_iter().map(|(_, message)| message).collect();
    for near in messages.chunks_mut(network.disorder.max(1)) {
        near.shuffle(&mut chance);
    }
    late.shuffle(&mut chance);
    messages.extend(late);
    messages
}

/// One message in JSON as `proto/README.md` describes it.
pub fn message(meter: &Meter, reads: &[(i64, i64)]) -> Uplinked {
    let reads: Vec<_> =
        reads.iter().map(|(time, litres)| serde_json::json!({ "time": time, "register": litres })).collect();
    let value = serde_json::json!({ "device_id": meter.device_id, "unit": "L", "reads": reads });
    json(&meter.device_id, value.to_string().into_bytes())
}

/// Any bytes as JSON telemetry under a key: a backfill, for the reads are of fixed days, which grow old.
pub fn json(key: &str, payload: Vec<u8>) -> Uplinked {
    let content_type = "application/json".to_owned();
    let headers = vec![(BACKFILL, "true".to_owned())];
    Uplinked { key: key.as_bytes().to_vec(), payload, content_type, headers }
}

/// A message with reads that can never be used among good ones: one in another case with blanks, its registers in m3 with
/// the noise of floats. Returns it with how many reads are dead for each reason.
pub fn partly_bad(meter: &Meter, reads: &[(i64, i64)]) -> (Uplinked, BTreeMap<String, usize>) {
    let noisy = |litres: i64| format!("{}.{:03}999999999999", (litres - 1) / 1_000, (litres - 1) % 1_000);
    let good = reads.iter().map(|(time, litres)| {
        let register = if *litres == 0 { "0".to_owned() } else { noisy(*litres) };
        serde_json::json!({ "time": time, "register": register })
    });
    let mut all: Vec<_> = good.collect();
    let at = reads.first().map_or(START, |(at, _)| *at);
    for (place, bad) in [
        (0, serde_json::json!({ "time": at, "register": "full" })),
        (1, serde_json::json!({ "time": { "$date": at }, "register": 1 })),
        (2, serde_json::json!({ "time": at, "register": -1 })),
        (all.len(), serde_json::json!({ "time": at * 1_000, "register": 1 })),
        (all.len(), serde_json::json!({ "time": 0, "register": 1 })),
    ] {
        all.insert(place, bad);
    }
    let device_id = format!(" {} ", meter.device_id.to_lowercase());
    let value = serde_json::json!({ "device_id": device_id, "unit": "m3", "reads": all });
    let dead = [("malformed", 2), ("impossible_value", 2), ("before_installation", 1)];
    let dead = dead.into_iter().map(|(reason, reads)| (reason.to_owned(), reads)).collect();
    (json(&meter.device_id, value.to_string().into_bytes()), dead)
}

/// Messages that can never be used, one list for each reason, as (reason, message).
pub fn garbage(meter: &Meter) -> Vec<(&'static str, Uplinked)> {
    let about = |value: serde_json::Value| json(&meter.device_id, value.to_string().into_bytes());
    let (id, at) = (&meter.device_id, START);
    let stranger = "STRANGER-1";
    let unknown =
        serde_json::json!({ "device_id": stranger, "unit": "L", "reads": [{ "time": at, "register": 1 }] });
    vec![
        ("malformed", json(id, b"{\"device_id\": tru".to_vec())),
        ("malformed", json(id, vec![0xff, 0x00, 0x17])),
        ("unknown_device", json(stranger, unknown.to_string().into_bytes())),
        (
            "impossible_value",
            about(
                serde_json::json!({ "device_id": id, "unit": "L", "reads": [{ "time": at, "register": -5 }] }),
            ),
        ),
        ("impossible_value", about(serde_json::json!({ "device_id": id, "unit": "L", "reads": [] }))),
        ("key_mismatch", json("SOMEBODY-ELSE", message(meter, &[(at, 1)]).payload)),
        (
            "unsupported_content_type",
            Uplinked { content_type: "text/csv".to_owned(), ..json(id, b"1;2;3".to_vec()) },
        ),
        ("oversized", json(id, vec![b' '; 300 * 1024])),
    ]
}
