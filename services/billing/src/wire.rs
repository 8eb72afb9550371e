//! Schemas to domain and back, for the topics and for gRPC alike.

use indowater_common::domain::zone::Day;
use indowater_common::wire::{decimal, published};
use indowater_proto::billing::v1 as wire;
use indowater_proto::billing::v1::instruction::What;
use indowater_proto::usage::v1::DailyUsage;
use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::app::books::Instruction;
use crate::domain::bill::{self, Bill};
use crate::domain::charge::{ChargedDay, DayCharge, UsageSource};
use crate::domain::ledger::{Account, Balance, Draft, Entry, Kind, Leg};
use crate::domain::payment::Status;
use crate::domain::purchase::Method;
use crate::domain::schedule::{Schedule, Version};
use crate::domain::transaction::{Attention, Transaction};
use crate::kafka::Asked;
use crate::mongo::MonthKey;

/// What a daily record asks of the ledger: what the day costs its customer, which is nothing if its water is not billable, and that
/// it costs those nothing whose it was before.
///
/// # Errors
/// It has no customer, and had none.
pub fn usage_asks(usage: DailyUsage) -> Result<Asked, String> {
    if usage.customer_id.is_empty() && usage.former_customer_ids.is_empty() {
        return Err("it has no customer".to_owned());
    }
    let charge = |volume_ml: i64, cost: Option<&str>| wire::DayCharge {
        device_id: usage.device_id.clone(),
        property_id: usage.property_id.clone(),
        date: usage.date.clone(),
        revision: usage.revision,
        volume_ml,
        cost: cost.unwrap_or("0").to_owned(),
        tariff_class: usage.tariff_class.clone(),
        month_to_date_before_ml: usage.month_to_date_before_ml,
        not_charged: cost.is_none(),
    };
    let billable = usage.billable.unwrap_or(true);
    let own = (&usage.customer_id, charge(usage.volume_ml, billable.then_some(usage.cost.as_str())));
    // Whoever had the day, lost it and has it again is charged.
    let former = usage.former_customer_ids.iter().filter(|former| **former != usage.customer_id);
    let former = former.map(|former| (former, charge(0, None)));
    let all = std::iter::once(own).chain(former).filter(|(customer_id, _)| !customer_id.is_empty());
    let asked = all.map(|(customer_id, charge)| {
        let what = Some(What::DayCharge(charge));
        let instruction = wire::Instruction { customer_id: customer_id.clone(), what };
        (format!("{}@{}|{customer_id}", usage.id, usage.revision), usage.timestamp, instruction)
    });
    Ok(asked.collect())
}

/// What a payment asks of the ledger: everything that it ever did.
pub fn payment_asks(payment: wire::Payment) -> Asked {
    let customer_id = payment.customer_id;
    let asked = payment.movements.into_iter().map(|movement| {
        let (id, time) = (movement.id.clone(), movement.occurred_at);
        let what = Some(What::Movement(movement));
        (id, time, wire::Instruction { customer_id: customer_id.clone(), what })
    });
    asked.collect()
}

/// Rupiah beyond which the cost of a day is no cost, 10^12: a month of such days can still be added up.
const LARGEST_COST: Decimal = Decimal::from_parts(0xD4A5_1000, 0xE8, 0, false, 0);

/// Understands an instruction.
///
/// # Errors
/// What does not make sense in it.
pub fn instruction(message: wire::Instruction) -> Result<Instruction, String> {
    if message.customer_id.is_empty() {
        return Err("it has no customer".to_owned());
    }
    let customer_id: Box<str> = message.customer_id.into();
    match message.what.ok_or("it asks for nothing")? {
        What::DayCharge(charge) => {
            let day = Day::parse(&charge.date).ok_or_else(|| format!("{:?} is no date", charge.date))?;
            if charge.device_id.is_empty() {
                return Err("it has no device".to_owned());
            }
            let key = MonthKey { customer_id, device_id: charge.device_id.into(), month: day.month_start() };
            let cost = decimal("cost", &charge.cost)?;
            if cost.abs() > LARGEST_COST {
                return Err(format!("cost: {cost} is more than any water costs"));
            }
            let charge = DayCharge {
                revision: charge.revision,
                volume_ml: charge.volume_ml,
                cost: if charge.not_charged { Decimal::ZERO } else { cost },
                tariff_class: charge.tariff_class.into(),
                month_to_date_before_ml: charge.month_to_date_before_ml,
                charged: !charge.not_charged,
            };
            Ok(Instruction::Day { key, day, charge })
        }
        What::Movement(movement) => Ok(Instruction::Movement { customer_id, draft: draft(movement)? }),
    }
}

