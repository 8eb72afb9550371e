//! Bills of those who pay afterwards; and a ledger that is made again from its topics.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bson::{DateTime, Document, doc};
use futures::TryStreamExt as _;
use indowater_common::kafka::base_config;
use indowater_tests::base::Base;
use indowater_tests::workload::{Meter, Network, messages, meters};
use indowater_tests::world::{CUSTOMER, World, eventually};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::PAYMENTS;
use super::shop::{Shop, id, top_up};
use crate::gateways::options;
use crate::person::whole;

/// A postpaid customer gets a bill for what is owed, and pays it once; what goes back is open again, and what is paid twice is left over.
pub async fn bills_are_paid_once(base: Arc<Base>) -> Result<()> {
    let shop = Shop::open(&base, "bills", options()).await?;
    let meters = meters(51, 1, 200);
    shop.world.enrol(&meters).await?;
    shop.world.send(&messages(51, &meters, Network::ROUGH)).await?;
    let water: i64 = meters.iter().map(Meter::owed).sum();
    shop.has(-water).await?;

    let account = format!("/api/v1/customers/{CUSTOMER}/billing");
    let (status, answer) = shop.customer.put(&account, &json!({ "mode": "postpaid" })).await?;
    ensure!(status == StatusCode::FORBIDDEN, "{status} {answer}");
    let (status, answer) = shop.administrator.put(&account, &json!({ "mode": "postpaid" })).await?;
    ensure!(status == StatusCode::OK && answer["mode"] == "postpaid", "{status} {answer}");
    // Months go by: it has been so for a year.
    let accounts = shop.world.database.collection::<Document>("billing_accounts");
    let year_ago = DateTime::from_millis(DateTime::now().timestamp_millis() - 365 * 86_400_000);
    accounts.update_one(doc! { "_id": CUSTOMER }, doc! { "$set": { "since": year_ago } }).await?;

    let bill = eventually("there is a bill", async || {
        let bills = shop.customer.find("/api/v1/bills").await?;
        bills["items"].get(0).cloned().with_context(|| format!("{bills}"))
    })
    .await?;
    ensure!(whole(&bill, "amount")? == water && bill["status"] == "open", "{bill}");
    let none = shop.stranger.find("/api/v1/bills").await?;
    ensure!(none["items"] == json!([]), "{none}");

    let pays = |method: &str| json!({ "payment_method": method, "payment_type": "water_bill", "bill_id": bill["id"] });
    let (status, answer) = shop.stranger.post_once(PAYMENTS, "theirs", &pays("xendit")).await?;
    ensure!(status.is_client_error(), "a stranger pays: {status} {answer}");
    let first = shop.customer.done(PAYMENTS, "first", &pays("midtrans")).await?;
    ensure!(whole(&first, "amount")? == water, "{first}");
    let (status, answer) = shop.customer.post_once(PAYMENTS, "second", &pays("xendit")).await?;
    ensure!(status == StatusCode::CONFLICT, "a second payment of one bill: {status} {answer}");
    let cancelled =
        shop.customer.done(&format!("{PAYMENTS}/{}/cancel", id(&first)?), "c", &json!({})).await?;
    ensure!(cancelled["status"] == "failed", "{cancelled}");
    let third = shop.customer.done(PAYMENTS, "third", &pays("xendit")).await?;
    shop.pay(&third).await?;
    shop.becomes(&third, "paid").await?;
    shop.has(0).await?;
    let found = shop.customer.find("/api/v1/bills?status=paid").await?;
    let paid = &found["items"][0];
    ensure!(paid["payment_id"] == third["id"] && paid["open"] == 0, "{found}");
    ensure!(paid["payments"] == json!([{ "payment_id": third["id"], "amount": water }]), "{found}");
    let (status, answer) = shop.customer.post_once(PAYMENTS, "fourth", &pays("midtrans")).await?;
    ensure!(status == StatusCode::CONFLICT, "a paid bill is paid again: {status} {answer}");
    part_goes_back(&shop, &bill, &third).await?;
    // What was given up is paid all the same, on a page that was still open: it is the customer's money.
    shop.turn(&format!("{}/pay", id(&first)?)).await?;
    shop.becomes(&first, "paid").await?;
    shop.has(water).await?;
    let found = shop.customer.find(&bill_path(&bill)?).await?;
    ensure!(found["status"] == "paid" && whole(&found, "surplus")? == water, "{found}");
    eventually("that a bill is paid twice is noted", async || {
        let found = shop.administrator.find(&format!("{PAYMENTS}/{}", id(&first)?)).await?;
        let note = &found["needs_attention"][0];
        ensure!(note["reason"] == "bill_paid_twice" && note["amount"] == water, "{found}");
        Ok(())
    })
    .await?;
    let found = shop.administrator.find(&format!("{PAYMENTS}/{}", id(&third)?)).await?;
    ensure!(found["needs_attention"] == json!([]), "the one that paid it: {found}");
    shop.adds_up().await
}

fn bill_path(bill: &Value) -> Result<String> {
    Ok(format!("/api/v1/bills/{}", id(bill)?.replace(':', "%3A").replace('|', "%7C")))
}

