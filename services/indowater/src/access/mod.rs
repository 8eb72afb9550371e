//! `access`: who may speak with the broker and the database, and say what there.
//!
//! `init --access` makes a user for each service, with the rights that the tables of topics and collections give it, at any
//! broker with SCRAM and an authorizer and at any MongoDB that asks who one is; what users had that the tables do not know
//! any more is taken back. This command enrols the others one by one: gateways of devices and analysts.

pub mod broker;
pub mod credentials;
pub mod resources;
pub mod rights;
pub mod roles;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::clients;
use crate::system::{Connect, System};
use broker::{Broker, Granted};
use credentials::{DATABASE, Folder, PASSWORD, Settings, USER};
use rights::{Party, Right, rights};

/// Who may speak with the broker: enrol and revoke gateways of devices and analysts
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    /// Make a user that may write telemetry, and nothing else
    EnrolDevice(Enrol),
    /// Make a user that may read the public topics, in consumer groups that begin with its name
    EnrolAnalyst(Enrol),
    /// Take all rights of a gateway of devices back, at once, and its password
    RevokeDevice(Named),
    /// Take all rights of an analyst back, at once, and its password
    RevokeAnalyst(Named),
    /// Who has rights in this system
    List(Connect),
    /// Print the users of the broker as `KafkaUser` resources, for Strimzi
    KafkaUsers,
    /// Print the users and roles of the database as a patch of the `MongoDBCommunity` resource
    DatabaseUsers,
}

#[derive(Debug, Clone, clap::Args)]
struct Named {
    /// Its name: small letters, digits and hyphens
    #[arg(value_parser = name)]
    name: String,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Clone, clap::Args)]
struct Enrol {
    #[command(flatten)]
    named: Named,
    /// Folder in which the credentials are kept; those that are there are used again
    #[arg(long, value_name = "FOLDER", default_value = "access")]
    access: PathBuf,
}

/// Reads a name that may be part of a user's.
fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match (1..=60).contains(&text.len()) && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("a name has 1 to 60 small letters, digits and hyphens".to_owned()),
    }
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::EnrolDevice(enrol) => enrol_one(Party::Device(enrol.named.name.clone()), enrol).await?,
        Command::EnrolAnalyst(enrol) => enrol_one(Party::Analyst(enrol.named.name.clone()), enrol).await?,
        Command::RevokeDevice(named) => revoke_one(Party::Device(named.name.clone()), named).await?,
        Command::RevokeAnalyst(named) => revoke_one(Party::Analyst(named.name.clone()), named).await?,
        Command::List(connect) => list(&connect.resolve()?).await?,
        Command::KafkaUsers => print!("{}", resources::kafka_users("indowater")),
        Command::DatabaseUsers => print!("{}", resources::database_users("mongodb")),
    }
    Ok(ExitCode::SUCCESS)
}

async fn enrol_one(party: Party, Enrol { named, access }: Enrol) -> Result<()> {
    let (system, folder) = (named.connect.resolve()?, Folder::at(&access)?);
    enrol(&system, &party, &folder).await?;
    println!(
        "{} may speak with the broker; its password is in {}",
        party.user(&system.topic_prefix),
        folder.file(&party).display()
    );
    Ok(())
}

async fn revoke_one(party: Party, named: Named) -> Result<()> {
    let system = named.connect.resolve()?;
    let user = party.user(&system.topic_prefix);
    match revoke(&system, &party).await? {
        true => println!("{user} may do nothing any more"),
        false => bail!("there is no {user}: `indowater access list` names all there are"),
    }
    Ok(())
}

async fn list(system: &System) -> Result<()> {
    for (party, granted) in held(&open(system)?.granted().await?, &system.topic_prefix) {
        println!("{:40} {} rights", party.user(&system.topic_prefix), granted.len());
    }
    Ok(())
}

