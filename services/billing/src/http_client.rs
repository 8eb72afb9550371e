//! Calls to payment gateways: bounded in time and size, repeated only where that is safe, and silent about secrets. All calls to
//! one gateway share a [`Guard`]: one that does not answer is left alone for a while, so that nobody waits for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indowater_common::clock;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use rand::RngExt as _;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::breaker::{Breaker, Limits};

/// No answer of a gateway is near this size.
const MOST_BYTES: usize = 1024 * 1024;
/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);

/// How calls are bounded and repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one try may take.
    pub timeout: Duration,
    /// How many tries there are in all.
    pub tries: u32,
    /// How long the first pause between two tries is at most; each further one is twice as long.
    pub pause: Duration,
    /// After how many failures in a row the gateway is left alone.
    pub failures: u32,
    /// For how long at first.
    pub rest: Duration,
}

impl Default for Patience {
    /// Three tries of at most 15 s, for a person waits for the page; the reconciler comes again anyway.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            tries: 3,
            pause: Duration::from_millis(400),
            failures: 5,
            rest: Duration::from_secs(5),
        }
    }
}

impl Patience {
    /// Waits after try `tried` (from 0): between half of the back-off and all of it, so that many callers that failed at
    /// the same moment do not come back at the same moment.
    pub(crate) async fn wait(&self, tried: u32) {
        let most = self.pause.saturating_mul(1 << tried.min(6));
        let share = rand::rng().random_range(500..=1_000_u32);
        tokio::time::sleep(most.saturating_mul(share) / 1_000).await;
    }
}

/// The longest rest of a gateway, also if it asks for a longer one: customers wait.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Keeps calls from a gateway that does not answer. One for all hosts of a gateway. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Mutex<Breaker>>);

impl Guard {
    /// Of a gateway that is called with such patience.
    pub fn new(patience: Patience) -> Self {
        let limits = Limits {
            failures: patience.failures,
            rest: patience.rest,
            longest: LONGEST_REST.max(patience.rest),
            // Longer than the probe's own time-out.
            probe: patience.timeout.saturating_mul(2),
        };
        Self(Arc::new(Mutex::new(Breaker::new(limits))))
    }

    fn ask(&self) -> Result<(), Duration> {
        self.with(|breaker| breaker.ask(clock::now()))
    }

    fn ended(&self, outcome: Result<(), Option<Duration>>) {
        self.with(|breaker| match outcome {
            Ok(()) => breaker.succeeded(),
            Err(wait) => breaker.failed(clock::now(), wait),
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Speaks to one host with one key.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Client,
    base: String,
    key: SecretString,
    patience: Patience,
    guard: Guard,
}

/// One thing to ask.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    path: String,
    body: Option<serde_json::Value>,
    idempotency_key: Option<String>,
    repeatable: bool,
}

impl Call {
    /// Reads; safe to repeat.
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: None, idempotency_key: None, repeatable: true }
    }

    /// Changes something; not repeated once it may have arrived.
    pub fn post(path: String, body: serde_json::Value) -> Self {
        Self { method: Method::POST, path, body: Some(body), idempotency_key: None, repeatable: false }
    }

    /// Says that the gateway recognises a repetition by what is in the call.
    #[must_use]
    pub fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// Sends `key` as `idempotency-key`, by which the gateway recognises a repetition.
    #[must_use]
    pub fn keyed(self, key: &str) -> Self {
        Self { idempotency_key: Some(key.to_owned()), repeatable: true, ..self }
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
    /// How long it says to stay away.
    pub retry_after: Option<Duration>,
}

/// No usable answer came.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It did not answer in time, or not at all, or with 429 or 5xx, or it is left alone. Whether it did what was asked is not
    /// known.
    #[error("the gateway does not answer: {why}")]
    Unavailable {
        /// What was seen.
        why: String,
        /// After how long it may be asked again, if that is known.
        after: Option<Duration>,
    },
    /// The client cannot be made, the address is none, or the answer is too long.
    #[error("the call cannot be made: {0}")]
    Broken(String),
}

