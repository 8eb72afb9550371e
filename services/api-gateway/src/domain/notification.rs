//! What gateways of payments send, and what is made of it.

use std::collections::HashMap;

use crate::domain::payment::PaymentMethod;

/// What a gateway sent, as it came. Only billing reads it; without `Debug` nobody prints it by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// At whose door it was left. Who left it nobody knows yet.
    pub gateway: PaymentMethod,
    /// Byte by byte, for it is signed.
    pub body: Vec<u8>,
    /// The headers that matter, names in lower case.
    pub headers: HashMap<String, String>,
}

/// What billing makes of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the gateway's, or about no payment of ours: either way it is stored, and need not come again.
    Kept,
    /// Its signature or token is wrong.
    Forged,
    /// It is nothing that a gateway sends.
    Unreadable,
}
