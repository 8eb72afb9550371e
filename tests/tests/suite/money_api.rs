//! Money over HTTP: balances, statements and explanations for those whose they are, corrections and tariffs by those who
//! answer for them.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use indowater_tests::base::Base;
use indowater_tests::workload::{Meter, Network, messages, meters};
use indowater_tests::world::{CUSTOMER, World, eventually, http};
use reqwest::StatusCode;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

use crate::person::{Person, decimal, sent, whole};

const STRANGER: &str = "customer-002";
const ADMINISTRATOR: &str = "admin-001";

/// The path of an explanation: of an entry's id only letters, digits and hyphens may stand in a path as they are.
fn explanation(id: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'.' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    format!("/api/v1/balance/entries/{}/explanation", id.bytes().map(byte).collect::<String>())
}

/// A customer sees what is left and why, down to the register; nobody else but administrators does, and they alone
/// correct it.
pub async fn money_is_seen_explained_and_corrected(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "money-api").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", &[]).await?;
    let _billing = world.start("billing", &[]).await?;
    let _api = world.start("api-gateway", &[]).await?;
    let owner = Person::new(&world, CUSTOMER, "customer").await?;
    let stranger = Person::new(&world, STRANGER, "customer").await?;
    let technician = Person::new(&world, "technician-001", "technician").await?;
    let administrator = Person::new(&world, ADMINISTRATOR, "admin").await?;

    let new = owner.find("/api/v1/balance").await?;
    ensure!(new["balance"] == 0 && new["updated_at"].is_null() && new["runway_days"].is_null(), "{new}");
    let meters = meters(40, 2, 200);
    world.enrol(&meters).await?;
    world.send(&messages(40, &meters, Network::ROUGH)).await?;
    world.expect_days(&meters).await?;
    let due = -meters.iter().map(Meter::owed).sum::<i64>();
    eventually("the balance is what the meters cost", async || {
        let (balance, _) = owner.balance().await?;
        ensure!(balance == due, "it is {balance} and not {due}");
        Ok(())
    })
    .await?;

    let entries = owner.statement().await?;
    ensure!(entries.iter().map(|entry| whole(entry, "amount")).sum::<Result<i64>>()? == due, "{entries:?}");
    for (entry, sequence) in entries.iter().rev().zip(1..) {
        ensure!(
            entry["sequence"] == sequence && entry["kind"] == "usage",
            "{entry} is not number {sequence}"
        );
        explained(&owner, entry).await?;
    }
    let named = administrator.find(&format!("/api/v1/balance/entries?customer_id={CUSTOMER}")).await?;
    ensure!(named["items"][0] == entries[0], "an administrator sees {named}");
    hidden(&entries[0], [&stranger, &technician, &administrator]).await?;
    corrected(&owner, &stranger, &technician, &administrator).await
}

/// An entry is explained by days whose parts add up, and whose links lead to the day's record and to register reads.
async fn explained(owner: &Person, entry: &Value) -> Result<()> {
    let found = owner.find(&explanation(entry["id"].as_str().context("no id")?)).await?;
    ensure!(&found["entry"] == entry, "{entry} is explained as {found}");
    let source = &entry["usage"];
    let due = decimal(source, "month_cost")?
        .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
        - Decimal::from(whole(source, "posted_before")?);
    ensure!(Decimal::from(-whole(entry, "amount")?) == due, "{entry} is not what its month cost more");
    let days = found["days"].as_array().filter(|days| !days.is_empty()).context("no days")?;
    ensure!(days.len() == source["days"].as_array().map_or(0, Vec::len), "{found} lacks days");
    for day in days {
        let parts = day["parts"].as_array().context("no parts")?;
        let parts = parts.iter().map(|part| decimal(part, "cost")).sum::<Result<Decimal>>()?;
        ensure!(parts + decimal(day, "fixed_and_minimum")? == decimal(day, "cost")?, "{day} does not add up");
        let reads = owner.find(day["reads"].as_str().context("no link to reads")?).await?;
        ensure!(reads["items"][0]["register"].is_i64(), "no reads behind {day}: {reads}");
        let record = owner.find(day["record"].as_str().context("no link to the record")?).await?;
        let record = &record["items"][0];
        ensure!(record["date"] == day["date"], "{day} leads to {record}");
        // An entry keeps what a day was; the record may have been revised since.
        if record["revision"] == day["revision"] {
            ensure!(
                record["consumption"] == day["volume"] && record["cost"] == day["cost"],
                "{record}, not {day}"
            );
        }
    }
    Ok(())
}

