//! Documents as the data model lays them out, and the domain's values in them.
//!
//! Amounts are written as Decimal128; numbers that an older system wrote are read as the digits they show, whole rupiah
//! rounded. `_id` equals `id` in what we write, and is anything in what we did not, so documents are found by `id`.

use bson::{Bson, DateTime, Decimal128};
use indowater_common::mongo::{from_bson_time, number, to_bson_time, to_decimal128};
use jiff::Timestamp;
use rust_decimal::RoundingStrategy;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::domain::discount::{Discount, DiscountType, Rate};
use crate::domain::money::Rupiah;
use crate::domain::redemption::{Purchase, Reservation, State, Usage};
use crate::domain::voucher::{Status, Voucher};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct VoucherDocument {
    #[serde(rename = "_id")]
    key: Bson,
    id: String,
    code: String,
    #[serde(default)]
    description: String,
    discount_type: String,
    discount_value: Bson,
    #[serde(default = "nothing")]
    min_purchase_amount: Bson,
    #[serde(default)]
    max_discount_amount: Option<Bson>,
    #[serde(default)]
    usage_limit: Option<Bson>,
    #[serde(default = "nothing")]
    usage_count: Bson,
    #[serde(default = "once")]
    per_customer_limit: Bson,
    valid_from: DateTime,
    valid_until: DateTime,
    status: String,
    #[serde(default)]
    created_by: String,
    created_at: DateTime,
    #[serde(default = "nothing")]
    reserved_count: Bson,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct UsageDocument {
    #[serde(rename = "_id")]
    key: Bson,
    id: String,
    voucher_id: String,
    voucher_code: String,
    customer_id: String,
    #[serde(default)]
    customer_email: String,
    purchase_amount: Bson,
    discount_amount: Bson,
    final_amount: Bson,
    used_at: DateTime,
    #[serde(default)]
    transaction_id: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReservationDocument {
    /// The payment.
    #[serde(rename = "_id")]
    key: String,
    voucher_id: String,
    voucher_code: String,
    customer_id: String,
    customer_email: String,
    purchase_amount: Decimal128,
    discount_amount: Decimal128,
    state: String,
    expires_at: DateTime,
    created_at: DateTime,
    updated_at: DateTime,
}

fn nothing() -> Bson {
    Bson::Int64(0)
}

fn once() -> Bson {
    Bson::Int64(1)
}

/// A document that does not say what the data model wants.
#[derive(Debug, thiserror::Error)]
#[error("{what} {id:?} has the {field} {value:?}")]
pub(super) struct Unreadable {
    what: &'static str,
    id: String,
    field: &'static str,
    value: String,
}

pub(super) fn amount(amount: Rupiah) -> Decimal128 {
    to_decimal128(amount.get().into())
}

fn rupiah(amount: &Bson) -> Option<Rupiah> {
    let whole = number(amount)?.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    whole.to_i64().and_then(Rupiah::new)
}

fn count(value: &Bson) -> Option<i64> {
    let whole = number(value)?.normalize();
    if whole.scale() == 0 { whole.to_i64() } else { None }
}

impl VoucherDocument {
    /// As it stands at `now`.
    pub(super) fn of(voucher: &Voucher, now: Timestamp) -> Self {
        Self {
            key: voucher.id.as_str().into(),
            id: voucher.id.clone(),
            code: voucher.code.clone(),
            description: voucher.description.clone(),
            discount_type: voucher.discount.rate.kind().name().to_owned(),
            discount_value: to_decimal128(voucher.discount.rate.value()).into(),
            min_purchase_amount: amount(voucher.min_purchase).into(),
            max_discount_amount: voucher.discount.most.map(|most| amount(most).into()),
            usage_limit: voucher.usage_limit.map(Bson::from),
            usage_count: voucher.usage_count.into(),
            per_customer_limit: voucher.per_customer_limit.into(),
            valid_from: to_bson_time(voucher.valid_from),
            valid_until: to_bson_time(voucher.valid_until),
            status: voucher.status(now).name().to_owned(),
            created_by: voucher.created_by.clone(),
            created_at: to_bson_time(voucher.created_at),
            reserved_count: voucher.reserved_count.into(),
        }
    }
}

impl TryFrom<VoucherDocument> for Voucher {
    type Error = Unreadable;

    fn try_from(document: VoucherDocument) -> Result<Self, Unreadable> {
        let unreadable = |field, value: &dyn ToString| Unreadable {
            what: "voucher",
            id: document.id.clone(),
            field,
            value: value.to_string(),
        };
        let kind = DiscountType::named(&document.discount_type)
            .ok_or_else(|| unreadable("discount_type", &document.discount_type))?;
        let rate = number(&document.discount_value).and_then(|value| Rate::new(kind, value));
        let rate = rate.ok_or_else(|| unreadable("discount_value", &document.discount_value))?;
        let most = match &document.max_discount_amount {
            None | Some(Bson::Null) => None,
            Some(most) => Some(rupiah(most).ok_or_else(|| unreadable("max_discount_amount", most))?),
        };
        let min_purchase = rupiah(&document.min_purchase_amount)
            .ok_or_else(|| unreadable("min_purchase_amount", &document.min_purchase_amount))?;
        let whole = |field, value: &Bson| count(value).ok_or_else(|| unreadable(field, value));
        let usage_limit = match &document.usage_limit {
            None | Some(Bson::Null) => None,
            Some(limit) => Some(whole("usage_limit", limit)?),
        };
        let usage_count = whole("usage_count", &document.usage_count)?;
        let reserved_count = whole("reserved_count", &document.reserved_count)?;
        let per_customer_limit = whole("per_customer_limit", &document.per_customer_limit)?;
        let status = Status::named(&document.status).ok_or_else(|| unreadable("status", &document.status))?;
        Ok(Self {
            id: document.id,
            code: document.code,
            description: document.description,
            discount: Discount { rate, most },
            min_purchase,
            usage_limit,
            usage_count,
            reserved_count,
            per_customer_limit,
            valid_from: from_bson_time(document.valid_from),
            valid_until: from_bson_time(document.valid_until),
            deactivated: status == Status::Inactive,
            created_by: document.created_by,
            created_at: from_bson_time(document.created_at),
        })
    }
}

impl From<&Usage> for UsageDocument {
    fn from(usage: &Usage) -> Self {
        Self {
            key: usage.id.as_str().into(),
            id: usage.id.clone(),
            voucher_id: usage.voucher_id.clone(),
            voucher_code: usage.voucher_code.clone(),
            customer_id: usage.customer_id.clone(),
            customer_email: usage.customer_email.clone(),
            purchase_amount: amount(usage.purchase).into(),
            discount_amount: amount(usage.discount).into(),
            final_amount: amount(usage.paid).into(),
            used_at: to_bson_time(usage.used_at),
            transaction_id: usage.transaction_id.clone(),
        }
    }
}

impl TryFrom<UsageDocument> for Usage {
    type Error = Unreadable;

    fn try_from(document: UsageDocument) -> Result<Self, Unreadable> {
        let money = |field, value: &Bson| {
            rupiah(value).ok_or_else(|| Unreadable {
                what: "usage",
                id: document.id.clone(),
                field,
                value: value.to_string(),
            })
        };
        let purchase = money("purchase_amount", &document.purchase_amount)?;
        let discount = money("discount_amount", &document.discount_amount)?;
        let paid = money("final_amount", &document.final_amount)?;
        Ok(Self {
            id: document.id,
            voucher_id: document.voucher_id,
            voucher_code: document.voucher_code,
            customer_id: document.customer_id,
            customer_email: document.customer_email,
            purchase,
            discount,
            paid,
            used_at: from_bson_time(document.used_at),
            transaction_id: document.transaction_id,
        })
    }
}

impl From<&Reservation> for ReservationDocument {
    fn from(reservation: &Reservation) -> Self {
        let purchase = &reservation.purchase;
        Self {
            key: purchase.payment_id.clone(),
            voucher_id: reservation.voucher_id.clone(),
            voucher_code: purchase.code.clone(),
            customer_id: purchase.customer_id.clone(),
            customer_email: purchase.customer_email.clone(),
            purchase_amount: amount(purchase.amount),
            discount_amount: amount(reservation.discount),
            state: reservation.state.name().to_owned(),
            expires_at: to_bson_time(reservation.expires_at),
            created_at: to_bson_time(reservation.created_at),
            updated_at: to_bson_time(reservation.updated_at),
        }
    }
}

impl TryFrom<ReservationDocument> for Reservation {
    type Error = Unreadable;

    fn try_from(document: ReservationDocument) -> Result<Self, Unreadable> {
        let unreadable = |field, value: &dyn ToString| Unreadable {
            what: "reservation",
            id: document.key.clone(),
            field,
            value: value.to_string(),
        };
        let money = |field, value: Decimal128| {
            rupiah(&Bson::Decimal128(value)).ok_or_else(|| unreadable(field, &value))
        };
        let amount = money("purchase_amount", document.purchase_amount)?;
        let discount = money("discount_amount", document.discount_amount)?;
        let state = State::named(&document.state).ok_or_else(|| unreadable("state", &document.state))?;
        Ok(Self {
            purchase: Purchase {
                payment_id: document.key,
                code: document.voucher_code,
                customer_id: document.customer_id,
                customer_email: document.customer_email,
                amount,
            },
            voucher_id: document.voucher_id,
            discount,
            state,
            expires_at: from_bson_time(document.expires_at),
            created_at: from_bson_time(document.created_at),
            updated_at: from_bson_time(document.updated_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    /// A document as the data model has it and an older system wrote it.
    fn old() -> bson::Document {
        let at = DateTime::from_millis(1_760_000_000_000);
        doc! {
            "_id": "voucher-1", "id": "voucher-1", "code": "WELCOME", "description": "", "discount_type": "percentage",
            "discount_value": 12.5, "min_purchase_amount": 50_000.0, "max_discount_amount": Bson::Null,
            "usage_limit": 100, "usage_count": 3, "per_customer_limit": 1, "valid_from": at, "valid_until": at,
            "status": "active", "created_by": "admin-001", "created_at": at,
        }
    }

    fn read(document: bson::Document) -> Result<Voucher, Unreadable> {
        bson::deserialize_from_document::<VoucherDocument>(document).unwrap().try_into()
    }

    #[test]
    fn a_document_of_an_older_system_is_read() {
        let voucher = read(old()).unwrap();
        assert_eq!(voucher.discount.rate, Rate::Percentage("12.5".parse().unwrap()));
        assert_eq!((voucher.min_purchase.get(), voucher.discount.most), (50_000, None));
        assert_eq!((voucher.usage_limit, voucher.usage_count, voucher.reserved_count), (Some(100), 3, 0));
    }

    #[test]
    fn the_data_models_own_fields_suffice() {
        let mut least = old();
        least.insert("_id", bson::oid::ObjectId::new());
        least.insert("usage_limit", 100.0);
        least.insert("usage_count", 3.0);
        for field in
            ["description", "min_purchase_amount", "max_discount_amount", "per_customer_limit", "created_by"]
        {
            least.remove(field);
        }
        let voucher = read(least).unwrap();
        assert_eq!((voucher.usage_limit, voucher.usage_count, voucher.per_customer_limit), (Some(100), 3, 1));
    }

    #[test]
    fn a_redemption_of_an_older_system_is_read() {
        let document = doc! {
            "_id": bson::oid::ObjectId::new(), "id": "usage-1", "voucher_id": "voucher-1", "voucher_code": "WELCOME",
            "customer_id": "customer-001", "customer_email": "c@example.com", "purchase_amount": 33_333.0,
            "discount_amount": 4_166.625, "final_amount": 29_166.375, "used_at": DateTime::from_millis(0),
        };
        let usage: Usage =
            bson::deserialize_from_document::<UsageDocument>(document).unwrap().try_into().unwrap();
        assert_eq!((usage.purchase.get(), usage.discount.get(), usage.paid.get()), (33_333, 4_167, 29_166));
        assert_eq!(usage.transaction_id, None);
    }

    #[test]
    fn a_voucher_comes_back_as_it_was_written() {
        let voucher = Voucher { reserved_count: 2, ..read(old()).unwrap() };
        let now = from_bson_time(DateTime::from_millis(0));
        let document = bson::serialize_to_document(&VoucherDocument::of(&voucher, now)).unwrap();
        assert!(matches!(document.get("discount_value"), Some(Bson::Decimal128(_))));
        assert!(matches!(document.get("min_purchase_amount"), Some(Bson::Decimal128(_))));
        assert_eq!(document.get("max_discount_amount"), Some(&Bson::Null));
        assert_eq!(document.get_str("status").unwrap(), "active");
        assert_eq!(read(document).unwrap(), voucher);
    }

    #[test]
    fn what_is_no_voucher_is_told() {
        for (field, value) in [
            ("discount_type", Bson::from("free")),
            ("discount_value", Bson::from("ten")),
            ("discount_value", Bson::from(101)),
            ("min_purchase_amount", Bson::from(-1.0)),
            ("usage_limit", Bson::from(0.5)),
            ("usage_count", Bson::from("few")),
            ("max_discount_amount", Bson::from("much")),
            ("status", Bson::from("new")),
        ] {
            let mut document = old();
            document.insert(field, value);
            let error = read(document).unwrap_err().to_string();
            assert!(error.contains(field) && error.contains("voucher-1"), "{error}");
        }
    }
}
