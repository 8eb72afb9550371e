//! Who is told what, when and how. Pure: facts, clock and people's wishes are passed in.

pub mod alert;
pub mod balance;
pub mod content;
pub mod delivery;
pub mod device;
pub mod figures;
pub mod inbox;
pub mod kinds;
pub mod ladder;
pub mod leak;
pub mod person;
pub mod preferences;
pub mod request;
pub mod usage;
pub mod watch;
pub mod words;
