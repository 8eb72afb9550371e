//! What is worth knowing of a running billing: one function for each event, the log line and the metric together.

use std::fmt::Display;
use std::sync::LazyLock;
use std::time::Duration;

use indowater_common::telemetry;
use jiff::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

use crate::domain::bill::Bill;
use crate::domain::transaction::{Attention, Transaction};
use crate::gateway::GatewayError;

struct Instruments {
    entries: Counter<u64>,
    commit: Histogram<f64>,
    repeated: Counter<u64>,
    forgotten: Counter<u64>,
    payments: Counter<u64>,
    notifications: Counter<u64>,
    gateway_failures: Counter<u64>,
    gateway_trouble: Counter<u64>,
    attention: Counter<u64>,
    turn_delay: Histogram<f64>,
    bills: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| Instruments {
    entries: telemetry::counter("indowater_ledger_entries", "Entries posted"),
    commit: telemetry::durations(
        "indowater_ledger_commit_duration",
        "One transaction of the ledger: entries, balances and months of a partition",
    ),
    repeated: telemetry::counter(
        "indowater_ledger_repeated",
        "Movements that were told again and posted once",
    ),
    forgotten: telemetry::counter(
        "indowater_ledger_months_forgotten",
        "Months that were let go of to keep memory bounded: many mean that months are loaded again and again",
    ),
    payments: telemetry::counter(
        "indowater_payments",
        "Payments that came into a status, by method and status; `pending` counts new ones",
    ),
    notifications: telemetry::counter(
        "indowater_payment_notifications",
        "Notifications of gateways, by gateway and verdict: many `forged` are an attack or a wrong key",
    ),
    gateway_failures: telemetry::counter(
        "indowater_gateway_failures",
        "Calls to gateways that did not do what was asked, by gateway",
    ),
    gateway_trouble: telemetry::counter(
        "indowater_gateway_trouble",
        "Answers of gateways that a person has to mend, by gateway and kind (`locked`, `not_understood`): not zero is an alarm",
    ),
    attention: telemetry::counter(
        "indowater_payment_attention",
        "Payments that a person should look at, by reason, each time that one comes to need it",
    ),
    turn_delay: telemetry::durations(
        "indowater_payment_follow_up_delay",
        "How late payments are followed up: rising is falling behind",
    ),
    bills: telemetry::counter("indowater_bills", "Bills issued"),
});

/// Entries are durable.
pub fn posted(entries: usize, took: Duration) {
    INSTRUMENTS.entries.add(entries as u64, &[]);
    INSTRUMENTS.commit.record(took.as_secs_f64(), &[]);
}

/// A movement was told again.
pub fn repeated(id: &str) {
    INSTRUMENTS.repeated.add(1, &[]);
    tracing::debug!(id, "a movement was told again");
}

/// Months were let go of: there were too many to keep.
pub fn forgotten(months: usize) {
    INSTRUMENTS.forgotten.add(months as u64, &[]);
}

/// Another instance wrote the same partition: normal around a rebalance, a fault if it lasts.
pub fn fenced(partition: i32) {
    tracing::info!(partition, "another instance wrote this partition of the ledger; it is read again");
}

/// Movements of a batch are in the ledger already: normal after a crash.
pub fn posted_before(partition: i32) {
    tracing::info!(partition, "movements come again that are in the ledger; they are looked up");
}

/// Partitions could not be written in one transaction: normal around a rebalance, a fault if it lasts.
pub fn not_together(partitions: usize, why: &impl Display) {
    tracing::info!(partitions, %why, "partitions are written one by one");
}

/// The first tariffs could not be stored yet.
pub fn tariffs_wait(why: &impl Display) {
    tracing::warn!(%why, "the tariffs that the platform comes with are not stored yet");
}

/// A class has a new tariff.
pub fn tariff_set(class: &str, revision: i64, set_by: &str) {
    tracing::info!(class, revision, set_by, "a tariff was set");
}

/// A document of `payment_transactions` is neither ours nor as the data model has them.
pub fn payment_unreadable(why: &impl Display) {
    tracing::error!(%why, "a payment cannot be read and is left out; mend its document");
}

/// An entry of the ledger is not as this service writes it.
pub fn entry_unreadable(why: &impl Display) {
    tracing::error!(%why, "an entry cannot be told, and nothing is posted for its customer; mend its document");
}

/// Payments of another system are followed up from now on.
pub fn payments_adopted(many: usize) {
    tracing::info!(many, "payments of another system wait for their customers, and are followed up");
}

