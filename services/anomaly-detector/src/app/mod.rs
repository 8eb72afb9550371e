//! The use cases: [`devices`] judges reads of each [`device`], [`registry`] hears who is in service, [`groups`] decides of areas and
//! gateways and [`network`] knows what was decided, [`desk`] and [`plans`] answer people and hear what they decide.

pub mod desk;
pub mod device;
pub mod devices;
pub mod groups;
mod listening;
mod loading;
pub mod network;
pub mod plans;
pub mod registry;
