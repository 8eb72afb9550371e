//! What to list.

use indowater_common::domain::request::{Problems, check_length};

use super::refusal::Refusal;
use super::voucher::Status;

/// Which vouchers.
#[derive(Clone, Debug, Default)]
pub struct VoucherFilter {
    /// In this status only.
    pub status: Option<Status>,
    /// With this in code or description, in any case; empty: all.
    pub text: String,
}

impl VoucherFilter {
    /// The filter a caller asked for.
    ///
    /// # Errors
    /// A text that is too long.
    pub fn new(status: Option<Status>, text: &str) -> Result<Self, Refusal> {
        let mut problems = Problems::default();
        let text = text.trim().to_owned();
        check_length(&text, 100, "text", &mut problems);
        Ok(problems.or(Self { status, text })?)
    }
}

/// Whose redemptions, or of which voucher.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    /// Of this voucher only.
    pub voucher_id: Option<String>,
    /// Of this customer only.
    pub customer_id: Option<String>,
}

impl UsageFilter {
    /// The filter a caller asked for; what is empty does not matter.
    ///
    /// # Errors
    /// Both are empty.
    pub fn new(voucher_id: String, customer_id: String) -> Result<Self, Refusal> {
        let given = |text: String| (!text.is_empty()).then_some(text);
        match (given(voucher_id), given(customer_id)) {
            (None, None) => Err(Problems::of("voucher_id", "or customer_id must be set").into()),
            (voucher_id, customer_id) => Ok(Self { voucher_id, customer_id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_of_nobody_and_nothing_is_refused() {
        assert!(UsageFilter::new(String::new(), String::new()).is_err());
        assert!(UsageFilter::new(String::new(), "customer-001".into()).is_ok());
    }
}
