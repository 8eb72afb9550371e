//! Whether anything is heard of a gateway or an area. Its silence is one event; nobody is told of each of its devices.
//!
//! Time is when telemetry was received, by partition of the readings, as for devices ([`super::condition`]): a partition that stands still
//! has a clock that stands still, and says nothing. All that is kept merges like a set, so neither order nor repetition of beats changes
//! what is said.

use std::collections::BTreeMap;

use indowater_common::domain::varint;

/// Seconds of a slot in which something was heard or not.
pub const SLOT: i64 = 20 * 60;
/// Slots that are kept: a week.
const SLOTS: i64 = 7 * 86_400 / SLOT;
/// So long something has to be known before its silence says anything, in slots: two days.
const KNOWN: i64 = 2 * 86_400 / SLOT;
/// The longest gaps of the week that say nothing of its rhythm: silences of before.
const SILENCES: usize = 2;
/// Gaps of its own rhythm after which it is silent.
const MISSED: i64 = 2;
/// Seconds of silence that say nothing of anybody.
const LEAST: i64 = 3_600;

/// What a partition of the readings tells of a gateway or an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Which partition.
    pub partition: i32,
    /// When the newest telemetry of the gateway or area was received there, seconds since the epoch; 0: nothing was.
    pub heard_at: i64,
    /// When the newest telemetry of all was received there.
    pub now: i64,
}

/// What was heard of a gateway or an area.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// When it was last heard, by partition.
    heard: BTreeMap<i32, i64>,
    /// The clock of each partition that told something.
    clocks: BTreeMap<i32, i64>,
    /// The slots of the last week in which it was heard, rising.
    slots: Vec<i64>,
}

impl Listening {
    /// Takes a beat. Says whether anything has changed.
    pub fn take(&mut self, beat: Beat) -> bool {
        let before = self.clone();
        let later = |map: &mut BTreeMap<i32, i64>, at: i64| {
            let known = map.entry(beat.partition).or_insert(at);
            *known = (*known).max(at);
        };
        later(&mut self.clocks, beat.now);
        if beat.heard_at > 0 {
            later(&mut self.heard, beat.heard_at);
            let slot = beat.heard_at.div_euclid(SLOT);
            if let Err(at) = self.slots.binary_search(&slot) {
                self.slots.insert(at, slot);
            }
            let oldest = self.slots.last().map_or(slot, |newest| newest - SLOTS);
            self.slots.retain(|slot| *slot > oldest);
            self.heard.retain(|_, at| at.div_euclid(SLOT) > oldest);
        }
        *self != before
    }

    /// When it was last heard, seconds since the epoch; 0 if never.
    pub fn last(&self) -> i64 {
        self.heard.values().copied().max().unwrap_or_default()
    }

    /// From when on it is silent unless it is heard before; none while too little is known of it.
    pub fn due(&self) -> Option<i64> {
        let (first, newest) = (self.slots.first()?, self.slots.last()?);
        let mut gaps: Vec<i64> = self.slots.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable();
        let usual = gaps.len().checked_sub(1 + SILENCES).and_then(|at| gaps.get(at))?;
        (newest - first >= KNOWN).then(|| self.last() + (MISSED * usual * SLOT).max(LEAST))
    }

    /// Since when it is silent. At least half of the partitions that it was heard in have to go on without it.
    pub fn silent_since(&self) -> Option<i64> {
        let due = self.due()?;
        let goes_on = |partition: &&i32| self.clocks.get(partition).is_some_and(|now| *now > due);
        let going_on = self.heard.keys().filter(goes_on).count();
        (going_on > 0 && going_on * 2 >= self.heard.len()).then(|| self.last())
    }

    /// Whether it may be silent as a whole, as far as can be known when a device of it is missed from `due` on, in a partition whose
    /// clock is `now`: nobody says yet that it is heard.
    pub fn is_open_question(known: Option<&Self>, partition: i32, due: i64, now: i64) -> bool {
        known.is_none_or(|known| {
            let is_behind = known.clocks.get(&partition).is_none_or(|clock| *clock < due);
            is_behind || known.due().is_some_and(|due| due < now)
        })
    }

