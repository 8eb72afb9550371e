//! WhatsApp, over the Cloud API. Only approved templates are sent: by their name, language and parameters, so it needs no
//! message of the reader's own within 24 hours.

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::carrier::{Carrier, Letter};
use crate::domain::ladder::Outcome;
use crate::http_client::{Answer, Client};

/// The version of the API that this is written for.
const VERSION: &str = "v23.0";

/// The way to WhatsApp.
pub struct Whatsapp {
    client: Client,
    messages: String,
    token: SecretString,
}

/// Errors that say that the same message may be taken later: limits of calls and of messages, and trouble of theirs
/// (1, 2, 131000, 131016, 133004).
const LATER: [i64; 10] = [1, 2, 4, 80_007, 130_429, 131_000, 131_016, 131_048, 131_056, 133_004];

impl Whatsapp {
    /// As the business number with the id `phone_number_id`, at `base`, such as `https://graph.facebook.com`.
    pub fn new(client: Client, base: &str, phone_number_id: &str, token: SecretString) -> Self {
        let messages = format!("{}/{VERSION}/{phone_number_id}/messages", base.trim_end_matches('/'));
        Self { client, messages, token }
    }
}

fn template(letter: &Letter) -> Value {
    let parameter = |text: &String| json!({ "type": "text", "text": one_line(text) });
    let parameters: Vec<Value> = letter.template.parameters.iter().map(parameter).collect();
    let components = match &parameters[..] {
        [] => json!([]),
        _ => json!([{ "type": "body", "parameters": parameters }]),
    };
    json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": letter.address.trim_start_matches('+'),
        "type": "template",
        "template": {
            "name": letter.template.name,
            "language": { "code": letter.language.code() },
            "components": components,
        },
        // It comes back with every status of the message: what a repetition is recognised by.
        "biz_opaque_callback_data": letter.id,
    })
}

/// Parameters of templates have no line breaks and no wide blanks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn outcome(answer: &Answer) -> Outcome {
    if let (200, Some(id)) = (answer.status, answer.body["messages"][0]["id"].as_str()) {
        return Outcome::Sent(id.to_owned());
    }
    let error = &answer.body["error"];
    let code = error["code"].as_i64();
    let said = format!(
        "{} {}: {}",
        answer.status,
        code.map_or_else(|| "without a code".to_owned(), |code| code.to_string()),
        error["message"].as_str().unwrap_or("no message"),
    );
    let later = answer.is_trouble() || code.is_none_or(|code| LATER.contains(&code));
    if later { Outcome::Failed(said) } else { Outcome::Refused(said) }
}

impl Carrier for Whatsapp {
    fn carry<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Outcome> {
        async move {
            match self.client.post(&self.messages, &self.token, &template(letter)).await {
                Ok(answer) => outcome(&answer),
                Err(why) => Outcome::Failed(why),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::Template;

    #[test]
    fn a_template_goes_by_name_language_and_parameters() {
        let letter = Letter {
            address: "+628123456789".to_owned(),
            template: Template {
                name: "balance_low",
                parameters: vec!["Rp 48.500".to_owned(), "a\nb  c".to_owned()],
            },
            ..Letter::sample()
        };
        let sent = template(&letter);
        assert_eq!(sent["to"], "628123456789");
        assert_eq!(sent["template"]["name"], "balance_low");
        assert_eq!(sent["template"]["language"]["code"], "en");
        let parameters = &sent["template"]["components"][0]["parameters"];
        assert_eq!((&parameters[0]["text"], &parameters[1]["text"]), (&json!("Rp 48.500"), &json!("a b c")));
        assert_eq!(sent["biz_opaque_callback_data"], letter.id);
        let bare = Letter { template: Template { name: "usage_usual", parameters: vec![] }, ..letter };
        assert_eq!(template(&bare)["template"]["components"], json!([]));
    }

    #[test]
    fn answers_are_understood_as_the_api_means_them() {
        let of = |status, body| outcome(&Answer { status, body });
        let error =
            |code: i64| json!({ "error": { "message": "(#0) x", "type": "OAuthException", "code": code } });
        let sent = json!({ "messaging_product": "whatsapp", "messages": [{ "id": "wamid.1" }] });
        assert_eq!(of(200, sent), Outcome::Sent("wamid.1".to_owned()));
        for (status, code) in
            [(429, 130_429), (400, 131_056), (500, 131_000), (503, 2), (401, 190), (400, 131_048)]
        {
            assert!(matches!(of(status, error(code)), Outcome::Failed(_)), "{status} {code}");
        }
        for (status, code) in [(400, 131_047), (404, 132_001), (400, 132_000), (400, 131_026), (400, 100)] {
            assert!(matches!(of(status, error(code)), Outcome::Refused(_)), "{status} {code}");
        }
        assert!(matches!(of(502, Value::Null), Outcome::Failed(_)), "a proxy in between");
        assert!(matches!(of(200, Value::Null), Outcome::Failed(_)), "an answer that says nothing");
    }
}
