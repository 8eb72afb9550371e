//! What Midtrans says and signs, by name.

use super::*;

/// The example of Midtrans' documentation.
const KEY: &str = "askvnoibnosifnboseofinbofinfgbiufglnbfg";
const SIGNATURE: &str = "edc076b21793ebe3e17926350f5b8ae67d902fe657b3d0aa31b932d5c127e2375d308a2bc94f3265ac2d80a1f181a79b\
                         997ac178a236fcff35af263fc4d4c231";

fn midtrans() -> Midtrans {
    let settings = Settings {
        snap_url: "http://127.0.0.1:1".to_owned(),
        api_url: "http://127.0.0.1:1".to_owned(),
        server_key: KEY.to_owned().into(),
        patience: Patience::default(),
    };
    Midtrans::new(settings).expect("a client")
}

fn notification() -> serde_json::Value {
    json!({
        "order_id": "1111", "status_code": "200", "gross_amount": "100000.00", "signature_key": SIGNATURE,
        "transaction_status": "settlement", "transaction_id": "t-1", "payment_type": "qris",
        "transaction_time": "2026-01-15 10:00:00", "a_field_of_tomorrow": { "x": [1, 2] },
    })
}

#[test]
fn the_signature_is_the_documented_one() {
    assert_eq!(signature("1111", "200", "100000.00", KEY), SIGNATURE);
}

#[test]
fn a_genuine_notification_is_a_hint() {
    let hint = midtrans().notification(notification().to_string().as_bytes());
    let expected = Hint {
        order_id: Some("1111".to_owned()),
        transaction: Some("t-1".to_owned()),
        says: "settlement".to_owned(),
    };
    assert_eq!(hint, Ok(expected));
}

#[test]
fn a_forged_notification_is_rejected() {
    for (field, value) in [
        ("order_id", "1112"),
        ("status_code", "201"),
        ("gross_amount", "100000"),
        ("signature_key", ""),
        ("signature_key", &SIGNATURE.to_uppercase()),
        ("signature_key", &SIGNATURE[..127]),
    ] {
        let mut forged = notification();
        forged[field] = value.into();
        assert_eq!(midtrans().notification(forged.to_string().as_bytes()), Err(Rejected::Forged), "{field}");
    }
}

#[test]
fn what_is_no_notification_is_unreadable() {
    let mut without = notification();
    without["order_id"].take();
    for text in ["", "{}", "[]", "null", "\u{0}", &without.to_string()] {
        let outcome = midtrans().notification(text.as_bytes());
        assert!(matches!(outcome, Err(Rejected::Unreadable(_))), "{text:?}: {outcome:?}");
    }
}

fn found(extra: serde_json::Value) -> Result<Finding, GatewayError> {
    let mut body =
        json!({ "transaction_id": "t", "order_id": "o", "gross_amount": "10000.00", "currency": "IDR" });
    for (field, value) in extra.as_object().expect("an object") {
        body[field] = value.clone();
    }
    finding(&serde_json::from_value(body).expect("a transaction"))
}

