//! Xendit as the merchant sees it: invoices, refunds, and what callbacks say.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use indowater_common::clock;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::book::{Act, Brand, No, Order, Refund, State};
use super::desk::Desk;
use super::sender::Notice;
use super::{Options, Refused, user};

/// Seconds that an invoice can be paid that does not say.
const PAYABLE: i64 = 86_400;

/// The routes below the base URL.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/v2/invoices", post(create).get(list))
        .route("/v2/invoices/{id}", get(show))
        .route("/invoices/{id}/expire!", post(expire))
        .route("/refunds", post(refund).get(refunds))
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Refused {
    (status, Json(json!({ "error_code": code, "message": message }))).into_response().into()
}

fn allowed(desk: &Desk, headers: &HeaderMap) -> Result<(), Refused> {
    let right = user(headers).as_deref() == Some(desk.options.xendit_key.as_str());
    let message = "The API key provided is invalid";
    right.then_some(()).ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "INVALID_API_KEY", message))
}

fn not_found() -> Refused {
    refuse(StatusCode::NOT_FOUND, "INVOICE_NOT_FOUND_ERROR", "Could not find invoice")
}

/// A second invoice for the same `external_id` is a second invoice, as it is at Xendit.
async fn create(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, Refused> {
    allowed(&desk, &headers)?;
    let reference = clock::new_id("i").trim_start_matches("i-").replace('-', "");
    let order = order(&body, clock::now(), reference)
        .map_err(|message| refuse(StatusCode::BAD_REQUEST, "API_VALIDATION_ERROR", message))?;
    let shown = invoice(&desk, &order);
    desk.book().add(order);
    Ok(Json(shown).into_response())
}

fn order(body: &str, now: Timestamp, reference: String) -> Result<Order, &'static str> {
    let body: Value = serde_json::from_str(body).map_err(|_| "the body is no JSON")?;
    let id = body["external_id"].as_str().filter(|id| !id.is_empty()).ok_or("external_id is required")?;
    let amount = body["amount"].as_i64().filter(|amount| *amount >= 1).ok_or("amount must be positive")?;
    let seconds = body["invoice_duration"].as_i64().unwrap_or(PAYABLE).clamp(1, 31_536_000);
    Ok(Order {
        brand: Brand::Xendit,
        id: id.to_owned(),
        reference,
        amount,
        description: body["description"].as_str().unwrap_or(id).to_owned(),
        return_url: body["success_redirect_url"].as_str().map(str::to_owned),
        created_at: now,
        expires_at: now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now),
        is_over: false,
        tries: Vec::new(),
        refunds: Vec::new(),
    })
}

#[derive(Deserialize)]
struct Wanted {
    external_id: Option<String>,
}

async fn list(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refused> {
    allowed(&desk, &headers)?;
    let book = desk.book();
    let mut orders: Vec<&Order> = match &wanted.external_id {
        Some(id) => book.named(id),
        None => book.all().collect(),
    };
    orders.retain(|order| order.brand == Brand::Xendit);
    // The newest first.
    orders.sort_by_key(|order| std::cmp::Reverse(order.created_at));
    let (mischief, call) = (&desk.options.mischief, desk.next_call());
    let shown = orders.into_iter().map(|order| {
        let mut shown = invoice(&desk, order);
        if mischief.happens(mischief.odd_answers, &format!("odd {} {call}", order.reference)) {
            oddly(&mut shown);
        }
        shown
    });
    let shown: Value = shown.collect();
    Ok(Json(shown).into_response())
}

async fn show(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    allowed(&desk, &headers)?;
    let book = desk.book();
    let order = book.find(Brand::Xendit, &id).filter(|order| order.reference == id).ok_or_else(not_found)?;
    Ok(Json(invoice(&desk, order)).into_response())
}

async fn expire(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    allowed(&desk, &headers)?;
    match desk.act(&id, &Act::Expire, "", false) {
        Ok(order) => Ok(Json(invoice(&desk, &order)).into_response()),
        Err(No::NoTry) => Err(not_found()),
        Err(_) => {
            Err(refuse(StatusCode::BAD_REQUEST, "INVOICE_NOT_PENDING", "The invoice is not pending any more"))
        }
    }
}

async fn refund(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    allowed(&desk, &headers)?;
    let id = body["invoice_id"].as_str().unwrap_or_default().to_owned();
    let sent = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = sent.map_or_else(|| clock::new_id("refund"), str::to_owned);
    let act = Act::Refund { key: key.clone(), amount: body["amount"].as_i64().unwrap_or(0) };
    match desk.act(&id, &act, "", false) {
        // With the same key the same answer.
        Ok(_) | Err(No::SameKey) => {}
        Err(No::NoTry) => return Err(not_found()),
        Err(No::NotNow) => {
            return Err(refuse(StatusCode::BAD_REQUEST, "INELIGIBLE_TRANSACTION", "It cannot be refunded"));
        }
    }
    let book = desk.book();
    let order = book.find(Brand::Xendit, &id).ok_or_else(not_found)?;
    let found = order.refunds.iter().find(|refund| refund.key == key).ok_or_else(not_found)?;
    Ok(Json(refund_body(order, found)).into_response())
}

#[derive(Deserialize)]
struct Cursor {
    invoice_id: String,
    limit: Option<usize>,
    after_id: Option<String>,
}

async fn refunds(
    Shared(desk): Shared<Arc<Desk>>,
    headers: HeaderMap,
    Query(cursor): Query<Cursor>,
) -> Result<Response, Refused> {
    allowed(&desk, &headers)?;
    let book = desk.book();
    let order = book.find(Brand::Xendit, &cursor.invoice_id).ok_or_else(not_found)?;
    let after = cursor.after_id.as_ref();
    let from = after.map_or(0, |id| order.refunds.iter().position(|r| r.id == *id).map_or(0, |at| at + 1));
    let rest = &order.refunds[from..];
    let limit = cursor.limit.unwrap_or(10).min(100);
    let data: Value = rest.iter().take(limit).map(|refund| refund_body(order, refund)).collect();
    Ok(Json(json!({ "data": data, "has_more": rest.len() > limit })).into_response())
}

fn status(order: &Order) -> &'static str {
    match order.state() {
        Some(State::Settled) => "PAID",
        Some(State::Expired) => "EXPIRED",
        None if order.is_over => "EXPIRED",
        _ => "PENDING",
    }
}

