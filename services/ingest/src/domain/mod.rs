//! What ingest decides, and nothing of how it gets there: no I/O, no clock, no wire format.
//!
//! A device's [`uplink`] is held against the registry's [`facts`] and becomes accepted reads ([`accept`]) or a
//! [`reject`]; [`cache`] and [`latest`] are what a partition keeps in memory. [`registry`] decides which properties and
//! devices there may be and how their facts change from a day on; a [`finding`] about a meter becomes a work order.

pub mod accept;
pub mod cache;
pub mod clock;
pub mod facts;
pub mod finding;
pub mod latest;
pub mod meter;
pub mod number;
pub mod registry;
pub mod reject;
pub mod uplink;
