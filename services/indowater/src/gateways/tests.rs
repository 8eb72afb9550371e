//! The stand-ins over plain HTTP, as a merchant meets them.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use axum::extract::State as Shared;
use axum::routing::post;
use reqwest::Client;
use serde_json::{Value, json};

use super::*;

/// A callback token and a body.
type Received = (Option<String>, Value);

/// A merchant who writes down what comes, and answers with the codes that are prepared, then with 200.
#[derive(Clone, Default)]
struct Merchant(Arc<Mutex<(VecDeque<u16>, Vec<Received>)>>);

impl Merchant {
    /// Starts one.
    async fn open(answers: &[u16]) -> (Self, String) {
        let merchant = Self::default();
        merchant.0.lock().unwrap().0.extend(answers);
        let router = Router::new().route("/hook", post(take)).with_state(merchant.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (merchant, url)
    }

    fn received(&self) -> Vec<Received> {
        self.0.lock().unwrap().1.clone()
    }

    fn statuses(&self) -> Vec<String> {
        let status = |(_, body): Received| body["transaction_status"].as_str().map(str::to_owned);
        self.received().into_iter().filter_map(status).collect()
    }

    /// Waits until `count` came.
    async fn waits_for(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(10);
        while self.received().len() < count {
            assert!(Instant::now() < until, "only {:?}", self.received());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn take(Shared(merchant): Shared<Merchant>, headers: HeaderMap, body: String) -> StatusCode {
    let token = headers.get("x-callback-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
    let mut inner = merchant.0.lock().unwrap();
    inner.1.push((token, serde_json::from_str(&body).unwrap()));
    StatusCode::from_u16(inner.0.pop_front().unwrap_or(200)).unwrap()
}

async fn open(options: Options) -> Gateways {
    start("127.0.0.1:0".parse().unwrap(), options).await.unwrap()
}

fn http() -> Client {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Hurried so much that minutes are milliseconds.
fn hurried() -> Options {
    Options { hurry: NonZeroU32::new(60_000).unwrap(), ..Options::default() }
}

async fn snap(gateways: &Gateways, id: &str, amount: i64) -> (u16, Value) {
    let body = json!({ "transaction_details": { "order_id": id, "gross_amount": amount } });
    let url = format!("{}/snap/v1/transactions", gateways.midtrans_url());
    let answer = http().post(url).basic_auth(MIDTRANS_KEY, Some("")).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn status(gateways: &Gateways, id: &str) -> Value {
    let url = format!("{}/v2/{id}/status", gateways.midtrans_url());
    http().get(url).basic_auth(MIDTRANS_KEY, Some("")).send().await.unwrap().json().await.unwrap()
}

async fn control(gateways: &Gateways, path: &str) -> u16 {
    let url = format!("{}/orders/{path}", gateways.control_url());
    http().post(url).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn midtrans_makes_pages_and_knows_orders_late() {
    let gateways = open(hurried()).await;
    let (code, page) = snap(&gateways, "o-1", 50_000).await;
    assert_eq!(code, 201);
    let url = page["redirect_url"].as_str().unwrap().to_owned();
    assert_eq!(status(&gateways, "o-1").await["status_code"], "404");
    assert_eq!(snap(&gateways, "o-1", 50_000).await, (201, page), "nobody began to pay");
    assert_eq!(snap(&gateways, "o-1", 60_000).await.0, 400, "another amount");
    assert_eq!(snap(&gateways, "o/1", 50_000).await.0, 400, "no such id");

    let text = http().get(&url).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("Rp 50.000") && text.contains("Bayar sekarang"), "{text}");
    let choice = "act=pay&method=qris";
    let form = ("content-type", "application/x-www-form-urlencoded");
    let paid = http().post(&url).header(form.0, form.1).body(choice).send().await.unwrap();
    assert_eq!(paid.status().as_u16(), 303);
    let told = status(&gateways, "o-1").await;
    assert_eq!(
        (&told["transaction_status"], &told["gross_amount"]),
        (&json!("settlement"), &json!("50000.00"))
    );
    assert_eq!(snap(&gateways, "o-1", 50_000).await.0, 400, "it was paid");
    let text = http().get(&url).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("Pembayaran berhasil"), "{text}");
}

#[tokio::test]
async fn a_wrong_key_gets_nothing() {
    let gateways = open(hurried()).await;
    for (method, path) in [
        ("POST", "midtrans/snap/v1/transactions"),
        ("GET", "midtrans/v2/o-1/status"),
        ("POST", "midtrans/v2/o-1/cancel"),
        ("POST", "xendit/v2/invoices"),
        ("GET", "xendit/v2/invoices?external_id=o"),
        ("POST", "xendit/invoices/x/expire!"),
    ] {
        let url = format!("http://{}/{path}", gateways.address);
        let request = http().request(method.parse().unwrap(), url).basic_auth("guessed", Some(""));
        assert_eq!(request.body("{}").send().await.unwrap().status().as_u16(), 401, "{path}");
    }
}

#[tokio::test]
async fn midtrans_tells_every_turn_and_refunds_twice() {
    let (merchant, url) = Merchant::open(&[]).await;
    let gateways = open(Options { midtrans_notify: Some(url), ..hurried() }).await;
    snap(&gateways, "o-1", 50_000).await;
    for (turn, count) in [("choose", 1), ("pay", 2), ("refund?amount=20000", 4), ("reverse", 5)] {
        assert_eq!(control(&gateways, &format!("o-1/{turn}")).await, 200, "{turn}");
        merchant.waits_for(count).await;
    }
    assert_eq!(merchant.statuses(), ["pending", "settlement", "partial_refund", "partial_refund", "deny"]);
    let last = merchant.received().pop().unwrap().1;
    assert!(last["settlement_time"].is_string(), "the money had come: {last}");
    assert_eq!(last["refund_amount"], "20000.00");
    assert_eq!(control(&gateways, "o-1/pay").await, 200, "the customer tries again");
    assert_ne!(status(&gateways, "o-1").await["transaction_id"], last["transaction_id"]);
}

#[tokio::test]
async fn a_page_without_a_choice_ends_in_silence() {
    let (merchant, url) = Merchant::open(&[]).await;
    let gateways = open(Options { midtrans_notify: Some(url), ..hurried() }).await;
    snap(&gateways, "o-1", 50_000).await;
    control(&gateways, "o-1/expire").await;
    assert_eq!(status(&gateways, "o-1").await["status_code"], "404");
    snap(&gateways, "o-2", 50_000).await;
    for turn in ["choose", "expire", "pay"] {
        assert_eq!(control(&gateways, &format!("o-2/{turn}")).await, 200, "{turn}");
    }
    merchant.waits_for(3).await;
    let mut statuses = merchant.statuses();
    statuses.sort();
    assert_eq!(statuses, ["expire", "pending", "settlement"], "the virtual account took the money late");
}

#[tokio::test]
async fn midtrans_tries_again_by_the_answer() {
    for (answers, tries) in
        [(&[500, 500, 500][..], 2), (&[404, 400, 404, 404], 3), (&[503; 9], 5), (&[302; 9], 6)]
    {
        let (merchant, url) = Merchant::open(answers).await;
        let gateways = open(Options { midtrans_notify: Some(url), ..hurried() }).await;
        snap(&gateways, "o-1", 50_000).await;
        control(&gateways, "o-1/pay").await;
        merchant.waits_for(tries).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(merchant.received().len(), tries, "after {answers:?}");
    }
}

#[tokio::test]
async fn xendit_makes_a_second_invoice_and_tells_with_its_token() {
    let (merchant, url) = Merchant::open(&[503]).await;
    let gateways = open(Options { xendit_notify: Some(url), ..hurried() }).await;
    let base = gateways.xendit_url();
    let send = async |request: reqwest::RequestBuilder| -> Value {
        request.basic_auth(XENDIT_KEY, Some("")).send().await.unwrap().json().await.unwrap()
    };
    let order = json!({ "external_id": "p-1", "amount": 75_000 });
    let first = send(http().post(format!("{base}/v2/invoices")).json(&order)).await;
    let second = send(http().post(format!("{base}/v2/invoices")).json(&order)).await;
    assert_ne!(first["id"], second["id"]);
    let list = send(http().get(format!("{base}/v2/invoices?external_id=p-1"))).await;
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    let (first, second) = (first["id"].as_str().unwrap(), second["id"].as_str().unwrap());

    control(&gateways, &format!("{first}/pay?amount=70000")).await;
    merchant.waits_for(2).await;
    let (token, told) = merchant.received().pop().unwrap();
    assert_eq!(token.as_deref(), Some(XENDIT_TOKEN));
    let said = (&told["status"], &told["amount"], &told["paid_amount"]);
    assert_eq!(said, (&json!("PAID"), &json!(75_000), &json!(70_000)));

    let expired = send(http().post(format!("{base}/invoices/{second}/expire!"))).await;
    assert_eq!(expired["status"], "EXPIRED");
    let refund = json!({ "invoice_id": first, "amount": 10_000, "currency": "IDR" });
    for _ in 0..2 {
        let request = http().post(format!("{base}/refunds")).header("idempotency-key", "r-1").json(&refund);
        assert_eq!(send(request).await["status"], "SUCCEEDED");
    }
    let refunds = send(http().get(format!("{base}/refunds?invoice_id={first}"))).await;
    assert_eq!(refunds["data"].as_array().map(Vec::len), Some(1), "{refunds}");
}

#[tokio::test]
async fn chance_repeats_loses_and_reverses() {
    let (merchant, url) = Merchant::open(&[]).await;
    let mischief = Mischief { duplicates: 100, reversals: 100, ..Mischief::default() };
    let gateways = open(Options { midtrans_notify: Some(url.clone()), mischief, ..hurried() }).await;
    snap(&gateways, "o-1", 50_000).await;
    control(&gateways, "o-1/pay").await;
    merchant.waits_for(4).await;
    // In this hurry they overtake each other.
    let mut statuses = merchant.statuses();
    statuses.sort();
    assert_eq!(statuses, ["deny", "deny", "settlement", "settlement"]);

    let mischief = Mischief { losses: 100, ..Mischief::default() };
    let gateways = open(Options { midtrans_notify: Some(url), mischief, ..hurried() }).await;
    snap(&gateways, "o-2", 50_000).await;
    control(&gateways, "o-2/pay").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(merchant.received().len(), 4, "nothing came");
}

async fn weather(gateways: &Gateways, path: &str) -> u16 {
    let url = format!("{}/weather/{path}", gateways.control_url());
    http().post(url).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn midtrans_tells_its_fee_apart() {
    let gateways = open(hurried()).await;
    let mut places = Vec::new();
    for id in ["o-1", "o-2"] {
        snap(&gateways, id, 50_000).await;
        assert_eq!(control(&gateways, &format!("{id}/pay?fee=350")).await, 200);
        let told = status(&gateways, id).await;
        assert_eq!(told["gross_amount"], "50350.00");
        let (top, below) = (&told["extra_info"], &told["metadata"]["extra_info"]);
        places.push(top.is_null());
        let info = if top.is_null() { below } else { top }["gross_amount_info"].clone();
        assert_eq!(
            (&info["gross_amount"], &info["customer_imposed_payment_fee"]),
            (&json!(50_350), &json!("350"))
        );
        let original = &info["original_amount"];
        assert!(*original == json!("50000") || *original == json!(50_000), "{info}");
    }
    assert_ne!(places[0], places[1], "once at the top, once below metadata");
}

#[tokio::test]
async fn midtrans_suspects_and_the_merchant_decides() {
    let (merchant, url) = Merchant::open(&[]).await;
    let gateways = open(Options { midtrans_notify: Some(url), ..hurried() }).await;
    for (id, decision, ends) in [("o-1", "accept", "capture"), ("o-2", "deny", "deny")] {
        snap(&gateways, id, 50_000).await;
        control(&gateways, &format!("{id}/challenge")).await;
        let told = status(&gateways, id).await;
        assert_eq!(
            (&told["transaction_status"], &told["fraud_status"]),
            (&json!("capture"), &json!("challenge"))
        );
        assert_eq!(control(&gateways, &format!("{id}/pay")).await, 409, "it is paid");
        assert_eq!(control(&gateways, &format!("{id}/{decision}")).await, 200);
        assert_eq!(status(&gateways, id).await["transaction_status"], ends);
    }
    merchant.waits_for(4).await;
}

#[tokio::test]
async fn an_order_that_was_made_may_only_be_called_used() {
    let mischief = Mischief { taken: 100, ..Mischief::default() };
    let gateways = open(Options { mischief, ..hurried() }).await;
    assert_eq!(snap(&gateways, "o-1", 50_000).await.0, 201);
    let (code, said) = snap(&gateways, "o-1", 50_000).await;
    assert_eq!(
        (code, &said["error_messages"][0]),
        (400, &json!("transaction_details.order_id sudah digunakan"))
    );
    assert_eq!(status(&gateways, "o-1").await["status_code"], "404", "nobody has chosen a method");
    assert_eq!(snap(&gateways, "o-1~2", 50_000).await.0, 201);
}

#[tokio::test]
async fn answers_may_be_odd_and_mean_the_same() {
    let mischief = Mischief { odd_answers: 100, fees: 100, ..Mischief::default() };
    let gateways = open(Options { mischief, ..hurried() }).await;
    snap(&gateways, "o-1", 50_000).await;
    control(&gateways, "o-1/pay").await;
    let mut notations = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let told = status(&gateways, "o-1").await;
        assert_eq!((&told["fraud_status"], &told["refunds"]), (&json!(""), &Value::Null));
        notations.insert(told["gross_amount"].to_string());
    }
    let all = ["\"50350\"", "\"50350.0\"", "\"503500e-1\"", "50350"];
    assert_eq!(notations.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn each_weather_is_what_it_is_called() {
    let gateways = open(hurried()).await;
    let url = format!("{}/v2/invoices", gateways.xendit_url());
    let make = async |id: &str| {
        let body = json!({ "external_id": id, "amount": 75_000 });
        let call = http().post(&url).basic_auth(XENDIT_KEY, Some("")).json(&body);
        let answer = call.timeout(Duration::from_millis(300)).send().await.ok()?;
        let (status, wait) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
        Some((status, wait, answer.text().await.ok()?))
    };
    for (name, status, waits, is_made) in [
        ("fine", Some(200), false, true),
        ("hangs", None, false, false),
        ("busy", Some(429), true, false),
        ("down", Some(503), true, false),
        ("locked", Some(401), false, false),
        ("forbidden", Some(403), false, false),
        ("empty", Some(200), false, false),
        ("resets", None, false, true),
    ] {
        assert_eq!(weather(&gateways, &format!("xendit/{name}")).await, 204);
        let answer = make(name).await;
        assert_eq!(
            answer.as_ref().map(|(status, waits, _)| (*status, *waits)),
            status.map(|status| (status, waits)),
            "{name}"
        );
        assert_eq!(gateways.desk.book().named(name).len(), usize::from(is_made), "{name}");
        assert_eq!(snap(&gateways, &format!("m-{name}"), 50_000).await.0, 201, "the other gateway is fine");
    }
    assert_eq!(weather(&gateways, "xendit/sunny").await, 404);
}

#[tokio::test]
async fn xendit_lists_its_fees_and_dates_its_refunds() {
    let gateways = open(hurried()).await;
    let base = gateways.xendit_url();
    let send = async |request: reqwest::RequestBuilder| -> Value {
        request.basic_auth(XENDIT_KEY, Some("")).send().await.unwrap().json().await.unwrap()
    };
    let order = json!({ "external_id": "p-1", "amount": 75_000 });
    let id = send(http().post(format!("{base}/v2/invoices")).json(&order)).await["id"].clone();
    control(&gateways, "p-1/pay?fee=4500").await;
    let told = send(http().get(format!("{base}/v2/invoices?external_id=p-1"))).await[0].clone();
    assert_eq!((&told["amount"], &told["paid_amount"]), (&json!(75_000), &json!(79_500)));
    assert_eq!(told["fees"], json!([{ "type": "ADMIN", "value": 4_500 }]));
    control(&gateways, "p-1/refund?amount=1000").await;
    let refunds = send(http().get(format!("{base}/refunds?invoice_id={}", id.as_str().unwrap()))).await;
    assert!(refunds["data"][0]["updated"].is_string(), "{refunds}");
}

#[tokio::test]
async fn midtrans_refunds_by_the_transaction_too() {
    let gateways = open(hurried()).await;
    snap(&gateways, "o-1", 50_000).await;
    control(&gateways, "o-1/pay").await;
    let transaction = status(&gateways, "o-1").await["transaction_id"].as_str().unwrap().to_owned();
    let url = format!("{}/v2/{transaction}/refund", gateways.midtrans_url());
    let body = json!({ "refund_key": "r", "amount": 1_000 });
    http().post(url).basic_auth(MIDTRANS_KEY, Some("")).json(&body).send().await.unwrap();
    let told = status(&gateways, "o-1").await;
    assert_eq!(
        (&told["refund_amount"], &told["refunds"][0]["created_at"].is_string()),
        (&json!("1000.00"), &true)
    );
}

#[tokio::test]
async fn a_call_may_be_done_without_an_answer() {
    let mischief = Mischief { timeouts: 100, ..Mischief::default() };
    let gateways = open(Options { mischief, ..hurried() }).await;
    let body = json!({ "external_id": "p-1", "amount": 75_000 });
    let call = http().post(format!("{}/v2/invoices", gateways.xendit_url())).basic_auth(XENDIT_KEY, Some(""));
    let outcome = call.json(&body).timeout(Duration::from_millis(300)).send().await;
    assert!(outcome.is_err_and(|error| error.is_timeout()));
    assert_eq!(gateways.desk.book().named("p-1").len(), 1, "it was done");
}

#[tokio::test]
async fn forgeries_come_without_the_right_signature_or_change_nothing() {
    let (merchant, url) = Merchant::open(&[]).await;
    let notify = Some(url);
    let options = Options { midtrans_notify: notify.clone(), xendit_notify: notify, ..hurried() };
    let gateways = open(options).await;
    snap(&gateways, "o-1", 50_000).await;
    control(&gateways, "o-1/choose?silent=true").await;
    assert_eq!(control(&gateways, "o-1/attack").await, 200);
    merchant.waits_for(7).await;
    assert_eq!(status(&gateways, "o-1").await["transaction_status"], "pending");
    let genuine = |body: &Value| {
        let mut signed = body.clone();
        midtrans::sign(&mut signed, MIDTRANS_KEY);
        signed["signature_key"] == body["signature_key"]
    };
    let signed: Vec<Value> = merchant.received().into_iter().map(|(_, body)| body).filter(genuine).collect();
    assert_eq!(signed.len(), 2, "the replay, and the replay that lies about the status");
    assert!(signed.iter().any(|body| body["transaction_status"] == "settlement"));
    assert!(gateways.desk.deliveries().iter().all(|delivery| delivery.forged));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_nothing_is_closed_and_delays_no_stop() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let gateways = open(hurried()).await;
    let mut sockets = Vec::new();
    for said in [
        "",
        "GET / HTTP/1.1\r\nhost: ",
        "POST /xendit/v2/invoices HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{",
    ] {
        let mut socket = tokio::net::TcpStream::connect(gateways.address).await.unwrap();
        socket.write_all(said.as_bytes()).await.unwrap();
        sockets.push(socket);
    }
    let began = Instant::now();
    for mut socket in sockets {
        // Ended or reset, it is closed; what was answered before does not matter.
        let _ =
            tokio::time::timeout(Duration::from_secs(15), socket.read_to_end(&mut Vec::new())).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}
