//! The database's edge: the registry's collections, devices' last readings, and work orders.

mod documents;
mod identifiers;
mod reads;
mod registry;

pub use identifiers::fill_eventually;
pub use reads::Reads;
pub use registry::{Announce, Announced, Registry};
