//! The usage-aggregator process.
fn main() {}
