//! Closed doors: who may not, cannot, because the broker and the database say no.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bson::{Document, doc};
use indowater::access::broker::Broker;
use indowater::access::credentials::{DATABASE, Folder};
use indowater::access::rights::{Operation, Party, Resource, Right, SERVICES};
use indowater::access::{self, settings_of, system_of};
use indowater::system::System;
use indowater_common::config;
use indowater_common::kafka::base_config;
use indowater_common::mongo::schema::COLLECTIONS;
use indowater_proto::topics::{ALL, Audience, CUSTOMERS, GROUPS, TELEMETRY, Topic, USAGE};
use indowater_tests::base::Base;
use indowater_tests::world::{World, eventually};
use mongodb::error::{Error, ErrorKind};
use mongodb::{Client, Database};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message as _, Offset, TopicPartitionList};

use crate::{audit, notifier, payments, pipeline};

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

/// How `system`'s user speaks with the broker.
fn kafka(system: &System) -> config::Kafka {
    config::Kafka {
        bootstrap: system.kafka.clone(),
        topic_prefix: system.topic_prefix.clone(),
        security: config::KafkaSecurity::default(),
        options: system.kafka_options.clone(),
        stall_limit: Duration::from_secs(60),
    }
}

const REFUSALS: [Code; 3] =
    [Code::TopicAuthorizationFailed, Code::GroupAuthorizationFailed, Code::ClusterAuthorizationFailed];

