//! How a device is: whether it is heard, how long its battery lasts, how well it is received.
//!
//! Time here is when telemetry was received, and the present is the newest receive time of the device's partition: while nothing is
//! received at all, be it that the pipeline stands still or that all of this is read again, no time passes and nobody falls silent.

use indowater_common::domain::zone::Day;

/// Gaps between uplinks that tell a device's rhythm.
const GAPS: usize = 8;
/// Uplinks of its own rhythm that a device may miss.
const MISSED: i64 = 3;
/// Seconds that no device has to be heard in, whatever its rhythm: networks have their hours.
const LEAST_SILENCE: i64 = 3 * 3_600;
/// The rhythm of a device that was heard once: daily uplinks are common.
const ORDINARY_GAP: i64 = 86_400;
/// Uplinks closer together than this, seconds, are one.
const TOGETHER: i64 = 30;
/// Weeks of which the battery's lowest state is kept.
const WEEKS: usize = 8;
/// Weeks apart that two states have to be to tell a trend.
const TREND: i32 = 4;
/// A battery at this or less is low, percent.
const LOW: u8 = 10;
/// A battery that will be empty within so many days is low: time to send somebody in.
const SOON: i64 = 60;
/// Days of which the best signal is kept.
const DAYS: usize = 7;
/// A signal is weak from this down, dBm: eight above what a LoRaWAN receiver of SF7 hears at all (-123 dBm, Semtech SX1276).
const WEAK: i16 = -115;
/// A weak signal is not weak any more from this up, dBm.
const SOUND: i16 = -110;

/// What was heard of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// When its newest telemetry was received, seconds since the epoch; 0 if none was.
    pub last: i64,
    /// Seconds between its latest uplinks, oldest first.
    pub gaps: Vec<i64>,
    /// The lowest state of its battery by week: (week, percent), oldest first.
    pub battery: Vec<(i32, u8)>,
    /// Its best signal by day: (day, dBm), oldest first.
    pub signal: Vec<(i32, i16)>,
    /// Whether its meter complained of its battery in its newest telemetry.
    pub complains: bool,
}

/// One uplink, as far as it says how the device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uplink {
    /// When it was received, seconds since the epoch.
    pub received_at: i64,
    /// State of the battery, percent.
    pub battery: Option<u8>,
    /// Signal, dBm.
    pub rssi: Option<i16>,
    /// Whether the meter complains of its battery.
    pub complains: bool,
}

/// How a device is to people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether it missed several uplinks of its rhythm.
    pub is_offline: bool,
    /// When it was last heard, seconds since the epoch.
    pub last_seen: i64,
    /// Its rhythm, seconds.
    pub rhythm: i64,
    /// Whether its battery is low, or will be empty soon.
    pub is_battery_low: bool,
    /// The state of its battery, percent.
    pub battery: Option<u8>,
    /// When it will be empty.
    pub empty_on: Option<Day>,
    /// Whether its signal has been weak for days.
    pub is_signal_weak: bool,
    /// The median of its latest days' best signals, dBm.
    pub rssi: Option<i16>,
}

fn push<T>(kept: &mut Vec<T>, new: T, most: usize) {
    kept.push(new);
    let surplus = kept.len().saturating_sub(most);
    kept.drain(..surplus);
}

impl Heard {
    /// Takes an uplink; one that is not newer than the newest says nothing new of silence.
    pub fn take(&mut self, uplink: Uplink) {
        let Uplink { received_at, battery, rssi, complains } = uplink;
        if received_at > self.last {
            let gap = received_at - self.last;
            if self.last > 0 && gap >= TOGETHER {
                push(&mut self.gaps, gap, GAPS);
            }
            self.last = received_at;
            self.complains = complains;
        }
        let day = i32::try_from(received_at.div_euclid(86_400)).unwrap_or_default();
        let week = day.div_euclid(7);
        if let Some(percent) = battery {
            match self.battery.last_mut() {
                Some((of, lowest)) if *of == week => *lowest = percent.min(*lowest),
                Some((of, _)) if *of > week => {}
                _ => push(&mut self.battery, (week, percent), WEEKS),
            }
        }
        if let Some(rssi) = rssi {
            match self.signal.last_mut() {
                Some((of, best)) if *of == day => *best = rssi.max(*best),
                Some((of, _)) if *of > day => {}
                _ => push(&mut self.signal, (day, rssi), DAYS),
            }
        }
    }

