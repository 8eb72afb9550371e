//! What all stories share: the broker, the database and the built programs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use indowater::stack::{
    DataFolder, KafkaOptions, MongoOptions, Progress, Security, Stack, StackOptions, Step,
};
use tempfile::TempDir;

/// Whether everything runs with closed doors: TLS and passwords at the broker and in the database, and a user with the least
/// rights for each service and for the tool.
pub fn is_secure() -> bool {
    std::env::var_os("INDOWATER_TESTS_SECURE").is_some_and(|value| !value.is_empty() && value != "0")
}

/// A broker and a database in a folder that goes with them.
pub struct Base {
    /// The two.
    pub stack: Stack,
    /// Where the programs of the services are.
    pub programs: PathBuf,
    /// Where stories keep their logs.
    pub folder: TempDir,
    /// Whom the two let in, if doors are closed.
    pub security: Option<Security>,
    _data: DataFolder,
}

impl Base {
    /// Builds the programs, then starts broker and database.
    ///
    /// # Errors
    /// What is missing, with the command that mends it.
    pub async fn start() -> Result<Self> {
        Self::beside(build()?, is_secure()).await
    }

    /// Starts a broker and a database of its own, for stories that stop and start them, or close their doors.
    ///
    /// # Errors
    /// What is missing, with the command that mends it.
    pub async fn beside(programs: PathBuf, secure: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("indowater-tests-").tempdir()?;
        let data = DataFolder::open(&folder.path().join("stack")).await?;
        let security = secure.then(|| Security::of(&data)).transpose()?;
        let options = StackOptions {
            kafka: KafkaOptions {
                heap_megabytes: 1_536,
                security: security.clone(),
                ..KafkaOptions::default()
            },
            mongodb: MongoOptions {
                cache_megabytes: 512,
                security: security.clone(),
                ..MongoOptions::default()
            },
        };
        let progress = Progress::new(|step| {
            if let Step::Began(what) = step {
                println!("{what} ...");
            }
        });
        let stack = Stack::start(&data, &options, &progress).await?;
        Ok(Self { stack, programs, folder, security, _data: data })
    }

    /// Stops both.
    pub async fn stop(self) {
        self.stack.stop().await;
    }
}

/// Builds the services as this test was built and returns the folder of their programs.
///
/// `cargo test` builds a program only for tests of its own package, and ours are another package's.
fn build() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("the test binary is not where cargo puts it")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    println!("Building the services' programs ...");
    let status = indowater::cargo::command(cargo)
        .args(["build", "--quiet", "--workspace", "--bins", "--profile", profile])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .context("cargo cannot be run to build the services")?;
    ensure!(status.success(), "the services do not build: run `cargo build --workspace` and see why");
    Ok(folder.to_owned())
}
