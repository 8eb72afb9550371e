//! Whether a day is far outside the device's own history.
//!
//! Median and median absolute deviation of the last 28 days: neither a holiday nor an earlier burst moves them, and
//! integers are all they need. The factor and floors keep ordinary homes quiet: on hourly reads of 92 real homes over
//! a year fewer than two days in a hundred are marked.

use indowater_common::domain::varint;

/// Volumes of the last days before a day, oldest first, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent(Box<[u8]>);

/// Four weeks: every weekday four times.
const WINDOW: usize = 28;
/// Below this there is no history to be far from.
const ENOUGH: usize = 14;
const FACTOR: i64 = 8;

impl Recent {
    /// With one more day; the oldest of too many goes.
    #[must_use]
    pub fn with(&self, volume: i64) -> Self {
        let mut volumes = self.volumes();
        if volumes.len() == WINDOW {
            volumes.remove(0);
        }
        volumes.push(volume);
        let mut packed = Vec::with_capacity(self.0.len() + 4);
        for volume in volumes {
            varint::write(&mut packed, volume);
        }
        Self(packed.into())
    }

    /// The same days in another unit, of which `factor` are one of this.
    #[must_use]
    pub fn scaled(&self, factor: i64) -> Self {
        let volumes = self.volumes().into_iter().map(|volume| volume.saturating_mul(factor));
        volumes.fold(Self::default(), |days, volume| days.with(volume))
    }

    fn volumes(&self) -> Vec<i64> {
        let mut rest = &*self.0;
        std::iter::from_fn(|| varint::read(&mut rest)).collect()
    }

    /// Whether `volume` is far above these days. `per_litre` is the counts in a litre.
    pub fn is_exceeded_by(&self, volume: i64, per_litre: i64) -> bool {
        let mut volumes = self.volumes();
        if volumes.len() < ENOUGH {
            return false;
        }
        let median = median(&mut volumes);
        let mut deviations: Vec<i64> = volumes.iter().map(|v| (v - median).abs()).collect();
        // A meter that is read like a clock has a deviation near zero; a tenth of its median and 20 L are normal.
        let deviation = self::median(&mut deviations).max(median / 10).max(20 * per_litre);
        volume - median > FACTOR * deviation
    }

    /// How many days without water end this history.
    pub fn dry_days(&self) -> usize {
        self.volumes().iter().rev().take_while(|volume| **volume == 0).count()
    }

    /// The packed form, for the document.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Out of a document.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

/// The lower median; `values` is not empty.
fn median(values: &mut [i64]) -> i64 {
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable(middle).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(volumes: impl IntoIterator<Item = i64>) -> Recent {
        volumes.into_iter().fold(Recent::default(), |recent, volume| recent.with(volume))
    }

    #[test]
    fn far_is_far_above_the_ordinary_spread() {
        let home = days((0..28).map(|d| 200 + (d * 37) % 90));
        assert!(!home.is_exceeded_by(300, 1));
        assert!(home.is_exceeded_by(1_500, 1));
    }

    #[test]
    fn without_history_nothing_is_far() {
        assert!(!days([200; 13]).is_exceeded_by(100_000, 1));
        assert!(days([200; 14]).is_exceeded_by(100_000, 1));
    }

    #[test]
    fn only_the_last_four_weeks_count() {
        let moved = days([10_000; 28].into_iter().chain([200; 28]));
        assert!(moved.is_exceeded_by(10_000, 1));
        assert_eq!(days([5, 0, 0, 0]).dry_days(), 3);
    }
}
