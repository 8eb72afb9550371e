//! What ingest decides, and nothing of how it gets there: no I/O, no clock, no wire format.
//!
//! The reads of a device's [`uplink`] are held against its [`arrival`] and the registry's [`facts`], one by one, and are
//! accepted ([`accept`]) or set aside ([`reject`]); [`cache`] and [`latest`] are what a partition keeps in memory.
//! [`registry`] decides which properties and devices there may be and how their facts change from a day on; a [`finding`]
//! about a meter becomes a work order.

pub mod accept;
pub mod arrival;
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
