//! What somebody wants to pay: read, bounded, and told from what was asked for with the same key before.

use indowater_common::domain::request::{Problems, check_length};
use sha2::{Digest as _, Sha256};

use super::hex;
use super::payment::Rupiah;

/// Through whom the money comes, as `payment_transactions.payment_method` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Midtrans Snap.
    Midtrans,
    /// Xendit invoices.
    Xendit,
    /// An administrator took it.
    Manual,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::Midtrans, Self::Xendit, Self::Manual];

    /// Its name in documents and accounts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Midtrans => "midtrans",
            Self::Xendit => "xendit",
            Self::Manual => "manual",
        }
    }

    /// The method of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// What for, as `payment_transactions.payment_type` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The balance is to rise by so much.
    TopUp(Rupiah),
    /// The bill of that id.
    Bill(String),
}

/// Bounds of a payment, whole rupiah.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least that a customer is asked for in a top-up, or after a voucher: banks and shops refuse less.
    pub least: Rupiah,
    /// The most of a top-up: beyond it somebody mistyped.
    pub most: Rupiah,
}

/// What somebody wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Who asks, and the key they chose: the same for the same wish.
    pub key: String,
    /// `users.id`.
    pub customer_id: String,
    /// For the gateway's page.
    pub customer_name: String,
    /// For the gateway's page and the receipt.
    pub customer_email: String,
    /// How.
    pub method: Method,
    /// What for.
    pub purpose: Purpose,
    /// A voucher to redeem.
    pub voucher_code: Option<String>,
    /// Where the gateway sends the customer afterwards.
    pub return_url: Option<String>,
    /// `users.id` of the administrator who took the money.
    pub made_by: Option<String>,
    /// Why by hand.
    pub reason: Option<String>,
}

/// A voucher would leave less to pay than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("With the voucher Rp {left} would be left to pay; that has to be nothing or at least Rp {least}.")]
pub struct TooLittle {
    left: Rupiah,
    least: Rupiah,
}

const LONGEST_KEY: usize = 300;
const LONGEST_TEXT: usize = 500;
const LONGEST_URL: usize = 2_000;

