//! What is found in reads, pure: no I/O, no clock, no randomness.

pub mod area;
pub mod condition;
pub mod daily;
pub mod event;
pub mod expectation;
pub mod history;
pub mod leak;
pub mod loss;
pub mod member;
pub mod names;
pub mod network;
pub mod notice;
pub mod place;
pub mod planned;
pub mod question;
pub mod rest;
pub mod silence;
pub mod supply;
pub mod tampering;
pub mod words;