#[test]
fn each_status_means_one_thing() {
    let [amount, part] = [10_000, 3_000].map(Rupiah::whole);
    let fee = Rupiah::ZERO;
    let time = "2026-01-15 10:00:00";
    for (told, means) in [
        (json!({ "transaction_status": "pending" }), Finding::Pending),
        (json!({ "transaction_status": "authorize", "fraud_status": "accept" }), Finding::Pending),
        (json!({ "transaction_status": "settlement" }), Finding::Paid { amount, fee }),
        (
            json!({ "transaction_status": "settlement", "fraud_status": "accept" }),
            Finding::Paid { amount, fee },
        ),
        (json!({ "transaction_status": "capture", "fraud_status": "accept" }), Finding::Paid { amount, fee }),
        (json!({ "transaction_status": "capture" }), Finding::Paid { amount, fee }),
        (json!({ "transaction_status": "capture", "fraud_status": "challenge" }), Finding::Challenged),
        (json!({ "transaction_status": "capture", "fraud_status": "deny" }), Finding::Denied),
        (json!({ "transaction_status": "deny", "fraud_status": "deny" }), Finding::Denied),
        (json!({ "transaction_status": "failure" }), Finding::Denied),
        (json!({ "transaction_status": "cancel" }), Finding::Cancelled),
        (json!({ "transaction_status": "expire" }), Finding::Expired),
        (json!({ "transaction_status": "deny", "settlement_time": time }), Finding::Reversed),
        (json!({ "transaction_status": "cancel", "settlement_time": time }), Finding::Reversed),
        (json!({ "transaction_status": "chargeback", "settlement_time": time }), Finding::Reversed),
        (json!({ "transaction_status": "refund" }), Finding::Refunded { amount, fee, total: amount }),
        (
            json!({ "transaction_status": "partial_refund", "refund_amount": "3000.00" }),
            Finding::Refunded { amount, fee, total: part },
        ),
        (
            json!({ "transaction_status": "partial_refund",
                    "refunds": [{ "refund_amount": "1000.00" }, { "refund_amount": 2000 }] }),
            Finding::Refunded { amount, fee, total: part },
        ),
        (
            json!({ "transaction_status": "partial_chargeback", "refund_amount": "3000.00" }),
            Finding::Refunded { amount, fee, total: part },
        ),
    ] {
        assert_eq!(found(told.clone()).expect("it is understood"), means, "{told}");
    }
}

#[test]
fn what_is_empty_is_not_there() {
    let (amount, fee) = (Rupiah::whole(10_000), Rupiah::ZERO);
    for told in [
        json!({ "transaction_status": "settlement", "fraud_status": "" }),
        json!({ "transaction_status": "settlement", "fraud_status": null, "refunds": null, "refund_amount": null }),
        json!({ "transaction_status": "settlement", "refunds": [], "currency": "" }),
        json!({ "transaction_status": "settlement", "metadata": [], "extra_info": [] }),
        json!({ "transaction_status": "settlement", "metadata": "x", "extra_info": { "gross_amount_info": null } }),
        json!({ "transaction_status": "settlement", "gross_amount": 10_000 }),
        json!({ "transaction_status": "settlement", "gross_amount": "1e4" }),
        json!({ "transaction_status": "settlement", "gross_amount": "10000" }),
    ] {
        assert_eq!(found(told.clone()).expect("it is understood"), Finding::Paid { amount, fee }, "{told}");
    }
}

#[test]
fn what_midtrans_adds_for_itself_is_told_apart() {
    let (amount, fee) = (Rupiah::whole(50_350), Rupiah::whole(350));
    let info = |original: serde_json::Value| {
        let info = json!({ "original_amount": original, "gross_amount": 50_350, "customer_imposed_payment_fee": "350" });
        json!({ "gross_amount_info": info })
    };
    let only_fee = json!({ "gross_amount_info": { "customer_imposed_payment_fee": 350 } });
    for (place, extra) in [
        ("extra_info", info(json!("50000"))),
        ("extra_info", info(json!(50_000))),
        ("extra_info", info(json!("50000.00"))),
        ("extra_info", only_fee),
        ("metadata", json!({ "extra_info": info(json!("50000")), "what the merchant sent": [1] })),
        ("metadata", json!({ "extra_info": info(json!(50_000.0)) })),
    ] {
        let told = json!({ "transaction_status": "settlement", "gross_amount": "50350.00", (place): extra });
        assert_eq!(found(told.clone()).expect("it is understood"), Finding::Paid { amount, fee }, "{told}");
    }
    // What is not understood of it leaves a surplus, which a person sees.
    let told = json!({ "transaction_status": "settlement", "gross_amount": "50350.00", "extra_info": info(json!("fifty")) });
    assert_eq!(found(told).expect("it is understood"), Finding::Paid { amount, fee: Rupiah::ZERO });
}

