//! Payments as people see them, in the words of the data model. Rupiah are whole here, and JSON integers.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::failure::Failure;

/// Through whom the money comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// The gateway Midtrans.
    Midtrans,
    /// The gateway Xendit.
    Xendit,
    /// An administrator took the money.
    Manual,
}

/// What for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentType {
    /// The balance rises.
    #[default]
    BalanceTopup,
    /// A bill is paid.
    WaterBill,
}

/// How a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Waits for the customer, or for a person to look at it.
    Pending,
    /// Credited; parts of it may have been refunded.
    Paid,
    /// Denied or cancelled.
    Failed,
    /// Not paid in time. It is credited all the same if it is paid late.
    Expired,
    /// Was paid, and the gateway took it back.
    Reversed,
    /// Was paid, and all of it was refunded.
    Refunded,
}

/// What a voucher's discount came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoucherState {
    /// A place of the voucher is held.
    Held,
    /// The place was given back, for nobody paid.
    Released,
    /// The money came, and the discount is asked for.
    Asked,
    /// The balance has the discount.
    Granted,
    /// No place was left; the balance has what was paid, without the discount.
    Refused,
}

/// Why a person should look at a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttentionReason {
    /// Less came than was asked; nothing is credited. To be confirmed or refunded.
    Short,
    /// More came than was asked; the rest is on no balance. To be refunded.
    Surplus,
    /// More than one transaction of the gateway has the money; one is credited. The others are to be refunded.
    PaidTwice,
    /// Another payment had paid the bill.
    BillPaidTwice,
    /// The gateway suspects a fraud. To be accepted or denied there.
    Challenged,
    /// More went back than came, by hand and by the gateway.
    OverRefunded,
    /// The gateway's last answer is not understood. To be looked up there.
    NotUnderstood,
    /// A reason that this version does not know; the text says it.
    Other,
}

/// Something about a payment that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Attention {
    /// Why.
    pub reason: AttentionReason,
    /// How much money it is about, whole rupiah; 0 where it is about none.
    #[schema(example = 5_000)]
    pub amount: i64,
    /// What happened, and what there is to do.
    #[schema(
        example = "Rp 5000 more came than the Rp 90000 that were asked; it is on no balance: refund it"
    )]
    pub text: String,
}

/// Something that a customer was asked to pay, or paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Payment {
    /// Unique id.
    #[schema(example = "payment-7f3a")]
    pub id: String,
    /// The order at the gateway.
    #[schema(example = "payment-7f3a")]
    pub reference_id: String,
    /// Who pays.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// The address that the customer had then.
    #[schema(example = "customer@indowater.com", format = Email)]
    pub customer_email: String,
    /// What the balance gets: what the customer pays, and what the voucher adds.
    #[schema(example = 100_000)]
    pub amount: i64,
    /// What the voucher adds, if it is granted.
    #[schema(example = 10_000)]
    pub discount_amount: i64,
    /// What the customer is asked for: the one less the other.
    #[schema(example = 90_000)]
    pub final_amount: i64,
    /// Through whom.
    pub payment_method: PaymentMethod,
    /// What for.
    pub payment_type: PaymentType,
    /// How it stands.
    pub status: PaymentStatus,
    /// Where the customer pays; null if there is no page.
    #[schema(format = "uri", example = "https://app.sandbox.midtrans.com/snap/v4/redirection/7f3a")]
    pub payment_url: Option<String>,
    /// The voucher, if there is one.
    #[schema(example = "HEMAT10")]
    pub voucher_code: Option<String>,
    /// What its discount came to.
    pub voucher_state: Option<VoucherState>,
    /// The bill it pays, if it does.
    #[schema(example = "bill:customer-001|2026-10")]
    pub bill_id: Option<String>,
    /// What customers paid in all, with what the gateway added for itself, and without what it took back.
    #[schema(example = 90_350)]
    pub received_amount: i64,
    /// What the gateway added to it for itself and keeps: the utility never has it.
    #[schema(example = 350)]
    pub fee_amount: i64,
    /// What came and is on no balance: more than was asked, paid twice, or less than was asked.
    #[schema(example = 0)]
    pub uncredited_amount: i64,
    /// Everything that went back to the customer, through the gateway and by hand, also where it is more than came.
    #[schema(example = 0)]
    pub refunded_amount: i64,
    /// What went back beyond everything that came. What moved is what is shown: received and excess are together as much as
    /// refunded, uncredited, fee, and what is credited without the voucher's part.
    #[schema(example = 0)]
    pub excess_amount: i64,
    /// What the balance has of it now.
    #[schema(example = 100_000)]
    pub credited_amount: i64,
    /// Why, where a person made, confirmed or cancelled it.
    #[schema(example = "Cash at the counter")]
    pub reason: Option<String>,
    /// `users.id` of whoever answers for it, if it was a person. Told to administrators only.
    #[schema(example = "admin-001")]
    pub made_by: Option<String>,
    /// What a person should look at, in words, and why the gateway refused, if it did. Told to administrators only.
    pub notes: Vec<String>,
    /// What a person should look at. Told to administrators only.
    pub needs_attention: Vec<Attention>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T03:15:00Z")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T03:17:00Z")]
    pub updated_at: Timestamp,
    /// When the money came that was credited first, by the gateway's clock; null if it never was.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-22T03:17:00Z")]
    pub paid_at: Option<Timestamp>,
    /// When we learned of it, which may be later.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-22T03:17:02Z")]
    pub noticed_at: Option<Timestamp>,
    /// Until when the customer is asked to pay; null if nobody is asked.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-23T03:15:00Z")]
    pub expires_at: Option<Timestamp>,
    /// Rises with every change.
    #[schema(example = 3)]
    pub revision: i64,
}

