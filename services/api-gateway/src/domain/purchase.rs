//! What is asked of payments, read and checked. All that is wrong with it is told at once.

use indowater_common::domain::zone::Zone;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::failure::{Failure, Fault, Faults};
use crate::domain::order::{self, check_reason};
use crate::domain::page::{self, Page};
use crate::domain::payment::{PaymentMethod, PaymentStatus, PaymentType};
use crate::domain::period::{JAKARTA, Window};
use crate::domain::user::UserId;
use crate::domain::word;

/// The header that makes a request count once.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
const LONGEST_KEY: usize = 200;
const LONGEST_TEXT: usize = 200;
const LONGEST_URL: usize = 2_000;

/// A word of the caller's for one wish: the same wish with the same word counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`] if it is missing or could not have been meant as one.
    pub fn read(text: Option<&str>) -> Result<Self, Failure> {
        let text = text.unwrap_or_default();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > LONGEST_KEY || !visible {
            let detail = format!(
                "this header is required: 1 to {LONGEST_KEY} visible ASCII characters, new for every wish"
            );
            return Err(Failure::Invalid(vec![Fault::new(IDEMPOTENCY_KEY, detail)]));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key among those of everybody: two who choose the same word do not mean the same wish.
    pub fn of(&self, actor: &UserId) -> String {
        format!("{}|{}", actor.as_str(), self.0)
    }
}

/// A payment to be made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPayment {
    /// Through whom: customers pay through `midtrans` or `xendit`, administrators enter what they took as `manual`.
    pub payment_method: PaymentMethod,
    /// What for.
    #[serde(default)]
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

/// What is paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The balance is to get so many rupiah.
    TopUp(i64),
    /// The bill of this id.
    Bill(String),
}

/// A payment that may be asked for. Whether it is possible is billing's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Through whom.
    pub method: PaymentMethod,
    /// What for.
    pub purpose: Purpose,
    /// A voucher to redeem.
    pub voucher_code: Option<String>,
    /// Where the gateway sends the customer afterwards.
    pub return_url: Option<String>,
    /// Why by hand.
    pub reason: Option<String>,
}

impl NewPayment {
    /// Checks it, for those who enter money `by_hand` or for those who pay themselves.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn check(self, by_hand: bool) -> Result<Purchase, Failure> {
        let mut faults = Faults::default();
        if by_hand {
            self.check_of_administrator(&mut faults);
        } else {
            self.check_of_customer(&mut faults);
        }
        let purpose = self.purpose(&mut faults);
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
        let Self { payment_method: method, voucher_code, return_url, reason, .. } = self;
        faults.settle(purpose.map(|purpose| Purchase { method, purpose, voucher_code, return_url, reason }))
    }

    fn check_of_administrator(&self, faults: &mut Faults) {
        if self.payment_method != PaymentMethod::Manual {
            faults.add("payment_method", "administrators enter what they took by hand: must be manual");
        }
        if self.customer_id.is_none() {
            faults.add("customer_id", "administrators name a customer_id");
        }
        check_reason(self.reason.as_deref().unwrap_or_default(), faults);
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

    fn purpose(&self, faults: &mut Faults) -> Option<Purpose> {
        match self.payment_type {
            PaymentType::BalanceTopup => {
                if self.bill_id.is_some() {
                    faults.add("bill_id", "is for a water_bill");
                }
                let amount = self.amount.filter(|amount| *amount > 0);
                if amount.is_none() {
                    faults.add("amount", "must be a number of whole rupiah above 0");
                }
                amount.map(Purpose::TopUp)
            }
            PaymentType::WaterBill => {
                if self.amount.is_some() {
                    faults.add("amount", "is for a balance_topup; a bill has its own");
                }
                if self.bill_id.is_none() {
                    faults.add("bill_id", "says which bill is paid, and is required");
                }
                self.bill_id.clone().map(Purpose::Bill)
            }
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// Why, for those who look at it later.
    #[schema(example = "Seen on the bank statement", min_length = 1, max_length = 500)]
    pub reason: String,
}

impl Confirmation {
    /// Checks it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn check(self) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        check_reason(&self.reason, &mut faults);
        faults.settle(Some(self))
    }
}

/// Money to be given back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
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
    pub fn check(self) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        if self.amount.is_some_and(|amount| amount < 1) {
            faults
                .add("amount", "must be a number of whole rupiah above 0, or left out for all that is left");
        }
        check_reason(&self.reason, &mut faults);
        faults.settle(Some(self))
    }
}

