//! Names of what is found, as documents have them, and sizes as the data model counts them.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::event::{LeakEvent, Status, Verdict};
use super::leak::{Change, Kind};
use super::loss::cubic_metres;
use super::tampering::{self, Severity, Type};

/// Values and their names, one to one.
pub struct Names<T: 'static>(&'static [(T, &'static str)]);

impl<T: Copy + PartialEq> Names<T> {
    /// The name of a value.
    pub fn name(&self, value: T) -> &'static str {
        self.0.iter().find(|(known, _)| *known == value).map_or("", |(_, name)| name)
    }

    /// All values with their names.
    pub fn all(&self) -> impl Iterator<Item = (T, &'static str)> + '_ {
        self.0.iter().copied()
    }

    /// The value of that name.
    pub fn named(&self, name: &str) -> Option<T> {
        self.0.iter().find(|(_, known)| *known == name).map(|(value, _)| *value)
    }
}

/// Statuses of a leak event.
pub const LEAK_STATUSES: Names<Status> = Names(&[
    (Status::Active, "active"),
    (Status::Resolved, "resolved"),
    (Status::FalsePositive, "false_positive"),
]);

/// What people make of one.
pub const VERDICTS: Names<Verdict> = Names(&[(Verdict::NotALeak, "not_a_leak"), (Verdict::Mended, "mended")]);

/// Kinds of leaks.
pub const KINDS: Names<Kind> = Names(&[
    (Kind::Drip, "drip"),
    (Kind::Cyclic, "cyclic"),
    (Kind::Pausing, "pausing"),
    (Kind::Constant, "constant"),
    (Kind::WhileAway, "while_away"),
    (Kind::Growing, "growing"),
    (Kind::Burst, "burst"),
]);

/// News of a leak.
pub const CHANGES: Names<Change> = Names(&[
    (Change::Opened, "opened"),
    (Change::Grew, "grew"),
    (Change::Worse, "worse"),
    (Change::Stopped, "stopped"),
    (Change::Returned, "returned"),
    (Change::Closed, "closed"),
]);

/// Types of tampering.
pub const TYPES: Names<Type> =
    Names(&[(Type::Magnetic, "magnetic"), (Type::Physical, "physical"), (Type::Bypass, "bypass")]);

/// How much speaks for it.
pub const SEVERITIES: Names<Severity> =
    Names(&[(Severity::Low, "low"), (Severity::Medium, "medium"), (Severity::High, "high")]);

/// Statuses of a tampering event.
pub const TAMPERING_STATUSES: Names<tampering::Status> = Names(&[
    (tampering::Status::Active, "active"),
    (tampering::Status::Investigated, "investigated"),
    (tampering::Status::Resolved, "resolved"),
]);

/// Seconds of a minute.
pub const MINUTES: i64 = 60;

/// Seconds within which a visit has to pay.
const MONTH: i64 = 30 * 86_400;

/// Millilitres an hour as litres a minute, to a millilitre.
pub fn litres_per_minute(rate: i64) -> Decimal {
    (Decimal::new(rate, 3) / Decimal::from(60)).round_dp(3)
}

impl LeakEvent {
    /// Litres a minute while it runs.
    pub fn flow_rate(&self) -> Decimal {
        litres_per_minute(self.episode.rate)
    }

    /// Minutes from when it seems to run to when it was last seen to.
    pub fn duration_minutes(&self) -> Decimal {
        (Decimal::from(self.episode.until - self.episode.since) / Decimal::from(MINUTES)).round_dp(1)
    }

    /// m3 lost.
    pub fn estimated_loss(&self) -> Decimal {
        cubic_metres(self.episode.lost)
    }

    /// Whole rupiah that mending it is expected to save within 30 days: how often findings like it were leaks, times what it loses by
    /// the average of its time, at the price of what it has lost. None if it is not open.
    pub fn expected_saving(&self) -> Option<i64> {
        let seconds = self.episode.until - self.episode.since;
        if self.status() != Status::Active || seconds <= 0 {
            return None;
        }
        let of_its_time = self.share_of_leaks() * Decimal::from(self.rupiah) / Decimal::from(seconds);
        (of_its_time * Decimal::from(MONTH)).round().to_i64()
    }

    /// How often findings like it were leaks, 0 to 1.
    pub fn share_of_leaks(&self) -> Decimal {
        Decimal::new(self.confidence.into(), 3)
    }
}
