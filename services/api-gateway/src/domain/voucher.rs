//! Vouchers as people see them and ask for them, in the words of the data model. Rupiah are whole here, and JSON
//! integers; what a discount is worth is an exact decimal string, for a share of the purchase may have decimals.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::failure::{Failure, Fault, Faults};
use crate::domain::order;
use crate::domain::page::{self, Page};
use crate::domain::purchase::one_of;
use crate::domain::user::UserId;

const LONGEST_TEXT: usize = 100;

/// How a discount is reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscountType {
    /// A share of the purchase, rounded up to whole rupiah.
    Percentage,
    /// So many rupiah.
    FixedAmount,
}

/// How a voucher stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoucherStatus {
    /// It holds, or will when its time comes.
    Active,
    /// Its time is over.
    Expired,
    /// Redeemed as often as it may be.
    Depleted,
    /// Deactivated by an administrator.
    Inactive,
}

/// A voucher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Voucher {
    /// Unique id.
    #[schema(example = "voucher-001")]
    pub id: String,
    /// What customers enter, upper case.
    #[schema(example = "HEMAT10")]
    pub code: String,
    /// What it is for.
    #[schema(example = "Ten percent off in November")]
    pub description: String,
    /// How its discount is reckoned.
    pub discount_type: DiscountType,
    /// Percent, above 0 and at most 100, or whole rupiah: an exact decimal.
    #[schema(format = "decimal", example = "10.5")]
    pub discount_value: String,
    /// The least that has to be bought.
    #[schema(example = 50_000)]
    pub min_purchase_amount: i64,
    /// No discount is larger; null: without limit.
    #[schema(example = 25_000)]
    pub max_discount_amount: Option<i64>,
    /// Redemptions in all; null: without limit.
    #[schema(example = 1_000)]
    pub usage_limit: Option<i64>,
    /// Redemptions so far.
    #[schema(example = 12)]
    pub usage_count: i64,
    /// Places that payments under way hold; they count towards the limits.
    #[schema(example = 1)]
    pub reserved_count: i64,
    /// Redemptions of one customer.
    #[schema(example = 1)]
    pub per_customer_limit: i64,
    /// The first moment it holds.
    #[schema(value_type = String, format = DateTime, example = "2026-10-31T17:00:00Z")]
    pub valid_from: Timestamp,
    /// The first moment it does not hold any more.
    #[schema(value_type = String, format = DateTime, example = "2026-11-30T17:00:00Z")]
    pub valid_until: Timestamp,
    /// How it stands.
    pub status: VoucherStatus,
    /// `users.id` of the administrator who made it.
    #[schema(example = "admin-001")]
    pub created_by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime, example = "2026-10-28T02:00:00Z")]
    pub created_at: Timestamp,
}

/// A voucher that a customer could use, with what it would save now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApplicableVoucher {
    /// What to enter.
    #[schema(example = "HEMAT10")]
    pub code: String,
    /// What it is for.
    #[schema(example = "Ten percent off in November")]
    pub description: String,
    /// How its discount is reckoned.
    pub discount_type: DiscountType,
    /// Percent or whole rupiah: an exact decimal.
    #[schema(format = "decimal", example = "10")]
    pub discount_value: String,
    /// The least that has to be bought.
    #[schema(example = 50_000)]
    pub min_purchase_amount: i64,
    /// No discount is larger; null: without limit.
    #[schema(example = 25_000)]
    pub max_discount_amount: Option<i64>,
    /// The first moment it does not hold any more.
    #[schema(value_type = String, format = DateTime, example = "2026-11-30T17:00:00Z")]
    pub valid_until: Timestamp,
    /// What it would save.
    #[schema(example = 10_000)]
    pub discount_amount: i64,
    /// What would be left to pay.
    #[schema(example = 90_000)]
    pub final_amount: i64,
}

/// One redemption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct VoucherUsage {
    /// Unique id.
    #[schema(example = "usage-001")]
    pub id: String,
    /// Which voucher.
    #[schema(example = "voucher-001")]
    pub voucher_id: String,
    /// Its code.
    #[schema(example = "HEMAT10")]
    pub voucher_code: String,
    /// Who redeemed it.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// The address that the customer had then.
    #[schema(example = "customer@indowater.com", format = Email)]
    pub customer_email: String,
    /// What was bought.
    #[schema(example = 100_000)]
    pub purchase_amount: i64,
    /// What was saved.
    #[schema(example = 10_000)]
    pub discount_amount: i64,
    /// What was paid.
    #[schema(example = 90_000)]
    pub final_amount: i64,
    /// When.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T03:17:00Z")]
    pub used_at: Timestamp,
    /// The payment; null where an older system did not write it down.
    #[schema(example = "payment-7f3a")]
    pub transaction_id: Option<String>,
}

