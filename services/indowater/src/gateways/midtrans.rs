//! Midtrans as the merchant sees it: Snap, the Core API, and what notifications say.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use indowater_common::clock;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use super::book::{Act, Brand, No, Order, State, Try};
use super::desk::Desk;
use super::sender::Notice;
use super::{Options, Refused, user};

/// How long an order can be paid that does not say.
const PAYABLE: SignedDuration = SignedDuration::from_hours(24);

/// The routes below the base URL.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/snap/v1/transactions", post(create))
        .route("/v2/{order}/status", get(status))
        .route("/v2/{order}/cancel", post(cancel))
        .route("/v2/{order}/expire", post(expire))
        .route("/v2/{order}/refund", post(refund))
}

async fn create(Shared(desk): Shared<Arc<Desk>>, headers: HeaderMap, body: String) -> Response {
    if user(&headers).as_deref() != Some(desk.options.midtrans_key.as_str()) {
        return refuse(
            401,
            "Access denied due to unauthorized transaction, please check client or server key",
        );
    }
    let order = match order(&body, clock::now(), clock::new_id("s").trim_start_matches("s-")) {
        Ok(order) => order,
        Err(message) => return refuse(400, message),
    };
    let mut book = desk.book();
    let reference = match book.find(Brand::Midtrans, &order.id) {
        None => {
            let reference = order.reference.clone();
            book.add(order);
            reference
        }
        Some(known) if is_free(&desk, known) && known.amount == order.amount => known.reference.clone(),
        // In the language of the merchant's account.
        Some(_) => return refuse(400, "transaction_details.order_id sudah digunakan"),
    };
    let url = format!("{}/midtrans/snap/v4/redirection/{reference}", desk.base);
    (StatusCode::CREATED, Json(json!({ "token": reference, "redirect_url": url }))).into_response()
}

/// Whether an order that is made again gets its page again: until the customer has chosen a method, but not always.
fn is_free(desk: &Desk, known: &Order) -> bool {
    let mischief = &desk.options.mischief;
    known.tries.is_empty() && !mischief.happens(mischief.taken, &format!("taken {}", known.id))
}

/// Snap's way to say no.
fn refuse(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(json!({ "error_messages": [message] }))).into_response()
}

fn order(body: &str, now: Timestamp, reference: &str) -> Result<Order, &'static str> {
    let body: Value =
        serde_json::from_str(body).map_err(|_| "There was a problem in the JSON you submitted")?;
    let details = &body["transaction_details"];
    let id = details["order_id"].as_str().ok_or("transaction_details.order_id is required")?;
    if id.is_empty() || id.len() > 50 {
        return Err("transaction_details.order_id is too long");
    }
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte)) {
        return Err("transaction_details.order_id is not valid");
    }
    let amount =
        details["gross_amount"].as_i64().ok_or("transaction_details.gross_amount is not a number")?;
    if amount < 1 {
        return Err("transaction_details.gross_amount must be equal or greater than 0.01");
    }
    if let Some(items) = body["item_details"].as_array() {
        let price =
            |item: &Value| item["price"].as_i64().unwrap_or(0) * item["quantity"].as_i64().unwrap_or(0);
        if items.iter().map(price).sum::<i64>() != amount {
            return Err("transaction_details.gross_amount is not equal to the sum of item_details");
        }
    }
    let expires_at = now.checked_add(payable(&body["expiry"])?).map_err(|_| "expiry is too long")?;
    Ok(Order {
        brand: Brand::Midtrans,
        id: id.to_owned(),
        reference: reference.to_owned(),
        amount,
        description: body["item_details"][0]["name"].as_str().unwrap_or(id).to_owned(),
        return_url: body["callbacks"]["finish"].as_str().map(str::to_owned),
        created_at: now,
        expires_at,
        is_over: false,
        tries: Vec::new(),
        refunds: Vec::new(),
    })
}

