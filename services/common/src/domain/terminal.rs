//! Text of strangers, made fit for a terminal or a log: it may hold what moves the cursor, colours the screen, or turns
//! the direction of writing. What a terminal would obey is shown as JSON writes it (`\u001b`), so JSON stays JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text of several lines, ours or a stranger's: line ends and tabs stay.
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| !matches!(letter, '\n' | '\t') && is_obeyed(letter))
}

/// A stranger's text within a line of ours: it cannot end that line and begin another one that looks like ours.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed)
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_escaped(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal obeys a character instead of showing it, or shows nothing where it is.
fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            // Soft hyphen; marks, embeddings, overrides and isolates of direction.
            '\u{ad}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Of no width; ends of lines and paragraphs that are not ours.
            | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{feff}'
            // Annotations and tags.
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_is_shown_instead() {
        for (strange, shown) in [
            ("plain Ünïcode 水 😀", "plain Ünïcode 水 😀"),
            ("\u{1b}[2Jgone", "\\u001b[2Jgone"),
            ("\u{9b}31mred", "\\u009b31mred"),
            ("a\rb\u{8}\u{7f}", "a\\u000db\\u0008\\u007f"),
            ("\u{202e}evil\u{2066}", "\\u202eevil\\u2066"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(text(strange), shown);
        }
        assert_eq!(text("two\n\tlines"), "two\n\tlines");
        assert_eq!(line("two\nlines"), "two\\u000alines");
    }

    #[test]
    fn json_stays_json() {
        let strange = serde_json::json!({ "key": "\u{1b}[0m\u{202e}\u{e0041}\u{9b}" });
        let shown = text(&serde_json::to_string_pretty(&strange).unwrap()).into_owned();
        assert!(!shown.chars().any(|letter| letter != '\n' && is_obeyed(letter)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), strange);
    }

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        let every: String = (char::MIN..=char::MAX).collect();
        assert!(!line(&every).chars().any(is_obeyed));
        assert!(!text(&every).chars().any(|letter| is_obeyed(letter) && !"\n\t".contains(letter)));
    }
}
