//! What the utility took in, reckoned from what the accounts of the ledger received.
//!
//! An account's own view is double entry: what it receives is positive. For people it is turned so that every figure
//! grows with what its name says: water that was charged, money that came, discounts that were given, money that went
//! back, corrections in favour of customers.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use jiff::Span;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Role;
use crate::value::period::Period;
use crate::wire::Shown;
use crate::wire::billing::v1::{AccountDay, PaymentMethod};
use crate::wire::form::Vocabulary;

/// Whole rupiah by what they are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RevenueSums {
    /// Water that was charged.
    #[schema(example = 235_500)]
    pub water: i64,
    /// Money that customers paid, less what gateways took back.
    #[schema(example = 190_000)]
    pub payments: i64,
    /// Discounts that were given.
    #[schema(example = 10_000)]
    pub vouchers: i64,
    /// Money that went back to customers.
    #[schema(example = 0)]
    pub refunds: i64,
    /// Corrections in favour of customers, less those against them.
    #[schema(example = 5_000)]
    pub adjustments: i64,
}

/// One day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RevenueDay {
    /// The day, in Jakarta.
    #[schema(value_type = String, format = Date, example = "2026-11-22")]
    pub date: Date,
    /// What was posted on it.
    #[serde(flatten)]
    pub sums: RevenueSums,
}

/// One way to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RevenueMethod {
    /// Through whom the money came.
    pub payment_method: PaymentMethod,
    /// How much, whole rupiah, less what was taken back.
    #[schema(example = 190_000)]
    pub received: i64,
}

/// One tariff class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RevenueClass {
    /// Its name.
    #[schema(example = "household-middle-1")]
    pub tariff_class: String,
    /// Water that was charged, whole rupiah.
    #[schema(example = 235_500)]
    pub water: i64,
}

/// What the utility took in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Revenue {
    /// The first day.
    #[schema(value_type = String, format = Date, example = "2026-11-01")]
    pub from: Date,
    /// The last day.
    #[schema(value_type = String, format = Date, example = "2026-11-22")]
    pub to: Date,
    /// Every day of the period, oldest first.
    pub by_day: Vec<RevenueDay>,
    /// The ways to pay that were used.
    pub by_method: Vec<RevenueMethod>,
    /// The classes that were charged.
    pub by_class: Vec<RevenueClass>,
    /// All days together.
    pub totals: RevenueSums,
}

impl Shown for Revenue {
    fn redact(&mut self, _: Role) {}
}

/// What an account is about.
enum About<'a> {
    Class(&'a str),
    Method(PaymentMethod),
    Vouchers,
    Refunds,
    Adjustments,
    /// All customers together: the other side of all the rest.
    Customers,
}

/// A ledger that has an account this report does not know, or more money than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unaccountable;

impl Display for Unaccountable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account or a day that no report knows, or more money than there is")
    }
}

impl Revenue {
    /// Reckons it from what the accounts received on days of `period`.
    ///
    /// # Errors
    /// An account that this report does not know, for a sum without it would be wrong.
    pub fn of(period: Period, days: &[AccountDay]) -> Result<Self, Unaccountable> {
        let mut by_day: BTreeMap<Date, RevenueSums> =
            every_day(period).map(|day| (day, RevenueSums::default())).collect();
        let mut by_method: BTreeMap<PaymentMethod, i64> = BTreeMap::new();
        let mut by_class: BTreeMap<&str, i64> = BTreeMap::new();
        let mut totals = RevenueSums::default();
        for AccountDay { date, account, amount, .. } in days {
            let about = about(account).ok_or(Unaccountable)?;
            let day = date.parse().ok().and_then(|date: Date| by_day.get_mut(&date)).ok_or(Unaccountable)?;
            let given = amount.checked_neg().ok_or(Unaccountable)?;
            match about {
                About::Class(class) => add(by_class.entry(class).or_default(), *amount)?,
                About::Method(method) => add(by_method.entry(method).or_default(), given)?,
                _ => {}
            }
            for sums in [day, &mut totals] {
                match about {
                    About::Class(_) => add(&mut sums.water, *amount)?,
                    About::Method(_) => add(&mut sums.payments, given)?,
                    About::Vouchers => add(&mut sums.vouchers, given)?,
                    About::Refunds => add(&mut sums.refunds, *amount)?,
                    About::Adjustments => add(&mut sums.adjustments, given)?,
                    About::Customers => {}
                }
            }
        }
        let method = |(payment_method, received)| RevenueMethod { payment_method, received };
        let class = |(class, water): (&str, i64)| RevenueClass { tariff_class: class.to_owned(), water };
        Ok(Self {
            from: period.from,
            to: period.to,
            by_day: by_day.into_iter().map(|(date, sums)| RevenueDay { date, sums }).collect(),
            by_method: by_method.into_iter().map(method).collect(),
            by_class: by_class.into_iter().map(class).collect(),
            totals,
        })
    }
}

