//! billing keeps the ledger, balances, tariffs and payments. See `README.md` beside this crate.

mod app;
mod config;
pub mod domain;
pub mod gateway;
mod grpc;
pub mod http_client;
mod kafka;
pub mod midtrans;
mod mongo;
mod observe;
mod wire;
pub mod xendit;

use std::sync::Arc;
use std::time::Duration;

use indowater_common::error::Fatal;
use indowater_common::health::Dependency;
use indowater_common::kafka::{Consume, FlushPolicy, Pace, consume};
use indowater_common::lifecycle::Host;
use indowater_common::mongo::Lease;
use indowater_common::mongo::outbox::Outbox;
use indowater_common::mongo::quarantine;
use indowater_common::quarantine::Quarantine;
use indowater_common::upkeep;
use indowater_proto::topics::{INSTRUCTIONS, PAYMENTS, Topic, USAGE};

use app::bills::BillDesk;
use app::books::Shared;
use app::committer::Committer;
use app::corrections::Corrections;
use app::payments::{Cashier, Gateways, Lane, Wanted, follow_up, tell};
use app::questions::Questions;
use app::tariffs::{TariffDesk, announce};
use app::upkeep::Money;

use domain::purchase::Method;
use gateway::Gateway;
use midtrans::Midtrans;
use xendit::Xendit;

pub use config::Settings;

/// What the service is for, in one line.
pub const ABOUT: &str = "IndoWater: keeps the ledger, balances, tariffs and payments";

/// How usage and payments become instructions: nothing is computed or kept, so little waits.
const INSTRUCTING: FlushPolicy =
    FlushPolicy { idle: Duration::from_millis(20), age: Duration::from_secs(1), pending: 10_000 };

/// How long an instance that died may keep others from making bills.
const BILL_TERM: Duration = Duration::from_secs(60);

fn gateways(settings: &Settings) -> Result<Gateways, Fatal> {
    let midtrans = settings.midtrans().map(Midtrans::new).transpose()?.map(Gateway::Midtrans);
    let xendit = settings.xendit().map(Xendit::new).transpose()?.map(Gateway::Xendit);
    Ok(Gateways { midtrans, xendit })
}

/// Payments are followed up in lanes, so that a gateway that hangs holds up its own only.
fn follow_payments(host: &Host, cashier: &Arc<Cashier>) {
    for (name, method) in
        [("Midtrans", Method::Midtrans), ("Xendit", Method::Xendit), ("payments by hand", Method::Manual)]
    {
        host.spawn(name, follow_up(cashier.clone(), Lane(method), host.stop.clone()));
    }
}

/// Wires the service up.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn start(settings: Settings, host: Host) -> Result<(), Fatal> {
    let (common, stop) = (host.common.clone(), host.stop.clone());
    let joined = ["usage", "payments", "instructions"].map(|topic| host.health.needs(topic));
    indowater_common::kafka::watch(&host, &kafka::TOPICS);
    let database = indowater_common::mongo::open(&host).await?;
    let prefix = &common.kafka.topic_prefix;
    let publisher = indowater_common::kafka::publisher(&host, Pace::Prompt)?;
    let outlet = kafka::Outlet::new(publisher.clone(), prefix);

    // Tariffs: kept, and told to the world.
    let outbox = Outbox::open(&database, host.name).await?;
    let stored_tariffs = mongo::Tariffs::new(&database, outbox.clone(), announce(prefix));
    let tariffs = TariffDesk::new(stored_tariffs.clone());
    tariffs.begin_eventually().await;
    outbox.clone().relay(&host, publisher.clone());

    // Payments: made, and followed up at their gateway.
    let bills = mongo::Bills::new(&database);
    let payments = mongo::Payments::new(&database, outbox, tell(prefix));
    let cashier = Arc::new(Cashier {
        payments: payments.clone(),
        bills: bills.clone(),
        notifications: mongo::Notifications::new(&database),
        gateways: gateways(&settings)?,
        vouchers: grpc::Vouchers::at(&settings.voucher_url, host.credentials.as_ref())?,
        terms: settings.terms(),
        wanted: Wanted::default(),
    });
    cashier.adopt_eventually().await;
    follow_payments(&host, &cashier);

    // Bills of those who pay afterwards.
    let bills = BillDesk::new(bills);
    let lease = Lease::new(&database, host.name, "billing-bills", &host.instance, BILL_TERM);
    host.spawn("bills", bills.clone().issue_all(lease, settings.bill_hour, stop.clone()));

    // What people ask.
    let corrections = Corrections::new(mongo::CorrectionStore::new(&database), outlet.clone());
    let quarantine = Quarantine::new(quarantine::Store::new(&database, host.name));
    let lease = Lease::new(&database, host.name, "billing-upkeep", &host.instance, upkeep::TERM);
    let store = mongo::Store::new(database);
    let newest = Money {
        store: store.clone(),
        payments,
        tell: tell(prefix),
        tariffs: stored_tariffs,
        announce: announce(prefix),
        prefix: prefix.clone(),
    };
    upkeep::keep(&host, &publisher, lease, Money::topics(prefix), newest);
    let questions = Questions::new(store.clone(), tariffs.clone());
    let routes = grpc::routes(grpc::Answering { questions, corrections, tariffs, cashier, bills });
    let served = indowater_common::grpc::serve(host.grpc(), routes, host.health.clone(), stop.clone());
    host.spawn("gRPC", served);

    keep_ledger(&host, store, outlet, &settings, quarantine, joined);
    Ok(())
}

/// Usage and payments become instructions, by customer; instructions become postings.
fn keep_ledger(
    host: &Host,
    store: mongo::Store,
    outlet: kafka::Outlet,
    settings: &Settings,
    quarantine: Quarantine,
    [usage, payments, instructions]: [Dependency; 3],
) {
    let consumer = |topic: &Topic, group, flush, joined| {
        let topic = topic.name(&host.common.kafka.topic_prefix);
        let returned = Some(quarantine.returned(host, &topic));
        let (kafka, stop) = (host.common.kafka.clone(), host.stop.clone());
        Consume { kafka, topic, group, flush, returned, joined, stop }
    };
    let instructing: [(_, _, fn(_, _) -> _); 2] = [
        ("charging", consumer(&USAGE, "billing-charging", INSTRUCTING, usage), kafka::Instructing::of_usage),
        (
            "crediting",
            consumer(&PAYMENTS, "billing-crediting", INSTRUCTING, payments),
            kafka::Instructing::of_payments,
        ),
    ];
    for (part, consumer, instructing) in instructing {
        let (outlet, aside) = (outlet.clone(), quarantine.of(&consumer.topic));
        host.spawn(part, consume(consumer, move |_| instructing(outlet.clone(), aside())));
    }

    let flush =
        FlushPolicy { idle: settings.ledger_idle, age: settings.ledger_age, pending: settings.ledger_group };
    let consumer = consumer(&INSTRUCTIONS, "billing-ledger", flush, instructions);
    let (committer, committing) = Committer::new(store.clone());
    host.spawn("commits", committing.run());
    let shared =
        Arc::new(Shared { store, committer, outlet, months_in_memory: settings.ledger_months_in_memory });
    let aside = quarantine.of(&consumer.topic);
    let ledger = move |partition| kafka::Partition::new(shared.clone(), partition, aside());
    host.spawn("ledger", consume(consumer, ledger));
}
