//! Payments from the customer's hand to the balance, through everything that gateways, thieves and crashes do.

mod bills;
mod inherited;
pub mod shop;
mod trouble;

pub use bills::{an_empty_database_fills_with_the_same_balances, bills_are_paid_once};
pub use inherited::payments_of_another_system_are_kept_and_gone_on_with;

pub use trouble::{
    a_gateway_that_hangs_starves_nobody, trouble_at_a_gateway_ends_no_payment,
    what_gateways_say_has_an_outcome,
};

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use billing::midtrans;
use bson::doc;
use indowater::gateways::{Gateways, MIDTRANS_KEY, Mischief, Options, XENDIT_TOKEN, book};
use indowater_tests::base::Base;
use indowater_tests::workload::{Meter, Network, messages, meters};
use indowater_tests::world::{CUSTOMER, eventually, http};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::gateways::options;
use crate::person::whole;
use shop::{Shop, id, top_up};

const PAYMENTS: &str = "/api/v1/payments";

/// A customer tops up through each gateway with a voucher and uses water; balance, statement, receipt and report agree to the
/// rupiah, and nobody else sees any of it.
pub async fn a_customer_tops_up_through_each_gateway_with_a_voucher(base: Arc<Base>) -> Result<()> {
    let shop = Shop::open(&base, "top-up", options()).await?;
    shop.make_voucher("HEMAT", 2).await?;
    let meters = meters(50, 2, 120);
    shop.world.enrol(&meters).await?;
    shop.world.send(&messages(50, &meters, Network::ROUGH)).await?;
    let water: i64 = meters.iter().map(Meter::owed).sum();

    let mut paid = Vec::new();
    for method in ["midtrans", "xendit"] {
        let mut wish = top_up(method, 100_000);
        wish["voucher_code"] = json!("hemat");
        let made = shop.customer.done(PAYMENTS, method, &wish).await?;
        ensure!(made["status"] == "pending" && made["discount_amount"] == 10_000, "{made}");
        let again = shop.customer.done(PAYMENTS, method, &wish).await?;
        ensure!(again == made, "the same wish made another payment: {again}");
        let (status, problem) = shop.customer.post_once(PAYMENTS, method, &top_up(method, 50_000)).await?;
        ensure!(status == StatusCode::CONFLICT, "a used key: {status} {problem}");
        only_the_owner_sees(&shop, &made).await?;
        shop.pay(&made).await?;
        let settled = shop.becomes(&made, "paid").await?;
        ensure!(settled["final_amount"] == 90_000, "{settled}");
        paid.push(made);
    }
    shop.has(200_000 - water).await?;

    // The third has no voucher left.
    let mut wish = top_up("xendit", 100_000);
    wish["voucher_code"] = json!("HEMAT");
    let (status, problem) = shop.customer.post_once(PAYMENTS, "third", &wish).await?;
    ensure!(status == StatusCode::CONFLICT, "{status} {problem}");
    let used = shop.customer.find("/api/v1/vouchers/usage").await?;
    ensure!(used["items"].as_array().is_some_and(|items| items.len() == 2), "{used}");

    // Gross, discount and net, in the statement and on the receipt.
    let statement = shop.customer.statement().await?;
    for payment in &paid {
        let of_it = statement.iter().filter(|entry| entry["payment_id"] == payment["id"]);
        let mut amounts = of_it.map(|entry| whole(entry, "amount")).collect::<Result<Vec<_>>>()?;
        amounts.sort_unstable();
        ensure!(amounts == [10_000, 90_000], "{amounts:?}");
        let receipt = shop.customer.find(&format!("{PAYMENTS}/{}/receipt", id(payment)?)).await?;
        ensure!(receipt.to_string().contains("90000"), "{receipt}");
    }

    refunds_and_cash(&shop, &paid).await?;
    shop.has(200_000 - water - 50_000 + 25_000).await?;
    report_agrees(&shop, water).await?;
    shop.adds_up().await
}

