//! Whether water reaches a meter: when it is dry against its own habit. One meter says little by this, for people travel; many of an area
//! at once say that the supply is interrupted ([`super::area`]).
//!
//! A meter learns which of the 24 hours of its local day are usually dry. From its last water on the chances of the dry hours since are
//! multiplied; once they would be dry together in at most one of four such times, it is dry against its habit until water flows again.

use indowater_common::domain::varint;
use indowater_common::domain::zone::Zone;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// A chance of one, in the fixed point that chances are kept in.
const CERTAIN: u32 = 1 << 16;
/// So unlikely, by habit, are dry hours that are against it: of meters with water a quarter are so at most.
const AGAINST_HABIT: u32 = CERTAIN / 4;
/// A habit is one after so long, seconds.
const LEARNING: i64 = WEEK;
/// An hour of the day counts once it was seen so often.
const LEAST_SEEN: u8 = 3;
/// Counts of an hour of the day are halved when they reach this: two months.
const MOST_SEEN: u8 = 60;
/// Spells that are kept.
const SPELLS: usize = 12;
/// Seconds for which a spell is kept after its end: twice the time in which reads usually come late.
pub const KEPT: i64 = 14 * DAY;
/// Weeks of a lasting drop that are kept.
const DROPS: usize = 4;

/// A time in which a meter was dry against its habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spell {
    /// When it had its last water, seconds since the epoch.
    pub last_water: i64,
    /// From when on that was against its habit.
    pub from: i64,
    /// The last moment of which it is known that it was dry; `i64::MAX` while that goes on.
    pub until: i64,
}

/// What a meter knows of its supply: its dry hours, and whether it is dry now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// How often each hour of the local day was dry, of how many.
    dry: [u8; 24],
    seen: [u8; 24],
    /// The hour that goes on, since the epoch, and whether water was seen in it; none before the first step.
    hour: Option<(i32, bool)>,
    /// Since when hours are known, seconds since the epoch.
    begun: i64,
    last_water: i64,
    chance: u32,
    /// From when on it is dry against its habit.
    since: Option<i64>,
    /// Of most meters there is none.
    past: Option<Box<Past>>,
}

/// What a meter has to tell of weeks ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Past {
    /// The latest spells that are over, oldest first.
    spells: Vec<Spell>,
    /// The latest weeks, by number, with which a lasting drop was shown.
    drops: Vec<i32>,
}

impl Default for Supply {
    fn default() -> Self {
        Self {
            dry: [0; 24],
            seen: [0; 24],
            hour: None,
            begun: 0,
            last_water: 0,
            chance: CERTAIN,
            since: None,
            past: None,
        }
    }
}

impl Supply {
    /// Takes what flowed between two reads of the path, millilitres.
    pub fn pass(&mut self, from: i64, to: i64, volume: i64, zone: &Zone) {
        let hour = (to - 1).div_euclid(HOUR);
        if to <= from {
            return;
        }
        let known = self.hour.map(|(current, is_wet)| (i64::from(current), is_wet));
        let Some((current, is_wet)) = known.filter(|(current, _)| hour - current <= WEEK / HOUR) else {
            self.end(from);
            (self.hour, self.last_water) = (going_on(hour, volume > 0), to);
            if self.begun == 0 {
                self.begun = from;
            }
            return;
        };
        let is_wet_now = volume > 0;
        if hour > current {
            self.finish(current, !is_wet, zone);
            if !is_wet_now {
                (current + 1..hour).for_each(|between| self.finish(between, true, zone));
            }
        }
        let is_same = hour <= current;
        if is_wet_now {
            self.end(from);
            self.last_water = to;
        }
        let is_wet = (is_same && is_wet) || is_wet_now;
        self.hour = going_on(hour.max(current), is_wet);
    }

    /// Notes that a lasting drop was shown with the beginning of a week of that number.
    pub fn drop_shown(&mut self, week: i32) {
        let drops = &mut self.past.get_or_insert_default().drops;
        drops.push(week);
        let surplus = drops.len().saturating_sub(DROPS);
        drops.drain(..surplus);
    }

