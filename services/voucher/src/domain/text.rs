//! What fields may say.

use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::money::Rupiah;
use super::refusal::Problems;

/// Bytes of an identifier at most.
const MOST_ID: usize = 64;
/// Characters of a code.
const CODE: RangeInclusive<usize> = 3..=32;

/// Ids are parts of record keys and of other ids, so they are plain.
pub(super) fn check_id(id: &str, field: &str, problems: &mut Problems) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if id.is_empty() {
        problems.add(field, "is missing");
    } else if id.len() > MOST_ID || !id.bytes().all(plain) {
        problems.add(field, "must be 1 to 64 of A-Z a-z 0-9 . _ : -");
    }
}

pub(super) fn check_length(text: &str, most: usize, field: &str, problems: &mut Problems) {
    if text.chars().count() > most {
        problems.add(field, format_args!("must not be longer than {most} characters"));
    }
}

/// A code as it is stored and looked up: without the spaces around it, in upper case.
pub(super) fn normal_code(text: &str) -> String {
    text.trim().to_uppercase()
}

pub(super) fn check_code(code: &str, problems: &mut Problems) {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if code.is_empty() {
        problems.add("code", "is missing");
    } else if !CODE.contains(&code.len()) || !code.bytes().all(plain) {
        problems.add("code", "must be 3 to 32 of A-Z 0-9 _ -");
    }
}

/// It is only kept, never written to, so this keeps out what is plainly no address.
pub(super) fn check_email(email: &str, field: &str, problems: &mut Problems) {
    let sound = email.len() <= 254
        && email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !email.contains(|c: char| c.is_whitespace() || c.is_control());
    if email.is_empty() {
        problems.add(field, "is missing");
    } else if !sound {
        problems.add(field, "must be an e-mail address");
    }
}

/// Reads whole rupiah of at least `least`.
pub(super) fn rupiah(amount: i64, least: i64, field: &str, problems: &mut Problems) -> Rupiah {
    Rupiah::new(amount).filter(|_| amount >= least).unwrap_or_else(|| {
        problems.add(field, format_args!("must be between {least} and {} rupiah", Rupiah::MOST));
        Rupiah::default()
    })
}

/// Reads an RFC 3339 time, in the precision the store keeps; `default` if it cannot be read.
pub(super) fn time(text: &str, default: Timestamp, field: &str, problems: &mut Problems) -> Timestamp {
    text.parse().map(to_milliseconds).unwrap_or_else(|_| {
        problems.add(field, "must be a time in RFC 3339, such as 2026-01-31T08:00:00Z");
        default
    })
}

/// A moment in the precision the store keeps, so that what is answered equals what is stored.
pub(super) fn to_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
