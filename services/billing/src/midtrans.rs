//! Midtrans: Snap for the page where customers pay, the Core API for everything after.
//!
//! - **Create** is repeatable: the order id makes it so. Midtrans may answer with a page again while nobody has begun to pay,
//!   and says after that, or at once, that the order id was used ([`GatewayError::Taken`]); the status tells which it is.
//! - **Status** knows an order only once the customer has chosen a method. It tells of the latest transaction: a customer
//!   whose card was denied may pay with another method.
//! - **Refund** is repeatable by its key. A card payment that is captured and not settled yet cannot be refunded, only
//!   cancelled; Midtrans says so.
//!
//! - **Fees** that Midtrans adds for itself ("automatic fee imposition") are in `gross_amount`, and what was asked is
//!   `extra_info.gross_amount_info.original_amount`, or the same under `metadata`, as a text or a number.
//!
//! Answers of the Core API carry their status code in the body, and older ones have 200 in the header all the same; the
//! body counts.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha512};

use jiff::tz::TimeZone;

use crate::domain::hex;
use crate::domain::payment::{Finding, Observation, Rupiah, Times};
use crate::gateway::{
    GatewayError, Hint, Money, Order, OrderId, Page, Refund, Rejected, WESTERN_INDONESIA, moment, read, same,
    shortened,
};
use crate::http_client::{Answer, Call, CallError, Caller, Guard, Patience};

/// Where production serves Snap.
pub const SNAP_URL: &str = "https://app.midtrans.com";
/// Where production serves the Core API.
pub const API_URL: &str = "https://api.midtrans.com";
/// Where the sandbox serves Snap.
pub const SANDBOX_SNAP_URL: &str = "https://app.sandbox.midtrans.com";
/// Where the sandbox serves the Core API.
pub const SANDBOX_API_URL: &str = "https://api.sandbox.midtrans.com";

/// How to reach Midtrans.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base URL of Snap.
    pub snap_url: String,
    /// Base URL of the Core API.
    pub api_url: String,
    /// The merchant's server key: user of basic authentication, and part of every signature.
    pub server_key: SecretString,
    /// How calls are bounded.
    pub patience: Patience,
}

/// A merchant's account at Midtrans.
#[derive(Clone, Debug)]
pub struct Midtrans {
    snap: Caller,
    api: Caller,
    key: SecretString,
}

