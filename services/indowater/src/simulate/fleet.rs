//! A fleet of simulated meters that report in real time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result};
use indowater_common::clock;
use indowater_common::domain::zone::Zone;
use indowater_proto::registry::v1::{Device, Property};
use indowater_proto::telemetry::v1::RegisterUnit;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::faults::{Counts, Link, Percent, Rates};
use super::meter::{Identity, Meter};
use super::moves::Moves;
use super::population::Simulated;
use super::predecessor::Left;
use crate::registry::Registry;
use crate::telemetry::Read;
use crate::uplink::{Uplink, Uplinked};

/// How the meters report.
#[derive(Debug, Clone, Copy)]
pub struct Reporting {
    /// How long each meter waits between two reports, give or take a tenth.
    pub interval: Duration,
    /// What goes wrong.
    pub rates: Rates,
    /// How many of the messages begin a sampled trace.
    pub traces: Percent,
    /// The seed of what goes wrong.
    pub seed: u64,
}

/// When a run ends by itself; the first bound that is met ends it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// After so long.
    pub duration: Option<Duration>,
    /// After so many messages.
    pub messages: Option<u64>,
}

struct Member {
    meter: Meter,
    property: Property,
    zone: Zone,
    unit: RegisterUnit,
    /// In which steps the register counts, and where it wraps, in its unit.
    resolution: i64,
    wraps_at: i64,
    link: Link,
}

/// Meters that are enrolled and can report.
pub struct Fleet {
    members: Vec<Member>,
    reporting: Reporting,
    chance: ChaCha8Rng,
    counts: Counts,
    moves: Moves,
}

/// What a generator is for besides an hour and a meter.
const OF_THE_FLEET: i64 = i64::MIN + 2;
const MILLILITRES_IN_M3: u32 = 1_000_000;

impl Fleet {
    /// Enrols the meters that the registry does not know, and continues those it knows from their last reading.
    ///
    /// # Errors
    /// The registry does not answer, or refuses.
    pub async fn enrol(registry: &Registry, meters: Vec<Simulated>, reporting: Reporting) -> Result<Self> {
        let known = enrol(registry, &meters).await?.known;
        let members = meters.into_iter().map(|simulated| {
            let known = known.get(&simulated.device.device_id);
            Member::new(simulated, known)
        });
        let members = members.collect::<Result<_>>()?;
        let chance = Identity { seed: reporting.seed, number: 0 }.chance(OF_THE_FLEET);
        Ok(Self { members, reporting, chance, counts: Counts::default(), moves: Moves::default() })
    }

    /// Notes what another system left before the meters report.
    pub fn note_left(&mut self, left: Left) {
        self.counts.foreign_days += left.days;
        self.counts.foreign_payments += left.payments;
    }

    /// How many meters there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What was handed over so far, exactly.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What reaches the broker when the meter with this index reports at `at`; nothing is sent here.
    pub fn report(&mut self, index: usize, at: Timestamp) -> Vec<Uplinked> {
        let Self { members, reporting, chance, counts, moves } = self;
        let Some(member) = members.get_mut(index) else {
            return Vec::new();
        };
        let at = at.as_second();
        if reporting.rates.moves.happens(chance) {
            moves.begin(&member.property, &member.zone, at, chance);
        }
        let mut millilitres = member.meter.advance(at);
        if member.link.is_exchanged(&reporting.rates, counts, chance) {
            member.meter.exchange();
            millilitres = 0;
        }
        let read = Read { at, register: member.register(millilitres) };
        let mut messages = member.link.report(read, &reporting.rates, counts, chance);
        for message in &mut messages {
            if reporting.traces.happens(chance) {
                message.headers.push(("traceparent", traceparent(chance)));
            }
        }
        messages
    }

    /// What the links still hold back, once no meter reports any more.
    pub fn finish(&mut self) -> Vec<Uplinked> {
        let Self { members, reporting, chance, counts, .. } = self;
        members.iter_mut().flat_map(|member| member.link.finish(&reporting.rates, counts, chance)).collect()
    }

    /// Lets the meters report in real time until a bound is met or `stop`; then everything that was counted is on the
    /// broker, and in the registry what changed hands.
    ///
    /// # Errors
    /// The broker refuses a record, or is away for minutes; the registry refuses a move, or does not answer.
    pub async fn run(
        &mut self,
        uplink: &Uplink,
        registry: &Registry,
        bounds: Bounds,
        stop: &CancellationToken,
    ) -> Result<()> {
        let began = Instant::now();
        let mut due: BinaryHeap<Reverse<(Instant, usize)>> = (0..self.members.len())
            .map(|index| Reverse((began + self.reporting.interval.mul_f64(self.chance.random()), index)))
            .collect();
        let end = bounds.duration.map(|duration| began + duration);
        let is_enough = |counts: &Counts| bounds.messages.is_some_and(|most| counts.messages >= most);
        while let Some(Reverse((at, index))) = due.pop() {
            if is_enough(&self.counts) || end.is_some_and(|end| at >= end) {
                break;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(at) => {}
            }
            for message in self.report(index, clock::now()) {
                uplink.send(&message).await?;
            }
            for transfer in self.moves.take() {
                registry.transfer(transfer).await?;
                self.counts.moves += 1;
            }
            let pause = self.reporting.interval.mul_f64(self.chance.random_range(0.9..1.1));
            // A simulator that cannot keep up reports later, not in bursts.
            due.push(Reverse(((at + pause).max(Instant::now()), index)));
        }
        for message in self.finish() {
            uplink.send(&message).await?;
        }
        uplink.flush().await
    }
}

