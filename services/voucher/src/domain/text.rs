//! What fields may say.

use std::ops::RangeInclusive;

use indowater_common::domain::request::Problems;

use super::money::Rupiah;

/// Characters of a code.
const CODE: RangeInclusive<usize> = 3..=32;

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
