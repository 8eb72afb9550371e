//! The use cases: load, decide, commit.

pub mod intake;
pub mod registry;
