//! Payments of another system, of which there is no more than the data model's fields.
//!
//! What it settled is history: a paid one was credited there, so nothing of it is credited here, whatever its gateway says again.
//! One that failed or expired is credited when its money comes late all the same, as ours is. One that waits is ours from now on.

use serde::{Deserialize, Serialize};

use super::{Payment, Place, Rupiah, Status};

/// What another system made of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Elsewhere {
    Paid,
    Failed,
}

impl Payment {
    /// A payment of another system that stands so there: `asked` of the customer, and `discount` given besides.
    pub fn of_another_system(id: impl Into<String>, asked: Rupiah, discount: Rupiah, status: Status) -> Self {
        let elsewhere = match status {
            Status::Paid | Status::Reversed | Status::Refunded => Some(Elsewhere::Paid),
            Status::Failed => Some(Elsewhere::Failed),
            Status::Pending | Status::Expired => None,
        };
        Self { discount, elsewhere, lapsed: status == Status::Expired, ..Self::new(id, asked) }
    }

    /// How it stands if nothing that happened here says otherwise.
    pub(super) fn settled_elsewhere(&self) -> Option<Status> {
        match self.elsewhere? {
            Elsewhere::Paid => Some(Status::Paid),
            Elsewhere::Failed => (self.facts.is_empty() && self.posted.is_none()).then_some(Status::Failed),
        }
    }

    /// The part of a voucher that another system held a place for, if something of the payment is credited here: no voucher of
    /// ours stands behind it, so it is on no balance, and a person has to look whether it should be.
    pub(super) fn discount_elsewhere(&self) -> Option<Rupiah> {
        let is_of_ours = self.discount.is_zero() || self.place != Place::None;
        Some(self.discount).filter(|_| !is_of_ours && !self.balance().is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payment::{Finding, Note, Observation, Refusal, Times};

    fn paid(payment: &mut Payment) -> usize {
        let (amount, fee) = (Rupiah::whole(90_000), Rupiah::ZERO);
        let (transaction, finding) = ("t".to_owned(), Finding::Paid { amount, fee });
        let times = Times::default();
        payment.observe(Observation::Transaction { transaction, finding, times }).len()
    }

    #[test]
    fn what_was_settled_there_is_not_credited_again_and_what_comes_late_is() {
        for (status, effects) in
            [(Status::Paid, 0), (Status::Failed, 1), (Status::Expired, 1), (Status::Pending, 1)]
        {
            let (asked, discount) = (Rupiah::whole(90_000), Rupiah::whole(10_000));
            let mut payment = Payment::of_another_system("p", asked, discount, status);
            assert_eq!((payment.status(), payment.amount()), (status, Rupiah::whole(100_000)));
            assert_eq!(payment.balance(), Rupiah::ZERO, "{status:?}");
            assert_eq!(payment.lapse().len() + payment.withdraw().len(), 0, "{status:?}");
            assert_eq!(payment.notes(), [], "nothing is credited, nothing is lacking: {status:?}");
            assert_eq!(payment.status() == Status::Paid, status == Status::Paid);
            assert_eq!(paid(&mut payment), effects, "{status:?}");
            assert_eq!(payment.status(), Status::Paid, "{status:?}");
            let credited = if effects == 0 { Rupiah::ZERO } else { asked };
            assert_eq!(payment.balance(), credited, "the discount was not granted here: {status:?}");
            let noted = payment.notes().contains(&Note::DiscountElsewhere { amount: discount });
            assert_eq!(noted, effects == 1, "a person has to look: {status:?}");
            assert_eq!(payment.confirm_by_hand(), Err(Refusal::AlreadyPaid));
            assert_eq!(
                payment.has_anything(),
                effects == 1,
                "what was paid there is given back there: {status:?}"
            );
        }
    }
}