/// S1 for money.
async fn hidden(entry: &Value, [stranger, technician, administrator]: [&Person; 3]) -> Result<()> {
    let explanation = explanation(entry["id"].as_str().context("no id")?);
    ensure!(stranger.balance().await? == (0, 0), "a stranger has the owner's balance");
    let (status, answer) = stranger.get(&explanation).await?;
    ensure!(status == StatusCode::NOT_FOUND, "a stranger asks why: {status} {answer}");
    for path in ["/api/v1/balance", "/api/v1/balance/entries", &explanation] {
        let named = format!("{path}?customer_id={CUSTOMER}");
        for (who, person, path, expected) in [
            ("a stranger", stranger, named.as_str(), StatusCode::FORBIDDEN),
            ("a technician", technician, path, StatusCode::FORBIDDEN),
            ("a technician", technician, &named, StatusCode::FORBIDDEN),
            ("an administrator who names nobody", administrator, path, StatusCode::BAD_REQUEST),
            ("an administrator", administrator, &named, StatusCode::OK),
        ] {
            let (status, answer) = person.get(path).await?;
            ensure!(status == expected, "{who} on {path}: {status} {answer}");
        }
        let (status, _) = sent(http()?.get(format!("{}{path}", stranger.api))).await?;
        ensure!(status == StatusCode::UNAUTHORIZED, "nobody on {path}: {status}");
    }
    Ok(())
}

/// A correction is posted once for its customer and id, however often it is sent, and who sent it is in the statement.
async fn corrected(
    owner: &Person,
    stranger: &Person,
    technician: &Person,
    administrator: &Person,
) -> Result<()> {
    let path = |customer: &str| format!("/api/v1/customers/{customer}/adjustments");
    let correction = json!({ "id": "goodwill-1", "amount": 5_000, "reason": "Goodwill" });
    for person in [owner, stranger, technician] {
        let (status, answer) = person.post(&path(CUSTOMER), &correction).await?;
        ensure!(status == StatusCode::FORBIDDEN, "a correction by anyone: {status} {answer}");
    }
    for customer in ["nobody", "technician-001"] {
        let (status, answer) = administrator.post(&path(customer), &correction).await?;
        ensure!(status == StatusCode::NOT_FOUND, "a correction for {customer}: {status} {answer}");
    }
    let vast = json!({ "id": "goodwill-1", "amount": i64::MAX, "reason": "Goodwill" });
    let (status, answer) = administrator.post(&path(CUSTOMER), &vast).await?;
    ensure!(
        status == StatusCode::UNPROCESSABLE_ENTITY && answer["errors"][0]["field"] == "amount",
        "a typing error was taken: {status} {answer}"
    );

    let (before, sequence) = owner.balance().await?;
    for customer in [CUSTOMER, STRANGER, CUSTOMER] {
        let (status, answer) = administrator.post(&path(customer), &correction).await?;
        ensure!(status == StatusCode::ACCEPTED, "{status} {answer}");
    }
    let other = json!({ "id": "goodwill-1", "amount": 5_001, "reason": "Goodwill" });
    let (status, answer) = administrator.post(&path(CUSTOMER), &other).await?;
    ensure!(status == StatusCode::CONFLICT, "an id for another correction: {status} {answer}");
    // The second for the owner is behind this one, so that it cannot be on its way still.
    let last = json!({ "id": "goodwill-2", "amount": -1, "reason": "One too many" });
    ensure!(administrator.post(&path(CUSTOMER), &last).await?.0 == StatusCode::ACCEPTED, "refused");
    eventually("the corrections are posted", async || {
        let (owners, strangers) = (owner.balance().await?, stranger.balance().await?);
        let expected = ((before + 4_999, sequence + 2), (5_000, 1));
        ensure!((owners, strangers) == expected, "{owners:?} and {strangers:?}, not {expected:?}");
        Ok(())
    })
    .await?;
    let statement = owner.statement().await?;
    let entry = &statement[1];
    ensure!(
        entry["kind"] == "adjustment"
            && entry["made_by"] == ADMINISTRATOR
            && entry["amount"] == 5_000
            && entry["description"] == "Goodwill",
        "{entry}"
    );
    let why = owner.find(&explanation(entry["id"].as_str().context("no id")?)).await?;
    ensure!(&why["entry"] == entry && why["days"] == json!([]), "{why}");
    Ok(())
}

