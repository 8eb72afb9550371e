//! What money means here: the ledger, charging, tariffs, payments, bills. Pure: no input, no output, no clock.

pub mod bill;
pub mod charge;
pub mod ledger;
pub mod payment;
pub mod purchase;
pub mod schedule;
pub mod transaction;
