//! `dead-letters`: looking at telemetry that could not be used, and sending it again once the cause is mended.
//!
//! A letter keeps the original bytes, so it can be sent again: a device that was not enrolled is enrolled, and its reads are
//! not lost. Only the reads that were set aside go again, judged by when they first came. What was sent again is remembered in the collection `redriven_dead_letters`, one small document
//! for each letter, so that a second call sends nothing twice; it is written after the broker has the records, so a call
//! that is cut short sends some again, which changes nothing. What is sent again and fails again becomes a new letter about
//! the same reads, and stands in for the one before: what is hopeless is listed once, however often it is tried.

mod again;
mod letter;
mod memory;

use std::collections::VecDeque;
use std::process::ExitCode;

use anyhow::Result;
use indowater_proto::readings::v1::DeadLetter;
use indowater_proto::topics::TELEMETRY;
use serde::Serialize;

pub use again::again;
use letter::{Place, Reason};

use crate::clients;
use crate::system::{Connect, System};
use crate::terminal;
use crate::uplink::Uplink;
use letter::{Letter, Payload, find, read};
pub use letter::{dump, hex};
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
        /// Those that were sent again, too
        #[arg(long)]
        all: bool,
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
    /// Send again what was set aside, oldest first; each letter once
    Redrive {
        #[command(flatten)]
        connect: Connect,
        #[command(flatten)]
        which: Which,
        /// Declare the reads to be a backfill, which may be of any age
        #[arg(long)]
        backfill: bool,
        /// Print the counts as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which letters.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Which {
    /// Only those with this reason
    #[arg(long, value_enum, value_name = "REASON")]
    pub reason: Option<Reason>,
    /// Only those of the device with this identifier on its meter
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,
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
    /// Letters that do not have the whole message, which was too large, and so cannot be sent again.
    pub cut: u64,
    /// Letters that did not come from the telemetry topic; they are no telemetry.
    pub foreign: u64,
}

const LISTED: usize = 50;
/// Letters that are on the broker before they are remembered.
const CHUNK: usize = 500;

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::List { connect, which, all, json } => list(&connect.resolve()?, &which, all, json).await?,
        Action::Show { connect, place, json } => show(&connect.resolve()?, place, json).await?,
        Action::Redrive { connect, which, backfill, json } => {
            let redriven = redrive(&connect.resolve()?, &which, backfill).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&redriven)?);
            } else {
                let Redriven { sent, before, cut, foreign } = redriven;
                println!(
                    "{sent} sent again, {before} had been before, {cut} were cut for their size and cannot be, \
                     {foreign} are no telemetry"
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(system: &System, which: &Which, all: bool, json: bool) -> Result<()> {
    let limit = which.limit.unwrap_or(LISTED);
    let redriven = remembered(system).await?;
    let (mut newest, mut hidden): (VecDeque<Letter>, usize) = (VecDeque::new(), 0);
    let mut letters = read(system, which);
    while let Some(letter) = letters.recv().await {
        let letter = letter?;
        if !all && redriven.contains(&letter.identity()) {
            hidden += 1;
            continue;
        }
        let place =
            newest.partition_point(|known| known.letter.received_at_ms <= letter.letter.received_at_ms);
        newest.insert(place, letter);
        if newest.len() > limit {
            newest.pop_front();
        }
    }
    if json {
        let all: Vec<_> =
            newest.iter().map(|letter| letter.summary(redriven.contains(&letter.identity()))).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for letter in &newest {
        let again = if redriven.contains(&letter.identity()) { "  (sent again)" } else { "" };
        println!(
            "{:<10} {}  {:<24} {:<16} {:<20} {}{again}",
            letter.place.to_string(),
            letter.received_at(),
            letter.reason(),
            letter.reads(),
            letter.key(),
            terminal::line(&letter.letter.detail)
        );
    }
    let hidden =
        if hidden == 0 { String::new() } else { format!(", and {hidden} that were sent again (--all)") };
    eprintln!(
        "{} dead letters{hidden}; see one with `indowater dead-letters show PARTITION:OFFSET`",
        newest.len()
    );
    Ok(())
}

async fn show(system: &System, place: Place, json: bool) -> Result<()> {
    let (letter, latest) = find(system, place).await?;
    let is_redriven = remembered(system).await?.contains(&letter.identity());
    let payload = Payload::of(&letter.letter.payload);
    if json {
        let mut shown = letter.summary(is_redriven);
        shown["latest"] = latest.to_string().into();
        let (field, text) = match payload {
            Payload::Text(text) => ("payload_text", text.to_owned()),
            Payload::Bytes(bytes) => ("payload_hex", hex(bytes)),
        };
        shown[field] = text.into();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(());
    }
    let DeadLetter { content_type, topic, partition, offset, detail, .. } = &letter.letter;
    println!("reason        {}", letter.reason());
    println!("detail        {}", terminal::line(detail));
    println!("reads         {}", letter.reads());
    println!("received      {}", letter.received_at());
    println!("came from     {topic} {partition}:{offset}");
    if let Some(first) = &letter.letter.first {
        println!("at first      {topic} {}:{}", first.partition, first.offset);
    }
    println!("key           {}", letter.key());
    println!("content-type  {}", terminal::line(content_type));
    println!("backfill      {}", if letter.letter.backfill { "yes" } else { "no" });
    println!("sent again    {}", if is_redriven { "yes" } else { "no" });
    if latest != place {
        println!("latest        {latest}: these reads were sent again and set aside again");
    }
    if letter.letter.is_cut {
        println!(
            "cut           for its size: it cannot be sent again; the whole message stands where it came from"
        );
    }
    println!("payload       {} bytes", letter.letter.payload.len());
    match payload {
        Payload::Text(text) => println!("{text}"),
        Payload::Bytes(bytes) => print!("{}", dump(bytes)),
    }
    Ok(())
}

/// Sends letters again, oldest first within each partition, and remembers them; with `backfill` their reads may be of any
/// age.
///
/// # Errors
/// The broker or the database does not answer.
pub async fn redrive(system: &System, which: &Which, backfill: bool) -> Result<Redriven> {
    let uplink = Uplink::open(system).await?;
    let telemetry = TELEMETRY.name(&system.topic_prefix);
    clients::with_database(system, async |database| {
        let memory = Memory::of(database);
        let known = memory.all().await?;
        let mut redriven = Redriven::default();
        let mut on_their_way = Vec::with_capacity(CHUNK);
        let mut letters = read(system, which);
        while let Some(letter) = letters.recv().await {
            let letter = letter?;
            let identity = letter.identity();
            if known.contains(&identity) {
                redriven.before += 1;
            } else if letter.letter.topic != telemetry {
                redriven.foreign += 1;
            } else if let Some(message) = again(&letter.letter, letter.stands_at(), backfill) {
                uplink.send(&message).await?;
                on_their_way.push(identity);
                redriven.sent += 1;
            } else {
                redriven.cut += 1;
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