/// Why a voucher does not hold. Where several are true, the first of this order is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// No voucher has this code.
    UnknownCode,
    /// It was deactivated.
    Inactive,
    /// It was redeemed as often as it may be.
    Depleted,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Payments under way hold all places that are left; one may come free.
    FullyReserved,
    /// The customer used it, or holds it for other payments, as often as one may.
    CustomerLimit,
    /// The purchase is too small.
    BelowMinimum,
    /// Something would be left to pay that is less than payment gateways take. Nothing left is fine.
    LeftTooLittle,
}

/// What a voucher would save, or why it does not hold: `valid` says which of the two, and so which fields are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({ "valid": true, "discount_amount": 10_000, "final_amount": 90_000 }))]
pub struct Validation {
    /// Whether it holds.
    pub valid: bool,
    /// What it would save, if it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_amount: Option<i64>,
    /// What would be left to pay, if it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_amount: Option<i64>,
    /// Why it does not, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RefusalReason>,
    /// Why it does not, for a person, with the figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A voucher to be made. Its codes, limits and times are checked by the service that keeps vouchers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVoucher {
    /// What customers enter: A-Z, 0-9, `_` and `-`; made upper case.
    #[schema(example = "HEMAT10", min_length = 3, max_length = 32)]
    pub code: String,
    /// What it is for.
    #[serde(default)]
    #[schema(example = "Ten percent off in November", max_length = 500)]
    pub description: String,
    /// How its discount is reckoned.
    pub discount_type: DiscountType,
    /// Percent, above 0 and at most 100, with at most 4 decimals after a point; or whole rupiah, in digits alone.
    #[schema(format = "decimal", pattern = r"^[0-9]+(\.[0-9]{1,4})?$", example = "10.5")]
    pub discount_value: String,
    /// The least that has to be bought; anything without it.
    #[serde(default)]
    #[schema(example = 50_000, minimum = 0)]
    pub min_purchase_amount: i64,
    /// No discount is larger; without limit if it is left out.
    #[schema(example = 25_000, minimum = 1)]
    pub max_discount_amount: Option<i64>,
    /// Redemptions in all; without limit if it is left out.
    #[schema(example = 1_000, minimum = 1)]
    pub usage_limit: Option<i64>,
    /// Redemptions of one customer; one without it.
    #[schema(example = 1, minimum = 1)]
    pub per_customer_limit: Option<i64>,
    /// The first moment it holds; now without it.
    #[schema(format = DateTime, example = "2026-11-01T00:00:00+07:00")]
    pub valid_from: Option<String>,
    /// The first moment it does not hold any more.
    #[schema(format = DateTime, example = "2026-12-01T00:00:00+07:00")]
    pub valid_until: String,
}

impl NewVoucher {
    /// Checks what would mean something else to the service: there 0 and an empty text mean that nothing was said.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn check(self) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        if self.per_customer_limit == Some(0) {
            faults.add("per_customer_limit", "must be at least 1");
        }
        if self.valid_from.as_deref() == Some("") {
            faults.add("valid_from", "must be a time in RFC 3339, such as 2026-01-31T08:00:00Z");
        }
        faults.settle(Some(self))
    }
}

/// Which voucher for what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewValidation {
    /// What the customer enters; case does not matter.
    #[schema(example = "HEMAT10")]
    pub code: String,
    /// What is to be bought, whole rupiah.
    #[schema(example = 100_000, minimum = 1)]
    pub amount: i64,
    /// Who is to redeem it. Required of administrators; customers ask for themselves.
    #[schema(value_type = Option<String>, example = "customer-001")]
    pub customer_id: Option<UserId>,
}

impl NewValidation {
    /// Checks it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn check(self) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        if self.code.trim().is_empty() {
            faults.add("code", "must not be empty");
        }
        if self.amount < 1 {
            faults.add("amount", "must be a number of whole rupiah above 0");
        }
        faults.settle(Some(self))
    }
}