fn open(system: &System) -> Result<Broker> {
    Broker::open(&clients::kafka(system))
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// Rights that were missing at the broker.
    pub granted: usize,
    /// Rights there that no table gives any more.
    pub withdrawn: usize,
    /// Everybody who has credentials now.
    pub parties: Vec<String>,
}

/// Makes users, rights and roles of everybody in `system`, whose addresses are an administrator's, and keeps their
/// credentials in the folder `access`. What is there stays.
///
/// # Errors
/// The broker or the database lets everyone in, does not answer, or refuses. The first two are found before anything is
/// changed.
pub async fn make(system: &System, access: &Path) -> Result<Made> {
    let broker = open(system)?;
    clients::with_database(system, async |database| {
        roles::has_doors(database).await?;
        let granted = broker.granted().await?;
        let folder = Folder::at(access)?;
        let mut made = Made::default();
        let mut passwords = Vec::new();
        for party in Party::permanent() {
            let (broker_password, database_password) = keep(&folder, &party, system)?;
            passwords.push((party.user(&system.topic_prefix), broker_password));
            roles::make(database, &party, &database_password).await?;
            made.parties.push(party.to_string());
        }
        broker.set_passwords(passwords).await?;
        let difference = difference(&granted, &system.topic_prefix);
        (made.granted, made.withdrawn) = (difference.missing.len(), difference.stale.len());
        if !difference.missing.is_empty() {
            broker.grant(difference.missing).await?;
        }
        if !difference.stale.is_empty() {
            broker.withdraw(difference.stale).await?;
        }
        Ok(made)
    })
    .await
}

/// Keeps the credentials of `party`, new ones where it has none. Returns its passwords at the broker and in the database.
fn keep(folder: &Folder, party: &Party, system: &System) -> Result<(String, String)> {
    let mut settings = folder.read(party)?;
    let broker = settings.get(PASSWORD).cloned().unwrap_or_else(credentials::password);
    let known = settings.get(DATABASE).and_then(|uri| password_of(uri));
    let database = known.unwrap_or_else(credentials::password);
    let uri = roles::connection(&system.mongodb, &system.database, &party.to_string(), &database)?;
    settings.extend(at_broker(party, system, &broker));
    settings.insert(DATABASE.to_owned(), uri);
    folder.write(party, &settings)?;
    Ok((broker, database))
}

