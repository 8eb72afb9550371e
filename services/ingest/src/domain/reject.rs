//! Why telemetry cannot be used: a reason a machine can count and a detail a person can act on.

use std::fmt;

/// The kinds of fault. `proto/README.md` tells how each is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not what its content type promised.
    Malformed,
    /// A content type that is not known.
    UnsupportedContentType,
    /// No such device in the registry.
    UnknownDevice,
    /// The device is retired.
    InactiveDevice,
    /// A value the meter cannot have shown.
    ImpossibleValue,
    /// More bytes or reads than a message may have.
    Oversized,
    /// The record's key names another device than its value.
    KeyMismatch,
}

impl Reason {
    /// Every reason, in the order of their declaration: `ALL[reason as usize] == reason`.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::UnsupportedContentType,
        Self::UnknownDevice,
        Self::InactiveDevice,
        Self::ImpossibleValue,
        Self::Oversized,
        Self::KeyMismatch,
    ];

    /// How metrics and logs call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnsupportedContentType => "unsupported_content_type",
            Self::UnknownDevice => "unknown_device",
            Self::InactiveDevice => "inactive_device",
            Self::ImpossibleValue => "impossible_value",
            Self::Oversized => "oversized",
            Self::KeyMismatch => "key_mismatch",
        }
    }
}

/// A message that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The kind of fault.
    pub reason: Reason,
    /// What exactly is wrong and where.
    pub detail: String,
}

/// Characters of a detail at most: it may quote what a stranger sent.
const MOST_DETAIL: usize = 500;

impl Reject {
    /// A reject of that kind.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        let mut detail = detail.to_string();
        if let Some((end, _)) = detail.char_indices().nth(MOST_DETAIL) {
            detail.truncate(end);
            detail.push('…');
        }
        Self { reason, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_short_whatever_it_quotes() {
        let reject = Reject::new(Reason::Malformed, "é".repeat(1_000_000));
        assert_eq!(reject.detail.chars().count(), MOST_DETAIL + 1);
    }

    #[test]
    fn reasons_are_their_own_index() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
