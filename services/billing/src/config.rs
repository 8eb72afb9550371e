//! The service's own settings.

use std::time::Duration;

use clap::Args;
use indowater_common::config::{self, milliseconds, rupiah, seconds};
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::payments::Terms;
use crate::domain::payment::Rupiah;
use crate::domain::purchase::Bounds;
use crate::{midtrans, xendit};

/// How postings are grouped, how payments are taken, and how much is kept in memory.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Post what waits after so long without news: how soon a balance falls on a quiet stream.
    #[arg(long, env = "INDOWATER_LEDGER_IDLE", default_value = "5", value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub ledger_idle: Duration,
    /// Post at the latest so long after the first posting that waits.
    #[arg(long, env = "INDOWATER_LEDGER_AGE", default_value = "50", value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub ledger_age: Duration,
    /// Post as soon as so many postings of a partition wait: one transaction for all of them.
    #[arg(long, env = "INDOWATER_LEDGER_GROUP", default_value_t = 500, value_name = "POSTINGS")]
    pub ledger_group: usize,
    /// Months of devices that each partition keeps in memory; the others are loaded when they change.
    #[arg(long, env = "INDOWATER_LEDGER_MONTHS_IN_MEMORY", default_value_t = 50_000, value_name = "MONTHS")]
    pub ledger_months_in_memory: usize,
    /// Vouchers: voucher's gRPC.
    #[arg(long, env = "INDOWATER_VOUCHER_URL", default_value = "http://127.0.0.1:9000", value_name = "URL")]
    pub voucher_url: String,
    /// Which Midtrans: `sandbox`, `production`, or the base URL of something that speaks like it.
    #[arg(long, env = "INDOWATER_MIDTRANS", default_value = "sandbox", value_name = "WHERE")]
    pub midtrans: String,
    /// Server key at Midtrans; without it no payments are taken through Midtrans.
    #[arg(long, env = "INDOWATER_MIDTRANS_SERVER_KEY", default_value = "", hide_default_value = true, hide_env_values = true, value_name = "KEY", value_parser = secret)]
    pub midtrans_server_key: SecretString,
    /// Base URL of Xendit: test and production share one, and differ by the key.
    #[arg(long, env = "INDOWATER_XENDIT", default_value = xendit::API_URL, value_name = "URL")]
    pub xendit: String,
    /// Secret key at Xendit; without it no payments are taken through Xendit.
    #[arg(long, env = "INDOWATER_XENDIT_SECRET_KEY", default_value = "", hide_default_value = true, hide_env_values = true, value_name = "KEY", value_parser = secret)]
    pub xendit_secret_key: SecretString,
    /// What Xendit proves itself with when it calls: its callback token.
    #[arg(long, env = "INDOWATER_XENDIT_CALLBACK_TOKEN", default_value = "", hide_default_value = true, hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    pub xendit_callback_token: SecretString,
    /// For how long a customer is asked to pay, in seconds.
    #[arg(long, env = "INDOWATER_PAYMENT_PAYABLE", default_value = "86400", value_name = "SECONDS", value_parser = seconds)]
    pub payment_payable: Duration,
    /// The shortest time between two questions to a gateway about one payment, in milliseconds; the longer nothing happens, the
    /// rarer they become.
    #[arg(long, env = "INDOWATER_PAYMENT_PACE", default_value = "60000", value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub payment_pace: Duration,
    /// The least that a top-up asks for, and that a voucher may leave to pay unless it leaves nothing, in rupiah: banks and shops
    /// refuse less. The voucher service has to have the same.
    #[arg(long, env = "INDOWATER_PAYMENT_LEAST", default_value = "10000", value_name = "RUPIAH", value_parser = rupiah)]
    pub payment_least: u32,
    /// The most of a top-up, in rupiah. The voucher service has to have the same.
    #[arg(long, env = "INDOWATER_PAYMENT_MOST", default_value = "100000000", value_name = "RUPIAH", value_parser = rupiah)]
    pub payment_most: u32,
    /// At which hour of the first of the month bills are made, in local time: late enough for the last reads of the month.
    #[arg(long, env = "INDOWATER_BILL_HOUR", default_value_t = 6, value_name = "HOUR")]
    pub bill_hour: u8,
}

/// What a transaction of the database holds without strain.
const LARGEST_GROUP: usize = 10_000;
/// Vouchers hold a place for a week at most, an hour longer than a payment may take.
const LONGEST_PAYABLE: Duration = Duration::from_secs(6 * 86_400);
/// Midtrans takes whole minutes.
const SHORTEST_PAYABLE: Duration = Duration::from_secs(60);

#[allow(clippy::unnecessary_wraps, reason = "the shape of a value parser")]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

fn is_given(secret: &SecretString) -> bool {
    !secret.expose_secret().is_empty()
}

