//! Identifiers on meters, as people and gateways write them: in another case, with stray blanks.

use std::borrow::Cow;

/// An identifier as it is compared: without blanks around it and without case.
///
/// No two devices have the same one, and it is what a device is found by.
pub fn key(identifier: &str) -> Cow<'_, str> {
    let trimmed = identifier.trim();
    if trimmed.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(trimmed.to_ascii_lowercase())
    } else {
        Cow::Borrowed(trimmed)
    }
}

/// What misspellings of an identifier have in common: its letters and digits, without separators and leading zeros.
/// Several devices may share it, so it is a hint and nothing more; empty if there is nothing to go by.
pub fn alike(identifier: &str) -> String {
    let plain: String = identifier.chars().filter(char::is_ascii_alphanumeric).collect();
    plain.trim_start_matches('0').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_case_make_no_difference_and_nothing_else_is_lost() {
        for written in ["70b3-D5", " 70B3-d5", "70b3-d5\r\n", "\u{a0}70B3-D5\t"] {
            assert_eq!(key(written), "70b3-d5", "{written:?}");
        }
        for other in ["70b3d5", "070b3-d5", "70b3 -d5"] {
            assert_ne!(key(other), "70b3-d5", "{other:?}");
        }
        assert!(matches!(key("70b3-d5"), Cow::Borrowed(_)), "the common case allocates nothing");
        assert_eq!(key(" \t"), "");
    }

    #[test]
    fn misspellings_are_alike() {
        for written in ["0070B3-D5", "70:b3:d5", "70b3 d5", "70b3_D5 "] {
            assert_eq!(alike(written), "70b3d5", "{written:?}");
        }
        assert_eq!(alike("--"), "");
        assert_ne!(alike("70b3d50"), "70b3d5");
    }
}