    /// For a document.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut write = |number: i64| varint::write(&mut out, number);
        for map in [&self.heard, &self.clocks] {
            write(i64::try_from(map.len()).unwrap_or_default());
            for (partition, at) in map {
                write((*partition).into());
                write(*at);
            }
        }
        let mut before = 0;
        for slot in &self.slots {
            write(slot - before);
            before = *slot;
        }
        out
    }

    /// Out of a document; none if the bytes are not what [`encode`](Self::encode) writes.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut map = || {
            let many = varint::read(&mut bytes)?;
            let pair = |bytes: &mut &[u8]| {
                let partition = i32::try_from(varint::read(bytes)?).ok()?;
                Some((partition, varint::read(bytes)?))
            };
            (0..many).map(|_| pair(&mut bytes)).collect::<Option<BTreeMap<i32, i64>>>()
        };
        let (heard, clocks) = (map()?, map()?);
        let (mut slots, mut before) = (Vec::new(), 0);
        while !bytes.is_empty() {
            before += varint::read(&mut bytes)?;
            slots.push(before);
        }
        Some(Self { heard, clocks, slots })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;
    const START: i64 = 20_000 * 24 * HOUR;

    fn beat(partition: i32, heard: i64, now: i64) -> Beat {
        let heard_at = if heard == 0 { 0 } else { START + heard };
        Beat { partition, heard_at, now: START + now }
    }

    /// Heard in three partitions, every so many seconds, for three days.
    fn heard(every: i64) -> Listening {
        let mut listening = Listening::default();
        for at in (1..=72 * HOUR / every).map(|times| times * every) {
            let partition = i32::try_from(at / every % 3).unwrap();
            listening.take(beat(partition, at, at));
        }
        listening
    }

    #[test]
    fn it_is_silent_by_its_own_rhythm() {
        for (every, after) in [(120, HOUR), (HOUR, 2 * HOUR), (6 * HOUR, 12 * HOUR)] {
            let mut listening = heard(every);
            assert_eq!(listening.due(), Some(START + 72 * HOUR + after), "{every}");
            (0..3).for_each(|partition| {
                listening.take(beat(partition, 0, 72 * HOUR + after));
            });
            assert_eq!(listening.silent_since(), None, "{every}");
            (0..2).for_each(|partition| {
                listening.take(beat(partition, 0, 72 * HOUR + after + 1));
            });
            assert_eq!(listening.silent_since(), Some(START + 72 * HOUR), "{every}");
            listening.take(beat(1, 90 * HOUR, 90 * HOUR));
            assert_eq!(listening.silent_since(), None, "it is heard again");
        }
        assert_eq!(Listening::default().silent_since(), None);
    }

    #[test]
    fn a_pipeline_that_stands_still_makes_nothing_silent() {
        let mut listening = heard(HOUR);
        // One of three goes on: the others may hold what was heard.
        listening.take(beat(0, 0, 1_000 * HOUR));
        // Partitions in which nothing of it was ever heard say nothing of it.
        (7..20).for_each(|partition| {
            listening.take(beat(partition, 0, 1_000 * HOUR));
        });
        assert_eq!(listening.silent_since(), None);
        listening.take(beat(2, 0, 1_000 * HOUR));
        assert!(listening.silent_since().is_some());
    }

    #[test]
    fn a_device_is_missed_by_itself_where_its_group_is_heard() {
        let listening = heard(HOUR);
        let is_open = |listening: Option<&Listening>, now: i64| {
            Listening::is_open_question(listening, 0, START + 72 * HOUR, START + now)
        };
        assert!(is_open(None, 72 * HOUR), "nothing is known of the group yet");
        assert!(is_open(Some(&Listening::default()), 72 * HOUR));
        assert!(!is_open(Some(&listening), 73 * HOUR), "it is heard");
        assert!(is_open(Some(&listening), 75 * HOUR), "it is overdue as well");
    }

    #[test]
    fn a_silence_of_before_is_no_rhythm() {
        let mut listening = heard(HOUR);
        (100..130).for_each(|hour| {
            listening.take(beat(0, hour * HOUR, hour * HOUR));
        });
        assert_eq!(listening.due(), Some(START + 131 * HOUR));
    }

    proptest! {
        #[test]
        fn order_and_repetition_say_nothing(
            beats in proptest::collection::vec((0..4_i32, 0..200_i64, 0..20_i64), 1..60),
            seed in any::<u64>(),
        ) {
            let beats: Vec<Beat> =
                beats.into_iter().map(|(of, heard, later)| beat(of, heard * HOUR, (heard + later) * HOUR)).collect();
            let mut once = Listening::default();
            beats.iter().for_each(|beat| { once.take(*beat); });
            let mut again = Listening::default();
            let by = usize::try_from(seed % 60).unwrap() % beats.len();
            let (first, second) = beats.split_at(by);
            for beat in second.iter().chain(first.iter().rev()).chain(second) {
                again.take(*beat);
            }
            prop_assert_eq!((again.silent_since(), again.due()), (once.silent_since(), once.due()));
            prop_assert_eq!(&again, &once);
            prop_assert_eq!(Listening::decode(&once.encode()), Some(once));
        }
    }
}
