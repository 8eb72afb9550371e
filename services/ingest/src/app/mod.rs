//! The use cases: load, decide, commit.

pub mod findings;
pub mod intake;
pub mod registry;
pub mod upkeep;
