//! Calls to the channels that speak HTTP: bounded in time and size, and silent about secrets.

use std::time::Duration;

use indowater_common::error::Fatal;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// How long an answer may take, and how long a connection may take to open.
const TIME_OUT: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(5);
/// No answer of a channel is near this size.
const MOST_BYTES: usize = 256 * 1024;

/// Makes calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(reqwest::Client);

/// What a channel answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body; null if it is no JSON.
    pub body: Value,
}

impl Answer {
    /// Whether it may be otherwise later: too many calls, trouble of theirs, or trouble with our credentials, which an operator mends.
    pub const fn is_trouble(&self) -> bool {
        matches!(self.status, 401 | 403 | 408 | 429 | 500..)
    }
}

impl Client {
    /// Makes the client; it connects by itself.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn open() -> Result<Self, Fatal> {
        let client = reqwest::Client::builder().timeout(TIME_OUT).connect_timeout(CONNECT);
        Ok(Self(client.redirect(Policy::none()).build()?))
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// There was no answer, and why.
    pub async fn post(&self, url: &str, token: &SecretString, body: &Value) -> Result<Answer, String> {
        ask(self.0.post(url).bearer_auth(token.expose_secret()).json(body)).await
    }

    /// Posts a form that is encoded already.
    ///
    /// # Errors
    /// As above.
    pub async fn post_form(&self, url: &str, form: String) -> Result<Answer, String> {
        ask(self.0.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)).await
    }
}

async fn ask(request: RequestBuilder) -> Result<Answer, String> {
    // A URL may hold what is nobody's business.
    let answer = request.send().await.map_err(|error| said(error.without_url()))?;
    let status = answer.status().as_u16();
    Ok(Answer { status, body: serde_json::from_slice(&body(answer).await?).unwrap_or_default() })
}

async fn body(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| said(error.without_url()))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err("the answer is too large".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with its causes, for `reqwest` tells them only when asked.
fn said(error: reqwest::Error) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}
