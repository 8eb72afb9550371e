//! The ingest process.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    indowater_common::lifecycle::main("ingest", ingest::ABOUT, ingest::start)
}