/// A part of what was paid is given back by hand: the bill is open for that, and it is paid with a voucher, which pays all of it.
async fn part_goes_back(shop: &Shop, bill: &Value, paid: &Value) -> Result<()> {
    const PART: i64 = 12_000;
    let back = json!({ "amount": PART, "reason": "The meter of the neighbours", "by_hand": true });
    let refunds = format!("{PAYMENTS}/{}/refunds", id(paid)?);
    for _ in 0..2 {
        shop.administrator.done(&refunds, "part", &back).await?;
    }
    for other in [json!({ "amount": PART + 1 }), json!({ "reason": "Another" }), json!({ "by_hand": false })]
    {
        let mut changed = back.clone();
        changed.as_object_mut().context("no object")?.extend(other.as_object().cloned().unwrap_or_default());
        let (status, problem) = shop.administrator.post_once(&refunds, "part", &changed).await?;
        let reused = problem["type"] == "urn:indowater:problem:key-reused";
        ensure!(status == StatusCode::CONFLICT && reused, "{changed}: {status} {problem}");
    }
    shop.has(-PART).await?;
    let open = shop.customer.find(&bill_path(bill)?).await?;
    ensure!(open["status"] == "open" && open["open"] == PART && open["surplus"] == 0, "{open}");

    let valid = json!({
        "code": "SEMUA", "description": "All of it", "discount_type": "percentage", "discount_value": "100",
        "valid_until": "2100-01-01T00:00:00Z",
    });
    let (status, answer) = shop.administrator.post("/api/v1/vouchers", &valid).await?;
    ensure!(status == StatusCode::CREATED, "{status} {answer}");
    let granted = json!({ "code": "semua", "amount": PART });
    let (_, granted) = shop.customer.post("/api/v1/vouchers/validate", &granted).await?;
    ensure!(granted["valid"] == true && granted["final_amount"] == 0, "{granted}");
    let wish = json!({
        "payment_method": "midtrans", "payment_type": "water_bill", "bill_id": bill["id"], "voucher_code": "SEMUA",
    });
    let made = shop.customer.done(PAYMENTS, "free", &wish).await?;
    ensure!(made["status"] == "paid" && made["final_amount"] == 0 && made["payment_url"].is_null(), "{made}");
    ensure!(made["credited_amount"] == PART, "{made}");
    let again = shop.customer.done(PAYMENTS, "free", &wish).await?;
    ensure!(again["id"] == made["id"] && again["status"] == "paid", "{again}");
    shop.has(0).await?;
    let covered = shop.customer.find(&bill_path(bill)?).await?;
    ensure!(covered["status"] == "paid" && covered["open"] == 0, "{covered}");
    Ok(())
}

/// The ledger is lost, and comes back from usage and payments with the same balances.
pub async fn an_empty_database_fills_with_the_same_balances(base: Arc<Base>) -> Result<()> {
    let mut shop = Shop::open(&base, "again", options()).await?;
    shop.make_voucher("HEMAT", 5).await?;
    let meters = meters(52, 3, 150);
    shop.world.enrol(&meters).await?;
    shop.world.send(&messages(52, &meters, Network::ROUGH)).await?;
    let mut wish = top_up("midtrans", 200_000);
    wish["voucher_code"] = json!("HEMAT");
    let paid = shop.customer.done(PAYMENTS, "one", &wish).await?;
    shop.pay(&paid).await?;
    shop.becomes(&paid, "paid").await?;
    let taken = shop.customer.done(PAYMENTS, "two", &top_up("midtrans", 50_000)).await?;
    shop.pay(&taken).await?;
    shop.becomes(&taken, "paid").await?;
    shop.turn(&format!("{}/reverse", id(&taken)?)).await?;
    shop.becomes(&taken, "reversed").await?;
    let water: i64 = meters.iter().map(Meter::owed).sum();
    shop.has(200_000 - water).await?;
    let before = balances(&shop.world).await?;

    shop.billing[0].process.stop().await;
    for lost in ["ledger_entries", "balances", "ledger_months", "ledger_partitions", "ledger_days"] {
        shop.world.database.collection::<Document>(lost).delete_many(doc! {}).await?;
    }
    // What was on its way is not needed: usage and payments say it all.
    forget_groups(&shop.world, ["billing-charging", "billing-crediting"]).await?;
    shop.restart_billing(0).await?;
    eventually("the balances are as they were", async || {
        let after = balances(&shop.world).await?;
        ensure!(after == before, "{after:?} instead of {before:?}");
        Ok(())
    })
    .await
}

/// Every balance that is stored.
async fn balances(world: &World) -> Result<BTreeMap<String, i64>> {
    let stored: Vec<Document> =
        world.database.collection::<Document>("balances").find(doc! {}).await?.try_collect().await?;
    let balance =
        |document: &Document| Ok((document.get_str("_id")?.to_owned(), document.get_i64("balance")?));
    stored.iter().map(balance).collect()
}

/// Lets consumer groups begin from the beginning, once those who were in them are given up.
async fn forget_groups<const N: usize>(world: &World, groups: [&str; N]) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = base_config(&world.kafka()).create()?;
    let names = groups.map(|group| format!("{}.{group}", world.system.topic_prefix));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    eventually("the groups are forgotten", async || {
        let gone = admin.delete_groups(&names, &AdminOptions::new()).await?;
        for outcome in gone {
            let forgotten = outcome.map_err(|(group, code)| anyhow::anyhow!("{group}: {code}"));
            forgotten.map(drop)?;
        }
        Ok(())
    })
    .await
}
