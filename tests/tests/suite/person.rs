//! People who use the API.

use anyhow::{Context, Result, ensure};
use indowater_tests::world::{World, http};
use reqwest::StatusCode;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::api::{add_user, log_in};

/// Somebody who is logged in.
pub struct Person {
    /// Where the API is.
    pub api: String,
    token: String,
}

impl Person {
    /// A user of that role.
    pub async fn new(world: &World, id: &str, role: &str) -> Result<Self> {
        let email = format!("{id}@example.com");
        add_user(world, id, &email, role).await?;
        let api = world.system.api_url.clone().context("no gateway")?;
        Ok(Self { api, token: log_in(world, &email).await?.access })
    }

    /// Asks; `path` is as links have it.
    pub async fn get(&self, path: &str) -> Result<(StatusCode, Value)> {
        sent(http()?.get(format!("{}{path}", self.api)).bearer_auth(&self.token)).await
    }

    /// Asks for what has to be there.
    pub async fn find(&self, path: &str) -> Result<Value> {
        let (status, found) = self.get(path).await?;
        ensure!(status == StatusCode::OK, "{path}: {status} {found}");
        Ok(found)
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        sent(http()?.post(format!("{}{path}", self.api)).bearer_auth(&self.token).json(body)).await
    }

    /// Says how something is to be.
    pub async fn put(&self, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        sent(http()?.put(format!("{}{path}", self.api)).bearer_auth(&self.token).json(body)).await
    }

    /// Asks for something to be done, once for each key.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let request = http()?.post(format!("{}{path}", self.api)).bearer_auth(&self.token);
        sent(request.header("idempotency-key", key).json(body)).await
    }

    /// The same: the status, and how long to wait if the answer says so.
    pub async fn try_once(&self, path: &str, key: &str, body: &Value) -> Result<(StatusCode, Option<u64>)> {
        let request = http()?.post(format!("{}{path}", self.api)).bearer_auth(&self.token);
        let answer = request.header("idempotency-key", key).json(body).send().await?;
        let wait = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
        Ok((answer.status(), wait))
    }

    /// Asks for something to be done that has to be done.
    pub async fn done(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        let (status, done) = self.post_once(path, key, body).await?;
        ensure!(status.is_success(), "{path}: {status} {done}");
        Ok(done)
    }

    /// Rupiah and the last sequence.
    pub async fn balance(&self) -> Result<(i64, i64)> {
        let found = self.find("/api/v1/balance").await?;
        Ok((whole(&found, "balance")?, whole(&found, "sequence")?))
    }

    /// All of the statement, page by page.
    pub async fn statement(&self) -> Result<Vec<Value>> {
        let (mut entries, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.find(&format!("/api/v1/balance/entries?page_size=3&page_token={token}")).await?;
            entries.extend(page["items"].as_array().context("no items")?.iter().cloned());
            match page["next_page_token"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => return Ok(entries),
            }
        }
    }
}

/// Sends it: the status, and what was answered, as a text if it is no JSON.
pub async fn sent(request: reqwest::RequestBuilder) -> Result<(StatusCode, Value)> {
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// A whole number.
pub fn whole(value: &Value, field: &str) -> Result<i64> {
    value[field].as_i64().with_context(|| format!("{field} is no whole number in {value}"))
}

/// An exact decimal.
pub fn decimal(value: &Value, field: &str) -> Result<Decimal> {
    let text = value[field].as_str().with_context(|| format!("{field} is no text in {value}"))?;
    Ok(text.parse()?)
}
