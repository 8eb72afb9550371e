//! What a finding rests on, as a person can see it: the reads of some days beside the meter's usual hours.

use super::{Meter, Read, Setting};

/// An hour of a meter beside what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// The moment of the read that ends it, seconds since the epoch.
    pub at: i64,
    /// How long it took since the read before, seconds: about an hour, more where reads are missing.
    pub seconds: i64,
    /// What flowed, millilitres.
    pub volume: i64,
    /// Of a hundred usual hours of this time of the day, how many are dry.
    pub usually_dry: u8,
    /// Half of the usual hours of this time of the day take no more than this, millilitres (of the same length).
    pub usual: i64,
    /// Nineteen of twenty usual hours of this time of the day take no more than this, millilitres.
    pub usual_at_most: i64,
}

/// What a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The hours (or longer steps, where the meter reports seldom) up to the finding, oldest first.
    pub hours: Vec<Hour>,
    /// How many of them were dry.
    pub dry: usize,
    /// What would usually have been dry of them.
    pub usually_dry: usize,
    /// The least that flowed in a wet one, millilitres.
    pub least: Option<i64>,
}

/// What `meter` makes of reads that it has seen, such as those of the three days before an episode opened.
pub fn explain(_: &Meter, _: &[Read], _: &Setting<'_>) -> Explanation {
    Explanation { hours: Vec::new(), dry: 0, usually_dry: 0, least: None }
}
