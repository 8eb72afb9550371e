//! Charging: what has to be posted so that a month's postings are what the month costs, rounded once.
//!
//! posted(month to date) = round(exact month to date), for each customer and device: a changed day posts the difference
//! between the two, so rounding never accumulates, and whatever the order of revisions the sum is the same (B3).
//!
//! A month may have days of several tariff classes. Each class earns its own share: the classes are added up one after the other,
//! in the order of their names, and each gets what it adds to the rounded sum. So the shares add up to what is posted, are within
//! a rupiah of the exact ones, and follow from the days alone.

use std::collections::BTreeMap;

use indowater_common::domain::zone::Day;
use rust_decimal::prelude::ToPrimitive as _;
use rust_decimal::{Decimal, RoundingStrategy};

use super::ledger::{Account, Draft, Kind, Leg};

/// What a device's day costs a customer, as one revision of its record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCharge {
    /// Revision of the daily record; the highest counts.
    pub revision: i64,
    /// Millilitres.
    pub volume_ml: i64,
    /// Rupiah, exact.
    pub cost: Decimal,
    /// The class it was priced by.
    pub tariff_class: Box<str>,
    /// The month's volume before the day under the same customer, millilitres.
    pub month_to_date_before_ml: i64,
    /// False where the day costs this customer nothing whatever its volume: it is not theirs any more, or not billable.
    pub charged: bool,
}

/// A day that changed, and what it cost before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargedDay {
    /// Local day.
    pub day: Day,
    /// What it costs now.
    pub charge: DayCharge,
    /// What it cost when the month was last posted.
    pub cost_before: Decimal,
}

/// Where a posting for water comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSource {
    /// `devices.id`.
    pub device_id: Box<str>,
    /// First day of the month.
    pub month: Day,
    /// Rupiah, exact: what the month costs so far.
    pub month_cost: Decimal,
    /// Whole rupiah posted for the month before.
    pub posted_before: i64,
    /// The days that changed, oldest first.
    pub days: Vec<ChargedDay>,
}

/// One device's month on one customer's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Month {
    /// Its days, by the newest revision known.
    pub days: BTreeMap<Day, DayCharge>,
    /// Whole rupiah posted so far.
    pub posted: i64,
    /// How much of it each class earned.
    pub by_class: BTreeMap<Box<str>, i64>,
    /// How often it was posted; names the next posting.
    pub postings: i64,
    /// Days that changed since, with what they cost at the last posting.
    pub changed: BTreeMap<Day, Decimal>,
}

impl Month {
    /// Whether it is known how much each class earned. Months that were posted before that was kept have it in their entries only.
    pub fn knows_classes(&self) -> bool {
        let was_kept = self.postings == 0 || !self.by_class.is_empty();
        was_kept && self.by_class.values().sum::<i64>() == self.posted
    }