fn may(outcome: Result<(), KafkaError>) -> Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if error.rdkafka_error_code().is_some_and(|code| REFUSALS.contains(&code)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether that user may write `topic`.
async fn may_write(system: &System, topic: &Topic, idempotent: bool) -> Result<bool> {
    let producer: FutureProducer =
        base_config(&kafka(system)).set("enable.idempotence", idempotent.to_string()).create()?;
    let name = topic.name(&system.topic_prefix);
    let record = FutureRecord::to(&name).key("door").payload("a knock");
    may(producer.send(record, Duration::from_secs(20)).await.map(drop).map_err(|(error, _)| error))
}

/// Whether that user may read `topic`, which has a record in its partition 0 or has none.
async fn may_read(system: &System, topic: &'static Topic) -> Result<bool> {
    let (kafka, name) = (kafka(system), topic.name(&system.topic_prefix));
    tokio::task::spawn_blocking(move || {
        let mut config = base_config(&kafka);
        let consumer: BaseConsumer =
            config.set("group.id", "of-nobody").set("enable.partition.eof", "true").create()?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(&name, 0, Offset::Beginning)?;
        consumer.assign(&from)?;
        loop {
            match consumer.poll(Duration::from_secs(20)).context("no answer")? {
                Ok(record) if record.topic() == name => return Ok(true),
                Err(KafkaError::PartitionEOF(_)) => return Ok(true),
                // The group is of nobody, and is not needed.
                Err(error) if error.rdkafka_error_code() == Some(Code::GroupAuthorizationFailed) => {}
                Err(error) => return may(Err(error)),
                Ok(_) => {}
            }
        }
    })
    .await?
}

/// Whether that user may be in a group that reads `topic`.
async fn may_join(system: &System, group: String, topic: &'static Topic) -> Result<bool> {
    let (kafka, name) = (kafka(system), topic.name(&system.topic_prefix));
    tokio::task::spawn_blocking(move || {
        let mut config = base_config(&kafka);
        config
            .set("group.id", &group)
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create()?;
        consumer.subscribe(&[&name])?;
        match consumer.poll(Duration::from_secs(30)).context("no answer")? {
            Ok(_) | Err(KafkaError::PartitionEOF(_)) => Ok(true),
            Err(error) => may(Err(error)),
        }
    })
    .await?
}

/// The broker itself enforces the table of topics: each service writes what it owns and reads what it is a reader of, devices
/// write telemetry and nothing else, analysts read what is public and nothing else; a device that is revoked does nothing any
/// more, on an open connection too; and who speaks plainly is not heard.
pub async fn each_user_does_at_the_broker_what_the_table_says(base: Arc<Base>) -> Result<()> {
    let base = closed(base).await?;
    let world = World::new(&base, "table").await?;
    for service in SERVICES {
        let system = system_of(&world.administrator, &world.access(), &Party::Service(service))?;
        for topic in ALL {
            let (owns, reads) = (topic.owner == service, topic.readers.contains(&service));
            ensure!(may_write(&system, topic, true).await? == owns, "{service} writes {}", topic.what);
            ensure!(may_read(&system, topic).await? == (owns || reads), "{service} reads {}", topic.what);
        }
        // One group of each, for joining takes time.
        let group = GROUPS.iter().find(|group| group.service == service);
        if let Some(group) = group {
            let name = format!("{}.{}", system.topic_prefix, group.name);
            ensure!(may_join(&system, name, group.topic).await?, "{service} is not let into {}", group.name);
            let other = format!("{}.of-another", system.topic_prefix);
            ensure!(!may_join(&system, other, group.topic).await?, "{service} is let into any group");
        }
    }

    let folder = Folder::at(&world.access())?;
    let [device, analyst] = [Party::Device("gedung-1".to_owned()), Party::Analyst("budi".to_owned())];
    for party in [&device, &analyst] {
        access::enrol(&world.administrator, party, &folder).await?;
    }
    let meters = system_of(&world.administrator, &world.access(), &device)?;
    let reader = system_of(&world.administrator, &world.access(), &analyst)?;
    for topic in ALL {
        let is_telemetry = topic.owner == TELEMETRY.owner;
        ensure!(may_write(&meters, topic, false).await? == is_telemetry, "a device writes {}", topic.what);
        ensure!(!may_read(&meters, topic).await?, "a device reads {}", topic.what);
        ensure!(!may_write(&reader, topic, false).await?, "an analyst writes {}", topic.what);
        let public = topic.audience == Audience::Public;
        ensure!(may_read(&reader, topic).await? == public, "an analyst reads {}", topic.what);
    }
    let own = format!("{}.one", analyst.user(&world.system.topic_prefix));
    ensure!(may_join(&reader, own, &USAGE).await?, "an analyst has no group");
    let theirs = format!("{}.billing-charging", world.system.topic_prefix);
    ensure!(!may_join(&reader, theirs, &USAGE).await?, "an analyst is let into a service's group");
    ensure!(may_write(&meters, &TELEMETRY, true).await?, "a device may have its records numbered");

    revoked_means_at_once(&world, &meters, &device).await?;
    stale_rights_go(&world).await?;
    plain_words_are_not_heard(&world).await
}

async fn revoked_means_at_once(world: &World, meters: &System, device: &Party) -> Result<()> {
    let producer: FutureProducer = base_config(&kafka(meters)).create()?;
    let name = TELEMETRY.name(&meters.topic_prefix);
    let send = async || {
        let record = FutureRecord::to(&name).key("door").payload("a knock");
        may(producer.send(record, Duration::from_secs(20)).await.map(drop).map_err(|(error, _)| error))
    };
    ensure!(send().await?, "it may write as long as it is enrolled");
    ensure!(access::revoke(&world.administrator, device).await?, "there was nothing to revoke");
    eventually("the open connection does nothing any more", async || {
        ensure!(!send().await?, "it still writes");
        Ok(())
    })
    .await?;
    ensure!(!access::revoke(&world.administrator, device).await?, "it was revoked twice");
    // Its password is gone, too: a new connection is refused before anything else.
    let consumer: BaseConsumer = base_config(&kafka(meters)).set("group.id", "any").create()?;
    let answer =
        tokio::task::spawn_blocking(move || consumer.fetch_metadata(None, Duration::from_secs(3)).map(drop));
    ensure!(answer.await?.is_err(), "it still logs in");
    Ok(())
}

/// A table that gives less takes rights back: here, as if an earlier one had let voucher read the names of customers.
async fn stale_rights_go(world: &World) -> Result<()> {
    let voucher = system_of(&world.administrator, &world.access(), &Party::Service("voucher"))?;
    let former = Party::Service("voucher").user(&world.system.topic_prefix);
    let on = Resource::Topic(CUSTOMERS.name(&world.system.topic_prefix));
    let right = Right { on, operation: Operation::Read };
    Broker::open(&kafka(&world.administrator))?.grant(vec![(former, right)]).await?;
    eventually("the former right holds", async || {
        ensure!(may_read(&voucher, &CUSTOMERS).await?, "not yet");
        Ok(())
    })
    .await?;
    let made = access::make(&world.administrator, &world.access()).await?;
    ensure!((made.granted, made.withdrawn) == (0, 1), "{made:?}");
    eventually("the former right is gone", async || {
        ensure!(!may_read(&voucher, &CUSTOMERS).await?, "not yet");
        Ok(())
    })
    .await
}

async fn plain_words_are_not_heard(world: &World) -> Result<()> {
    for options in [
        Vec::new(),
        // TLS, and nobody in particular.
        world
            .administrator
            .kafka_options
            .iter()
            .filter(|(key, _)| key == "ssl.ca.location")
            .cloned()
            .chain([("security.protocol".to_owned(), "SSL".to_owned())])
            .collect(),
        // The administrator, with another password.
        world
            .administrator
            .kafka_options
            .iter()
            .cloned()
            .chain([("sasl.password".to_owned(), "guess".to_owned())])
            .collect(),
    ] {
        let system = System { kafka_options: options, ..world.administrator.clone() };
        let consumer: BaseConsumer = base_config(&kafka(&system)).set("group.id", "any").create()?;
        let answer = tokio::task::spawn_blocking(move || {
            consumer.fetch_metadata(None, Duration::from_secs(3)).map(drop)
        });
        ensure!(answer.await?.is_err(), "{:?} is heard", system.kafka_options.first());
    }
    Ok(())
}

/// Nobody needs more than it has: from telemetry to the balance, a top-up with a voucher through each gateway, an alert and
/// its messages, and the auditor, with each service and the tool under its own user.
pub async fn central_stories_hold_with_closed_doors(base: Arc<Base>) -> Result<()> {
    if base.security.is_some() {
        // They run so by themselves.
        return Ok(());
    }
    let base = closed(base).await?;
    pipeline::telemetry_becomes_the_customers_usage(base.clone()).await.context("pipeline")?;
    audit::what_is_right_holds_and_what_is_changed_is_named(base.clone()).await.context("audit")?;
    payments::a_customer_tops_up_through_each_gateway_with_a_voucher(base.clone())
        .await
        .context("payments")?;
    notifier::a_low_balance_is_told_once_and_closed_by_a_top_up(base.clone()).await.context("notifier")?;
    Ok(())
}
