//! What a person reads on a terminal, of which much was written by strangers.
//!
//! A device's identifier, a dead letter's key, a file's row or a service's last words may hold control characters: they
//! would move the cursor, colour the screen, hide what was printed, or turn its order round. All that this program
//! prints goes through here: the crate's `print!`, `println!`, `eprint!` and `eprintln!` are those of this module, so
//! that none can be forgotten. What a terminal would obey is shown as JSON writes it (`\u001b`), so JSON stays JSON.

use std::io::{self, Write};

pub use indowater_common::domain::terminal::{line, text};

/// Prints to standard output or standard error what was formatted, and cares for nobody who no longer reads it. A
/// carriage return at its very beginning is ours: it rewrites a line.
pub fn print(mut to: impl Write, formatted: &str) {
    let (rewrites, rest) = match formatted.strip_prefix('\r') {
        Some(rest) => ("\r", rest),
        None => ("", formatted),
    };
    let _ = write!(to, "{rewrites}{}", text(rest)).and_then(|()| to.flush());
}

/// Prints why the program fails.
pub fn fail(error: &anyhow::Error) {
    print(io::stderr(), &format!("indowater: {error:#}\n"));
}

/// As the standard one, but what is printed cannot command the terminal.
macro_rules! print {
    ($($of:tt)*) => { $crate::terminal::print(std::io::stdout(), &format!($($of)*)) };
}

/// As the standard one, but what is printed cannot command the terminal.
macro_rules! println {
    ($($of:tt)*) => { $crate::terminal::print(std::io::stdout(), &(format!($($of)*) + "\n")) };
}

/// As the standard one, but what is printed cannot command the terminal.
macro_rules! eprint {
    ($($of:tt)*) => { $crate::terminal::print(std::io::stderr(), &format!($($of)*)) };
}

/// As the standard one, but what is printed cannot command the terminal.
macro_rules! eprintln {
    ($($of:tt)*) => { $crate::terminal::print(std::io::stderr(), &(format!($($of)*) + "\n")) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_goes_through_here() {
        let print = |formatted: &str| {
            let mut printed = Vec::new();
            print(&mut printed, formatted);
            String::from_utf8(printed).unwrap()
        };
        assert_eq!(print("\r3 of 4\r\u{1b}]0;x\u{7}\n"), "\r3 of 4\\u000d\\u001b]0;x\\u0007\n");
    }
}
