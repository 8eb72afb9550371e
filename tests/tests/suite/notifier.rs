//! People are told once: facts become alerts, an inbox, and mail that arrives, whatever is killed and however the mail server is.

mod ladder;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use futures::TryStreamExt;
use indowater::mailbox::{Mailbox, Weather};
use indowater_proto::account::v1::{AccountRole, Customer};
use indowater_proto::anomaly::v1::{
    Anomaly, DeviceCondition, LeakEvent, LeakKind, LeakStatus, TamperingEvent, TamperingStatus,
    TamperingType, anomaly,
};
use indowater_proto::billing::v1::{Balance, Payment, PaymentStatus};
use indowater_proto::notify::v1::notify_service_client::NotifyServiceClient;
use indowater_proto::notify::v1::{
    AcknowledgeAlertRequest, Alert, AlertSeverity, AlertStatus, CountUnreadNotificationsRequest,
    GetPreferencesRequest, ListAlertsRequest, ListDeliveriesRequest, ListNotificationsRequest, Preferences,
    PutPreferencesRequest, ReadAllNotificationsRequest,
};
use indowater_proto::registry::v1::Device;
use indowater_proto::topics;
use indowater_tests::base::Base;
use indowater_tests::world::{CUSTOMER, World, eventually};
use prost::Message as _;
use tonic::transport::Channel;

pub use ladder::the_next_channel_is_tried_where_one_refuses;

const HASTY: [(&str, &str); 2] = [("INDOWATER_FLUSH_IDLE", "20"), ("INDOWATER_FLUSH_AGE", "100")];

/// Somebody who reads mail, in English, and is never asleep.
fn person(id: &str, role: AccountRole) -> Customer {
    Customer {
        id: id.to_owned(),
        name: "Budi Santoso".to_owned(),
        role: role.into(),
        is_active: true,
        email: format!("{id}@example.com"),
        language: "en".to_owned(),
        quiet_from: "00:00".to_owned(),
        quiet_to: "00:00".to_owned(),
        revision: 1,
        ..Customer::default()
    }
}

async fn introduce(world: &World, people: &[Customer]) -> Result<()> {
    let records: Vec<_> = people.iter().map(|one| (one.id.clone(), one.encode_to_vec())).collect();
    world.publish(&topics::CUSTOMERS, &records).await?;
    eventually("everybody is known", async || {
        let known = world.database.collection::<Document>("people").count_documents(doc! {}).await?;
        ensure!(known == people.len() as u64, "{known} are known");
        Ok(())
    })
    .await
}

/// A balance as the ledger tells it after its entry `sequence`.
fn balance(customer_id: &str, sequence: i64, amount: i64) -> (String, Vec<u8>) {
    let (balance, posted, updated_at) = (amount, amount, 1_795_000_000 + sequence);
    let customer_id = customer_id.to_owned();
    let of = Balance { customer_id, balance, sequence, updated_at, posted, accrued: 0 };
    (of.customer_id.clone(), of.encode_to_vec())
}

/// Balances of a customer, each as another entry of the ledger, from that number on.
async fn balances(world: &World, customer_id: &str, from: i64, amounts: &[i64]) -> Result<()> {
    let records: Vec<_> =
        (from..).zip(amounts).map(|(sequence, amount)| balance(customer_id, sequence, *amount)).collect();
    world.publish(&topics::BALANCES, &records).await
}

/// All of them have so much left.
async fn all_have(world: &World, people: &[Customer], sequence: i64, amount: i64) -> Result<()> {
    let records: Vec<_> = people.iter().map(|person| balance(&person.id, sequence, amount)).collect();
    world.publish(&topics::BALANCES, &records).await
}

async fn documents(world: &World, collection: &str, filter: Document) -> Result<Vec<Document>> {
    Ok(world.database.collection::<Document>(collection).find(filter).await?.try_collect().await?)
}

/// Waits until a group has committed all of a topic, so that what is not there does not come any more.
async fn settled(world: &World, topic: &'static topics::Topic, group: &str) -> Result<()> {
    eventually("all records are dealt with", async || {
        let left = world.uncommitted(topic, group).await?;
        ensure!(left == 0, "{left} records are not committed");
        Ok(())
    })
    .await
}

async fn client(url: &str) -> Result<NotifyServiceClient<Channel>> {
    Ok(NotifyServiceClient::connect(url.to_owned()).await?)
}

