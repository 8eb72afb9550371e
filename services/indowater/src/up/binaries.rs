//! Where the services' programs are: beside this one, built first if this one was built from sources that are
//! still there.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use super::screen::Screen;
use super::services::SERVICES;
use crate::cargo;

/// The workspace that this program was built from; it need not exist on the machine where it runs.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The folder of the services' programs, brought up to date with their sources unless `no_build`.
pub(super) async fn folder(no_build: bool, screen: &Screen) -> Result<PathBuf> {
    let own = env::current_exe().context("cannot tell where this program is")?;
    let folder = own.parent().context("this program is in no folder")?.to_owned();
    if let Some(build) = Build::of(&folder).filter(|_| !no_build) {
        if !missing(&folder).is_empty() {
            screen.say("Building the services; the first time takes some minutes.");
        }
        build.run(screen).await?;
    }
    let missing = missing(&folder);
    if !missing.is_empty() {
        bail!(
            "{} is not built: run `cargo build --release --workspace`, or put the programs of all services \
             beside {}",
            missing.join(", "),
            own.display()
        );
    }
    Ok(folder)
}

fn missing(folder: &Path) -> Vec<&'static str> {
    SERVICES.into_iter().filter(|name| !folder.join(name).is_file()).collect()
}

/// How to build the services so that they come out beside us: same target folder, same profile.
struct Build<'a> {
    target: &'a Path,
    profile: &'a str,
}

impl<'a> Build<'a> {
    /// None when this program does not lie where cargo put it, or its sources are gone: then it was
    /// installed.
    fn of(folder: &'a Path) -> Option<Self> {
        let target = folder.parent()?;
        let from_cargo =
            target.join("CACHEDIR.TAG").is_file() && Path::new(SOURCES).join("Cargo.toml").is_file();
        let profile = match folder.file_name()?.to_str()? {
            "debug" => "dev",
            profile => profile,
        };
        from_cargo.then_some(Self { target, profile })
    }

    /// Runs cargo with the terminal to itself: nobody shows its progress better. It builds the workspace's default
    /// members, as `cargo run` built us, so that both agree on features and no dependency is compiled twice.
    async fn run(&self, screen: &Screen) -> Result<()> {
        screen.clear();
        let mut cargo = Command::from(cargo::command("cargo"));
        cargo
            .current_dir(SOURCES)
            .args(["build", "--profile", self.profile, "--target-dir"])
            .arg(self.target);
        let status = cargo.kill_on_drop(true).status().await;
        let status =
            status.context("cannot run cargo to build the services: install Rust (https://rustup.rs)")?;
        if !status.success() {
            bail!(
                "the services do not build: see cargo's messages above, or use what is built with --no-build"
            );
        }
        Ok(())
    }
}