    /// Takes the legs of the month's entries for what each class earned.
    pub fn learn_classes<'a>(&mut self, legs: impl Iterator<Item = &'a Leg>) {
        self.by_class.clear();
        for leg in legs {
            if let Some(class) = leg.account.class() {
                *self.by_class.entry(class.into()).or_default() += leg.amount;
            }
        }
    }

    /// Takes a revision of a day. False if it is not newer than what is known.
    pub fn take(&mut self, day: Day, charge: DayCharge) -> bool {
        let known = self.days.get(&day);
        if known.is_some_and(|known| known.revision >= charge.revision) {
            return false;
        }
        let before = known.map_or(Decimal::ZERO, |known| known.cost);
        self.changed.entry(day).or_insert(before);
        self.days.insert(day, charge);
        true
    }

    /// What the month costs so far, rupiah, exact.
    pub fn cost(&self) -> Decimal {
        self.days.values().map(|day| day.cost).sum()
    }

    /// What each class should have earned of the month, whole rupiah.
    fn shares(&self) -> BTreeMap<Box<str>, i64> {
        let mut exact: BTreeMap<&str, Decimal> = BTreeMap::new();
        for day in self.days.values() {
            *exact.entry(&day.tariff_class).or_default() += day.cost;
        }
        let (mut sum, mut given) = (Decimal::ZERO, 0);
        let shares = exact.into_iter().map(|(class, cost)| {
            sum += cost;
            let share = rounded(sum) - given;
            given += share;
            (class.into(), share)
        });
        shares.collect()
    }

    /// What each class has to get so that it has its share; nothing where that is nothing.
    fn due(&self) -> BTreeMap<Box<str>, i64> {
        let mut due = self.shares();
        for (class, earned) in &self.by_class {
            *due.entry(class.clone()).or_default() -= earned;
        }
        due.retain(|_, amount| *amount != 0);
        due
    }

    /// Makes the draft that brings what is posted to what the month costs, and each class to its share, and counts it as posted.
    /// None if there is no whole rupiah to move; the days that changed are then told with the next one.
    pub fn settle(
        &mut self,
        customer_id: &str,
        device_id: &str,
        month: Day,
        posted_at: i64,
    ) -> Option<Draft> {
        let due = self.due();
        let days = &self.days;
        if due.is_empty() {
            self.changed.retain(|day, before| days.get(day).is_some_and(|now| now.cost != *before));
            return None;
        }
        let changed = std::mem::take(&mut self.changed);
        let month_cost = self.cost();
        let days = changed.into_iter().filter_map(|(day, cost_before)| {
            Some(ChargedDay { day, charge: self.days.get(&day)?.clone(), cost_before })
        });
        let days: Vec<ChargedDay> = days.collect();
        let name = month.month();
        let draft = Draft {
            id: format!("usage:{customer_id}|{device_id}|{name}@{}", self.postings + 1),
            kind: Kind::Usage,
            others: due
                .iter()
                .map(|(class, amount)| Leg { account: Account::revenue(class), amount: *amount })
                .collect(),
            description: format!("Water of {device_id} in {name}"),
            payment_id: None,
            occurred_at: posted_at,
            made_by: None,
            usage: Some(UsageSource {
                device_id: device_id.into(),
                month,
                month_cost,
                posted_before: self.posted,
                days,
            }),
        };
        self.posted += due.values().sum::<i64>();
        self.postings += 1;
        for (class, amount) in due {
            *self.by_class.entry(class).or_default() += amount;
        }
        self.by_class.retain(|_, earned| *earned != 0);
        Some(draft)
    }
}

