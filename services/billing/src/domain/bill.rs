//! Bills of postpaid customers: what is owed at the end of a local month.
//!
//! A bill is the state of an account, like the statement of a bank: the month's water, and what was owed or left over besides. What a bill
//! leaves unpaid is part of the next one, which takes its place; so a register read that comes late, a correction or a
//! payment in between never needs the amount of a bill to be changed.
//!
//! A bill is paid when it is covered: by the sum of what its payments brought to the balance and that is still there. So a page that was
//! made for an earlier amount, a voucher whose place was lost, and money that was given back leave the rest open, and the rest can
//! be paid; what is paid twice stays on the balance, and the bill says so. What happens to a payment of a bill that was carried
//! counts for the bill that took its place, for there it is owed.

use std::collections::BTreeMap;

use indowater_common::domain::zone::{Day, Zone};
use jiff::Timestamp;

/// When customers pay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Before: water lowers a balance.
    #[default]
    Prepaid,
    /// After: a bill comes on the first of the month.
    Postpaid,
}

impl Mode {
    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepaid => "prepaid",
            Self::Postpaid => "postpaid",
        }
    }

    /// The mode of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Prepaid, Self::Postpaid].into_iter().find(|mode| mode.name() == name)
    }
}

/// Where customers live of whom nobody said otherwise.
pub const HOME_ZONE: &str = "Asia/Jakarta";

/// How a customer pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `users.id`.
    pub customer_id: String,
    /// Before or after.
    pub mode: Mode,
    /// Where the customer's months begin.
    pub zone: Zone,
    /// Since when; none if nobody ever said so.
    pub since: Option<Timestamp>,
    /// `users.id` of the administrator who said so.
    pub set_by: Option<String>,
    /// The last month that was billed: its first day.
    pub billed: Option<Day>,
}

impl Account {
    /// The month to be billed at `now`: the one that ended, if the customer was postpaid in it, it is not billed, and the
    /// `hour` of the first day has come. Months that were missed before it are in what it carries over.
    pub fn month_due(&self, now: Timestamp, hour: u8) -> Option<Day> {
        let since = self.since.filter(|_| self.mode == Mode::Postpaid)?;
        let settled = now.as_second() - i64::from(hour) * 3_600;
        let this_month = self.zone.day_of(settled).month_start();
        let month = Day(this_month.0 - 1).month_start();
        let began = self.zone.day_of(since.as_second()).month_start();
        (month >= began && self.billed.is_none_or(|billed| billed < month)).then_some(month)
    }
}

/// How a bill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Something of it is to be paid.
    Open,
    /// Covered, or nothing was owed.
    Paid,
    /// What was left of it is part of a later bill.
    Carried,
}

/// What a customer owes for a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// `users.id`.
    pub customer_id: String,
    /// First day of the month.
    pub month: Day,
    /// Water of the month, whole rupiah.
    pub charges: i64,
    /// What was owed besides, whole rupiah; negative if more had been paid.
    pub carried_over: i64,
    /// When it was made.
    pub issued_at: Timestamp,
    /// Until when it should be paid, a local day.
    pub due: Day,
    /// What each payment brought to it, whole rupiah: with its discount, less what was given or taken back.
    pub applied: BTreeMap<String, i64>,
    /// Whether a later bill has taken its place.
    pub carried: bool,
    /// That bill, if it is known.
    pub carried_to: Option<String>,
    /// The payment that the customer began last.
    pub payment_id: Option<String>,
}

/// The day of the month until which bills are due, as customary with Indonesian utilities (PAM Jaya: the 20th).
const DUE: i32 = 20;

impl Bill {
    /// The bill of a month: `balance` is what is posted for the customer by now, `charges` what was posted for the month, and `later` for
    /// months after it.
    pub fn of(
        account: &Account,
        month: Day,
        (balance, charges, later): (i64, i64, i64),
        now: Timestamp,
    ) -> Self {
        let owed = -balance.saturating_add(later);
        let next = Day(month.0 + 31).month_start();
        Self {
            customer_id: account.customer_id.clone(),
            month,
            charges,
            carried_over: owed.saturating_sub(charges),
            issued_at: now,
            due: Day(next.0 + DUE - 1),
            applied: BTreeMap::new(),
            carried: false,
            carried_to: None,
            payment_id: None,
        }
    }

