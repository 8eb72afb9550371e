//! The usage-aggregator process.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    indowater_common::lifecycle::main("usage-aggregator", usage_aggregator::ABOUT, usage_aggregator::start)
}