/// A payment is its owner's and the administrators'.
async fn only_the_owner_sees(shop: &Shop, payment: &Value) -> Result<()> {
    let path = format!("{PAYMENTS}/{}", id(payment)?);
    for (person, expected) in [
        (&shop.customer, StatusCode::OK),
        (&shop.administrator, StatusCode::OK),
        (&shop.stranger, StatusCode::NOT_FOUND),
        (&shop.technician, StatusCode::FORBIDDEN),
    ] {
        let (status, answer) = person.get(&path).await?;
        let hidden = status == StatusCode::NOT_FOUND && expected == StatusCode::FORBIDDEN;
        ensure!(status == expected || hidden, "{status} instead of {expected}: {answer}");
    }
    for act in ["cancel", "confirm", "refunds"] {
        let body = json!({ "reason": "mine now" });
        let (status, answer) = shop.stranger.post_once(&format!("{path}/{act}"), "k", &body).await?;
        ensure!(status.is_client_error(), "a stranger may {act}: {status} {answer}");
    }
    Ok(())
}

/// An administrator gives half of a payment back, twice asked and once given, and takes cash.
async fn refunds_and_cash(shop: &Shop, paid: &[Value]) -> Result<()> {
    let refund = json!({ "amount": 45_000, "reason": "Half of it was a mistake" });
    let path = format!("{PAYMENTS}/{}/refunds", id(&paid[0])?);
    for _ in 0..2 {
        shop.administrator.done(&path, "half", &refund).await?;
    }
    let (status, problem) = shop.customer.post_once(&path, "mine", &refund).await?;
    ensure!(status == StatusCode::FORBIDDEN, "{status} {problem}");
    eventually("half of it is given back", async || {
        let found = shop.customer.find(&format!("{PAYMENTS}/{}", id(&paid[0])?)).await?;
        ensure!(found["refunded_amount"] == 45_000 && found["credited_amount"] == 50_000, "{found}");
        Ok(())
    })
    .await?;
    let cash = json!({
        "customer_id": CUSTOMER, "payment_method": "manual", "amount": 25_000, "reason": "Cash at the counter",
    });
    let (status, problem) = shop.customer.post_once(PAYMENTS, "cash", &cash).await?;
    ensure!(status.is_client_error(), "a customer took cash: {status} {problem}");
    let taken = shop.administrator.done(PAYMENTS, "cash", &cash).await?;
    ensure!(taken["status"] == "paid", "{taken}");
    Ok(())
}

/// What came in by day, method and class is what was paid and used.
async fn report_agrees(shop: &Shop, water: i64) -> Result<()> {
    let today = indowater_common::clock::now().as_second() + 7 * 3_600;
    let day = |days: i64| {
        indowater_common::domain::zone::Day(i32::try_from(today.div_euclid(86_400) + days).unwrap_or(0))
    };
    let path = format!("/api/v1/reports/revenue?from={}&to={}", day(-1), day(1));
    let report = shop.administrator.find(&path).await?;
    let sum = |list: &str, field: &str| -> Result<i64> {
        report[list].as_array().with_context(|| format!("{report}"))?.iter().map(|of| whole(of, field)).sum()
    };
    ensure!(sum("by_method", "received")? == 90_000 * 2 + 25_000, "{report}");
    ensure!(sum("by_class", "water")? == water, "{report}");
    ensure!(sum("by_day", "vouchers")? == 20_000 - 5_000, "{report}");
    for person in [&shop.customer, &shop.technician] {
        let (status, answer) = person.get(&path).await?;
        ensure!(status == StatusCode::FORBIDDEN, "{status} {answer}");
    }
    Ok(())
}

