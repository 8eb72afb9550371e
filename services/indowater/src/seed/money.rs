//! Vouchers and payments, through the services that own them: what the demo's customers have is checked, posted and
//! published like everybody's.

use anyhow::{Context as _, Result, anyhow, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use indowater_proto::billing::v1::payment_service_client::PaymentServiceClient;
use indowater_proto::billing::v1::{CreatePaymentRequest, PaymentMethod, PaymentType};
use indowater_proto::voucher::v1::voucher_service_client::VoucherServiceClient;
use indowater_proto::voucher::v1::{CreateVoucherRequest, DeactivateVoucherRequest, DiscountType, Voucher};
use jiff::{Timestamp, ToSpan as _};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::ACCOUNTS;
use crate::clients;
use crate::system::System;

/// Where billing and voucher are; put it in with `#[command(flatten)]`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Addresses {
    /// URL of billing's gRPC to use instead of the running system's
    #[arg(long, env = "INDOWATER_BILLING_URL", value_name = "URL", help_heading = "Which system")]
    billing: Option<String>,
    /// URL of voucher's gRPC to use instead of the running system's
    #[arg(long, env = "INDOWATER_VOUCHER_URL", value_name = "URL", help_heading = "Which system")]
    voucher: Option<String>,
}

impl Addresses {
    /// Puts what flags name in place of what `system` has.
    pub(super) fn apply(&self, system: &mut System) {
        let flags = [(&mut system.billing_url, &self.billing), (&mut system.voucher_url, &self.voucher)];
        for (known, flag) in flags {
            if flag.is_some() {
                known.clone_from(flag);
            }
        }
    }
}

/// Who answers for what the demo begins with.
const ADMINISTRATOR: &str = "admin-001";

/// What each of the demo's customers pays a month, whole rupiah.
///
/// Usage is priced after it was sent, so nobody knows its cost when payments are seeded. Fixed sums are honest; they are a
/// little more than a month of water, and the tests say what they leave.
const MONTHLY: [(&str, i64); 5] = [
    ("customer-001", 9_400_000),
    ("customer-002", 120_000),
    ("customer-003", 240_000),
    ("customer-004", 780_000),
    ("customer-005", 66_000),
];

/// Payments on their way at once.
const AT_ONCE: usize = 8;

/// One of the services that are asked.
struct Service {
    name: &'static str,
    url: String,
    channel: Channel,
}

impl Service {
    fn at(name: &'static str, url: Option<&String>, system: &System) -> Result<Self> {
        let Some(url) = url.cloned() else {
            bail!(
                "where {name} is, is not known: name its gRPC address with --{name}, such as http://127.0.0.1:9000"
            );
        };
        let channel = clients::channel(&url, name, system.certificates.as_deref())?;
        Ok(Self { name, url, channel })
    }

    fn explain(&self, status: &Status) -> anyhow::Error {
        let Self { name, url, .. } = self;
        match status.code() {
            Code::Unavailable => anyhow!(
                "{name} at {url} does not answer ({}): start it, or name its gRPC address with --{name}",
                clients::why(status)
            ),
            code => anyhow!("{name} says {code:?}: {}", status.message()),
        }
    }
}

/// How much was not there before.
pub(super) struct Made {
    pub vouchers: usize,
    pub payments: usize,
}

/// Creates the vouchers and the payments that are not there yet, for `days` of history.
///
/// # Errors
/// billing or voucher is not known, does not answer, or refuses.
pub(super) async fn create(system: &System, now: Timestamp, days: u16) -> Result<Made> {
    let voucher = Service::at("voucher", system.voucher_url.as_ref(), system)?;
    let billing = Service::at("billing", system.billing_url.as_ref(), system)?;
    Ok(Made {
        vouchers: create_vouchers(&voucher, now).await?,
        payments: create_payments(&billing, now, days).await?,
    })
}

