//! The database's edge: vouchers, who used them, and the places that payments hold.

mod documents;
mod redeem;
mod vouchers;

use std::sync::Arc;

use indowater_common::mongo::outbox::{Outbox, Row};
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};

use crate::domain::redemption::Usage;
use crate::domain::refusal::Refusal;
use documents::{ReservationDocument, UsageDocument, VoucherDocument};

pub use redeem::Settlement;

/// Makes the record that tells a redemption; it is given to the store when the service is wired up.
pub type Announce = Arc<dyn Fn(&Usage) -> Row + Send + Sync>;

/// Vouchers in the database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    vouchers: Collection<VoucherDocument>,
    usage: Collection<UsageDocument>,
    reservations: Collection<ReservationDocument>,
    outbox: Outbox,
    announce: Announce,
}

impl Store {
    /// On the database of voucher.
    pub fn new(database: &Database, outbox: Outbox, announce: Announce) -> Self {
        Self {
            database: database.clone(),
            vouchers: database.collection("vouchers"),
            usage: database.collection("voucher_usage"),
            reservations: database.collection("voucher_reservations"),
            outbox,
            announce,
        }
    }

    async fn session(&self) -> Result<ClientSession, Error> {
        self.database.client().start_session().await
    }
}

/// Takes a refusal out of a transaction, which ends it.
fn abort(refusal: impl Into<Refusal>) -> Error {
    Error::custom(refusal.into())
}

fn refused(error: Error) -> Refusal {
    match error.get_custom::<Refusal>() {
        Some(refusal) => refusal.clone(),
        None => Refusal::Unavailable(error.to_string()),
    }
}
