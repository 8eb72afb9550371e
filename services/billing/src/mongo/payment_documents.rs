//! Documents of `payment_transactions`: the fields of the data model, and beside them what billing needs. Amounts of the data model
//! are Decimal128.

use bson::{Bson, DateTime, Decimal128, Document, RawDocumentBuf, doc};
use indowater_common::mongo::{from_bson_time, to_bson_time, to_decimal128};
use mongodb::error::Error;
use serde::{Deserialize, Serialize};

use super::foreign_payments;
use crate::domain::payment::{Effect, Payment, Rupiah, What};
use crate::domain::purchase::Method;
use crate::domain::transaction::{BillSurplus, Errand, Movement, Refund, Transaction};

/// `payment_type` of what raises the balance of whoever pays ahead, and of what pays a bill.
pub(super) const TYPES: [&str; 2] = ["balance_topup", "water_bill"];

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PaymentDocument {
    /// The id, in what we write; another system has its own.
    #[serde(rename = "_id", skip_deserializing)]
    key: String,
    id: String,
    reference_id: String,
    customer_id: String,
    customer_email: String,
    amount: Decimal128,
    payment_method: String,
    payment_type: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voucher_code: Option<String>,
    discount_amount: Decimal128,
    metadata: Metadata,
    created_at: DateTime,
    updated_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noticed_at: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime>,
    fingerprint: String,
    state: Payment,
    movements: Vec<MovementDocument>,
    refunds: Vec<RefundDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errand: Option<String>,
    /// What a person should look at, by its words: for lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attention: Vec<String>,
    revision: i64,
}

/// Fields that are there only where there is something to say.
const OPTIONAL: [&str; 17] = [
    "payment_url",
    "voucher_code",
    "paid_at",
    "noticed_at",
    "expires_at",
    "errand",
    "attention",
    "metadata.page",
    "metadata.return_url",
    "metadata.bill_id",
    "metadata.made_by",
    "metadata.reason",
    "metadata.refused",
    "metadata.orders",
    "metadata.unclear",
    "metadata.bill_surplus",
    "metadata.paid_before_by",
];

#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bill_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    orders: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unclear: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bill_surplus: Option<Rupiah>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid_before_by: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MovementDocument {
    id: String,
    kind: String,
    cash: Rupiah,
    discount: Rupiah,
    at: DateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noticed_at: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_by: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RefundDocument {
    key: String,
    amount: Rupiah,
    reason: String,
    made_by: String,
    by_hand: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
}

fn foreign(id: &str, field: &str) -> Error {
    Error::custom(format!("payment {id}: {field} is not as this service writes it"))
}

fn amount(amount: Rupiah) -> Decimal128 {
    to_decimal128(amount.get().into())
}

/// The name of an effect on the ledger, and its money: cash and discount. None for errands.
fn money(what: What) -> Option<(&'static str, Rupiah, Rupiah)> {
    match what {
        What::Credit { cash } => Some(("credit", cash, Rupiah::ZERO)),
        What::Discount { discount } => Some(("discount", Rupiah::ZERO, discount)),
        What::Reverse { cash, discount } => Some(("reverse", cash, discount)),
        What::Refund { cash, discount } => Some(("refund", cash, discount)),
        What::CommitVoucher | What::ReleaseVoucher => None,
    }
}

fn effect(name: &str, cash: Rupiah, discount: Rupiah) -> Option<What> {
    match name {
        "credit" => Some(What::Credit { cash }),
        "discount" => Some(What::Discount { discount }),
        "reverse" => Some(What::Reverse { cash, discount }),
        "refund" => Some(What::Refund { cash, discount }),
        _ => None,
    }
}

impl MovementDocument {
    fn of(movement: &Movement) -> Option<Self> {
        let (kind, cash, discount) = money(movement.effect.what)?;
        Some(Self {
            id: movement.effect.id.clone(),
            kind: kind.to_owned(),
            cash,
            discount,
            at: to_bson_time(movement.at),
            noticed_at: Some(to_bson_time(movement.noticed_at)),
            made_by: movement.made_by.clone(),
        })
    }
}