fn payable(expiry: &Value) -> Result<SignedDuration, &'static str> {
    if expiry.is_null() {
        return Ok(PAYABLE);
    }
    let count = expiry["duration"].as_i64().filter(|count| (1..=1_000_000).contains(count));
    let count = count.ok_or("expiry.duration is not valid")?;
    match expiry["unit"].as_str() {
        Some("second" | "seconds") => Ok(SignedDuration::from_secs(count)),
        Some("minute" | "minutes") => Ok(SignedDuration::from_secs(count * 60)),
        Some("hour" | "hours") => Ok(SignedDuration::from_secs(count * 3_600)),
        Some("day" | "days") => Ok(SignedDuration::from_secs(count * 86_400)),
        _ => Err("expiry.unit is not valid"),
    }
}

/// The Core API's way to say something without a transaction.
fn say(status: u16, message: &str) -> Response {
    let body =
        json!({ "status_code": status.to_string(), "status_message": message, "id": clock::new_id("m") });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), Json(body)).into_response()
}

/// The order, by its id or that of its transaction, if the caller may see it and the customer has chosen a method.
fn known(desk: &Desk, headers: &HeaderMap, id: &str) -> Result<(Order, Try), Refused> {
    if user(headers).as_deref() != Some(desk.options.midtrans_key.as_str()) {
        return Err(say(401, "Transaction cannot be authorized with the current client/server key.").into());
    }
    let order = {
        let book = desk.book();
        book.find(Brand::Midtrans, id).or_else(|| book.having(Brand::Midtrans, id)).cloned()
    };
    let found = order.and_then(|order| order.latest().cloned().map(|latest| (order, latest)));
    found.ok_or_else(|| say(404, "Transaction doesn't exist.").into())
}

async fn status(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let (order, latest) = known(&desk, &headers, &id)?;
    let mut body = told(&order, &latest, &desk.options.midtrans_key);
    let (mischief, case) = (&desk.options.mischief, format!("odd {id} {}", desk.next_call()));
    if mischief.happens(mischief.odd_answers, &case) {
        oddly(&mut body, latest.amount, mischief.pick(4, &case));
    }
    Ok(Json(body).into_response())
}

async fn cancel(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    change(&desk, &headers, &id, &Act::Cancel)
}

async fn expire(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    change(&desk, &headers, &id, &Act::Expire)
}

async fn refund(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let (order, _) = known(&desk, &headers, &id)?;
    let left = order.latest().map_or(order.amount, |latest| latest.amount) - order.refunded();
    let key = body["refund_key"].as_str().map_or_else(|| clock::new_id("refund"), str::to_owned);
    let amount = if body["amount"].is_null() { left } else { body["amount"].as_i64().unwrap_or(0) };
    change(&desk, &headers, &id, &Act::Refund { key, amount })
}

fn change(desk: &Arc<Desk>, headers: &HeaderMap, id: &str, act: &Act) -> Result<Response, Refused> {
    let (order, latest) = known(desk, headers, id)?;
    match desk.act(&order.reference, act, &latest.method, false) {
        Ok(order) => {
            let latest = order.latest().unwrap_or(&latest);
            Ok(Json(told(&order, latest, &desk.options.midtrans_key)).into_response())
        }
        Err(No::NoTry) => Err(say(404, "Transaction doesn't exist.").into()),
        Err(No::SameKey) => Err(say(406, "Refund key has already been utilized previously.").into()),
        Err(No::NotNow) => Err(say(412, "Merchant cannot modify status of the transaction").into()),
    }
}

