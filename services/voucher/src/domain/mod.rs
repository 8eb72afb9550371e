//! What the voucher service decides, and nothing of how it gets there: no I/O, no clock, no wire format.
//!
//! [`voucher`] says which vouchers there may be and how they stand, [`discount`] what one takes off, [`redemption`] how a
//! payment holds a place of one and redeems it. [`refusal`] is every way to say no.

pub mod discount;
pub mod list;
pub mod money;
pub mod redemption;
pub mod refusal;
mod text;
pub mod voucher;
