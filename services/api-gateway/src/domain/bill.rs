//! Bills, and whether a customer pays before or after, as people see them. Rupiah are whole here, and JSON integers.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::failure::{Failure, Faults};
use crate::domain::order;
use crate::domain::page::{self, Page};
use crate::domain::purchase::one_of;
use crate::domain::user::UserId;

/// How a bill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BillStatus {
    /// Something of it is to be paid.
    Open,
    /// Covered by what was paid, or nothing was owed.
    Paid,
    /// What was left of it is part of a later bill.
    Carried,
}

/// What a customer who pays afterwards owes at the end of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bill {
    /// Unique id; percent-encode it in a path.
    #[schema(example = "bill:customer-001|2026-10")]
    pub id: String,
    /// Whose.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// The month.
    #[schema(example = "2026-10", pattern = "^[0-9]{4}-[0-9]{2}$")]
    pub month: String,
    /// Water of the month.
    #[schema(example = 71_400)]
    pub charges: i64,
    /// What was owed besides at the end of the month, less what had been paid; negative if more had been paid.
    #[schema(example = -1_400)]
    pub carried_over: i64,
    /// To be paid when it was issued: both together, or nothing if that is less.
    #[schema(example = 70_000)]
    pub amount: i64,
    /// What is still to be paid: `amount` less what `payments` brought, never negative. A payment of the bill asks for this.
    #[schema(example = 10_000, minimum = 0)]
    pub open: i64,
    /// What payments brought beyond `amount`: it stays on the balance.
    #[schema(example = 0, minimum = 0)]
    pub surplus: i64,
    /// How it stands.
    pub status: BillStatus,
    /// The payment that the customer began last.
    #[schema(example = "payment-7f3a")]
    pub payment_id: Option<String>,
    /// What each payment brought to this bill.
    pub payments: Vec<BillPayment>,
    /// The later bill that what was left of it is part of; null if it is not carried. What comes for this bill from then on counts
    /// for that one.
    #[schema(example = "bill:customer-001|2026-11")]
    pub carried_to: Option<String>,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime, example = "2026-10-31T17:05:00Z")]
    pub issued_at: Timestamp,
    /// The local day until which it should be paid.
    #[schema(value_type = String, format = Date, example = "2026-11-20")]
    pub due_date: Date,
}

/// What a payment brought to a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BillPayment {
    /// Which payment.
    #[schema(example = "payment-7f3a")]
    pub payment_id: String,
    /// Whole rupiah: with its discount, less what was given or taken back; negative if more went back than this bill had of it.
    #[schema(example = 60_000)]
    pub amount: i64,
}

/// Whether a customer pays before or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BillingMode {
    /// A balance is drawn down.
    Prepaid,
    /// A bill comes on the first of the month.
    Postpaid,
}

/// How a customer pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BillingAccount {
    /// Who.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// Before or after.
    pub mode: BillingMode,
    /// IANA name of the zone in which the customer's months begin.
    #[schema(example = "Asia/Jakarta")]
    pub time_zone: String,
    /// Since when it is so; null if nobody ever changed it.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub since: Option<Timestamp>,
    /// `users.id` of whoever set it. Told to administrators only.
    #[schema(example = "admin-001")]
    pub set_by: Option<String>,
}

/// How a customer is to pay.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBillingMode {
    /// Before or after.
    pub mode: BillingMode,
    /// IANA name of the zone in which the customer's months begin; Asia/Jakarta without it.
    #[schema(example = "Asia/Makassar", min_length = 1)]
    pub time_zone: Option<String>,
}

impl NewBillingMode {
    /// Checks it. Which zones there are is billing's to say.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn check(self) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        // An empty one would mean Jakarta, which is not what an empty field says.
        if self.time_zone.as_deref().is_some_and(|zone| zone.trim().is_empty()) {
            faults.add("time_zone", "must be the name of a time zone, such as Asia/Makassar");
        }
        faults.settle(Some(self))
    }
}

/// A page of bills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillsQuestion {
    /// Of one customer only.
    pub customer: Option<UserId>,
    /// In one status only.
    pub status: Option<BillStatus>,
    /// Which page.
    pub page: Page,
}

impl BillsQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(
        customer: Option<&str>,
        status: Option<&str>,
        size: Option<&str>,
        token: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let customer = faults.note(order::named(customer));
        let status = faults.note(one_of("status", status, "open, paid or carried"));
        let page = Page::read(size, token, page::PAYMENTS, &mut faults);
        let question = customer.zip(status).zip(page);
        faults.settle(question.map(|((customer, status), page)| Self { customer, status, page }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bills_are_filtered_or_refused() {
        let read = BillsQuestion::read(Some("customer-001"), Some("open"), Some("7"), None).unwrap();
        assert_eq!((read.status, read.page.size), (Some(BillStatus::Open), 7));
        let Err(Failure::Invalid(faults)) = BillsQuestion::read(Some(""), Some("late"), Some("0"), None)
        else {
            panic!("it should not be read");
        };
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["customer_id", "status", "page_size"]);
    }

    #[test]
    fn a_zone_has_a_name() {
        let mode = |time_zone: Option<&str>| NewBillingMode {
            mode: BillingMode::Postpaid,
            time_zone: time_zone.map(str::to_owned),
        };
        assert!(mode(None).check().is_ok() && mode(Some("Asia/Jayapura")).check().is_ok());
        assert!(mode(Some("")).check().is_err());
    }
}
