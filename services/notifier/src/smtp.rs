//! Mail, over SMTP.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use indowater_common::error::Fatal;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::response::Response;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::time::timeout;

use crate::carrier::{Carrier, Letter};
use crate::domain::ladder::Outcome;

/// How long a server may take for one mail.
const TIME_OUT: Duration = Duration::from_secs(30);

/// The way to the mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// `https://…` of the console.
    console: String,
}

/// RFC 2369, RFC 8058: how a reader's program takes them off.
#[derive(Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

/// What no person answers: RFC 3834.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Smtp {
    /// To the server of `url`, such as `smtps://user:password@mail.example.com`, as `from`.
    ///
    /// # Errors
    /// The URL or the address makes no sense.
    pub fn open(url: &str, from: &str, console: &str) -> Result<Self, Fatal> {
        // What is wrong with the URL is told without the URL, which may hold a password.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(
                |_| "--smtp-url is no URL of a mail server, such as smtps://user:password@mail.example.com",
            )?
            .timeout(Some(TIME_OUT))
            .build();
        let from = from.parse().map_err(|error| format!("--mail-from: {from:?} is no address: {error}"))?;
        Ok(Self { transport, from, console: console.trim_end_matches('/').to_owned() })
    }

    fn mail(&self, letter: &Letter) -> Result<Message, String> {
        let address: Address = letter.address.parse().map_err(|error| format!("{error}"))?;
        let name = (!letter.name.is_empty()).then(|| letter.name.clone());
        let unsubscribe = format!("<mailto:{}?subject=unsubscribe>", self.from.email);
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(name, address))
            .subject(&letter.title)
            .message_id(Some(format!("<{}@{}>", dotted(&letter.id), self.from.email.domain())))
            .header(ListUnsubscribe(unsubscribe))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(self.plain(letter), self.html(letter)))
            .map_err(|error| error.to_string())
    }

    fn plain(&self, letter: &Letter) -> String {
        let texts = letter.texts.iter().map(|text| match letter.texts.len() {
            1 => text.message.clone(),
            _ => format!("{}\n{}", text.title, text.message),
        });
        let (texts, frame) = (texts.collect::<Vec<_>>().join("\n\n"), &letter.frame);
        let (greeting, more, footer) = (&frame.greeting, &frame.more, &frame.footer);
        format!("{greeting}\n\n{texts}\n\n{more}: {}{}\n\n-- \n{footer}\n", self.console, letter.link)
    }

    fn html(&self, letter: &Letter) -> String {
        let texts = letter.texts.iter().map(|text| match letter.texts.len() {
            1 => format!("<p>{}</p>", escaped(&text.message)),
            _ => format!("<h2>{}</h2><p>{}</p>", escaped(&text.title), escaped(&text.message)),
        });
        let frame = &letter.frame;
        format!(
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title></head><body><p>{}</p>{}<p><a \
             href=\"{}{}\">{}</a></p><hr><p><small>{}</small></p></body></html>",
            letter.language.code(),
            escaped(&letter.title),
            escaped(&frame.greeting),
            texts.collect::<String>(),
            escaped(&self.console),
            escaped(&letter.link),
            escaped(&frame.more),
            escaped(&frame.footer),
        )
    }
}

impl Carrier for Smtp {
    fn carry<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Outcome> {
        async move {
            let mail = match self.mail(letter) {
                Ok(mail) => mail,
                Err(why) => return Outcome::Refused(why),
            };
            match timeout(TIME_OUT, self.transport.send(mail)).await {
                Ok(Ok(answer)) => Outcome::Sent(first_line(&answer)),
                Ok(Err(error)) => outcome(&error),
                Err(_) => Outcome::Failed(format!("no answer for {} s", TIME_OUT.as_secs())),
            }
        }
        .boxed()
    }
}

fn first_line(answer: &Response) -> String {
    answer.message().next().unwrap_or_default().to_owned()
}

/// A refusal for good (5xx) is one; one whose enhanced status says that the address is none, 5.1.x by RFC 3463, ends the
/// address. All else may be otherwise later.
fn outcome(error: &SmtpError) -> Outcome {
    let said = error.to_string();
    match error.is_permanent() {
        false => Outcome::Failed(said),
        true if said.split_whitespace().any(|word| word.starts_with("5.1.")) => Outcome::Ended(said),
        true => Outcome::Refused(said),
    }
}

/// An id as the left part of a Message-ID may hold it: RFC 5322, dot-atom.
fn dotted(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '.' };
    id.chars().map(plain).collect::<String>().trim_matches('.').replace("..", ".")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::Frame;
    use crate::domain::words::Text;

    fn letter(texts: &[(&str, &str)]) -> Letter {
        let texts = texts
            .iter()
            .map(|(title, message)| Text { title: (*title).to_owned(), message: (*message).to_owned() });
        Letter {
            id: "low_balance:customer-001|1".to_owned(),
            name: "Budi <script>".to_owned(),
            texts: texts.collect(),
            frame: Frame { greeting: "Hello Budi <script>,".to_owned(), ..Letter::sample().frame },
            ..Letter::sample()
        }
    }

    #[tokio::test]
    async fn a_mail_can_be_read_recognised_and_stopped() {
        let smtp =
            Smtp::open("smtp://127.0.0.1:1", "IndoWater <no-reply@indowater.example>", "https://a.example/")
                .unwrap();
        let of = |letter: &Letter| String::from_utf8(smtp.mail(letter).unwrap().formatted()).unwrap();
        let (one, again) = (
            letter(&[("low", "You have Rp 48,500 left.")]),
            of(&letter(&[("low", "You have Rp 48,500 left.")])),
        );
        let mail = of(&one);
        for part in [
            "Message-ID: <low_balance.customer-001.1@indowater.example>",
            "List-Unsubscribe: <mailto:no-reply@indowater.example?subject=unsubscribe>",
            "Auto-Submitted: auto-generated",
            "text/plain",
            "text/html",
            "You have Rp 48,500 left.",
            "https://a.example/balance",
        ] {
            assert!(mail.contains(part), "{part} in {mail}");
            assert!(again.contains(part));
        }
        let html = smtp.html(&one);
        assert!(!html.contains("<script>") && html.contains("Hello Budi &lt;script&gt;,"), "{html}");
        let digest = smtp.plain(&letter(&[("One", "first"), ("Two", "second")]));
        assert!(digest.contains("One\nfirst\n\nTwo\nsecond"), "{digest}");
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_a_failure_and_an_address_that_is_none_a_refusal() {
        let smtp =
            Smtp::open("smtp://127.0.0.1:1", "no-reply@indowater.example", "https://a.example").unwrap();
        assert!(matches!(smtp.carry(&letter(&[("a", "b")])).await, Outcome::Failed(_)));
        let nowhere = Letter { address: "nobody".to_owned(), ..letter(&[("a", "b")]) };
        assert!(matches!(smtp.carry(&nowhere).await, Outcome::Refused(_)));
    }

    #[test]
    fn settings_that_make_no_sense_are_told_without_the_password() {
        let refused =
            |url, from| Smtp::open(url, from, "https://a.example").err().map(|error| error.to_string());
        let told = refused("http://user:secret@host", "a@b.example").unwrap();
        assert!(told.contains("--smtp-url") && !told.contains("secret"), "{told}");
        assert!(refused("smtp://127.0.0.1:1", "nobody").unwrap().contains("--mail-from"));
    }
}
