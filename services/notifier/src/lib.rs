//! notifier turns facts into messages to people. See `README.md` beside this crate.

mod app;
mod carrier;
mod config;
pub mod domain;
mod fcm;
mod grpc;
mod http_client;
mod kafka;
mod mongo;
mod observe;
#[cfg(test)]
mod preview;
mod smtp;
mod whatsapp;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use indowater_common::error::Fatal;
use indowater_common::kafka::{Consume, FlushPolicy, Pace, consume};
use indowater_common::lifecycle::Host;
use indowater_common::mongo::outbox::Outbox;
use indowater_common::mongo::quarantine;
use indowater_common::quarantine::Quarantine;

use app::desk::{Desk, Shared};
use app::post::{Post, Turns};
use carrier::Carriers;
use domain::ladder::Channel;
use domain::words::Catalogue;
use secrecy::ExposeSecret as _;

pub use config::Settings;

/// What the service is for, in one line.
pub const ABOUT: &str = "IndoWater: turns facts into messages to people";

/// Wires the service up.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn start(settings: Settings, host: Host) -> Result<(), Fatal> {
    let (carriers, turns) = channels(&settings)?;
    let catalogue = Arc::new(Catalogue::open()?);
    let joined = kafka::SOURCES.map(|source| (host.health.needs(source.name), source));
    indowater_common::kafka::watch(&host, &kafka::TOPICS);
    let database = indowater_common::mongo::open(&host).await?;
    let outbox = Outbox::open(&database, host.name).await?;
    let quarantine = Quarantine::new(quarantine::Store::new(&database, host.name));
    let announce = wire::announce(&host.common.kafka.topic_prefix);
    let store = mongo::Store::new(database, outbox.clone(), announce);
    outbox.relay(&host, indowater_common::kafka::publisher(&host, Pace::Thrifty)?);

    let shared = Arc::new(Shared { store: store.clone(), catalogue: catalogue.clone() });
    for (joined, source) in joined {
        let topic = source.topic.name(&host.common.kafka.topic_prefix);
        let consumer = Consume {
            kafka: host.common.kafka.clone(),
            group: source.group,
            flush: FlushPolicy {
                idle: settings.flush_idle,
                age: settings.flush_age,
                pending: settings.flush_pending,
            },
            returned: Some(quarantine.returned(&host, &topic)),
            joined,
            stop: host.stop.clone(),
            topic: topic.clone(),
        };
        let (shared, aside) = (shared.clone(), quarantine.of(&topic));
        let partition = move |_| kafka::Partition::new(Desk::new(shared.clone()), aside(), source.understand);
        host.spawn(source.name, consume(consumer, partition));
    }

    let post = Arc::new(Post::new(store.clone(), catalogue, carriers, turns, settings.whatsapp_people));
    for _ in 0..settings.deliveries_at_once {
        host.spawn("deliveries", post.clone().deliver(host.stop.clone()));
    }
    host.spawn("deliveries watch", post.watch(host.stop.clone()));

    let routes = grpc::routes(store);
    host.spawn(
        "gRPC",
        indowater_common::grpc::serve(host.grpc(), routes, host.health.clone(), host.stop.clone()),
    );
    Ok(())
}

/// The channels that are set up, and their turns.
fn channels(settings: &Settings) -> Result<(Carriers, HashMap<Channel, Turns>), Fatal> {
    let (mut carriers, mut turns) = (Carriers::new(), HashMap::new());
    let client = http_client::Client::open()?;
    let smtp_url = settings.smtp_url.expose_secret();
    if !smtp_url.is_empty() {
        let smtp = smtp::Smtp::open(smtp_url, &settings.mail_from, &settings.console_url)?;
        carriers.insert(Channel::Email, Arc::new(smtp));
        turns.insert(Channel::Email, Turns::a_minute(settings.mail_per_minute));
    }
    if !settings.whatsapp_number_id.is_empty() {
        let (number_id, token) = (&settings.whatsapp_number_id, settings.whatsapp_token.clone());
        let whatsapp = whatsapp::Whatsapp::new(client.clone(), &settings.whatsapp_url, number_id, token);
        carriers.insert(Channel::Whatsapp, Arc::new(whatsapp));
    }
    let account = settings.fcm_account.expose_secret();
    if !account.is_empty() {
        carriers.insert(Channel::Push, Arc::new(fcm::Fcm::open(client, &settings.fcm_url, account)?));
    }
    Ok((carriers, turns))
}
