//! What the READMEs tell a newcomer to type does what they say: their examples are run as they stand, in one shell, one
//! after the other, against a system with the demo's data. Only addresses are put in place of the usual ones.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use indowater::gateways::Options;
use indowater::registry::Registry;
use indowater::seed;
use indowater_proto::topics::{READINGS, TELEMETRY};
use indowater_tests::base::Base;
use indowater_tests::world::eventually;

use crate::payments::shop::Shop;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PAGES: [&str; 2] = ["README.md", "proto/README.md"];
/// Lines of a block that begin so start or test the whole system, which this is a part of.
const WHOLE_SYSTEM: [&str; 3] = ["cargo ", "deploy/run ", "export "];
/// Messages that the examples send.
const SENT: usize = 3;

/// The examples log in, ask, pay and send telemetry, and none of it is refused or ends as a dead letter.
pub async fn examples_do_what_they_say(base: Arc<Base>) -> Result<()> {
    let shop = Shop::open(&base, "readme", Options::default()).await?;
    let world = &shop.world;
    let registry = Registry::at(world.system.registry_url.as_deref().context("no registry")?)?;
    let options = seed::Options { days: 3, ..seed::Options::default() };
    let seeded = seed::seed(&world.system, &registry, &options).await?;
    let produced = usize::try_from(seeded.messages)?;
    eventually("the demo's reads are accepted", async || {
        let accepted = world.records(&READINGS).await?.len();
        ensure!(accepted >= produced, "{accepted} of {produced}");
        Ok(())
    })
    .await?;

    let folder = tempfile::tempdir()?;
    let data = folder.path().join(".indowater");
    std::fs::create_dir(&data)?;
    world.system.save(&data)?;
    std::os::unix::fs::symlink(Path::new(ROOT).join("proto"), folder.path().join("proto"))?;
    let mut script = String::from("set -eu -o pipefail\n");
    for page in PAGES {
        let text = std::fs::read_to_string(Path::new(ROOT).join(page))?;
        script += &runnable(&text).join("\n");
    }
    let api = world.system.api_url.as_deref().context("no gateway")?;
    let script = script
        .replace("http://127.0.0.1:8080", api)
        .replace("indowater.device.telemetry.v1", &TELEMETRY.name(&world.system.topic_prefix));
    let (place, typed) = (folder.path().to_owned(), script.clone());
    let output = tokio::task::spawn_blocking(move || run(&place, &typed)).await??;
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}\n{script}\n{said}\n{complained}", output.status);
    ensure!(!said.contains("urn:indowater:problem"), "something was refused:\n{said}");
    for part in ["\"balance\":", "\"usage\":", "\"payment_url\":\"http"] {
        ensure!(said.contains(part), "nothing says {part}:\n{said}");
    }

    let sent = world.records(&TELEMETRY).await?.len();
    ensure!(sent == produced + SENT, "{sent} messages, of which {produced} are the demo's");
    eventually("every message is accepted", async || {
        let (accepted, dead) = (world.records(&READINGS).await?.len(), world.dead_letters().await?);
        ensure!(accepted == sent && dead.is_empty(), "{accepted} of {sent} accepted, dead: {dead:?}");
        Ok(())
    })
    .await
}

fn run(folder: &Path, script: &str) -> Result<Output> {
    for tool in ["curl", "kcat", "protoc"] {
        let there = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output()?.status.success();
        ensure!(there, "the examples use {tool}, which is missing: `deploy/run prepare test` installs it");
    }
    Ok(Command::new("bash").args(["-c", script]).current_dir(folder).env("no_proxy", "127.0.0.1").output()?)
}

/// The shell blocks of a page, without those that start or test the whole system.
fn runnable(page: &str) -> Vec<String> {
    let blocks =
        page.split("\n```sh\n").skip(1).filter_map(|rest| rest.split_once("\n```")).map(|(block, _)| block);
    let whole = |block: &&str| {
        block.lines().all(|line| WHOLE_SYSTEM.iter().any(|begin| line.starts_with(begin)) || line.is_empty())
    };
    blocks.filter(|block| !whole(block)).map(|block| format!("{block}\n")).collect()
}
