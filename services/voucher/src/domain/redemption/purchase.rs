//! What callers say of a purchase, and what is wrong with it.

use indowater_common::domain::request::{Problems, check_id, to_milliseconds};
use jiff::{SignedDuration, Timestamp};

use crate::domain::money::Rupiah;
use crate::domain::text::{check_email, normal_code, rupiah};

/// What a payment is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The payment, and so the reservation.
    pub payment_id: String,
    /// The voucher's code as it would be stored.
    pub code: String,
    /// Who pays.
    pub customer_id: String,
    /// The address of who pays.
    pub customer_email: String,
    /// The price before any discount, at least one rupiah.
    pub amount: Rupiah,
}

/// A purchase as a caller describes it.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct PurchaseDraft {
    pub payment_id: String,
    pub code: String,
    pub customer_id: String,
    pub customer_email: String,
    pub purchase_amount: i64,
}

impl Purchase {
    /// Admits a draft. A code that no voucher can have is no problem of the form: no voucher has it.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn admit(draft: PurchaseDraft) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        check_id(&draft.payment_id, "payment_id", &mut problems);
        check_email(&draft.customer_email, "customer_email", &mut problems);
        let (code, amount) = asked(&draft.code, &draft.customer_id, draft.purchase_amount, &mut problems);
        let PurchaseDraft { payment_id, customer_id, customer_email, .. } = draft;
        problems.or(Self { payment_id, code, customer_id, customer_email, amount })
    }
}

/// Checks who asks which code for how much: the code as it would be stored, and the amount.
fn asked(code: &str, customer_id: &str, amount: i64, problems: &mut Problems) -> (String, Rupiah) {
    check_id(customer_id, "customer_id", problems);
    let code = normal_code(code);
    if code.is_empty() {
        problems.add("code", "is missing");
    }
    (code, rupiah(amount, 1, "purchase_amount", problems))
}

/// How payments are made, as far as vouchers have to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The least that a payment gateway takes.
    pub least: Rupiah,
    /// The most of a payment.
    pub most: Rupiah,
}

impl Terms {
    /// Checks that a purchase can be paid at once.
    ///
    /// # Errors
    /// It is too large.
    pub fn check(&self, amount: Rupiah) -> Result<(), Problems> {
        if amount <= self.most {
            return Ok(());
        }
        Err(Problems::of("purchase_amount", format_args!("must be between 1 and {} rupiah", self.most)))
    }
}

/// What somebody would save, if it came to a purchase.
#[derive(Clone, Debug)]
pub struct Question {
    /// The code as it would be stored; `None`: of any voucher.
    pub code: Option<String>,
    /// Who asks.
    pub customer_id: String,
    /// The price before any discount.
    pub amount: Rupiah,
}

impl Question {
    /// Admits a question; `code` is left out if it is about all vouchers.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn admit(code: Option<&str>, customer_id: String, amount: i64) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let (normal, amount) = asked(code.unwrap_or("any"), &customer_id, amount, &mut problems);
        problems.or(Self { code: code.map(|_| normal), customer_id, amount })
    }
}

/// The longest a place is held.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
const DEFAULT: SignedDuration = SignedDuration::from_hours(24);

/// When a reservation made at `now` for so many seconds ends; 0 means a day.
///
/// # Errors
/// A time out of bounds.
pub fn expiry(seconds: i64, now: Timestamp) -> Result<Timestamp, Problems> {
    let time = if seconds == 0 { DEFAULT } else { SignedDuration::from_secs(seconds) };
    if time.is_negative() || time > LONGEST {
        return Err(Problems::of("time_to_live_seconds", "must be between 1 and 604,800, or 0 for a day"));
    }
    Ok(to_milliseconds(now.saturating_add(time).unwrap_or(Timestamp::MAX)))
}

/// A payment that settled, and the discount it was promised.
#[derive(Clone, Debug)]
pub struct Settled {
    /// What it was for.
    pub purchase: Purchase,
    /// What was promised.
    pub discount: Rupiah,
}

impl Settled {
    /// Admits what a caller says of a settled payment.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn admit(draft: PurchaseDraft, discount_amount: i64) -> Result<Self, Problems> {
        let purchase = Purchase::admit(draft)?;
        let mut problems = Problems::default();
        let discount = rupiah(discount_amount, 1, "discount_amount", &mut problems);
        if discount > purchase.amount {
            problems.add("discount_amount", "must not be more than purchase_amount");
        }
        problems.or(Self { purchase, discount })
    }
}
