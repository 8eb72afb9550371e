//! Xendit invoices.
//!
//! - **Create** is not idempotent at Xendit: it makes a second invoice for the same `external_id`. So what there is, is
//!   looked up first, and again after a try of which nobody knows whether it arrived. Two tries that overlap could still
//!   make two invoices; [`Xendit::status`] tells of all of them, and the payment credits one.
//! - **Status** asks by our id for all invoices, and for the refunds of those that were paid: an invoice does not show
//!   them.
//! - **Fees**: an invoice lists `fees`, what is added to the price. Where `paid_amount` is more than was asked, they say how
//!   much of that is nobody's payment for water. `fees_paid_amount` and `adjusted_received_amount` are what Xendit charges the
//!   merchant later, and change nothing for the customer.
//! - **Refund** goes through `POST /refunds` with the invoice's id and an idempotency key. Not every method can be
//!   refunded (virtual accounts and shops cannot); Xendit refuses those, and an administrator gives the money back by
//!   hand.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::domain::payment::{Finding, Observation, Rupiah, Times};
use crate::gateway::{
    GatewayError, Hint, Money, Order, OrderId, Page, Refund, Rejected, moment, read, same, shortened,
};
use crate::http_client::{Answer, Call, CallError, Caller, Guard, Patience};

/// Where Xendit serves, in test and in production.
pub const API_URL: &str = "https://api.xendit.co";
/// Refunds on a page; the most that Xendit gives.
const PAGE: usize = 100;
/// The most pages of refunds of one invoice.
const MOST_PAGES: usize = 10;

/// How to reach Xendit.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base URL.
    pub api_url: String,
    /// The secret key: user of basic authentication.
    pub secret_key: SecretString,
    /// What Xendit sends in `x-callback-token`.
    pub callback_token: SecretString,
    /// How calls are bounded.
    pub patience: Patience,
}

/// A merchant's account at Xendit.
#[derive(Clone, Debug)]
pub struct Xendit {
    api: Caller,
    token: SecretString,
}