    /// What is told of it to its area; none before its habit is known.
    pub fn told(&self) -> Option<Told> {
        let hour = i64::from(self.hour?.0);
        let known_from = self.begun + LEARNING;
        if hour * HOUR < known_from {
            return None;
        }
        let oldest = hour * HOUR - KEPT;
        let Past { mut spells, drops } = self.past.as_deref().cloned().unwrap_or_default();
        spells.retain(|spell| spell.until >= oldest);
        if let Some(from) = self.since {
            // What lasts longer than a week is a habit by now, or a home that nobody lives in.
            let until = if hour * HOUR - from < WEEK { i64::MAX } else { from + WEEK };
            spells.push(Spell { last_water: self.last_water, from, until });
        }
        Some(Told { known_from, spells, drops })
    }

    fn finish(&mut self, hour: i64, is_dry: bool, zone: &Zone) {
        let of_day = usize::try_from(zone.local(hour * HOUR).1 / HOUR).unwrap_or_default() % 24;
        let (dry, seen) = (self.dry[of_day], self.seen[of_day]);
        let is_known = seen >= LEAST_SEEN && hour * HOUR >= self.begun + LEARNING;
        if is_dry && is_known {
            // An hour that was never dry may be so once in twice its times.
            self.chance = self.chance * (2 * u32::from(dry)).max(1) / (2 * u32::from(seen));
            if self.since.is_none() && self.chance <= AGAINST_HABIT {
                self.since = Some((hour + 1) * HOUR);
            }
        }
        // What is against habit is none yet.
        if self.since.is_some_and(|since| hour * HOUR - since < WEEK) {
            return;
        }
        self.seen[of_day] += 1;
        self.dry[of_day] += u8::from(is_dry);
        if self.seen[of_day] >= MOST_SEEN {
            self.seen[of_day] /= 2;
            self.dry[of_day] /= 2;
        }
    }

    /// Water flows again; `at` is the last moment before it.
    fn end(&mut self, at: i64) {
        if let Some(from) = self.since.take().filter(|from| *from < at) {
            let until = at.min(from + WEEK);
            let spells = &mut self.past.get_or_insert_default().spells;
            spells.push(Spell { last_water: self.last_water, from, until });
            let surplus = spells.len().saturating_sub(SPELLS);
            spells.drain(..surplus);
        }
        self.chance = CERTAIN;
    }

    /// For a document.
    pub fn encode(&self) -> Vec<u8> {
        let mut out: Vec<u8> = self.dry.iter().chain(&self.seen).copied().collect();
        let (hour, is_wet) = self.hour.unwrap_or((-1, false));
        let (hour, since) = (hour.into(), self.since.unwrap_or(-1));
        let head = [hour, is_wet.into(), self.begun, self.last_water, self.chance.into(), since];
        let Past { spells, drops } = self.past.as_deref().cloned().unwrap_or_default();
        head.iter().for_each(|number| varint::write(&mut out, *number));
        let lists = [spells.len(), drops.len()];
        lists.iter().for_each(|many| varint::write(&mut out, i64::try_from(*many).unwrap_or_default()));
        for spell in &spells {
            [spell.last_water, spell.from, spell.until].iter().for_each(|at| varint::write(&mut out, *at));
        }
        drops.iter().for_each(|week| varint::write(&mut out, (*week).into()));
        out
    }

    /// Out of a document; bytes that are none begin anew.
    pub fn decode(bytes: &[u8]) -> Self {
        let read = || {
            let (dry, rest) = bytes.split_first_chunk::<24>()?;
            let (seen, mut rest) = rest.split_first_chunk::<24>()?;
            let mut next = || varint::read(&mut rest);
            let hour = i32::try_from(next()?).ok()?;
            let (is_wet, begun, last_water) = (next()? == 1, next()?, next()?);
            let chance = u32::try_from(next()?).ok()?;
            let since = next()?;
            let (spells, drops) = (next()?, next()?);
            let mut spell = || Some(Spell { last_water: next()?, from: next()?, until: next()? });
            let spells = (0..spells).map(|_| spell()).collect::<Option<Vec<_>>>()?;
            let drops = (0..drops).map(|_| i32::try_from(next()?).ok()).collect::<Option<Vec<_>>>()?;
            let is_any = !spells.is_empty() || !drops.is_empty();
            Some(Self {
                dry: *dry,
                seen: *seen,
                hour: (hour >= 0).then_some((hour, is_wet)),
                begun,
                last_water,
                chance,
                since: (since >= 0).then_some(since),
                past: is_any.then(|| Box::new(Past { spells, drops })),
            })
        };
        read().unwrap_or_default()
    }
}

