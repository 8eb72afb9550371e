//! What a message is about: its kind with the figures that its text names.

use serde::{Deserialize, Serialize};

use super::figures::Figure;
use super::kinds::Kind;
use super::leak::Manner;

/// A kind of message with its figures. Volumes are millilitres, rates millilitres an hour, money whole rupiah, moments seconds
/// since the epoch, days counted from 1970-01-01. It is kept as `alerts.data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Content {
    LeakFound {
        device_id: String,
        leak_id: String,
        manner: Manner,
        rate: i64,
        since: i64,
        cost_a_day: Option<i64>,
    },
    LeakWorse {
        device_id: String,
        leak_id: String,
        manner: Manner,
        rate: i64,
        since: i64,
        cost_a_day: Option<i64>,
    },
    LeakOver {
        device_id: String,
        lost: i64,
        cost: i64,
    },
    BalanceLow {
        balance: i64,
        threshold: i64,
        days_left: Option<i64>,
    },
    BalanceShort {
        balance: i64,
        days_left: i64,
    },
    BalanceEmpty {
        balance: i64,
    },
    BalanceRestored {
        balance: i64,
        days_left: Option<i64>,
    },
    UsageHigh {
        device_id: String,
        day: i32,
        volume: i64,
        usual: Option<i64>,
        limit: i64,
    },
    UsageUsual {
        device_id: String,
    },
    DeviceSilent {
        device_id: String,
        location: String,
        last_seen: i64,
    },
    DeviceBack {
        device_id: String,
        location: String,
    },
    PaymentReceived {
        payment_id: String,
        amount: i64,
    },
    PaymentRefused {
        payment_id: String,
        amount: i64,
    },
    PaymentReturned {
        payment_id: String,
        amount: i64,
    },
    TamperingSeen {
        device_id: String,
        event_id: String,
        tampering: Tampering,
        day: i32,
    },
}

/// `device_tampering_events.tampering_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tampering {
    /// A magnet.
    Magnetic,
    /// Somebody's hands.
    Physical,
    /// Water takes another way.
    Bypass,
}

impl Tampering {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Magnetic, Self::Physical, Self::Bypass];

    /// As the data model has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Magnetic => "magnetic",
            Self::Physical => "physical",
            Self::Bypass => "bypass",
        }
    }
}

impl Content {
    /// What kind it is of.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::LeakFound { .. } => Kind::LeakFound,
            Self::LeakWorse { .. } => Kind::LeakWorse,
            Self::LeakOver { .. } => Kind::LeakOver,
            Self::BalanceLow { .. } => Kind::BalanceLow,
            Self::BalanceShort { .. } => Kind::BalanceShort,
            Self::BalanceEmpty { .. } => Kind::BalanceEmpty,
            Self::BalanceRestored { .. } => Kind::BalanceRestored,
            Self::UsageHigh { .. } => Kind::UsageHigh,
            Self::UsageUsual { .. } => Kind::UsageUsual,
            Self::DeviceSilent { .. } => Kind::DeviceSilent,
            Self::DeviceBack { .. } => Kind::DeviceBack,
            Self::PaymentReceived { .. } => Kind::PaymentReceived,
            Self::PaymentRefused { .. } => Kind::PaymentRefused,
            Self::PaymentReturned { .. } => Kind::PaymentReturned,
            Self::TamperingSeen { .. } => Kind::TamperingSeen,
        }
    }

    /// The figures that texts name, in the order of the parameters of the kind's WhatsApp template.
    pub fn figures(&self) -> Vec<(&'static str, Figure<'_>)> {
        use Figure::{Choice, Count, Date, Moment, Name, Rate, Rupiah, Volume};
        let counted = |days: &Option<i64>| Count(days.unwrap_or(-1));
        let money = |rupiah: &Option<i64>| rupiah.map_or(Choice("none"), Rupiah);
        match self {
            Self::LeakFound { rate, since, cost_a_day, manner, .. }
            | Self::LeakWorse { rate, since, cost_a_day, manner, .. } => vec![
                ("manner", Choice(manner.name())),
                ("rate", Rate(*rate)),
                ("since", Moment(*since)),
                ("cost", money(cost_a_day)),
            ],
            Self::LeakOver { lost, cost, .. } => vec![("lost", Volume(*lost)), ("cost", Rupiah(*cost))],
            Self::BalanceLow { balance, threshold, days_left } => vec![
                ("balance", Rupiah(*balance)),
                ("threshold", Rupiah(*threshold)),
                ("days", counted(days_left)),
            ],
            Self::BalanceShort { balance, days_left } => {
                vec![("balance", Rupiah(*balance)), ("days", Count(*days_left))]
            }
            Self::BalanceEmpty { balance } => vec![("balance", Rupiah(*balance))],
            Self::BalanceRestored { balance, days_left } => {
                vec![("balance", Rupiah(*balance)), ("days", counted(days_left))]
            }
            Self::UsageHigh { day, volume, usual, limit, .. } => vec![
                ("day", Date(*day)),
                ("volume", Volume(*volume)),
                ("usual", usual.map_or(Choice("none"), Volume)),
                ("limit", Volume(*limit)),
            ],
            Self::UsageUsual { .. } => vec![],
            Self::DeviceSilent { location, last_seen, .. } => {
                vec![("location", place(location)), ("since", Moment(*last_seen))]
            }
            Self::DeviceBack { location, .. } => vec![("location", place(location))],
            Self::PaymentReceived { amount, .. }
            | Self::PaymentRefused { amount, .. }
            | Self::PaymentReturned { amount, .. } => vec![("amount", Rupiah(*amount))],
            Self::TamperingSeen { device_id, tampering, day, .. } => vec![
                ("device", Name(device_id)),
                ("tampering", Choice(tampering.name())),
                ("day", Date(*day)),
            ],
        }
    }
}

/// Where a meter stands, if anybody said.
fn place(location: &str) -> Figure<'_> {
    if location.is_empty() { Figure::Choice("none") } else { Figure::Name(location) }
}