/// Notifications that are forged, replayed, reordered, about nobody's order or of a wrong amount credit nothing; one that could
/// not be stored is refused, so that the gateway sends it again.
pub async fn notifications_that_lie_credit_nothing(base: Arc<Base>) -> Result<()> {
    let mut shop = Shop::open(&base, "lies", options()).await?;
    let mut payments = Vec::new();
    for (method, course) in ["midtrans", "xendit"].into_iter().flat_map(|method| {
        [&["choose", "attack"][..], &["pay?amount=1", "attack"], &["pay", "attack"], &["attack"]]
            .map(|course| (method, course))
    }) {
        let key = format!("{method}-{}", course.join("-").replace('?', "-"));
        let made = shop.customer.done(PAYMENTS, &key, &top_up(method, 50_000)).await?;
        for act in course {
            shop.turn(&format!("{}/{act}", id(&made)?)).await?;
        }
        payments.push((made, course.contains(&"pay")));
    }
    for (payment, is_paid) in &payments {
        shop.becomes(payment, if *is_paid { "paid" } else { "pending" }).await?;
    }
    shop.has(100_000).await?;

    // An order that nobody made, under a signature that is right.
    let signature = midtrans::signature("payment-nobodys", "200", "50000.00", MIDTRANS_KEY);
    let body = json!({
        "order_id": "payment-nobodys", "status_code": "200", "gross_amount": "50000.00",
        "transaction_status": "settlement", "transaction_id": "t", "signature_key": signature,
    });
    ensure!(notify(&shop, "midtrans", &body.to_string()).await? == StatusCode::OK);
    for nonsense in ["", "{", "[1]", "{\"order_id\":1}"] {
        let status = notify(&shop, "midtrans", nonsense).await?;
        ensure!(status == StatusCode::BAD_REQUEST, "{nonsense:?}: {status}");
    }

    // Everything that was ever sent, again and backwards.
    let mut sent = shop.gateways.desk.deliveries();
    sent.reverse();
    for delivery in &sent {
        let gateway = if delivery.body.contains("signature_key") { "midtrans" } else { "xendit" };
        let status = notify(&shop, gateway, &delivery.body).await?;
        ensure!(!status.is_server_error(), "{status}: {}", delivery.body);
    }
    ensure!(
        sent.iter().any(|delivery| delivery.forged && delivery.status == Some(401)),
        "nothing was refused"
    );
    let stored = shop.world.database.collection::<bson::Document>("payment_notifications");
    for verdict in ["taken", "forged", "unknown_order", "unreadable"] {
        let found = stored.count_documents(doc! { "verdict": verdict }).await?;
        ensure!(found > 0, "no notification is kept as {verdict}");
    }

    // Refused while billing is down, and sent again.
    let last = shop.customer.done(PAYMENTS, "last", &top_up("midtrans", 50_000)).await?;
    shop.billing[0].process.kill().await;
    shop.turn(&format!("{}/pay", id(&last)?)).await?;
    eventually("the notification is refused", async || {
        let refused = shop.gateways.desk.deliveries();
        let refused = refused.iter().filter(|delivery| delivery.order == id(&last).unwrap_or_default());
        ensure!(refused.filter(|delivery| delivery.status == Some(503)).count() > 0, "not yet");
        Ok(())
    })
    .await?;
    shop.restart_billing(0).await?;
    eventually("the gateway knows of billing again", async || {
        shop.customer.find(&format!("{PAYMENTS}/{}", id(&last)?)).await.map(drop)
    })
    .await?;
    shop.becomes(&last, "paid").await?;
    shop.has(150_000).await?;
    shop.adds_up().await
}

/// Sends a notification, with Xendit's token if it is Xendit's.
async fn notify(shop: &Shop, gateway: &str, body: &str) -> Result<StatusCode> {
    let url = format!("{}/api/v1/webhooks/{gateway}", shop.customer.api);
    let request = http()?.post(url).header("content-type", "application/json").body(body.to_owned());
    let request =
        if gateway == "xendit" { request.header("x-callback-token", XENDIT_TOKEN) } else { request };
    Ok(request.send().await?.status())
}

/// What customers, banks and administrators do, one course for each order.
const COURSES: [&[&str]; 16] = [
    &["pay"],
    &["pay?amount=1"],
    &["pay?amount=10000000"],
    &["choose", "attack"],
    &["attack", "pay", "attack"],
    &["pay", "refund?amount=10000", "refund?amount=40000"],
    &["pay", "refund?amount=10000", "attack"],
    &["pay", "reverse", "attack"],
    &["pay", "chargeback"],
    &["choose", "expire", "attack"],
    &["choose", "expire", "pay"],
    &["deny?method=credit_card", "pay", "attack"],
    &["challenge", "attack", "accept"],
    &["challenge", "deny", "attack"],
    &["pay?fee=350", "refund?amount=20000", "attack"],
    &["pay?amount=60000", "refund?amount=12000"],
];

