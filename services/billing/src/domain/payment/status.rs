//! How a payment stands, in one word.

/// How a payment stands, as `payment_transactions.status` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Waits for the customer, or for a person to look at it.
    Pending,
    /// Credited; parts of it may have been refunded.
    Paid,
    /// Denied or cancelled.
    Failed,
    /// Not paid in time.
    Expired,
    /// Was paid, and the gateway took it back.
    Reversed,
    /// Was paid, and all of it was refunded.
    Refunded,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Paid, Self::Failed, Self::Expired, Self::Reversed, Self::Refunded];

    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Reversed => "reversed",
            Self::Refunded => "refunded",
        }
    }

    /// The status of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}
