//! The use cases: [`devices`] judges reads of each [`device`], [`desk`] answers people and hears what they decide.

pub mod desk;
pub mod device;
pub mod devices;
