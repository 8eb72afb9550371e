//! The reads of one day: a set that merges, kept packed.
//!
//! Twenty-four hourly reads take about 120 bytes, in memory and in the document. Every accepted read stays in the set,
//! those that lost a conflict too, up to bounds that no honest meter meets; what stays is a function of the set.

use std::cmp::Reverse;

use super::facts::Timeline;
use super::meter::{Point, Unit};
use super::varint;
use super::zone::Zone;

/// Who read the meter. Where two reads of one moment disagree, the higher one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The meter itself.
    Telemetry,
    /// A technician, verified by an administrator.
    Manual,
}

/// An accepted read. Two reads are the same if all of it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Read {
    /// Seconds since the epoch.
    pub at: i64,
    /// The register: millilitres, or counts of whatever unit the registry says if the message named none.
    pub register: i64,
    /// Who read it.
    pub source: Source,
    /// Whether the unit of the register is the registry's to say.
    pub unit_assumed: bool,
    /// Whether its time was set by the receive time because the device's clock was ahead.
    pub clock_corrected: bool,
}

impl Read {
    /// A register in millilitres that the meter itself told.
    pub const fn telemetry(at: i64, register: i64) -> Self {
        Self { at, register, source: Source::Telemetry, unit_assumed: false, clock_corrected: false }
    }

    /// By time; of one moment the higher source first, then the lower register.
    fn order(&self) -> impl Ord + use<> {
        let Self { at, register, source, unit_assumed, clock_corrected } = *self;
        (at, Reverse(source), register, unit_assumed, clock_corrected)
    }

    /// Its moment, and its register in millilitres.
    pub fn point(&self, timeline: &Timeline, zone: &Zone) -> Point {
        let register = if self.unit_assumed {
            timeline.meter_at(self.at, zone).unit.millilitres(self.register)
        } else {
            self.register
        };
        Point { at: self.at, register }
    }
}

/// A set of reads in their order, packed: for each read the difference in time and register to the one before it, and
/// a byte of marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    packed: Box<[u8]>,
    count: u32,
}

const MANUAL: u8 = 1;
const CLOCK_CORRECTED: u8 = 2;
const UNIT_ASSUMED: u8 = 4;
/// The register difference is in litres: most meters count no finer.
const IN_LITRES: u8 = 8;
const LITRE: i64 = 1_000;

/// Moments that one day keeps: a read every ten seconds. Of more, those at whole ten seconds come first.
pub const MOST_MOMENTS: usize = 8_640;
/// Reads that one moment keeps.
pub const MOST_OF_A_MOMENT: usize = 8;

impl ReadSet {
    /// The set of these reads of one day, whatever their order and however often each.
    pub fn of(mut reads: Vec<Read>) -> Self {
        reads.sort_unstable_by_key(Read::order);
        reads.dedup();
        bound(&mut reads);
        let mut packed = Vec::with_capacity(reads.len() * 6);
        pack(&mut packed, (0, 0), &reads);
        Self { packed: packed.into(), count: u32::try_from(reads.len()).unwrap_or(u32::MAX) }
    }

    /// Adds reads that come after `last`, which is the last of the set and not of their moments, in their order. What it costs
    /// does not grow with the set, but for moving its bytes, which stay as they are.
    pub fn append(&mut self, last: Read, new: &[Read]) {
        let mut packed = std::mem::take(&mut self.packed).into_vec();
        pack(&mut packed, (last.at, last.register), new);
        self.packed = packed.into();
        self.count += u32::try_from(new.len()).unwrap_or(u32::MAX);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// How many there are.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// All reads, in order. Bytes that are no set end it.
    pub fn iter(&self) -> impl Iterator<Item = Read> + '_ {
        let mut rest = &*self.packed;
        let (mut at, mut register) = (0_i64, 0_i64);
        std::iter::from_fn(move || {
            let (marks, after) = rest.split_first()?;
            rest = after;
            at = at.wrapping_add(varint::read(&mut rest)?);
            let risen = varint::read(&mut rest)?;
            let scale = if marks & IN_LITRES == 0 { 1 } else { LITRE };
            register = register.wrapping_add(risen.wrapping_mul(scale));
            Some(Read {
                at,
                register,
                source: if marks & MANUAL == 0 { Source::Telemetry } else { Source::Manual },
                unit_assumed: marks & UNIT_ASSUMED != 0,
                clock_corrected: marks & CLOCK_CORRECTED != 0,
            })
        })
    }

