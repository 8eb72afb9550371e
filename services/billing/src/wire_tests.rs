//! From daily records to postings: whose day it is, whatever was said of it before.

use std::collections::BTreeMap;

use indowater_proto::usage::v1::DailyUsage;
use proptest::prelude::*;
use rust_decimal::{Decimal, RoundingStrategy};

use super::*;
use crate::domain::charge::Month;

/// The books of all customers, without a database.
#[derive(Default)]
struct Books {
    months: BTreeMap<MonthKey, Month>,
    /// By customer and class: what the legs of the entries brought.
    earned: BTreeMap<(String, String), i64>,
}

impl Books {
    fn take(&mut self, usage: &DailyUsage) {
        for (_, _, asked) in usage_asks(usage.clone()).unwrap() {
            let Ok(Instruction::Day { key, day, charge }) = instruction(asked) else { panic!("no day") };
            self.months.entry(key).or_default().take(day, charge);
        }
    }

    fn settle(&mut self) {
        for (key, month) in &mut self.months {
            let Some(draft) = month.settle(&key.customer_id, &key.device_id, key.month, 0) else { continue };
            for leg in draft.others {
                assert_ne!(leg.amount, 0, "a leg that moves nothing");
                let class = leg.account.class().unwrap().to_owned();
                *self.earned.entry((key.customer_id.to_string(), class)).or_default() += leg.amount;
            }
        }
    }

    fn posted(&self, customer: &str) -> i64 {
        self.earned.iter().filter(|((of, _), _)| of == customer).map(|(_, amount)| amount).sum()
    }

    fn earned(&self, customer: &str, class: &str) -> i64 {
        self.earned.get(&(customer.to_owned(), class.to_owned())).copied().unwrap_or(0)
    }
}

fn record(day: usize, revision: i64, customer: &str, former: &[&str], cost: &str) -> DailyUsage {
    let date = format!("2026-11-{:02}", day + 1);
    DailyUsage {
        id: format!("device-1|{date}"),
        device_id: "device-1".to_owned(),
        customer_id: customer.to_owned(),
        date,
        volume_ml: 400_000,
        cost: cost.to_owned(),
        tariff_class: "household-middle-1".to_owned(),
        revision,
        former_customer_ids: former.iter().map(|id| (*id).to_owned()).collect(),
        ..DailyUsage::default()
    }
}

#[test]
fn a_day_that_changes_hands_and_comes_back_is_charged_to_whose_it_is() {
    let mut books = Books::default();
    let mut see = |usage: &DailyUsage, a: i64, b: i64| {
        books.take(usage);
        books.settle();
        assert_eq!((books.posted("a"), books.posted("b")), (a, b), "{usage:?}");
    };
    see(&record(0, 1, "a", &[], "1960"), 1_960, 0);
    see(&record(1, 1, "a", &[], "1960"), 3_920, 0);
    // b moved in on the second day; it was heard of late, and the day is priced anew.
    see(&record(1, 2, "b", &["a"], "1960.4"), 1_960, 1_960);
    // A late read revises it.
    see(&record(1, 3, "b", &["a"], "2000.6"), 1_960, 2_001);
    // What is told again changes nothing.
    see(&record(1, 2, "b", &["a"], "1960.4"), 1_960, 2_001);
    // It was a mistake: a never left.
    see(&record(1, 4, "a", &["b"], "1961"), 3_921, 0);
    // A record that names who has the day among those who had it charges them all the same.
    see(&record(1, 5, "a", &["a", "b"], "1962"), 3_922, 0);
    // Nobody has it: both get back what was posted.
    see(&record(1, 6, "", &["a", "b"], "0"), 1_960, 0);
}

#[test]
fn water_that_is_not_billable_costs_nothing_and_what_was_posted_is_given_back() {
    let mut books = Books::default();
    for (revision, billable, posted) in
        [(1, None, 1_960), (2, Some(true), 1_960), (3, Some(false), 0), (4, Some(false), 0), (5, None, 1_960)]
    {
        // Whatever cost it says: nothing is posted for what is not billable.
        books.take(&DailyUsage { billable, ..record(0, revision, "a", &[], "1960") });
        books.settle();
        assert_eq!(books.posted("a"), posted, "revision {revision}");
    }
}

#[test]
fn a_class_that_changes_takes_what_was_booked_with_it() {
    let mut books = Books::default();
    let of = |class: &str, day, revision, cost| DailyUsage {
        tariff_class: class.to_owned(),
        ..record(day, revision, "a", &[], cost)
    };
    books.take(&of("household-middle-1", 0, 1, "1000"));
    books.take(&of("commercial-1", 1, 1, "3000"));
    books.settle();
    assert_eq!((books.earned("a", "household-middle-1"), books.earned("a", "commercial-1")), (1_000, 3_000));
    // The first day was commercial, too, and happens to cost the same.
    books.take(&of("commercial-1", 0, 2, "1000"));
    books.settle();
    assert_eq!((books.earned("a", "household-middle-1"), books.earned("a", "commercial-1")), (0, 4_000));
    assert_eq!(books.posted("a"), 4_000);
}

