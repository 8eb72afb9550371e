//! What money means here: the ledger, charging, tariffs. Pure: no input, no output, no clock.

pub mod charge;
pub mod ledger;
pub mod payment;
pub mod schedule;
