//! Gateways in trouble, and gateways that say more than a plain yes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indowater::gateways::{Mischief, Options};
use indowater_tests::base::Base;
use indowater_tests::world::eventually;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::PAYMENTS;
use super::shop::{Shop, id, top_up};
use crate::gateways::{options, weather};
use crate::person::whole;

/// Why a person should look at a payment, with the sums.
fn reasons(payment: &Value) -> Vec<(String, i64)> {
    let all = payment["needs_attention"].as_array().into_iter().flatten();
    all.map(|one| {
        (one["reason"].as_str().unwrap_or_default().to_owned(), one["amount"].as_i64().unwrap_or(-1))
    })
    .collect()
}

/// Waits until a payment is as `is_right` wants it, for an administrator.
async fn settles(
    shop: &Shop,
    payment: &Value,
    what: &str,
    is_right: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let path = format!("{PAYMENTS}/{}", id(payment)?);
    eventually(what, async || {
        let found = shop.administrator.find(&path).await?;
        ensure!(is_right(&found), "{found}");
        Ok(found)
    })
    .await
}

/// What moved, as it is shown: received, fee, refunded, uncredited, excess, credited.
fn sums(payment: &Value) -> Result<[i64; 6]> {
    let of = |field: &str| whole(payment, field);
    let sums = [
        of("received_amount")?,
        of("fee_amount")?,
        of("refunded_amount")?,
        of("uncredited_amount")?,
        of("excess_amount")?,
        of("credited_amount")?,
    ];
    let [received, fee, refunded, uncredited, excess, credited] = sums;
    ensure!(received + excess == fee + refunded + uncredited + credited, "it does not add up: {payment}");
    Ok(sums)
}

/// Fees, more than was asked, less, suspicions, and money that went out twice: each has its outcome, is shown, and adds up.
pub async fn what_gateways_say_has_an_outcome(base: Arc<Base>) -> Result<()> {
    let mischief = Mischief { odd_answers: 50, ..Mischief::default() };
    let shop = Shop::open(&base, "outcomes", Options { mischief, ..options() }).await?;
    let mut balance = 0;
    let mut needing = 0;
    for method in ["midtrans", "xendit"] {
        let make = async |name: &str, course: &[&str]| -> Result<Value> {
            let made =
                shop.customer.done(PAYMENTS, &format!("{method}-{name}"), &top_up(method, 50_000)).await?;
            for act in course {
                ensure!(shop.turn(&format!("{}/{act}", id(&made)?)).await? == 200, "{method} {name} {act}");
            }
            Ok(made)
        };
        let fee = make("fee", &["pay?fee=350"]).await?;
        let fee = shop.becomes(&fee, "paid").await?;
        ensure!(sums(&fee)? == [50_350, 350, 0, 0, 0, 50_000] && reasons(&fee).is_empty(), "{fee}");

        let more = make("more", &["pay?amount=55000"]).await?;
        let told = settles(&shop, &more, "the rest is noted", |found| !reasons(found).is_empty()).await?;
        ensure!(sums(&told)? == [55_000, 0, 0, 5_000, 0, 50_000], "{told}");
        ensure!(reasons(&told) == [("surplus".to_owned(), 5_000)], "{told}");
        let back = json!({ "amount": 5_000, "reason": "More than was asked" });
        shop.administrator.done(&format!("{PAYMENTS}/{}/refunds", id(&more)?), "rest", &back).await?;
        let told = settles(&shop, &more, "the rest went back", |found| reasons(found).is_empty()).await?;
        ensure!(sums(&told)? == [55_000, 0, 5_000, 0, 0, 50_000], "{told}");

        let less = make("less", &["pay?amount=1"]).await?;
        let told = settles(&shop, &less, "too little is noted", |found| !reasons(found).is_empty()).await?;
        ensure!(told["status"] == "pending" && sums(&told)? == [1, 0, 0, 1, 0, 0], "{told}");

        let twice = make("twice", &["pay"]).await?;
        shop.becomes(&twice, "paid").await?;
        let by_hand = json!({ "reason": "Cash at the counter", "by_hand": true });
        shop.administrator.done(&format!("{PAYMENTS}/{}/refunds", id(&twice)?), "hand", &by_hand).await?;
        ensure!(shop.turn(&format!("{}/refund", id(&twice)?)).await? == 200);
        let told = settles(&shop, &twice, "it went out twice", |found| !reasons(found).is_empty()).await?;
        ensure!(sums(&told)? == [50_000, 0, 100_000, 0, 50_000, 0], "{told}");
        ensure!(reasons(&told) == [("over_refunded".to_owned(), 50_000)], "{told}");
        balance += 100_000;
        needing += 2;
    }
    let suspected = shop.customer.done(PAYMENTS, "suspected", &top_up("midtrans", 50_000)).await?;
    shop.turn(&format!("{}/challenge", id(&suspected)?)).await?;
    let told =
        settles(&shop, &suspected, "the suspicion is noted", |found| !reasons(found).is_empty()).await?;
    ensure!(told["status"] == "pending" && reasons(&told) == [("challenged".to_owned(), 50_000)], "{told}");
    let seen = shop.customer.find(&format!("{PAYMENTS}/{}", id(&suspected)?)).await?;
    ensure!(reasons(&seen).is_empty() && seen["notes"] == json!([]), "a customer reads it: {seen}");
    let list = shop.administrator.find(&format!("{PAYMENTS}?needs_attention=true")).await?;
    ensure!(list["items"].as_array().is_some_and(|items| items.len() == needing + 1), "{list}");
    shop.turn(&format!("{}/accept", id(&suspected)?)).await?;
    let told = shop.becomes(&suspected, "paid").await?;
    ensure!(reasons(&told).is_empty() && told["noticed_at"].is_string(), "{told}");
    shop.has(balance + 50_000).await?;
    shop.adds_up().await
}

