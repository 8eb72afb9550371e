//! Schemas to domain and back, for the topics and for gRPC alike.

use indowater_common::domain::zone::{Day, Zone};
use indowater_common::mongo::outbox::Row;
use indowater_common::wire::decimal;
use indowater_proto::account::v1::{AccountRole, Customer};
use indowater_proto::anomaly::v1::{
    Anomaly, DeviceCondition, LeakEvent, LeakKind, LeakStatus, TamperingEvent, TamperingStatus,
    TamperingType, anomaly,
};
use indowater_proto::billing::v1::{self as billing, Payment, PaymentStatus};
use indowater_proto::notify::v1 as pb;
use indowater_proto::registry::v1::Device;
use indowater_proto::topics;
use indowater_proto::usage::v1::{DailyUsage, UsageQuality};
use jiff::Timestamp;
use prost::Message;
use rust_decimal::Decimal;

use crate::app::desk::{Item, To, Word};
use crate::domain::alert::{Alert, Status};
use crate::domain::balance::Balance;
use crate::domain::content::{Content, Tampering};
use crate::domain::kinds::{AlertType, Severity};
use crate::domain::leak::{Leak, Manner};
use crate::domain::person::{Language, Person, QuietHours, Role};
use crate::domain::usage::UsageDay;
use crate::domain::watch::{News, Subject};
use crate::mongo::Announce;

/// What alerts say they come from.
pub const SOURCE: &str = "/indowater/notifier";

/// What a record says, if it says anything to anybody; or why it makes no sense.
pub type Understood = Result<Option<Item>, String>;

fn message<T: Message + Default>(value: &[u8]) -> Result<T, String> {
    T::decode(value).map_err(|error| error.to_string())
}

fn news(alert: AlertType, id: String, customer_id: String, news: News) -> Option<Item> {
    // What belongs to nobody is told to nobody.
    let subject = Subject { alert, id };
    (!customer_id.is_empty()).then_some(Item::News { subject, customer_id, news })
}

fn required(id: String, field: &str) -> Result<String, String> {
    if id.is_empty() { Err(format!("{field} is missing")) } else { Ok(id) }
}

fn at(text: &str, field: &str) -> Result<i64, String> {
    let moment: Timestamp = text.parse().map_err(|_| format!("{field}: {text:?} is no time"))?;
    Ok(moment.as_second())
}

/// A decimal times `factor`, rounded to a whole number.
fn whole(text: &str, factor: i64, field: &str) -> Result<i64, String> {
    let value = if text.is_empty() { Decimal::ZERO } else { decimal(field, text)? };
    let scaled = value.checked_mul(factor.into()).map(|scaled| scaled.round());
    scaled.and_then(|scaled| scaled.try_into().ok()).ok_or_else(|| format!("{field}: {text} is too large"))
}

/// A record of the anomalies topic.
///
/// # Errors
/// What does not make sense in it; so for all that follow.
pub fn anomaly(value: &[u8]) -> Understood {
    match message::<Anomaly>(value)?.event {
        Some(anomaly::Event::Leak(event)) => leak(event),
        Some(anomaly::Event::Tampering(event)) => tampering(event),
        None => Err("it has no event".to_owned()),
    }
}

fn leak(event: LeakEvent) -> Understood {
    const MINUTES: i64 = 60;
    const MILLILITRES: i64 = 1_000;
    let is_void = event.withdrawn || event.status() == LeakStatus::FalsePositive;
    let manner = match event.kind() {
        LeakKind::Drip => Manner::Drip,
        LeakKind::Cyclic => Manner::Cyclic,
        LeakKind::Pausing => Manner::Pausing,
        LeakKind::Constant | LeakKind::Unspecified => Manner::Constant,
        LeakKind::WhileAway => Manner::WhileAway,
        LeakKind::Growing => Manner::Growing,
        LeakKind::Burst => Manner::Burst,
    };
    let detected = at(&event.detected_at, "detected_at")?;
    let or_detected = |text: &str, field| if text.is_empty() { Ok(detected) } else { at(text, field) };
    let leak = Leak {
        revision: event.revision,
        customer_id: event.customer_id.clone(),
        is_active: event.status() == LeakStatus::Active && !event.withdrawn,
        is_void,
        manner,
        rate: whole(&event.flow_rate, MINUTES * MILLILITRES, "flow_rate")?,
        since: or_detected(&event.since, "since")?,
        until: or_detected(&event.until, "until")?,
        lost: whole(&event.estimated_loss, 1_000 * MILLILITRES, "estimated_loss")?,
        cost: event.estimated_loss_rupiah,
        id: required(event.id, "id")?,
    };
    let device_id = required(event.device_id, "device_id")?;
    Ok(news(AlertType::LeakDetected, device_id, event.customer_id, News::Leak(leak)))
}

