//! Half a year of reads of one meter, as it would have sent them: hourly, a day in a message.

use anyhow::{Context as _, Result};
use indowater_proto::registry::v1::Device;
use indowater_proto::telemetry::v1::RegisterUnit;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::simulate::Simulated;
use crate::simulate::meter::Meter;
use crate::telemetry::{Read, message};
use crate::uplink::Uplink;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const READS_PER_MESSAGE: usize = 24;

/// How much was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub messages: u64,
    pub reads: u64,
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.reads += more.reads;
    }
}

/// Sends the reads of the last `days` of one meter; `device` is what the registry says of it.
pub(super) async fn send(
    uplink: &Uplink,
    device: &Device,
    simulated: &Simulated,
    now: Timestamp,
    days: u16,
) -> Result<Sent> {
    let installed: Timestamp = device
        .installation_date
        .parse()
        .with_context(|| format!("{} has the installation date {:?}", device.id, device.installation_date))?;
    let reads = reads(simulated, installed.as_second(), now.as_second(), days)?;
    let mut sent = Sent::default();
    for chunk in reads.chunks(READS_PER_MESSAGE) {
        uplink.send(&message(&device.device_id, device.unit(), chunk, simulated.encoding)).await?;
        sent += Sent { messages: 1, reads: chunk.len() as u64 };
    }
    Ok(sent)
}

/// Hourly reads of the last `days` up to `now`.
///
/// The register counts from the installation on, not from the first read, so that whenever this is asked, a moment has
/// the same register: a run that was cut short can be repeated.
pub(super) fn reads(simulated: &Simulated, installed: i64, now: i64, days: u16) -> Result<Vec<Read>> {
    let zone = TimeZone::get(&simulated.property.time_zone)
        .with_context(|| format!("{} has an unknown time zone", simulated.property.id))?;
    let mut meter =
        Meter::new(simulated.identity, simulated.profile, zone, installed, simulated.first_register * 1_000)
            .leaking(simulated.leak, installed);
    let first = (now - i64::from(days) * DAY).max(installed).div_euclid(HOUR) + 1;
    let minute = minute_of_the_hour(simulated);
    let reads = (first..).map(|hour| hour * HOUR + minute).take_while(|at| *at <= now).map(|at| {
        let millilitres = meter.advance(at);
        let counts = if simulated.device.unit() == RegisterUnit::Millilitre {
            millilitres
        } else {
            millilitres / 1_000
        };
        Read { at, register: i64::try_from(counts).unwrap_or(i64::MAX) }
    });
    Ok(reads.collect())
}

/// Half of the meters read on the hour, so that their midnights are measured; the others' lie between two reads.
fn minute_of_the_hour(simulated: &Simulated) -> i64 {
    let number = i64::try_from(simulated.identity.number % 60).unwrap_or_default();
    if number % 2 == 1 { 0 } else { number * 60 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::demo;

    const NOW: i64 = 1_790_000_000;

    fn demo_reads(now: i64) -> Vec<Vec<Read>> {
        let installed = NOW - 182 * DAY;
        demo::meters(1, Timestamp::from_second(installed).unwrap())
            .map(|meter| reads(&meter, installed, now, 180).unwrap())
            .collect()
    }

    #[test]
    fn half_a_year_of_hourly_reads_that_rise_plausibly() {
        for reads in demo_reads(NOW) {
            assert!((4_319..=4_320).contains(&reads.len()), "{}", reads.len());
            assert!(reads.windows(2).all(|pair| pair[1].at - pair[0].at == HOUR));
            assert!(reads.windows(2).all(|pair| pair[1].register >= pair[0].register));
            let (first, last) = (reads[0], reads[reads.len() - 1]);
            let a_day = (last.register - first.register) / 180;
            assert!((150..60_000).contains(&a_day), "{a_day} L a day");
            assert!(first.at > NOW - 181 * DAY && last.at > NOW - HOUR && last.at <= NOW);
        }
    }

    #[test]
    fn asked_again_later_a_moment_has_the_same_register() {
        for (early, late) in demo_reads(NOW).into_iter().zip(demo_reads(NOW + 5 * HOUR)) {
            assert_eq!(early[5..], late[..early.len() - 5]);
        }
    }

    #[test]
    fn some_midnights_are_measured_and_some_are_not() {
        let on_the_hour = demo_reads(NOW).iter().filter(|reads| reads[0].at % HOUR == 0).count();
        assert!((3..=6).contains(&on_the_hour), "{on_the_hour} of 9");
    }
}