    /// The id of the bill of a customer's month.
    pub fn id(&self) -> String {
        format!("bill:{}|{}", self.customer_id, self.month.month())
    }

    /// What was to be paid when it was made, whole rupiah.
    pub fn amount(&self) -> i64 {
        self.charges.saturating_add(self.carried_over).max(0)
    }

    /// What its payments brought.
    fn covered(&self) -> i64 {
        self.applied.values().fold(0, |sum: i64, amount| sum.saturating_add(*amount))
    }

    /// What is still to be paid, whole rupiah: never negative.
    pub fn open(&self) -> i64 {
        self.amount().saturating_sub(self.covered()).max(0)
    }

    /// What its payments brought beyond what was to be paid: it stays on the balance.
    pub fn surplus(&self) -> i64 {
        self.beyond(self.covered())
    }

    /// The part of its surplus that a payment brought, if those of `before` came first: of all payments together it is the surplus.
    pub fn surplus_of<'a>(&self, payment_id: &str, before: impl IntoIterator<Item = &'a str>) -> i64 {
        let applied = |id: &str| self.applied.get(id).copied().unwrap_or(0);
        let earlier = before.into_iter().fold(0, |sum: i64, id| sum.saturating_add(applied(id)));
        let with_it = earlier.saturating_add(applied(payment_id));
        self.beyond(with_it).saturating_sub(self.beyond(earlier)).max(0)
    }

    fn beyond(&self, brought: i64) -> i64 {
        brought.saturating_sub(self.amount()).max(0)
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        match (self.open(), self.carried) {
            (0, _) => Status::Paid,
            (_, true) => Status::Carried,
            (_, false) => Status::Open,
        }
    }
}

