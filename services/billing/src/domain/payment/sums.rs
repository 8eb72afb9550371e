//! What moved because of a payment, by everybody: one account for all of it, so that no sum that is shown is cut.

use super::rupiah::Rupiah;

/// What moved. What came in is what became of it: `received + excess = refunded + credited + uncredited + fees`, of which
/// the gateway keeps `fees`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// What customers paid in all, with what the gateway added for itself, and without what it took back.
    pub received: Rupiah,
    /// The part of it that the gateway added for itself and keeps. It never was the utility's.
    pub fees: Rupiah,
    /// What went back to customers, through the gateway and by hand.
    pub refunded: Rupiah,
    /// The part of it that was taken out of what is credited.
    pub refunded_of_credit: Rupiah,
    /// What the balance has of it, without the voucher's part.
    pub credited: Rupiah,
    /// What is there and on no balance: more than was asked, paid twice, or less than was asked.
    pub uncredited: Rupiah,
    /// What went back beyond everything that came.
    pub excess: Rupiah,
}

impl Sums {
    /// Where money goes: `asked` of what came is credited, if it `is_credited`. What goes back is taken from what is on no
    /// balance first, then from the credit, then from what the gateway had added; what is left then is too much.
    pub(super) fn of(
        asked: Rupiah,
        is_credited: bool,
        received: Rupiah,
        fees: Rupiah,
        refunded: Rupiah,
    ) -> Self {
        let credit = if is_credited { asked } else { Rupiah::ZERO };
        let received = received.max(credit);
        let fees = fees.min(received.less(credit));
        let beyond = received.less(credit).less(fees);
        let of_beyond = refunded.min(beyond);
        let rest = refunded.less(of_beyond);
        let of_credit = rest.min(credit);
        let rest = rest.less(of_credit);
        let of_fees = rest.min(fees);
        Self {
            received,
            fees: fees.less(of_fees),
            refunded,
            refunded_of_credit: of_credit,
            credited: credit.less(of_credit),
            uncredited: beyond.less(of_beyond),
            excess: rest.less(of_fees),
        }
    }

    /// What can still be given back without giving more than came.
    pub fn left(&self) -> Rupiah {
        self.credited.and(self.uncredited)
    }
}