/// Staff hear of a new event; what becomes of it they see where they work on it.
fn tampering(event: TamperingEvent) -> Understood {
    let kind = match event.tampering_type() {
        TamperingType::Magnetic => Tampering::Magnetic,
        TamperingType::Physical => Tampering::Physical,
        TamperingType::Bypass => Tampering::Bypass,
        TamperingType::Unspecified => return Err("tampering_type is missing".to_owned()),
    };
    let detected = at(&event.detected_at, "detected_at")?;
    if event.status() != TamperingStatus::Active {
        return Ok(None);
    }
    let event_id = required(event.id, "id")?;
    Ok(Some(Item::Word(Word {
        id: format!("tampering_seen.{event_id}"),
        to: To::Staff,
        content: Content::TamperingSeen {
            device_id: required(event.device_id, "device_id")?,
            event_id,
            tampering: kind,
            day: Zone::named("Asia/Jakarta").unwrap_or(Zone::utc()).day_of(detected).0,
        },
        at: detected,
    })))
}

/// A record of the device condition topic.
pub fn condition(value: &[u8]) -> Understood {
    let DeviceCondition { device_id, customer_id, is_offline, last_seen_at, revision, .. } = message(value)?;
    let condition = News::Condition { is_offline, last_seen: last_seen_at, revision };
    Ok(news(AlertType::DeviceOffline, required(device_id, "device_id")?, customer_id, condition))
}

/// A record of the registry of devices.
pub fn device(value: &[u8]) -> Understood {
    let Device { id, customer_id, status, location, version, .. } = message(value)?;
    let registered = News::Registered { is_excused: status != "active", location, version };
    Ok(news(AlertType::DeviceOffline, required(id, "id")?, customer_id, registered))
}

/// A record of the balances topic.
pub fn balance(value: &[u8]) -> Understood {
    let billing::Balance { customer_id, balance, sequence, updated_at, .. } = message(value)?;
    let id = required(customer_id, "customer_id")?;
    let balance = News::Balance(Balance { amount: balance, sequence, at: updated_at });
    Ok(news(AlertType::LowBalance, id.clone(), id, balance))
}

/// A record of the usage topic.
pub fn usage(value: &[u8]) -> Understood {
    let usage: DailyUsage = message(value)?;
    let date = Day::parse(&usage.date).ok_or_else(|| format!("date: {:?} is no date", usage.date))?;
    let day = News::Day(UsageDay {
        day: date.0,
        volume: usage.volume_ml,
        cost: whole(&usage.cost, 1_000, "cost")?,
        is_complete: usage.complete,
        is_estimated: usage.quality() == UsageQuality::Estimated,
        revision: usage.revision,
    });
    Ok(news(AlertType::HighUsage, required(usage.device_id, "device_id")?, usage.customer_id, day))
}

/// A record of the payments topic.
pub fn payment(value: &[u8]) -> Understood {
    let payment: Payment = message(value)?;
    let (payment_id, customer_id) =
        (required(payment.id.clone(), "id")?, required(payment.customer_id.clone(), "customer_id")?);
    let content = match payment.status() {
        PaymentStatus::Unspecified | PaymentStatus::Pending => return Ok(None),
        PaymentStatus::Paid => Content::PaymentReceived { payment_id, amount: payment.credited_amount },
        PaymentStatus::Failed | PaymentStatus::Expired => {
            Content::PaymentRefused { payment_id, amount: payment.amount - payment.discount_amount }
        }
        PaymentStatus::Refunded => Content::PaymentReturned { payment_id, amount: payment.refunded_amount },
        // What the voucher added was never the customer's.
        PaymentStatus::Reversed => {
            let paid = payment.amount - payment.discount_amount;
            Content::PaymentReturned { payment_id, amount: paid.max(payment.refunded_amount) }
        }
    };
    Ok(Some(Item::Word(Word {
        id: format!("{}.{}", content.kind().name(), payment.id),
        to: To::Customer(customer_id),
        content,
        at: payment.updated_at,
    })))
}

