//! Closed doors on one machine: everybody's credentials, and what each service is told of them.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::access::credentials::{DATABASE, PASSWORD, USER};
use crate::access::rights::Party;
use crate::access::{self, settings_of, system_of};
use crate::stack::{DataFolder, Security};
use crate::system::System;

/// Users of broker and database, each with the rights of its part.
pub(super) struct Closed {
    access: PathBuf,
    authority: PathBuf,
}

impl Closed {
    /// Makes the users that are missing in `system`, whose addresses are the administrator's.
    pub(super) async fn make(system: &System, folder: &DataFolder) -> Result<Self> {
        let access = folder.part("access");
        access::make(system, &access).await?;
        Ok(Self { access, authority: Security::of(folder)?.authority() })
    }

    /// `system` as the operator's tool sees it from here on.
    pub(super) fn for_operator(&self, system: &System) -> Result<System> {
        system_of(system, &self.access, &Party::Operator)
    }

    /// What `service` is told, in place of what everybody is told where nobody is asked.
    pub(super) fn environment(&self, service: &str) -> Result<Vec<(String, String)>> {
        let party = Party::permanent().find(|party| party.to_string() == service);
        let settings = settings_of(&self.access, &party.with_context(|| format!("{service} has no user"))?)?;
        let authority = ("INDOWATER_KAFKA_CA".to_owned(), self.authority.display().to_string());
        let mut env = vec![authority];
        for name in [USER, PASSWORD, DATABASE] {
            let value = settings.get(name).with_context(|| format!("{service} has no {name}"))?;
            env.push((name.to_owned(), value.clone()));
        }
        Ok(env)
    }
}
