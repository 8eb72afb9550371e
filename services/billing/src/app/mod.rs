//! Use cases: posting what the ledger is asked to post, setting tariffs, and answering questions.

pub mod books;
pub mod corrections;
pub mod questions;
pub mod tariffs;
