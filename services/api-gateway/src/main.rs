//! The api-gateway process.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    indowater_common::lifecycle::main("api-gateway", api_gateway::ABOUT, api_gateway::start)
}