/// Everyone sees and is quoted prices; administrators set those of days to come.
pub async fn prices_are_told_and_set(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "prices").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", &[]).await?;
    let _billing = world.start("billing", &[]).await?;
    let _api = world.start("api-gateway", &[]).await?;
    let customer = Person::new(&world, CUSTOMER, "customer").await?;
    let technician = Person::new(&world, "technician-001", "technician").await?;
    let administrator = Person::new(&world, ADMINISTRATOR, "admin").await?;
    let class = "/api/v1/tariffs/household-middle-1";
    let versions = format!("{class}/versions");
    let version = |from: &str| {
        let block = json!({ "up_to": null, "price": "1000" });
        json!({ "from": from, "blocks": [block], "fixed_charge": "15000", "minimum_volume": "10" })
    };
    for person in [&customer, &technician, &administrator] {
        let all = person.find("/api/v1/tariffs").await?;
        ensure!(all["items"].as_array().map(Vec::len) == Some(7), "{all}");
        let quote = person.find(&format!("{class}/quote?volume=25&on=2026-06-01")).await?;
        ensure!(quote["cost"] == "206500" && quote["blocks"].as_array().map(Vec::len) == Some(3), "{quote}");
        let quote = person.find(&format!("{class}/quote?amount=206500")).await?;
        ensure!(quote["volume"] == "25", "{quote}");
        let (status, answer) = person.get("/api/v1/tariffs/nothing/quote?volume=1").await?;
        ensure!(status == StatusCode::NOT_FOUND, "a class that is not there: {status} {answer}");
    }
    for person in [&customer, &technician] {
        let (status, answer) = person.post(&versions, &version("2099-01-01")).await?;
        ensure!(status == StatusCode::FORBIDDEN, "a price by anyone: {status} {answer}");
    }
    let (status, answer) = administrator.post(&versions, &version("2026-01-01")).await?;
    ensure!(
        status == StatusCode::UNPROCESSABLE_ENTITY && answer["errors"][0]["field"] == "from",
        "the past was priced again: {status} {answer}"
    );
    let (status, set) = administrator.post(&versions, &version("2099-01-01")).await?;
    ensure!(status == StatusCode::CREATED, "{status} {set}");
    let told = &set["versions"][1];
    ensure!(told["set_by"] == ADMINISTRATOR && told["fixed_charge"] == "15000", "{set}");
    // Who set it is the administrators' business.
    let mut public = set.clone();
    public["versions"][1]["set_by"] = Value::Null;
    ensure!(customer.find(class).await? == public, "another one is told");
    for (day, cost) in [("2098-12-31", "206500"), ("2099-01-01", "25000")] {
        let quote = customer.find(&format!("{class}/quote?volume=25&on={day}")).await?;
        ensure!(quote["cost"] == cost, "on {day}: {quote}");
    }
    Ok(())
}
