//! The one home of the wall clock and of new identifiers; everything else is handed them.

use jiff::Timestamp;

/// The present moment.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A new identifier, unique across processes and rising with time: `<prefix>-<uuid v7>`.
#[allow(clippy::disallowed_methods)]
pub fn new_id(prefix: &str) -> String {
    format!("{prefix}-{}", uuid::Uuid::now_v7())
}
