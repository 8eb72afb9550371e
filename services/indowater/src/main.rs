//! The `indowater` program.

use std::process::ExitCode;

use clap::Parser as _;
use indowater::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            indowater::terminal::fail(&error);
            ExitCode::FAILURE
        }
    }
}
