//! What stands where, and how long it may be.

use std::collections::BTreeSet;

/// Lines of the longest source file.
const LONGEST: usize = 500;
/// Lines of the longest `main.rs` of a service.
const LONGEST_MAIN: usize = 14;
/// All that is visible at the top.
const TOP_LEVEL: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "deploy",
    "docker-compose.yml",
    "proto",
    "rust-toolchain.toml",
    "services",
    "tests",
];

/// A file that is too long.
pub fn length(file: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    (lines > LONGEST).then(|| format!("{file} has {lines} lines, {LONGEST} at most")).into_iter().collect()
}

/// Entries of the top level that should not be there, and those that should; hidden ones belong to tools.
pub fn top_level(entries: &[&str]) -> Vec<String> {
    let visible: BTreeSet<&str> = entries.iter().copied().filter(|entry| !entry.starts_with('.')).collect();
    let wanted = BTreeSet::from(TOP_LEVEL);
    let strange = visible.difference(&wanted).map(|entry| format!("{entry} does not belong there"));
    let missing = wanted.difference(&visible).map(|entry| format!("{entry} is missing"));
    strange.chain(missing).collect()
}

/// What `service` lacks of the parts that every service has.
pub fn parts<'a>(service: &str, text: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["README.md", "src/lib.rs", "src/main.rs"] {
        let file = format!("services/{service}/{part}");
        match text(&file).map(|text| text.lines().count()) {
            None => found.push(format!("{file} is missing")),
            Some(lines) if part == "src/main.rs" && lines > LONGEST_MAIN => {
                found.push(format!("{file} has {lines} lines, {LONGEST_MAIN} at most"));
            }
            Some(_) => {}
        }
    }
    found
}

/// Environment variables that the source of a crate under `services/` reads and its README does not name.
pub fn settings<'a>(file: &str, text: &str, readme: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let Some((folder, _)) = file.split_once("/src/") else {
        return Vec::new();
    };
    let place = format!("{folder}/README.md");
    let readme = readme(&place).unwrap_or_default();
    let told: BTreeSet<&str> = readme.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let variables = text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
    variables
        .filter(|variable| !told.contains(variable))
        .map(|variable| format!("{place} does not name {variable}, which {file} reads"))
        .collect()
}

/// Absolute paths into somebody's home or workplace.
pub fn machine_paths(file: &str, text: &str) -> Vec<String> {
    // Put together here, so that this file does not break its own rule.
    let needles = ["root", "home", "work", "Users"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        for needle in &needles {
            // Behind a name it is the end of a URL or of a longer path.
            let begins =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/}".contains(c));
            if line.match_indices(needle.as_str()).any(|(at, _)| begins(at)) {
                found.push(format!("{file}:{number} names a path under {needle}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found() {
        assert!(length("a.rs", &"\n".repeat(LONGEST)).is_empty());
        assert_eq!(length("a.rs", &"\n".repeat(LONGEST + 1)).len(), 1);
    }

    #[test]
    fn a_strange_and_a_missing_entry_are_found() {
        let mut entries = TOP_LEVEL.to_vec();
        entries.push(".ci");
        assert!(top_level(&entries).is_empty());
        entries.push("utils");
        assert_eq!(top_level(&entries), ["utils does not belong there"]);
        entries.retain(|entry| !["utils", "proto"].contains(entry));
        assert_eq!(top_level(&entries), ["proto is missing"]);
    }

    #[test]
    fn a_missing_part_and_a_long_main_are_found() {
        let long = "\n".repeat(LONGEST_MAIN + 1);
        let found = parts("billing", |file| match file.rsplit('/').next() {
            Some("main.rs") => Some(long.as_str()),
            Some("lib.rs") => Some(""),
            _ => None,
        });
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(parts("billing", |_| Some("fn main() {}")).is_empty());
    }

    #[test]
    fn a_setting_without_a_word_is_found() {
        let source = "#[arg(long, env = \"INDOWATER_A\")]\n#[arg(env = \"INDOWATER_AB\")]";
        let found =
            |readme: &'static str| settings("services/billing/src/config.rs", source, move |_| Some(readme));
        assert!(found("`INDOWATER_A`, `INDOWATER_AB`").is_empty());
        assert_eq!(found("`INDOWATER_AB`").len(), 1);
        assert_eq!(settings("services/billing/src/config.rs", source, |_| None).len(), 2);
    }

    #[test]
    fn a_machine_path_is_found() {
        let path = ["", "root", ".cargo"].join("/");
        assert_eq!(machine_paths("a.md", &format!("see {path}")).len(), 1);
        assert_eq!(machine_paths("a.md", &format!("A={path}")).len(), 1);
        assert!(machine_paths("a.md", &format!("http://example.com{path}")).is_empty());
        assert!(machine_paths("a.md", "the root/ folder").is_empty());
    }
}