/// A record of the customers topic.
pub fn customer(value: &[u8]) -> Understood {
    let customer: Customer = message(value)?;
    let role = match customer.role() {
        AccountRole::Customer => Role::Customer,
        AccountRole::Technician => Role::Technician,
        AccountRole::Admin => Role::Admin,
        AccountRole::Unspecified => return Err("role is missing".to_owned()),
    };
    let unknown = Person::unknown(&customer.id);
    let zone = match &*customer.time_zone {
        "" => unknown.zone,
        name => Zone::named(name).ok_or_else(|| format!("time_zone: {name:?} is none"))?,
    };
    let quiet = match (&*customer.quiet_from, &*customer.quiet_to) {
        ("", "") => unknown.quiet,
        (from, to) => QuietHours::parse(from, to)
            .ok_or_else(|| format!("quiet_from, quiet_to: {from:?} and {to:?} are no times"))?,
    };
    let address = |text: String| (!text.is_empty()).then_some(text);
    let opted_in = customer.whatsapp_opted_in_at > 0;
    Ok(Some(Item::Person(Person {
        id: required(customer.id, "id")?,
        name: customer.name,
        role,
        is_active: customer.is_active,
        email: address(customer.email),
        whatsapp: address(customer.whatsapp).filter(|_| opted_in),
        wants_push: customer.wants_push,
        language: Language::of(&customer.language),
        zone,
        quiet,
        revision: customer.revision,
    })))
}

/// An optional moment, as messages have it.
pub fn optional(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.to_string())
}

/// An alert as it is published and answered.
pub fn alert(alert: &Alert) -> pb::Alert {
    pb::Alert {
        id: alert.id.clone(),
        customer_id: alert.customer_id.clone(),
        r#type: alert_type(alert.alert).into(),
        severity: severity(alert.severity).into(),
        title: alert.text.title.clone(),
        message: alert.text.message.clone(),
        data: alert
            .content
            .as_ref()
            .and_then(|content| serde_json::to_string(content).ok())
            .unwrap_or_default(),
        status: match alert.status {
            Status::Unread => pb::AlertStatus::Unread,
            Status::Read => pb::AlertStatus::Read,
            Status::Acknowledged => pb::AlertStatus::Acknowledged,
        }
        .into(),
        created_at: alert.created_at.to_string(),
        read_at: optional(alert.read_at),
        acknowledged_at: optional(alert.acknowledged_at),
        closed_at: optional(alert.closed_at),
        subject_id: alert.subject_id.clone(),
        not_helpful_at: optional(alert.not_helpful_at),
        revision: alert.revision,
    }
}

/// A type of alert.
pub const fn alert_type(alert: AlertType) -> pb::AlertType {
    match alert {
        AlertType::LeakDetected => pb::AlertType::LeakDetected,
        AlertType::LowBalance => pb::AlertType::LowBalance,
        AlertType::HighUsage => pb::AlertType::HighUsage,
        AlertType::DeviceOffline => pb::AlertType::DeviceOffline,
    }
}

/// A severity.
pub const fn severity(severity: Severity) -> pb::AlertSeverity {
    match severity {
        Severity::Low => pb::AlertSeverity::Low,
        Severity::Medium => pb::AlertSeverity::Medium,
        Severity::High => pb::AlertSeverity::High,
        Severity::Critical => pb::AlertSeverity::Critical,
    }
}

/// How alerts are told: under `prefix`, each as its revision.
pub fn announce(prefix: &str) -> Announce {
    let topic = topics::ALERTS.name(prefix);
    std::sync::Arc::new(move |of: &Alert| {
        let changes = [Some(of.created_at), of.read_at, of.acknowledged_at, of.closed_at, of.not_helpful_at];
        Row {
            topic: topic.clone(),
            key: format!("{}|{}", of.customer_id, of.id),
            value: alert(of).encode_to_vec(),
            event_id: format!("{}@{}", of.id, of.revision),
            source: SOURCE.to_owned(),
            kind: topics::ALERTS.message.to_owned(),
            time: changes.into_iter().flatten().max().unwrap_or(of.created_at).as_second(),
            traceparent: None,
        }
    })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
