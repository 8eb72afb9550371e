//! What billing says of bills, of the way customers pay and of revenue, as the domain's types, and back.

use indowater_proto::billing::v1 as billing;

use super::wire::{Unexpected, constant, given, seconds};
use crate::domain::access::Whose;
use crate::domain::bill::{
    Bill, BillPayment, BillStatus, BillingAccount, BillingMode, BillsQuestion, NewBillingMode,
};
use crate::domain::revenue::AccountDay;
use crate::domain::user::UserId;

/// A bill.
pub fn bill(wire: billing::Bill) -> Result<Bill, Unexpected> {
    let status = constant(wire.status().as_str_name(), "BILL_STATUS_").ok_or(Unexpected("status"))?;
    Ok(Bill {
        id: wire.id,
        customer_id: wire.customer_id,
        month: wire.month,
        charges: wire.charges,
        carried_over: wire.carried_over,
        amount: wire.amount,
        status,
        payment_id: given(wire.payment_id),
        open: wire.open,
        surplus: wire.surplus,
        payments: wire.payments.into_iter().map(payment).collect(),
        carried_to: given(wire.carried_to),
        issued_at: seconds(wire.issued_at, "issued_at")?,
        due_date: wire.due_date.parse().map_err(|_| Unexpected("due_date"))?,
    })
}

fn payment(billing::BillPayment { payment_id, amount }: billing::BillPayment) -> BillPayment {
    BillPayment { payment_id, amount }
}

/// A page of bills as billing is asked for it.
pub fn list(whose: &Whose, question: BillsQuestion) -> billing::ListBillsRequest {
    billing::ListBillsRequest {
        customer_id: whose.customer_id().to_owned(),
        status: question.status.map(status).unwrap_or_default().into(),
        page_size: question.page.size,
        page_token: question.page.token,
    }
}

const fn status(status: BillStatus) -> billing::BillStatus {
    match status {
        BillStatus::Open => billing::BillStatus::Open,
        BillStatus::Paid => billing::BillStatus::Paid,
        BillStatus::Carried => billing::BillStatus::Carried,
    }
}

/// How a customer pays.
pub fn account(wire: billing::Account) -> Result<BillingAccount, Unexpected> {
    let mode = constant(wire.mode().as_str_name(), "ACCOUNT_MODE_").ok_or(Unexpected("mode"))?;
    Ok(BillingAccount {
        customer_id: wire.customer_id,
        mode,
        time_zone: wire.time_zone,
        since: (wire.since != 0).then(|| seconds(wire.since, "since")).transpose()?,
        set_by: given(wire.set_by),
    })
}

/// How a customer is to pay, as billing is told it.
pub fn set_account(customer: &UserId, wanted: NewBillingMode, set_by: &UserId) -> billing::SetAccountRequest {
    billing::SetAccountRequest {
        customer_id: customer.as_str().to_owned(),
        mode: mode(wanted.mode).into(),
        time_zone: wanted.time_zone.unwrap_or_default(),
        set_by: set_by.as_str().to_owned(),
    }
}

const fn mode(mode: BillingMode) -> billing::AccountMode {
    match mode {
        BillingMode::Prepaid => billing::AccountMode::Prepaid,
        BillingMode::Postpaid => billing::AccountMode::Postpaid,
    }
}

/// What an account received on a day.
pub fn account_day(wire: billing::AccountDay) -> Result<AccountDay, Unexpected> {
    let date = wire.date.parse().map_err(|_| Unexpected("date"))?;
    Ok(AccountDay { date, account: wire.account, amount: wire.amount })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_has_a_word_and_back() {
        for known in (1..100).map_while(|number| billing::BillStatus::try_from(number).ok()) {
            assert_eq!(constant(known.as_str_name(), "BILL_STATUS_").map(status), Some(known));
        }
        for known in (1..100).map_while(|number| billing::AccountMode::try_from(number).ok()) {
            assert_eq!(constant(known.as_str_name(), "ACCOUNT_MODE_").map(mode), Some(known));
        }
        assert_eq!(bill(billing::Bill::default()), Err(Unexpected("status")));
        assert_eq!(account(billing::Account::default()), Err(Unexpected("mode")));
    }

    #[test]
    fn nobody_ever_changed_it() {
        let wire = billing::Account { mode: billing::AccountMode::Prepaid.into(), ..Default::default() };
        let account = account(wire).unwrap();
        assert_eq!((account.since, account.set_by), (None, None));
    }
}