fn draft(movement: wire::Movement) -> Result<Draft, String> {
    let kind = match movement.kind() {
        wire::EntryKind::Payment => Kind::Payment,
        wire::EntryKind::Reversal => Kind::Reversal,
        wire::EntryKind::Refund => Kind::Refund,
        wire::EntryKind::Adjustment => Kind::Adjustment,
        wire::EntryKind::Usage | wire::EntryKind::Unspecified => {
            return Err("it is of no kind that moves money".to_owned());
        }
    };
    if movement.id.is_empty() || movement.legs.is_empty() {
        return Err("it has no id or no legs".to_owned());
    }
    let legs = movement.legs.into_iter().map(|leg| {
        let account = Account::named(&leg.account).map_err(|error| error.to_string())?;
        Ok(Leg { account, amount: leg.amount })
    });
    Ok(Draft {
        kind,
        others: legs.collect::<Result<_, String>>()?,
        id: movement.id,
        description: movement.description,
        payment_id: given(movement.payment_id),
        occurred_at: movement.occurred_at,
        made_by: given(movement.made_by),
        usage: None,
    })
}

/// A text that was given.
pub fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// An entry as it is published and answered.
pub fn entry(entry: &Entry, posted_at: i64) -> wire::LedgerEntry {
    let draft = &entry.draft;
    wire::LedgerEntry {
        id: draft.id.clone(),
        customer_id: entry.customer_id.to_string(),
        kind: kind(draft.kind).into(),
        legs: entry.legs().map(leg).collect(),
        amount: entry.amount,
        balance_after: entry.balance_after,
        sequence: entry.sequence,
        description: draft.description.clone(),
        payment_id: draft.payment_id.clone().unwrap_or_default(),
        occurred_at: draft.occurred_at,
        posted_at,
        made_by: draft.made_by.clone().unwrap_or_default(),
        usage: draft.usage.as_ref().map(usage_source),
    }
}

fn usage_source(source: &UsageSource) -> wire::UsageSource {
    wire::UsageSource {
        device_id: source.device_id.to_string(),
        month: source.month.month(),
        month_cost: source.month_cost.normalize().to_string(),
        posted_before: source.posted_before,
        days: source.days.iter().map(charged_day).collect(),
    }
}

/// A day that changed.
pub fn charged_day(day: &ChargedDay) -> wire::ChargedDay {
    wire::ChargedDay {
        date: day.day.to_string(),
        revision: day.charge.revision,
        volume_ml: day.charge.volume_ml,
        cost: day.charge.cost.normalize().to_string(),
        cost_before: day.cost_before.normalize().to_string(),
        tariff_class: day.charge.tariff_class.to_string(),
        month_to_date_before_ml: day.charge.month_to_date_before_ml,
        not_charged: !day.charge.charged,
    }
}

fn kind(kind: Kind) -> wire::EntryKind {
    match kind {
        Kind::Usage => wire::EntryKind::Usage,
        Kind::Payment => wire::EntryKind::Payment,
        Kind::Reversal => wire::EntryKind::Reversal,
        Kind::Refund => wire::EntryKind::Refund,
        Kind::Adjustment => wire::EntryKind::Adjustment,
    }
}

fn leg(leg: Leg) -> wire::Leg {
    wire::Leg { account: leg.account.name().to_owned(), amount: leg.amount }
}

/// What the ledger is asked to post for a draft that is not for water.
pub fn movement(draft: Draft) -> wire::Movement {
    wire::Movement {
        id: draft.id,
        kind: kind(draft.kind).into(),
        legs: draft.others.into_iter().map(leg).collect(),
        description: draft.description,
        payment_id: draft.payment_id.unwrap_or_default(),
        occurred_at: draft.occurred_at,
        made_by: draft.made_by.unwrap_or_default(),
    }
}

