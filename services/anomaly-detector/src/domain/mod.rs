//! What is found in reads, pure: no I/O, no clock, no randomness.

pub mod leak;
