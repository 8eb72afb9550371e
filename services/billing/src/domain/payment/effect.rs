//! What a payment asks the rest of the service to do.

use super::rupiah::Rupiah;

/// Something to do once. Its id says what it is, so that doing it again is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Deterministic: `payment:<id>:credit`, `payment:<id>:discount`, `payment:<id>:reversal`,
    /// `payment:<id>:refund:<refunded so far>`, `payment:<id>:voucher:commit`, `payment:<id>:voucher:release`. If a
    /// payment was credited, reversed, and credited for another transaction, a `:2` (`:3`, …) follows `credit`,
    /// `discount`, `reversal` or `refund`.
    pub id: String,
    /// What to do.
    pub what: What,
}

/// What to do. Money is whole rupiah; `cash` is what went through the gateway, `discount` what a voucher adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Credit what the customer paid.
    Credit {
        /// From the gateway.
        cash: Rupiah,
    },
    /// Credit what the voucher adds; the voucher granted it.
    Discount {
        /// From the utility.
        discount: Rupiah,
    },
    /// Take back what is left of the credit: the gateway took the payment back.
    Reverse {
        /// The part that the gateway took back.
        cash: Rupiah,
        /// The part that the voucher had added.
        discount: Rupiah,
    },
    /// Take back a part of the credit, for the customer got it refunded.
    Refund {
        /// What the customer got, since the last time.
        cash: Rupiah,
        /// The share of the discount that goes with it.
        discount: Rupiah,
    },
    /// Ask the voucher service to redeem, and tell [`super::Payment::voucher_answered`] what it says.
    CommitVoucher,
    /// Ask the voucher service to give the place back.
    ReleaseVoucher,
}

impl What {
    /// What it does to the customer's balance, whole rupiah.
    pub fn balance_change(self) -> i64 {
        match self {
            Self::Credit { cash } => cash.get(),
            Self::Discount { discount } => discount.get(),
            Self::Reverse { cash, discount } | Self::Refund { cash, discount } => -cash.and(discount).get(),
            Self::CommitVoucher | Self::ReleaseVoucher => 0,
        }
    }
}
