use axum::http::StatusCode;
use serde_json::{Value, json};
use tonic::Status;

use super::*;
use crate::tests::Api;
use crate::wire::billing::v1::{
    BillPayment, GetAccountResponse, GetBillResponse, ListBillsResponse, SetAccountResponse,
};

const OWN: &str = "GET /bills/bill%3Acustomer-001%7C2026-10";

fn bill(customer: &str) -> Bill {
    Bill {
        id: format!("bill:{customer}|2026-10"),
        customer_id: customer.to_owned(),
        month: "2026-10".to_owned(),
        charges: 71_400,
        carried_over: -1_400,
        amount: 70_000,
        status: BillStatus::Open.into(),
        payment_id: "payment-002".to_owned(),
        issued_at: 1_795_317_300,
        due_date: "2026-11-20".to_owned(),
        open: 10_000,
        surplus: 0,
        payments: vec![BillPayment { payment_id: "payment-001".to_owned(), amount: 60_000 }],
        carried_to: String::new(),
    }
}

fn account() -> Account {
    Account {
        customer_id: "customer-001".to_owned(),
        mode: AccountMode::Postpaid.into(),
        time_zone: "Asia/Makassar".to_owned(),
        since: 1_795_317_300,
        set_by: "admin-001".to_owned(),
    }
}

async fn api() -> Api {
    let api = Api::scripted().await;
    // Another customer's too, whoever was asked for: what is somebody else's must not get past the gateway.
    let bills = vec![bill("customer-001"), bill("customer-002")];
    api.backend
        .answers("ListBills", ListBillsResponse { bills, next_page_token: "next".to_owned() })
        .on("GetBill", |asked: GetBillRequest| match asked.id.split(['|', ':']).nth(1) {
            Some(customer) => Ok(GetBillResponse { bill: Some(bill(customer)) }),
            None => Err(Status::not_found("no")),
        })
        .answers("GetAccount", GetAccountResponse { account: Some(account()) })
        .on("SetAccount", |asked: SetAccountRequest| {
            let SetAccountRequest { customer_id, mode, time_zone, set_by } = asked;
            Ok(SetAccountResponse {
                account: Some(Account { customer_id, mode, time_zone, since: 1, set_by }),
            })
        });
    api
}

#[tokio::test]
async fn bills_are_shown_as_they_are() {
    let api = api().await;
    let shown = api.ask("customer-001", OWN, None).await.json;
    let expected = json!({
        "id": "bill:customer-001|2026-10", "customer_id": "customer-001", "month": "2026-10", "charges": 71_400,
        "carried_over": -1_400, "amount": 70_000, "open": 10_000, "surplus": 0, "status": "open",
        "payment_id": "payment-002", "payments": [{ "payment_id": "payment-001", "amount": 60_000 }],
        "carried_to": null, "issued_at": "2026-11-22T03:15:00Z", "due_date": "2026-11-20",
    });
    assert_eq!(shown, expected);
    let strange = Bill { status: 0, ..bill("customer-001") };
    api.backend.answers("GetBill", GetBillResponse { bill: Some(strange) });
    api.ask("customer-001", OWN, None).await.is_problem(500, "internal");
}

#[tokio::test]
async fn lists_are_of_those_whose_they_are() {
    let api = api().await;
    for (who, query, customer_id, status, shown) in [
        ("customer-001", "", "customer-001", 0, 1),
        ("customer-001", "?customer_id=customer-001&status=open", "customer-001", 1, 1),
        ("admin-001", "", "", 0, 2),
        ("admin-001", "?customer_id=customer-002&status=carried", "customer-002", 3, 2),
    ] {
        let bills = api.ask(who, &format!("GET /bills{query}"), None).await;
        assert_eq!(bills.ids().len(), shown, "{who} {query}");
        let expected = ListBillsRequest {
            customer_id: customer_id.into(),
            status,
            page_size: 100,
            page_token: String::new(),
        };
        assert_eq!(api.backend.received("ListBills"), Some(expected), "{who} {query}");
    }
    for (who, route, status) in [
        ("customer-001", "GET /bills/bill%3Acustomer-002%7C2026-10", 404),
        ("customer-001", "GET /bills/nothing", 404),
        ("customer-001", "GET /bills?customer_id=customer-002", 403),
        ("tech-001", "GET /bills", 403),
        ("tech-001", "GET /bills/nothing", 403),
        ("admin-001", "GET /bills/bill%3Acustomer-002%7C2026-10", 200),
    ] {
        assert_eq!(api.ask(who, route, None).await.status.as_u16(), status, "{who} {route}");
    }
}