fn at_broker(party: &Party, system: &System, password: &str) -> Settings {
    [(USER, party.user(&system.topic_prefix)), (PASSWORD, password.to_owned())]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// The password of a connection string.
fn password_of(uri: &str) -> Option<String> {
    let (credentials, _) = uri.split_once("://")?.1.split_once('@')?;
    Some(credentials.split_once(':')?.1.to_owned())
}

/// Makes the user of a gateway of devices or of an analyst at the broker, with its rights.
///
/// # Errors
/// The broker lets everyone in, does not answer, or refuses.
pub async fn enrol(system: &System, party: &Party, folder: &Folder) -> Result<()> {
    let (broker, prefix) = (open(system)?, &system.topic_prefix);
    let granted = broker.granted().await?;
    let mut settings = folder.read(party)?;
    let password = settings.get(PASSWORD).cloned().unwrap_or_else(credentials::password);
    settings.extend(at_broker(party, system, &password));
    folder.write(party, &settings)?;
    broker.set_passwords(vec![(party.user(prefix), password)]).await?;
    let wanted = rights(party, prefix).into_iter().map(|right| (party.user(prefix), right));
    let missing: Vec<Granted> = wanted.filter(|right| !granted.contains(right)).collect();
    if missing.is_empty() { Ok(()) } else { broker.grant(missing).await }
}

/// Takes the rights of `party` back and then its password: a connection that is open may do nothing from then on. Whether
/// there was anything to take.
///
/// # Errors
/// As [`enrol`].
pub async fn revoke(system: &System, party: &Party) -> Result<bool> {
    let (broker, user) = (open(system)?, party.user(&system.topic_prefix));
    let granted = broker.granted().await?;
    let theirs: Vec<Granted> = granted.into_iter().filter(|(of, _)| *of == user).collect();
    let had_rights = !theirs.is_empty();
    if had_rights {
        broker.withdraw(theirs).await?;
    }
    Ok(broker.remove_user(user).await? || had_rights)
}

/// What of the broker's rights is ours, by who has it.
fn held(granted: &BTreeSet<Granted>, prefix: &str) -> BTreeMap<Party, BTreeSet<Right>> {
    let mut held: BTreeMap<Party, BTreeSet<Right>> = BTreeMap::new();
    for (user, right) in granted {
        if let Some(party) = Party::of_user(user, prefix) {
            held.entry(party).or_default().insert(right.clone());
        }
    }
    held
}

/// What the broker has to change.
struct Difference {
    missing: Vec<Granted>,
    stale: Vec<Granted>,
}

fn difference(granted: &BTreeSet<Granted>, prefix: &str) -> Difference {
    let mut all = held(granted, prefix);
    for party in Party::permanent() {
        all.entry(party).or_default();
    }
    let mut difference = Difference { missing: Vec::new(), stale: Vec::new() };
    for (party, has) in all {
        let wanted = rights(&party, prefix);
        let of = |right: &Right| (party.user(prefix), right.clone());
        difference.missing.extend(wanted.difference(&has).map(of));
        difference.stale.extend(has.difference(&wanted).map(of));
    }
    difference
}

/// The settings that `party` was given in the folder `access`.
///
/// # Errors
/// There are none: `init --access` was not run with that folder.
pub fn settings_of(access: &Path, party: &Party) -> Result<Settings> {
    let folder = Folder::at(access)?;
    let settings = folder.read(party)?;
    if settings.is_empty() {
        bail!(
            "{} is not there: run `indowater init --access {}`",
            folder.file(party).display(),
            access.display()
        );
    }
    Ok(settings)
}

/// `system` as `party` sees it, with the credentials of the folder `access` for those that it has.
///
/// # Errors
/// As [`settings_of`].
pub fn system_of(system: &System, access: &Path, party: &Party) -> Result<System> {
    let settings = settings_of(access, party)?;
    let mut theirs = system.clone();
    if let Some(uri) = settings.get(DATABASE) {
        theirs.mongodb.clone_from(uri);
    }
    for (setting, option) in [(USER, "sasl.username"), (PASSWORD, "sasl.password")] {
        let value = settings.get(setting).with_context(|| format!("{party} has no {setting}"))?;
        theirs.kafka_options.retain(|(key, _)| key != option);
        theirs.kafka_options.push((option.to_owned(), value.clone()));
    }
    Ok(theirs)
}

#[cfg(test)]
mod tests {
    use super::rights::{Operation, Resource};
    use super::*;

    #[test]
    fn what_no_table_gives_is_taken_back_and_strangers_are_left_alone() {
        let right = |user: &str, topic: &str| {
            (user.to_owned(), Right { on: Resource::Topic(topic.to_owned()), operation: Operation::Write })
        };
        let (stale, strange) =
            (right("p-ingest", "p.billing.balances.v1"), right("q-ingest", "p.billing.balances.v1"));
        let enrolled = right("p-device-a", "p.device.telemetry.v1");
        let granted = BTreeSet::from([stale.clone(), strange, enrolled.clone()]);
        let Difference { missing, stale: found } = difference(&granted, "p");
        assert_eq!(found, [stale]);
        let all: usize = Party::permanent().map(|party| rights(&party, "p").len()).sum();
        assert!(missing.len() == all && !missing.contains(&enrolled));
        let right_now = missing.into_iter().collect();
        let Difference { missing, stale } = difference(&right_now, "p");
        assert!(missing.is_empty() && stale.is_empty(), "{missing:?} {stale:?}");
    }

    #[test]
    fn names_that_would_be_part_of_something_else_are_refused() {
        assert!(name("gedung-1").is_ok());
        for wrong in ["", "Gedung", "a b", "a.b", "a,b", &"a".repeat(61)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
