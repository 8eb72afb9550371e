//! Notifications that somebody forges who knows an order and would like to have its water for nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::book::{Brand, Order};
use super::desk::Desk;
use super::sender::Notice;
use super::{midtrans, xendit};

/// Sends every forgery there is for an order.
pub fn attack(desk: &Arc<Desk>, order: &Order) {
    for notice in forgeries(desk, order) {
        desk.forge(notice);
    }
}

fn forgeries(desk: &Desk, order: &Order) -> Vec<Notice> {
    match order.brand {
        Brand::Midtrans => midtrans_forgeries(desk, order),
        Brand::Xendit => xendit_forgeries(desk, order),
    }
}

fn midtrans_forgeries(desk: &Desk, order: &Order) -> Vec<Notice> {
    let Some(genuine) = midtrans::notice(&desk.options, order) else { return Vec::new() };
    let body: Value = serde_json::from_str(&genuine.body).unwrap_or_default();
    let with = |changes: &[(&str, &str)], sign: bool| {
        let mut body = body.clone();
        for (field, value) in changes {
            body[*field] = json!(value);
        }
        if sign {
            // The attacker has a key, but not the right one.
            midtrans::sign(&mut body, "SB-Mid-server-guessed");
        }
        Notice { body: body.to_string(), ..genuine.clone() }
    };
    let settled = [("transaction_status", "settlement"), ("status_code", "200")];
    vec![
        // A wrong signature.
        with(&settled, true),
        // None at all.
        with(&[("signature_key", "")], false),
        // A wrong amount under the genuine signature, and under a guessed one.
        with(&[("transaction_status", "settlement"), ("gross_amount", "10000000.00")], false),
        with(&[("transaction_status", "settlement"), ("gross_amount", "10000000.00")], true),
        // An order that nobody made.
        with(&[("order_id", "payment-that-nobody-made"), ("transaction_status", "settlement")], true),
        // The genuine one of before, with another status: the signature does not cover it.
        with(&[("transaction_status", "settlement")], false),
        // The genuine one of before.
        genuine.clone(),
    ]
}

fn xendit_forgeries(desk: &Desk, order: &Order) -> Vec<Notice> {
    let Some(genuine) = xendit::invoice_notice(&desk.options, order) else { return Vec::new() };
    let body: Value = serde_json::from_str(&genuine.body).unwrap_or_default();
    let with = |changes: &[(&str, Value)]| {
        let mut body = body.clone();
        for (field, value) in changes {
            body[*field] = value.clone();
        }
        Notice { body: body.to_string(), token: Some("guessed".to_owned()), ..genuine.clone() }
    };
    let paid = ("status", json!("PAID"));
    vec![
        with(std::slice::from_ref(&paid)),
        with(&[paid.clone(), ("paid_amount", json!(10_000_000))]),
        with(&[paid, ("external_id", json!("payment-that-nobody-made"))]),
        Notice { token: None, ..genuine.clone() },
        // The genuine one of before.
        genuine.clone(),
    ]
}
