//! Pure rules that more than one service must agree on: what a step of a register means, which reads one meter can have
//! shown, what the registry says of a day, which local day a moment belongs to, what a volume costs, which texts are
//! numbers and money, when two identifiers are the same, how a wrong request is told. No I/O, no clock, no floats.

pub mod facts;
pub mod identifier;
pub mod meter;
pub mod number;
pub mod path;
pub mod reads;
pub mod request;
pub mod rhythm;
pub mod step;
pub mod tariff;
pub mod terminal;
pub mod varint;
pub mod zone;
