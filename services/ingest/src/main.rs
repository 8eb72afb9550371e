//! The ingest process.
fn main() {}
