//! What Xendit says, by name.

use super::*;

fn xendit() -> Xendit {
    let settings = Settings {
        api_url: "http://127.0.0.1:1".to_owned(),
        secret_key: "xnd_development_secret".to_owned().into(),
        callback_token: "a-token".to_owned().into(),
        patience: Patience::default(),
    };
    Xendit::new(settings).expect("a client")
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", xendit());
    assert!(!shown.contains("xnd_") && !shown.contains("a-token"), "{shown}");
}

#[test]
fn a_genuine_notification_is_a_hint() {
    let body = r#"{ "id": "i-1", "external_id": "payment-1", "status": "PAID", "amount": 50000, "paid_amount": 50000,
        "paid_at": "2026-01-15T03:00:00.000Z", "payment_method": "BANK_TRANSFER", "tomorrow": [1] }"#;
    let hint = Hint {
        order_id: Some("payment-1".to_owned()),
        transaction: Some("i-1".to_owned()),
        says: "PAID".to_owned(),
    };
    assert_eq!(xendit().notification("a-token", body.as_bytes()), Ok(hint));
}

#[test]
fn a_refund_is_told_by_the_invoice() {
    let body = r#"{ "event": "refund.succeeded", "business_id": "b", "created": "2026-01-15T03:00:00.000Z",
        "data": { "id": "rfd-1", "invoice_id": "i-1", "amount": 10000, "status": "SUCCEEDED" } }"#;
    let hint =
        Hint { order_id: None, transaction: Some("i-1".to_owned()), says: "refund.succeeded".to_owned() };
    assert_eq!(xendit().notification("a-token", body.as_bytes()), Ok(hint));
}

#[test]
fn a_wrong_token_is_rejected_before_anything_is_read() {
    for token in ["", "a-toke", "a-tokenn", "A-token"] {
        assert_eq!(xendit().notification(token, b"no JSON"), Err(Rejected::Forged), "{token:?}");
    }
    for body in ["", "{}", "[]", r#"{ "id": 1 }"#] {
        let outcome = xendit().notification("a-token", body.as_bytes());
        assert!(matches!(outcome, Err(Rejected::Unreadable(_))), "{body:?}");
    }
}

fn found(rest: &str) -> Result<Finding, GatewayError> {
    let text = format!(r#"{{ "id": "i", "external_id": "p", "amount": 50000, "invoice_url": "u", {rest} }}"#);
    finding(&serde_json::from_str(&text).expect("an invoice"))
}

#[test]
fn each_status_means_one_thing() {
    let with = |amount, fee| Finding::Paid { amount: Rupiah::whole(amount), fee: Rupiah::whole(fee) };
    let paid = |amount| with(amount, 0);
    for (told, means) in [
        (r#""status": "PENDING""#, Finding::Pending),
        (r#""status": "PAID", "paid_amount": 50000"#, paid(50_000)),
        (r#""status": "PAID", "paid_amount": 50000.00, "currency": "IDR""#, paid(50_000)),
        (r#""status": "PAID", "paid_amount": 49999"#, paid(49_999)),
        (r#""status": "SETTLED", "paid_amount": 50000, "adjusted_received_amount": 45500"#, paid(50_000)),
        (r#""status": "PAID", "paid_amount": "50000.00", "currency": """#, paid(50_000)),
        (r#""status": "PAID", "paid_amount": 5e4, "fees": null"#, paid(50_000)),
        (r#""status": "PAID", "paid_amount": 50000, "fees_paid_amount": 4500, "fees": []"#, paid(50_000)),
        (
            r#""status": "PAID", "paid_amount": 54500, "fees": [{ "type": "ADMIN", "value": 4500 }]"#,
            with(54_500, 4_500),
        ),
        (
            r#""status": "PAID", "paid_amount": 52500, "fees": [{ "type": "A", "value": 4500 }, { "type": "B", "value": -2000 }]"#,
            with(52_500, 4_500),
        ),
        (r#""status": "EXPIRED""#, Finding::Expired),
    ] {
        assert_eq!(found(told).expect("it is understood"), means, "{told}");
    }
}

#[test]
fn what_is_not_documented_is_not_guessed() {
    for told in [
        r#""status": "paid", "paid_amount": 50000"#,
        r#""status": "PAID""#,
        r#""status": "PAID", "paid_amount": 50000, "currency": "PHP""#,
        r#""status": "REFUNDED""#,
    ] {
        assert!(matches!(found(told), Err(GatewayError::NotUnderstood(_))), "{told}");
    }
}

#[test]
fn ids_of_strangers_do_not_get_into_addresses() {
    assert!(plain("5f4708b7bd394b0400b96276").is_ok());
    for id in ["", "a/b", "a?b", "a&b=c", "..", "a b"] {
        assert!(plain(id).is_err(), "{id}");
    }
}