/// A payment as it is published and answered.
pub fn payment(transaction: &Transaction) -> wire::Payment {
    let Transaction { payment, .. } = transaction;
    let sums = payment.sums();
    let seconds = |at: Option<Timestamp>| at.map_or(0, Timestamp::as_second);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let status = match payment.status() {
        Status::Pending => wire::PaymentStatus::Pending,
        Status::Paid => wire::PaymentStatus::Paid,
        Status::Failed => wire::PaymentStatus::Failed,
        Status::Expired => wire::PaymentStatus::Expired,
        Status::Reversed => wire::PaymentStatus::Reversed,
        Status::Refunded => wire::PaymentStatus::Refunded,
    };
    let method = match transaction.method {
        Method::Midtrans => wire::PaymentMethod::Midtrans,
        Method::Xendit => wire::PaymentMethod::Xendit,
        Method::Manual => wire::PaymentMethod::Manual,
    };
    let r#type = match transaction.pays_bill {
        false => wire::PaymentType::BalanceTopup,
        true => wire::PaymentType::WaterBill,
    };
    wire::Payment {
        id: payment.id().to_owned(),
        reference_id: transaction.reference.clone(),
        customer_id: transaction.customer_id.clone(),
        customer_email: transaction.customer_email.clone(),
        amount: payment.amount().get(),
        discount_amount: payment.discount().get(),
        method: method.into(),
        r#type: r#type.into(),
        status: status.into(),
        payment_url: text(&transaction.payment_url),
        voucher_code: text(&transaction.voucher_code),
        bill_id: text(&transaction.bill_id),
        created_at: transaction.created_at.as_second(),
        updated_at: transaction.updated_at.as_second(),
        paid_at: seconds(transaction.paid_at),
        expires_at: seconds(transaction.expires_at),
        refunded_amount: sums.refunded.get(),
        credited_amount: payment.balance().get(),
        notes: transaction.notes(),
        reason: text(&transaction.reason),
        made_by: text(&transaction.made_by),
        movements: transaction.drafts().map(movement).collect(),
        voucher_state: payment.voucher_state().unwrap_or_default().to_owned(),
        revision: transaction.revision,
        noticed_at: seconds(transaction.noticed_at),
        received_amount: sums.received.get(),
        fee_amount: sums.fees.get(),
        uncredited_amount: sums.uncredited.get(),
        excess_amount: sums.excess.get(),
        needs_attention: transaction.attention().into_iter().map(attention).collect(),
        final_amount: payment.asked().get(),
    }
}

fn attention(attention: Attention) -> wire::Attention {
    let Attention { reason, amount, text } = attention;
    wire::Attention { reason: reason.to_owned(), amount: amount.get(), text }
}

/// A bill as it is answered.
pub fn bill(bill: &Bill) -> wire::Bill {
    let status = match bill.status() {
        bill::Status::Open => wire::BillStatus::Open,
        bill::Status::Paid => wire::BillStatus::Paid,
        bill::Status::Carried => wire::BillStatus::Carried,
    };
    wire::Bill {
        id: bill.id(),
        customer_id: bill.customer_id.clone(),
        month: bill.month.month(),
        charges: bill.charges,
        carried_over: bill.carried_over,
        amount: bill.amount(),
        status: status.into(),
        payment_id: bill.payment_id.clone().unwrap_or_default(),
        issued_at: bill.issued_at.as_second(),
        due_date: bill.due.to_string(),
        open: bill.open(),
        surplus: bill.surplus(),
        payments: bill.applied.iter().map(applied).collect(),
        carried_to: bill.carried_to.clone().unwrap_or_default(),
    }
}

fn applied((payment_id, amount): (&String, &i64)) -> wire::BillPayment {
    wire::BillPayment { payment_id: payment_id.clone(), amount: *amount }
}

/// How a customer pays, as it is answered.
pub fn account(account: &bill::Account) -> wire::Account {
    let mode = match account.mode {
        bill::Mode::Prepaid => wire::AccountMode::Prepaid,
        bill::Mode::Postpaid => wire::AccountMode::Postpaid,
    };
    wire::Account {
        customer_id: account.customer_id.clone(),
        mode: mode.into(),
        time_zone: account.zone.name().to_owned(),
        since: account.since.map_or(0, Timestamp::as_second),
        set_by: account.set_by.clone().unwrap_or_default(),
    }
}

/// A balance as it is published and answered.
pub fn balance(customer_id: &str, balance: Balance, updated_at: i64) -> wire::Balance {
    wire::Balance {
        customer_id: customer_id.to_owned(),
        balance: balance.left(),
        sequence: balance.sequence,
        updated_at,
        posted: balance.posted,
        accrued: balance.accrued,
    }
}

/// A class's schedule as it is published and answered.
pub fn published_schedule(schedule: &Schedule) -> wire::TariffSchedule {
    let version = |Version { tariff, set_by }: &Version| published(tariff, set_by);
    wire::TariffSchedule {
        class: schedule.class.clone(),
        versions: schedule.versions.iter().map(version).collect(),
        revision: schedule.revision,
        updated_at: schedule.updated_at,
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
