//! The one table of what is told: each kind with its alert, its tone, its severity and who hears it. The README prints it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// `alerts.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertType {
    /// Water runs that nobody uses.
    LeakDetected,
    /// The credit comes to its end.
    LowBalance,
    /// A day took far more than usual.
    HighUsage,
    /// A meter is silent.
    DeviceOffline,
}

impl AlertType {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::LeakDetected, Self::LowBalance, Self::HighUsage, Self::DeviceOffline];

    /// As the data model has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeakDetected => "leak_detected",
            Self::LowBalance => "low_balance",
            Self::HighUsage => "high_usage",
            Self::DeviceOffline => "device_offline",
        }
    }

    /// The type of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// So many alerts of this type a customer is disturbed with in 30 days; what comes beyond waits for the daily digest.
    pub const fn budget(self) -> u64 {
        match self {
            Self::LeakDetected | Self::HighUsage | Self::DeviceOffline => 4,
            Self::LowBalance => 6,
        }
    }
}

/// How much it matters; what that means for the hour of sending stands in `ladder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; in the daily digest.
    Low,
    /// Today, but not at night.
    Medium,
    /// Soon, but not at night.
    High,
    /// Now, whatever the hour, and again until acknowledged.
    Critical,
}

impl Severity {
    /// All there are, rising.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// As the data model has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// `notifications.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    Info,
    /// Something should be done.
    Warning,
    /// Something ended well.
    Success,
    /// Something does not work any more.
    Error,
}

impl Tone {
    /// As the data model has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Success => "success",
            Self::Error => "error",
        }
    }
}

/// Who hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The customer whom it is about.
    Customer,
    /// Technicians and administrators.
    Staff,
}

/// What can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A leak was found.
    LeakFound,
    /// It is of a worse kind now.
    LeakWorse,
    /// It has ended.
    LeakOver,
    /// The balance is at or below the customer's threshold.
    BalanceLow,
    /// It lasts three days at most.
    BalanceShort,
    /// Nothing is left.
    BalanceEmpty,
    /// It is well above the threshold again.
    BalanceRestored,
    /// A local day took too much.
    UsageHigh,
    /// Days are as usual again.
    UsageUsual,
    /// A meter is silent.
    DeviceSilent,
    /// It is heard again.
    DeviceBack,
    /// A payment was credited.
    PaymentReceived,
    /// A payment was refused or not made in time.
    PaymentRefused,
    /// A payment was taken or given back.
    PaymentReturned,
    /// A meter looks tampered with.
    TamperingSeen,
}

/// A row of the table.
pub struct Row {
    /// What is told.
    pub kind: Kind,
    /// Its name: in documents, metrics and texts, and of its WhatsApp template.
    pub name: &'static str,
    /// The alert it opens, raises or closes; none for what is a notification alone.
    pub alert: Option<AlertType>,
    /// `notifications.type`.
    pub tone: Tone,
    /// How much it matters; leaks say it themselves.
    pub severity: Option<Severity>,
    /// Who hears it.
    pub audience: Audience,
    /// `notifications.link`: where the console shows more.
    pub link: &'static str,
}

const fn row(
    kind: Kind,
    name: &'static str,
    alert: Option<AlertType>,
    tone: Tone,
    severity: Option<Severity>,
    link: &'static str,
) -> Row {
    Row { kind, name, alert, tone, severity, audience: Audience::Customer, link }
}

use AlertType::{DeviceOffline, HighUsage, LeakDetected, LowBalance};
use Severity::{High, Low, Medium};
use Tone::{Error, Info, Success, Warning};

/// All kinds, in the order of [`Kind`].
pub const TABLE: [Row; 15] = [
    row(Kind::LeakFound, "leak_found", Some(LeakDetected), Warning, None, "/leaks"),
    row(Kind::LeakWorse, "leak_worse", Some(LeakDetected), Error, None, "/leaks"),
    row(Kind::LeakOver, "leak_over", Some(LeakDetected), Success, Some(Low), "/leaks"),
    row(Kind::BalanceLow, "balance_low", Some(LowBalance), Warning, Some(Medium), "/balance"),
    row(Kind::BalanceShort, "balance_short", Some(LowBalance), Warning, Some(High), "/balance"),
    row(Kind::BalanceEmpty, "balance_empty", Some(LowBalance), Error, Some(High), "/balance"),
    row(Kind::BalanceRestored, "balance_restored", Some(LowBalance), Success, Some(Low), "/balance"),
    row(Kind::UsageHigh, "usage_high", Some(HighUsage), Warning, Some(Medium), "/usage"),
    row(Kind::UsageUsual, "usage_usual", Some(HighUsage), Success, Some(Low), "/usage"),
    row(Kind::DeviceSilent, "device_silent", Some(DeviceOffline), Warning, Some(Medium), "/devices"),
    row(Kind::DeviceBack, "device_back", Some(DeviceOffline), Success, Some(Low), "/devices"),
    row(Kind::PaymentReceived, "payment_received", None, Success, Some(Medium), "/payments"),
    row(Kind::PaymentRefused, "payment_refused", None, Error, Some(Medium), "/payments"),
    row(Kind::PaymentReturned, "payment_returned", None, Info, Some(Medium), "/payments"),
    Row {
        audience: Audience::Staff,
        ..row(Kind::TamperingSeen, "tampering_seen", None, Warning, Some(High), "/tampering-events")
    },
];

impl Kind {
    /// Its row.
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.row().name
    }
}

/// The table as the README prints it.
pub fn markdown() -> String {
    let mut text =
        "| told | alert | `notifications.type` | severity | to |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for row in &TABLE {
        let alert = row.alert.map_or("none".to_owned(), |alert| format!("`{}`", alert.name()));
        let severity = row.severity.map_or("by the leak", Severity::name);
        let to = match row.audience {
            Audience::Customer => "the customer",
            Audience::Staff => "technicians, administrators",
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| `{}` | {alert} | `{}` | {severity} | {to} |", row.name, row.tone.name());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_stands_in_its_own_row_under_its_own_name() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, place, "{}", row.name);
            let written = serde_json::to_string(&row.kind).unwrap();
            assert_eq!(written, format!("\"{}\"", row.name));
            assert!(row.severity.is_some() || row.alert == Some(LeakDetected));
        }
    }

    #[test]
    fn the_readme_prints_the_table() {
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&markdown()), "the README should have:\n{}", markdown());
    }
}