/// A page of payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentsQuestion {
    /// Of one customer only.
    pub customer: Option<UserId>,
    /// In one status only.
    pub status: Option<PaymentStatus>,
    /// Through one method only.
    pub method: Option<PaymentMethod>,
    /// For one thing only.
    pub kind: Option<PaymentType>,
    /// Those only that a person should look at.
    pub needs_attention: bool,
    /// Made when.
    pub window: Window,
    /// Which page.
    pub page: Page,
}

/// The texts of a [`PaymentsQuestion`].
#[derive(Clone, Copy, Debug, Default)]
pub struct PaymentsTexts<'a> {
    /// `customer_id`
    pub customer_id: Option<&'a str>,
    /// `status`
    pub status: Option<&'a str>,
    /// `payment_method`
    pub payment_method: Option<&'a str>,
    /// `payment_type`
    pub payment_type: Option<&'a str>,
    /// `needs_attention`
    pub needs_attention: Option<&'a str>,
    /// `from`
    pub from: Option<&'a str>,
    /// `to`
    pub to: Option<&'a str>,
    /// `page_size`
    pub page_size: Option<&'a str>,
    /// `page_token`
    pub page_token: Option<&'a str>,
}

impl PaymentsQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(texts: PaymentsTexts<'_>) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let customer = faults.note(order::named(texts.customer_id));
        let statuses = "pending, paid, failed, expired, reversed or refunded";
        let status = faults.note(one_of("status", texts.status, statuses));
        let method =
            faults.note(one_of("payment_method", texts.payment_method, "midtrans, xendit or manual"));
        let kind = faults.note(one_of("payment_type", texts.payment_type, "balance_topup or water_bill"));
        let attention = faults.note(yes_or_no("needs_attention", texts.needs_attention));
        let zone = Zone::named(JAKARTA);
        let window = Window::read(texts.from, texts.to, zone.as_ref(), &mut faults);
        let page = Page::read(texts.page_size, texts.page_token, page::PAYMENTS, &mut faults);
        let question = customer.zip(status).zip(method.zip(kind)).zip(attention.zip(window.zip(page)));
        let question = question.map(|(((customer, status), (method, kind)), (attention, (window, page)))| {
            Self { customer, status, method, kind, needs_attention: attention, window, page }
        });
        faults.settle(question)
    }
}

fn yes_or_no(field: &str, text: Option<&str>) -> Result<bool, Fault> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Fault::new(field, "must be true or false")),
    }
}