#[tokio::test]
async fn pages_follow_from_their_own_query_only() {
    let api = api().await;
    let first = api.ask("customer-001", "GET /bills?status=open&page_size=1", None).await;
    let token = first.json["next_page_token"].as_str().unwrap().to_owned();
    api.backend.received::<()>("");
    let next = api
        .ask("customer-001", &format!("GET /bills?page_size=7&status=open&page_token={token}"), None)
        .await;
    assert_eq!(next.status, StatusCode::OK);
    let asked: ListBillsRequest = api.backend.received("ListBills").unwrap();
    assert_eq!((asked.page_size, asked.page_token.as_str()), (7, "next"));
    let first = api.ask("customer-001", "GET /bills?status=open&page_token=", None).await;
    assert_eq!(first.status, StatusCode::OK, "without anything in it, it is none");
    for (who, query) in [
        ("customer-002", format!("status=open&page_token={token}")),
        ("customer-001", format!("page_token={token}")),
        ("customer-001", format!("status=paid&page_token={token}")),
        ("customer-001", "page_token=made-up".to_owned()),
        ("customer-001", "page_token=next".to_owned()),
    ] {
        let foreign = api.ask(who, &format!("GET /bills?{query}"), None).await;
        assert_eq!(foreign.is_problem(400, "invalid").faults(), ["page_token"], "{who} {query}");
    }
}

#[tokio::test]
async fn wrong_queries_are_told_whole() {
    let api = api().await;
    for (route, fields) in [
        ("GET /bills?status=late&page_size=0", vec!["status", "page_size"]),
        ("GET /bills?customer_id=&page_size=1001", vec!["customer_id", "page_size"]),
        ("GET /bills?paid=true&limit=1", vec!["paid", "limit"]),
        ("GET /bills?status=open&status=paid", vec!["status"]),
        ("GET /bills/nothing?x=1", vec!["x"]),
        ("GET /billing?customer=1", vec!["customer"]),
        ("GET /billing", vec!["customer_id"]),
    ] {
        let wrong = api.ask("admin-001", route, None).await;
        assert_eq!(wrong.is_problem(400, "invalid").faults(), fields, "{route}");
    }
}

#[tokio::test]
async fn who_set_the_mode_is_shown_to_administrators() {
    let api = api().await;
    for (who, query, set_by) in
        [("customer-001", "", Value::Null), ("admin-001", "?customer_id=customer-001", json!("admin-001"))]
    {
        let shown = api.ask(who, &format!("GET /billing{query}"), None).await.json;
        let expected = json!({
            "customer_id": "customer-001", "mode": "postpaid", "time_zone": "Asia/Makassar",
            "since": "2026-11-22T03:15:00Z", "set_by": set_by,
        });
        assert_eq!(shown, expected, "{who}");
    }
    for (who, query) in [
        ("customer-001", "?customer_id=customer-002"),
        ("tech-001", ""),
        ("tech-001", "?customer_id=customer-001"),
    ] {
        api.ask(who, &format!("GET /billing{query}"), None).await.is_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn only_administrators_set_the_mode() {
    let api = api().await;
    let route = "PUT /customers/customer-001/billing";
    for (who, route, body, status) in [
        ("customer-001", route, json!({ "mode": "postpaid" }), 403),
        ("tech-001", route, json!({ "mode": "postpaid" }), 403),
        ("admin-001", route, json!({ "mode": "postpaid" }), 200),
        ("admin-001", "PUT /customers/tech-001/billing", json!({ "mode": "postpaid" }), 404),
        ("admin-001", "PUT /customers/nobody/billing", json!({ "mode": "postpaid" }), 404),
    ] {
        assert_eq!(api.ask(who, route, Some(&body)).await.status.as_u16(), status, "{who} {route}");
    }
    for (body, fields) in [
        (json!({ "mode": "later", "set_by": "x" }), vec!["mode", "set_by"]),
        (json!({ "time_zone": "Asia/Jakarta" }), vec!["mode"]),
        (json!({ "mode": "prepaid", "time_zone": "" }), vec!["time_zone"]),
    ] {
        let wrong = api.ask("admin-001", route, Some(&body)).await;
        assert_eq!(wrong.is_problem(422, "invalid").faults(), fields, "{body}");
    }
    api.backend.refuses("SetAccount", indowater_common::grpc::invalid("time_zone", "is not known"));
    let body = json!({ "mode": "prepaid", "time_zone": "Atlantis" });
    let wrong = api.ask("admin-001", route, Some(&body)).await;
    assert_eq!(wrong.is_problem(422, "invalid").faults(), ["time_zone"]);
}
