//! Rust source as the rules see it: the paths and words it names, without comments and literals.
//!
//! A reader of tokens, not a parser: it unfolds `use` groups and counts inline modules, which is all that the rules
//! need, and it has no opinion on what is not there. What macros make of their arguments it cannot see.

/// A path that the source names.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// The line, from 1.
    pub line: usize,
    /// The path from the crate's root (`crate::…`) or from another crate's name; no group, no `self`, no `super`.
    pub path: String,
    /// Whether it stands in a module called `tests`.
    pub in_tests: bool,
}

impl Named {
    /// The segments of the path.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split("::")
    }
}

/// The paths that `text`, the source of the module `modules`, names: all with more than one segment, and all that it
/// imports.
pub fn paths(text: &str, modules: &[&str]) -> Vec<Named> {
    let code = blank(text);
    let mut reader = Reader {
        modules,
        line: 1,
        braces: Vec::new(),
        path: String::new(),
        importing: false,
        found: Vec::new(),
    };
    let mut before = ["", ""];
    for token in tokens(&code) {
        reader.take(token, before);
        if !token.trim().is_empty() {
            before = [before[1], token];
        }
    }
    reader.end_path();
    reader.found
}

/// The lines, from 1, on which `text` has the keyword or name `word`.
pub fn lines_with(text: &str, word: &str) -> Vec<usize> {
    let code = blank(text);
    let lines = code.lines().zip(1..);
    lines.filter(|(line, _)| tokens(line).any(|token| token == word)).map(|(_, number)| number).collect()
}

struct Reader<'a> {
    modules: &'a [&'a str],
    line: usize,
    /// What each open brace adds.
    braces: Vec<Brace>,
    /// The path that is being read, as it is written.
    path: String,
    importing: bool,
    found: Vec<Named>,
}

enum Brace {
    /// `path::{`: a prefix to what stands in it.
    Group(String),
    /// `mod name {`: one more for `super` to leave.
    Module { tests: bool },
    /// Any other.
    Block,
}

impl Reader<'_> {
    fn take(&mut self, token: &str, before: [&str; 2]) {
        match token {
            "::" => self.path.push_str("::"),
            "\n" => self.line += 1,
            _ if token.trim().is_empty() => {}
            "{" if self.path.ends_with("::") => self.open_group(),
            "{" => {
                self.end_path();
                self.braces.push(match before {
                    ["mod", name] => Brace::Module { tests: name == "tests" },
                    _ => Brace::Block,
                });
            }
            "}" => {
                self.end_path();
                self.braces.pop();
            }
            "use" => {
                self.end_path();
                self.importing = true;
            }
            _ if is_word(token) => {
                if !self.path.ends_with("::") {
                    self.end_path();
                }
                self.path.push_str(token);
            }
            _ => {
                self.end_path();
                self.importing &= token != ";";
            }
        }
    }

    fn open_group(&mut self) {
        let prefix = self.prefix() + &std::mem::take(&mut self.path);
        self.braces.push(Brace::Group(prefix));
    }

    fn prefix(&self) -> String {
        match self.braces.last() {
            Some(Brace::Group(prefix)) => prefix.clone(),
            _ => String::new(),
        }
    }

    fn end_path(&mut self) {
        if self.path.is_empty() {
            return;
        }
        let path = self.prefix() + &std::mem::take(&mut self.path);
        let path = path.trim_matches(':');
        let path = path.strip_suffix("::self").unwrap_or(path);
        if !path.is_empty() && (path.contains("::") || self.importing) {
            let in_file = self.modules.contains(&"tests");
            let inline = self.braces.iter().any(|brace| matches!(brace, Brace::Module { tests: true }));
            self.found.push(Named { line: self.line, path: self.rooted(path), in_tests: in_file || inline });
        }
    }

    /// `path` without `self` and `super`.
    fn rooted(&self, path: &str) -> String {
        let mut inside = self.modules.len();
        let inline = self.braces.iter().filter(|brace| matches!(brace, Brace::Module { .. })).count();
        let mut leave = 0;
        let mut rest = path;
        let mut relative = false;
        while let Some((first, tail)) = rest.split_once("::").or((!rest.is_empty()).then_some((rest, ""))) {
            match first {
                "self" => {}
                "super" => leave += 1,
                _ => break,
            }
            (relative, rest) = (true, tail);
        }
        if !relative {
            return rest.to_owned();
        }
        // Inline modules are left first; their names do not matter to any rule.
        inside = inside.saturating_sub(leave - inline.min(leave));
        let mut full = vec!["crate"];
        full.extend(&self.modules[..inside]);
        full.extend((!rest.is_empty()).then_some(rest));
        full.join("::")
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Words, `::`, and every other character by itself.
fn tokens(code: &str) -> impl Iterator<Item = &str> {
    let mut rest = code;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let length = if is_word(rest) {
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, tail) = rest.split_at(length);
        rest = tail;
        Some(token)
    })
}

