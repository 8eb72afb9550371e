//! Corrections by people: kept under their id, and asked of the ledger like everything else.

use indowater_common::error::Retry;
use indowater_common::kafka::Ticket;
use indowater_proto::billing::v1::{Instruction, instruction::What};

use crate::domain::correction::{Correction, entry_id};
use crate::kafka::Outlet;
use crate::mongo::CorrectionStore;
use crate::wire;

/// Why a correction is not posted.
#[derive(Debug)]
pub enum NotCorrected {
    /// Its id stands for another one.
    Taken,
    /// The database or the broker does not answer.
    Unavailable(Retry),
}

impl<E: Into<Retry>> From<E> for NotCorrected {
    fn from(error: E) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Where corrections are handed in.
pub struct Corrections {
    store: CorrectionStore,
    outlet: Outlet,
}

impl Corrections {
    /// Keeps them in `store`, and hands them to the ledger through `outlet`.
    pub fn new(store: CorrectionStore, outlet: Outlet) -> Self {
        Self { store, outlet }
    }

    /// Asks the ledger to post a correction; when this returns it will be posted, once. The same again changes nothing.
    ///
    /// # Errors
    /// Why not. If the broker did not take it, it is kept, and the same call goes on with it.
    pub async fn ask(&self, correction: Correction) -> Result<(), NotCorrected> {
        let kept = self.store.keep(&correction).await?;
        if !kept.is(&correction) {
            return Err(NotCorrected::Taken);
        }
        let (id, at) = (entry_id(&kept.id), kept.asked_at.as_second());
        let customer_id = kept.customer_id.clone();
        let what = Some(What::Movement(wire::movement(kept.draft())));
        let ticket = Ticket::default();
        self.outlet.instruct(&ticket, &id, at, &Instruction { customer_id, what }).await?;
        Ok(ticket.delivered().await?)
    }
}
