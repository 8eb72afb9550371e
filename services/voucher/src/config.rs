//! The settings of voucher beyond those every service has.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use indowater_common::config;

use crate::domain::money::Rupiah;
use crate::domain::redemption::Terms;

/// Settings of voucher.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// How often places whose time is up are given back, and vouchers whose time is over are marked, in milliseconds.
    /// Whoever reserves needs not wait for it.
    #[arg(long, env = "INDOWATER_VOUCHER_SWEEP_MS", default_value = "5000", value_name = "MS", value_parser = config::milliseconds)]
    pub sweep: Duration,
    /// The least that a voucher may leave to pay, unless it leaves nothing, in rupiah: payment gateways take no less. Billing has to
    /// have the same.
    #[arg(long, env = "INDOWATER_PAYMENT_LEAST", default_value = "10000", value_name = "RUPIAH", value_parser = config::rupiah)]
    pub payment_least: u32,
    /// The largest purchase that a voucher is for, in rupiah. Billing has to have the same.
    #[arg(long, env = "INDOWATER_PAYMENT_MOST", default_value = "100000000", value_name = "RUPIAH", value_parser = config::rupiah)]
    pub payment_most: u32,
}

impl Settings {
    /// How payments are made, as far as vouchers have to know.
    pub fn terms(&self) -> Terms {
        Terms { least: Rupiah::whole(self.payment_least), most: Rupiah::whole(self.payment_most) }
    }
}

const SWEEP: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(3_600);

impl config::Settings for Settings {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !SWEEP.contains(&self.sweep) {
            problems.push("--sweep must be between 50 ms and 3,600,000 ms".to_owned());
        }
        if !(1..=self.payment_most).contains(&self.payment_least) {
            problems.push("--payment-least must be at least 1 and not above --payment-most".to_owned());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn money_is_digits_and_bounds_make_sense() {
        let parse = |args: &[&str]| {
            let args = std::iter::once("voucher").chain(args.iter().copied()).map(OsString::from);
            config::parse_from::<Settings>("voucher", "test", args)
                .map(|(_, own)| own.terms())
                .map_err(|(text, _)| text)
        };
        assert_eq!(parse(&[]).unwrap().least, Rupiah::whole(10_000));
        for wrong in ["5.000", "+5000", " 5000", "5e3", "5,000", "0x5", ""] {
            let text = parse(&[&format!("--payment-least={wrong}")]).unwrap_err();
            assert!(text.contains("--payment-least") && text.contains("digits alone"), "{wrong}: {text}");
        }
        let text = parse(&["--payment-least=20000", "--payment-most=10000", "--sweep=1"]).unwrap_err();
        assert!(text.contains("--payment-least must") && text.contains("--sweep"), "{text}");
    }
}