impl Purchase {
    /// Checks it.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn check(self, bounds: Bounds) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut required = |field: &str, text: &str, most| {
            if text.is_empty() {
                problems.add(field, "is missing");
            }
            check_length(text, most, field, &mut problems);
        };
        required("key", &self.key, LONGEST_KEY);
        required("customer_id", &self.customer_id, LONGEST_TEXT);
        required("customer_email", &self.customer_email, LONGEST_TEXT);
        if self.method == Method::Manual {
            required("made_by", self.made_by.as_deref().unwrap_or_default(), LONGEST_TEXT);
            required("reason", self.reason.as_deref().unwrap_or_default(), LONGEST_TEXT);
        }
        if let Purpose::Bill(id) = &self.purpose {
            required("bill_id", id, LONGEST_TEXT);
        }
        if let Some(code) = &self.voucher_code {
            required("voucher_code", code, LONGEST_TEXT);
        }
        if let Some(url) = &self.return_url {
            required("return_url", url, LONGEST_URL);
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                problems.add("return_url", "must be a URL of http or https");
            }
        }
        if let Purpose::TopUp(amount) = self.purpose {
            // With a voucher, what is left counts.
            let any = self.method == Method::Manual || self.voucher_code.is_some();
            let least = if any { Rupiah::whole(1) } else { bounds.least };
            if !(least..=bounds.most).contains(&amount) {
                problems.add("amount", format_args!("must be from {least} to {} rupiah", bounds.most));
            }
        }
        problems.or(self)
    }

    /// What the customer is asked for, with what a voucher takes off. A voucher leaves nothing, for which no gateway is needed, or as
    /// much as gateways take; the voucher service says the same before.
    ///
    /// # Errors
    /// Too little is left.
    pub fn asked(
        &self,
        bounds: Bounds,
        amount: Rupiah,
        discount: Option<Rupiah>,
    ) -> Result<Rupiah, TooLittle> {
        let Some(discount) = discount else { return Ok(amount) };
        let left = amount.less(discount);
        let enough = left.is_zero() || left >= bounds.least;
        if enough { Ok(left) } else { Err(TooLittle { left, least: bounds.least }) }
    }

    /// The id of the payment: it follows from the key, so a repeated wish finds the payment it made.
    pub fn payment_id(&self) -> String {
        let digest = Sha256::digest(&self.key);
        // 30 of 32 bytes in hexadecimal would be too long for an order id; 16 are as many as a UUID has.
        format!("payment-{}", hex(&digest[..16]))
    }

    /// Tells this wish from another one with the same key. The name and the address of the customer are not part of it, for
    /// they may have changed since.
    pub fn fingerprint(&self) -> String {
        let (purpose, what) = match &self.purpose {
            Purpose::TopUp(amount) => ("balance_topup", amount.to_string()),
            Purpose::Bill(id) => ("water_bill", id.clone()),
        };
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let parts = [
            self.customer_id.clone(),
            self.method.name().to_owned(),
            purpose.to_owned(),
            what,
            optional(&self.voucher_code).to_uppercase(),
            optional(&self.return_url),
            optional(&self.made_by),
            optional(&self.reason),
        ];
        let mut hash = Sha256::new();
        for part in parts {
            // With its length, so that no two lists of parts read alike.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hex(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { least: Rupiah::whole(10_000), most: Rupiah::whole(100_000_000) };

    fn wish(method: Method, amount: u32) -> Purchase {
        Purchase {
            key: "customer-001|k".to_owned(),
            customer_id: "customer-001".to_owned(),
            customer_name: "Siti".to_owned(),
            customer_email: "siti@example.com".to_owned(),
            method,
            purpose: Purpose::TopUp(Rupiah::whole(amount)),
            voucher_code: None,
            return_url: None,
            made_by: None,
            reason: None,
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = Purchase {
            key: String::new(),
            voucher_code: Some(String::new()),
            return_url: Some("javascript:alert(1)".to_owned()),
            ..wish(Method::Manual, 0)
        };
        let text = wrong.check(BOUNDS).unwrap_err().to_string();
        for field in ["key", "voucher_code", "return_url", "made_by", "reason", "amount"] {
            assert!(text.contains(field), "{field} is missing in {text}");
        }
    }

    #[test]
    fn a_top_up_has_bounds_and_cash_has_none_below() {
        assert!(wish(Method::Midtrans, 10_000).check(BOUNDS).is_ok());
        assert!(wish(Method::Midtrans, 9_999).check(BOUNDS).is_err());
        assert!(wish(Method::Xendit, 100_000_001).check(BOUNDS).is_err());
        let by = Some("admin-001".to_owned());
        let cash = Purchase { made_by: by.clone(), reason: by, ..wish(Method::Manual, 500) };
        assert!(cash.check(BOUNDS).is_ok());
    }

    #[test]
    fn a_voucher_leaves_nothing_or_enough() {
        let rupiah = Rupiah::whole;
        let with_voucher =
            |amount| Purchase { voucher_code: Some("A".to_owned()), ..wish(Method::Xendit, amount) };
        assert!(with_voucher(1).check(BOUNDS).is_ok() && with_voucher(100_000_001).check(BOUNDS).is_err());
        let asked = |off| with_voucher(50_000).asked(BOUNDS, rupiah(50_000), Some(rupiah(off)));
        assert_eq!((asked(40_000), asked(50_000)), (Ok(rupiah(10_000)), Ok(Rupiah::ZERO)));
        let why = asked(40_001).unwrap_err().to_string();
        assert!(why.contains("Rp 9999 would be left") && why.contains("at least Rp 10000"), "{why}");
        // The rest of a bill may be less than that, and is asked for all the same.
        let bill = Purchase { purpose: Purpose::Bill("b".to_owned()), ..wish(Method::Xendit, 1) };
        assert_eq!(bill.asked(BOUNDS, rupiah(5), None), Ok(rupiah(5)));
    }

    #[test]
    fn the_same_key_is_the_same_payment_and_other_content_shows() {
        let one = wish(Method::Midtrans, 10_000);
        assert_eq!(one.payment_id().len(), 40);
        let renamed = Purchase { customer_name: "Siti Aminah".to_owned(), ..one.clone() };
        assert_eq!((renamed.payment_id(), renamed.fingerprint()), (one.payment_id(), one.fingerprint()));
        let code = |code: &str| Purchase { voucher_code: Some(code.to_owned()), ..one.clone() };
        assert_eq!(code("hemat").fingerprint(), code("HEMAT").fingerprint());
        let bill = Purchase { purpose: Purpose::Bill("10000".to_owned()), ..one.clone() };
        for other in [wish(Method::Xendit, 10_000), wish(Method::Midtrans, 10_001), code("HEMAT"), bill] {
            assert_eq!(other.payment_id(), one.payment_id());
            assert_ne!(other.fingerprint(), one.fingerprint());
        }
        let keyed = Purchase { key: "customer-002|k".to_owned(), ..one.clone() };
        assert_ne!(keyed.payment_id(), one.payment_id());
    }
}
