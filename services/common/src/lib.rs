//! What the seven services share, and nothing else; the charter is in `README.md` beside this crate.
//!
//! [`domain`] is pure and shared because more than one service must come to the same figure. The other modules are
//! the edges' common half: one lifecycle, one way to consume and to publish, one way to write to the database.

pub mod certificate;
pub mod clock;
pub mod config;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod health;
pub mod http;
pub mod kafka;
pub mod lifecycle;
pub mod mongo;
pub mod quarantine;
pub mod serve;
pub mod tariffs;
pub mod telemetry;
pub mod upkeep;
pub mod wire;
