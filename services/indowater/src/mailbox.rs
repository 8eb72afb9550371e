//! A mail server to try things on: it speaks SMTP (RFC 5321, with enhanced status codes, RFC 3463), keeps what it was given, and
//! fails as real ones do.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::signals::Signals;

/// Take all mail, and print it as it comes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2525")]
    pub listen: String,
    /// What goes wrong
    #[arg(long, value_enum, default_value_t)]
    pub weather: Weather,
}

/// How often mail that came is looked for, to be printed.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the command.
///
/// # Errors
/// The address is taken.
pub async fn run(args: Args) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mailbox = Mailbox::listen(&args.listen).await?;
    mailbox.set_weather(args.weather);
    eprintln!("Mail goes to {}", mailbox.url());
    let mut printed = 0;
    loop {
        for mail in mailbox.mails().into_iter().skip(printed) {
            println!("To: {}\n{}", mail.to, mail.data.replace('\r', ""));
            printed += 1;
        }
        tokio::select! {
            () = signals.next() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// A mail as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's recipient; a mail to several is kept once for each.
    pub to: String,
    /// Header and body, lines ended by `\r\n`.
    pub data: String,
}

impl Mail {
    /// The first header of that name, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let (header, _) = self.data.split_once("\r\n\r\n")?;
        let unfolded = header.replace("\r\n ", " ");
        unfolded.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// How the server is today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Weather {
    /// It takes mail.
    #[default]
    Fine,
    /// It asks to come later, at every recipient: 451 4.3.2.
    Busy,
    /// It knows nobody: 550 5.1.1.
    Unknown,
    /// It takes the mail and hangs up before it says so.
    HangsUp,
    /// It accepts connections and says nothing.
    Silent,
}

#[derive(Default)]
struct Kept {
    mails: Vec<Mail>,
    weather: Weather,
    connections: usize,
}

/// A running server. Cheap to clone.
#[derive(Clone)]
pub struct Mailbox {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

/// Bytes of a mail at most, as it tells in its greeting.
const MOST: usize = 10 << 20;

impl Mailbox {
    /// Listens; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn listen(address: &str) -> Result<Self> {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("{address} cannot be taken"))?;
        let mailbox = Self { address: listener.local_addr()?, kept: Arc::default() };
        let serving = mailbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let one = serving.clone();
                // A client that goes away in the middle is nobody's trouble.
                tokio::spawn(async move { one.talk(stream).await.ok() });
            }
        });
        Ok(mailbox)
    }

    /// `smtp://…` of it.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What it has been given, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.kept().mails.clone()
    }

    /// How many connections it has seen.
    pub fn connections(&self) -> usize {
        self.kept().connections
    }

    /// How it is from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.kept().weather = weather;
    }

    fn weather(&self) -> Weather {
        self.kept().weather
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn talk(&self, mut stream: TcpStream) -> Result<()> {
        self.kept().connections += 1;
        let (read, mut write) = stream.split();
        let mut lines = BufReader::new(read);
        if self.weather() == Weather::Silent {
            let mut ignored = String::new();
            while lines.read_line(&mut ignored).await? > 0 {
                ignored.clear();
            }
            return Ok(());
        }
        say(&mut write, "220 mailbox.indowater.example ESMTP").await?;
        let mut to: Vec<String> = Vec::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let (verb, rest) = line.trim_end().split_once([' ', ':']).unwrap_or((line.trim_end(), ""));
            match &*verb.to_ascii_uppercase() {
                "EHLO" => {
                    let can =
                        format!("250-mailbox\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 SIZE {MOST}");
                    say(&mut write, &can).await?;
                }
                "HELO" | "NOOP" => say(&mut write, "250 2.0.0 fine").await?,
                "MAIL" | "RSET" => {
                    to.clear();
                    say(&mut write, "250 2.1.0 fine").await?;
                }
                "RCPT" => match (self.weather(), recipient(rest)) {
                    (_, None) => say(&mut write, "501 5.1.3 no address").await?,
                    (Weather::Busy, _) => say(&mut write, "451 4.3.2 come again later").await?,
                    (Weather::Unknown, _) => say(&mut write, "550 5.1.1 nobody of that name").await?,
                    (_, Some(recipient)) => {
                        to.push(recipient);
                        say(&mut write, "250 2.1.5 fine").await?;
                    }
                },
                "DATA" if to.is_empty() => say(&mut write, "503 5.5.1 to whom?").await?,
                "DATA" => {
                    say(&mut write, "354 go on, and end with a point").await?;
                    let Some(data) = text(&mut lines).await? else {
                        say(&mut write, "552 5.3.4 too large").await?;
                        continue;
                    };
                    let weather = self.weather();
                    let mails = to.drain(..).map(|to| Mail { to, data: data.clone() });
                    self.kept().mails.extend(mails);
                    if weather == Weather::HangsUp {
                        return Ok(());
                    }
                    say(&mut write, "250 2.0.0 kept").await?;
                }
                "QUIT" => return say(&mut write, "221 2.0.0 goodbye").await,
                _ => say(&mut write, "502 5.5.1 not here").await?,
            }
        }
    }
}