impl Member {
    fn new(simulated: Simulated, known: Option<&Device>) -> Result<Self> {
        let Simulated { property, device, profile, identity, encoding, first_register, leak } = simulated;
        let unknown = || format!("{} has the unknown time zone {}", property.id, property.time_zone);
        let zone = TimeZone::get(&property.time_zone).with_context(unknown)?;
        let zone_of_days = Zone::named(&property.time_zone).with_context(unknown)?;
        let registered = known.unwrap_or(&device);
        let (at, millilitres) = match last_reading(registered)? {
            Some(last) => last,
            // Counting from the installation, not from now: reads that are on their way meanwhile fit in.
            None => (installed(registered)?, first_register * 1_000),
        };
        let (unit, resolution) = (device.unit(), i64::from(device.resolution.max(1)));
        let wraps_at = if device.wraps_at > 0 { device.wraps_at } else { i64::MAX };
        let installed = installed(registered)?;
        let link = Link::new(device.device_id, unit, encoding);
        let meter = Meter::new(identity, profile, zone, at, millilitres).leaking(leak, installed);
        Ok(Self { meter, property, zone: zone_of_days, unit, resolution, wraps_at, link })
    }

    /// What the register shows.
    fn register(&self, millilitres: u64) -> i64 {
        let counts = if self.unit == RegisterUnit::Millilitre { millilitres } else { millilitres / 1_000 };
        let counts = i64::try_from(counts).unwrap_or(i64::MAX) % self.wraps_at;
        counts / self.resolution * self.resolution
    }
}

/// What an enrolment did.
#[derive(Debug, Default)]
pub struct Enrolled {
    /// How many properties were new.
    pub properties: usize,
    /// How many devices were new.
    pub devices: u64,
    /// The devices that the registry had before, by the identifier on the meter.
    pub known: HashMap<String, Device>,
}

/// Brings into the registry what it does not know of `meters`.
///
/// # Errors
/// The registry does not answer, or refuses.
pub async fn enrol(registry: &Registry, meters: &[Simulated]) -> Result<Enrolled> {
    let known = registry.devices(None).await?;
    let known: HashMap<String, Device> =
        known.into_iter().map(|device| (device.device_id.clone(), device)).collect();
    let is_new = |meter: &&Simulated| !known.contains_key(&meter.device.device_id);
    let mut properties: Vec<Property> =
        meters.iter().filter(is_new).map(|meter| meter.property.clone()).collect();
    properties.dedup_by(|a, b| a.id == b.id);
    let properties = registry.create_properties(properties).await?;
    let devices: Vec<Device> = meters.iter().filter(is_new).map(|meter| meter.device.clone()).collect();
    let devices = registry.enrol(&devices).await?;
    Ok(Enrolled { properties, devices, known })
}

fn installed(device: &Device) -> Result<i64> {
    let installed: Timestamp = device.installation_date.parse().with_context(|| {
        format!("the installation date of {} is not understood: {:?}", device.id, device.installation_date)
    })?;
    Ok(installed.as_second())
}

/// The moment of a device's last reading, in seconds, and its register in millilitres; `None` before the first one.
fn last_reading(device: &Device) -> Result<Option<(i64, u64)>> {
    let (Some(reading), Some(date)) = (&device.last_reading, &device.last_reading_date) else {
        return Ok(None);
    };
    let context =
        || format!("the registry's last reading of {} is not understood: {reading} m3 at {date}", device.id);
    let at: Timestamp = date.parse().with_context(context)?;
    let cubic_metres: Decimal = reading.parse().with_context(context)?;
    let millilitres = (cubic_metres * Decimal::from(MILLILITRES_IN_M3)).to_u64().with_context(context)?;
    Ok(Some((at.as_second(), millilitres)))
}

/// A new sampled trace of the W3C trace context.
fn traceparent(chance: &mut ChaCha8Rng) -> String {
    let (trace, span): (u128, u64) = (chance.random(), chance.random());
    // All zeros is no trace and no span.
    format!("00-{:032x}-{:016x}-01", trace.max(1), span.max(1))
}
