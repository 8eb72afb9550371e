//! Pure rules that more than one service must agree on: what a step of a register means, which local day a moment
//! belongs to, what a volume costs, how a wrong request is told. No I/O, no clock, no floats.

pub mod meter;
pub mod number;
pub mod request;
pub mod tariff;
pub mod zone;
