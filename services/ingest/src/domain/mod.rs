//! What ingest decides, and nothing of how it gets there: no I/O, no clock, no wire format.
//!
//! A device's [`uplink`] is held against the registry's [`facts`] and becomes accepted reads ([`accept`]) or a
//! [`reject`]; [`exchange`] notices a register that jumped back; [`cache`] and [`latest`] are what a partition keeps in
//! memory. [`registry`] decides which properties and devices there may be.

pub mod accept;
pub mod cache;
pub mod clock;
pub mod exchange;
pub mod facts;
pub mod latest;
pub mod number;
pub mod registry;
pub mod reject;
pub mod uplink;