/// Reads a filter by one of a few words.
///
/// # Errors
/// It is none of them.
pub fn one_of<'a, T: Deserialize<'a>>(
    field: &str,
    text: Option<&'a str>,
    words: &str,
) -> Result<Option<T>, Fault> {
    text.map(|text| word(text).ok_or_else(|| Fault::new(field, format!("must be {words}")))).transpose()
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

    fn wish(json: &str) -> NewPayment {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_key_is_a_visible_word() {
        let key = IdempotencyKey::read(Some("a-1~!")).unwrap();
        assert_eq!(key.of(&UserId::new("customer-001").unwrap()), "customer-001|a-1~!");
        let (longest, longer) = ("x".repeat(200), "x".repeat(201));
        assert!(IdempotencyKey::read(Some(&longest)).is_ok());
        for wrong in [None, Some(""), Some("a b"), Some("ä"), Some("a\tb"), Some(longer.as_str())] {
            assert_eq!(fields(IdempotencyKey::read(wrong)), [IDEMPOTENCY_KEY], "{wrong:?}");
        }
    }

    #[test]
    fn customers_pay_through_gateways() {
        let good = wish(r#"{"payment_method": "midtrans", "amount": 50000, "voucher_code": "A"}"#);
        let read = good.clone().check(false).unwrap();
        assert_eq!((read.purpose, read.method), (Purpose::TopUp(50_000), PaymentMethod::Midtrans));
        let bill = wish(r#"{"payment_method": "xendit", "payment_type": "water_bill", "bill_id": "b"}"#);
        assert_eq!(bill.check(false).unwrap().purpose, Purpose::Bill("b".to_owned()));
        for (json, wrong) in [
            (r#"{"payment_method": "manual", "amount": 1, "reason": "x"}"#, vec!["payment_method", "reason"]),
            (r#"{"payment_method": "xendit"}"#, vec!["amount"]),
            (r#"{"payment_method": "xendit", "amount": 0, "bill_id": "b"}"#, vec!["bill_id", "amount"]),
            (
                r#"{"payment_method": "xendit", "amount": -5, "voucher_code": " "}"#,
                vec!["amount", "voucher_code"],
            ),
            (
                r#"{"payment_method": "xendit", "payment_type": "water_bill", "amount": 1}"#,
                vec!["amount", "bill_id"],
            ),
            (
                r#"{"payment_method": "xendit", "payment_type": "water_bill", "bill_id": "", "return_url": "x"}"#,
                vec!["bill_id", "return_url"],
            ),
        ] {
            assert_eq!(fields(wish(json).check(false)), wrong, "{json}");
        }
        assert_eq!(fields(good.check(true)), ["payment_method", "customer_id", "reason"]);
    }

    #[test]
    fn administrators_say_for_whom_and_why() {
        let json = r#"{"payment_method": "manual", "amount": 1, "customer_id": "c", "reason": "Cash"}"#;
        assert_eq!(wish(json).check(true).unwrap().reason.as_deref(), Some("Cash"));
        let sent = r#"{"payment_method": "manual", "amount": 1, "customer_id": "c", "reason": " ",
            "return_url": "https://a"}"#;
        assert_eq!(fields(wish(sent).check(true)), ["reason", "return_url"]);
        for strange in [r#"{"payment_method": "cash"}"#, r#"{"payment_method": "manual", "customer_id": ""}"#]
        {
            assert!(serde_json::from_str::<NewPayment>(strange).is_err(), "{strange}");
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

    #[test]
    fn refunds_and_confirmations_say_why() {
        let refund = |json: &str| serde_json::from_str::<NewRefund>(json).unwrap().check();
        assert!(!refund(r#"{"reason": "Paid twice"}"#).unwrap().by_hand);
        assert_eq!(fields(refund(r#"{"amount": 0, "reason": ""}"#)), ["amount", "reason"]);
        assert_eq!(fields(Confirmation { reason: " ".to_owned() }.check()), ["reason"]);
    }

    #[test]
    fn every_filter_is_read_or_refused() {
        let nothing = PaymentsTexts::default();
        let question = PaymentsQuestion::read(PaymentsTexts {
            status: Some("paid"),
            payment_method: Some("manual"),
            payment_type: Some("water_bill"),
            needs_attention: Some("true"),
            from: Some("2026-11-22"),
            ..nothing
        })
        .unwrap();
        assert_eq!((question.status, question.needs_attention), (Some(PaymentStatus::Paid), true));
        assert_eq!(question.window, Window { from: 1_795_280_400, to: 0 });
        let wrong = PaymentsTexts {
            customer_id: Some(""),
            status: Some("done"),
            payment_method: Some("cash"),
            payment_type: Some(""),
            needs_attention: Some("perhaps"),
            from: Some("now"),
            to: Some("then"),
            page_size: Some("0"),
            page_token: None,
        };
        assert_eq!(
            fields(PaymentsQuestion::read(wrong)),
            [
                "customer_id",
                "status",
                "payment_method",
                "payment_type",
                "needs_attention",
                "from",
                "to",
                "page_size"
            ]
        );
    }
}