impl Xendit {
    /// A client.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, CallError> {
        let Settings { api_url, secret_key, callback_token, patience } = settings;
        let api = Caller::new(&api_url, secret_key, patience, Guard::new(patience))?;
        Ok(Self { api, token: callback_token })
    }

    /// Makes the page where the customer pays, unless there is one.
    ///
    /// # Errors
    /// Xendit refused, or did not answer; [`GatewayError::Taken`] if an invoice for another amount has this id.
    pub async fn create(&self, order: &Order) -> Result<Page, GatewayError> {
        let call = Call::post("/v2/invoices".to_owned(), invoice(order));
        let mut tried = 0;
        loop {
            let mut found = self.invoices(&order.id).await?;
            // One that can be paid before one that cannot any more.
            found.sort_by_key(|invoice| invoice.status != "PENDING");
            if let Some(found) = found.into_iter().next() {
                return if found.asks(order.amount) { Ok(found.page()) } else { Err(GatewayError::Taken) };
            }
            match self.api.call(&call).await {
                Ok(answer) if answer.status == 404 => {
                    let message = "there is nothing that makes invoices".to_owned();
                    return Err(GatewayError::Locked { status: 404, message });
                }
                Ok(answer) => {
                    accepted(&answer)?;
                    return Ok(read::<Invoice>(&answer)?.page());
                }
                Err(error) => {
                    tried += 1;
                    let later =
                        matches!(error, CallError::Broken(_) | CallError::Unavailable { after: Some(_), .. });
                    if later || tried >= self.api.patience().tries {
                        return Err(error.into());
                    }
                }
            }
            self.api.patience().wait(tried - 1).await;
        }
    }

    /// How the order stands: an observation for each invoice that has its id.
    ///
    /// # Errors
    /// Xendit did not answer, or not in a way that is understood.
    pub async fn status(&self, order: &OrderId) -> Result<Vec<Observation>, GatewayError> {
        let mut observations = Vec::new();
        for invoice in self.invoices(order).await? {
            let mut finding = finding(&invoice)?;
            let mut times = Times { paid: invoice.paid_at.as_deref().and_then(moment), returned: None };
            if let Finding::Paid { amount, fee } = finding {
                let (total, last) = self.refunded(&invoice.id).await?;
                if !total.is_zero() {
                    finding = Finding::Refunded { amount, fee, total };
                    times.returned = last;
                }
            }
            observations.push(Observation::Transaction { transaction: invoice.id, finding, times });
        }
        if observations.is_empty() {
            observations.push(Observation::Unknown);
        }
        Ok(observations)
    }

    /// Ends the invoices of an order that nobody paid.
    ///
    /// # Errors
    /// Xendit refused, or did not answer.
    pub async fn expire(&self, order: &OrderId) -> Result<(), GatewayError> {
        for invoice in self.invoices(order).await?.into_iter().filter(|invoice| invoice.status == "PENDING") {
            let path = format!("/invoices/{}/expire!", plain(&invoice.id)?);
            accepted(&self.api.call(&Call::post(path, json!({})).repeatable()).await?)?;
        }
        Ok(())
    }

    /// Gives back some or all of what was paid.
    ///
    /// # Errors
    /// [`GatewayError::Unknown`] if no invoice was paid; Xendit refused, or did not answer.
    pub async fn refund(&self, order: &OrderId, refund: &Refund) -> Result<(), GatewayError> {
        let invoices = self.invoices(order).await?;
        let is_it = |invoice: &&Invoice| refund.transaction.as_ref().is_none_or(|id| *id == invoice.id);
        let mut paid =
            invoices.iter().filter(|invoice| matches!(invoice.status.as_str(), "PAID" | "SETTLED"));
        let paid = paid.find(is_it);
        let body = json!({
            "invoice_id": paid.ok_or(GatewayError::Unknown)?.id,
            "reference_id": refund.key,
            "amount": refund.amount.get(),
            "currency": "IDR",
            "reason": "REQUESTED_BY_CUSTOMER",
            "metadata": { "reason": refund.reason },
        });
        accepted(&self.api.call(&Call::post("/refunds".to_owned(), body).keyed(&refund.key)).await?)
    }

    /// Reads a notification and checks that its token, the header `x-callback-token`, is the one agreed on. Fields that
    /// are not known are ignored.
    ///
    /// # Errors
    /// It cannot be read, or somebody else made it.
    pub fn notification(&self, token: &str, body: &[u8]) -> Result<Hint, Rejected> {
        // First, so that strangers do not even get their text read.
        if !same(self.token.expose_secret(), token) {
            return Err(Rejected::Forged);
        }
        let told: Notification =
            serde_json::from_slice(body).map_err(|error| Rejected::Unreadable(error.to_string()))?;
        Ok(match told {
            Notification::Refund { event, data } => {
                Hint { order_id: None, transaction: data.invoice_id, says: event }
            }
            Notification::Invoice { id, external_id, status } => {
                Hint { order_id: Some(external_id), transaction: Some(id), says: status }
            }
        })
    }

    async fn invoices(&self, order: &OrderId) -> Result<Vec<Invoice>, GatewayError> {
        let answer = self.api.call(&Call::get(format!("/v2/invoices?external_id={order}"))).await?;
        match accepted(&answer) {
            Ok(()) => {}
            Err(GatewayError::Unknown) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        let mut invoices: Vec<Invoice> = read(&answer)?;
        // A filter that is not known would be ignored, and give the invoices of everybody.
        invoices.retain(|invoice| invoice.external_id == order.as_str());
        Ok(invoices)
    }

    /// Everything that was given back of an invoice, and when the last of it was.
    async fn refunded(&self, invoice: &str) -> Result<(Rupiah, Option<Timestamp>), GatewayError> {
        let invoice = plain(invoice)?;
        let (mut total, mut latest, mut after) = (Rupiah::ZERO, None, String::new());
        for _ in 0..MOST_PAGES {
            let path = format!("/refunds?invoice_id={invoice}&limit={PAGE}{after}");
            let answer = self.api.call(&Call::get(path)).await?;
            accepted(&answer)?;
            let Refunds { data, has_more } = read(&answer)?;
            let data = data.unwrap_or_default();
            let done = data.iter().filter(|refund| {
                refund.status == "SUCCEEDED" && refund.invoice_id.as_deref().is_none_or(|id| id == invoice)
            });
            for refund in done {
                total = total.and(refund.amount.0);
                latest = latest.max(refund.updated.as_deref().or(refund.created.as_deref()).and_then(moment));
            }
            match data.last() {
                Some(last) if has_more => after = format!("&after_id={}", plain(&last.id)?),
                _ => return Ok((total, latest)),
            }
        }
        Err(GatewayError::NotUnderstood("an invoice has more refunds than there can be".to_owned()))
    }
}