    /// The reads that may count, by time, of one moment by rising register, none twice: those that the meter in force can
    /// show, from its installation on; where a verified manual read stands at a moment, only such.
    pub fn candidates(&self, timeline: &Timeline, zone: &Zone) -> Vec<Point> {
        let mut points: Vec<Point> = Vec::new();
        let mut manual = None;
        for read in self.iter().filter(|read| read.at >= timeline.installed_at) {
            let point = read.point(timeline, zone);
            if !timeline.meter_at(read.at, zone).can_show(point.register) {
                continue;
            }
            match read.source {
                Source::Manual => manual = Some(read.at),
                Source::Telemetry if manual == Some(read.at) => continue,
                Source::Telemetry => {}
            }
            points.push(point);
        }
        points.sort_unstable_by_key(|point| (point.at, point.register));
        points.dedup();
        points
    }

    /// Adds reads. Returns how many of its bytes stay as they were, or nothing if all of the reads were there.
    pub fn merge(&mut self, new: &[Read]) -> Option<usize> {
        let merged = Self::of(self.iter().chain(new.iter().copied()).collect());
        let before = std::mem::replace(self, merged);
        let same = before.bytes().iter().zip(self.bytes()).take_while(|(was, is)| was == is).count();
        (before != *self).then_some(same)
    }

    /// The packed form, for the document.
    pub fn bytes(&self) -> &[u8] {
        &self.packed
    }

    /// A set out of a document.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let mut set = Self { packed: bytes.into(), count: 0 };
        set.count = u32::try_from(set.iter().count()).unwrap_or(u32::MAX);
        set
    }

    /// A set out of a document as they were packed before: marks last, registers in counts of the meter's unit.
    pub fn from_counts(bytes: &[u8], unit: Unit) -> Self {
        let mut rest = bytes;
        let (mut at, mut count) = (0_i64, 0_i64);
        let reads = std::iter::from_fn(|| {
            at = at.wrapping_add(varint::read(&mut rest)?);
            count = count.wrapping_add(varint::read(&mut rest)?);
            let (marks, after) = rest.split_first()?;
            rest = after;
            Some(Read {
                at,
                register: unit.millilitres(count),
                source: if marks & MANUAL == 0 { Source::Telemetry } else { Source::Manual },
                unit_assumed: false,
                clock_corrected: marks & CLOCK_CORRECTED != 0,
            })
        });
        Self::of(reads.collect())
    }
}

/// Packs reads that come after one of that time and register.
fn pack(packed: &mut Vec<u8>, (mut at, mut register): (i64, i64), reads: &[Read]) {
    for read in reads {
        // Wrapping both ways: any two registers have a difference then.
        let risen = read.register.wrapping_sub(register);
        let in_litres = risen % LITRE == 0;
        let marks = [
            (read.source == Source::Manual, MANUAL),
            (read.clock_corrected, CLOCK_CORRECTED),
            (read.unit_assumed, UNIT_ASSUMED),
            (in_litres, IN_LITRES),
        ];
        packed.push(marks.into_iter().filter(|(is, _)| *is).fold(0, |marks, (_, mark)| marks | mark));
        varint::write(packed, read.at.wrapping_sub(at));
        varint::write(packed, if in_litres { risen / LITRE } else { risen });
        (at, register) = (read.at, read.register);
    }
}

/// Keeps a day's reads (in order) within bounds. What stays depends on the set alone, and keeping the first of a fixed order
/// forgets nothing that a later merge would have kept.
fn bound(reads: &mut Vec<Read>) {
    let (mut moment, mut of_it) = (None, 0);
    reads.retain(|read| {
        of_it = if moment.replace(read.at) == Some(read.at) { of_it + 1 } else { 0 };
        of_it < MOST_OF_A_MOMENT
    });
    if reads.len() <= MOST_MOMENTS {
        return;
    }
    let mut moments: Vec<i64> = reads.iter().map(|read| read.at).collect();
    moments.dedup();
    if moments.len() > MOST_MOMENTS {
        let rank = |at: &i64| (*at % 10 != 0, scattered(*at));
        moments.sort_unstable_by_key(rank);
        let last = rank(&moments[MOST_MOMENTS - 1]);
        reads.retain(|read| rank(&read.at) <= last);
    }
}

