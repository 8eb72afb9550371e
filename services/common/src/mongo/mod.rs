//! The database's edge: connecting, the table of collections and indexes, exact decimals, bulk writes, the outbox,
//! the quarantine and leases.

mod bulk;
mod connect;
mod decimal;
pub mod facts;
mod lease;
pub mod outbox;
pub mod quarantine;
pub mod schema;
mod transaction;

pub use bulk::{Guarded, Kept, Refusal, insert_within, update, update_within, write_guarded};
pub use connect::{connect, options, watch_database};
pub use decimal::{from_decimal128, number, to_decimal128};
pub use lease::{Lease, Outlived};
pub use transaction::commit;

use bson::DateTime;
use jiff::Timestamp;
use mongodb::Database;

use crate::error::Fatal;
use crate::lifecycle::Host;

/// All a service needs to stand on its slice of the database: connected, indexes there, readiness kept up to date.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn open(host: &Host) -> Result<Database, Fatal> {
    let up = host.health.needs("mongodb");
    let database = connect(host.name, &host.common.mongo).await?;
    schema::ensure_eventually(&database, host.name).await;
    host.spawn("database watch", watch_database(database.clone(), up, host.stop.clone()));
    Ok(database)
}

/// A moment as the database keeps it: UTC, in milliseconds.
pub fn to_bson_time(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millisecond())
}

/// Milliseconds since the epoch as the database keeps a moment.
pub fn from_millis(at: i64) -> DateTime {
    DateTime::from_millis(at)
}

/// Seconds since the epoch as the database keeps a moment.
pub fn time(at: i64) -> DateTime {
    DateTime::from_millis(at.saturating_mul(1_000))
}

/// A moment of the database as seconds since the epoch, cut off.
pub fn seconds(time: DateTime) -> i64 {
    time.timestamp_millis().div_euclid(1_000)
}

/// A moment out of the database.
pub fn from_bson_time(at: DateTime) -> Timestamp {
    // The driver's range is wider than the calendar's; what is beyond it was never written by us.
    Timestamp::from_millisecond(at.timestamp_millis()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Whether the database refused a write because a unique key exists already.
pub fn is_duplicate_key(error: &mongodb::error::Error) -> bool {
    use mongodb::error::{ErrorKind, WriteFailure};
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == 11_000,
        ErrorKind::Command(error) => error.code == 11_000,
        ErrorKind::InsertMany(error) => {
            error.write_errors.as_ref().is_some_and(|all| all.iter().any(|e| e.code == 11_000))
        }
        _ => false,
    }
}