impl Payment {
    /// The payment without what is the utility's own business.
    pub fn without_author(self) -> Self {
        Self { made_by: None, notes: Vec::new(), needs_attention: Vec::new(), ..self }
    }
}

/// A receipt: what a customer may show to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Receipt {
    /// Its number: the payment's id, for each has one receipt.
    #[schema(example = "payment-7f3a")]
    pub number: String,
    /// Who paid.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// The customer's name; null if there is no such user any more.
    #[schema(example = "Siti Rahayu")]
    pub customer_name: Option<String>,
    /// The address that the customer had then.
    #[schema(example = "customer@indowater.com", format = Email)]
    pub customer_email: String,
    /// When the money came.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T03:17:00Z")]
    pub paid_at: Timestamp,
    /// What for, for a person.
    #[schema(example = "Balance top-up")]
    pub description: String,
    /// What was bought: what was paid, and what the voucher added.
    #[schema(example = 100_000)]
    pub amount: i64,
    /// What the voucher added; 0 unless it was granted.
    #[schema(example = 10_000)]
    pub discount_amount: i64,
    /// What the customer paid.
    #[schema(example = 90_000)]
    pub final_amount: i64,
    /// The voucher that was granted.
    #[schema(example = "HEMAT10")]
    pub voucher_code: Option<String>,
    /// Through whom.
    pub payment_method: PaymentMethod,
    /// The order at the gateway.
    #[schema(example = "payment-7f3a")]
    pub reference_id: String,
    /// How the payment stands now.
    pub status: PaymentStatus,
    /// What was given back of it so far.
    #[schema(example = 0)]
    pub refunded_amount: i64,
}

impl Receipt {
    /// The receipt of a payment.
    ///
    /// # Errors
    /// It was never paid.
    pub fn of(payment: Payment, customer_name: Option<String>) -> Result<Self, Failure> {
        let never = || Failure::Conflict("The payment was never paid, so there is no receipt.".to_owned());
        let paid_at = payment.paid_at.ok_or_else(never)?;
        let description = description(&payment);
        // A receipt that promised a discount which is then refused could not be taken back.
        let granted = payment.voucher_state == Some(VoucherState::Granted);
        let discount_amount = if granted { payment.discount_amount } else { 0 };
        Ok(Self {
            number: payment.id,
            customer_id: payment.customer_id,
            customer_name,
            customer_email: payment.customer_email,
            paid_at,
            description,
            amount: payment.final_amount.saturating_add(discount_amount),
            discount_amount,
            final_amount: payment.final_amount,
            voucher_code: payment.voucher_code.filter(|_| granted),
            payment_method: payment.payment_method,
            reference_id: payment.reference_id,
            status: payment.status,
            refunded_amount: payment.refunded_amount,
        })
    }
}

