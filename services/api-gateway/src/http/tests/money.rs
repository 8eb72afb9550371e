//! Who sees which money, who changes it, and how it is written.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Api, NOWHERE};
use crate::domain::user::Role;

/// The id of customer-001's entry as it stands in a path.
const ENTRY: &str = "usage%3Acustomer-001%7Cdevice-001%7C2026-11%402";
const THEIRS: &str = "usage%3Acustomer-002%7Cdevice-002%7C2026-11%402";

fn tariff(from: &str) -> Value {
    json!({ "from": from, "blocks": [{ "up_to": "10", "price": "4900" }, { "up_to": null, "price": "9500.5" }] })
}

#[tokio::test]
async fn customers_see_their_own_money() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    for path in ["/balance", "/balance?customer_id=customer-001"] {
        let balance = api.get(path, &siti).await;
        assert_eq!(
            balance.json,
            json!({
                "customer_id": "customer-001", "balance": -4810, "posted": -4710, "accrued": 100, "sequence": 2,
                "updated_at": "2026-11-22T03:15:00Z", "daily_cost": "2355.2", "runway_days": 0,
            })
        );
    }
    // The service told another customer's too.
    let entries = api.get("/balance/entries?page_size=7", &siti).await;
    assert_eq!(entries.ids(), ["usage:customer-001|device-001|2026-11@2"]);
    let entry = &entries.json["items"][0];
    assert_eq!(
        (&entry["kind"], &entry["amount"], &entry["balance_after"]),
        (&json!("usage"), &json!(-2355), &json!(-4710))
    );
    assert_eq!(entry["legs"][0], json!({ "account": "customer:customer-001", "amount": -2355 }));
    assert_eq!((&entry["payment_id"], &entry["made_by"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&entry["usage"]["month_cost"], &entry["usage"]["posted_before"]),
        (&json!("4710.4"), &json!(2355))
    );
    assert_eq!(entry["usage"]["days"][0]["volume"], "0.512001");

    let explained = api.get(&format!("/balance/entries/{ENTRY}/explanation"), &siti).await;
    assert_eq!(&explained.json["entry"], entry);
    assert_eq!(
        explained.json["days"],
        json!([{
            "date": "2026-11-21", "revision": 3, "volume": "0.512001", "cost": "2355.2", "cost_before": "0",
            "tariff_class": "social-1", "month_to_date_before": "1.5", "charged": true,
            "parts": [{ "volume": "0.512001", "price": "4600", "cost": "2355.2046" }],
            "fixed_and_minimum": "0",
            "reads": "/api/v1/devices/device-001/readings?date=2026-11-21",
            "record": "/api/v1/usage/daily?device_id=device-001&from=2026-11-21&to=2026-11-21",
        }])
    );
    for link in ["reads", "record"] {
        let link = explained.json["days"][0][link].as_str().unwrap();
        let answer = api.get(link.strip_prefix("/api/v1").unwrap(), &siti).await;
        assert_eq!((answer.status, answer.json["items"].as_array().unwrap().len()), (StatusCode::OK, 1));
    }
}

