//! The HTTP API with real accounts: who sees what, and how sessions live and end.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bson::{DateTime, doc};
use indowater_tests::base::Base;
use indowater_tests::workload::{Network, messages, meters};
use indowater_tests::world::{CUSTOMER, World, http};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// The password of every account of the tests.
pub const PASSWORD: &str = "air-bersih-2026";

/// The tokens of a session.
pub struct Session {
    /// For calls.
    pub access: String,
    /// For the next session.
    pub refresh: String,
}

/// An account as the data model has it.
pub async fn add_user(world: &World, id: &str, email: &str, role: &str) -> Result<()> {
    let now = DateTime::now();
    let user = doc! {
        "_id": id, "id": id, "email": email, "full_name": id, "hashed_password": bcrypt::hash(PASSWORD, 4)?,
        "role": role, "is_active": true, "created_at": now, "updated_at": now,
    };
    world.database.collection("users").insert_one(user).await?;
    Ok(())
}

/// Logs in with the password every account of the tests has.
pub async fn log_in(world: &World, email: &str) -> Result<Session> {
    let answer = post(world, "auth/login", &json!({ "email": email, "password": PASSWORD })).await?;
    session(answer.error_for_status()?.json().await?)
}

fn session(answer: Value) -> Result<Session> {
    let token = |field: &str| {
        answer[field].as_str().map(str::to_owned).with_context(|| format!("no {field} in {answer}"))
    };
    Ok(Session { access: token("access_token")?, refresh: token("refresh_token")? })
}

async fn post(world: &World, path: &str, body: &Value) -> Result<reqwest::Response> {
    Ok(http()?.post(url(world, path)?).json(body).send().await?)
}

async fn get(world: &World, path: &str, token: &str) -> Result<(StatusCode, Value)> {
    let answer = http()?.get(url(world, path)?).bearer_auth(token).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

fn url(world: &World, path: &str) -> Result<String> {
    Ok(format!("{}/api/v1/{path}", world.system.api_url.as_deref().context("no gateway")?))
}

/// S1: on every route that shows somebody's things, a stranger is told that there is no such thing, technicians and
/// administrators see them, and nobody sees anything without a token.
pub async fn customers_see_only_what_is_theirs(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "access").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", &[]).await?;
    let _api = world.start("api-gateway", &[]).await?;
    let meters = meters(20, 1, 60);
    world.enrol(&meters).await?;
    world.send(&messages(20, &meters, Network::ROUGH)).await?;
    world.expect_days(&meters).await?;
    for (id, email, role) in [
        (CUSTOMER, "owner@example.com", "customer"),
        ("customer-002", "stranger@example.com", "customer"),
        ("technician-001", "technician@example.com", "technician"),
        ("admin-001", "admin@example.com", "admin"),
    ] {
        add_user(&world, id, email, role).await?;
    }
    let device = &meters[0].id;
    let single = [
        "properties/property-1".to_owned(),
        format!("devices/{device}"),
        format!("devices/{device}/readings"),
        format!("usage/hourly?device_id={device}&from=2026-01-20&to=2026-01-22"),
        format!("usage/daily?device_id={device}&from=2026-01-20&to=2026-01-31"),
        format!("usage/monthly?device_id={device}&from=2026-01-01&to=2026-01-31"),
        "usage/daily?property_id=property-1&from=2026-01-20&to=2026-01-31".to_owned(),
    ];
    for email in ["owner@example.com", "technician@example.com", "admin@example.com"] {
        let token = log_in(&world, email).await?.access;
        for path in &single {
            let (status, answer) = get(&world, path, &token).await?;
            ensure!(status == StatusCode::OK, "{email} on {path}: {status} {answer}");
            ensure!(
                answer.get("items").is_none_or(|items| items.as_array().is_some_and(|i| !i.is_empty())),
                "{path} is empty for {email}"
            );
        }
    }
    let stranger = log_in(&world, "stranger@example.com").await?.access;
    for path in &single {
        let (status, answer) = get(&world, path, &stranger).await?;
        ensure!(status == StatusCode::NOT_FOUND, "a stranger on {path}: {status} {answer}");
        let (status, _) = get(&world, path, "nonsense").await?;
        ensure!(status == StatusCode::UNAUTHORIZED, "a wrong token on {path}: {status}");
    }
    for list in ["properties", "devices"] {
        let (status, answer) = get(&world, list, &stranger).await?;
        ensure!(
            status == StatusCode::OK && answer["items"] == json!([]),
            "a stranger lists {list}: {status} {answer}"
        );
        let (status, answer) = get(&world, &format!("{list}?customer_id={CUSTOMER}"), &stranger).await?;
        ensure!(
            status.is_client_error() || answer["items"] == json!([]),
            "a stranger names the owner on {list}: {status} {answer}"
        );
    }
    let (status, problem) = get(&world, "usage/daily?from=tomorrow", &stranger).await?;
    ensure!(
        status.is_client_error() && problem["title"].is_string(),
        "no problem details: {status} {problem}"
    );
    Ok(())
}

/// Refresh tokens work once; a repeated one ends the session; leaving everywhere and deactivation end all of them.
pub async fn sessions_rotate_and_end(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "sessions").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", &[]).await?;
    let _api = world.start("api-gateway", &[]).await?;
    add_user(&world, CUSTOMER, "customer@example.com", "customer").await?;

    let wrong = json!({ "email": "customer@example.com", "password": "guess" });
    ensure!(
        post(&world, "auth/login", &wrong).await?.status() == StatusCode::UNAUTHORIZED,
        "a wrong password was taken"
    );

    let first = log_in(&world, "customer@example.com").await?;
    let (status, me) = get(&world, "me", &first.access).await?;
    ensure!(status == StatusCode::OK && me["email"] == "customer@example.com", "{status} {me}");
    ensure!(me.get("hashed_password").is_none(), "the hash is shown");

    let refresh = |token: &str| json!({ "refresh_token": token });
    let second = post(&world, "auth/refresh", &refresh(&first.refresh)).await?.error_for_status()?;
    let second = session(second.json().await?)?;
    let repeated = post(&world, "auth/refresh", &refresh(&first.refresh)).await?;
    ensure!(repeated.status() == StatusCode::UNAUTHORIZED, "a refresh token worked twice");
    let after = post(&world, "auth/refresh", &refresh(&second.refresh)).await?;
    ensure!(after.status() == StatusCode::UNAUTHORIZED, "the session lived on after its token was stolen");

    let third = log_in(&world, "customer@example.com").await?;
    let active = doc! { "$set": { "is_active": false } };
    world.database.collection::<bson::Document>("users").update_one(doc! { "id": CUSTOMER }, active).await?;
    indowater_tests::world::eventually("deactivation takes effect", async || {
        let (status, _) = get(&world, "me", &third.access).await?;
        ensure!(status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN, "{status}");
        Ok(())
    })
    .await
}
