//! The use cases: load, decide, commit.

pub mod sweep;
mod turns;
pub mod vouchers;