impl Caller {
    /// A caller for the host at `base`, such as `https://api.example.com`, with `key` as the user of basic authentication.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(base: &str, key: SecretString, patience: Patience, guard: Guard) -> Result<Self, CallError> {
        let mut client = Client::builder()
            .timeout(patience.timeout)
            .connect_timeout(CONNECT.min(patience.timeout))
            // A gateway that redirects would get the key to wherever it says.
            .redirect(Policy::none());
        if base.starts_with("http://127.0.0.1") || base.starts_with("http://localhost") {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| CallError::Broken(text(error)))?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), key, patience, guard })
    }

    /// How it is bounded.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Asks, and asks again after a pause where that is safe: always when nothing was sent or the gateway was too busy to
    /// look at it (429), after time-outs and 5xx only what is repeatable. A gateway that says how long to stay away, or that is
    /// left alone, is not asked again before.
    ///
    /// # Errors
    /// No usable answer came.
    pub async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let mut tried = 0;
        let mut why = String::new();
        loop {
            if let Err(wait) = self.guard.ask() {
                let rests = "it is left alone after too many failures".to_owned();
                let why = if why.is_empty() { rests } else { format!("{why}; {rests}") };
                return Err(CallError::Unavailable { why, after: Some(wait) });
            }
            let (safe, failure, after) = match self.once(call).await {
                Ok(answer) if answer.status == 429 || answer.status >= 500 => {
                    let safe = answer.status == 429 || call.repeatable;
                    (safe, format!("status {}", answer.status), answer.retry_after)
                }
                Ok(answer) => {
                    self.guard.ended(Ok(()));
                    return Ok(answer);
                }
                Err(Failure::Sent { connected, error }) => (!connected || call.repeatable, error, None),
                Err(Failure::Broken(error)) => {
                    // It did answer.
                    self.guard.ended(Ok(()));
                    return Err(CallError::Broken(error));
                }
            };
            self.guard.ended(Err(after));
            tried += 1;
            if !safe || tried >= self.patience.tries || after.is_some() {
                return Err(CallError::Unavailable { why: failure, after });
            }
            why = failure;
            self.patience.wait(tried - 1).await;
        }
    }

    async fn once(&self, call: &Call) -> Result<Answer, Failure> {
        let url = format!("{}{}", self.base, call.path);
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .basic_auth(self.key.expose_secret(), Some(""))
            .header("accept", "application/json");
        if let Some(key) = &call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(Failure::of)?;
        read(response).await
    }
}

enum Failure {
    Sent { connected: bool, error: String },
    Broken(String),
}

impl Failure {
    fn of(error: reqwest::Error) -> Self {
        if error.is_builder() {
            Self::Broken(text(error))
        } else {
            Self::Sent { connected: !error.is_connect(), error: text(error) }
        }
    }
}

async fn read(mut response: Response) -> Result<Answer, Failure> {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers(), clock::now());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::of)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(Failure::Broken("the answer is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body, retry_after })
}

/// What `Retry-After` says: seconds, or a moment.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(moment.duration_since(now)).unwrap_or_default())
}

