//! Corrections by people: asked of the ledger like everything else.

use indowater_common::clock;
use indowater_common::error::Retry;
use indowater_common::kafka::Ticket;
use indowater_proto::billing::v1::{Instruction, instruction::What};

use crate::domain::ledger::{Account, Draft, Kind, Leg};
use crate::kafka::Outlet;
use crate::wire;

/// A correction that a person answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Chosen by whoever asks; the same id is posted once.
    pub id: String,
    /// `users.id`.
    pub customer_id: String,
    /// Whole rupiah; positive raises the balance.
    pub amount: i64,
    /// For the customer to read.
    pub reason: String,
    /// `users.id` of the administrator.
    pub made_by: String,
}

/// Where corrections are handed in.
pub struct Corrections {
    outlet: Outlet,
}

impl Corrections {
    /// Hands them to the ledger through `outlet`.
    pub fn new(outlet: Outlet) -> Self {
        Self { outlet }
    }

    /// Asks the ledger to post a correction; when this returns it will be posted, once.
    ///
    /// # Errors
    /// The broker did not take it.
    pub async fn ask(&self, correction: Correction) -> Result<(), Retry> {
        let Correction { id, customer_id, amount, reason, made_by } = correction;
        let (id, now) = (format!("adjustment:{id}"), clock::now().as_second());
        let draft = Draft {
            id: id.clone(),
            kind: Kind::Adjustment,
            others: vec![Leg { account: Account::adjustments(), amount: -amount }],
            description: reason,
            payment_id: None,
            occurred_at: now,
            made_by: Some(made_by),
            usage: None,
        };
        let instruction = Instruction { customer_id, what: Some(What::Movement(wire::movement(draft))) };
        let ticket = Ticket::default();
        self.outlet.instruct(&ticket, &id, now, &instruction).await?;
        Ok(ticket.delivered().await?)
    }
}