impl PaymentDocument {
    pub(super) fn of(transaction: &Transaction) -> Self {
        let Transaction { payment, .. } = transaction;
        let refund = |refund: &Refund| RefundDocument {
            key: refund.key.clone(),
            amount: refund.amount,
            reason: refund.reason.clone(),
            made_by: refund.made_by.clone(),
            by_hand: refund.by_hand,
            transaction: refund.transaction.clone(),
            all: refund.all,
        };
        Self {
            key: payment.id().to_owned(),
            id: payment.id().to_owned(),
            // What people look for at the gateway.
            reference_id: transaction.reference.clone(),
            customer_id: transaction.customer_id.clone(),
            customer_email: transaction.customer_email.clone(),
            amount: amount(payment.amount()),
            payment_method: transaction.method.name().to_owned(),
            payment_type: TYPES[usize::from(transaction.pays_bill)].to_owned(),
            status: payment.status().name().to_owned(),
            payment_url: transaction.payment_url.clone(),
            voucher_code: transaction.voucher_code.clone(),
            discount_amount: amount(payment.discount()),
            metadata: Metadata {
                page: transaction.page.clone(),
                return_url: transaction.return_url.clone(),
                bill_id: transaction.bill_id.clone(),
                made_by: transaction.made_by.clone(),
                reason: transaction.reason.clone(),
                refused: transaction.refused.clone(),
                orders: (transaction.orders > 1).then_some(transaction.orders),
                unclear: transaction.unclear.clone(),
                bill_surplus: transaction.bill_surplus.as_ref().map(|surplus| surplus.amount),
                paid_before_by: transaction
                    .bill_surplus
                    .as_ref()
                    .and_then(|surplus| surplus.paid_before_by.clone()),
            },
            created_at: to_bson_time(transaction.created_at),
            updated_at: to_bson_time(transaction.updated_at),
            paid_at: transaction.paid_at.map(to_bson_time),
            noticed_at: transaction.noticed_at.map(to_bson_time),
            expires_at: transaction.expires_at.map(to_bson_time),
            fingerprint: transaction.fingerprint.clone(),
            state: payment.clone(),
            movements: transaction.movements.iter().filter_map(MovementDocument::of).collect(),
            refunds: transaction.refunds.iter().map(refund).collect(),
            errand: transaction.errand.map(|errand| errand.name().to_owned()),
            attention: transaction.attention().iter().map(|one| one.reason.to_owned()).collect(),
            revision: transaction.revision,
        }
    }

    /// Reads a document, of ours or as the data model has them and nothing more.
    ///
    /// # Errors
    /// It is neither.
    pub(super) fn read(raw: &RawDocumentBuf) -> Result<Transaction, Error> {
        if raw.get("state").map_err(Error::custom)?.is_none() {
            let document = Document::try_from(raw.as_ref()).map_err(Error::custom)?;
            return foreign_payments::transaction(&document);
        }
        let ours: Self = bson::deserialize_from_slice(raw.as_bytes())
            .map_err(|error| foreign(raw.get_str("id").unwrap_or("without an id"), &error.to_string()))?;
        ours.transaction()
    }

    /// What an update changes of the document that is there, whose other fields stay: another system may have written them.
    ///
    /// # Errors
    /// None that a payment could bring about.
    pub(super) fn changes(&self) -> Result<Vec<Document>, Error> {
        let mut fields = bson::serialize_to_document(self)?;
        // It cannot change, and is not ours to choose.
        fields.remove("_id");
        let Some(Bson::Document(metadata)) = fields.remove("metadata") else {
            return Err(Error::custom("a payment has no metadata"));
        };
        fields.extend(metadata.into_iter().map(|(field, value)| (format!("metadata.{field}"), value)));
        let gone: Vec<&str> = OPTIONAL.into_iter().filter(|field| !fields.contains_key(field)).collect();
        let set: Document =
            fields.into_iter().map(|(field, value)| (field, doc! { "$literal": value }.into())).collect();
        let is_object = doc! { "$eq": [{ "$type": "$metadata" }, "object"] };
        let metadata = doc! { "$cond": [is_object, "$metadata", {}] };
        Ok(vec![doc! { "$set": { "metadata": metadata } }, doc! { "$set": set }, doc! { "$unset": gone }])
    }