/// The newest record of each alert on its topic.
async fn told(world: &World) -> Result<BTreeMap<String, Alert>> {
    let mut newest = BTreeMap::<String, Alert>::new();
    for (_, _, value) in world.records(&topics::ALERTS).await? {
        let alert = Alert::decode(&*value)?;
        if newest.get(&alert.id).is_none_or(|known| known.revision < alert.revision) {
            newest.insert(alert.id.clone(), alert);
        }
    }
    Ok(newest)
}

/// A balance falls below its threshold: one alert, one entry in the inbox, one mail, although the server was busy at first; a
/// top-up closes it, and all of it is answered over gRPC.
pub async fn a_low_balance_is_told_once_and_closed_by_a_top_up(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "notifier-balance").await?;
    let mailbox = Mailbox::listen("127.0.0.1:0").await?;
    mailbox.set_weather(Weather::Busy);
    let smtp = mailbox.url();
    let notifier = world.start("notifier", &[HASTY[0], HASTY[1], ("INDOWATER_SMTP_URL", &smtp)]).await?;
    introduce(&world, &[person(CUSTOMER, AccountRole::Customer)]).await?;
    let mut asked = client(&notifier.url).await?;
    let preferences =
        asked.get_preferences(GetPreferencesRequest { customer_id: CUSTOMER.to_owned() }).await?;
    let preferences = preferences.into_inner().preferences.context("preferences")?;
    ensure!(preferences.threshold_balance == 50_000 && preferences.balance_alerts, "{preferences:?}");

    balances(&world, CUSTOMER, 1, &[80_000, 49_000, 47_500]).await?;
    balances(&world, CUSTOMER, 2, &[49_000, 47_500]).await?;
    eventually("the mail server was asked", async || {
        ensure!(mailbox.connections() > 0);
        Ok(())
    })
    .await?;
    mailbox.set_weather(Weather::Fine);
    eventually("the mail arrives", async || {
        ensure!(!mailbox.mails().is_empty());
        Ok(())
    })
    .await?;
    let list =
        |open_only| ListAlertsRequest { customer_id: CUSTOMER.to_owned(), open_only, ..Default::default() };
    let alerts = asked.list_alerts(list(true)).await?.into_inner().alerts;
    let [alert] = &alerts[..] else { anyhow::bail!("not one alert: {alerts:?}") };
    ensure!(alert.severity() == AlertSeverity::Medium && alert.status() == AlertStatus::Unread, "{alert:?}");
    ensure!(
        alert.title == "Your credit is running low" && alert.data.contains("\"balance_low\""),
        "{alert:?}"
    );
    let mail = &mailbox.mails()[0];
    ensure!(mail.to == format!("{CUSTOMER}@example.com"));
    ensure!(mail.header("Subject").as_deref() == Some("Your credit is running low"), "{}", mail.data);
    ensure!(mail.header("List-Unsubscribe").is_some() && mail.header("Message-ID").is_some());

    balances(&world, CUSTOMER, 4, &[120_000]).await?;
    eventually("a top-up closes it", async || {
        let told = told(&world).await?;
        ensure!(told.len() == 1 && told.values().all(|alert| !alert.closed_at.is_empty()), "{told:?}");
        Ok(())
    })
    .await?;
    settled(&world, &topics::BALANCES, "notifier-balances").await?;
    let inbox = ListNotificationsRequest { user_id: CUSTOMER.to_owned(), ..Default::default() };
    let inbox = asked.list_notifications(inbox).await?.into_inner().notifications;
    let titles: Vec<&str> = inbox.iter().map(|one| &*one.title).collect();
    ensure!(titles == ["Your credit is topped up", "Your credit is running low"], "{titles:?}");
    ensure!(mailbox.mails().len() == 1, "{:?}", mailbox.mails());

    wishes_hold(&world, &mut asked, preferences).await?;
    let user_id = || CUSTOMER.to_owned();
    let read = asked.read_all_notifications(ReadAllNotificationsRequest { user_id: user_id() }).await?;
    ensure!(read.into_inner().read == 3);
    let unread = CountUnreadNotificationsRequest { user_id: user_id() };
    ensure!(asked.count_unread_notifications(unread).await?.into_inner().unread == 0);
    Ok(())
}

