//! Every way to say no.

use indowater_common::domain::request::Problems;

/// Why a call is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fields that are wrong.
    #[error("{0}")]
    Invalid(Problems),
    /// There is no such voucher.
    #[error("there is no voucher {0:?}")]
    NotFound(String),
    /// An identifier belongs to another voucher.
    #[error("{field} {value:?} is taken")]
    Taken {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// The payment holds something else than it is said to.
    #[error("payment {payment_id:?} holds a voucher with another {field}: {held}, not {said}")]
    Differs {
        /// The payment.
        payment_id: String,
        /// Which field.
        field: &'static str,
        /// What it holds.
        held: String,
        /// What the call says.
        said: String,
    },
    /// The voucher does not hold for the purchase.
    #[error("{}", .0.detail)]
    DoesNotHold(Refused),
    /// The store does not answer.
    #[error("vouchers cannot be reached: {0}")]
    Unavailable(String),
}

/// Why a voucher does not hold for a purchase. Where several are true, the first of this order is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No voucher has the code.
    UnknownCode,
    /// Deactivated.
    Inactive,
    /// Redeemed as often as it may be.
    Depleted,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Payments under way hold all places that are left.
    FullyReserved,
    /// The customer used or holds it as often as one may.
    CustomerLimit,
    /// The purchase is too small.
    BelowMinimum,
    /// Something would be left to pay that is less than payment gateways take.
    LeftTooLittle,
}

impl Reason {
    /// How metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownCode => "unknown_code",
            Self::Inactive => "inactive",
            Self::Depleted => "depleted",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::FullyReserved => "fully_reserved",
            Self::CustomerLimit => "customer_limit",
            Self::BelowMinimum => "below_minimum",
            Self::LeftTooLittle => "left_too_little",
        }
    }
}

/// A reason, and a sentence with the figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// In words.
    pub detail: String,
}

impl Refused {
    /// No voucher has that code.
    pub fn unknown(code: &str) -> Self {
        Self { reason: Reason::UnknownCode, detail: format!("no voucher has the code {code:?}") }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::DoesNotHold(refused)
    }
}

impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}