    /// Its rhythm: the upper median of its latest gaps, seconds.
    pub fn rhythm(&self) -> i64 {
        let mut gaps = self.gaps.clone();
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).copied().unwrap_or(ORDINARY_GAP)
    }

    /// From when on it is silent unless it is heard before, seconds since the epoch.
    pub fn due(&self) -> i64 {
        self.last.saturating_add(self.allowed())
    }

    /// Seconds of silence that its rhythm allows.
    pub fn allowed(&self) -> i64 {
        (MISSED * self.rhythm()).max(LEAST_SILENCE)
    }

    /// How it is when the newest telemetry of its partition was received at `now`; `before` is how it was.
    pub fn condition(&self, now: i64, before: &Condition) -> Condition {
        let battery = self.battery.last().map(|(_, percent)| *percent);
        let empty_on = self.empty_on();
        let today = now.div_euclid(86_400);
        let is_soon = empty_on.is_some_and(|day| i64::from(day.0) - today <= SOON);
        let rssi = self.rssi();
        let threshold = if before.is_signal_weak { SOUND - 1 } else { WEAK };
        Condition {
            is_offline: self.last > 0 && now > self.due(),
            last_seen: self.last,
            rhythm: self.rhythm(),
            is_battery_low: self.complains || battery.is_some_and(|percent| percent <= LOW) || is_soon,
            battery,
            empty_on,
            is_signal_weak: rssi.is_some_and(|rssi| rssi <= threshold) && self.signal.len() >= DAYS,
            rssi,
        }
    }

    /// The day on which the battery is empty if it goes on falling as it has since the oldest week that is kept.
    fn empty_on(&self) -> Option<Day> {
        let ((first, from), (last, to)) = (self.battery.first()?, self.battery.last()?);
        if last - first < TREND || to >= from {
            return None;
        }
        let weeks_left = i32::from(*to) * (last - first) / i32::from(from - to);
        Some(Day((last + weeks_left) * 7))
    }

    fn rssi(&self) -> Option<i16> {
        let mut days: Vec<i16> = self.signal.iter().map(|(_, best)| *best).collect();
        days.sort_unstable();
        days.get(days.len() / 2).copied()
    }
}

/// The condition of a device, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCondition {
    /// `devices.id`.
    pub device_id: String,
    /// Who has the connection.
    pub customer_id: String,
    /// Where.
    pub property_id: String,
    /// How it is.
    pub condition: Condition,
    /// Revision of its document; 0 if it has none.
    pub revision: i64,
}

impl Condition {
    /// Whether it is another one to people: a flag has changed, or the day on which the battery is empty has moved by weeks.
    pub fn is_news(&self, before: &Self) -> bool {
        let flags = |c: &Self| (c.is_offline, c.is_battery_low, c.is_signal_weak);
        let moved = match (self.empty_on, before.empty_on) {
            (Some(now), Some(then)) => (now.0 - then.0).abs() >= 14,
            (now, then) => self.is_battery_low && now != then,
        };
        flags(self) != flags(before) || (self.is_battery_low && moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const START: i64 = 20_000 * 7 * 86_400;

    fn heard(times: impl IntoIterator<Item = i64>) -> Heard {
        let mut heard = Heard::default();
        for received_at in times {
            heard.take(Uplink { received_at: START + received_at, ..Uplink::default() });
        }
        heard
    }

    fn offline(heard: &Heard, now: i64) -> bool {
        heard.condition(START + now, &Condition::default()).is_offline
    }

    #[test]
    fn a_device_is_silent_by_its_own_rhythm() {
        for (gap, last, until) in
            [(HOUR, 10 * HOUR, 3 * HOUR), (24 * HOUR, 240 * HOUR, 72 * HOUR), (900, 9_000, 3 * HOUR)]
        {
            let heard = heard((0..=10).map(|times| times * gap));
            assert!(!offline(&heard, last + until), "{gap}");
            assert!(offline(&heard, last + until + 1), "{gap}");
        }
        assert!(!offline(&heard([0]), 72 * HOUR) && offline(&heard([0]), 73 * HOUR), "heard once");
        assert!(!offline(&Heard::default(), 0), "never heard");
    }

    #[test]
    fn what_comes_again_or_in_bursts_is_no_rhythm() {
        let once = heard([0, 24 * HOUR, 48 * HOUR]);
        let bursts = heard([0, 5, 10, 24 * HOUR, 24 * HOUR + 3, 48 * HOUR, 24 * HOUR, 0]);
        assert_eq!((once.rhythm(), bursts.last), (24 * HOUR, once.last));
        assert!((bursts.rhythm() - 24 * HOUR).abs() < 60);
    }

    #[test]
    fn a_battery_is_low_before_it_is_empty() {
        let mut heard = Heard::default();
        let told = |heard: &mut Heard, week: i64, percent| {
            let received_at = START + week * 7 * 86_400;
            heard.take(Uplink { received_at, battery: Some(percent), ..Uplink::default() });
            heard.condition(received_at, &Condition::default())
        };
        assert!(!told(&mut heard, 0, 60).is_battery_low);
        assert_eq!(told(&mut heard, 3, 54).empty_on, None, "too short a time to tell");
        let falling = told(&mut heard, 6, 30);
        // Thirty per cent in six weeks: the other thirty last as long.
        assert_eq!(falling.empty_on, Some(Day((20_000 + 12) * 7)));
        assert!(falling.is_battery_low && falling.is_news(&Condition::default()));
        assert!(!falling.is_news(&falling));
        let mut steady = Heard::default();
        told(&mut steady, 0, 60);
        assert!(!told(&mut steady, 6, 60).is_battery_low);
        assert!(told(&mut steady, 7, 10).is_battery_low);
    }

    #[test]
    fn a_signal_is_weak_after_a_week_and_sound_with_a_margin() {
        let mut heard = Heard::default();
        let mut before = Condition::default();
        let mut told = |day: i64, rssi| {
            let received_at = START + day * 86_400;
            heard.take(Uplink { received_at, rssi: Some(rssi), ..Uplink::default() });
            before = heard.condition(received_at, &before);
            before.is_signal_weak
        };
        let weak: Vec<bool> = (0..8).map(|day| told(day, -116)).collect();
        assert_eq!(weak, [false, false, false, false, false, false, true, true]);
        let better: Vec<bool> = (8..16).map(|day| told(day, -112)).collect();
        assert!(better.iter().all(|is_weak| *is_weak), "not by so little");
        assert!(!(16..21).map(|day| told(day, -105)).last().unwrap());
    }
}
