//! What billing says of payments, as the domain's types, and back.

use indowater_proto::billing::v1 as billing;
use jiff::Timestamp;

use super::wire::{Unexpected, constant, given, seconds};
use crate::domain::access::Whose;
use crate::domain::notification::{Notification, Verdict};
use crate::domain::payment::{
    Attention, AttentionReason, Payment, PaymentMethod, PaymentStatus, PaymentType,
};
use crate::domain::purchase::{PaymentsQuestion, Purchase, Purpose};
use crate::domain::user::{User, UserId};
use crate::domain::word;

/// A payment.
pub fn payment(wire: billing::Payment) -> Result<Payment, Unexpected> {
    let payment_method =
        constant(wire.method().as_str_name(), "PAYMENT_METHOD_").ok_or(Unexpected("method"))?;
    let payment_type = constant(wire.r#type().as_str_name(), "PAYMENT_TYPE_").ok_or(Unexpected("type"))?;
    let status = constant(wire.status().as_str_name(), "PAYMENT_STATUS_").ok_or(Unexpected("status"))?;
    let final_amount = wire.amount.checked_sub(wire.discount_amount).ok_or(Unexpected("discount_amount"))?;
    Ok(Payment {
        id: wire.id,
        reference_id: wire.reference_id,
        customer_id: wire.customer_id,
        customer_email: wire.customer_email,
        amount: wire.amount,
        discount_amount: wire.discount_amount,
        final_amount,
        payment_method,
        payment_type,
        status,
        payment_url: given(wire.payment_url),
        voucher_code: given(wire.voucher_code),
        voucher_state: word(&wire.voucher_state),
        bill_id: given(wire.bill_id),
        received_amount: wire.received_amount,
        fee_amount: wire.fee_amount,
        uncredited_amount: wire.uncredited_amount,
        refunded_amount: wire.refunded_amount,
        excess_amount: wire.excess_amount,
        credited_amount: wire.credited_amount,
        reason: given(wire.reason),
        made_by: given(wire.made_by),
        notes: wire.notes,
        needs_attention: wire.needs_attention.into_iter().map(attention).collect(),
        created_at: seconds(wire.created_at, "created_at")?,
        updated_at: seconds(wire.updated_at, "updated_at")?,
        paid_at: if_ever(wire.paid_at, "paid_at")?,
        noticed_at: if_ever(wire.noticed_at, "noticed_at")?,
        expires_at: if_ever(wire.expires_at, "expires_at")?,
        revision: wire.revision,
    })
}

fn attention(wire: billing::Attention) -> Attention {
    let billing::Attention { reason, amount, text } = wire;
    Attention { reason: word(&reason).unwrap_or(AttentionReason::Other), amount, text }
}

fn if_ever(at: i64, field: &'static str) -> Result<Option<Timestamp>, Unexpected> {
    (at != 0).then(|| seconds(at, field)).transpose()
}

/// A payment as billing is asked to make it.
pub fn create(
    key: String,
    payer: &User,
    purchase: Purchase,
    made_by: Option<&UserId>,
) -> billing::CreatePaymentRequest {
    let (kind, amount, bill_id) = match purchase.purpose {
        Purpose::TopUp(amount) => (billing::PaymentType::BalanceTopup, amount, String::new()),
        Purpose::Bill(id) => (billing::PaymentType::WaterBill, 0, id),
    };
    billing::CreatePaymentRequest {
        key,
        customer_id: payer.id.as_str().to_owned(),
        customer_name: payer.full_name.clone(),
        customer_email: payer.email.clone(),
        method: method(purchase.method).into(),
        r#type: kind.into(),
        amount,
        voucher_code: purchase.voucher_code.unwrap_or_default(),
        bill_id,
        return_url: purchase.return_url.unwrap_or_default(),
        made_by: made_by.map(|user| user.as_str().to_owned()).unwrap_or_default(),
        reason: purchase.reason.unwrap_or_default(),
    }
}

/// A page of payments as billing is asked for it.
pub fn list(whose: &Whose, question: PaymentsQuestion) -> billing::ListPaymentsRequest {
    let kind = |kind| match kind {
        PaymentType::BalanceTopup => billing::PaymentType::BalanceTopup,
        PaymentType::WaterBill => billing::PaymentType::WaterBill,
    };
    billing::ListPaymentsRequest {
        customer_id: whose.customer_id().to_owned(),
        status: question.status.map(status).unwrap_or_default().into(),
        method: question.method.map(method).unwrap_or_default().into(),
        r#type: question.kind.map(kind).unwrap_or_default().into(),
        from: question.window.from,
        to: question.window.to,
        page_size: question.page.size,
        page_token: question.page.token,
        needs_attention: question.needs_attention,
    }
}

const fn method(method: PaymentMethod) -> billing::PaymentMethod {
    match method {
        PaymentMethod::Midtrans => billing::PaymentMethod::Midtrans,
        PaymentMethod::Xendit => billing::PaymentMethod::Xendit,
        PaymentMethod::Manual => billing::PaymentMethod::Manual,
    }
}

const fn status(status: PaymentStatus) -> billing::PaymentStatus {
    match status {
        PaymentStatus::Pending => billing::PaymentStatus::Pending,
        PaymentStatus::Paid => billing::PaymentStatus::Paid,
        PaymentStatus::Failed => billing::PaymentStatus::Failed,
        PaymentStatus::Expired => billing::PaymentStatus::Expired,
        PaymentStatus::Reversed => billing::PaymentStatus::Reversed,
        PaymentStatus::Refunded => billing::PaymentStatus::Refunded,
    }
}

/// What a gateway sent, as it came.
pub fn notification(notification: Notification) -> billing::ReceiveNotificationRequest {
    billing::ReceiveNotificationRequest {
        gateway: method(notification.gateway).into(),
        body: notification.body,
        headers: notification.headers,
    }
}

/// What billing makes of it.
pub const fn verdict(verdict: billing::NotificationVerdict) -> Result<Verdict, Unexpected> {
    use billing::NotificationVerdict::{Forged, Taken, UnknownOrder, Unreadable, Unspecified};
    match verdict {
        Taken | UnknownOrder => Ok(Verdict::Kept),
        Forged => Ok(Verdict::Forged),
        Unreadable => Ok(Verdict::Unreadable),
        Unspecified => Err(Unexpected("verdict")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every constant of the schema has its word, and the word the same constant, or a filter would show everything.
    #[test]
    fn every_constant_has_a_word_and_back() {
        fn all<T: TryFrom<i32> + Copy>(count: usize) -> Vec<T> {
            let all: Vec<T> = (1..100).map_while(|number| T::try_from(number).ok()).collect();
            assert_eq!(all.len(), count);
            all
        }
        for known in all::<billing::PaymentMethod>(3) {
            assert_eq!(constant(known.as_str_name(), "PAYMENT_METHOD_").map(method), Some(known));
        }
        for known in all::<billing::PaymentStatus>(6) {
            assert_eq!(constant(known.as_str_name(), "PAYMENT_STATUS_").map(status), Some(known));
        }
        for known in all::<billing::PaymentType>(2) {
            assert!(constant::<PaymentType>(known.as_str_name(), "PAYMENT_TYPE_").is_some());
        }
        for known in all::<billing::NotificationVerdict>(4) {
            assert!(verdict(known).is_ok());
        }
        assert_eq!(verdict(billing::NotificationVerdict::Unspecified), Err(Unexpected("verdict")));
    }

    #[test]
    fn what_is_not_there_is_null() {
        let wire = billing::Payment {
            method: billing::PaymentMethod::Manual.into(),
            r#type: billing::PaymentType::BalanceTopup.into(),
            status: billing::PaymentStatus::Pending.into(),
            amount: 100,
            discount_amount: 30,
            ..billing::Payment::default()
        };
        let payment = payment(wire.clone()).unwrap();
        assert_eq!((payment.final_amount, payment.paid_at, payment.expires_at), (70, None, None));
        assert_eq!((payment.payment_url, payment.voucher_state, payment.bill_id), (None, None, None));
        let strange = billing::Payment { status: 0, ..wire };
        assert_eq!(super::payment(strange), Err(Unexpected("status")));
    }
}
