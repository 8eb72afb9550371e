//! Text of strangers, made fit for a terminal or a log: it may hold what moves the cursor, colours the screen, or turns
//! the direction of writing.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with everything that a terminal would obey instead of show written as `\u{…}`; the very text where there is
/// nothing of the kind.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_obeyed(character) {
            // Writing to a string does not fail.
            let _ = write!(shown, "{}", character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Controls, line and paragraph separators, and the marks that turn the direction of writing or show nothing.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        for (text, shown) in [
            ("\x1b[2J\x07", "\\u{1b}[2J\\u{7}"),
            ("a\r\nb", "a\\u{d}\\u{a}b"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{2028}", "\\u{2028}"),
            ("rumah \u{e9} 水", "rumah \u{e9} 水"),
        ] {
            assert_eq!(escaped(text), shown);
        }
        assert!(matches!(escaped("plain text"), Cow::Borrowed(_)));
    }
}
