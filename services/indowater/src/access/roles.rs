//! Who may do what in the database: made from the table of collections and their owners.
//!
//! Users and roles stand in the system's own database, so that a second system beside it has others of the same names.

use anyhow::{Context as _, Result, bail};
use bson::{Document, doc};
use indowater_common::mongo::schema::COLLECTIONS;
use mongodb::Database;
use mongodb::error::{Error, ErrorKind};

use super::rights::Party;

/// What a service does with its own collections: all but taking them away.
const OWN: [&str; 7] =
    ["createCollection", "createIndex", "find", "insert", "listIndexes", "remove", "update"];
/// What earlier releases shared, and [`init`](crate::init) takes away.
pub const FORMER: [&str; 2] = ["counters", "leases"];

/// What may be done with a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// Its name; empty for all of the database.
    pub collection: String,
    /// By MongoDB's names.
    pub actions: Vec<&'static str>,
}

/// What `party` may do in the database; nothing for who speaks with the broker alone.
pub fn privileges(party: &Party) -> Vec<Privilege> {
    let may = |collection: &str, actions: &[&'static str]| Privilege {
        collection: collection.to_owned(),
        actions: actions.to_vec(),
    };
    match party {
        Party::Service(service) => {
            let own = COLLECTIONS.iter().filter(|collection| collection.owner == *service);
            own.map(|collection| may(collection.name, &OWN)).collect()
        }
        Party::Init => {
            let make = ["createCollection", "createIndex", "listCollections", "listIndexes"];
            let former = FORMER.map(|name| may(name, &["dropCollection", "find", "remove"]));
            [may("", &make)].into_iter().chain(former).collect()
        }
        Party::Operator => {
            let mut privileges = vec![
                may("", &["find", "listCollections", "listIndexes"]),
                // What was re-driven, and what is to be processed again.
                may("redriven_dead_letters", &["createCollection", "insert", "update"]),
                // The accounts and tips of `seed`.
                may("users", &["insert"]),
                may("water_saving_tips", &["insert"]),
            ];
            let quarantines =
                COLLECTIONS.iter().filter(|collection| collection.name.starts_with("quarantine_"));
            privileges.extend(quarantines.map(|collection| may(collection.name, &["update"])));
            privileges
        }
        Party::Device(_) | Party::Analyst(_) => Vec::new(),
    }
}

/// Refuses a database that lets everyone in: a role there would keep nobody out.
///
/// # Errors
/// It asks nobody who they are, or does not answer.
pub async fn has_doors(database: &Database) -> Result<()> {
    let status = database.run_command(doc! { "connectionStatus": 1 }).await;
    let status = status.context("the database does not say who we are")?;
    let users = status.get_document("authInfo").and_then(|info| info.get_array("authenticatedUsers"));
    if users.is_ok_and(|users| !users.is_empty()) {
        return Ok(());
    }
    bail!(
        "the database was not told who we are, and so cannot keep anybody out: start its members with --keyFile (or \
         authorization: enabled), make an administrator, and name it in --mongodb"
    )
}

/// Makes the role and the user of `party`, or brings them to what they should be.
///
/// # Errors
/// The database does not answer, or refuses.
pub async fn make(database: &Database, party: &Party, password: &str) -> Result<()> {
    let name = party.to_string();
    let privileges: Vec<Document> =
        privileges(party).into_iter().map(|privilege| document(database.name(), privilege)).collect();
    let role = doc! { "privileges": privileges, "roles": [] };
    let user = doc! { "pwd": password, "roles": [{ "role": &name, "db": database.name() }] };
    either(database, ["createRole", "updateRole"], &name, role).await?;
    either(database, ["createUser", "updateUser"], &name, user).await
}

/// Makes something of that name, or, if it is there, sets it.
async fn either(database: &Database, [create, update]: [&str; 2], name: &str, what: Document) -> Result<()> {
    let command = |command: &str| {
        let mut document = doc! { command: name };
        document.extend(what.clone());
        document
    };
    let outcome = match database.run_command(command(create)).await {
        Err(error) if is_there(&error) => database.run_command(command(update)).await,
        other => other,
    };
    outcome.with_context(|| format!("{name} was not made in the database ({create}, {update})")).map(drop)
}

/// The error codes of a role or user that is there already.
fn is_there(error: &Error) -> bool {
    matches!(*error.kind, ErrorKind::Command(ref command) if [51_002, 51_003].contains(&command.code))
}

/// A privilege as the database takes it.
fn document(database: &str, Privilege { collection, actions }: Privilege) -> Document {
    doc! { "resource": { "db": database, "collection": collection }, "actions": actions }
}

/// The connection string `uri` as `user` of `database` takes it: same members, same options, other credentials.
///
/// # Errors
/// It is none.
pub fn connection(uri: &str, database: &str, user: &str, password: &str) -> Result<String> {
    let (scheme, rest) = uri.split_once("://").context("--mongodb is no connection string")?;
    let (address, options) = rest.split_once('?').unwrap_or((rest, ""));
    let address = address.rsplit_once('@').map_or(address, |(_, address)| address);
    let hosts = address.split('/').next().unwrap_or_default();
    let credentials = ["authsource=", "authmechanism="];
    let kept = options.split('&').filter(|option| {
        let option = option.to_lowercase();
        !option.is_empty() && !credentials.iter().any(|key| option.starts_with(key))
    });
    let options: Vec<String> = kept.map(str::to_owned).chain([format!("authSource={database}")]).collect();
    Ok(format!("{scheme}://{user}:{password}@{hosts}/?{}", options.join("&")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_collection_is_one_services_and_no_others() {
        let mut writers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for party in Party::permanent().filter(|party| matches!(party, Party::Service(_))) {
            for Privilege { collection, actions } in privileges(&party) {
                assert!(!collection.is_empty() && actions == OWN, "{party}: {collection}");
                writers.entry(collection).or_default().push(party.to_string());
            }
        }
        for collection in COLLECTIONS {
            assert_eq!(
                writers.remove(collection.name),
                Some(vec![collection.owner.to_owned()]),
                "{}",
                collection.name
            );
        }
        assert!(writers.is_empty() && FORMER.iter().all(|name| COLLECTIONS.iter().all(|c| c.name != *name)));
    }

    #[test]
    fn a_connection_string_changes_its_credentials_and_nothing_else() {
        for (uri, expected) in [
            ("mongodb://h:1/?replicaSet=rs0", "mongodb://u:p@h:1/?replicaSet=rs0&authSource=d"),
            (
                "mongodb://root:a%40b@h:1,i:2/admin?replicaSet=rs0&authSource=admin&tls=true&authMechanism=SCRAM-SHA-1",
                "mongodb://u:p@h:1,i:2/?replicaSet=rs0&tls=true&authSource=d",
            ),
            ("mongodb+srv://root:x@cluster", "mongodb+srv://u:p@cluster/?authSource=d"),
        ] {
            assert_eq!(connection(uri, "d", "u", "p").unwrap(), expected);
        }
        assert!(connection("h:1", "d", "u", "p").is_err());
    }
}