/// The hour that goes on.
fn going_on(hour: i64, is_wet: bool) -> Option<(i32, bool)> {
    i32::try_from(hour).ok().map(|hour| (hour, is_wet))
}

/// What a meter tells of its supply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// From when on its habit is known, seconds since the epoch.
    pub known_from: i64,
    /// When it was dry against it, oldest first.
    pub spells: Vec<Spell>,
    /// Weeks, by number, with which a lasting drop was shown.
    pub drops: Vec<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 20_000 * DAY;

    fn jakarta() -> Zone {
        Zone::named("Asia/Jakarta").unwrap()
    }

    /// A home that takes water from six to nine and from 17 to 21 o'clock, fed in steps of `every` seconds; none between the hours `off`.
    fn after(hours: i64, every: i64, off: std::ops::Range<i64>) -> Supply {
        let zone = jakarta();
        let mut supply = Supply::default();
        for step in 0..hours * HOUR / every {
            let (from, to) = (START + step * every, START + (step + 1) * every);
            let hour = (from - START) / HOUR;
            let of_day = zone.local(from).1 / HOUR;
            let is_wet = matches!(of_day, 6..=8 | 17..=20) && !off.contains(&hour);
            supply = Supply::decode(&supply.encode());
            supply.pass(from, to, if is_wet { 20_000 } else { 0 }, &zone);
        }
        supply
    }

    #[test]
    fn a_meter_is_dry_against_its_habit_once_it_misses_its_morning() {
        // 2024-10-04T00:00Z is seven o'clock in Jakarta.
        for every in [HOUR, 900] {
            let told = after(21 * 24, every, 0..0).told().unwrap();
            assert_eq!((told.spells, told.known_from), (vec![], START + WEEK), "{every}");
            // From five o'clock on of the 21st morning.
            let off = 20 * 24 - 2;
            let told = after(20 * 24 + 2, every, off..1_000).told().unwrap();
            let [spell] = told.spells[..] else { panic!("{told:?}") };
            assert_eq!(spell.until, i64::MAX);
            let water = (spell.last_water - START) / HOUR;
            assert_eq!(water, off - 8, "until nine in the evening");
            assert!((spell.from - START) / HOUR <= off + 3, "{} {off}", (spell.from - START) / HOUR);
            // It is back at six in the evening.
            let back = off + 13;
            let told = after(22 * 24, every, off..back).told().unwrap();
            let [spell] = told.spells[..] else { panic!("{told:?}") };
            assert_eq!(((spell.until - START) / HOUR, spell.until - spell.from > 6 * HOUR), (back, true));
        }
    }

    #[test]
    fn a_home_that_nobody_lives_in_is_dry_by_habit() {
        let told = after(60 * 24, HOUR, 20 * 24..10_000).told().unwrap();
        assert!(told.spells.iter().all(|spell| spell.until < i64::MAX), "{told:?}");
        let told = after(120 * 24, HOUR, 0..10_000).told().unwrap();
        assert_eq!(told.spells, []);
    }

    #[test]
    fn what_is_kept_is_bounded_and_survives_its_document() {
        let mut supply = after(21 * 24, HOUR, 0..0);
        (0..9).for_each(|week| supply.drop_shown(week));
        assert_eq!(supply.told().unwrap().drops, [5, 6, 7, 8]);
        assert_eq!(Supply::decode(&supply.encode()), supply);
        assert_eq!(Supply::decode(&[1, 2]), Supply::default());
        assert!(supply.encode().len() < 120, "{}", supply.encode().len());
    }
}