#[test]
fn times_are_those_of_western_indonesia() {
    let told = |extra: serde_json::Value| {
        let mut body = json!({ "transaction_id": "t", "gross_amount": "10000.00", "transaction_time": "2026-01-15 09:59:00" });
        for (field, value) in extra.as_object().expect("an object") {
            body[field] = value.clone();
        }
        serde_json::from_value::<Transaction>(body).expect("a transaction").times()
    };
    let at = |text: &str| Some(text.parse().expect("a time"));
    let settled =
        told(json!({ "transaction_status": "settlement", "settlement_time": "2026-01-15 10:00:00" }));
    assert_eq!((settled.paid, settled.returned), (at("2026-01-15T03:00:00Z"), None));
    // A card is charged when it is captured; the settlement a day later moves nothing of the customer's.
    let card = told(json!({ "transaction_status": "settlement", "payment_type": "credit_card",
                            "settlement_time": "2026-01-16 16:00:00" }));
    assert_eq!(card.paid, at("2026-01-15T02:59:00Z"));
    let back = told(json!({ "transaction_status": "partial_refund", "settlement_time": "", "refunds": [
        { "refund_amount": "1000.00", "created_at": "2026-01-16 10:00:00" },
        { "refund_amount": "1000.00", "created_at": "2026-01-17 10:00:00", "bank_confirmed_at": "2026-01-18 10:00:00" },
    ] }));
    assert_eq!((back.paid, back.returned), (at("2026-01-15T02:59:00Z"), at("2026-01-18T03:00:00Z")));
}

#[test]
fn what_is_not_documented_is_not_guessed() {
    for told in [
        json!({ "transaction_status": "paid" }),
        json!({ "transaction_status": "SETTLEMENT" }),
        json!({ "transaction_status": "settlement", "fraud_status": "perhaps" }),
        json!({ "transaction_status": "partial_refund" }),
    ] {
        assert!(matches!(found(told.clone()), Err(GatewayError::NotUnderstood(_))), "{told}");
    }
}

#[test]
fn the_code_in_the_body_counts() {
    let verdict = |status, body: serde_json::Value| {
        accepted(&Answer { status, body: body.to_string().into_bytes(), retry_after: None })
    };
    let missing = json!({ "status_code": "404", "status_message": "Transaction doesn't exist." });
    assert!(matches!(verdict(200, missing.clone()), Err(GatewayError::Unknown)));
    assert!(matches!(verdict(404, missing), Err(GatewayError::Unknown)));
    assert!(verdict(200, json!({ "status_code": "201" })).is_ok());
    assert!(verdict(200, json!({ "status_code": 200 })).is_ok());
    assert!(verdict(200, json!({ "status_code": null })).is_ok());
    let locked = verdict(200, json!({ "status_code": "401", "status_message": "unauthorized" }));
    assert!(matches!(locked, Err(GatewayError::Locked { status: 401, .. })));
    let expired = verdict(200, json!({ "status_code": "407" }));
    assert!(matches!(expired, Err(GatewayError::Refused { status: 407, .. })));
    let refused = verdict(200, json!({ "status_code": "412", "status_message": "no" }));
    assert!(matches!(refused, Err(GatewayError::Refused { status: 412, .. })));
    assert!(matches!(verdict(200, json!({ "status_code": "503" })), Err(GatewayError::Unavailable { .. })));
    assert!(matches!(verdict(502, json!("<html>")), Err(GatewayError::NotUnderstood(_))));
}

#[test]
fn an_order_is_told_as_documented() {
    let order = Order {
        id: OrderId::new("payment-1").expect("an id"),
        amount: Rupiah::whole(50_000),
        description: "Isi saldo air".to_owned(),
        customer_name: "Budi".to_owned(),
        customer_email: "budi@example.com".to_owned(),
        created_at: "2026-01-15T20:30:00Z".parse().expect("a time"),
        payable: std::time::Duration::from_secs(3_600),
        return_url: None,
    };
    let told = transaction(&order);
    assert_eq!(told["transaction_details"], json!({ "order_id": "payment-1", "gross_amount": 50_000 }));
    let expiry = json!({ "start_time": "2026-01-16 03:30:00 +0700", "unit": "minute", "duration": 60 });
    assert_eq!(told["expiry"], expiry);
}

#[test]
fn a_used_order_id_is_recognised() {
    assert!(is_taken("transaction_details.order_id has already been taken"));
    assert!(is_taken("transaction_details.order_id sudah digunakan"));
    assert!(is_taken("order_id has been paid and utilized, please use another order ID"));
    assert!(!is_taken("transaction_details.gross_amount is not equal to the sum of item_details"));
}
