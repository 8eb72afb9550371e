//! The repository as it stands on the disk, without what git does not keep.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Every file by its path from the root; what is no text is read as far as it can be.
pub struct Tree(BTreeMap<String, String>);

impl Tree {
    /// The repository that this crate is in.
    pub fn here() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the repository");
        let mut ignored = vec![".git".to_owned()];
        // Our own list names entries of the top level only, so there is no pattern to match.
        let list = fs::read_to_string(root.join(".gitignore")).expect(".gitignore is there");
        ignored.extend(list.lines().map(|line| line.trim_matches('/').to_owned()));
        let mut tree = Self(BTreeMap::new());
        tree.collect(root, "", &ignored);
        tree
    }

    fn collect(&mut self, folder: &Path, prefix: &str, ignored: &[String]) {
        for entry in fs::read_dir(folder).expect("the repository can be listed") {
            let entry = entry.expect("the repository can be listed");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if ignored.contains(&name) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.collect(&entry.path(), &format!("{name}/"), ignored);
            } else if let Ok(bytes) = fs::read(entry.path()) {
                // A file that went away between the listing and the reading is an editor's.
                self.0.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }

    /// The names and texts of all files.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(file, text)| (file.as_str(), text.as_str()))
    }

    /// The text of one.
    pub fn text(&self, file: &str) -> Option<&str> {
        self.0.get(file).map(String::as_str)
    }

    /// Files called `name`, wherever they are.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(file, _)| file.rsplit('/').next() == Some(name))
    }

    /// Sources of the services and of their library.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(file, _)| file.ends_with(".rs") && file.starts_with("services/"))
    }

    /// Sources that say which environment variables they read.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources().filter(|(_, text)| text.contains("env = \""))
    }

    /// The names of the services.
    pub fn services(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .files()
            .filter_map(|(file, _)| file.strip_prefix("services/")?.split_once('/'))
            .map(|(n, _)| n)
            .collect();
        names.dedup();
        names.retain(|name| !["auditor", "common", "indowater"].contains(name));
        names
    }

    /// What stands at the top: folders and files.
    pub fn top_level(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.files().filter_map(|(file, _)| file.split('/').next()).collect();
        names.dedup();
        names
    }
}