fn invoice(desk: &Desk, order: &Order) -> Value {
    let mut body = callback(order);
    body["expiry_date"] = json!(order.expires_at.to_string());
    body["invoice_url"] = json!(format!("{}/xendit/web/{}", desk.base, order.reference));
    body
}

/// An answer with an amount as a text, and fields that are there and empty.
fn oddly(shown: &mut Value) {
    if let Some(paid) = shown["paid_amount"].as_i64() {
        shown["paid_amount"] = json!(format!("{paid}.00"));
    }
    if shown["fees"].is_null() {
        shown["fees"] = Value::Null;
    }
    shown["currency"] = json!("");
}

fn callback(order: &Order) -> Value {
    let mut body = json!({
        "id": order.reference,
        "external_id": order.id,
        "user_id": "0000000000000000000000ff",
        "status": status(order),
        "amount": order.amount,
        "merchant_name": "IndoWater",
        "description": order.description,
        "currency": "IDR",
        "created": order.created_at.to_string(),
    });
    if let Some(paid) = order.latest().filter(|latest| latest.state == State::Settled) {
        body["paid_amount"] = json!(paid.amount);
        body["paid_at"] = json!(paid.settled_at.map(|at| at.to_string()));
        body["payment_method"] = json!(paid.method.to_uppercase());
        body["payment_channel"] = json!("BCA");
        if paid.fee > 0 {
            body["fees"] = json!([{ "type": "ADMIN", "value": paid.fee }]);
            body["fees_paid_amount"] = json!(paid.fee);
            body["adjusted_received_amount"] = json!(paid.amount - paid.fee);
        }
    }
    body
}

fn refund_body(order: &Order, refund: &Refund) -> Value {
    json!({
        "id": refund.id, "invoice_id": order.reference, "reference_id": refund.key, "amount": refund.amount,
        "currency": "IDR", "status": "SUCCEEDED", "reason": "REQUESTED_BY_CUSTOMER",
        "created": refund.made_at.to_string(), "updated": refund.made_at.to_string(),
    })
}

/// The callback of what happened to an order.
pub fn notice(options: &Options, order: &Order, act: &Act) -> Option<Notice> {
    let (Act::Refund { .. }, Some(refund)) = (act, order.refunds.last()) else {
        return invoice_notice(options, order);
    };
    let data = refund_body(order, refund);
    let created = order.created_at.to_string();
    let body = json!({ "event": "refund.succeeded", "business_id": "0", "created": created, "data": data });
    Some(Notice { body: body.to_string(), ..invoice_notice(options, order)? })
}

/// The callback of how an invoice stands.
pub fn invoice_notice(options: &Options, order: &Order) -> Option<Notice> {
    Some(Notice {
        brand: Brand::Xendit,
        order: order.id.clone(),
        url: options.xendit_notify.clone()?,
        token: Some(options.xendit_token.clone()),
        body: callback(order).to_string(),
    })
}
