//! The use cases: [`devices`] merges reads, [`questions`] answers people.

pub mod devices;
pub mod questions;
