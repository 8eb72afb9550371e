//! What is found in reads, pure: no I/O, no clock, no randomness.

pub mod condition;
pub mod daily;
pub mod event;
pub mod expectation;
pub mod history;
pub mod leak;
pub mod loss;
pub mod names;
pub mod question;
pub mod rest;
pub mod tampering;
pub mod words;