/// What is said of a transaction, to those who ask and in notifications.
fn told(order: &Order, latest: &Try, key: &str) -> Value {
    let is_card = latest.method == "credit_card";
    let refunded = order.refunded();
    let (code, status) = match latest.state {
        State::Pending => ("201", "pending"),
        State::Challenged => ("201", "capture"),
        State::Settled if refunded >= latest.amount => ("200", "refund"),
        State::Settled if refunded > 0 => ("200", "partial_refund"),
        State::Settled if is_card => ("200", "capture"),
        State::Settled => ("200", "settlement"),
        State::Denied => ("202", "deny"),
        State::Cancelled => ("200", "cancel"),
        State::Expired => ("407", "expire"),
        State::ChargedBack => ("200", "chargeback"),
    };
    let mut body = json!({
        "status_code": code,
        "status_message": "Success, transaction is found",
        "transaction_id": latest.id,
        "order_id": order.id,
        "merchant_id": "G000000001",
        "gross_amount": amount(latest.amount),
        "currency": "IDR",
        "payment_type": latest.method,
        "transaction_time": time(latest.made_at),
        "transaction_status": status,
        "expiry_time": time(order.expires_at),
    });
    if is_card {
        body["masked_card"] = json!("48111111-1114");
        body["fraud_status"] = json!(match latest.state {
            State::Denied => "deny",
            State::Challenged => "challenge",
            _ => "accept",
        });
    }
    if let Some(settled) = latest.settled_at.filter(|_| status != "capture") {
        body["settlement_time"] = json!(time(settled));
    }
    if refunded > 0 {
        body["refund_amount"] = json!(amount(refunded));
        let part = |refund: &super::book::Refund| {
            json!({
                "refund_chargeback_id": refund.id, "refund_key": refund.key,
                "refund_amount": amount(refund.amount), "created_at": time(refund.made_at),
            })
        };
        body["refunds"] = order.refunds.iter().map(part).collect();
    }
    add_fee(&mut body, order, latest);
    sign(&mut body, key);
    body
}

/// What Midtrans says of the fee that it added for itself. Notifications and answers have it at the top, or, for some
/// methods, below `metadata`; the amounts are texts or numbers.
fn add_fee(body: &mut Value, order: &Order, latest: &Try) {
    if latest.fee == 0 {
        return;
    }
    let original = latest.amount - latest.fee;
    let in_metadata = order.id.bytes().fold(0_u8, u8::wrapping_add) % 2 == 1;
    let original = if in_metadata { json!(original) } else { json!(original.to_string()) };
    let info = json!({
        "original_amount": original,
        "gross_amount": latest.amount,
        "customer_imposed_payment_fee": latest.fee.to_string(),
    });
    let extra_info = json!({ "gross_amount_info": info });
    if in_metadata {
        body["metadata"] = json!({ "extra_info": extra_info });
    } else {
        body["extra_info"] = extra_info;
    }
}

/// An answer with empty fields and the amount in another notation.
fn oddly(body: &mut Value, rupiah: i64, which: u64) {
    body["gross_amount"] = match which {
        0 => json!(rupiah),
        1 => json!(rupiah.to_string()),
        2 => json!(format!("{}e-1", rupiah * 10)),
        _ => json!(format!("{rupiah}.0")),
    };
    for field in ["fraud_status", "currency", "metadata"] {
        if body[field].is_null() || field == "currency" {
            body[field] = json!("");
        }
    }
    if body["refunds"].is_null() {
        body["refunds"] = Value::Null;
        body["refund_amount"] = Value::Null;
    }
    body["status_code"] = body["status_code"]
        .as_str()
        .and_then(|code| code.parse().ok())
        .map_or(Value::Null, |code: u16| json!(code));
}

/// Puts the signature of `key` on a notification as it stands.
pub fn sign(body: &mut Value, key: &str) {
    let mut hash = Sha512::new();
    for field in ["order_id", "status_code", "gross_amount"] {
        hash.update(body[field].as_str().unwrap_or_default());
    }
    hash.update(key);
    let hex = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    body["signature_key"] = json!(hex);
}

/// The notification of how an order stands.
pub fn notice(options: &Options, order: &Order) -> Option<Notice> {
    let body = told(order, order.latest()?, &options.midtrans_key).to_string();
    let url = options.midtrans_notify.clone()?;
    Some(Notice { brand: Brand::Midtrans, order: order.id.clone(), url, token: None, body })
}

fn amount(rupiah: i64) -> String {
    format!("{rupiah}.00")
}

/// In western Indonesia, without saying so.
fn time(moment: Timestamp) -> String {
    moment.to_zoned(TimeZone::fixed(Offset::constant(7))).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_documented_one() {
        let mut body = json!({ "order_id": "1111", "status_code": "200", "gross_amount": "100000.00" });
        sign(&mut body, "askvnoibnosifnboseofinbofinfgbiufglnbfg");
        let documented = "edc076b21793ebe3e17926350f5b8ae67d902fe657b3d0aa31b932d5c127e2375d308a2bc94f3265ac2d80a1f181\
                          a79b997ac178a236fcff35af263fc4d4c231";
        assert_eq!(body["signature_key"], documented);
    }
}
