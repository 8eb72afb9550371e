//! Documents of `payment_transactions` as the data model describes them and nothing more: another system's.

use std::time::Duration;

use bson::{Bson, Document};
use indowater_common::mongo::{from_bson_time, number};
use jiff::Timestamp;
use mongodb::error::Error;
use rust_decimal::prelude::ToPrimitive;

use super::payment_documents::TYPES;
use crate::domain::payment::{Payment, Rupiah, Status};
use crate::domain::purchase::Method;
use crate::domain::transaction::Transaction;

/// How long a page of either gateway takes payments unless told otherwise.
const PAYABLE: Duration = Duration::from_secs(86_400);

/// Reads one. Where it says nothing of a field, nothing is known of it; a method that is not known is money by hand.
///
/// # Errors
/// It has no id, no amount in rupiah, or a status that the data model does not have.
pub fn transaction(document: &Document) -> Result<Transaction, Error> {
    let text = |field: &str| document.get_str(field).ok().map(str::to_owned);
    let id = text("id").ok_or_else(|| Error::custom("a payment has no id"))?;
    let lacks = |field: &str| Error::custom(format!("the payment {id} has no {field} that can be read"));
    let rupiah = |value: &Bson| number(value)?.round().to_i64().and_then(|amount| Rupiah::new(amount).ok());
    let amount = document.get("amount").and_then(rupiah).ok_or_else(|| lacks("amount"))?;
    let discount = match document.get("discount_amount") {
        None | Some(Bson::Null) => Rupiah::ZERO,
        Some(value) => rupiah(value).ok_or_else(|| lacks("discount_amount"))?,
    };
    let status = text("status").as_deref().and_then(Status::named).ok_or_else(|| lacks("status"))?;
    let at = |field: &str| document.get_datetime(field).ok().map(|at| from_bson_time(*at));
    let metadata = |field: &str| {
        let metadata = document.get_document("metadata").ok()?;
        metadata.get_str(field).ok().map(str::to_owned)
    };
    let created_at = at("created_at").unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Transaction {
        payment: Payment::of_another_system(&*id, amount.less(discount), discount, status),
        customer_id: text("customer_id").unwrap_or_default(),
        customer_email: text("customer_email").unwrap_or_default(),
        method: text("payment_method").as_deref().and_then(Method::named).unwrap_or(Method::Manual),
        reference: text("reference_id").unwrap_or_else(|| id.clone()),
        pays_bill: text("payment_type").as_deref() == Some(TYPES[1]),
        // A bill of another system is none of ours.
        bill_id: None,
        voucher_code: text("voucher_code"),
        payment_url: text("payment_url"),
        page: metadata("page"),
        return_url: None,
        orders: 1,
        refused: None,
        unclear: None,
        bill_surplus: None,
        created_at,
        updated_at: at("updated_at").unwrap_or(created_at),
        paid_at: at("paid_at"),
        noticed_at: at("paid_at"),
        expires_at: created_at.checked_add(PAYABLE).ok(),
        made_by: None,
        reason: None,
        fingerprint: String::new(),
        movements: Vec::new(),
        refunds: Vec::new(),
        errand: None,
        revision: 0,
    })
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn figures_of_every_kind_are_read_and_what_is_missing_is_not_made_up() {
        let at = bson::DateTime::from_millis(1_795_000_000_000);
        let document = doc! {
            "_id": bson::oid::ObjectId::from_bytes([7; 12]), "id": "old-1", "reference_id": "GW-77",
            "customer_id": "customer-001", "amount": 100_000.0, "discount_amount": 10_000_i64,
            "payment_method": "midtrans", "payment_type": "water_bill", "status": "paid", "voucher_code": null,
            "metadata": { "note": "kept" }, "created_at": at, "paid_at": at,
        };
        let read = transaction(&document).unwrap();
        assert_eq!(
            (read.payment.asked(), read.payment.discount()),
            (Rupiah::whole(90_000), Rupiah::whole(10_000))
        );
        assert_eq!((read.payment.status(), read.order(1).as_str()), (Status::Paid, "GW-77"));
        assert!(read.pays_bill && read.bill_id.is_none() && read.voucher_code.is_none());
        assert_eq!(read.paid_at, Some(from_bson_time(at)));
        assert_eq!(read.revision, 0);
        for (field, wrong) in [("amount", Bson::from("5.000")), ("status", "done".into()), ("id", Bson::Null)]
        {
            let mut wrongly = document.clone();
            wrongly.insert(field, wrong);
            assert!(transaction(&wrongly).is_err(), "{field}");
        }
    }
}
