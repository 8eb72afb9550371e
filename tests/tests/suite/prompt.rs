//! Nobody waits for a page: every read route answers at once when it is asked alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indowater::gateways::Options;
use indowater::seed;
use indowater_tests::base::Base;
use indowater_tests::world::{eventually, http};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::payments::shop::Shop;
use crate::person::sent;

/// What a route may take alone. What is not optimised and shares its machine with other stories is given far more: enough to
/// tell work from waiting. The least of many tries is judged.
const BOUND: Duration = Duration::from_millis(if cfg!(debug_assertions) { 200 } else { 5 });
const TRIES: usize = 40;

/// How each read route of the documentation is asked; `{x}` is put in from what the demo has.
const ROUTES: [(&str, &str); 37] = [
    ("/me", "/me"),
    ("/bills", "/bills"),
    ("/bills/{id}", "/bills/{bill}"),
    ("/billing", "/billing"),
    ("/balance", "/balance"),
    ("/balance/entries", "/balance/entries"),
    ("/balance/entries/{id}/explanation", "/balance/entries/{entry}/explanation"),
    ("/openapi.json", "/openapi.json"),
    ("/payments", "/payments"),
    ("/payments/{id}", "/payments/{payment}"),
    ("/payments/{id}/receipt", "/payments/{payment}/receipt"),
    ("/properties", "/properties"),
    ("/properties/{id}", "/properties/property-001"),
    ("/devices", "/devices"),
    ("/devices/{id}", "/devices/device-001"),
    ("/reports/revenue", "/reports/revenue?from={month}-01&to={today}"),
    ("/tariffs", "/tariffs"),
    ("/tariffs/{class}", "/tariffs/household-middle-1"),
    ("/devices/{id}/quote", "/devices/device-001/quote?volume=5"),
    ("/tariffs/{class}/quote", "/tariffs/household-middle-1/quote?volume=5"),
    ("/devices/{id}/readings", "/devices/device-001/readings?date={today}"),
    ("/usage/hourly", "/usage/hourly?device_id=device-001&from={today}&to={today}"),
    ("/usage/daily", "/usage/daily?device_id=device-001&from={month}-01&to={today}"),
    ("/usage/monthly", "/usage/monthly?device_id=device-001&from={month}-01&to={today}"),
    ("/vouchers", "/vouchers"),
    ("/vouchers/{id}", "/vouchers/{voucher}"),
    ("/vouchers/{id}/usage", "/vouchers/{voucher}/usage"),
    ("/vouchers/applicable", "/vouchers/applicable?amount=100000"),
    ("/vouchers/usage", "/vouchers/usage"),
    ("/supply-interruptions", "/supply-interruptions"),
    ("/supply-interruptions/{id}", "/supply-interruptions/planned-none"),
    ("/leaks", "/leaks"),
    ("/leaks/{id}", "/leaks/none"),
    ("/inspection-queue", "/inspection-queue"),
    ("/properties/{id}/expectations", "/properties/property-001/expectations"),
    ("/tampering-events", "/tampering-events"),
    ("/tampering-events/{id}", "/tampering-events/none"),
];
/// What the demo may not have: it is looked for all the same. Its customers pay before, and so have no bill.
const ABSENT: [&str; 4] =
    ["/bills/{id}", "/leaks/{id}", "/tampering-events/{id}", "/supply-interruptions/{id}"];
/// Measured and told, and not bounded yet.
const UNBOUNDED: [&str; 1] = ["/balance/entries"];

/// Every read route that the documentation has is asked, of those who may ask it, and answers soon.
pub async fn every_read_route_answers_at_once(base: Arc<Base>) -> Result<()> {
    let shop = Shop::open(&base, "prompt", Options::default()).await?;
    let (world, client) = (&shop.world, http()?);
    shop.become_demo(40).await?;
    let api = format!("{}/api/v1", world.system.api_url.as_deref().context("no gateway")?);
    let customer = log_in(&client, &api, "customer@indowater.com").await?;
    let administrator = log_in(&client, &api, "admin@indowater.com").await?;
    let known = known(&client, &api, &customer, &administrator).await?;

    let (_, document) = sent(client.get(format!("{api}/openapi.json"))).await?;
    let paths = document["paths"].as_object().context("no paths")?;
    let documented = paths.iter().filter(|(_, path)| path["get"].is_object()).map(|(path, _)| path);
    let mut slow = Vec::new();
    for path in documented {
        let route = path.trim_start_matches("/api/v1");
        let (_, asked) = ROUTES
            .iter()
            .find(|(name, _)| *name == route)
            .with_context(|| format!("{route} is not asked"))?;
        let mut asked = (*asked).to_owned();
        for (name, value) in &known {
            asked = asked.replace(&format!("{{{name}}}"), value);
        }
        let (status, _) = sent(client.get(format!("{api}{asked}")).bearer_auth(&customer)).await?;
        let token = if status == StatusCode::OK { &customer } else { &administrator };
        let mut taken = Vec::new();
        for _ in 0..TRIES {
            let began = Instant::now();
            let (status, answer) = sent(client.get(format!("{api}{asked}")).bearer_auth(token)).await?;
            taken.push(began.elapsed());
            let expected = if ABSENT.contains(&route) { StatusCode::NOT_FOUND } else { StatusCode::OK };
            ensure!(status == expected, "{asked}: {status} {answer}");
        }
        taken.sort();
        println!("{route:<40} least {:>9.2?}  median {:>9.2?}", taken[0], taken[TRIES / 2]);
        if taken[0] > BOUND && !UNBOUNDED.contains(&route) {
            slow.push(format!("{route}: {:?}", taken[0]));
        }
    }
    ensure!(slow.is_empty(), "slower than {BOUND:?} alone: {slow:?}");
    Ok(())
}

async fn log_in(client: &Client, api: &str, email: &str) -> Result<String> {
    let credentials = json!({ "email": email, "password": seed::DEFAULT_PASSWORD });
    let (status, answer) = sent(client.post(format!("{api}/auth/login")).json(&credentials)).await?;
    Ok(answer["access_token"].as_str().with_context(|| format!("{status} {answer}"))?.to_owned())
}

/// Something of each kind that the demo has, and today.
async fn known(
    client: &Client,
    api: &str,
    customer: &str,
    administrator: &str,
) -> Result<Vec<(&'static str, String)>> {
    let first = async |path: &str, token: &str, wanted: fn(&Value) -> bool| -> Result<String> {
        eventually(path, async || {
            let (status, page) = sent(client.get(format!("{api}{path}")).bearer_auth(token)).await?;
            let items = page["items"].as_array().with_context(|| format!("{path}: {status} {page}"))?;
            let found =
                items.iter().find(|item| wanted(item)).with_context(|| format!("nothing in {path}"))?;
            Ok(found["id"].as_str().context("no id")?.to_owned())
        })
        .await
    };
    let now = indowater_common::clock::now().to_string();
    Ok(vec![
        ("entry", first("/balance/entries", customer, |entry| !entry["usage"].is_null()).await?),
        ("payment", first("/payments", customer, |payment| payment["status"] == "paid").await?),
        ("voucher", first("/vouchers", administrator, |_| true).await?),
        ("bill", "none".to_owned()),
        ("month", now[..7].to_owned()),
        ("today", now[..10].to_owned()),
    ])
}