fn invoice(order: &Order) -> serde_json::Value {
    let mut body = json!({
        "external_id": order.id.as_str(),
        "amount": order.amount.get(),
        "currency": "IDR",
        "description": order.description,
        "invoice_duration": order.payable.as_secs(),
        "payer_email": order.customer_email,
        "customer": { "given_names": order.customer_name, "email": order.customer_email },
    });
    if let Some(url) = &order.return_url {
        body["success_redirect_url"] = json!(url);
        body["failure_redirect_url"] = json!(url);
    }
    body
}

/// The table from what Xendit says to what it means.
fn finding(invoice: &Invoice) -> Result<Finding, GatewayError> {
    let not_understood = |what: String| GatewayError::NotUnderstood(shortened(&what));
    if invoice.currency.as_deref().is_some_and(|currency| !currency.is_empty() && currency != "IDR") {
        return Err(not_understood("its amounts are not in rupiah".to_owned()));
    }
    match invoice.status.as_str() {
        "PENDING" => Ok(Finding::Pending),
        "PAID" | "SETTLED" => {
            // What was asked says nothing about what came.
            let paid =
                invoice.paid_amount.ok_or_else(|| not_understood("it was paid, but how much?".to_owned()))?;
            Ok(Finding::Paid { amount: paid.0, fee: invoice.fees() })
        }
        "EXPIRED" => Ok(Finding::Expired),
        other => Err(not_understood(format!("status {other:?}"))),
    }
}

fn accepted(answer: &Answer) -> Result<(), GatewayError> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let Problem { error_code, message } = read(answer).unwrap_or_default();
    if answer.status == 404 {
        return Err(GatewayError::Unknown);
    }
    let words = if error_code.is_empty() { message } else { format!("{error_code}: {message}") };
    Err(GatewayError::of_status(answer.status, &words))
}

/// Ids of Xendit go into addresses.
fn plain(id: &str) -> Result<&str, GatewayError> {
    let plain =
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    plain.then_some(id).ok_or_else(|| GatewayError::NotUnderstood("an id that is none".to_owned()))
}

#[derive(Deserialize)]
struct Invoice {
    id: String,
    external_id: String,
    status: String,
    amount: Money,
    paid_amount: Option<Money>,
    paid_at: Option<String>,
    currency: Option<String>,
    invoice_url: String,
    fees: Option<Vec<Fee>>,
}

#[derive(Deserialize)]
struct Fee {
    value: Box<RawValue>,
}

impl Invoice {
    /// Whether the customer is asked for `amount`, with or without what is added to it.
    fn asks(&self, amount: Rupiah) -> bool {
        self.amount.0 == amount || self.amount.0.less(self.fees()) == amount
    }

    /// What is added. A discount, which stands there below zero, adds nothing.
    fn fees(&self) -> Rupiah {
        let values = self.fees.iter().flatten().filter_map(|fee| Rupiah::parse(fee.value.get()).ok());
        values.fold(Rupiah::ZERO, Rupiah::and)
    }

    fn page(self) -> Page {
        Page { reference: self.id, url: self.invoice_url }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    error_code: String,
    message: String,
}

#[derive(Deserialize)]
struct Refunds {
    data: Option<Vec<RefundPart>>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct RefundPart {
    id: String,
    invoice_id: Option<String>,
    amount: Money,
    status: String,
    created: Option<String>,
    updated: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Notification {
    Refund { event: String, data: RefundEvent },
    Invoice { id: String, external_id: String, status: String },
}

#[derive(Deserialize)]
struct RefundEvent {
    invoice_id: Option<String>,
}

#[cfg(test)]
#[path = "xendit_tests.rs"]
mod tests;
