//! What all payment gateways have in common: what they are asked, what they answer, what they tell by themselves.
//!
//! A gateway's notification is a hint to ask for the state, and nothing more: Midtrans' signature does not cover the
//! status, and Xendit's token proves only that the sender knows it. So [`Hint`] carries no amount.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha512};
use subtle::ConstantTimeEq as _;

use crate::domain::hex;
use crate::domain::payment::{Observation, Rupiah};
use crate::http_client::{Answer, CallError};
use crate::midtrans::Midtrans;
use crate::xendit::Xendit;

/// The id of an order at a gateway: 1 to 50 of `A-Z a-z 0-9 - _ ~ .`, as Midtrans takes it. One for each payment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderId(String);

impl OrderId {
    /// An id, if it can be one.
    pub fn new(id: &str) -> Option<Self> {
        let length = (1..=50).contains(&id.len());
        // A path of dots would lead elsewhere.
        (length && id.bytes().all(is_plain) && !id.bytes().all(|byte| byte == b'.'))
            .then(|| Self(id.to_owned()))
    }

    /// It as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte)
}

/// What a customer is to pay.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// How much.
    pub amount: Rupiah,
    /// What for, as the customer reads it.
    pub description: String,
    /// Who pays.
    pub customer_name: String,
    /// Their address.
    pub customer_email: String,
    /// Since when it can be paid.
    pub created_at: Timestamp,
    /// How long it can be paid.
    pub payable: Duration,
    /// Where the customer is sent afterwards.
    pub return_url: Option<String>,
}

/// Where a customer pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What the gateway calls it.
    pub reference: String,
    /// Its address.
    pub url: String,
}

/// What to give back of an order.
#[derive(Clone, Debug)]
pub struct Refund {
    /// The same for the same refund: the gateway gives it back once. `A-Z a-z 0-9 - _`.
    pub key: String,
    /// The gateway's transaction out of which it is given, where an order may have several.
    pub transaction: Option<String>,
    /// How much.
    pub amount: Rupiah,
    /// Why, for the bank.
    pub reason: String,
}

/// What a notification that is genuine points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The order, if the notification names it.
    pub order_id: Option<String>,
    /// The gateway's own id: of the transaction (Midtrans) or of the invoice (Xendit).
    pub transaction: Option<String>,
    /// What it says, in the gateway's words. For logs.
    pub says: String,
}

/// Why a notification is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is not what the gateway sends.
    #[error("the notification cannot be read: {0}")]
    Unreadable(String),
    /// Its signature or its token is wrong.
    #[error("the notification is not from the gateway")]
    Forged,
}

/// Why a gateway did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It does not answer; whether it did it is not known. Ask for the state, or try again later.
    #[error("{why}")]
    Unavailable {
        /// What was seen.
        why: String,
        /// After how long it may be asked again, if that is known.
        after: Option<Duration>,
    },
    /// It does not accept us: our key or our address of it is wrong. That says nothing about what it was asked.
    #[error("the gateway does not accept us ({status}): {message}")]
    Locked {
        /// Status code.
        status: u16,
        /// In its words.
        message: String,
    },
    /// It said no to what it was asked, and will again.
    #[error("the gateway refused with {status}: {message}")]
    Refused {
        /// Status code.
        status: u16,
        /// In its words.
        message: String,
    },
    /// The order id was used for another order, or for this one: its answer was lost, or the customer has begun to pay.
    #[error("the gateway knows this order already")]
    Taken,
    /// It knows no such order, or the customer has not chosen a method yet.
    #[error("the gateway does not know this order")]
    Unknown,
    /// What it said is not what it is documented to say. A person has to look.
    #[error("the gateway's answer is not understood: {0}")]
    NotUnderstood(String),
}

impl GatewayError {
    /// Whether the gateway's word stands: it said no, and will again. Otherwise nobody knows what it did, or the trouble is
    /// ours.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Taken | Self::Unknown)
    }

    /// What somebody said no to whose status is not one of success: to us (401, 403, and what no gateway says of an order,
    /// as a wrong address does), or to what was asked. A no that is not in the gateway's own words is nobody's.
    pub(crate) fn of_status(status: u16, words: &str) -> Self {
        let message = shortened(words);
        match status {
            401 | 403 | 405 => Self::Locked { status, message },
            408 | 425 | 429 | 500..=599 => {
                Self::Unavailable { why: format!("the gateway answers with {status}"), after: None }
            }
            400..=499 if !message.is_empty() => Self::Refused { status, message },
            _ => Self::NotUnderstood(format!("status {status} without the gateway's words")),
        }
    }
}

impl From<CallError> for GatewayError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unavailable { ref why, after } => {
                Self::Unavailable { why: format!("the gateway does not answer: {why}"), after }
            }
            CallError::Broken(_) => Self::NotUnderstood(error.to_string()),
        }
    }
}

/// One of the gateways, so that use cases do not care which.
#[derive(Clone, Debug)]
pub enum Gateway {
    /// Midtrans Snap.
    Midtrans(Midtrans),
    /// Xendit invoices.
    Xendit(Xendit),
}

