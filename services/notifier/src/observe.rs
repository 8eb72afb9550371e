//! What is worth knowing, one function per event: the log line and the metric together. No text and no address of anybody is
//! logged.

use std::fmt::Display;
use std::sync::LazyLock;

use indowater_common::telemetry::counter;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use crate::domain::delivery::{Delivery, State};
use crate::domain::ladder::{Channel, Outcome};
use crate::domain::request::Deed;
use crate::mongo::Changes;

struct Instruments {
    alerts: Counter<u64>,
    over_budget: Counter<u64>,
    closed: Counter<u64>,
    deeds: Counter<u64>,
    messages: Counter<u64>,
    tries: Counter<u64>,
    settled: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| Instruments {
    alerts: counter("indowater_alerts_opened", "Alerts opened, by type and severity"),
    over_budget: counter("indowater_alerts_over_budget", "Alerts opened beyond their budget, by type"),
    closed: counter("indowater_alerts_closed", "Alerts closed, by type"),
    deeds: counter("indowater_alert_deeds", "What people did with alerts"),
    messages: counter("indowater_messages", "Messages made, by kind"),
    tries: counter("indowater_delivery_tries", "Tries to send, by channel and outcome"),
    settled: counter("indowater_deliveries", "Messages that ended their way, by how"),
});

fn label(key: &'static str, value: &'static str) -> KeyValue {
    KeyValue::new(key, value)
}

/// What follows from facts is durable.
pub fn committed(changes: &Changes) {
    for alert in &changes.opened {
        let kind = label("type", alert.alert.name());
        INSTRUMENTS.alerts.add(1, &[kind.clone(), label("severity", alert.severity.name())]);
        if alert.is_over_budget {
            INSTRUMENTS.over_budget.add(1, &[kind]);
        }
        let (id, subject, severity) = (&alert.id, &alert.subject_id, alert.severity.name());
        tracing::info!(alert = id, r#type = alert.alert.name(), subject, severity, "an alert opened");
    }
    for alert in changes.changed.iter().filter(|alert| alert.closed_at.is_some()) {
        INSTRUMENTS.closed.add(1, &[label("type", alert.alert.name())]);
        tracing::info!(alert = alert.id, r#type = alert.alert.name(), "an alert closed");
    }
    for notice in &changes.notices {
        INSTRUMENTS.messages.add(1, &[label("kind", notice.content.kind().name())]);
    }
}

/// Somebody did something with an alert.
pub fn dealt_with(deed: Deed) {
    let deed = match deed {
        Deed::Read => "read",
        Deed::Acknowledge => "acknowledged",
        Deed::NotHelpful => "not_helpful",
    };
    INSTRUMENTS.deeds.add(1, &[label("deed", deed)]);
}

/// Messages were tried on a channel, as one.
pub fn tried(channel: Channel, outcome: &Outcome, messages: usize) {
    let came = match outcome {
        Outcome::Sent(_) => "sent",
        Outcome::Failed(_) => "failed",
        Outcome::Refused(_) => "refused",
        Outcome::Ended(_) => "ended",
    };
    INSTRUMENTS.tries.add(1, &[label("channel", channel.name()), label("outcome", came)]);
    tracing::debug!(channel = channel.name(), outcome = came, messages, "a message was tried");
}

/// What became of a message is written down.
pub fn settled(delivery: &Delivery) {
    if delivery.state == State::Waiting {
        return;
    }
    INSTRUMENTS.settled.add(1, &[label("state", delivery.state.name())]);
    if delivery.state == State::Dead {
        tracing::warn!(
            delivery = delivery.id,
            kind = delivery.content.kind().name(),
            "every channel was tried in vain"
        );
    }
}

/// Messages cannot be dealt with now.
pub fn post_waits(error: &dyn Display) {
    tracing::warn!(%error, "messages wait");
}
