//! The folder with everybody's credentials: one file each, in the form of an environment file, readable by its owner alone.
//!
//! A file that is there keeps its passwords, so that whoever made it can run the command again; to give somebody new ones,
//! delete the file first.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::rights::Party;

/// The setting with the user at the broker.
pub const USER: &str = "INDOWATER_KAFKA_USER";
/// The setting with its password.
pub const PASSWORD: &str = "INDOWATER_KAFKA_PASSWORD";
/// The setting with the database's connection string, its credentials included.
pub const DATABASE: &str = "INDOWATER_MONGODB";

/// Settings by name.
pub type Settings = BTreeMap<String, String>;

/// Such a folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn at(path: &Path) -> Result<Self> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("cannot create {}: check its owner", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// Where the credentials of `party` are.
    pub fn file(&self, party: &Party) -> PathBuf {
        self.0.join(format!("{party}.env"))
    }

    /// The settings of `party`; none if it has no file yet.
    ///
    /// # Errors
    /// The file cannot be read, or is none of this tool's.
    pub fn read(&self, party: &Party) -> Result<Settings> {
        let path = self.file(party);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Settings::new()),
            other => other.with_context(|| format!("cannot read {}: check its owner", path.display()))?,
        };
        let mut settings = Settings::new();
        for (line, number) in text.lines().zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                bail!(
                    "{}:{number} is not NAME=VALUE: mend it, or delete the file for new credentials",
                    path.display()
                );
            };
            settings.insert(name.to_owned(), value.to_owned());
        }
        Ok(settings)
    }

    /// Writes the settings of `party`, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, party: &Party, settings: &Settings) -> Result<()> {
        let path = self.file(party);
        let write = || -> Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
            writeln!(file, "# The credentials of {party}, made by `indowater`.")?;
            settings.iter().try_for_each(|(name, value)| writeln!(file, "{name}={value}"))?;
            file.persist(&path)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}: check its owner and free space", path.display()))
    }

    /// Deletes the file of `party`, if it has one.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn forget(&self, party: &Party) -> Result<()> {
        match fs::remove_file(self.file(party)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot delete {}", self.file(party).display()))
            }
            _ => Ok(()),
        }
    }
}

/// A password that nobody has to remember: 256 bits, in letters that need no escape anywhere.
pub fn password() -> String {
    rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_for_their_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(&root.path().join("access")).unwrap();
        let party = Party::Service("billing");
        assert!(folder.read(&party).unwrap().is_empty());
        let secret = password();
        let settings =
            Settings::from([(PASSWORD.to_owned(), secret.clone()), ("X".to_owned(), "a=b=c".to_owned())]);
        folder.write(&party, &settings).unwrap();
        assert_eq!(folder.read(&party).unwrap(), settings);
        assert!(secret.len() == 64 && secret != password());
        for (path, mode) in [(folder.file(&party), 0o600), (root.path().join("access"), 0o700)] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
        folder.forget(&party).unwrap();
        folder.forget(&party).unwrap();
        assert!(folder.read(&party).unwrap().is_empty());
    }

    #[test]
    fn a_spoilt_file_is_told_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(root.path()).unwrap();
        fs::write(folder.file(&Party::Init), "A=1\nnonsense\n").unwrap();
        let error = folder.read(&Party::Init).unwrap_err().to_string();
        assert!(error.contains("init.env:2"), "{error}");
    }
}