impl Gateway {
    /// Its name, as `payment_transactions.payment_method` has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Midtrans(_) => "midtrans",
            Self::Xendit(_) => "xendit",
        }
    }

    /// Makes the page where the customer pays. Asking again for the same order makes no second one.
    ///
    /// # Errors
    /// The gateway refused, or did not answer.
    pub async fn create(&self, order: &Order) -> Result<Page, GatewayError> {
        match self {
            Self::Midtrans(gateway) => gateway.create(order).await,
            Self::Xendit(gateway) => gateway.create(order).await,
        }
    }

    /// How the order stands: an observation for each transaction that the gateway tells of, or that it tells of none.
    ///
    /// # Errors
    /// The gateway did not answer, or not in a way that is understood.
    pub async fn status(&self, order: &OrderId) -> Result<Vec<Observation>, GatewayError> {
        match self {
            Self::Midtrans(gateway) => Ok(vec![gateway.status(order).await?]),
            Self::Xendit(gateway) => gateway.status(order).await,
        }
    }

    /// Ends an order that nobody paid. Ask for the status afterwards: the customer may have been faster.
    ///
    /// # Errors
    /// The gateway refused, or did not answer.
    pub async fn end(&self, order: &OrderId) -> Result<(), GatewayError> {
        match self {
            Self::Midtrans(gateway) => gateway.cancel(order).await,
            Self::Xendit(gateway) => gateway.expire(order).await,
        }
    }

    /// Gives back some or all of what was paid, once for each key. Ask for the status afterwards: some refunds take days.
    ///
    /// # Errors
    /// The gateway refused, or did not answer.
    pub async fn refund(&self, order: &OrderId, refund: &Refund) -> Result<(), GatewayError> {
        match self {
            Self::Midtrans(gateway) => gateway.refund(order, refund).await,
            Self::Xendit(gateway) => gateway.refund(order, refund).await,
        }
    }
}

/// Money as a gateway writes it, in a text or as a JSON number, taken digit by digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Money(pub(crate) Rupiah);

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get().trim_matches('"').trim();
        Rupiah::parse(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A moment as a gateway writes it: with its offset, or without one in western Indonesia, as Midtrans does. None if it is
/// neither; it is not worth more than the rest of an answer.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let local = DateTime::strptime("%Y-%m-%d %H:%M:%S", text.trim()).ok()?;
    local.to_zoned(TimeZone::fixed(WESTERN_INDONESIA)).ok().map(|zoned| zoned.timestamp())
}

/// Western Indonesia, in which Midtrans writes and reads times.
pub(crate) const WESTERN_INDONESIA: Offset = Offset::constant(7);

/// Reads the body of an answer.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, GatewayError> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        // The error of serde_json says where and what kind, never a value of a secret.
        GatewayError::NotUnderstood(format!("status {}: {error}", answer.status))
    })
}

/// Whether two texts are equal, in a time that depends on neither's content.
pub(crate) fn same(one: &str, other: &str) -> bool {
    // Of the hashes, so that not even the length shows.
    Sha512::digest(one).ct_eq(&Sha512::digest(other)).into()
}

/// The key by which a gateway knows a refund of payment `id` that its caller calls `key`, in characters that every gateway takes.
pub fn refund_key(id: &str, key: &str) -> String {
    format!("refund-{}", hex(&Sha512::digest(format!("{id}|{key}"))[..16]))
}

/// At most the first 300 characters, for logs and people.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_ids_are_safe_in_an_address() {
        for good in ["a", "payment-0190b2f0-1c5e-7c3e-9a55-0d1f5a8a6f7e", "A.b_c~d-1"] {
            assert!(OrderId::new(good).is_some(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a?b", "é", &"x".repeat(51)] {
            assert!(OrderId::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn money_is_read_without_floats() {
        let read = |text: &str| serde_json::from_str::<Money>(text).map(|money| money.0.get()).ok();
        for text in ["10000", "10000.0", "\"10000.00\"", "\"10000\"", "1e4", "1E+4", "1.0e4", "\"1e4\""] {
            assert_eq!(read(text), Some(10_000), "{text}");
        }
        // As a float this would be the amount that follows.
        assert_eq!(read("999999999999999.0"), Some(999_999_999_999_999));
        for text in ["10000.4", "1.00005e4", "-1", "null", "[1]", "\"\"", "9007199254740993"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn moments_are_read_with_and_without_an_offset() {
        let right = "2026-01-15T03:00:00Z".parse().ok();
        for text in ["2026-01-15 10:00:00", "2026-01-15T03:00:00.000Z", "2026-01-15T10:00:00+07:00"] {
            assert_eq!(moment(text), right, "{text}");
        }
        assert_eq!((moment(""), moment("yesterday")), (None, None));
    }

    #[test]
    fn only_a_refusal_in_the_gateways_words_is_final() {
        for (status, words, is_final) in [
            (400, "gross_amount is too low", true),
            (422, "no", true),
            (400, "", false),
            (401, "unauthorized", false),
            (403, "forbidden", false),
            (429, "busy", false),
            (503, "down", false),
            (200, "", false),
        ] {
            assert_eq!(GatewayError::of_status(status, words).is_final(), is_final, "{status} {words}");
        }
    }

    #[test]
    fn equal_texts_are_the_same() {
        assert!(same("token", "token"));
        assert!(!same("token", "tokem"));
        assert!(!same("token", "token "));
        assert!(!same("", "token"));
    }
}