    pub(super) fn transaction(self) -> Result<Transaction, Error> {
        let id = self.id;
        let movement = |movement: MovementDocument| {
            let what = effect(&movement.kind, movement.cash, movement.discount);
            let what = what.ok_or_else(|| foreign(&id, "a movement"))?;
            let effect = Effect { id: movement.id, what };
            let at = from_bson_time(movement.at);
            // Movements from before the two were told apart were dated when they were noticed.
            let noticed_at = movement.noticed_at.map_or(at, from_bson_time);
            Ok(Movement { effect, at, noticed_at, made_by: movement.made_by })
        };
        let refund = |RefundDocument { key, amount, reason, made_by, by_hand, transaction, all }| Refund {
            key,
            amount,
            reason,
            made_by,
            by_hand,
            transaction,
            all,
        };
        let errand = self.errand.as_deref().map(|name| Errand::named(name).ok_or(name));
        let paid_before_by = self.metadata.paid_before_by;
        Ok(Transaction {
            method: Method::named(&self.payment_method).ok_or_else(|| foreign(&id, "payment_method"))?,
            errand: errand.transpose().map_err(|_| foreign(&id, "errand"))?,
            movements: self.movements.into_iter().map(movement).collect::<Result<_, Error>>()?,
            payment: self.state,
            customer_id: self.customer_id,
            customer_email: self.customer_email,
            reference: self.reference_id,
            pays_bill: self.payment_type == TYPES[1],
            bill_id: self.metadata.bill_id,
            voucher_code: self.voucher_code,
            payment_url: self.payment_url,
            page: self.metadata.page,
            return_url: self.metadata.return_url,
            orders: self.metadata.orders.unwrap_or(1),
            refused: self.metadata.refused,
            unclear: self.metadata.unclear,
            bill_surplus: self.metadata.bill_surplus.map(|amount| BillSurplus { amount, paid_before_by }),
            created_at: from_bson_time(self.created_at),
            updated_at: from_bson_time(self.updated_at),
            paid_at: self.paid_at.map(from_bson_time),
            noticed_at: self.noticed_at.or(self.paid_at).map(from_bson_time),
            expires_at: self.expires_at.map(from_bson_time),
            made_by: self.metadata.made_by,
            reason: self.metadata.reason,
            fingerprint: self.fingerprint,
            refunds: self.refunds.into_iter().map(refund).collect(),
            revision: self.revision,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payment::{Finding, Observation, Times};
    use jiff::Timestamp;

    #[test]
    fn a_payment_comes_back_as_it_was_written() {
        let asked = Rupiah::whole(90_000);
        let at = |seconds: i64| Timestamp::from_second(1_795_000_000 + seconds).unwrap();
        let text = |text: &str| Some(text.to_owned());
        let fee = Rupiah::whole(350);
        let mut transaction = Transaction {
            payment: Payment::new("payment-1", asked).with_voucher(Rupiah::whole(10_000)),
            customer_id: "customer-001".to_owned(),
            customer_email: "siti@example.com".to_owned(),
            method: Method::Xendit,
            reference: "payment-1".to_owned(),
            pays_bill: true,
            bill_id: text("bill:customer-001|2026-10"),
            voucher_code: text("HEMAT"),
            payment_url: text("https://pay.example.com/1"),
            page: text("inv-1"),
            return_url: text("https://app.example.com"),
            orders: 2,
            refused: text("no"),
            unclear: text("what?"),
            bill_surplus: Some(BillSurplus { amount: Rupiah::whole(5), paid_before_by: text("payment-0") }),
            created_at: at(0),
            updated_at: at(1),
            paid_at: None,
            noticed_at: None,
            expires_at: Some(at(86_400)),
            made_by: text("admin-001"),
            reason: text("why"),
            fingerprint: "f".to_owned(),
            movements: Vec::new(),
            refunds: Vec::new(),
            errand: None,
            revision: 3,
        };
        for (seconds, finding) in [
            (10, Finding::Paid { amount: asked.and(fee), fee }),
            (20, Finding::Refunded { amount: asked.and(fee), fee, total: Rupiah::whole(30_000) }),
            (30, Finding::Reversed),
        ] {
            let transaction_id = "t".to_owned();
            let times = Times { paid: Some(at(seconds - 5)), returned: Some(at(seconds - 4)) };
            let seen = Observation::Transaction { transaction: transaction_id, finding, times };
            let effects = transaction.payment.observe(seen);
            transaction.take(effects, times, at(seconds), Some("admin-001"));
            let granted = transaction.payment.voucher_answered(true);
            transaction.take(granted, Times::default(), at(seconds), None);
        }
        transaction.refunds.push(Refund {
            key: "k".to_owned(),
            amount: Rupiah::whole(1),
            reason: "r".to_owned(),
            made_by: "admin-001".to_owned(),
            by_hand: true,
            transaction: text("t"),
            all: Some(true),
        });
        assert_eq!(transaction.movements.len(), 4);
        let document = bson::serialize_to_document(&PaymentDocument::of(&transaction)).unwrap();
        assert_eq!(document.get_str("payment_type").unwrap(), "water_bill");
        assert_eq!(document.get_str("status").unwrap(), "reversed");
        let back = PaymentDocument::read(&RawDocumentBuf::try_from(&document).unwrap());
        assert_eq!(back.unwrap(), transaction);
        every_field_that_may_be_missing_is_taken_away(&document);
    }

    fn every_field_that_may_be_missing_is_taken_away(document: &Document) {
        let mut fields: Vec<String> = document.keys().cloned().collect();
        let metadata = document.get_document("metadata").unwrap();
        fields.extend(metadata.keys().map(|field| format!("metadata.{field}")));
        let bare =
            foreign_payments::transaction(&doc! { "id": "p", "amount": 1, "status": "pending" }).unwrap();
        let changes = PaymentDocument::of(&bare).changes().unwrap();
        let [_, set, unset] = changes.try_into().unwrap();
        let mut kept: Vec<String> = set.get_document("$set").unwrap().keys().cloned().collect();
        kept.extend(
            unset.get_array("$unset").unwrap().iter().map(|field| field.as_str().unwrap().to_owned()),
        );
        let lost: Vec<&String> = fields
            .iter()
            .filter(|field| !kept.contains(field) && !["_id", "metadata"].contains(&field.as_str()))
            .collect();
        assert!(lost.is_empty(), "{lost:?} would stay");
    }
}