/// What the customer wants holds from the next fact on, and is not overwritten by whoever read something older.
async fn wishes_hold(
    world: &World,
    asked: &mut NotifyServiceClient<Channel>,
    preferences: Preferences,
) -> Result<()> {
    let open = ListAlertsRequest { customer_id: CUSTOMER.to_owned(), open_only: true, ..Default::default() };
    let wanted = PutPreferencesRequest {
        preferences: Some(Preferences { threshold_balance: 150_000, ..preferences }),
        revision: Some(1),
    };
    asked.put_preferences(wanted.clone()).await?;
    let stale = asked.put_preferences(wanted).await.expect_err("it was read before");
    ensure!(stale.code() == tonic::Code::Aborted, "{stale:?}");
    balances(world, CUSTOMER, 5, &[119_000]).await?;
    eventually("another alert opens", async || {
        let open = asked.clone().list_alerts(open.clone()).await?.into_inner().alerts;
        ensure!(open.len() == 1);
        Ok(())
    })
    .await
}

/// Two instances, killed again and again while balances fall and are topped up, and a mail server that hangs up before it says
/// that it kept a mail: no customer is missed, nothing stands twice in an inbox, and what is mailed twice is recognised.
pub async fn kills_lose_nothing_and_double_nothing(base: Arc<Base>) -> Result<()> {
    const CUSTOMERS: usize = 40;
    let mut world = World::new(&base, "notifier-kills").await?;
    let mailbox = Mailbox::listen("127.0.0.1:0").await?;
    let smtp = mailbox.url();
    let env = [HASTY[0], HASTY[1], ("INDOWATER_SMTP_URL", &*smtp)];
    let mut instances = [world.start("notifier", &env).await?, world.start("notifier", &env).await?];
    let people: Vec<Customer> =
        (0..CUSTOMERS).map(|number| person(&format!("customer-{number}"), AccountRole::Customer)).collect();
    introduce(&world, &people).await?;
    mailbox.set_weather(Weather::HangsUp);
    for round in 0..8_i64 {
        let amount = [90_000, 70_000, 49_000, 30_000, 12_000, 3_000, -500, -2_000][usize::try_from(round)?];
        all_have(&world, &people, round + 1, amount).await?;
        let victim = &mut instances[usize::try_from(round % 2)?];
        victim.process.kill().await;
        victim.process.start_again()?;
        if round == 4 {
            mailbox.set_weather(Weather::Fine);
        }
    }
    eventually("everybody's balance is known to be empty", async || {
        let empty =
            documents(&world, "alerts", doc! { "data.what": "balance_empty", "closed_at": null }).await?;
        ensure!(empty.len() == CUSTOMERS, "{} of {CUSTOMERS}", empty.len());
        Ok(())
    })
    .await?;
    all_have(&world, &people, 9, 200_000).await?;
    instances[0].process.kill().await;
    instances[0].process.start_again()?;
    eventually("every alert is closed", async || {
        let open = documents(&world, "alerts", doc! { "closed_at": null }).await?;
        ensure!(open.is_empty(), "{} are open", open.len());
        Ok(())
    })
    .await?;
    settled(&world, &topics::BALANCES, "notifier-balances").await?;

    nobody_is_missed_and_nothing_is_doubled(&world, &people).await?;
    eventually("the topic says what the database says", async || {
        let told = told(&world).await?;
        ensure!(told.len() == CUSTOMERS && told.values().all(|alert| !alert.closed_at.is_empty()));
        Ok(())
    })
    .await?;
    // A mail that came twice is the same one: whoever got more than one of an id can tell.
    let ids: Vec<String> = mailbox.mails().iter().filter_map(|mail| mail.header("Message-ID")).collect();
    ensure!(ids.len() == mailbox.mails().len(), "each mail has an id");
    let distinct: BTreeSet<&String> = ids.iter().collect();
    let deliveries = documents(&world, "deliveries", doc! {}).await?.len();
    ensure!(distinct.len() <= deliveries, "{} mails of {deliveries} messages", distinct.len());
    Ok(())
}

async fn nobody_is_missed_and_nothing_is_doubled(world: &World, people: &[Customer]) -> Result<()> {
    ensure!(documents(world, "alerts", doc! {}).await?.len() == people.len(), "one alert for each customer");
    let mut seen = BTreeSet::new();
    for message in documents(world, "notifications", doc! {}).await? {
        let (reader, title) = (message.get_str("user_id")?.to_owned(), message.get_str("title")?.to_owned());
        ensure!(seen.insert((reader.clone(), title.clone())), "{title} twice for {reader}");
    }
    for person in people {
        for title in ["Your credit is used up", "Your credit is topped up"] {
            ensure!(seen.contains(&(person.id.clone(), title.to_owned())), "{} misses {title}", person.id);
        }
    }
    Ok(())
}

