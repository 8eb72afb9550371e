//! The database's edge: the registry's collections, devices' last readings, and work orders.

mod adopt;
mod devices;
mod documents;
mod orders;
mod properties;
mod reads;
mod registry;
mod timelines;

pub use adopt::adopt_eventually;
pub use orders::Orders;
pub use reads::Reads;
pub use registry::{Announce, Announced, Registry};