async fn say(write: &mut (impl AsyncWrite + Unpin), line: &str) -> Result<()> {
    Ok(write.write_all(format!("{line}\r\n").as_bytes()).await?)
}

/// `TO:<somebody@example.com>` and what may follow.
fn recipient(rest: &str) -> Option<String> {
    let (_, address) = rest.split_once('<')?;
    let (address, _) = address.split_once('>')?;
    address.contains('@').then(|| address.to_owned())
}

/// What stands before the line with a point alone, without the points that were doubled; none if it is too large.
async fn text(lines: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>> {
    let (mut data, mut is_too_large) = (String::new(), false);
    loop {
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            anyhow::bail!("it ended before the point");
        }
        let line = String::from_utf8_lossy(&line);
        if line.trim_end() == "." {
            return Ok((!is_too_large).then_some(data));
        }
        is_too_large |= data.len() + line.len() > MOST;
        if !is_too_large {
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(mailbox: &Mailbox, lines: &[&str]) -> String {
        let mut stream = BufReader::new(TcpStream::connect(mailbox.address).await.unwrap());
        for line in lines {
            stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        }
        let mut answers = String::new();
        while stream.read_line(&mut answers).await.unwrap() > 0 {}
        answers
    }

    const MAIL: [&str; 10] = [
        "EHLO here",
        "MAIL FROM:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "DATA",
        "Subject: one",
        " and more",
        "",
        "..a point",
        ".",
        "QUIT",
    ];

    #[tokio::test]
    async fn a_mail_is_kept_as_it_was_sent() {
        let mailbox = Mailbox::listen("127.0.0.1:0").await.unwrap();
        let answers = ask(&mailbox, &MAIL).await;
        assert!(answers.contains("\r\n354 ") && answers.contains("250 2.0.0 kept"), "{answers}");
        let [mail] = &mailbox.mails()[..] else { panic!("one mail") };
        assert_eq!((&*mail.to, mail.header("subject").as_deref()), ("b@example.com", Some("one and more")));
        assert!(mail.data.ends_with("\r\n\r\n.a point\r\n"));
    }

    #[tokio::test]
    async fn it_fails_as_real_ones_do() {
        let mailbox = Mailbox::listen("127.0.0.1:0").await.unwrap();
        for (weather, expected) in [(Weather::Busy, "451 4.3.2"), (Weather::Unknown, "550 5.1.1")] {
            mailbox.set_weather(weather);
            let answers = ask(&mailbox, &MAIL).await;
            assert!(answers.contains(expected) && answers.contains("503 5.5.1"), "{answers}");
        }
        assert!(mailbox.mails().is_empty());
        mailbox.set_weather(Weather::HangsUp);
        assert!(!ask(&mailbox, &MAIL).await.contains("kept"));
        assert_eq!(mailbox.mails().len(), 1);
    }
}