/// A burst is told at night and until acknowledged; tampering goes to those who work on it; a meter in maintenance is not
/// missed; an address that is none any more ends; garbage is set aside.
pub async fn each_fact_is_told_to_whom_it_concerns(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "notifier-facts").await?;
    let mailbox = Mailbox::listen("127.0.0.1:0").await?;
    let smtp = mailbox.url();
    let notifier = world.start("notifier", &[HASTY[0], HASTY[1], ("INDOWATER_SMTP_URL", &smtp)]).await?;
    let asleep = Customer {
        quiet_from: "00:00".to_owned(),
        quiet_to: "23:59".to_owned(),
        ..person(CUSTOMER, AccountRole::Customer)
    };
    let gone = person("customer-gone", AccountRole::Customer);
    introduce(&world, &[asleep, gone.clone(), person("technician-1", AccountRole::Technician)]).await?;
    let now = jiff::Timestamp::from_millisecond(bson::DateTime::now().timestamp_millis())?;

    let garbage = ("device-1|x".to_owned(), b"\xffgarbage".to_vec());
    let (found, seen) = (leak(now, 1, LeakStatus::Active), tampering(now));
    let anomalies = [garbage, found.clone(), seen.clone(), found, seen];
    world.publish(&topics::ANOMALIES, &anomalies).await?;
    eventually("both are mailed, at any hour", async || {
        let to: BTreeSet<String> = mailbox.mails().into_iter().map(|mail| mail.to).collect();
        ensure!(to == [CUSTOMER, "technician-1"].map(|id| format!("{id}@example.com")).into(), "{to:?}");
        Ok(())
    })
    .await?;
    let mut asked = client(&notifier.url).await?;
    let list = ListAlertsRequest { customer_id: CUSTOMER.to_owned(), ..Default::default() };
    let alerts = asked.list_alerts(list.clone()).await?.into_inner().alerts;
    let [alert] = &alerts[..] else { anyhow::bail!("not one alert: {alerts:?}") };
    ensure!(alert.severity() == AlertSeverity::Critical && alert.subject_id == "device-1", "{alert:?}");
    let of = |customer_id: &str| AcknowledgeAlertRequest {
        id: alert.id.clone(),
        customer_id: customer_id.to_owned(),
    };
    let foreign = asked.acknowledge_alert(of("somebody-else")).await.expect_err("it is not theirs");
    ensure!(foreign.code() == tonic::Code::NotFound, "{foreign:?}");
    asked.acknowledge_alert(of(CUSTOMER)).await?;
    world.publish(&topics::ANOMALIES, &[leak(now, 2, LeakStatus::Resolved)]).await?;
    eventually("the leak has ended", async || {
        let told = told(&world).await?;
        let alert = told.values().next().context("no alert")?;
        ensure!(alert.status() == AlertStatus::Acknowledged && !alert.closed_at.is_empty(), "{alert:?}");
        Ok(())
    })
    .await?;
    let aside = documents(&world, "quarantine_notifier", doc! {}).await?;
    ensure!(aside.len() == 1, "{aside:?}");

    silence(&world).await?;

    an_address_ends(&world, &mailbox, &gone, now).await?;
    let deliveries = ListDeliveriesRequest { user_id: gone.id, ..Default::default() };
    let deliveries = asked.list_deliveries(deliveries).await?.into_inner().deliveries;
    ensure!(deliveries.len() == 3, "{deliveries:?}");
    Ok(())
}

/// A burst, as the anomalies topic tells it.
fn leak(now: jiff::Timestamp, revision: i64, status: LeakStatus) -> (String, Vec<u8>) {
    let leak = LeakEvent {
        id: "leak-1".to_owned(),
        device_id: "device-1".to_owned(),
        customer_id: CUSTOMER.to_owned(),
        detected_at: now.to_string(),
        flow_rate: "31".to_owned(),
        estimated_loss: "1.9".to_owned(),
        status: status.into(),
        kind: LeakKind::Burst.into(),
        revision,
        ..LeakEvent::default()
    };
    let record = Anomaly { revision, event: Some(anomaly::Event::Leak(leak)), ..Anomaly::default() };
    ("device-1|leak-1".to_owned(), record.encode_to_vec())
}