/// Somebody wants to pay.
pub fn payment_made(transaction: &Transaction) {
    in_status(transaction);
    tracing::info!(
        payment = transaction.payment.id(),
        customer = transaction.customer_id,
        method = transaction.method.name(),
        rupiah = transaction.payment.amount().get(),
        status = transaction.payment.status().name(),
        "a payment was made"
    );
}

/// A payment changed.
pub fn payment_changed(from: &Transaction, to: &Transaction) {
    let (before, after) = (from.payment.status(), to.payment.status());
    if before != after {
        in_status(to);
        tracing::info!(
            payment = to.payment.id(),
            from = before.name(),
            to = after.name(),
            balance = to.payment.balance().get(),
            "a payment changed"
        );
    }
    let before = from.attention();
    for Attention { reason, amount, text } in to.attention() {
        if before.iter().any(|known| known.reason == reason && known.amount == amount) {
            continue;
        }
        INSTRUMENTS.attention.add(1, &[KeyValue::new("reason", reason)]);
        let (payment, rupiah) = (to.payment.id(), amount.get());
        tracing::warn!(payment, reason, rupiah, text, "a person should look at a payment");
    }
}

fn in_status(transaction: &Transaction) {
    let method = KeyValue::new("method", transaction.method.name());
    INSTRUMENTS.payments.add(1, &[method, KeyValue::new("status", transaction.payment.status().name())]);
}

/// A gateway sent something. Its content is a stranger's until the gateway was asked.
pub fn notified(gateway: &'static str, verdict: &'static str, payment: Option<&str>, says: &str) {
    let labels = [KeyValue::new("gateway", gateway), KeyValue::new("verdict", verdict)];
    INSTRUMENTS.notifications.add(1, &labels);
    tracing::info!(gateway, verdict, payment, says, "a gateway sent a notification");
}

/// A gateway did not do what it was asked.
pub fn gateway_failed(gateway: &'static str, error: &GatewayError) {
    let label = KeyValue::new("gateway", gateway);
    INSTRUMENTS.gateway_failures.add(1, std::slice::from_ref(&label));
    let (kind, what_to_do) = match error {
        GatewayError::Locked { .. } => (
            "locked",
            "payments wait and nothing is lost: check the key and the address of the gateway in billing's settings, and the \
             account there; the same requests go on afterwards",
        ),
        GatewayError::NotUnderstood(_) => (
            "not_understood",
            "the payment is kept and noted: look the order up at the gateway, and whether its API has changed",
        ),
        _ => {
            tracing::warn!(gateway, %error, "a gateway did not do what it was asked");
            return;
        }
    };
    INSTRUMENTS.gateway_trouble.add(1, &[label, KeyValue::new("kind", kind)]);
    tracing::error!(gateway, %error, what_to_do, "a gateway's answer needs a person");
}

/// A payment is followed up.
pub fn turn_came(due: Timestamp, now: Timestamp) {
    INSTRUMENTS.turn_delay.record(now.duration_since(due).as_secs_f64().max(0.0), &[]);
}

/// A payment could not be followed up to the end; it is tried again.
pub fn payment_waits(id: &str, why: &impl Display) {
    tracing::warn!(payment = id, %why, "a payment could not be followed up; it is tried again");
}

/// Payments could not be looked for.
pub fn follow_up_waits(why: &impl Display) {
    tracing::warn!(%why, "payments are not followed up: the database does not answer");
}

/// The voucher of a payment cannot be redeemed or released, and never will.
pub fn voucher_lost(payment: &str, why: &impl Display) {
    tracing::warn!(payment, %why, "the voucher service does not know the voucher of a payment as it was reserved");
}

/// A bill was made.
pub fn bill_issued(bill: &Bill) {
    INSTRUMENTS.bills.add(1, &[]);
    tracing::info!(id = bill.id(), rupiah = bill.amount(), "a bill was issued");
}

/// More was paid of a bill than was to be paid; it stays on the balance.
pub fn bill_overpaid(bill: &Bill) {
    tracing::warn!(id = bill.id(), surplus = bill.surplus(), "more was paid than a bill asks for");
}

/// Bills could not be made.
pub fn bills_wait(why: &impl Display) {
    tracing::warn!(%why, "bills are not issued: the database does not answer");
}

/// How a customer pays was set.
pub fn account_set(customer_id: &str, mode: &str, set_by: &str) {
    tracing::info!(customer_id, mode, set_by, "how a customer pays was set");
}