/// The whole chain of an error, without the address: order ids belong to customers.
fn text(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Patience = Patience {
        timeout: Duration::from_millis(200),
        tries: 3,
        pause: Duration::from_millis(1),
        failures: 4,
        rest: Duration::from_millis(300),
    };

    fn caller(base: &str) -> Caller {
        Caller::new(base, "SB-Mid-server-secret".to_owned().into(), PATIENCE, Guard::new(PATIENCE))
            .expect("a client")
    }

    /// A host that answers every request with `answer`, or never if that is empty, and counts them.
    async fn host(answer: &'static str) -> (String, Arc<AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let count = Arc::new(AtomicU32::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                if answer.is_empty() {
                    kept.push(stream);
                }
            }
        });
        (base, count)
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    const BUSY: &str = "HTTP/1.1 429 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const DOWN: &str = "HTTP/1.1 503 Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const MOVED: &str = "HTTP/1.1 302 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn only_what_is_safe_is_repeated() {
        let (get, once) = (Call::get("/".to_owned()), Call::post("/".to_owned(), json!({})));
        let keyed = once.clone().keyed("k");
        for (answer, call, tries) in [
            (OK, &once, 1),
            (BUSY, &once, 3),
            (DOWN, &once, 1),
            (DOWN, &get, 3),
            (DOWN, &keyed, 3),
            ("", &once, 1),
            ("", &get, 3),
        ] {
            let (base, count) = host(answer).await;
            let outcome = caller(&base).call(call).await;
            assert_eq!(outcome.is_ok(), answer == OK, "{answer} {call:?}");
            assert_eq!(count.load(Ordering::SeqCst), tries, "{answer} {call:?}");
        }
    }

    const LATER: &str =
        "HTTP/1.1 503 Down\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    fn wait(outcome: Result<Answer, CallError>) -> Option<Duration> {
        match outcome {
            Err(CallError::Unavailable { after, .. }) => after,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn who_hangs_is_left_alone_and_asked_again_later() {
        let (base, count) = host("").await;
        let (caller, get) = (caller(&base), Call::get("/".to_owned()));
        let begun = std::time::Instant::now();
        assert_eq!(wait(caller.call(&get).await), None);
        assert!(wait(caller.call(&get).await).is_some(), "the fourth failure in a row");
        let asked = count.load(Ordering::SeqCst);
        assert_eq!(asked, 4);
        let slow = begun.elapsed();
        for _ in 0..100 {
            assert!(wait(caller.call(&get).await).is_some_and(|wait| wait <= PATIENCE.rest));
        }
        assert!(begun.elapsed() - slow < PATIENCE.timeout, "nobody waits for it");
        assert_eq!(count.load(Ordering::SeqCst), asked, "it is left alone");
        tokio::time::sleep(PATIENCE.rest).await;
        let _ = caller.call(&get).await;
        assert_eq!(count.load(Ordering::SeqCst), asked + 1, "one probe");
        assert!(wait(caller.call(&get).await).is_some(), "the probe failed");
    }

    #[tokio::test]
    async fn who_says_when_is_asked_no_sooner() {
        let (base, count) = host(LATER).await;
        let (caller, get) = (caller(&base), Call::get("/".to_owned()));
        assert_eq!(wait(caller.call(&get).await), Some(Duration::from_secs(7)));
        assert!(wait(caller.call(&get).await).is_some_and(|wait| wait > Duration::from_secs(5)));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_wait_is_seconds_or_a_moment() {
        let now: Timestamp = "2026-10-21T07:28:00Z".parse().expect("a time");
        let said = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, reqwest::header::HeaderValue::from_static(text));
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(said("120"), Some(120));
        assert_eq!(said("Wed, 21 Oct 2026 07:29:00 GMT"), Some(60));
        assert_eq!(said("Wed, 21 Oct 2026 07:27:00 GMT"), Some(0), "it is over");
        assert_eq!(said("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[tokio::test]
    async fn nobody_is_led_elsewhere() {
        let (base, _) = host(MOVED).await;
        let answer = caller(&base).call(&Call::get("/".to_owned())).await.expect("an answer");
        assert_eq!(answer.status, 302);
    }

    #[tokio::test]
    async fn nobody_there_is_told_without_the_address() {
        let error = caller("http://127.0.0.1:1").call(&Call::get("/v2/payment-1/status".to_owned())).await;
        let text = error.expect_err("nobody is there").to_string();
        assert!(!text.contains("payment-1"), "{text}");
    }

    #[test]
    fn the_key_is_not_shown() {
        assert!(!format!("{:?}", caller("http://127.0.0.1:1")).contains("SB-Mid"));
    }
}
