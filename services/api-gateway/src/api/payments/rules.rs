//! What may be asked of payments, and what a receipt says.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Role, UserId};
use crate::failure::{Failure, Faults};
use crate::wire::Shown;
use crate::wire::billing::v1::{Payment, PaymentMethod, PaymentStatus, PaymentType, VoucherState};
use crate::wire::form::{self, Vocabulary};

const LONGEST_TEXT: usize = 200;
const LONGEST_URL: usize = 2_000;

/// A payment to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPayment {
    /// Through whom: customers pay through `midtrans` or `xendit`, administrators enter what they took as `manual`.
    pub payment_method: PaymentMethod,
    /// What for.
    #[serde(default = "balance_topup")]
    #[schema(default = "balance_topup")]
    pub payment_type: PaymentType,
    /// What the balance is to get, whole rupiah; for a top-up only. A bill has its own amount.
    #[schema(example = 100_000, minimum = 1)]
    pub amount: Option<i64>,
    /// The bill to be paid; for a `water_bill` only.
    #[schema(example = "bill:customer-001|2026-10", min_length = 1, max_length = 200)]
    pub bill_id: Option<String>,
    /// A voucher to redeem.
    #[schema(example = "HEMAT10", min_length = 1, max_length = 200)]
    pub voucher_code: Option<String>,
    /// Where the gateway sends the customer afterwards: a URL of http or https.
    #[schema(format = "uri", example = "https://app.example.com/payments", max_length = 2000)]
    pub return_url: Option<String>,
    /// Who pays. Required of administrators; customers pay for themselves.
    #[schema(value_type = Option<String>, example = "customer-001")]
    pub customer_id: Option<UserId>,
    /// Why by hand. Required of administrators, and for them only.
    #[schema(example = "Cash at the counter", min_length = 1, max_length = 500)]
    pub reason: Option<String>,
}

const fn balance_topup() -> PaymentType {
    PaymentType::BalanceTopup
}

impl NewPayment {
    /// Checks it, for those who enter money `by_hand` or for those who pay themselves. Whether it is possible is billing's
    /// to say.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn check(&self, by_hand: bool) -> Result<(), Failure> {
        let mut faults = Faults::default();
        if by_hand {
            self.check_of_administrator(&mut faults);
        } else {
            self.check_of_customer(&mut faults);
        }
        self.check_purpose(&mut faults);
        for (field, text) in [("bill_id", &self.bill_id), ("voucher_code", &self.voucher_code)] {
            let sound = |text: &String| !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT;
            if text.as_ref().is_some_and(|text| !sound(text)) {
                faults.add(field, format!("must be 1 to {LONGEST_TEXT} characters"));
            }
        }
        if self.return_url.as_deref().is_some_and(|url| !is_web_address(url)) {
            faults
                .add("return_url", format!("must be a URL of http or https of at most {LONGEST_URL} bytes"));
        }
        faults.none()
    }

    fn check_of_administrator(&self, faults: &mut Faults) {
        if self.payment_method != PaymentMethod::Manual {
            faults.add("payment_method", "administrators enter what they took by hand: must be manual");
        }
        if self.customer_id.is_none() {
            faults.add("customer_id", "administrators name a customer_id");
        }
        faults.check_reason(self.reason.as_deref().unwrap_or_default());
        if self.return_url.is_some() {
            faults.add("return_url", "nobody is sent anywhere in a payment by hand");
        }
    }

    fn check_of_customer(&self, faults: &mut Faults) {
        if self.payment_method == PaymentMethod::Manual {
            faults.add("payment_method", "must be midtrans or xendit");
        }
        if self.reason.is_some() {
            faults.add("reason", "is for payments by hand");
        }
    }

    fn check_purpose(&self, faults: &mut Faults) {
        if self.payment_type == PaymentType::WaterBill {
            if self.amount.is_some() {
                faults.add("amount", "is for a balance_topup; a bill has its own");
            }
            if self.bill_id.is_none() {
                faults.add("bill_id", "says which bill is paid, and is required");
            }
            return;
        }
        if self.bill_id.is_some() {
            faults.add("bill_id", "is for a water_bill");
        }
        if self.amount.is_none_or(|amount| amount < 1) {
            faults.add("amount", "must be a number of whole rupiah above 0");
        }
    }
}

/// Whether browsers can be sent there.
fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = text.len() <= LONGEST_URL && text.bytes().all(|byte| byte.is_ascii_graphic());
    // Who is named before an `@` passes for the host to people who read quickly.
    plain && !host.is_empty() && !host.contains(['@', '\\', '"', '<', '>'])
}

/// Why an administrator does something to a payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// Why, for those who look at it later.
    #[schema(example = "Seen on the bank statement", min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Money to be given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRefund {
    /// How much of what the customer paid, whole rupiah; all that is left without it.
    #[schema(example = 45_000, minimum = 1)]
    pub amount: Option<i64>,
    /// Why.
    #[schema(example = "Paid twice", min_length = 1, max_length = 500)]
    pub reason: String,
    /// Whether the money went back outside the gateway, by transfer or in cash. Manual payments can be refunded only so.
    #[serde(default)]
    pub by_hand: bool,
}

impl NewRefund {
    /// Checks it. How much may be given back is billing's to say.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn check(&self) -> Result<(), Failure> {
        let mut faults = Faults::default();
        if self.amount.is_some_and(|amount| amount < 1) {
            faults
                .add("amount", "must be a number of whole rupiah above 0, or left out for all that is left");
        }
        faults.check_reason(&self.reason);
        faults.none()
    }
}

