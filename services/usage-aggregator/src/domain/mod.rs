//! From reads to daily consumption, pure: no I/O, no clock, no randomness.
//!
//! What is kept of a device and day is the *set* of its reads ([`reads`]); everything else is computed from that set,
//! its neighbours and what the registry says of the day ([`history`], [`day`]). Merging sets forgets order and repetition, so the records do too.

pub mod day;
pub mod finding;
pub mod history;
pub mod hourly;
pub mod outlier;
pub mod question;
pub mod running;