async fn create_vouchers(service: &Service, now: Timestamp) -> Result<usize> {
    let mut client = VoucherServiceClient::new(service.channel.clone());
    let mut new = 0;
    for voucher in vouchers(now) {
        let (id, code) = (voucher.id.clone(), voucher.code.clone());
        match client.create_voucher(CreateVoucherRequest { voucher: Some(voucher) }).await {
            Ok(_) => new += 1,
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(status) => {
                let error = service.explain(&status);
                return Err(error).with_context(|| format!("the voucher {code} was not created"));
            }
        }
        if code == INACTIVE {
            // Whether it is new or not: an earlier run may have ended in between.
            let answer = client.deactivate_voucher(DeactivateVoucherRequest { id }).await;
            match answer {
                // Somebody's own voucher has the code.
                Err(status) if status.code() != Code::NotFound => {
                    let error = service.explain(&status);
                    return Err(error).with_context(|| format!("the voucher {code} was not deactivated"));
                }
                _ => {}
            }
        }
    }
    Ok(new)
}

/// The code of the voucher that nobody can use any more.
const INACTIVE: &str = "LIBURAN";

/// Vouchers of every kind and in every state that needs no customer: a share with a cap, a fixed sum, one with few places,
/// one that is still to come, one that is over, and one that was deactivated.
fn vouchers(now: Timestamp) -> Vec<Voucher> {
    let day = |days: i64| {
        now.saturating_add((days * 24).hours()).map_or_else(|_| String::new(), |at| at.to_string())
    };
    let voucher =
        |code: &str, description: &str, discount: (DiscountType, &str), min: i64, days: [i64; 2]| Voucher {
            id: format!("voucher-demo-{}", code.to_ascii_lowercase()),
            code: code.to_owned(),
            description: description.to_owned(),
            discount_type: discount.0.into(),
            discount_value: discount.1.to_owned(),
            min_purchase_amount: min,
            per_customer_limit: 1,
            valid_from: day(days[0]),
            valid_until: day(days[1]),
            created_by: ADMINISTRATOR.to_owned(),
            ..Voucher::default()
        };
    let (share, sum) = (DiscountType::Percentage, DiscountType::FixedAmount);
    vec![
        Voucher {
            max_discount_amount: Some(25_000),
            per_customer_limit: 3,
            ..voucher("HEMAT10", "Diskon 10%, paling banyak Rp 25.000", (share, "10"), 50_000, [-30, 365])
        },
        voucher("SELAMATDATANG", "Rp 20.000 untuk pelanggan baru", (sum, "20000"), 100_000, [-30, 365]),
        Voucher {
            usage_limit: Some(5),
            ..voucher(
                "LIMAPERTAMA",
                "Rp 50.000 untuk lima pembeli pertama",
                (sum, "50000"),
                200_000,
                [-1, 90],
            )
        },
        voucher("TAHUNBARU", "Diskon 25% di awal tahun", (share, "25"), 0, [30, 60]),
        voucher("MERDEKA", "Diskon 17%, sudah berakhir", (share, "17"), 0, [-120, -90]),
        voucher(INACTIVE, "Diskon 15%, dihentikan", (share, "15"), 0, [-30, 365]),
    ]
}

async fn create_payments(service: &Service, now: Timestamp, days: u16) -> Result<usize> {
    let created: Vec<bool> = stream::iter(payments(days))
        .map(|request| create_payment(service, now, request))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(created.into_iter().filter(|new| *new).count())
}

/// Makes a payment. Returns whether it is new.
async fn create_payment(service: &Service, now: Timestamp, request: CreatePaymentRequest) -> Result<bool> {
    let key = request.key.clone();
    match PaymentServiceClient::new(service.channel.clone()).create_payment(request).await {
        // One that was there before is answered as it is.
        Ok(answer) => {
            let payment = answer.into_inner().payment;
            Ok(payment.is_some_and(|payment| payment.created_at >= now.as_second()))
        }
        // Another release of this tool made it, with another amount.
        Err(status) if status.code() == Code::AlreadyExists => Ok(false),
        Err(status) => {
            Err(service.explain(&status)).with_context(|| format!("the payment {key} was not made"))
        }
    }
}

