//! The settings of notifier beyond those every service has.

use std::time::Duration;

use clap::Args;
use indowater_common::config;
use secrecy::{ExposeSecret as _, SecretString};

/// Settings of notifier.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Facts are judged after so long without new ones, in milliseconds.
    #[arg(long, env = "INDOWATER_FLUSH_IDLE", default_value = "200", value_name = "MS", value_parser = config::milliseconds)]
    pub flush_idle: Duration,
    /// At the latest after so long.
    #[arg(long, env = "INDOWATER_FLUSH_AGE", default_value = "2000", value_name = "MS", value_parser = config::milliseconds)]
    pub flush_age: Duration,
    /// As soon as so many of a partition wait.
    #[arg(long, env = "INDOWATER_FLUSH_PENDING", default_value_t = 500, value_name = "N")]
    pub flush_pending: usize,
    /// The mail server, such as `smtps://user:password@mail.example.com`. Without one no mail is sent.
    #[arg(long, env = "INDOWATER_SMTP_URL", default_value = "", hide_env_values = true, value_name = "URL")]
    pub smtp_url: SecretString,
    /// Whom mail comes from.
    #[arg(
        long,
        env = "INDOWATER_MAIL_FROM",
        default_value = "IndoWater <no-reply@indowater.example>",
        value_name = "ADDRESS"
    )]
    pub mail_from: String,
    /// Mails that this instance sends in a minute at most.
    #[arg(long, env = "INDOWATER_MAIL_PER_MINUTE", default_value_t = 600, value_name = "N")]
    pub mail_per_minute: u32,
    /// The WhatsApp business number's id. Without one nothing is sent there.
    #[arg(long, env = "INDOWATER_WHATSAPP_NUMBER_ID", default_value = "", value_name = "ID")]
    pub whatsapp_number_id: String,
    /// The access token of the WhatsApp business account.
    #[arg(
        long,
        env = "INDOWATER_WHATSAPP_TOKEN",
        default_value = "",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub whatsapp_token: SecretString,
    /// The Cloud API.
    #[arg(
        long,
        env = "INDOWATER_WHATSAPP_URL",
        default_value = "https://graph.facebook.com",
        value_name = "URL"
    )]
    pub whatsapp_url: String,
    /// People that WhatsApp lets the business write to in any moving 24 hours.
    #[arg(long, env = "INDOWATER_WHATSAPP_PEOPLE", default_value_t = 250, value_name = "N")]
    pub whatsapp_people: usize,
    /// The key file of the Firebase service account, whole (JSON). Without one nothing is pushed.
    #[arg(
        long,
        env = "INDOWATER_FCM_ACCOUNT",
        default_value = "",
        hide_env_values = true,
        value_name = "JSON"
    )]
    pub fcm_account: SecretString,
    /// Firebase Cloud Messaging.
    #[arg(long, env = "INDOWATER_FCM_URL", default_value = "https://fcm.googleapis.com", value_name = "URL")]
    pub fcm_url: String,
    /// Where messages lead: the console's address.
    #[arg(long, env = "INDOWATER_CONSOLE_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub console_url: String,
    /// Messages that this instance has in hand at once.
    #[arg(long, env = "INDOWATER_DELIVERIES_AT_ONCE", default_value_t = 4, value_name = "N")]
    pub deliveries_at_once: usize,
}

impl config::Settings for Settings {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.flush_pending == 0 {
            problems.push("--flush-pending must be at least 1".to_owned());
        }
        if !(1..=64).contains(&self.deliveries_at_once) {
            problems.push("--deliveries-at-once must be 1 to 64".to_owned());
        }
        if self.mail_per_minute == 0 {
            problems.push("--mail-per-minute must be at least 1".to_owned());
        }
        if self.whatsapp_number_id.is_empty() != self.whatsapp_token.expose_secret().is_empty() {
            problems.push("--whatsapp-number-id and --whatsapp-token go together".to_owned());
        }
        if !self.console_url.starts_with("http://") && !self.console_url.starts_with("https://") {
            problems.push("--console-url must begin with http:// or https://".to_owned());
        }
        problems
    }
}
