//! What ingest decides, and nothing of how it gets there: no I/O, no clock, no wire format.
//!
//! The reads of a device's [`uplink`] are held against its [`arrival`] and the registry's [`facts`], one by one, and are
//! accepted ([`accept`]) or set aside ([`reject`]); [`exchange`] notices a register that jumped back; [`cache`] and [`latest`] are what a partition keeps in
//! memory. [`registry`] decides which properties and devices there may be.

pub mod accept;
pub mod arrival;
pub mod cache;
pub mod clock;
pub mod exchange;
pub mod facts;
pub mod latest;
pub mod number;
pub mod registry;
pub mod reject;
pub mod uplink;
