//! Pure rules that more than one service must agree on: what a step of a register means, which local day a moment
//! belongs to, what a volume costs, when two identifiers are the same, how a wrong request is told. No I/O, no clock, no floats.

pub mod identifier;
pub mod meter;
pub mod request;
pub mod tariff;
pub mod terminal;
pub mod zone;
