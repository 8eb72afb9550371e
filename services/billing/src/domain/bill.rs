//! Bills of postpaid customers: what is owed at the end of a local month.
//!
//! A bill is the state of an account, like the statement of a bank: the month's water, and what was owed or left over besides. What a bill
//! leaves unpaid is part of the next one, which takes its place; so a register read that comes late, a correction or a
//! payment in between never needs a bill to be changed.

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
    /// To be paid.
    Open,
    /// Paid, or nothing was owed.
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
    /// Whether it is paid.
    pub paid: bool,
    /// Whether a later bill has taken its place.
    pub carried: bool,
    /// The payment that pays it, or that the customer has begun.
    pub payment_id: Option<String>,
}

/// The day of the month until which bills are due, as customary with Indonesian utilities (PAM Jaya: the 20th).
const DUE: i32 = 20;

impl Bill {
    /// The bill of a month: `balance` is what the customer has now, `charges` what was posted for the month, and `later` for
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
            paid: owed <= 0,
            carried: false,
            payment_id: None,
        }
    }

    /// The id of the bill of a customer's month.
    pub fn id(&self) -> String {
        format!("bill:{}|{}", self.customer_id, self.month.month())
    }

    /// To be paid, whole rupiah.
    pub fn amount(&self) -> i64 {
        self.charges.saturating_add(self.carried_over).max(0)
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        match (self.paid, self.carried) {
            (true, _) => Status::Paid,
            (false, true) => Status::Carried,
            (false, false) => Status::Open,
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(Bill { paid: true, ..carried }.status(), Status::Paid);
    }
}
