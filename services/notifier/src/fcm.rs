//! Push, over Firebase Cloud Messaging's HTTP v1 API, as a service account.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use indowater_common::clock;
use indowater_common::error::Fatal;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::carrier::{Carrier, Letter};
use crate::domain::ladder::Outcome;
use crate::http_client::{Answer, Client};

/// What of a service account's key file is needed.
#[derive(Deserialize)]
struct Account {
    project_id: String,
    client_email: String,
    private_key: String,
    token_uri: String,
}

/// RFC 7523.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// Seconds for which a token is asked for, which is the longest that is given.
const HOUR: i64 = 3_600;
/// A token is asked for anew so long before its end.
const EARLY: Duration = Duration::from_secs(300);
/// What Apple takes of a collapse id at most, in bytes.
const MOST_COLLAPSE: usize = 64;

/// The way to phones.
pub struct Fcm {
    client: Client,
    send: String,
    account: Account,
    key: EncodingKey,
    /// The access token, and until when it is used.
    token: Mutex<Option<(SecretString, Instant)>>,
}

impl Fcm {
    /// As the service account of that key file (JSON), at `base`, such as `https://fcm.googleapis.com`.
    ///
    /// # Errors
    /// The file's content makes no sense.
    pub fn open(client: Client, base: &str, key_file: &str) -> Result<Self, Fatal> {
        // What is wrong is told without what stands there.
        let account: Account = serde_json::from_str(key_file).map_err(|error| {
            format!("--fcm-account is no key file of a service account ({:?})", error.classify())
        })?;
        let key = EncodingKey::from_rsa_pem(account.private_key.as_bytes())
            .map_err(|_| "--fcm-account: private_key is no RSA key in PEM")?;
        let send = format!("{}/v1/projects/{}/messages:send", base.trim_end_matches('/'), account.project_id);
        Ok(Self { client, send, account, key, token: Mutex::new(None) })
    }

    async fn token(&self) -> Result<SecretString, String> {
        let mut token = self.token.lock().await;
        if let Some((token, _)) = token.as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Ok(token.clone());
        }
        let iat = clock::now().as_second();
        let (iss, aud) = (&*self.account.client_email, &*self.account.token_uri);
        let claims = Claims { iss, scope: SCOPE, aud, iat, exp: iat + HOUR };
        let signed = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key);
        let assertion = signed.map_err(|error| format!("the key signs nothing: {error}"))?;
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let answer = self.client.post_form(aud, format!("grant_type={grant}&assertion={assertion}")).await?;
        let given = answer.body["access_token"].as_str().filter(|_| answer.status == 200);
        let given = given.ok_or_else(|| format!("no access token was given ({})", answer.status))?;
        let lasts = Duration::from_secs(answer.body["expires_in"].as_u64().unwrap_or_default());
        let given = SecretString::from(given);
        *token = Some((given.clone(), Instant::now() + lasts.saturating_sub(EARLY)));
        Ok(given)
    }
}

fn message(letter: &Letter) -> Value {
    let body = match &letter.texts[..] {
        [one] => one.message.clone(),
        several => several.iter().map(|text| &*text.title).collect::<Vec<_>>().join(". "),
    };
    // A repetition takes the place of what it repeats.
    let mut collapse = letter.id.as_str();
    if collapse.len() > MOST_COLLAPSE {
        collapse = collapse.get(collapse.len() - MOST_COLLAPSE..).unwrap_or_default();
    }
    json!({ "message": {
        "token": letter.address,
        "notification": { "title": letter.title, "body": body },
        "data": { "id": letter.id, "link": letter.link },
        "android": { "collapse_key": collapse, "priority": "HIGH", "notification": { "tag": collapse } },
        "apns": { "headers": { "apns-collapse-id": collapse } },
    } })
}

fn outcome(answer: &Answer) -> Outcome {
    if let (200, Some(name)) = (answer.status, answer.body["name"].as_str()) {
        return Outcome::Sent(name.to_owned());
    }
    let error = &answer.body["error"];
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let code = details.iter().find_map(|detail| detail["errorCode"].as_str());
    let code = code.or_else(|| error["status"].as_str()).unwrap_or("without a code");
    let said = format!("{} {code}: {}", answer.status, error["message"].as_str().unwrap_or("no message"));
    match code {
        // The app is gone from the phone, or the token is of another sender.
        "UNREGISTERED" | "SENDER_ID_MISMATCH" => Outcome::Ended(said),
        _ if answer.is_trouble() || answer.body.is_null() => Outcome::Failed(said),
        _ => Outcome::Refused(said),
    }
}

impl Carrier for Fcm {
    fn carry<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Outcome> {
        async move {
            let token = match self.token().await {
                Ok(token) => token,
                Err(why) => return Outcome::Failed(why),
            };
            match self.client.post(&self.send, &token, &message(letter)).await {
                Ok(answer) => {
                    if answer.status == 401 {
                        *self.token.lock().await = None;
                    }
                    outcome(&answer)
                }
                Err(why) => Outcome::Failed(why),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_takes_the_place_of_what_it_repeats() {
        let letter = Letter { id: "x".repeat(80), address: "token-1".to_owned(), ..Letter::sample() };
        let sent = &message(&letter)["message"];
        assert_eq!(sent["token"], "token-1");
        let collapse = sent["apns"]["headers"]["apns-collapse-id"].as_str().unwrap();
        assert_eq!(collapse.len(), 64);
        assert_eq!(sent["android"]["notification"]["tag"], collapse);
        assert_eq!(sent["notification"]["body"], letter.texts[0].message);
    }

    #[test]
    fn answers_are_understood_as_the_api_means_them() {
        let of = |status: u16, name: &str, code: Option<&str>| {
            let details = code.map(|code| json!([{ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code }]));
            let error =
                json!({ "error": { "code": status, "status": name, "message": "x", "details": details } });
            outcome(&Answer { status, body: error })
        };
        let sent = outcome(&Answer { status: 200, body: json!({ "name": "projects/p/messages/1" }) });
        assert_eq!(sent, Outcome::Sent("projects/p/messages/1".to_owned()));
        assert!(matches!(of(404, "NOT_FOUND", Some("UNREGISTERED")), Outcome::Ended(_)));
        assert!(matches!(of(403, "PERMISSION_DENIED", Some("SENDER_ID_MISMATCH")), Outcome::Ended(_)));
        assert!(matches!(of(429, "RESOURCE_EXHAUSTED", Some("QUOTA_EXCEEDED")), Outcome::Failed(_)));
        assert!(matches!(of(503, "UNAVAILABLE", Some("UNAVAILABLE")), Outcome::Failed(_)));
        assert!(matches!(of(401, "UNAUTHENTICATED", None), Outcome::Failed(_)));
        assert!(matches!(of(400, "INVALID_ARGUMENT", Some("INVALID_ARGUMENT")), Outcome::Refused(_)));
        assert!(matches!(outcome(&Answer { status: 502, body: Value::Null }), Outcome::Failed(_)));
    }

    #[test]
    fn a_key_file_that_makes_no_sense_is_told_without_what_stands_there() {
        let client = Client::open().unwrap();
        let key = json!({ "project_id": "p", "client_email": "a@b", "private_key": "secret", "token_uri": "http://c" });
        for wrong in ["{", "{}", &key.to_string()] {
            let told = Fcm::open(client.clone(), "https://fcm.example", wrong).err().unwrap().to_string();
            assert!(told.contains("--fcm-account") && !told.contains("secret"), "{told}");
        }
    }
}
