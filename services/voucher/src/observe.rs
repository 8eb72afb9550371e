//! What is worth knowing of a running voucher service: one function for each event, the log line and the metric
//! together. Addresses of customers are never logged.

use std::fmt::Display;
use std::sync::LazyLock;
use std::time::Duration;

use indowater_common::telemetry;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

use crate::domain::redemption::{Reservation, Usage};
use crate::domain::refusal::Refused;
use crate::domain::voucher::Voucher;

struct Instruments {
    changes: Counter<u64>,
    reservations: Counter<u64>,
    refusals: Counter<u64>,
    redemptions: Counter<u64>,
    discounts: Counter<u64>,
    lapses: Counter<u64>,
    releases: Counter<u64>,
    sweep_failures: Counter<u64>,
    steps: Histogram<f64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| Instruments {
    changes: telemetry::counter("indowater_voucher_changes", "Vouchers created, deactivated and expired"),
    reservations: telemetry::counter("indowater_voucher_reservations", "Places reserved for payments"),
    refusals: telemetry::counter("indowater_voucher_refusals", "Reservations refused, by reason"),
    redemptions: telemetry::counter("indowater_voucher_redemptions", "Vouchers redeemed"),
    discounts: telemetry::counter("indowater_voucher_discounts_rupiah", "Discounts redeemed, in rupiah"),
    lapses: telemetry::counter(
        "indowater_voucher_lapses",
        "Payments that settled after their place was given back, when there was none left",
    ),
    releases: telemetry::counter("indowater_voucher_releases", "Places given back, by what ended them"),
    sweep_failures: telemetry::counter(
        "indowater_voucher_sweep_failures",
        "Sweeps, and places within one, that could not be done",
    ),
    steps: telemetry::durations(
        "indowater_voucher_step_duration",
        "Reserving, committing or releasing a place, the wait for its turn included",
    ),
});

fn changed(to: &'static str, count: u64) {
    INSTRUMENTS.changes.add(count, &[KeyValue::new("to", to)]);
}

/// There is a new voucher.
pub fn voucher_created(voucher: &Voucher) {
    changed("active", 1);
    let Voucher { id, code, created_by, .. } = voucher;
    tracing::info!(voucher = id, code, by = created_by, "a voucher was created");
}

/// A voucher was taken out of use.
pub fn voucher_deactivated(voucher: &Voucher) {
    changed("inactive", 1);
    tracing::info!(voucher = voucher.id, code = voucher.code, "a voucher was deactivated");
}

/// The time of so many vouchers is over.
pub fn expired(vouchers: u64) {
    if vouchers > 0 {
        changed("expired", vouchers);
        tracing::info!(vouchers, "the time of vouchers is over");
    }
}

/// A step of a payment was decided or failed.
pub fn step_took(step: &'static str, took: Duration) {
    INSTRUMENTS.steps.record(took.as_secs_f64(), &[KeyValue::new("step", step)]);
}

/// A payment holds a place.
pub fn reserved(reservation: &Reservation) {
    INSTRUMENTS.reservations.add(1, &[]);
    let (payment, voucher) = (&reservation.purchase.payment_id, &reservation.voucher_id);
    tracing::debug!(payment, voucher, until = %reservation.expires_at, "a place is reserved");
}

/// A payment was refused a place.
pub fn refused(refused: &Refused) {
    INSTRUMENTS.refusals.add(1, &[KeyValue::new("reason", refused.reason.name())]);
    tracing::debug!(reason = refused.reason.name(), detail = refused.detail, "a voucher does not hold");
}

/// A voucher was redeemed.
pub fn redeemed(usage: &Usage) {
    INSTRUMENTS.redemptions.add(1, &[]);
    INSTRUMENTS.discounts.add(usage.discount.get().unsigned_abs(), &[]);
    let payment = usage.transaction_id.as_deref();
    tracing::info!(
        payment,
        voucher = usage.voucher_id,
        discount = usage.discount.get(),
        "a voucher was redeemed"
    );
}

/// A payment settled too late, and there was no place left.
pub fn lapsed(payment_id: &str) {
    INSTRUMENTS.lapses.add(1, &[]);
    tracing::warn!(
        payment = payment_id,
        "a payment settled after its place was given back, and none was left"
    );
}

/// What ended a reservation.
#[derive(Clone, Copy, Debug)]
pub enum ReleasedBy {
    /// Its payment failed or expired.
    Payment,
    /// Its time was up.
    Time,
}

/// Places were given back.
pub fn released(places: u64, by: ReleasedBy) {
    if places == 0 {
        return;
    }
    let by = match by {
        ReleasedBy::Payment => "payment",
        ReleasedBy::Time => "time",
    };
    INSTRUMENTS.releases.add(places, &[KeyValue::new("by", by)]);
    tracing::debug!(places, by, "places were given back");
}

/// A sweep did not end, or left something out; the next one tries again.
pub fn sweep_failed(error: &dyn Display) {
    INSTRUMENTS.sweep_failures.add(1, &[]);
    tracing::warn!(%error, "a sweep could not do all");
}

/// The database holds a voucher that we cannot read.
pub fn document_unreadable(error: &dyn Display) {
    tracing::error!(%error, "a voucher cannot be read; it is not offered until it is mended");
}