/// Whole rupiah, half away from zero.
fn rounded(cost: Decimal) -> i64 {
    let whole = cost.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    // A cost beyond any money there is comes from no meter; it is held at what can be counted.
    whole.to_i64().unwrap_or(if cost.is_sign_negative() { -i64::MAX / 4 } else { i64::MAX / 4 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn charge(revision: i64, cost: Decimal) -> DayCharge {
        DayCharge {
            revision,
            volume_ml: 0,
            cost,
            tariff_class: "social-1".into(),
            month_to_date_before_ml: 0,
            charged: true,
        }
    }

    #[test]
    fn a_repeated_or_older_revision_changes_nothing() {
        let mut month = Month::default();
        assert!(month.take(Day(1), charge(2, 10.into())));
        assert!(!month.take(Day(1), charge(2, 10.into())) && !month.take(Day(1), charge(1, 99.into())));
        assert_eq!(month.settle("c", "d", Day(0), 0).unwrap().others[0].amount, 10);
        assert!(month.settle("c", "d", Day(0), 0).is_none());
    }

    #[test]
    fn what_classes_earned_is_learned_anew_where_it_was_not_kept_or_does_not_add_up() {
        let leg = |class: &str, amount| Leg { account: Account::revenue(class), amount };
        let mut month = Month { postings: 2, ..Month::default() };
        assert!(!month.knows_classes(), "two classes may have got and given back the same");
        assert!(Month::default().knows_classes(), "nothing was posted");
        month.by_class = [("old".into(), 7)].into();
        month.posted = 30;
        assert!(!month.knows_classes());
        month.learn_classes([leg("a", 40), leg("b", -10)].iter());
        assert!(month.knows_classes());
        assert_eq!(month.by_class, [("a".into(), 40), ("b".into(), -10)].into());
    }

    /// A change of less than a rupiah posts nothing, and the next posting still tells it.
    #[test]
    fn a_change_too_small_to_post_is_told_by_the_next_posting() {
        let mut month = Month::default();
        month.take(Day(1), charge(1, Decimal::new(4, 1)));
        assert!(month.settle("c", "d", Day(0), 0).is_none());
        month.take(Day(2), charge(1, Decimal::new(4, 1)));
        month.take(Day(3), charge(1, Decimal::ZERO));
        let days = month.settle("c", "d", Day(0), 0).unwrap().usage.unwrap().days;
        assert_eq!(days.iter().map(|of| of.day).collect::<Vec<_>>(), [Day(1), Day(2), Day(3)]);
        month.take(Day(2), charge(2, Decimal::new(4, 1)));
        assert!(month.settle("c", "d", Day(0), 0).is_none());
        assert!(month.changed.is_empty(), "what costs the same is nothing to tell");
    }

    /// As the auditor and people round; bankers would make 2 of 2.5.
    #[test]
    fn half_a_rupiah_is_rounded_away_from_zero() {
        for (tenths, whole) in [(5, 1), (25, 3), (24, 2), (-5, -1), (-25, -3), (-24, -2)] {
            let mut month = Month::default();
            month.take(Day(1), charge(1, Decimal::new(tenths, 1)));
            let posted = month.settle("c", "d", Day(0), 0).map(|draft| draft.others[0].amount);
            assert_eq!(posted, Some(whole), "{tenths} tenths of a rupiah");
        }
    }

    #[test]
    fn a_posting_tells_what_changed_and_from_what() {
        let mut month = Month::default();
        month.take(Day(1), charge(1, Decimal::new(1004, 1)));
        month.settle("c", "d", Day(0), 0);
        month.take(Day(1), charge(2, Decimal::new(905, 1)));
        month.take(Day(2), charge(1, Decimal::new(5, 0)));
        let draft = month.settle("c", "d", Day(0), 0).unwrap();
        let source = draft.usage.unwrap();
        assert_eq!(draft.id, "usage:c|d|1970-01@2");
        assert_eq!(
            (source.posted_before, draft.others[0].amount, source.month_cost),
            (100, -4, Decimal::new(955, 1))
        );
        let days: Vec<_> =
            source.days.iter().map(|day| (day.day, day.cost_before, day.charge.cost)).collect();
        let expected =
            [(Day(1), Decimal::new(1004, 1), Decimal::new(905, 1)), (Day(2), Decimal::ZERO, 5.into())];
        assert_eq!(days, expected);
    }

    proptest! {
        /// B3: whatever the order, repetition and batching of revisions, what is posted in the end is the exact cost of the
        /// newest revisions, rounded once; and after every settlement it is that of those known so far.
        #[test]
        fn posted_is_the_rounded_cost(
            revisions in prop::collection::vec((0_i32..31, 1_i64..5, 0_usize..3), 1..80),
        ) {
            // The cost of a revision follows from its day and number, as a record of the topic is the same however often it comes.
            let cost = |day: i32, revision: i64| Decimal::new(i64::from(day) * 7_919 + revision * 10_007 % 5_003, 3);
            let mut month = Month::default();
            let (mut posted, mut newest) = (0, BTreeMap::new());
            for (day, revision, settle) in revisions {
                month.take(Day(day), charge(revision, cost(day, revision)));
                let known = newest.entry(day).or_insert(revision);
                *known = revision.max(*known);
                if settle == 0 {
                    posted += month.settle("c", "d", Day(0), 0).map_or(0, |draft| draft.others[0].amount);
                    let exact: Decimal = newest.iter().map(|(day, revision)| cost(*day, *revision)).sum();
                    prop_assert_eq!(posted, rounded(exact));
                }
            }
            posted += month.settle("c", "d", Day(0), 0).map_or(0, |draft| draft.others[0].amount);
            let exact: Decimal = newest.iter().map(|(day, revision)| cost(*day, *revision)).sum();
            prop_assert_eq!((posted, month.posted), (rounded(exact), rounded(exact)));
        }
    }
}
