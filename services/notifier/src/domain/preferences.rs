//! What a customer wants to be told, and from which figures on.

use super::kinds::AlertType;

/// Rupiah at and below which a balance is low, until the customer says otherwise.
pub const THRESHOLD_BALANCE: i64 = 50_000;

/// A document of `alert_preferences`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// Whose they are.
    pub customer_id: String,
    /// Leaks are told.
    pub leak_alerts: bool,
    /// Unusual days are told.
    pub usage_alerts: bool,
    /// Low balances are told.
    pub balance_alerts: bool,
    /// Silent meters are told.
    pub device_alerts: bool,
    /// Mail may be sent.
    pub email_notifications: bool,
    /// Phones may be pushed to.
    pub push_notifications: bool,
    /// WhatsApp messages may be sent.
    pub whatsapp_notifications: bool,
    /// Millilitres of a local day above which it is unusual; by the meter's own habit if unset.
    pub threshold_usage_ml: Option<i64>,
    /// Whole rupiah at and below which the balance is low.
    pub threshold_balance: i64,
    /// Counts the changes, from 1.
    pub revision: i64,
}

impl Preferences {
    /// What holds for a customer who said nothing.
    pub fn default_of(customer_id: &str) -> Self {
        Self {
            customer_id: customer_id.to_owned(),
            leak_alerts: true,
            usage_alerts: true,
            balance_alerts: true,
            device_alerts: true,
            email_notifications: true,
            push_notifications: true,
            whatsapp_notifications: true,
            threshold_usage_ml: None,
            threshold_balance: THRESHOLD_BALANCE,
            revision: 1,
        }
    }

    /// Whether alerts of a type are wanted.
    pub const fn wants(&self, what: AlertType) -> bool {
        match what {
            AlertType::LeakDetected => self.leak_alerts,
            AlertType::LowBalance => self.balance_alerts,
            AlertType::HighUsage => self.usage_alerts,
            AlertType::DeviceOffline => self.device_alerts,
        }
    }
}
