//! The api-gateway process.
fn main() {}
