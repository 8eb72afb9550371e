//! What voucher says, as the domain's types, and back.

use indowater_proto::voucher::v1 as pb;
use indowater_proto::voucher::v1::validate_voucher_response::Outcome;

use super::wire::{Unexpected, constant, given, moment};
use crate::domain::user::UserId;
use crate::domain::voucher::{
    ApplicableVoucher, DiscountType, NewVoucher, Validation, Voucher, VoucherStatus, VoucherUsage,
    VouchersQuestion,
};

/// A voucher.
pub fn voucher(wire: pb::Voucher) -> Result<Voucher, Unexpected> {
    let discount_type = constant(wire.discount_type().as_str_name(), "DISCOUNT_TYPE_");
    let status = constant(wire.status().as_str_name(), "VOUCHER_STATUS_").ok_or(Unexpected("status"))?;
    Ok(Voucher {
        id: wire.id,
        code: wire.code,
        description: wire.description,
        discount_type: discount_type.ok_or(Unexpected("discount_type"))?,
        discount_value: wire.discount_value,
        min_purchase_amount: wire.min_purchase_amount,
        max_discount_amount: wire.max_discount_amount,
        usage_limit: wire.usage_limit,
        usage_count: wire.usage_count,
        reserved_count: wire.reserved_count,
        per_customer_limit: wire.per_customer_limit,
        valid_from: moment(&wire.valid_from).ok_or(Unexpected("valid_from"))?,
        valid_until: moment(&wire.valid_until).ok_or(Unexpected("valid_until"))?,
        status,
        created_by: wire.created_by,
        created_at: moment(&wire.created_at).ok_or(Unexpected("created_at"))?,
    })
}

/// A voucher that a customer could use; how often others use it is not theirs to know.
pub fn applicable(wire: pb::ApplicableVoucher) -> Result<ApplicableVoucher, Unexpected> {
    let voucher = voucher(wire.voucher.ok_or(Unexpected("voucher"))?)?;
    Ok(ApplicableVoucher {
        code: voucher.code,
        description: voucher.description,
        discount_type: voucher.discount_type,
        discount_value: voucher.discount_value,
        min_purchase_amount: voucher.min_purchase_amount,
        max_discount_amount: voucher.max_discount_amount,
        valid_until: voucher.valid_until,
        discount_amount: wire.discount_amount,
        final_amount: wire.final_amount,
    })
}

/// A redemption.
pub fn usage(wire: pb::VoucherUsage) -> Result<VoucherUsage, Unexpected> {
    Ok(VoucherUsage {
        id: wire.id,
        voucher_id: wire.voucher_id,
        voucher_code: wire.voucher_code,
        customer_id: wire.customer_id,
        customer_email: wire.customer_email,
        purchase_amount: wire.purchase_amount,
        discount_amount: wire.discount_amount,
        final_amount: wire.final_amount,
        used_at: moment(&wire.used_at).ok_or(Unexpected("used_at"))?,
        transaction_id: given(wire.transaction_id),
    })
}

/// What a voucher would save, or why it does not hold.
pub fn validation(outcome: Outcome) -> Result<Validation, Unexpected> {
    Ok(match outcome {
        Outcome::Saving(pb::Saving { discount_amount, final_amount }) => Validation {
            valid: true,
            discount_amount: Some(discount_amount),
            final_amount: Some(final_amount),
            ..Validation::default()
        },
        Outcome::Refused(refused) => {
            let reason = constant(refused.reason().as_str_name(), "REFUSAL_REASON_");
            Validation {
                reason: Some(reason.ok_or(Unexpected("reason"))?),
                detail: Some(refused.detail),
                ..Validation::default()
            }
        }
    })
}

/// A page of vouchers as the service is asked for it.
pub fn list(question: VouchersQuestion) -> pb::ListVouchersRequest {
    pb::ListVouchersRequest {
        status: question.status.map(status).unwrap_or_default().into(),
        text: question.text,
        page_size: question.page.size,
        page_token: question.page.token,
    }
}

/// A voucher as the service is asked to make it.
pub fn draft(wanted: NewVoucher, created_by: &UserId) -> pb::Voucher {
    pb::Voucher {
        code: wanted.code,
        description: wanted.description,
        discount_type: discount_type(wanted.discount_type).into(),
        discount_value: wanted.discount_value,
        min_purchase_amount: wanted.min_purchase_amount,
        max_discount_amount: wanted.max_discount_amount,
        usage_limit: wanted.usage_limit,
        per_customer_limit: wanted.per_customer_limit.unwrap_or_default(),
        valid_from: wanted.valid_from.unwrap_or_default(),
        valid_until: wanted.valid_until,
        created_by: created_by.as_str().to_owned(),
        ..pb::Voucher::default()
    }
}

const fn status(status: VoucherStatus) -> pb::VoucherStatus {
    match status {
        VoucherStatus::Active => pb::VoucherStatus::Active,
        VoucherStatus::Expired => pb::VoucherStatus::Expired,
        VoucherStatus::Depleted => pb::VoucherStatus::Depleted,
        VoucherStatus::Inactive => pb::VoucherStatus::Inactive,
    }
}

const fn discount_type(kind: DiscountType) -> pb::DiscountType {
    match kind {
        DiscountType::Percentage => pb::DiscountType::Percentage,
        DiscountType::FixedAmount => pb::DiscountType::FixedAmount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::voucher::RefusalReason;

    #[test]
    fn every_constant_has_a_word_and_back() {
        for known in (1..100).map_while(|number| pb::VoucherStatus::try_from(number).ok()) {
            assert_eq!(constant(known.as_str_name(), "VOUCHER_STATUS_").map(status), Some(known));
        }
        for known in (1..100).map_while(|number| pb::DiscountType::try_from(number).ok()) {
            assert_eq!(constant(known.as_str_name(), "DISCOUNT_TYPE_").map(discount_type), Some(known));
        }
        for known in (1..100).map_while(|number| pb::RefusalReason::try_from(number).ok()) {
            let word = constant::<RefusalReason>(known.as_str_name(), "REFUSAL_REASON_");
            assert!(word.is_some(), "{known:?}");
        }
        assert_eq!(voucher(pb::Voucher::default()), Err(Unexpected("status")));
        assert_eq!(validation(Outcome::Refused(pb::Refused::default())), Err(Unexpected("reason")));
    }

    #[test]
    fn a_voucher_is_made_by_whoever_asks() {
        let json = r#"{"code": "hemat10", "discount_type": "percentage", "discount_value": "10.5",
            "valid_until": "2026-12-01T00:00:00+07:00"}"#;
        let wire = draft(serde_json::from_str(json).unwrap(), &UserId::new("admin-001").unwrap());
        assert_eq!((wire.created_by.as_str(), wire.discount_value.as_str()), ("admin-001", "10.5"));
        assert_eq!((wire.id.as_str(), wire.per_customer_limit, wire.usage_limit), ("", 0, None));
    }
}