fn description(payment: &Payment) -> String {
    match payment.payment_type {
        PaymentType::BalanceTopup => "Balance top-up".to_owned(),
        PaymentType::WaterBill => {
            let id = payment.bill_id.as_deref().unwrap_or_default();
            // The month stands at the end of a bill's id.
            let month = id.rsplit_once('|').and_then(|(_, month)| format!("{month}-01").parse::<Date>().ok());
            month.map_or_else(
                || format!("Water bill {id}"),
                |month| format!("Water bill, {}", month.strftime("%B %Y")),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paid() -> Payment {
        let at: Timestamp = "2026-11-22T03:15:00Z".parse().unwrap();
        Payment {
            id: "payment-1".to_owned(),
            reference_id: "order-1".to_owned(),
            customer_id: "customer-001".to_owned(),
            customer_email: "siti@example.com".to_owned(),
            amount: 100_000,
            discount_amount: 10_000,
            final_amount: 90_000,
            payment_method: PaymentMethod::Midtrans,
            payment_type: PaymentType::BalanceTopup,
            status: PaymentStatus::Paid,
            payment_url: None,
            voucher_code: Some("HEMAT10".to_owned()),
            voucher_state: Some(VoucherState::Granted),
            bill_id: None,
            received_amount: 90_000,
            fee_amount: 0,
            uncredited_amount: 0,
            excess_amount: 0,
            refunded_amount: 0,
            credited_amount: 100_000,
            reason: None,
            made_by: Some("admin-001".to_owned()),
            notes: vec!["paid twice".to_owned()],
            needs_attention: Vec::new(),
            created_at: at,
            updated_at: at,
            noticed_at: None,
            paid_at: Some(at),
            expires_at: None,
            revision: 2,
        }
    }

    #[test]
    fn a_receipt_adds_up_whatever_became_of_the_voucher() {
        for (state, amount, discount, code) in [
            (Some(VoucherState::Granted), 100_000, 10_000, Some("HEMAT10")),
            (Some(VoucherState::Refused), 90_000, 0, None),
            (Some(VoucherState::Asked), 90_000, 0, None),
        ] {
            let receipt = Receipt::of(Payment { voucher_state: state, ..paid() }, None).unwrap();
            assert_eq!((receipt.amount, receipt.discount_amount), (amount, discount), "{state:?}");
            assert_eq!((receipt.final_amount, receipt.voucher_code.as_deref()), (90_000, code), "{state:?}");
        }
    }

    #[test]
    fn what_was_never_paid_has_no_receipt() {
        let unpaid = Payment { paid_at: None, ..paid() };
        assert!(matches!(Receipt::of(unpaid, None), Err(Failure::Conflict(_))));
        let reversed = Payment { status: PaymentStatus::Reversed, ..paid() };
        assert_eq!(Receipt::of(reversed, None).unwrap().status, PaymentStatus::Reversed);
    }

    #[test]
    fn a_receipt_says_what_for() {
        let bill = |id: &str| Payment {
            payment_type: PaymentType::WaterBill,
            bill_id: Some(id.to_owned()),
            ..paid()
        };
        for (payment, text) in [
            (paid(), "Balance top-up"),
            (bill("bill:customer-001|2026-10"), "Water bill, October 2026"),
            (bill("bill of old"), "Water bill bill of old"),
        ] {
            assert_eq!(Receipt::of(payment, None).unwrap().description, text);
        }
    }

    #[test]
    fn customers_do_not_see_who_answers() {
        let shown = paid().without_author();
        assert_eq!((shown.made_by, shown.notes.len(), shown.amount), (None, 0, 100_000));
    }
}
