//! What is asked of vouchers, and what customers see of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Role, UserId};
use crate::failure::{Failure, Faults};
use crate::wire::voucher::v1::validate_voucher_response::Outcome;
use crate::wire::voucher::v1::{self as voucher, DiscountType, RefusalReason, Voucher};
use crate::wire::{Shown, form};

/// A voucher to be made. Its codes, limits and times are checked by the service that keeps vouchers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVoucher {
    /// What customers enter: A-Z, 0-9, `_` and `-`; made upper case.
    #[schema(example = "HEMAT10", min_length = 3, max_length = 32)]
    code: String,
    /// What it is for.
    #[serde(default)]
    #[schema(example = "Ten percent off in November", max_length = 500)]
    description: String,
    /// How its discount is reckoned.
    discount_type: DiscountType,
    /// Percent, above 0 and at most 100, with at most 4 decimals after a point; or whole rupiah, in digits alone.
    #[schema(format = "decimal", pattern = r"^[0-9]+(\.[0-9]{1,4})?$", example = "10.5")]
    discount_value: String,
    /// The least that has to be bought; anything without it.
    #[serde(default)]
    #[schema(example = 50_000, minimum = 0)]
    min_purchase_amount: i64,
    /// No discount is larger; without limit if it is left out.
    #[schema(example = 25_000, minimum = 1)]
    max_discount_amount: Option<i64>,
    /// Redemptions in all; without limit if it is left out.
    #[schema(example = 1_000, minimum = 1)]
    usage_limit: Option<i64>,
    /// Redemptions of one customer; one without it.
    #[schema(example = 1, minimum = 1)]
    per_customer_limit: Option<i64>,
    /// The first moment it holds; now without it.
    #[schema(format = DateTime, example = "2026-11-01T00:00:00+07:00")]
    valid_from: Option<String>,
    /// The first moment it does not hold any more.
    #[schema(format = DateTime, example = "2026-12-01T00:00:00+07:00")]
    valid_until: String,
}

impl NewVoucher {
    /// The voucher as the service is asked to make it; `created_by` answers for it.
    ///
    /// # Errors
    /// Something would mean something else to the service: there 0 and an empty text mean that nothing was said.
    pub fn draft(self, created_by: &UserId) -> Result<Voucher, Failure> {
        let mut faults = Faults::default();
        if self.per_customer_limit == Some(0) {
            faults.add("per_customer_limit", "must be at least 1");
        }
        if self.valid_from.as_deref() == Some("") {
            faults.add("valid_from", "must be a time in RFC 3339, such as 2026-01-31T08:00:00Z");
        }
        faults.none()?;
        Ok(Voucher {
            code: self.code,
            description: self.description,
            discount_type: self.discount_type.into(),
            discount_value: self.discount_value,
            min_purchase_amount: self.min_purchase_amount,
            max_discount_amount: self.max_discount_amount,
            usage_limit: self.usage_limit,
            per_customer_limit: self.per_customer_limit.unwrap_or_default(),
            valid_from: self.valid_from.unwrap_or_default(),
            valid_until: self.valid_until,
            created_by: created_by.as_str().to_owned(),
            ..Voucher::default()
        })
    }
}

/// A voucher that a customer could use, with what it would save now. How often others use it is not theirs to know.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApplicableVoucher {
    /// What to enter.
    #[schema(example = "HEMAT10")]
    code: String,
    /// What it is for.
    #[schema(example = "Ten percent off in November")]
    description: String,
    /// How its discount is reckoned.
    discount_type: DiscountType,
    /// Percent or whole rupiah: an exact decimal.
    #[serde(serialize_with = "form::decimal")]
    #[schema(format = "decimal", example = "10")]
    discount_value: String,
    /// The least that has to be bought.
    #[schema(example = 50_000)]
    min_purchase_amount: i64,
    /// No discount is larger; null: without limit.
    #[schema(required = true, example = 25_000)]
    max_discount_amount: Option<i64>,
    /// The first moment it does not hold any more.
    #[serde(serialize_with = "form::moment")]
    #[schema(format = DateTime, example = "2026-11-30T17:00:00Z")]
    valid_until: String,
    /// What it would save.
    #[schema(example = 10_000)]
    discount_amount: i64,
    /// What would be left to pay.
    #[schema(example = 90_000)]
    final_amount: i64,
}

impl Shown for ApplicableVoucher {
    fn redact(&mut self, _: Role) {}
}

impl ApplicableVoucher {
    /// What a customer sees of it; nothing if the service left the voucher out.
    pub fn of(applicable: voucher::ApplicableVoucher) -> Option<Self> {
        let voucher = applicable.voucher?;
        Some(Self {
            discount_type: voucher.discount_type(),
            code: voucher.code,
            description: voucher.description,
            discount_value: voucher.discount_value,
            min_purchase_amount: voucher.min_purchase_amount,
            max_discount_amount: voucher.max_discount_amount,
            valid_until: voucher.valid_until,
            discount_amount: applicable.discount_amount,
            final_amount: applicable.final_amount,
        })
    }
}

/// Which voucher for what.
#[derive(Debug, Deserialize, ToSchema)]
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
    pub fn check(&self) -> Result<(), Failure> {
        let mut faults = Faults::default();
        if self.code.trim().is_empty() {
            faults.add("code", "must not be empty");
        }
        if self.amount < 1 {
            faults.add("amount", "must be a number of whole rupiah above 0");
        }
        faults.none()
    }
}

/// What a voucher would save, or why it does not hold: `valid` says which of the two, and so which fields are there.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({ "valid": true, "discount_amount": 10_000, "final_amount": 90_000 }))]
pub struct Validation {
    /// Whether it holds.
    valid: bool,
    /// What it would save, if it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_amount: Option<i64>,
    /// What would be left to pay, if it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    final_amount: Option<i64>,
    /// Why it does not, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<RefusalReason>,
    /// Why it does not, for a person, with the figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Shown for Validation {
    fn redact(&mut self, _: Role) {}
}

impl Validation {
    /// What the service says of it.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Saving(saving) => Self {
                valid: true,
                discount_amount: Some(saving.discount_amount),
                final_amount: Some(saving.final_amount),
                ..Self::default()
            },
            Outcome::Refused(refused) => {
                Self { reason: Some(refused.reason()), detail: Some(refused.detail), ..Self::default() }
            }
        }
    }
}
