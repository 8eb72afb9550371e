//! The use cases: [`devices`] merges reads into each [`device`], [`questions`] answers people.

pub mod device;
pub mod devices;
pub mod questions;
pub mod upkeep;