impl Settings {
    /// How to reach Midtrans, if the utility has an account there.
    pub fn midtrans(&self) -> Option<midtrans::Settings> {
        let (snap_url, api_url) = match self.midtrans.as_str() {
            "sandbox" => (midtrans::SANDBOX_SNAP_URL, midtrans::SANDBOX_API_URL),
            "production" => (midtrans::SNAP_URL, midtrans::API_URL),
            url => (url, url),
        };
        is_given(&self.midtrans_server_key).then(|| midtrans::Settings {
            snap_url: snap_url.to_owned(),
            api_url: api_url.to_owned(),
            server_key: self.midtrans_server_key.clone(),
            patience: Default::default(),
        })
    }

    /// How payments are made and watched.
    pub fn terms(&self) -> Terms {
        let bounds =
            Bounds { least: Rupiah::whole(self.payment_least), most: Rupiah::whole(self.payment_most) };
        Terms { bounds, payable: self.payment_payable, pace: self.payment_pace }
    }

    /// How to reach Xendit, if the utility has an account there.
    pub fn xendit(&self) -> Option<xendit::Settings> {
        is_given(&self.xendit_secret_key).then(|| xendit::Settings {
            api_url: self.xendit.clone(),
            secret_key: self.xendit_secret_key.clone(),
            callback_token: self.xendit_callback_token.clone(),
            patience: Default::default(),
        })
    }
}

impl config::Settings for Settings {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        require(
            (1..=LARGEST_GROUP).contains(&self.ledger_group),
            &format!("--ledger-group must be between 1 and {LARGEST_GROUP}"),
        );
        require(self.ledger_idle <= self.ledger_age, "--ledger-idle must not be longer than --ledger-age");
        let is_url = |text: &str| text.starts_with("http://") || text.starts_with("https://");
        require(is_url(&self.voucher_url), "--voucher-url must be a URL such as http://127.0.0.1:9000");
        require(
            ["sandbox", "production"].contains(&self.midtrans.as_str()) || is_url(&self.midtrans),
            "--midtrans must be `sandbox`, `production` or a URL",
        );
        require(is_url(&self.xendit), "--xendit must be a URL");
        require(
            is_given(&self.xendit_secret_key) == is_given(&self.xendit_callback_token),
            "INDOWATER_XENDIT_SECRET_KEY and INDOWATER_XENDIT_CALLBACK_TOKEN must be set together: without the token nobody \
             could tell Xendit's notifications from a stranger's",
        );
        require(
            (SHORTEST_PAYABLE..=LONGEST_PAYABLE).contains(&self.payment_payable),
            "--payment-payable must be from 60 seconds to six days",
        );
        require(!self.payment_pace.is_zero(), "--payment-pace must be at least 1");
        require(
            (1..=self.payment_most).contains(&self.payment_least),
            "--payment-least must be at least 1 and not above --payment-most",
        );
        require(self.bill_hour < 24, "--bill-hour must be from 0 to 23");
        problems
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn parse(args: &[&str]) -> Result<Settings, String> {
        let args = std::iter::once("billing").chain(args.iter().copied()).map(OsString::from);
        config::parse_from::<Settings>("billing", "test", args).map(|(_, own)| own).map_err(|(text, _)| text)
    }

    #[test]
    fn without_keys_there_is_no_gateway_and_with_one_it_is_the_sandbox() {
        let settings = parse(&[]).unwrap();
        assert!(settings.midtrans().is_none() && settings.xendit().is_none());
        let settings = parse(&["--midtrans-server-key", "SB-Mid-server-x"]).unwrap();
        let midtrans = settings.midtrans().unwrap();
        assert!(midtrans.snap_url.contains("sandbox") && midtrans.api_url.contains("sandbox"));
        let url = "http://127.0.0.1:8500/midtrans";
        let settings = parse(&["--midtrans-server-key", "x", "--midtrans", url]).unwrap();
        assert_eq!(settings.midtrans().unwrap().api_url, url);
        let settings =
            parse(&["--xendit-secret-key", "xnd_development_x", "--xendit-callback-token", "t"]).unwrap();
        assert_eq!(settings.xendit().unwrap().api_url, xendit::API_URL);
    }

    #[test]
    fn every_problem_is_told_and_no_secret() {
        let text = parse(&[
            "--ledger-group=0",
            "--ledger-idle=2000",
            "--voucher-url=voucher:9000",
            "--midtrans=staging",
            "--xendit=xendit",
            "--xendit-secret-key=private",
            "--payment-payable=5",
            "--payment-pace=0",
            "--payment-least=0",
            "--bill-hour=24",
        ])
        .unwrap_err();
        for flag in [
            "--ledger-group",
            "--ledger-idle",
            "--voucher-url",
            "--midtrans",
            "--xendit must",
            "INDOWATER_XENDIT_CALLBACK_TOKEN",
            "--payment-payable",
            "--payment-pace",
            "--payment-least",
            "--bill-hour",
        ] {
            assert!(text.contains(flag), "{flag} is missing in: {text}");
        }
        assert!(!text.contains("private"), "{text}");
    }
}
