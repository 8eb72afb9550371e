//! The set of a device's reads, and what of it is kept.

use super::facts::Facts;

/// A read as it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Device time.
    pub at: i64,
    /// Millilitres; counts of the meter where the unit was assumed.
    pub register: i128,
    /// Whether an administrator verified it.
    pub manual: bool,
    /// Whether the message named no unit, so that the newest facts say what a count is.
    pub assumed: bool,
    /// Whether its time was set by the receive time.
    pub corrected: bool,
}

/// A read of the set. The order of the fields is the order of the set, and says which of a moment's reads stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// Device time.
    pub at: i64,
    /// False for a verified manual read: those come first.
    pub automatic: bool,
    /// Millilitres.
    pub register: i128,
    /// Whether its unit was assumed.
    pub assumed: bool,
    /// Whether its time was set by the receive time.
    pub corrected: bool,
}

/// Reads that stay of one moment.
const MOST_OF_A_MOMENT: usize = 8;

/// What is kept of reads that came in any order and however often.
pub fn kept(sent: &[Sent], facts: &Facts) -> Vec<Read> {
    let mut reads: Vec<Read> = sent
        .iter()
        .map(|read| Read {
            at: read.at,
            automatic: !read.manual,
            register: if read.assumed {
                read.register * facts.meter_at(read.at).count
            } else {
                read.register
            },
            assumed: read.assumed,
            corrected: read.corrected,
        })
        .collect();
    reads.sort_unstable();
    reads.dedup();
    let moments = reads.chunk_by(|a, b| a.at == b.at);
    moments.flat_map(|moment| moment.iter().take(MOST_OF_A_MOMENT).copied()).collect()
}

/// The reads that one meter may have shown: none from before the installation or beyond the register; of a moment with a
/// verified manual read only manual ones. By time, then by register.
pub fn candidates(kept: &[Read], facts: &Facts) -> Vec<(i64, i128)> {
    let mut candidates = Vec::with_capacity(kept.len());
    for moment in kept.chunk_by(|a, b| a.at == b.at) {
        let at = moment[0].at;
        if !facts.counts(at) {
            continue;
        }
        let wrap = facts.meter_at(at).wrap;
        let mut registers: Vec<i128> = moment
            .iter()
            .filter(|read| read.automatic == moment[0].automatic && (0..wrap).contains(&read.register))
            .map(|read| read.register)
            .collect();
        registers.sort_unstable();
        registers.dedup();
        candidates.extend(registers.into_iter().map(|register| (at, register)));
    }
    candidates
}