/// A receipt: what a customer may show to others.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Receipt {
    /// Its number: the payment's id, for each has one receipt.
    #[schema(example = "payment-7f3a")]
    pub number: String,
    /// Who paid.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// The customer's name; null if there is no such user any more.
    #[schema(required = true, example = "Siti Rahayu")]
    pub customer_name: Option<String>,
    /// The address that the customer had then.
    #[schema(example = "customer@indowater.com", format = Email)]
    pub customer_email: String,
    /// When the money came.
    #[serde(serialize_with = "form::moment")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T03:17:00Z")]
    pub paid_at: i64,
    /// What for, for a person.
    #[schema(example = "Balance top-up")]
    pub description: String,
    /// What was bought: what was paid, and what the voucher added.
    #[schema(example = 100_000)]
    pub amount: i64,
    /// What the voucher added; 0 unless it was granted.
    #[schema(example = 10_000)]
    pub discount_amount: i64,
    /// What the customer paid.
    #[schema(example = 90_000)]
    pub final_amount: i64,
    /// The voucher that was granted.
    #[schema(required = true, example = "HEMAT10")]
    pub voucher_code: Option<String>,
    /// Through whom.
    pub payment_method: PaymentMethod,
    /// The order at the gateway.
    #[schema(example = "payment-7f3a")]
    pub reference_id: String,
    /// How the payment stands now.
    pub status: PaymentStatus,
    /// What was given back of it so far.
    #[schema(example = 0)]
    pub refunded_amount: i64,
}

impl Shown for Receipt {
    fn redact(&mut self, _: Role) {}
}

impl Receipt {
    /// The receipt of a payment.
    ///
    /// # Errors
    /// It was never paid.
    pub fn of(payment: Payment, customer_name: Option<String>) -> Result<Self, Failure> {
        if payment.paid_at == 0 {
            return Err(Failure::Conflict {
                kind: "never-paid".to_owned(),
                detail: "The payment was never paid, so there is no receipt.".to_owned(),
            });
        }
        let description = description(&payment);
        // A receipt that promised a discount which is then refused could not be taken back.
        let granted = VoucherState::of(&payment.voucher_state) == Some(VoucherState::Granted);
        let discount_amount = if granted { payment.discount_amount } else { 0 };
        Ok(Self {
            payment_method: payment.method(),
            status: payment.status(),
            number: payment.id,
            customer_id: payment.customer_id,
            customer_name,
            customer_email: payment.customer_email,
            paid_at: payment.paid_at,
            description,
            amount: payment.final_amount.saturating_add(discount_amount),
            discount_amount,
            final_amount: payment.final_amount,
            voucher_code: granted.then_some(payment.voucher_code),
            reference_id: payment.reference_id,
            refunded_amount: payment.refunded_amount,
        })
    }
}

fn description(payment: &Payment) -> String {
    if payment.r#type() != PaymentType::WaterBill {
        return "Balance top-up".to_owned();
    }
    // The month stands at the end of a bill's id.
    let id = &payment.bill_id;
    let month = id.rsplit_once('|').and_then(|(_, month)| format!("{month}-01").parse::<Date>().ok());
    month.map_or_else(
        || format!("Water bill {id}"),
        |month| format!("Water bill, {}", month.strftime("%B %Y")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paid() -> Payment {
        Payment {
            amount: 100_000,
            discount_amount: 10_000,
            final_amount: 90_000,
            r#type: PaymentType::BalanceTopup.into(),
            voucher_code: "HEMAT10".to_owned(),
            voucher_state: "granted".to_owned(),
            paid_at: 1,
            ..Payment::default()
        }
    }

    #[test]
    fn a_receipt_adds_up_whatever_became_of_the_voucher() {
        for (state, amount, discount, code) in [
            ("granted", 100_000, 10_000, Some("HEMAT10")),
            ("refused", 90_000, 0, None),
            ("asked", 90_000, 0, None),
            ("", 90_000, 0, None),
        ] {
            let receipt = Receipt::of(Payment { voucher_state: state.to_owned(), ..paid() }, None).unwrap();
            assert_eq!((receipt.amount, receipt.discount_amount), (amount, discount), "{state}");
            assert_eq!((receipt.final_amount, receipt.voucher_code.as_deref()), (90_000, code), "{state}");
        }
        assert!(Receipt::of(Payment { paid_at: 0, ..paid() }, None).is_err(), "what was never paid has none");
    }

    #[test]
    fn a_receipt_says_what_for() {
        let bill =
            |id: &str| Payment { r#type: PaymentType::WaterBill.into(), bill_id: id.to_owned(), ..paid() };
        for (payment, text) in [
            (paid(), "Balance top-up"),
            (bill("bill:customer-001|2026-10"), "Water bill, October 2026"),
            (bill("bill of old"), "Water bill bill of old"),
        ] {
            assert_eq!(Receipt::of(payment, None).unwrap().description, text);
        }
    }

    #[test]
    fn customers_return_to_web_pages() {
        for (url, good) in [
            ("https://app.example.com/paid?x=1#y", true),
            ("http://127.0.0.1:3000", true),
            ("https://", false),
            ("https:///x", false),
            ("javascript:alert(1)", false),
            ("https://app.example.com@evil.example.com/", false),
            ("https://a b", false),
            ("//app.example.com", false),
        ] {
            assert_eq!(is_web_address(url), good, "{url}");
        }
        assert!(!is_web_address(&format!("https://{}", "a".repeat(LONGEST_URL))));
    }
}
