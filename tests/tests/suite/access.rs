//! Closed doors: who may not, cannot, because the database says no.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bson::{Document, doc};
use indowater::access::credentials::DATABASE;
use indowater::access::rights::{Party, SERVICES};
use indowater::access::{self, settings_of, system_of};
use indowater_common::mongo::schema::COLLECTIONS;
use indowater_tests::base::Base;
use indowater_tests::world::World;
use mongodb::error::{Error, ErrorKind};
use mongodb::{Client, Database};

/// A broker and a database with closed doors: the ones that all stories share, if theirs are, else others beside them.
async fn closed(base: Arc<Base>) -> Result<Arc<Base>> {
    match base.security {
        Some(_) => Ok(base),
        None => Ok(Arc::new(Base::beside(base.programs.clone(), true).await?)),
    }
}

/// The error code of what one is not allowed to do.
const UNAUTHORIZED: i32 = 13;

fn is_refused(error: &Error) -> bool {
    matches!(*error.kind, ErrorKind::Command(ref command) if command.code == UNAUTHORIZED)
}

/// Says whether each of `outcomes` is a refusal, as `refused` wants it.
fn judge(who: &str, what: &str, outcomes: Vec<(&str, Result<(), Error>)>, refused: bool) -> Result<()> {
    for (action, outcome) in outcomes {
        match outcome {
            Err(error) if is_refused(&error) => ensure!(refused, "{who} may not {action} {what}: {error}"),
            Err(error) => bail!("{who}, {action} {what}: {error}"),
            Ok(()) => ensure!(!refused, "{who} may {action} {what}"),
        }
    }
    Ok(())
}

/// What a service might do with a collection. The writes change nothing: what they look for is not there.
async fn touch(database: &Database, collection: &str) -> Vec<(&'static str, Result<(), Error>)> {
    let (documents, nothing) =
        (database.collection::<Document>(collection), doc! { "_id": "nothing that is there" });
    let mine = doc! { "_id": "of the story of doors" };
    vec![
        ("read", documents.find_one(nothing.clone()).await.map(drop)),
        ("change", documents.update_one(nothing.clone(), doc! { "$set": { "a": 1 } }).await.map(drop)),
        ("delete in", documents.delete_one(nothing).await.map(drop)),
        ("insert into", documents.insert_one(&mine).await.map(drop)),
        // Its own insert, or none.
        ("delete in", documents.delete_one(mine).await.map(drop)),
    ]
}

/// MongoDB itself enforces ownership: with a service's credentials its own collections can be read and written and nobody
/// else's, the roles cannot be widened, and without credentials or without TLS there is nothing at all.
pub async fn each_service_touches_its_own_collections_alone(base: Arc<Base>) -> Result<()> {
    let base = closed(base).await?;
    let world = World::new(&base, "ownership").await?;
    for service in SERVICES {
        let settings = settings_of(&world.access(), &Party::Service(service))?;
        let client = Client::with_uri_str(settings.get(DATABASE).context("no database")?).await?;
        let database = client.database(&world.system.database);
        for collection in COLLECTIONS {
            let outcomes = touch(&database, collection.name).await;
            judge(service, collection.name, outcomes, collection.owner != service)?;
        }
        let widened = doc! { "grantRolesToUser": service, "roles": [{ "role": "root", "db": "admin" }] };
        let own = COLLECTIONS.iter().find(|one| one.owner == service).context("it owns nothing")?;
        let more = vec![
            ("widen", database.run_command(widened).await.map(drop)),
            ("drop", database.collection::<Document>(own.name).drop().await),
            (
                "read the users of",
                client
                    .database("admin")
                    .collection::<Document>("system.users")
                    .find_one(doc! {})
                    .await
                    .map(drop),
            ),
            (
                "read the oplog of",
                client.database("local").collection::<Document>("oplog.rs").find_one(doc! {}).await.map(drop),
            ),
        ];
        judge(service, "the database", more, true)?;
        client.shutdown().await;
    }
    strangers_find_no_database(&world).await?;
    // Once more, and with an earlier release's collections: the users stay, and what was shared goes.
    world
        .database
        .collection("counters")
        .insert_one(doc! { "_id": "outbox_billing", "value": 7_i64 })
        .await?;
    let lease = doc! { "_id": "outbox-billing", "until": bson::DateTime::from_millis(0) };
    world.database.collection("leases").insert_one(lease).await?;
    let init = system_of(&world.administrator, &world.access(), &Party::Init)?;
    indowater::init::init(&init, 1).await.context("init's own rights are enough")?;
    let names = world.database.list_collection_names().await?;
    ensure!(!names.iter().any(|name| name == "counters" || name == "leases"), "{names:?}");
    let made = access::make(&world.administrator, &world.access()).await?;
    ensure!((made.granted, made.withdrawn) == (0, 0), "nothing was missing and nothing too much: {made:?}");
    let refused = access::make(&world.system, &world.access()).await;
    ensure!(refused.is_err(), "the operator is no administrator");
    Ok(())
}

async fn strangers_find_no_database(world: &World) -> Result<()> {
    let (_, rest) = world.administrator.mongodb.split_once('@').context("an administrator")?;
    let without = rest.replace("authSource=admin&", "");
    let nobody = Client::with_uri_str(format!("mongodb://{without}")).await?;
    let read =
        nobody.database(&world.system.database).collection::<Document>("users").find_one(doc! {}).await;
    ensure!(read.as_ref().is_err_and(is_refused), "without credentials: {read:?}");
    let hosts = rest.split('/').next().unwrap_or_default();
    let plainly = format!("mongodb://{hosts}/?directConnection=true&serverSelectionTimeoutMS=1000");
    let plain = Client::with_uri_str(plainly).await?;
    let answer = plain.database("admin").run_command(doc! { "hello": 1 }).await;
    ensure!(answer.is_err(), "without TLS: {answer:?}");
    Ok(())
}
