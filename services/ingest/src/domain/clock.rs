//! The clock rule: a device whose clock runs ahead, or behind its own installation, is believed in what it counted
//! and in the spacing of its reads, but not in the time of day.

use super::accept::Read;

/// How far ahead of the broker a device's clock may run.
pub const AHEAD_SECONDS: i64 = 5 * 60;
/// The latest time that is a time at all: the end of the year 9999.
pub const END_OF_TIME: i64 = 253_402_207_200;

/// Corrects reads (in order of time) whose clock cannot be trusted: the newest is set to the receive time, the others
/// keep their distance to it. Says whether it did. The receive time is the broker's, so it is the same whenever the
/// message is read again.
pub fn correct(reads: &mut [Read], received_at: i64, installed_at: i64) -> bool {
    let (Some(oldest), Some(newest)) = (reads.first(), reads.last()) else {
        return false;
    };
    if newest.at <= received_at.saturating_add(AHEAD_SECONDS) && oldest.at >= installed_at {
        return false;
    }
    let shift = received_at - newest.at;
    for read in reads {
        read.at += shift;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVED: i64 = 1_790_000_000;
    const INSTALLED: i64 = 1_780_000_000;

    fn corrected(times: &[i64]) -> (Vec<i64>, bool) {
        let mut reads: Vec<Read> =
            times.iter().map(|at| Read { at: *at, register: 0, flow_litres_per_hour: None }).collect();
        let corrected = correct(&mut reads, RECEIVED, INSTALLED);
        (reads.iter().map(|read| read.at).collect(), corrected)
    }

    #[test]
    fn the_clock_rule() {
        for (case, times, expected, is_corrected) in [
            ("in time", vec![RECEIVED - 3_600, RECEIVED], vec![RECEIVED - 3_600, RECEIVED], false),
            ("late", vec![INSTALLED, INSTALLED + 60], vec![INSTALLED, INSTALLED + 60], false),
            ("5 min ahead", vec![RECEIVED + 300], vec![RECEIVED + 300], false),
            ("more than 5 min ahead", vec![RECEIVED + 301], vec![RECEIVED], true),
            (
                "spacing is preserved",
                vec![RECEIVED + 1_000, RECEIVED + 4_600],
                vec![RECEIVED - 3_600, RECEIVED],
                true,
            ),
            ("one of many ahead", vec![RECEIVED - 60, RECEIVED + 301], vec![RECEIVED - 361, RECEIVED], true),
            ("before installation", vec![INSTALLED - 1], vec![RECEIVED], true),
            (
                "clock at the epoch",
                vec![0, 900, 1_800],
                vec![RECEIVED - 1_800, RECEIVED - 900, RECEIVED],
                true,
            ),
            ("nothing", vec![], vec![], false),
        ] {
            assert_eq!(corrected(&times), (expected, is_corrected), "{case}");
        }
    }
}