/// An answer that was lost, a key that was wrong and an empty answer end no payment: the same key goes on, and is paid. Nor is a
/// refund lost.
pub async fn trouble_at_a_gateway_ends_no_payment(base: Arc<Base>) -> Result<()> {
    // An order that was made is only called used when it is made again.
    let mischief = Mischief { taken: 100, ..Mischief::default() };
    let shop = Shop::open(&base, "no-end", Options { mischief, ..options() }).await?;
    let mut paid = 0;
    for method in ["midtrans", "xendit"] {
        for trouble in ["resets", "locked", "forbidden", "empty", "busy"] {
            weather(&shop.gateways, &format!("{method}/{trouble}")).await?;
            let (key, wish) = (format!("{method}-{trouble}"), top_up(method, 50_000));
            let (status, wait) = shop.customer.try_once(PAYMENTS, &key, &wish).await?;
            ensure!(
                status == StatusCode::SERVICE_UNAVAILABLE && wait.is_some(),
                "{key}: {status}, wait {wait:?}"
            );
            weather(&shop.gateways, &format!("{method}/fine")).await?;
            let made = eventually(&key, async || shop.customer.done(PAYMENTS, &key, &wish).await).await?;
            ensure!(made["status"] == "pending", "{made}");
            shop.pay(&made).await?;
            shop.becomes(&made, "paid").await?;
            paid += 50_000;
        }
        paid += refunded_in_trouble(&shop, method).await?;
    }
    shop.has(paid).await?;
    shop.adds_up().await
}

/// A refund of which the call was lost is given once, although nobody asks for it again. What is left of the payment.
async fn refunded_in_trouble(shop: &Shop, method: &str) -> Result<i64> {
    let made = shop.customer.done(PAYMENTS, &format!("{method}-back"), &top_up(method, 50_000)).await?;
    shop.pay(&made).await?;
    shop.becomes(&made, "paid").await?;
    weather(&shop.gateways, &format!("{method}/down")).await?;
    let (path, wish) = (
        format!("{PAYMENTS}/{}/refunds", id(&made)?),
        json!({ "amount": 20_000, "reason": "Lost on its way" }),
    );
    let (status, answer) = shop.administrator.post_once(&path, &format!("{method}-lost"), &wish).await?;
    ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status} {answer}");
    weather(&shop.gateways, &format!("{method}/fine")).await?;
    let told = settles(shop, &made, "the refund arrives", |found| found["refunded_amount"] == 20_000).await?;
    ensure!(sums(&told)? == [50_000, 0, 20_000, 0, 0, 30_000], "{told}");
    Ok(30_000)
}

/// Payments that are measured while the other gateway hangs.
const MEASURED: usize = 40;

/// While one gateway hangs, with many payments that wait for it, those of the other are credited as fast as ever; who wants to
/// pay through the one that hangs is told so, and when to come again.
pub async fn a_gateway_that_hangs_starves_nobody(base: Arc<Base>) -> Result<()> {
    let shop = Shop::open(&base, "hangs", options()).await?;
    let mut waiting = Vec::new();
    for n in 0..60 {
        let made = shop.customer.done(PAYMENTS, &format!("waits-{n}"), &top_up("midtrans", 10_000)).await?;
        shop.turn(&format!("{}/choose", id(&made)?)).await?;
        waiting.push(made);
    }
    weather(&shop.gateways, "midtrans/hangs").await?;
    // All of them have had their turn by now: the first ones hang.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut took = Vec::new();
    for n in 0..MEASURED {
        let made = shop.customer.done(PAYMENTS, &format!("measured-{n}"), &top_up("xendit", 10_000)).await?;
        let path = format!("{PAYMENTS}/{}", id(&made)?);
        let begun = Instant::now();
        shop.turn(&format!("{}/pay", id(&made)?)).await?;
        loop {
            let found = shop.administrator.find(&path).await?;
            if found["status"] == "paid" {
                break;
            }
            ensure!(begun.elapsed() < Duration::from_secs(20), "not credited: {found}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        took.push(begun.elapsed());
    }
    let credited = i64::try_from(MEASURED)? * 10_000;
    shop.has(credited).await?;
    took.sort_unstable();
    let [median, worst] = [took[took.len() / 2], *took.last().context("none")?];
    eprintln!(
        "webhook to credit while the other gateway hangs: median {median:?}, worst of {MEASURED} {worst:?}"
    );

    eventually("the gateway that hangs is left alone", async || {
        let begun = Instant::now();
        let (status, wait) = shop.customer.try_once(PAYMENTS, "refused", &top_up("midtrans", 10_000)).await?;
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE && wait.is_some(), "{status}, wait {wait:?}");
        ensure!(begun.elapsed() < Duration::from_secs(2), "it is waited for");
        Ok(())
    })
    .await?;
    weather(&shop.gateways, "midtrans/fine").await?;
    let made = eventually("it is asked again", async || {
        shop.customer.done(PAYMENTS, "refused", &top_up("midtrans", 10_000)).await
    })
    .await?;
    shop.pay(&made).await?;
    for payment in &waiting {
        shop.turn(&format!("{}/pay", id(payment)?)).await?;
    }
    for payment in waiting.iter().chain([&made]) {
        shop.becomes(payment, "paid").await?;
    }
    shop.has(credited + 61 * 10_000).await?;
    shop.adds_up().await
}
