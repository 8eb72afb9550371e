//! Use cases: facts become alerts and messages, messages find their way.

pub mod desk;
pub mod post;

// What people ask is answered from the store: there is nothing to decide in between.
pub use crate::mongo::Store;
