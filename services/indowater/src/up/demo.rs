//! The demo data: put into a database that is empty, and into none that holds somebody's own.

use anyhow::{Context as _, Result};
use bson::{Document, doc};

use crate::clients;
use crate::registry::Registry;
use crate::seed::{self, ACCOUNTS, DEFAULT_PASSWORD};
use crate::stack::Progress;
use crate::system::System;

/// Fills an empty database, and goes on where an earlier run was interrupted. Returns whether the demo is
/// there.
pub(super) async fn fill(system: &System, progress: &Progress) -> Result<bool> {
    let users = clients::database(system).await?.collection::<Document>("users");
    let demo = doc! { "email": { "$in": ACCOUNTS.map(|account| account.email).to_vec() } };
    let asked = async {
        anyhow::Ok((users.find_one(doc! {}).await?.is_none(), users.find_one(demo).await?.is_some()))
    };
    let (empty, demo) = asked.await.context("cannot tell whether the database is empty")?;
    if !empty && !demo {
        return Ok(false);
    }
    let url = system.registry_url.as_deref().context("the registry has no address")?;
    let registry = Registry::at(url, system.certificates.as_deref())?;
    let options = seed::Options::default();
    progress.during("Seeding demo data", seed::seed(system, &registry, &options)).await?;
    Ok(true)
}

/// Who can log in.
pub(super) fn logins() -> String {
    let [admin, technician, customer, ..] = ACCOUNTS.map(|account| account.email);
    format!("{customer}, {technician}, {admin}; password {DEFAULT_PASSWORD}")
}
