//! The anomaly-detector process.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    indowater_common::lifecycle::main("anomaly-detector", anomaly_detector::ABOUT, anomaly_detector::start)
}