/// What the customers are said to have paid at the counter: for each month of history, and for the one that comes. The
/// key makes a payment the same in every run.
fn payments(days: u16) -> Vec<CreatePaymentRequest> {
    let of = |(customer, amount): (&str, i64), number: u16| {
        let account = ACCOUNTS.iter().find(|account| account.id == customer);
        CreatePaymentRequest {
            key: format!("demo-{customer}-{number}"),
            customer_id: customer.to_owned(),
            customer_name: account.map_or_else(String::new, |account| account.full_name.to_owned()),
            customer_email: account.map_or_else(String::new, |account| account.email.to_owned()),
            method: PaymentMethod::Manual.into(),
            r#type: PaymentType::BalanceTopup.into(),
            amount,
            made_by: ADMINISTRATOR.to_owned(),
            reason: "Paid at the counter (demo)".to_owned(),
            ..CreatePaymentRequest::default()
        }
    };
    let numbers = 1..=days.div_ceil(30) + 1;
    MONTHLY.into_iter().flat_map(|customer| numbers.clone().map(move |number| of(customer, number))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use indowater_proto::readings::v1::{AcceptedRead, Meter, ReadSource, Readings};
    use indowater_proto::telemetry::v1::RegisterUnit;
    use rust_decimal::Decimal;
    use rust_decimal::prelude::ToPrimitive as _;

    use super::super::{demo, history, installed};
    use super::*;

    const DAYS: u16 = 180;

    /// What each customer's half a year before `now` costs.
    fn costs(now: Timestamp) -> BTreeMap<String, Decimal> {
        let mut costs = BTreeMap::new();
        let installed = installed(now, DAYS);
        for simulated in demo::meters(1, installed) {
            let reads = history::reads(&simulated, installed.as_second(), now.as_second(), DAYS).unwrap();
            let accepted = |read: &crate::telemetry::Read| AcceptedRead {
                read_at: read.at,
                register: read.register,
                ..AcceptedRead::default()
            };
            let readings = Readings {
                device_id: simulated.device.device_id.clone(),
                time_zone: simulated.property.time_zone.clone(),
                tariff_class: simulated.property.tariff_class.clone(),
                meter: Some(Meter {
                    unit: RegisterUnit::Litre.into(),
                    register_digits: 8,
                    q3_litres_per_hour: simulated.device.q3_litres_per_hour,
                    ..Meter::default()
                }),
                source: ReadSource::Telemetry.into(),
                reads: reads.iter().map(accepted).collect(),
                ..Readings::default()
            };
            let days = auditor::daily_usage([&readings], &[]).unwrap();
            let cost: Decimal = days.iter().map(|day| day.cost.parse::<Decimal>().unwrap()).sum();
            *costs.entry(simulated.property.customer_id).or_default() += cost;
        }
        costs
    }

    #[test]
    fn every_customer_begins_with_some_weeks_of_water_whatever_the_date() {
        for now in
            ["2026-01-15T10:00:00Z", "2026-03-31T23:00:00Z", "2026-08-01T00:30:00Z", "2026-11-22T12:00:00Z"]
        {
            let costs = costs(now.parse().unwrap());
            assert_eq!(costs.len(), MONTHLY.len());
            for (customer, cost) in costs {
                let paid: i64 = payments(DAYS)
                    .iter()
                    .filter(|payment| payment.customer_id == customer)
                    .map(|payment| payment.amount)
                    .sum();
                let left = Decimal::from(paid) - cost;
                let lasts = (left / (cost / Decimal::from(DAYS))).to_i64().unwrap();
                assert!(
                    (20..=60).contains(&lasts),
                    "{customer} has {left}, which lasts {lasts} days ({now})"
                );
            }
        }
    }

    #[test]
    fn a_payment_has_a_customer_and_a_key_of_its_own() {
        let mut keys: Vec<String> = payments(DAYS)
            .into_iter()
            .inspect(|payment| {
                let email = ACCOUNTS.iter().find(|account| account.id == payment.customer_id).unwrap().email;
                assert_eq!(
                    (payment.customer_email.as_str(), payment.method()),
                    (email, PaymentMethod::Manual)
                );
            })
            .map(|payment| payment.key)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 7 * MONTHLY.len());
    }

    #[test]
    fn the_vouchers_differ_and_keep_their_ids() {
        let (now, later) = ("2026-11-22T12:00:00Z", "2027-02-01T00:00:00Z");
        let ids = |now: &str| vouchers(now.parse().unwrap()).into_iter().map(|v| v.id).collect::<Vec<_>>();
        assert_eq!(ids(now), ids(later));
        let mut distinct = ids(now);
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 6);
        for voucher in vouchers(now.parse().unwrap()) {
            let [from, until] =
                [&voucher.valid_from, &voucher.valid_until].map(|at| at.parse::<Timestamp>().unwrap());
            assert!(from < until, "{}", voucher.code);
        }
    }
}