/// A magnet, as the anomalies topic tells it.
fn tampering(now: jiff::Timestamp) -> (String, Vec<u8>) {
    let tampering = TamperingEvent {
        id: "tampering-1".to_owned(),
        device_id: "device-1".to_owned(),
        customer_id: CUSTOMER.to_owned(),
        detected_at: now.to_string(),
        tampering_type: TamperingType::Magnetic.into(),
        status: TamperingStatus::Active.into(),
        revision: 1,
        ..TamperingEvent::default()
    };
    let record = Anomaly { event: Some(anomaly::Event::Tampering(tampering)), ..Anomaly::default() };
    ("device-1|tampering-1".to_owned(), record.encode_to_vec())
}

/// The address is none any more: it ends, and nothing is tried there again until its owner changes it.
async fn an_address_ends(
    world: &World,
    mailbox: &Mailbox,
    gone: &Customer,
    now: jiff::Timestamp,
) -> Result<()> {
    mailbox.set_weather(Weather::Unknown);
    let paid = Payment {
        id: "pay-1".to_owned(),
        customer_id: gone.id.clone(),
        status: PaymentStatus::Paid.into(),
        amount: 50_000,
        credited_amount: 50_000,
        updated_at: now.as_second(),
        ..Payment::default()
    };
    let of = |payment: Payment| (format!("{}|{}", payment.customer_id, payment.id), payment.encode_to_vec());
    world.publish(&topics::PAYMENTS, &[of(paid.clone()), of(paid.clone())]).await?;
    let wanted = |id: &str| doc! { "user_id": &gone.id, "content.payment_id": id };
    let ended = async |id: &str, state: &str| {
        eventually("the message ends its way", async || {
            let all = documents(world, "deliveries", wanted(id)).await?;
            ensure!(all.len() == 1 && all[0].get_str("state")? == state, "{all:?}");
            Ok(())
        })
        .await
    };
    ended("pay-1", "dead").await?;
    let connections = mailbox.connections();
    world.publish(&topics::PAYMENTS, &[of(Payment { id: "pay-2".to_owned(), ..paid.clone() })]).await?;
    ended("pay-2", "unreachable").await?;
    ensure!(mailbox.connections() == connections, "nothing is tried at an address that ended");
    mailbox.set_weather(Weather::Fine);
    let moved = Customer { email: "new@example.com".to_owned(), revision: 2, ..gone.clone() };
    world.publish(&topics::CUSTOMERS, &[(moved.id.clone(), moved.encode_to_vec())]).await?;
    settled(world, &topics::CUSTOMERS, "notifier-customers").await?;
    world.publish(&topics::PAYMENTS, &[of(Payment { id: "pay-3".to_owned(), ..paid })]).await?;
    ended("pay-3", "sent").await?;
    eventually("the new address is used", async || {
        ensure!(mailbox.mails().iter().any(|mail| mail.to == "new@example.com"));
        Ok(())
    })
    .await
}

/// A meter in maintenance is silent and nobody is told; once it is in use again, its owner is.
async fn silence(world: &World) -> Result<()> {
    let condition = DeviceCondition {
        device_id: "device-1".to_owned(),
        customer_id: CUSTOMER.to_owned(),
        is_offline: true,
        last_seen_at: 1_795_000_000,
        revision: 1,
        ..DeviceCondition::default()
    };
    let registered = |status: &str, version| {
        let device = Device {
            id: "device-1".to_owned(),
            customer_id: CUSTOMER.to_owned(),
            status: status.to_owned(),
            location: "Halaman depan".to_owned(),
            version,
            ..Device::default()
        };
        [("device-1".to_owned(), device.encode_to_vec())]
    };
    let silent = async || documents(world, "alerts", doc! { "type": "device_offline" }).await;
    world.publish(&topics::DEVICES, &registered("maintenance", 1)).await?;
    settled(world, &topics::DEVICES, "notifier-devices").await?;
    world.publish(&topics::DEVICE_CONDITION, &[("device-1".to_owned(), condition.encode_to_vec())]).await?;
    settled(world, &topics::DEVICE_CONDITION, "notifier-condition").await?;
    ensure!(silent().await?.is_empty(), "it is in maintenance");
    world.publish(&topics::DEVICES, &registered("active", 2)).await?;
    eventually("its silence is told", async || {
        let alerts = silent().await?;
        ensure!(alerts.len() == 1 && alerts[0].get_str("message")?.contains("Halaman depan"), "{alerts:?}");
        Ok(())
    })
    .await
}