/// A number that scatters moments evenly (the finaliser of SplitMix64, which maps no two to one).
fn scattered(at: i64) -> u64 {
    let mut mixed = at.cast_unsigned();
    for (shift, factor) in [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)] {
        mixed = (mixed ^ mixed >> shift).wrapping_mul(factor);
    }
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn telemetry(at: i64, litres: i64) -> Read {
        Read::telemetry(at, litres * LITRE)
    }

    fn any_read() -> impl Strategy<Value = Read> {
        let register = prop_oneof![0_i64..1_000_000_000_000, any::<i64>()];
        let marks = (any::<bool>(), any::<bool>(), any::<bool>());
        (-1_000_000_i64..4_000_000_000, register, marks).prop_map(
            |(at, register, (manual, unit_assumed, clock_corrected))| Read {
                at,
                register,
                source: if manual { Source::Manual } else { Source::Telemetry },
                unit_assumed,
                clock_corrected,
            },
        )
    }

    proptest! {
        #[test]
        fn a_set_forgets_order_and_repetition_and_nothing_else(
            reads in prop::collection::vec(any_read(), 0..40), seed in any::<u64>(),
        ) {
            let set = ReadSet::of(reads.clone());
            let mut shuffled = [reads.clone(), reads.clone()].concat();
            shuffled.sort_by_key(|read| read.register.cast_unsigned().wrapping_mul(seed | 1));
            prop_assert_eq!(&ReadSet::of(shuffled), &set);
            for read in &reads {
                prop_assert!(set.iter().any(|kept| kept == *read));
            }
            prop_assert_eq!(ReadSet::from_bytes(set.bytes().to_vec()), set);
        }

    }

    proptest! {
        #[test]
        fn appending_is_merging(reads in prop::collection::vec(any_read(), 2..40), at in 1_usize..39) {
            let all = ReadSet::of(reads);
            let ordered: Vec<Read> = all.iter().collect();
            let (before, after) = ordered.split_at(at.min(ordered.len() - 1));
            let mut set = ReadSet::of(before.to_vec());
            let prefix = set.bytes().to_vec();
            if let Some(last) = before.last().filter(|last| last.at < after[0].at) {
                set.append(*last, after);
                prop_assert_eq!(&set, &all);
                prop_assert_eq!(set.count() as usize, ordered.len());
                prop_assert!(set.bytes().starts_with(&prefix));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        /// Bounded sets merge like sets: whatever the split, the same stays.
        #[test]
        fn what_stays_of_too_many_depends_on_the_set_alone(split in 1_usize..20_000, conflicts in 0_i64..40) {
            let mut reads: Vec<Read> = (0..10_000).map(|second| telemetry(second * 7, second)).collect();
            reads.extend((0..conflicts).map(|litres| telemetry(70, 1_000_000 - litres)));
            let all = ReadSet::of(reads.clone());
            let (one, other) = reads.split_at(split.min(reads.len()));
            let mut merged = ReadSet::of(other.to_vec());
            merged.merge(one);
            prop_assert_eq!(&merged, &all);
            let mut moments: Vec<i64> = all.iter().map(|read| read.at).collect();
            prop_assert!(moments.iter().filter(|at| **at == 70).count() <= MOST_OF_A_MOMENT);
            moments.dedup();
            prop_assert_eq!(moments.len(), MOST_MOMENTS);
            prop_assert!((0..7_000).all(|ten| moments.contains(&(ten * 10)) || ten * 10 % 7 != 0));
        }
    }

    #[test]
    fn an_hourly_day_is_small() {
        let set =
            ReadSet::of((0..24).map(|h| telemetry(1_790_000_000 + h * 3600, 123_456 + h * 20)).collect());
        assert!(set.bytes().len() <= 130, "{}", set.bytes().len());
    }

    #[test]
    fn merging_says_whether_there_was_news() {
        let mut set = ReadSet::of(vec![telemetry(10, 1)]);
        assert_eq!(set.merge(&[telemetry(10, 1)]), None);
        let bytes = set.bytes().len();
        assert_eq!(set.merge(&[telemetry(20, 2), telemetry(10, 1)]), Some(bytes));
        assert_eq!(set.merge(&[telemetry(5, 1)]), Some(1));
        assert_eq!((set.iter().count(), set.count()), (3, 3));
    }
}
