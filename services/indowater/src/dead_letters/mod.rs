//! `dead-letters`: looking at telemetry that could not be used, and sending it again once the cause is mended.
//!
//! A letter keeps the original bytes, so it can be sent again as it came: a device that was not enrolled is enrolled, and
//! its reads are not lost. What was sent again is remembered in the collection `redriven_dead_letters`, one small document
//! for each letter, so that a second call sends nothing twice; it is written after the broker has the records, so a call
//! that is cut short sends some again, which changes nothing. What is sent again and fails again becomes a new letter.

mod letter;
mod memory;

use std::collections::VecDeque;
use std::process::ExitCode;

use anyhow::Result;
use indowater_proto::readings::v1::DeadLetter;
use indowater_proto::topics::TELEMETRY;
use serde::Serialize;

pub use letter::{Place, Reason};

use crate::clients;
use crate::system::{Connect, System};
use crate::terminal;
use crate::uplink::{Uplink, Uplinked};
use letter::{Letter, Payload, dump, find, hex, read};
use memory::{Memory, remembered};

/// Look at telemetry that could not be used, and send it again
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// List the newest dead letters
    List {
        #[command(flatten)]
        connect: Connect,
        #[command(flatten)]
        which: Which,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one dead letter with its original bytes
    Show {
        #[command(flatten)]
        connect: Connect,
        /// Where it stands, as `list` tells
        #[arg(value_name = "PARTITION:OFFSET")]
        place: Place,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Send the original bytes again, oldest first; each letter once
    Redrive {
        #[command(flatten)]
        connect: Connect,
        #[command(flatten)]
        which: Which,
        /// Print the counts as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which letters.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Which {
    /// Only those with this reason
    #[arg(long, value_enum, value_name = "REASON")]
    pub reason: Option<Reason>,
    /// At most so many [default: 50 to list, all to send again]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// What `redrive` did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Redriven {
    /// Letters sent again.
    pub sent: u64,
    /// Letters that had been sent again before.
    pub before: u64,
    /// Letters that did not come from the telemetry topic; they are no telemetry.
    pub foreign: u64,
}

const LISTED: usize = 50;
/// Letters that are on the broker before they are remembered.
const CHUNK: usize = 500;

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::List { connect, which, json } => list(&connect.resolve()?, which, json).await?,
        Action::Show { connect, place, json } => show(&connect.resolve()?, place, json).await?,
        Action::Redrive { connect, which, json } => {
            let redriven = redrive(&connect.resolve()?, which).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&redriven)?);
            } else {
                let Redriven { sent, before, foreign } = redriven;
                println!("{sent} sent again, {before} had been before, {foreign} are no telemetry");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(system: &System, which: Which, json: bool) -> Result<()> {
    let limit = which.limit.unwrap_or(LISTED);
    let mut newest: VecDeque<Letter> = VecDeque::new();
    let mut letters = read(system, which.reason);
    while let Some(letter) = letters.recv().await {
        let letter = letter?;
        let place =
            newest.partition_point(|known| known.letter.received_at_ms <= letter.letter.received_at_ms);
        newest.insert(place, letter);
        if newest.len() > limit {
            newest.pop_front();
        }
    }
    let redriven = remembered(system).await?;
    if json {
        let all: Vec<_> =
            newest.iter().map(|letter| letter.summary(redriven.contains(&letter.identity()))).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for letter in &newest {
        let again = if redriven.contains(&letter.identity()) { "  (sent again)" } else { "" };
        println!(
            "{:<10} {}  {:<24} {:<20} {}{again}",
            letter.place.to_string(),
            letter.received_at(),
            letter.reason(),
            terminal::line(&String::from_utf8_lossy(&letter.letter.key)),
            terminal::line(&letter.letter.detail)
        );
    }
    eprintln!("{} dead letters; see one with `indowater dead-letters show PARTITION:OFFSET`", newest.len());
    Ok(())
}

async fn show(system: &System, place: Place, json: bool) -> Result<()> {
    let letter = find(system, place).await?;
    let is_redriven = remembered(system).await?.contains(&letter.identity());
    let payload = Payload::of(&letter.letter.payload);
    if json {
        let mut shown = letter.summary(is_redriven);
        let (field, text) = match payload {
            Payload::Text(text) => ("payload_text", text.to_owned()),
            Payload::Bytes(bytes) => ("payload_hex", hex(bytes)),
        };
        shown[field] = text.into();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(());
    }
    let DeadLetter { content_type, topic, partition, offset, detail, key, .. } = &letter.letter;
    println!("reason        {}", letter.reason());
    println!("detail        {}", terminal::line(detail));
    println!("received      {}", letter.received_at());
    println!("came from     {} {partition}:{offset}", terminal::line(topic));
    println!("key           {}", terminal::line(&String::from_utf8_lossy(key)));
    println!("content-type  {}", terminal::line(content_type));
    println!("sent again    {}", if is_redriven { "yes" } else { "no" });
    println!("payload       {} bytes", letter.letter.payload.len());
    match payload {
        Payload::Text(text) => println!("{text}"),
        Payload::Bytes(bytes) => print!("{}", dump(bytes)),
    }
    Ok(())
}

/// Sends letters again, oldest first within each partition, and remembers them.
///
/// # Errors
/// The broker or the database does not answer.
pub async fn redrive(system: &System, which: Which) -> Result<Redriven> {
    let uplink = Uplink::open(system).await?;
    let telemetry = TELEMETRY.name(&system.topic_prefix);
    clients::with_database(system, async |database| {
        let memory = Memory::of(database);
        let known = memory.all().await?;
        let mut redriven = Redriven::default();
        let mut on_their_way = Vec::with_capacity(CHUNK);
        let mut letters = read(system, which.reason);
        while let Some(letter) = letters.recv().await {
            let letter = letter?;
            let identity = letter.identity();
            if known.contains(&identity) {
                redriven.before += 1;
            } else if letter.letter.topic != telemetry {
                redriven.foreign += 1;
            } else {
                uplink.send(&again(letter)).await?;
                on_their_way.push(identity);
                redriven.sent += 1;
            }
            if on_their_way.len() == CHUNK {
                uplink.flush().await?;
                memory.remember(&std::mem::take(&mut on_their_way)).await?;
            }
            if which.limit.is_some_and(|limit| redriven.sent >= limit as u64) {
                break;
            }
        }
        uplink.flush().await?;
        memory.remember(&on_their_way).await?;
        Ok(redriven)
    })
    .await
}

/// The telemetry of a letter as it came, with where it comes from now.
fn again(Letter { topic, place, letter }: Letter) -> Uplinked {
    Uplinked {
        key: letter.key,
        payload: letter.payload,
        content_type: letter.content_type,
        headers: vec![("redriven-from", format!("{topic}:{place}"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_sent_again_as_it_came() {
        let letter = DeadLetter {
            key: b"sim-1".to_vec(),
            payload: b"\x0f".to_vec(),
            content_type: "text/csv".to_owned(),
            ..Default::default()
        };
        let topic = "indowater.ingest.dead-letters.v1".to_owned();
        let sent = again(Letter { topic, place: "1:9".parse().unwrap(), letter });
        let expected = Uplinked {
            key: b"sim-1".to_vec(),
            payload: b"\x0f".to_vec(),
            content_type: "text/csv".to_owned(),
            headers: vec![("redriven-from", "indowater.ingest.dead-letters.v1:1:9".to_owned())],
        };
        assert_eq!(sent, expected);
    }
}
