//! What keeps strangers out of a broker and a database of this machine: certificates and passwords of their own making, kept
//! in the data folder for its owner alone.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use indowater_common::certificate::AUTHORITIES;

use super::folder::DataFolder;
use crate::certificates::{self, BOTH, NAMES};

/// Who may do everything at the broker and in the database.
pub const ADMINISTRATOR: &str = "administrator";

/// Certificates of all and the administrator's password.
#[derive(Debug, Clone)]
pub struct Security {
    certificates: PathBuf,
    secrets: PathBuf,
    password: String,
}

impl Security {
    /// Those of the data folder, made where they are missing.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn of(folder: &DataFolder) -> Result<Self> {
        let (certificates, secrets) = (folder.part("certificates"), folder.part("secrets"));
        certificates::make(&certificates, &NAMES, &[], false)?;
        fs::create_dir_all(&secrets)
            .with_context(|| format!("cannot create {}: check its owner", secrets.display()))?;
        let password = secret(&secrets.join(ADMINISTRATOR))?;
        Ok(Self { certificates, secrets, password })
    }

    /// The administrator's password, at the broker and in the database.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The folder with everybody's certificates.
    pub fn certificates(&self) -> &Path {
        &self.certificates
    }

    /// The authority that all certificates are from.
    pub fn authority(&self) -> PathBuf {
        self.certificates.join(AUTHORITIES)
    }

    /// Key and certificate of `name`.
    pub fn identity(&self, name: &str) -> PathBuf {
        self.certificates.join(name).join(BOTH)
    }

    /// The file by which members of the database's replica set know each other.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn member_key(&self) -> Result<PathBuf> {
        let path = self.secrets.join("mongodb-members");
        secret(&path)?;
        Ok(path)
    }

    /// What a client of the broker needs to be its administrator, as settings of librdkafka.
    pub fn kafka_options(&self) -> Vec<(String, String)> {
        [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", &self.authority().display().to_string()),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", ADMINISTRATOR),
            ("sasl.password", &self.password),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// What a connection string of the database carries so that its user is asked over TLS.
    pub fn mongodb_options(&self) -> String {
        let path = self.authority().display().to_string();
        let escaped: String = path
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect();
        format!("tls=true&tlsCAFile={escaped}")
    }
}

/// A secret of 256 bits: made once, and readable by its owner only.
///
/// # Errors
/// It cannot be written.
pub fn secret(path: &Path) -> Result<String> {
    kept_secret(path, || Ok(rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// A secret as `make` makes it: once, and readable by its owner only.
///
/// # Errors
/// It cannot be made or written.
pub fn kept_secret(path: &Path, make: impl FnOnce() -> Result<String>) -> Result<String> {
    let kept = fs::read_to_string(path).unwrap_or_default();
    if !kept.is_empty() {
        return Ok(kept);
    }
    let secret = make()?;
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(secret.as_bytes()))
        .with_context(|| format!("cannot write {}: check its owner and free space", path.display()))?;
    Ok(secret)
}

/// Refuses to open what was made with closed doors without them, or the other way round: users are made when storage is, and
/// what has none lets nobody in. What is not there yet is noted as made so.
pub(super) fn stays_as_made(home: &Path, is_new: bool, security: Option<&Security>) -> Result<()> {
    let note = home.join("secure");
    match (is_new, security) {
        (true, Some(_)) => {
            fs::write(&note, "").with_context(|| format!("cannot write {}: check its owner", note.display()))
        }
        (true, None) => match fs::remove_file(&note) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot delete {}: check its owner", note.display()))
            }
            _ => Ok(()),
        },
        (false, _) if note.exists() == security.is_some() => Ok(()),
        (false, Some(_)) => bail!(
            "{} was made without users and passwords: start it without --secure, name another folder with --data-dir, or \
             start over with --reset",
            home.display()
        ),
        (false, None) => bail!(
            "{} was made with users and passwords: start it with --secure, name another folder with --data-dir, or start \
             over with --reset",
            home.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        let made = secret(&path).unwrap();
        assert_eq!(made.len(), 64);
        assert_eq!(secret(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn storage_is_opened_as_it_was_made() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path()).await.unwrap();
        let security = Security::of(&folder).unwrap();
        let (plain, secure) = (root.path().join("a"), root.path().join("b"));
        for (home, made) in [(&plain, None), (&secure, Some(&security))] {
            fs::create_dir_all(home).unwrap();
            stays_as_made(home, true, made).unwrap();
            stays_as_made(home, false, made).unwrap();
        }
        for (home, other, remedy) in
            [(&plain, Some(&security), "without --secure"), (&secure, None, "with --secure")]
        {
            let error = stays_as_made(home, false, other).unwrap_err().to_string();
            assert!(error.contains(remedy) && error.contains("--reset"), "{error}");
        }
        let again = Security::of(&folder).unwrap();
        assert_eq!(again.password(), security.password());
    }
}