#[test]
fn what_is_no_charge_is_said_to_be_none() {
    let unreadable = |cost: &str| {
        let (_, _, asked) = usage_asks(record(0, 1, "a", &[], cost)).unwrap().remove(0);
        instruction(asked).unwrap_err()
    };
    for wrong in ["", "free", "1e3", "1,5", " 5", "+5", "1_000", "1000000000001"] {
        assert!(unreadable(wrong).starts_with("cost"), "{wrong}");
    }
    assert!(usage_asks(record(0, 1, "", &[], "1")).is_err());
}

const CUSTOMERS: [&str; 3] = ["a", "b", "c"];
const CLASSES: [&str; 4] = ["household-middle-1", "commercial-1", "social-1", ""];

/// A change of a day: which, whose it is, of which class, whether it is charged, and ten-thousandths of rupiah.
type Change = (usize, usize, usize, Option<bool>, i64);

fn change() -> impl Strategy<Value = Change> {
    (0_usize..6, 0_usize..3, 0_usize..4, prop::option::of(any::<bool>()), -50_000_i64..90_000_000)
}

fn history(changes: &[Change]) -> Vec<DailyUsage> {
    let mut days: BTreeMap<usize, (i64, Vec<&str>)> = BTreeMap::new();
    let records = changes.iter().map(|(day, customer, class, billable, cost)| {
        let (revision, had) = days.entry(*day).or_default();
        let customer = CUSTOMERS[*customer];
        *revision += 1;
        had.retain(|former| *former != customer);
        let cost = Decimal::new(*cost, 4).to_string();
        let record = record(*day, *revision, customer, had, &cost);
        had.push(customer);
        DailyUsage { tariff_class: CLASSES[*class].to_owned(), billable: *billable, ..record }
    });
    records.collect()
}

fn rounded(exact: Decimal) -> i64 {
    let whole = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    whole.to_string().parse().unwrap()
}

proptest! {
    /// B3: whatever changes about days, whose they are, their class, whether they are charged, their cost; whatever of it is
    /// skipped by a compacted topic, told again, or posted together: each customer's month is posted as the exact cost of the
    /// days that are charged to the customer in the end, rounded once, and each class earned its own share of it.
    #[test]
    fn each_customers_month_is_its_rounded_cost(
        changes in prop::collection::vec(change(), 1..40), odds in prop::collection::vec(0_u8..8, 40),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let history = history(&changes);
        let newest: BTreeMap<&str, &DailyUsage> =
            history.iter().map(|record| (record.id.as_str(), record)).collect();
        let mut books = Books::default();
        for (record, odds) in history.iter().zip(odds) {
            let compacted = odds < 3 && newest[record.id.as_str()].revision != record.revision;
            if !compacted {
                books.take(record);
            }
            if odds % 2 == 0 {
                books.settle();
            }
        }
        for index in again {
            books.take(index.get(&history));
            books.settle();
        }
        books.settle();
        for customer in CUSTOMERS {
            let mut exact: BTreeMap<&str, Decimal> = BTreeMap::new();
            for record in newest.values().filter(|record| record.customer_id == customer) {
                let cost: Decimal = record.cost.parse().unwrap();
                let charged = record.billable != Some(false);
                *exact.entry(&record.tariff_class).or_default() += if charged { cost } else { Decimal::ZERO };
            }
            let whole: Decimal = exact.values().sum();
            prop_assert_eq!(books.posted(customer), rounded(whole));
            for class in CLASSES {
                let exact = exact.get(class).copied().unwrap_or_default();
                let off = Decimal::from(books.earned(customer, class)) - exact;
                prop_assert!(off.abs() <= Decimal::ONE, "{} earned {} too much of {}", class, off, exact);
                prop_assert!(!exact.is_zero() || books.earned(customer, class) == 0);
            }
        }
    }

    /// After every posting each class has exactly what follows from the days, on whatever way they came to be so.
    #[test]
    fn shares_follow_from_the_days_alone(
        changes in prop::collection::vec(change(), 1..30), odds in prop::collection::vec(any::<bool>(), 30),
    ) {
        let history = history(&changes);
        let (mut slowly, mut at_once) = (Books::default(), Books::default());
        for (record, settle) in history.iter().zip(odds) {
            slowly.take(record);
            at_once.take(record);
            if settle {
                slowly.settle();
            }
        }
        slowly.settle();
        at_once.settle();
        for books in [&mut slowly, &mut at_once] {
            books.earned.retain(|_, amount| *amount != 0);
        }
        prop_assert_eq!(slowly.earned, at_once.earned);
    }
}
