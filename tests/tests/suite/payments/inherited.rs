//! Payments that another system left: documents as the data model has them, and nothing more.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc, oid::ObjectId};
use indowater_tests::base::Base;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::PAYMENTS;
use super::shop::{Shop, id, top_up};
use crate::gateways::options;

/// What was settled there is seen and changes no balance; what waits for its customer there is credited when it is paid, once,
/// under its own id; and what nobody here understands of its document stays.
pub async fn payments_of_another_system_are_kept_and_gone_on_with(base: Arc<Base>) -> Result<()> {
    let mut shop = Shop::open(&base, "inherited", options()).await?;
    let mut pages = Vec::new();
    for method in ["midtrans", "xendit"] {
        // An order that the gateway has; what we know of it is forgotten but for what another system would have kept.
        let made = shop.customer.done(PAYMENTS, method, &top_up(method, 50_000)).await?;
        let order = id(&made)?.to_owned();
        for collection in ["payment_transactions", "payment_follow_ups"] {
            let documents = shop.world.database.collection::<Document>(collection);
            documents.delete_many(doc! { "_id": &order }).await?;
        }
        let url = made["payment_url"].as_str().context("no page")?;
        let now = bson::DateTime::now();
        inherit(&shop, doc! {
            "id": format!("{method}-old"), "reference_id": &order, "customer_id": made["customer_id"].as_str(),
            "customer_email": "siti@example.com", "amount": 55_000.0, "payment_method": method,
            "discount_amount": 5_000.0, "voucher_code": "THERE-5",
            "payment_type": "balance_topup", "status": "pending", "payment_url": url, "created_at": now,
            "updated_at": now, "metadata": { "campaign": { "$name": "Lebaran" } }, "cashier": "Budi",
        })
        .await?;
        pages.push(made);
    }
    settled_there(&shop, pages[0]["customer_id"].as_str()).await?;
    shop.billing[0].process.stop().await;
    shop.restart_billing(0).await?;

    let all = shop.administrator.find(&format!("{PAYMENTS}?page_size=50")).await?;
    let seen: Vec<&str> = all["items"]
        .as_array()
        .context("no items")?
        .iter()
        .filter_map(|item| item["status"].as_str())
        .collect();
    ensure!(seen.len() == 5, "{all}");
    let settled = shop.administrator.find(&format!("{PAYMENTS}/settled-0")).await?;
    ensure!(settled["status"] == "paid" && settled["payment_type"] == "water_bill", "{settled}");
    ensure!(settled["credited_amount"] == 0 && settled["reference_id"] == "GW 0", "{settled}");
    for act in ["refunds", "confirm"] {
        let body = json!({ "amount": 1_000, "reason": "again" });
        let path = format!("{PAYMENTS}/settled-0/{act}");
        let (status, answer) = shop.administrator.post_once(&path, act, &body).await?;
        ensure!(status.is_client_error() && status != StatusCode::NOT_FOUND, "{act}: {status} {answer}");
    }

    for made in &pages {
        shop.pay(made).await?;
    }
    for method in ["midtrans", "xendit"] {
        let paid = shop.becomes(&json!({ "id": format!("{method}-old") }), "paid").await?;
        ensure!(paid["credited_amount"] == 50_000, "{paid}");
        // What a voucher of the other system promised is on no balance, and somebody is told.
        let shown = shop.administrator.find(&format!("{PAYMENTS}/{method}-old")).await?;
        let attention = &shown["needs_attention"][0];
        ensure!(attention["reason"] == "discount_elsewhere" && attention["amount"] == 5_000, "{shown}");
        let id = format!("{method}-old");
        let payments = shop.world.database.collection::<Document>("payment_transactions");
        let kept = payments.find_one(doc! { "id": &id }).await?.context("it is gone")?;
        ensure!(kept.get_object_id("_id").is_ok() && kept.get_str("cashier")? == "Budi", "{kept}");
        let campaign = kept.get_document("metadata")?.get_document("campaign")?;
        ensure!(campaign.get_str("$name")? == "Lebaran", "{kept}");
        ensure!(kept.get_str("status")? == "paid" && kept.get_datetime("paid_at").is_ok(), "{kept}");
    }
    shop.has(100_000).await?;
    let listed: Value = shop.customer.find(&format!("{PAYMENTS}?page_size=50")).await?;
    ensure!(listed["items"].as_array().is_some_and(|items| items.len() == 5), "{listed}");
    shop.adds_up().await
}

/// What was settled there, and a document that nobody here can read.
async fn settled_there(shop: &Shop, customer_id: Option<&str>) -> Result<()> {
    let long_ago = bson::DateTime::from_millis(1_760_000_000_000);
    for (number, status) in ["paid", "failed", "expired"].into_iter().enumerate() {
        inherit(shop, doc! {
            "id": format!("settled-{number}"), "reference_id": format!("GW {number}"), "amount": 25_000_i64,
            "customer_id": customer_id, "payment_method": "midtrans", "discount_amount": null,
            "payment_type": "water_bill", "status": status, "created_at": long_ago, "metadata": null,
        })
        .await?;
    }
    inherit(shop, doc! { "id": "unreadable", "reference_id": "GW x", "amount": "a lot", "status": "paid" })
        .await?;
    Ok(())
}

async fn inherit(shop: &Shop, mut document: Document) -> Result<()> {
    document.insert("_id", ObjectId::new());
    shop.world.database.collection("payment_transactions").insert_one(document).await?;
    Ok(())
}