#[tokio::test]
async fn nobody_sees_anothers_money() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    for customer in ["customer-002", "customer-999"] {
        for path in [
            "/balance".to_owned(),
            "/balance/entries".to_owned(),
            format!("/balance/entries/{THEIRS}/explanation"),
        ] {
            api.get(&format!("{path}?customer_id={customer}"), &siti).await.is_problem(403, "forbidden");
        }
    }
    let mut theirs = api.get(&format!("/balance/entries/{THEIRS}/explanation"), &siti).await;
    let mut nobodys = api.get("/balance/entries/nothing/explanation", &siti).await;
    for answer in [&mut theirs, &mut nobodys] {
        answer.is_problem(404, "not-found");
        answer.json["instance"] = Value::Null;
    }
    assert_eq!(theirs.json, nobodys.json);

    let technician = api.session("tech-001", Role::Technician).await;
    for path in [
        "/balance".to_owned(),
        "/balance/entries".to_owned(),
        format!("/balance/entries/{ENTRY}/explanation"),
    ] {
        for whose in ["", "?customer_id=customer-001", "?customer_id=tech-001"] {
            api.get(&format!("{path}{whose}"), &technician).await.is_problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn administrators_say_whose_money_they_mean() {
    let api = Api::with_services().await;
    let admin = api.session("admin-001", Role::Administrator).await;
    for path in [
        "/balance".to_owned(),
        "/balance/entries".to_owned(),
        format!("/balance/entries/{THEIRS}/explanation"),
    ] {
        for nobody in [path.clone(), format!("{path}?customer_id=")] {
            assert_eq!(api.get(&nobody, &admin).await.is_problem(400, "invalid").faults(), ["customer_id"]);
        }
        let answer = api.get(&format!("{path}?customer_id=customer-002"), &admin).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.json);
    }
    let new = api.get("/balance?customer_id=customer-999", &admin).await.json;
    assert_eq!((&new["balance"], &new["sequence"]), (&json!(0), &json!(0)));
    assert_eq!((&new["posted"], &new["accrued"]), (&json!(0), &json!(0)));
    assert!(new["updated_at"].is_null() && new["daily_cost"].is_null() && new["runway_days"].is_null());
    api.get(&format!("/balance/entries/{ENTRY}/explanation?customer_id=customer-002"), &admin)
        .await
        .is_problem(404, "not-found");
    let wrong = api.get("/balance/entries?customer_id=customer-001&page_token=made-up", &admin).await;
    assert_eq!(wrong.is_problem(400, "invalid").faults(), ["page_token"]);
}

#[tokio::test]
async fn only_administrators_correct_balances() {
    let api = Api::with_services().await;
    let path = "/customers/customer-001/adjustments";
    let good = json!({ "id": "goodwill-1", "amount": 5000, "reason": "Goodwill" });
    for (id, role) in [("customer-001", Role::Customer), ("tech-001", Role::Technician)] {
        let session = api.session(id, role).await;
        for whose in [path, "/customers/nobody/adjustments"] {
            api.post_as(whose, &session, &good).await.is_problem(403, "forbidden");
        }
    }
    let admin = api.session("admin-001", Role::Administrator).await;
    for (body, fields) in [
        (json!({ "id": "a b", "amount": 0, "reason": " " }), vec!["id", "amount", "reason"]),
        (json!({ "id": "a", "amount": 1.5, "reason": "x" }), vec!["amount"]),
        (json!({ "id": "a", "amount": "5000", "reason": "x" }), vec!["amount"]),
        (json!({ "id": "a", "amount": "5.000", "reason": "x" }), vec!["amount"]),
        (json!({ "id": "a", "amount": 5000.0, "reason": "x" }), vec!["amount"]),
        (json!({ "id": "a", "amount": 1, "reason": "x", "made_by": "somebody" }), vec!["made_by"]),
    ] {
        assert_eq!(
            api.post_as(path, &admin, &body).await.is_problem(422, "invalid").faults(),
            fields,
            "{body}"
        );
    }
    assert_eq!(api.post_as(path, &admin, &good).await.status, StatusCode::ACCEPTED);
    let used = json!({ "id": "used", "amount": 5000, "reason": "Goodwill" });
    let used = api.post_as(path, &admin, &used).await;
    assert!(
        used.is_problem(409, "key-reused").json["detail"].as_str().unwrap().contains("another correction")
    );
    for nobody in ["customer-999", "tech-001"] {
        let path = format!("/customers/{nobody}/adjustments");
        api.post_as(&path, &admin, &good).await.is_problem(404, "not-found");
    }
    // Whether there is such a customer the database says, and here it does not answer.
    let api = Api::at(NOWHERE).await;
    let admin = api.session("admin-001", Role::Administrator).await;
    let asked = api.post_as(path, &admin, &good).await;
    assert!(asked.is_problem(503, "unavailable").json["detail"].as_str().unwrap().contains("database"));
}

#[tokio::test]
async fn tariffs_are_told_to_everyone() {
    let api = Api::with_services().await;
    for (id, role) in
        [("customer-001", Role::Customer), ("tech-001", Role::Technician), ("admin-001", Role::Administrator)]
    {
        let session = api.session(id, role).await;
        let all = api.get("/tariffs", &session).await;
        assert_eq!(all.json["items"][0]["class"], "social-1");
        let one = api.get("/tariffs/social-1", &session).await;
        let set_by = if role == Role::Administrator { json!("admin-001") } else { Value::Null };
        assert_eq!(one.json, all.json["items"][0]);
        assert_eq!(
            one.json["versions"][0],
            json!({
                "from": null, "fixed_charge": "0", "minimum_volume": "0", "set_by": set_by,
                "blocks": [{ "up_to": "10", "price": "4600" }, { "up_to": null, "price": "9500" }],
            })
        );
        let quote =
            api.get("/tariffs/social-1/quote?volume=1.0&on=2026-11-22&month_to_date=3", &session).await;
        let block = json!({ "volume": "1", "price": "4600", "cost": "4600" });
        assert_eq!(quote.json, json!({ "volume": "1", "cost": "4600", "blocks": [block] }));
        let bought = api.get("/tariffs/social-1/quote?amount=4600", &session).await;
        assert_eq!((&bought.json["volume"], &bought.json["cost"]), (&json!("1"), &json!("4600")));
        for unknown in ["/tariffs/nothing", "/tariffs/nothing/quote?volume=1"] {
            api.get(unknown, &session).await.is_problem(404, "not-found");
        }
        for (query, fields) in [
            ("", vec!["volume"]),
            ("volume=1&amount=1", vec!["amount"]),
            ("volume=-1&on=today&month_to_date=x", vec!["volume", "on", "month_to_date"]),
        ] {
            let answer = api.get(&format!("/tariffs/social-1/quote?{query}"), &session).await;
            assert_eq!(answer.is_problem(400, "invalid").faults(), fields, "{query}");
        }
    }
}

#[tokio::test]
async fn water_is_priced_at_a_meter_as_its_month_stands() {
    let api = Api::with_services().await;
    let owner = api.session("customer-001", Role::Customer).await;
    let quote = api.get("/devices/device-001/quote?amount=4600", &owner).await;
    let block = json!({ "volume": "1", "price": "4600", "cost": "4600" });
    let expected = json!({
        "device_id": "device-001", "tariff_class": "social-1", "month_to_date": "3.25",
        "volume": "1", "cost": "4600", "blocks": [block],
    });
    assert_eq!(quote.json, expected);
    let stranger = api.session("customer-002", Role::Customer).await;
    api.get("/devices/device-001/quote?volume=1", &stranger).await.is_problem(404, "not-found");
    let nothing = api.get("/devices/device-001/quote", &owner).await;
    assert_eq!(nothing.is_problem(400, "invalid").faults(), ["volume"]);
}

#[tokio::test]
async fn only_administrators_set_tariffs() {
    let api = Api::with_services().await;
    let path = "/tariffs/social-1/versions";
    for (id, role) in [("customer-001", Role::Customer), ("tech-001", Role::Technician)] {
        let session = api.session(id, role).await;
        api.post_as(path, &session, &tariff("2027-01-01")).await.is_problem(403, "forbidden");
    }
    let admin = api.session("admin-001", Role::Administrator).await;
    let set = api.post_as(path, &admin, &tariff("2027-01-01")).await;
    assert_eq!((set.status, &set.json["revision"]), (StatusCode::CREATED, &json!(2)));
    let version = &set.json["versions"][1];
    assert_eq!((&version["from"], &version["set_by"]), (&json!("2027-01-01"), &json!("admin-001")));
    assert_eq!(version["blocks"], tariff("")["blocks"]);

    // What billing says about a field is told as if the gateway had said it.
    let past = api.post_as(path, &admin, &tariff("2026-01-01")).await;
    assert_eq!(past.is_problem(422, "invalid").faults(), ["from"]);
    api.post_as(path, &admin, &tariff("2027-02-02")).await.is_problem(409, "conflict");
    let wrong = json!({ "from": "soon", "blocks": [{ "price": "x" }], "minimum_volume": "-1" });
    let wrong = api.post_as(path, &admin, &wrong).await;
    assert_eq!(wrong.is_problem(422, "invalid").faults(), ["from", "blocks[0].price", "minimum_volume"]);
    for price in ["5.000", "5,000", "5e3", " 5000", "+5000"] {
        let thousands =
            json!({ "from": "2027-01-01", "blocks": [{ "price": price }], "fixed_charge": price });
        let thousands = api.post_as(path, &admin, &thousands).await;
        assert_eq!(
            thousands.is_problem(422, "invalid").faults(),
            ["blocks[0].price", "fixed_charge"],
            "{price}"
        );
        let detail = thousands.json["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("no thousands sign"), "{detail}");
    }
    let numbers = json!({ "from": "2027-01-01", "blocks": [{ "up_to": null, "price": 4900 }] });
    assert_eq!(
        api.post_as(path, &admin, &numbers).await.is_problem(422, "invalid").faults(),
        ["blocks[0].price"]
    );
}

#[tokio::test]
async fn billing_that_is_down_is_said_to_be_down() {
    let api = Api::at(NOWHERE).await;
    let siti = api.session("customer-001", Role::Customer).await;
    for path in ["/balance", "/balance/entries", "/tariffs", "/tariffs/social-1/quote?volume=1"] {
        let answer = api.get(path, &siti).await;
        assert!(answer.is_problem(503, "unavailable").json["detail"].as_str().unwrap().contains("billing"));
    }
}