fn every_day(period: Period) -> impl Iterator<Item = Date> {
    period.from.series(Span::new().days(1)).take_while(move |day| *day <= period.to)
}

fn about(account: &str) -> Option<About<'_>> {
    Some(match account.split_once(':') {
        Some(("revenue", class)) => About::Class(class),
        Some(("clearing", method)) => About::Method(PaymentMethod::of(method)?),
        None => match account {
            "vouchers" => About::Vouchers,
            "refunds" => About::Refunds,
            "adjustments" => About::Adjustments,
            "customers" => About::Customers,
            _ => return None,
        },
        Some(_) => return None,
    })
}

fn add(sum: &mut i64, amount: i64) -> Result<(), Unaccountable> {
    *sum = sum.checked_add(amount).ok_or(Unaccountable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str, account: &str, amount: i64) -> AccountDay {
        AccountDay { date: date.to_owned(), account: account.to_owned(), amount, legs: 1 }
    }

    fn period() -> Period {
        Period { from: "2026-11-20".parse().unwrap(), to: "2026-11-22".parse().unwrap() }
    }

    #[test]
    fn every_figure_grows_with_what_its_name_says() {
        // Water for 2,355 and 1,000; a top-up of 90,000 with a voucher of 10,000; 40,000 by hand; of the first 45,000
        // and 5,000 of its discount went back; a correction of 5,000.
        let days = [
            day("2026-11-20", "revenue:social-1", 2_355),
            day("2026-11-20", "clearing:midtrans", -90_000),
            day("2026-11-20", "vouchers", -10_000),
            day("2026-11-20", "customers", 97_645),
            day("2026-11-22", "revenue:social-1", 500),
            day("2026-11-22", "revenue:household-middle-1", 500),
            day("2026-11-22", "clearing:manual", -40_000),
            day("2026-11-22", "refunds", 45_000),
            day("2026-11-22", "vouchers", 5_000),
            day("2026-11-22", "adjustments", -5_000),
        ];
        let report = Revenue::of(period(), &days).unwrap();
        let first =
            RevenueSums { water: 2_355, payments: 90_000, vouchers: 10_000, ..RevenueSums::default() };
        let last = RevenueSums {
            water: 1_000,
            payments: 40_000,
            vouchers: -5_000,
            refunds: 45_000,
            adjustments: 5_000,
        };
        let by_day: Vec<RevenueSums> = report.by_day.iter().map(|day| day.sums).collect();
        assert_eq!(by_day, [first, RevenueSums::default(), last]);
        assert_eq!(
            report.totals,
            RevenueSums {
                water: 3_355,
                payments: 130_000,
                vouchers: 5_000,
                refunds: 45_000,
                adjustments: 5_000
            }
        );
        let methods: Vec<_> =
            report.by_method.iter().map(|part| (part.payment_method, part.received)).collect();
        assert_eq!(methods, [(PaymentMethod::Midtrans, 90_000), (PaymentMethod::Manual, 40_000)]);
        let classes: Vec<_> =
            report.by_class.iter().map(|part| (part.tariff_class.as_str(), part.water)).collect();
        assert_eq!(classes, [("household-middle-1", 500), ("social-1", 2_855)]);
    }

    #[test]
    fn the_parts_are_the_totals() {
        let days: Vec<AccountDay> = ["2026-11-20", "2026-11-21", "2026-11-22"]
            .iter()
            .flat_map(|date| {
                [("revenue:a", 7), ("revenue:b", -3), ("clearing:xendit", -11), ("clearing:manual", 2)]
                    .map(|(account, amount)| day(date, account, amount))
            })
            .collect();
        let report = Revenue::of(period(), &days).unwrap();
        let sum = |of: fn(&RevenueSums) -> i64| report.by_day.iter().map(|day| of(&day.sums)).sum::<i64>();
        assert_eq!((sum(|day| day.water), sum(|day| day.payments)), (12, 27));
        assert_eq!((report.totals.water, report.totals.payments), (12, 27));
        assert_eq!(report.by_class.iter().map(|part| part.water).sum::<i64>(), 12);
        assert_eq!(report.by_method.iter().map(|part| part.received).sum::<i64>(), 27);
    }

    #[test]
    fn what_nobody_told_of_is_not_left_out() {
        for strange in [
            day("2026-11-20", "fees", 1),
            day("2026-11-20", "clearing:cash", 1),
            day("2026-11-20", "loans:a", 1),
            day("2026-11-19", "vouchers", 1),
            day("2026-11-20", "vouchers", i64::MIN),
        ] {
            assert_eq!(
                Revenue::of(period(), std::slice::from_ref(&strange)),
                Err(Unaccountable),
                "{strange:?}"
            );
        }
        let much = [day("2026-11-20", "revenue:a", i64::MAX), day("2026-11-20", "revenue:a", 1)];
        assert_eq!(Revenue::of(period(), &much), Err(Unaccountable));
    }
}