/// A page of vouchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VouchersQuestion {
    /// In one status only.
    pub status: Option<VoucherStatus>,
    /// With this in code or description; empty: all.
    pub text: String,
    /// Which page.
    pub page: Page,
}

impl VouchersQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(
        status: Option<&str>,
        text: Option<&str>,
        size: Option<&str>,
        token: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let status = faults.note(one_of("status", status, "active, expired, depleted or inactive"));
        let text = text.unwrap_or_default().trim().to_owned();
        if text.chars().count() > LONGEST_TEXT {
            faults.add("text", format!("must not be longer than {LONGEST_TEXT} characters"));
        }
        let page = Page::read(size, token, page::VOUCHERS, &mut faults);
        faults.settle(status.zip(page).map(|(status, page)| Self { status, text, page }))
    }
}

/// A page of a customer's redemptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedemptionsQuestion {
    /// Whose, if somebody was named.
    pub customer: Option<UserId>,
    /// Which page.
    pub page: Page,
}

impl RedemptionsQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(customer: Option<&str>, size: Option<&str>, token: Option<&str>) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let customer = faults.note(order::named(customer));
        let page = Page::read(size, token, page::VOUCHERS, &mut faults);
        faults.settle(customer.zip(page).map(|(customer, page)| Self { customer, page }))
    }
}

/// For what purchase of whom vouchers are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicableQuestion {
    /// Whose, if somebody was named.
    pub customer: Option<UserId>,
    /// What is to be bought, whole rupiah.
    pub amount: i64,
}

impl ApplicableQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(customer: Option<&str>, amount: Option<&str>) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let customer = faults.note(order::named(customer));
        let required = || Fault::new("amount", "what is to be bought is required, in whole rupiah");
        let amount = faults.note(amount.ok_or_else(required).and_then(order::rupiah));
        if amount == Some(0) {
            faults.add("amount", "must be above 0");
        }
        faults.settle(customer.zip(amount).map(|(customer, amount)| Self { customer, amount }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<T: std::fmt::Debug>(read: Result<T, Failure>) -> Vec<String> {
        match read {
            Err(Failure::Invalid(faults)) => faults.into_iter().map(|fault| fault.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn questions_are_read_or_refused() {
        let read = VouchersQuestion::read(Some("depleted"), Some(" hemat "), None, None).unwrap();
        assert_eq!((read.status, read.text.as_str()), (Some(VoucherStatus::Depleted), "hemat"));
        let long = "x".repeat(101);
        assert_eq!(
            fields(VouchersQuestion::read(Some("used"), Some(&long), Some("501"), None)),
            ["status", "text", "page_size"]
        );
        assert_eq!(
            fields(RedemptionsQuestion::read(Some(""), Some("0"), None)),
            ["customer_id", "page_size"]
        );
        assert_eq!(ApplicableQuestion::read(None, Some("5000")).unwrap().amount, 5_000);
        for wrong in [None, Some("0"), Some("-1"), Some("1.5"), Some("much")] {
            assert_eq!(fields(ApplicableQuestion::read(None, wrong)), ["amount"], "{wrong:?}");
        }
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        let json = r#"{"code": "A", "discount_type": "percentage", "discount_value": "5", "per_customer_limit": 0,
            "valid_from": "", "valid_until": "2026-12-01T00:00:00Z"}"#;
        let voucher: NewVoucher = serde_json::from_str(json).unwrap();
        assert_eq!(fields(voucher.check()), ["per_customer_limit", "valid_from"]);
        let nothing = NewValidation { code: " ".to_owned(), amount: 0, customer_id: None };
        assert_eq!(fields(nothing.check()), ["code", "amount"]);
    }

    #[test]
    fn a_validation_says_only_what_is_so() {
        let holds = Validation {
            valid: true,
            discount_amount: Some(1),
            final_amount: Some(2),
            ..Validation::default()
        };
        assert_eq!(
            serde_json::to_value(holds).unwrap(),
            serde_json::json!({ "valid": true, "discount_amount": 1, "final_amount": 2 })
        );
        let refused = Validation {
            reason: Some(RefusalReason::BelowMinimum),
            detail: Some("no".to_owned()),
            ..Validation::default()
        };
        assert_eq!(
            serde_json::to_value(refused).unwrap(),
            serde_json::json!({ "valid": false, "reason": "below_minimum", "detail": "no" })
        );
    }
}