impl Midtrans {
    /// A client.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, CallError> {
        let Settings { snap_url, api_url, server_key, patience } = settings;
        let guard = Guard::new(patience);
        Ok(Self {
            snap: Caller::new(&snap_url, server_key.clone(), patience, guard.clone())?,
            api: Caller::new(&api_url, server_key.clone(), patience, guard)?,
            key: server_key,
        })
    }

    /// Makes the page where the customer pays.
    ///
    /// # Errors
    /// Midtrans refused, or did not answer.
    pub async fn create(&self, order: &Order) -> Result<Page, GatewayError> {
        let call = Call::post("/snap/v1/transactions".to_owned(), transaction(order)).repeatable();
        let answer = self.snap.call(&call).await?;
        if answer.status == 201 {
            let Created { token, redirect_url } = read(&answer)?;
            return Ok(Page { reference: token, url: redirect_url });
        }
        let Refusal { error_messages } = read(&answer).unwrap_or_default();
        let message = error_messages.join("; ");
        Err(if (400..500).contains(&answer.status) && is_taken(&message) {
            GatewayError::Taken
        } else if answer.status == 404 {
            GatewayError::Locked { status: 404, message: "there is nothing that makes pages".to_owned() }
        } else {
            GatewayError::of_status(answer.status, &message)
        })
    }

    /// How the order stands.
    ///
    /// # Errors
    /// Midtrans did not answer, or not in a way that is understood.
    pub async fn status(&self, order: &OrderId) -> Result<Observation, GatewayError> {
        let answer = self.api.call(&Call::get(format!("/v2/{order}/status"))).await?;
        match accepted(&answer) {
            // A transaction that was denied is answered with 202, one that expired with 407; the status says it too.
            Ok(()) | Err(GatewayError::Refused { status: 407, .. }) => {
                observation(&read::<Transaction>(&answer)?)
            }
            Err(GatewayError::Unknown) => Ok(Observation::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Cancels: what nobody paid yet, or a captured card payment that is not settled.
    ///
    /// # Errors
    /// Midtrans refused, for instance because it was paid, or did not answer.
    pub async fn cancel(&self, order: &OrderId) -> Result<(), GatewayError> {
        self.change(Call::post(format!("/v2/{order}/cancel"), json!({})).repeatable()).await
    }

    /// Ends a pending transaction before its time.
    ///
    /// # Errors
    /// Midtrans refused, or did not answer.
    pub async fn expire(&self, order: &OrderId) -> Result<(), GatewayError> {
        match self.change(Call::post(format!("/v2/{order}/expire"), json!({})).repeatable()).await {
            // 407 is how it says that the transaction expired, which was asked for.
            Err(GatewayError::Refused { status: 407, .. }) => Ok(()),
            outcome => outcome,
        }
    }

    /// Gives back some or all of a settled payment: of the transaction, which Midtrans takes in the place of the order.
    ///
    /// # Errors
    /// Midtrans refused, or did not answer.
    pub async fn refund(&self, order: &OrderId, refund: &Refund) -> Result<(), GatewayError> {
        let body =
            json!({ "refund_key": refund.key, "amount": refund.amount.get(), "reason": refund.reason });
        let transaction = refund.transaction.as_deref().and_then(OrderId::new);
        let of = transaction.as_ref().unwrap_or(order);
        match self.change(Call::post(format!("/v2/{of}/refund"), body).repeatable()).await {
            // The key was used: an earlier try arrived, and the money went back then.
            Err(GatewayError::Refused { status: 406, .. }) => Ok(()),
            outcome => outcome,
        }
    }

    async fn change(&self, call: Call) -> Result<(), GatewayError> {
        accepted(&self.api.call(&call).await?)
    }

    /// Reads a notification and checks that Midtrans signed it. Fields that are not known are ignored.
    ///
    /// # Errors
    /// It cannot be read, or somebody else made it.
    pub fn notification(&self, body: &[u8]) -> Result<Hint, Rejected> {
        let told: Notification =
            serde_json::from_slice(body).map_err(|error| Rejected::Unreadable(error.to_string()))?;
        let right =
            signature(&told.order_id, &told.status_code, &told.gross_amount, self.key.expose_secret());
        if !same(&right, &told.signature_key) {
            return Err(Rejected::Forged);
        }
        Ok(Hint {
            order_id: Some(told.order_id),
            transaction: told.transaction_id,
            says: told.transaction_status,
        })
    }
}

/// Hex SHA-512 of the strings as they were received and the server key. It does not cover the transaction's status.
pub fn signature(order_id: &str, status_code: &str, gross_amount: &str, server_key: &str) -> String {
    let mut hash = Sha512::new();
    for part in [order_id, status_code, gross_amount, server_key] {
        hash.update(part);
    }
    hex(&hash.finalize())
}

fn transaction(order: &Order) -> serde_json::Value {
    let amount = order.amount.get();
    let zone = TimeZone::fixed(WESTERN_INDONESIA);
    let start = order.created_at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %z").to_string();
    let mut body = json!({
        "transaction_details": { "order_id": order.id.as_str(), "gross_amount": amount },
        // Midtrans refuses names above 50 characters.
        "item_details": [{ "id": "topup", "price": amount, "quantity": 1, "name": cut(&order.description, 50) }],
        "customer_details": { "first_name": order.customer_name, "email": order.customer_email },
        "expiry": { "start_time": start, "unit": "minute", "duration": (order.payable.as_secs() / 60).max(1) },
    });
    if let Some(url) = &order.return_url {
        body["callbacks"] = json!({ "finish": url });
    }
    body
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// "has already been taken", "sudah digunakan", "has been paid and utilized": whatever the language of the account.
fn is_taken(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("order_id")
        && ["taken", "digunakan", "utilized"].iter().any(|word| message.contains(word))
}

/// Whether the Core API did what it was asked.
fn accepted(answer: &Answer) -> Result<(), GatewayError> {
    let Verdict { status_code, status_message } = read(answer)?;
    let status = match status_code {
        None | Some(Code::Text(None)) => answer.status,
        Some(Code::Number(status)) => status,
        Some(Code::Text(Some(text))) => text
            .trim()
            .parse()
            .map_err(|_| GatewayError::NotUnderstood("its status code is no number".to_owned()))?,
    };
    match status {
        200..=299 => Ok(()),
        404 => Err(GatewayError::Unknown),
        // How it says that a transaction expired, whatever else it says.
        407 => Err(GatewayError::Refused { status, message: "it expired".to_owned() }),
        _ => Err(GatewayError::of_status(status, &status_message.unwrap_or_default())),
    }
}

fn observation(told: &Transaction) -> Result<Observation, GatewayError> {
    if told.currency.as_deref().is_some_and(|currency| !currency.is_empty() && currency != "IDR") {
        return Err(GatewayError::NotUnderstood("its amounts are not in rupiah".to_owned()));
    }
    let transaction = told.transaction_id.clone();
    Ok(Observation::Transaction { transaction, finding: finding(told)?, times: told.times() })
}

/// The table from what Midtrans says to what it means.
///
/// A deny or a cancel that has a time of settlement took back money that had come. One without may have, too: the
/// payment remembers whether the same transaction was paid.
fn finding(told: &Transaction) -> Result<Finding, GatewayError> {
    let settled = told.settlement_time.is_some();
    let (amount, fee) = (told.gross_amount.0, told.fee());
    let fraud = told.fraud_status.as_deref().filter(|fraud| !fraud.is_empty());
    Ok(match (told.transaction_status.as_str(), fraud) {
        ("authorize" | "capture" | "settlement", Some("challenge")) => Finding::Challenged,
        ("pending" | "authorize", _) => Finding::Pending,
        ("capture" | "settlement", None | Some("accept")) => Finding::Paid { amount, fee },
        ("capture" | "settlement", Some("deny")) => Finding::Denied,
        ("deny" | "cancel", _) if settled => Finding::Reversed,
        ("deny" | "failure", _) => Finding::Denied,
        ("cancel", _) => Finding::Cancelled,
        ("expire", _) => Finding::Expired,
        ("refund", _) => Finding::Refunded { amount, fee, total: told.refunded().unwrap_or(amount) },
        ("partial_refund" | "partial_chargeback", _) => {
            let missing = || GatewayError::NotUnderstood("it does not say how much was refunded".to_owned());
            Finding::Refunded { amount, fee, total: told.refunded().ok_or_else(missing)? }
        }
        ("chargeback", _) => Finding::Reversed,
        (other, fraud) => {
            let told = format!("transaction_status {other:?}, fraud_status {fraud:?}");
            return Err(GatewayError::NotUnderstood(shortened(&told)));
        }
    })
}

#[derive(Deserialize)]
struct Created {
    token: String,
    redirect_url: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error_messages: Vec<String>,
}

#[derive(Deserialize)]
struct Verdict {
    status_code: Option<Code>,
    status_message: Option<String>,
}

/// A status code, as a text or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Code {
    Number(u16),
    Text(Option<String>),
}

#[derive(Deserialize)]
struct Transaction {
    transaction_id: String,
    transaction_status: String,
    fraud_status: Option<String>,
    gross_amount: Money,
    currency: Option<String>,
    payment_type: Option<String>,
    transaction_time: Option<String>,
    settlement_time: Option<String>,
    refund_amount: Option<Money>,
    refunds: Option<Vec<RefundPart>>,
    // What may stand in these two is documented nowhere as a whole, so nothing strange in them spoils the rest.
    extra_info: Option<Box<RawValue>>,
    metadata: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct RefundPart {
    refund_amount: Money,
    created_at: Option<String>,
    bank_confirmed_at: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    extra_info: Option<ExtraInfo>,
}

#[derive(Deserialize)]
struct ExtraInfo {
    gross_amount_info: Option<AmountInfo>,
}

#[derive(Deserialize)]
struct AmountInfo {
    original_amount: Option<Money>,
    customer_imposed_payment_fee: Option<Money>,
}

impl Transaction {
    /// Everything refunded so far: the total if it is there, or the sum of the parts, whichever is more.
    fn refunded(&self) -> Option<Rupiah> {
        let parts = self.refunds.iter().flatten().map(|part| part.refund_amount.0).reduce(Rupiah::and);
        parts.max(self.refund_amount.map(|total| total.0))
    }

    /// What Midtrans added for itself.
    fn fee(&self) -> Rupiah {
        let extra = |raw: &RawValue| serde_json::from_str::<ExtraInfo>(raw.get()).ok();
        let metadata = |raw: &RawValue| serde_json::from_str::<Metadata>(raw.get()).ok()?.extra_info;
        let info = |extra: ExtraInfo| extra.gross_amount_info;
        let found = self.extra_info.as_deref().and_then(extra).and_then(info);
        let found = found.or_else(|| self.metadata.as_deref().and_then(metadata).and_then(info));
        found.map_or(Rupiah::ZERO, |info| match (info.original_amount, info.customer_imposed_payment_fee) {
            (Some(original), _) => self.gross_amount.0.less(original.0),
            (None, Some(fee)) => fee.0,
            (None, None) => Rupiah::ZERO,
        })
    }

    fn times(&self) -> Times {
        let read = |text: &Option<String>| text.as_deref().and_then(moment);
        // Cards are charged at once, and settled a day later.
        let is_card = self.payment_type.as_deref() == Some("credit_card");
        let paid = if is_card { None } else { read(&self.settlement_time) };
        let given = self.refunds.iter().flatten();
        let returned = given.filter_map(|part| read(&part.bank_confirmed_at).or(read(&part.created_at)));
        Times { paid: paid.or_else(|| read(&self.transaction_time)), returned: returned.max() }
    }
}

#[derive(Deserialize)]
struct Notification {
    order_id: String,
    status_code: String,
    gross_amount: String,
    signature_key: String,
    transaction_status: String,
    transaction_id: Option<String>,
}

#[cfg(test)]
#[path = "midtrans_tests.rs"]
mod tests;