/// Takes in what a payment has brought to the balance by now: to the last of `chain`, a bill and those that took its place one after the
/// other. What those before the last have of the payment was part of what they left, and stays. Whether anything changed.
pub fn apply(chain: &mut [Bill], payment_id: &str, brought: i64) -> bool {
    let Some((bill, before)) = chain.split_last_mut() else { return false };
    let kept = before.iter().filter_map(|bill| bill.applied.get(payment_id));
    let amount = kept.fold(brought, |rest, kept| rest.saturating_sub(*kept));
    let known = match amount {
        0 => bill.applied.remove(payment_id),
        amount => bill.applied.insert(payment_id.to_owned(), amount),
    };
    known.unwrap_or(0) != amount
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(zone: &str, since: &str) -> Account {
        Account {
            customer_id: "customer-001".to_owned(),
            mode: Mode::Postpaid,
            zone: Zone::named(zone).unwrap(),
            since: Some(since.parse().unwrap()),
            set_by: None,
            billed: None,
        }
    }

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn a_month_is_billed_on_the_first_of_the_next_in_local_time() {
        let due = |zone, now: &str| account(zone, "2026-09-10T00:00:00Z").month_due(now.parse().unwrap(), 6);
        let (september, october) = (Some(day("2026-09-01")), Some(day("2026-10-01")));
        // Six in the morning of 1 November is 23:00 the day before in Jakarta, 21:00 in Jayapura.
        assert_eq!(due("Asia/Jakarta", "2026-10-31T22:59:59Z"), september);
        assert_eq!(due("Asia/Jakarta", "2026-10-31T23:00:00Z"), october);
        assert_eq!(due("Asia/Jayapura", "2026-10-31T21:00:00Z"), october);
        assert_eq!(due("Asia/Makassar", "2026-10-31T21:00:00Z"), september);
        // The month before the customer became postpaid is none.
        assert_eq!(due("Asia/Jakarta", "2026-09-15T00:00:00Z"), None);
    }

    #[test]
    fn a_month_is_billed_once_and_only_of_those_who_pay_afterwards() {
        let now = "2026-11-02T00:00:00Z".parse().unwrap();
        let mut account = account("Asia/Jakarta", "2026-01-01T00:00:00Z");
        account.billed = Some(day("2026-09-01"));
        assert_eq!(account.month_due(now, 6), Some(day("2026-10-01")));
        account.billed = Some(day("2026-10-01"));
        assert_eq!(account.month_due(now, 6), None);
        account.billed = None;
        account.since = Some("2026-10-31T23:00:00+07:00".parse().unwrap());
        assert_eq!(
            account.month_due(now, 6),
            Some(day("2026-10-01")),
            "the month in which it began is billed"
        );
        account.since = Some("2026-11-01T00:00:00+07:00".parse().unwrap());
        assert_eq!(account.month_due(now, 6), None, "the one before it is not");
        account.since = Some("2026-01-01T00:00:00Z".parse().unwrap());
        account.mode = Mode::Prepaid;
        assert_eq!(account.month_due(now, 6), None);
    }

    #[test]
    fn a_bill_is_what_is_owed_without_the_new_months_water() {
        let account = account("Asia/Jakarta", "2026-01-01T00:00:00Z");
        let bill = |sums| Bill::of(&account, day("2026-10-01"), sums, Timestamp::UNIX_EPOCH);
        // 120,000 are owed now, of which 5,000 are for November.
        let october = bill((-120_000, 90_000, 5_000));
        assert_eq!(
            (october.amount(), october.carried_over, october.status()),
            (115_000, 25_000, Status::Open)
        );
        assert_eq!((october.id().as_str(), october.due), ("bill:customer-001|2026-10", day("2026-11-20")));
        // Whoever has paid ahead owes nothing.
        let ahead = bill((10_000, 90_000, 0));
        assert_eq!((ahead.amount(), ahead.carried_over, ahead.status()), (0, -100_000, Status::Paid));
        let carried = Bill { carried: true, ..october };
        assert_eq!(carried.status(), Status::Carried);
    }

    /// October's bill, of so many rupiah.
    fn owed(amount: i64) -> Bill {
        let account = account("Asia/Jakarta", "2026-01-01T00:00:00Z");
        Bill::of(&account, day("2026-10-01"), (-amount, amount, 0), Timestamp::UNIX_EPOCH)
    }

    fn bring(bill: &mut Bill, payment: &str, brought: i64) -> (i64, i64, Status) {
        apply(std::slice::from_mut(bill), payment, brought);
        (bill.open(), bill.surplus(), bill.status())
    }

    #[test]
    fn a_bill_is_paid_when_it_is_covered() {
        let mut bill = owed(100_000);
        // A voucher's place was lost: its payment brought less than was asked for.
        assert_eq!(bring(&mut bill, "a", 90_000), (10_000, 0, Status::Open));
        assert_eq!(bring(&mut bill, "b", 10_000), (0, 0, Status::Paid));
        // A part goes back, and can be paid again.
        assert_eq!(bring(&mut bill, "a", 60_000), (30_000, 0, Status::Open));
        // The page of a payment that had been given up is paid late.
        assert_eq!(bring(&mut bill, "c", 100_000), (0, 70_000, Status::Paid));
        assert_eq!(bring(&mut bill, "b", 0), (0, 60_000, Status::Paid));
        assert_eq!(bill.applied.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert!(!apply(std::slice::from_mut(&mut bill), "c", 100_000), "nothing is new");
    }

    #[test]
    fn the_surplus_is_of_the_payments_that_came_when_the_bill_was_covered() {
        let mut bill = owed(100_000);
        for (payment, brought) in [("a", 60_000), ("b", 100_000), ("c", 40_000)] {
            bring(&mut bill, payment, brought);
        }
        let of = |payment, before: &[&str]| bill.surplus_of(payment, before.iter().copied());
        // The second paid the rest and more, the third nothing that was owed.
        assert_eq!((of("a", &[]), of("b", &["a"]), of("c", &["a", "b"])), (0, 60_000, 40_000));
        assert_eq!(bill.surplus(), 100_000);
        assert_eq!(of("d", &["a", "b", "c"]), 0, "one that brought nothing");
    }

    #[test]
    fn what_comes_for_a_carried_bill_counts_where_it_is_owed() {
        let mut chain = [owed(100_000), owed(60_000)];
        bring(&mut chain[0], "a", 40_000);
        chain[0].carried = true;
        // The rest of October is part of November. Its page is paid late.
        assert!(apply(&mut chain, "b", 60_000));
        assert_eq!((chain[0].status(), chain[1].status()), (Status::Carried, Status::Paid));
        // A part of what had been paid of October goes back.
        assert!(apply(&mut chain, "a", 25_000));
        assert_eq!((chain[0].open(), chain[1].open()), (60_000, 15_000));
        assert_eq!(chain[1].applied["a"], -15_000);
        // It turns out to be there still.
        assert!(apply(&mut chain, "a", 40_000));
        assert_eq!((chain[1].open(), chain[1].applied.get("a")), (0, None));
    }

    proptest! {
        /// Whatever its payments bring, in whatever order: what is open is the amount, less what was applied, plus what went back;
        /// never negative; the status and the surplus follow from it; and only the last word of each payment counts.
        #[test]
        fn open_is_what_is_not_covered(
            amount in 0_i64..200_000, words in prop::collection::vec((0_usize..4, 0_i64..150_000), 0..30),
        ) {
            let mut bill = owed(amount);
            let (mut applied, mut back, mut last) = (0, 0, [0_i64; 4]);
            for (payment, brought) in words {
                let before = last[payment];
                if brought >= before { applied += brought - before } else { back += before - brought }
                last[payment] = brought;
                let changed = apply(std::slice::from_mut(&mut bill), &payment.to_string(), brought);
                prop_assert_eq!(changed, brought != before);
                let rest = amount - applied + back;
                prop_assert_eq!((bill.open(), bill.surplus()), (rest.max(0), (-rest).max(0)));
                prop_assert_eq!(bill.status() == Status::Paid, bill.open() == 0);
                prop_assert_eq!(bill.covered(), last.iter().sum::<i64>());
                let ids: Vec<String> = (0..last.len()).map(|payment| payment.to_string()).collect();
                let of = |at: usize| bill.surplus_of(&ids[at], ids[..at].iter().map(String::as_str));
                prop_assert_eq!((0..ids.len()).map(of).sum::<i64>(), bill.surplus());
            }
        }

        /// A bill that is carried keeps what it had; the sum over the bills is what the payments brought, and what is open in the end
        /// is the same as if nothing had been carried: the last bill is what the first left.
        #[test]
        fn carrying_loses_nothing(
            amount in 1_i64..200_000, early in prop::collection::vec((0_usize..3, 0_i64..90_000), 0..8),
            late in prop::collection::vec((0_usize..3, 0_i64..90_000), 0..8),
        ) {
            let (mut whole, mut first) = (owed(amount), owed(amount));
            for (payment, brought) in &early {
                bring(&mut whole, &payment.to_string(), *brought);
                bring(&mut first, &payment.to_string(), *brought);
            }
            prop_assume!(first.open() > 0);
            let kept = first.applied.clone();
            let rest = owed(first.open());
            first.carried = true;
            let mut chain = [first, rest];
            for (payment, brought) in &late {
                bring(&mut whole, &payment.to_string(), *brought);
                apply(&mut chain, &payment.to_string(), *brought);
            }
            prop_assert_eq!(&chain[0].applied, &kept);
            prop_assert_eq!((chain[1].open(), chain[1].surplus()), (whole.open(), whole.surplus()));
            prop_assert_eq!(chain[0].covered() + chain[1].covered(), whole.covered());
        }
    }
}
