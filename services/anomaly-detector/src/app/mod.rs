//! The use cases: [`devices`] judges reads of each [`device`], [`registry`] hears who is in service, [`desk`] answers people and hears
//! what they decide.

pub mod desk;
pub mod device;
pub mod devices;
pub mod registry;
