//! Use cases: posting what the ledger is asked to post, payments, bills, tariffs, and answering questions.

pub mod bills;
pub mod books;
pub mod committer;
pub mod corrections;
pub mod payments;
pub mod questions;
pub mod tariffs;
pub mod upkeep;
