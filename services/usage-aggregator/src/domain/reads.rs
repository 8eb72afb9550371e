//! The reads of one day: a set that merges, kept packed.
//!
//! Twenty-four hourly reads take about 120 bytes, in memory and in the document. Every accepted read stays in the set,
//! those that lost a conflict too; which of them count is decided when the set is looked at.

use indowater_common::domain::meter::Point;

use super::varint;

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
    /// When and what.
    pub point: Point,
    /// Who read it.
    pub source: Source,
    /// Whether its time was set to the receive time because the device's clock was wrong.
    pub clock_corrected: bool,
}

impl Read {
    /// By time; of one moment the one that counts comes first: the higher source, then the lower register, which is
    /// in the customer's favour and made good by the next read.
    fn order(&self) -> impl Ord + use<> {
        (self.point.at, std::cmp::Reverse(self.source), self.point.register, self.clock_corrected)
    }
}

/// A set of reads in their order, packed: for each read the difference in time and register to the one before it, and
/// a byte of marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet(Box<[u8]>);

const MANUAL: u8 = 1;
const CLOCK_CORRECTED: u8 = 2;

impl ReadSet {
    /// The set of these reads, whatever their order and however often each.
    pub fn of(mut reads: Vec<Read>) -> Self {
        reads.sort_unstable_by_key(Read::order);
        reads.dedup();
        let mut packed = Vec::with_capacity(reads.len() * 6);
        let mut last = Point { at: 0, register: 0 };
        for read in reads {
            varint::write(&mut packed, read.point.at - last.at);
            varint::write(&mut packed, read.point.register - last.register);
            let manual = if read.source == Source::Manual { MANUAL } else { 0 };
            packed.push(manual | if read.clock_corrected { CLOCK_CORRECTED } else { 0 });
            last = read.point;
        }
        Self(packed.into())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All reads, in order. Bytes that are no set end it.
    pub fn iter(&self) -> impl Iterator<Item = Read> + '_ {
        let mut rest = &*self.0;
        let mut last = Point { at: 0, register: 0 };
        std::iter::from_fn(move || {
            let at = last.at.wrapping_add(varint::read(&mut rest)?);
            let register = last.register.wrapping_add(varint::read(&mut rest)?);
            let (marks, after) = rest.split_first()?;
            rest = after;
            last = Point { at, register };
            Some(Read {
                point: last,
                source: if marks & MANUAL == 0 { Source::Telemetry } else { Source::Manual },
                clock_corrected: marks & CLOCK_CORRECTED != 0,
            })
        })
    }

    /// The reads that count: one for each moment.
    pub fn effective(&self) -> impl Iterator<Item = Read> + '_ {
        let mut last = None;
        self.iter().filter(move |read| last.replace(read.point.at) != Some(read.point.at))
    }

    /// Adds reads; false if all of them were there.
    pub fn merge(&mut self, new: &[Read]) -> bool {
        let mut all: Vec<Read> = self.iter().collect();
        let before = all.len();
        all.extend_from_slice(new);
        let merged = Self::of(all);
        let grew = merged.iter().count() > before;
        if grew {
            *self = merged;
        }
        grew
    }

    /// The packed form, for the document.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A set out of a document.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn telemetry(at: i64, register: i64) -> Read {
        Read { point: Point { at, register }, source: Source::Telemetry, clock_corrected: false }
    }

    fn any_read() -> impl Strategy<Value = Read> {
        (-1_000_000_i64..4_000_000_000, 0_i64..1_000_000_000_000, any::<bool>(), any::<bool>()).prop_map(
            |(at, register, manual, clock_corrected)| Read {
                point: Point { at, register },
                source: if manual { Source::Manual } else { Source::Telemetry },
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
            shuffled.sort_by_key(|read| read.point.register.cast_unsigned().wrapping_mul(seed | 1));
            prop_assert_eq!(&ReadSet::of(shuffled), &set);
            for read in &reads {
                prop_assert!(set.iter().any(|kept| kept == *read));
            }
            prop_assert_eq!(ReadSet::from_bytes(set.bytes().to_vec()), set);
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
        assert!(!set.merge(&[telemetry(10, 1)]));
        assert!(set.merge(&[telemetry(20, 2), telemetry(10, 1)]));
        assert_eq!(set.iter().count(), 2);
    }

    #[test]
    fn of_one_moment_the_higher_source_then_the_lower_register_counts() {
        let manual = Read { source: Source::Manual, ..telemetry(10, 900) };
        let set = ReadSet::of(vec![telemetry(10, 7), telemetry(10, 5), manual]);
        assert_eq!(set.effective().collect::<Vec<_>>(), [manual]);
        assert_eq!(ReadSet::of(vec![telemetry(10, 7), telemetry(10, 5)]).effective().count(), 1);
    }
}
