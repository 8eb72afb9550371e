//! The notifier process.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    indowater_common::lifecycle::main("notifier", notifier::ABOUT, notifier::start)
}