/// What the gateway finally says that we have of what was `asked`: what came through all orders of the payment, without what
/// the gateway added and what went back, if one of them brought what was asked.
fn truth(gateways: &Gateways, name: &str, asked: i64) -> i64 {
    let book = gateways.desk.book();
    let (mut left, mut is_good) = (0, false);
    let further = (2..=5).map(|number| format!("{name}~{number}"));
    for name in further.chain([name.to_owned()]) {
        for order in book.named(&name) {
            let Some(latest) = order.latest().filter(|latest| latest.state == book::State::Settled) else {
                continue;
            };
            is_good |= latest.amount - latest.fee >= asked;
            left += latest.amount - latest.fee - order.refunded();
        }
    }
    if is_good { left.clamp(0, asked) } else { 0 }
}

/// B2 over the whole way: whatever the gateways repeat, hold back, lose, take back, pay late or leave unanswered, whatever a
/// thief sends, and whoever is killed, each payment has exactly what the gateway has, with its share of the voucher.
pub async fn balances_have_what_the_gateways_have(base: Arc<Base>) -> Result<()> {
    let mischief = Mischief {
        seed: 42,
        duplicates: 30,
        delays: 40,
        losses: 15,
        timeouts: 0,
        errors: 10,
        reversals: 20,
        late_payments: 30,
        attacker: 20,
        resets: 5,
        taken: 50,
        fees: 20,
        surplus: 20,
        challenges: 0,
        odd_answers: 20,
    };
    let options = Options { notification_timeout: Some(Duration::from_secs(2)), mischief, ..options() };
    let mut shop = Shop::open(&base, "mischief", options).await?;
    shop.make_voucher("HEMAT", 1_000).await?;
    shop.add_billing().await?;
    let mut payments: Vec<Value> = Vec::new();
    for (number, course) in COURSES.iter().cycle().take(24).enumerate() {
        for method in ["midtrans", "xendit"] {
            let mut wish = top_up(method, 50_000);
            if number % 2 == 0 {
                wish["voucher_code"] = json!("HEMAT");
            }
            let key = format!("{method}-{number}");
            // A customer tries again until there is an answer.
            let made =
                eventually("a payment", async || shop.customer.done(PAYMENTS, &key, &wish).await).await?;
            for act in *course {
                // What cannot happen as things stand does not happen.
                shop.turn(&format!("{}/{act}", id(&made)?)).await?;
            }
            payments.push(made);
        }
        if number % 6 == 5 {
            let victim = number / 6 % shop.billing.len();
            shop.billing[victim].process.kill().await;
            shop.restart_billing(victim).await?;
        }
        if number == 11 {
            shop.voucher.process.kill().await;
            let (url, settings) =
                (shop.voucher.url.trim_start_matches("http://").to_owned(), "INDOWATER_GRPC_LISTEN");
            shop.voucher = shop.world.start("voucher", &[(settings, url.as_str())]).await?;
        }
    }
    let mut has = 0;
    for payment in &payments {
        has += settled(&shop, payment).await?;
    }
    shop.has(has).await?;
    let all = shop.administrator.find(&format!("{PAYMENTS}?page_size=100")).await?;
    for status in ["pending", "paid", "expired", "reversed", "refunded"] {
        let some = all["items"].as_array().is_some_and(|all| all.iter().any(|one| one["status"] == status));
        ensure!(some, "none is {status}");
    }
    let deliveries = shop.gateways.desk.deliveries();
    let refused = deliveries.iter().filter(|delivery| delivery.forged && delivery.status == Some(401));
    ensure!(refused.count() > 20, "hardly any forgery was tried");
    shop.adds_up().await
}

/// Waits until a payment has what the gateway has, with its share of the voucher: how much that is.
async fn settled(shop: &Shop, payment: &Value) -> Result<i64> {
    let name = id(payment)?;
    eventually("a payment has what the gateway has", async || {
        let found = shop.administrator.find(&format!("{PAYMENTS}/{name}")).await?;
        let asked = whole(payment, "final_amount")?;
        let cash = truth(&shop.gateways, name, asked);
        let discount = match found["voucher_state"].as_str() {
            Some("granted") if cash > 0 => {
                let given = whole(payment, "discount_amount")?;
                given - given * (asked - cash) / asked
            }
            Some("asked") => anyhow::bail!("the voucher is not decided: {found}"),
            _ => 0,
        };
        ensure!(whole(&found, "credited_amount")? == cash + discount, "not {cash} + {discount}: {found}");
        Ok(cash + discount)
    })
    .await
}
