//! What money means here: the ledger, charging, tariffs, payments, bills. Pure: no input, no output, no clock.

pub mod bill;
pub mod breaker;
pub mod charge;
pub mod correction;
pub mod ledger;
pub mod payment;
pub mod purchase;
pub mod schedule;
pub mod transaction;

use std::fmt::Write as _;

/// Bytes as hexadecimal digits, two for each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
