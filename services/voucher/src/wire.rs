//! The schemas of `proto/`: the domain's values as calls and the topic of redemptions tell them.

use indowater_proto::voucher::v1 as pb;
use jiff::Timestamp;
use prost::Message;

use crate::domain::discount::DiscountType;
use crate::domain::money::Rupiah;
use crate::domain::redemption::{Reservation, State, Usage};
use crate::domain::refusal::{Reason, Refused};
use crate::domain::voucher::{Status, Voucher, VoucherDraft};

/// A voucher as it stands at `now`.
pub fn voucher(voucher: Voucher, now: Timestamp) -> pb::Voucher {
    let status = voucher.status(now);
    pb::Voucher {
        id: voucher.id,
        code: voucher.code,
        description: voucher.description,
        discount_type: discount_type_to_wire(voucher.discount.rate.kind()).into(),
        discount_value: voucher.discount.rate.value().to_string(),
        min_purchase_amount: voucher.min_purchase.get(),
        max_discount_amount: voucher.discount.most.map(Rupiah::get),
        usage_limit: voucher.usage_limit,
        usage_count: voucher.usage_count,
        reserved_count: voucher.reserved_count,
        per_customer_limit: voucher.per_customer_limit,
        valid_from: voucher.valid_from.to_string(),
        valid_until: voucher.valid_until.to_string(),
        status: status_to_wire(status).into(),
        created_by: voucher.created_by,
        created_at: voucher.created_at.to_string(),
    }
}

/// A voucher as a caller describes it. A type that is not known is none.
pub fn draft(voucher: pb::Voucher) -> VoucherDraft {
    let discount_type = match voucher.discount_type() {
        pb::DiscountType::Unspecified => None,
        pb::DiscountType::Percentage => Some(DiscountType::Percentage),
        pb::DiscountType::FixedAmount => Some(DiscountType::FixedAmount),
    };
    VoucherDraft {
        id: voucher.id,
        code: voucher.code,
        description: voucher.description,
        discount_type,
        discount_value: voucher.discount_value,
        min_purchase_amount: voucher.min_purchase_amount,
        max_discount_amount: voucher.max_discount_amount,
        usage_limit: voucher.usage_limit,
        per_customer_limit: voucher.per_customer_limit,
        valid_from: voucher.valid_from,
        valid_until: voucher.valid_until,
        created_by: voucher.created_by,
    }
}

/// A redemption.
pub fn usage(usage: Usage) -> pb::VoucherUsage {
    pb::VoucherUsage {
        id: usage.id,
        voucher_id: usage.voucher_id,
        voucher_code: usage.voucher_code,
        customer_id: usage.customer_id,
        customer_email: usage.customer_email,
        purchase_amount: usage.purchase.get(),
        discount_amount: usage.discount.get(),
        final_amount: usage.paid.get(),
        used_at: usage.used_at.to_string(),
        transaction_id: usage.transaction_id.unwrap_or_default(),
    }
}

/// A reservation.
pub fn reservation(reservation: Reservation) -> pb::Reservation {
    let purchase = reservation.purchase;
    pb::Reservation {
        payment_id: purchase.payment_id,
        voucher_id: reservation.voucher_id,
        voucher_code: purchase.code,
        customer_id: purchase.customer_id,
        purchase_amount: purchase.amount.get(),
        discount_amount: reservation.discount.get(),
        final_amount: purchase.amount.less(reservation.discount).get(),
        state: state_to_wire(reservation.state).into(),
        expires_at: reservation.expires_at.to_string(),
    }
}

/// Why a voucher does not hold.
pub fn refused(refused: Refused) -> pb::Refused {
    pb::Refused { reason: reason_to_wire(refused.reason).into(), detail: refused.detail }
}

/// The value of a redemption's record. An address has no place on a topic that anybody may read: the customer's id says
/// who it was.
pub fn encode_redemption(usage: &Usage) -> Vec<u8> {
    let redemption = pb::Redemption {
        id: usage.id.clone(),
        voucher_id: usage.voucher_id.clone(),
        voucher_code: usage.voucher_code.clone(),
        customer_id: usage.customer_id.clone(),
        transaction_id: usage.transaction_id.clone().unwrap_or_default(),
        purchase_amount: usage.purchase.get(),
        discount_amount: usage.discount.get(),
        final_amount: usage.paid.get(),
        used_at: usage.used_at.to_string(),
    };
    redemption.encode_to_vec()
}

/// The status a caller asks for; none if it is left open.
pub const fn status_from_wire(status: pb::VoucherStatus) -> Option<Status> {
    match status {
        pb::VoucherStatus::Unspecified => None,
        pb::VoucherStatus::Active => Some(Status::Active),
        pb::VoucherStatus::Expired => Some(Status::Expired),
        pb::VoucherStatus::Depleted => Some(Status::Depleted),
        pb::VoucherStatus::Inactive => Some(Status::Inactive),
    }
}

const fn status_to_wire(status: Status) -> pb::VoucherStatus {
    match status {
        Status::Active => pb::VoucherStatus::Active,
        Status::Expired => pb::VoucherStatus::Expired,
        Status::Depleted => pb::VoucherStatus::Depleted,
        Status::Inactive => pb::VoucherStatus::Inactive,
    }
}

const fn discount_type_to_wire(kind: DiscountType) -> pb::DiscountType {
    match kind {
        DiscountType::Percentage => pb::DiscountType::Percentage,
        DiscountType::FixedAmount => pb::DiscountType::FixedAmount,
    }
}

/// Where a reservation stands.
pub const fn state_to_wire(state: State) -> pb::ReservationState {
    match state {
        State::Reserved => pb::ReservationState::Reserved,
        State::Released => pb::ReservationState::Released,
        State::Committed => pb::ReservationState::Committed,
        State::Lapsed => pb::ReservationState::Lapsed,
    }
}

const fn reason_to_wire(reason: Reason) -> pb::RefusalReason {
    match reason {
        Reason::UnknownCode => pb::RefusalReason::UnknownCode,
        Reason::Inactive => pb::RefusalReason::Inactive,
        Reason::Depleted => pb::RefusalReason::Depleted,
        Reason::Expired => pb::RefusalReason::Expired,
        Reason::NotYetValid => pb::RefusalReason::NotYetValid,
        Reason::FullyReserved => pb::RefusalReason::FullyReserved,
        Reason::CustomerLimit => pb::RefusalReason::CustomerLimit,
        Reason::BelowMinimum => pb::RefusalReason::BelowMinimum,
        Reason::LeftTooLittle => pb::RefusalReason::LeftTooLittle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_comes_back_from_the_wire() {
        for status in [Status::Active, Status::Expired, Status::Depleted, Status::Inactive] {
            assert_eq!(status_from_wire(status_to_wire(status)), Some(status));
        }
        assert_eq!(status_from_wire(pb::VoucherStatus::Unspecified), None);
    }

    #[test]
    fn a_type_that_is_not_known_is_none() {
        for number in [0, 9] {
            assert_eq!(
                draft(pb::Voucher { discount_type: number, ..Default::default() }).discount_type,
                None
            );
        }
    }
}
