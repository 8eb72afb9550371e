//! Leaks, out of the register reads of one meter.
//!
//! A [`Meter`] is the whole memory of a device: what it usually draws, what speaks for a leak, and the present episode. It
//! is fed one [`Read`] after the other, in the order of their moments, and answers with [`Signal`]s. It is a pure function
//! of the meter it began as, of the set of reads after that, and of the [`Setting`]: whoever keeps a meter of last week and
//! the reads since can have every late read judged as if it had come in time ([`replay`]).
//!
//! ```text
//! snapshot (encode/decode) -- read, read, read --> signals: Opened -> Grew* -> Worse* -> Stopped -> Returned | Closed
//! ```
//!
//! A device has at most one episode at a time. Its identity is [`Episode::opened`], the moment of the read that opened
//! it, which stays while it grows, stops and comes back.
//!
//! `law` says how likely a volume is, `habit` learns a meter's own hours, `bank` weighs each leak rate against them, `find`
//! says when that is enough; `burst` and `daily` look for what needs no weighing or cannot have it, `life` keeps the episode,
//! `slots` and `meter` join them.
//! Volumes, rates and losses that leave this module are whole millilitres; within it probabilities are real numbers.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "probabilities are real-valued; what leaves this module is whole millilitres, bounded"
)]

mod bank;
mod burst;
mod confidence;
mod daily;
mod find;
mod habit;
mod law;
mod life;
mod meter;
mod pack;
mod recent;
mod rhythm;
mod series;
mod slots;
mod step;

use indowater_common::domain::zone::Zone;

pub use confidence::confidence;
pub use meter::Meter;
pub use rhythm::Scale;
pub use series::{Explanation, Hour, explain};

/// One read of a register that belongs to the meter's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its moment, seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// What it showed, millilitres; a wrapped register goes on counting.
    pub register: i64,
    /// Whether the difference from the read before is flow: not after an exchange, a reset or whatever else breaks the path.
    pub joined: bool,
}

/// What is known of a meter besides its reads. Periods are looked up by time, so they hold for late reads as well.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Where the hours of the day are those of people.
    pub zone: &'a Zone,
    /// What the register counts in, millilitres: 1,000 for litres.
    pub resolution: i64,
    /// Whether it may be a household's meter, by its size: of any other nobody knows what is usual before it has been seen.
    pub household: bool,
    /// What people said or did, in any order; periods may overlap.
    pub periods: &'a [Period],
}

/// A time in which something else holds: `from <= moment < until`, seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first moment.
    pub from: i64,
    /// The moment after its last; `i64::MAX` while nobody said when it ends.
    pub until: i64,
    /// What holds.
    pub what: Stated,
}

/// What holds in a [`Period`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// So many millilitres an hour flow all the time and are no leak: stated by people, or 1.2 times ([`normal_after`])
    /// the rate of what they called "not a leak", for 90 days. Of several periods the greatest holds.
    Normal(i64),
    /// Nobody is there: any flow is news.
    Away,
    /// What flows says nothing: maintenance, an interruption of the supply, the refill after it. Nothing opens or is learnt.
    Quiet,
}

/// What kind of a leak it is. Order says nothing; see [`Kind::level`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A few litres an hour, day and night: a notice more than an alarm.
    Drip,
    /// Runs for some hours, rests for some, over days: a cistern that fills and seeps, a pump that makes up pressure.
    Cyclic,
    /// Runs all day but for a pause of an hour or two.
    Pausing,
    /// Runs without a pause.
    Constant,
    /// Flow while nobody was said to be there.
    WhileAway,
    /// Runs, and clearly more than when it was found.
    Growing,
    /// Far more in an hour or two than this meter ever took.
    Burst,
}

impl Kind {
    /// How bad it is: an episode whose level rises is [`Change::Worse`]. A drip is a notice; what runs for days costs money;
    /// what grows or runs in an empty home should be seen soon; a burst cannot wait.
    pub const fn level(self) -> u8 {
        match self {
            Self::Drip => 0,
            Self::Cyclic | Self::Pausing | Self::Constant => 1,
            Self::WhileAway | Self::Growing => 2,
            Self::Burst => 3,
        }
    }
}

/// What happened to an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It began to be known.
    Opened,
    /// It goes on: a day passed, or it was found to run at another rate or in another way that is not worse.
    Grew,
    /// Its [`Kind::level`] rose: to be told anew.
    Worse,
    /// It seems to have stopped; it is not forgotten yet.
    Stopped,
    /// The same one came back within two weeks.
    Returned,
    /// Two weeks went by without it: what opens next is another one.
    Closed,
}

/// One leak from its first hour to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// The moment of the read that opened it, seconds since the epoch: its identity.
    pub opened: i64,
    /// Since when it seems to run, seconds since the epoch, never after `opened`.
    pub since: i64,
    /// Up to when it was seen to run, seconds since the epoch; its duration is `until - since`.
    pub until: i64,
    /// What kind it is now.
    pub kind: Kind,
    /// Its flow while it runs, millilitres an hour.
    pub rate: i64,
    /// What it lost since it began, millilitres; never more than what the register counted.
    pub lost: i64,
    /// Whether it runs, as far as is known: not between [`Change::Stopped`] and [`Change::Returned`].
    pub runs: bool,
}

/// News of an episode, with the episode as it is after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The moment of the read that brought it, seconds since the epoch.
    pub at: i64,
    /// What happened.
    pub change: Change,
    /// The whole episode.
    pub episode: Episode,
}

/// What to take as normal ([`Stated::Normal`]) once somebody called an episode of this rate "not a leak": a fifth above it,
/// for what runs at 10 L/h today runs at 11 tomorrow.
pub const fn normal_after(rate: i64) -> i64 {
    rate.saturating_mul(6) / 5
}

/// Feeds the reads that followed a snapshot, in any order and repeated at will, and tells all that happened.
///
/// Reads that are not newer than what the snapshot has seen change nothing.
pub fn replay(snapshot: &Meter, reads: &[Read], setting: &Setting<'_>) -> (Meter, Vec<Signal>) {
    let mut ordered = reads.to_vec();
    ordered.sort_unstable_by_key(|read| read.at);
    ordered.dedup_by_key(|read| read.at);
    let mut meter = snapshot.clone();
    let signals = ordered.into_iter().flat_map(|read| meter.read(read, setting)).collect();
    (meter, signals)
}

#[cfg(test)]
mod tests;