/// `text` with spaces for its comments and literals; the lines stay.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = opaque(rest, code.chars().next_back());
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

/// The length of the comment or literal that `rest` begins with; 0 if it begins with neither.
fn opaque(rest: &str, before: Option<char>) -> usize {
    let through =
        |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return string(rest);
    }
    if let Some(inner) = rest.strip_prefix('\'') {
        // A lifetime has no second quote after its first letter.
        let mut letters = inner.chars();
        return match (letters.next(), letters.next()) {
            (Some('\\'), _) => through(3, "'"),
            (Some(letter), Some('\'')) => 2 + letter.len_utf8(),
            _ => 0,
        };
    }
    let begins = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'));
    if let Some(raw) = raw.filter(|_| begins) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return through(rest.len() - raw.len() + hashes + 1, &format!("\"{}", &raw[..hashes]));
        }
    }
    0
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let Some(next) = rest[at..].find(['*', '/']) else {
            return rest.len();
        };
        at += next;
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
}

fn string(rest: &str) -> usize {
    let mut escaped = true;
    for (at, letter) in rest.char_indices() {
        if letter == '"' && !escaped {
            return at + 1;
        }
        // The opening quote counts as escaped, so that it does not close.
        escaped = letter == '\\' && !escaped && at > 0;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str, modules: &[&str]) -> Vec<String> {
        paths(text, modules).into_iter().map(|named| named.path).collect()
    }

    #[test]
    fn groups_are_unfolded() {
        let found =
            named("use std::{fs, time::{Duration, Instant as I}};\nuse tokio;\nlet x = bson::doc!{};", &[]);
        for path in ["std::fs", "std::time::Duration", "std::time::Instant", "tokio", "bson::doc"] {
            assert!(found.iter().any(|found| found == path), "{path} is not in {found:?}");
        }
    }

    #[test]
    fn a_name_alone_is_no_path() {
        assert_eq!(named("let mongodb = tokio(system.mongodb);", &[]), Vec::<String>::new());
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        let text = "// a::b\n/* c::d /* e::f */ g::h */ \"i::j \\\" k::l\" r#\"m::n \" o::p\"# '\"' 'a' q::r";
        assert_eq!(named(text, &[]), ["q::r"]);
    }

    #[test]
    fn relative_paths_are_told_from_the_root() {
        assert_eq!(named("use super::kafka::Outlet;", &["grpc"]), ["crate::kafka::Outlet"]);
        assert_eq!(named("use self::b::C;", &["a"]), ["crate::a::b::C"]);
        assert_eq!(
            named("mod tests { use super::*; use super::b::C; }", &["a"]),
            ["crate::a", "crate::a::b::C"]
        );
    }

    #[test]
    fn tests_are_told_apart() {
        let found = paths("mod tests { fn f() { a::b } } c::d", &[]);
        assert_eq!(found.iter().map(|named| named.in_tests).collect::<Vec<_>>(), [true, false]);
        assert!(paths("a::b", &["http", "tests"])[0].in_tests);
    }

    #[test]
    fn lines_are_counted() {
        let text = "\"one\ntwo\"\n/*\n*/ a::b";
        assert_eq!(paths(text, &[]), [Named { line: 4, path: "a::b".to_owned(), in_tests: false }]);
        assert_eq!(lines_with("// async\nasync fn f() {}\nlet x = \"async\";", "async"), [2]);
    }
}
