//! A world with closed doors: who has which credentials and certificates.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use indowater::access;
use indowater::access::rights::Party;
use indowater::certificates;

use super::World;

impl World {
    /// Where the credentials of everybody in it are, where doors are closed.
    pub fn access(&self) -> PathBuf {
        self.folder.join("access")
    }

    /// What `service` is told of the broker and the database: its own credentials, where they ask who it is.
    ///
    /// # Errors
    /// It has none.
    pub fn doors(&self, service: &str) -> Result<Vec<(String, String)>> {
        let addresses =
            [("INDOWATER_KAFKA", &self.system.kafka), ("INDOWATER_MONGODB", &self.system.mongodb)];
        let mut env: BTreeMap<String, String> =
            addresses.map(|(name, value)| (name.to_owned(), value.clone())).into();
        if let Some(authority) = &self.authority {
            let party = Party::permanent().find(|party| party.to_string() == service);
            let party = party.with_context(|| format!("{service} has no user"))?;
            env.extend(access::settings_of(&self.access(), &party)?);
            env.insert("INDOWATER_KAFKA_CA".to_owned(), authority.display().to_string());
        }
        Ok(env.into_iter().collect())
    }

    /// The same world, in which services and the tool prove to each other who they are.
    ///
    /// # Errors
    /// The certificates cannot be made.
    pub fn proving(mut self) -> Result<Self> {
        let folder = self.folder.join("certificates");
        certificates::make(&folder, &certificates::NAMES, &[], false)?;
        self.system.certificates = Some(folder.join("operator"));
        self.certificates = Some(folder);
        Ok(self)
    }

    /// Renews all certificates of a [`World::proving`] one.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn renew_certificates(&self) -> Result<()> {
        let folder = self.certificates.as_ref().context("nobody has a certificate here")?;
        certificates::make(folder, &certificates::NAMES, &[], true).map(drop)
    }

    /// The folder of the certificate of `name` in a [`World::proving`] one.
    ///
    /// # Errors
    /// Nobody has one here.
    pub fn certificate(&self, name: &str) -> Result<String> {
        let folder = self.certificates.as_ref().context("nobody has a certificate here")?;
        Ok(folder.join(name).display().to_string())
    }

    /// Everything that the services of this world wrote to their logs.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn logs(&self) -> Result<String> {
        let files = std::fs::read_dir(&self.folder)?.collect::<Result<Vec<_>, _>>()?;
        let logs = files.iter().map(|file| file.path());
        let logs = logs.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
        Ok(logs.map(std::fs::read_to_string).collect::<Result<Vec<_>, _>>()?.concat())
    }
}
