//! New payments. Each step can be repeated: the payment's id follows from the caller's key, so the voucher's place, the stored
//! payment and the gateway's page are found again by whoever repeats a call that was cut off.

use std::time::Duration;

use indowater_common::error::Retry;

use super::{Cashier, Refusal, TRIES, after, down, now, order_id};
use crate::domain::bill::{Bill, Status as BillStatus};
use crate::domain::payment::{Payment, Rupiah, Status};
use crate::domain::purchase::{Method, Purchase, Purpose};
use crate::domain::transaction::{Errand, Transaction};
use crate::gateway::Order;
use crate::mongo::{Claim, Inserted};
use crate::observe;

/// How long a voucher's place is held beyond the time to pay, so that a payment of the last minute still finds it.
const HELD_LONGER: Duration = Duration::from_secs(3_600);

impl Cashier {
    /// Makes a payment, or finds the one that was made with the same key.
    ///
    /// # Errors
    /// Why not.
    pub async fn create(&self, purchase: Purchase) -> Result<Transaction, Refusal> {
        let purchase = purchase.check(self.terms.bounds)?;
        let method = purchase.method;
        if method != Method::Manual && self.gateways.of(method).is_none() {
            let name = method.name();
            return Err(Refusal::Not(format!("No payments are taken through {name} here.")));
        }
        let id = purchase.payment_id();
        for _ in 0..TRIES {
            if let Some(known) = self.payments.one(&id).await.map_err(down)? {
                if known.fingerprint != purchase.fingerprint() {
                    return Err(Refusal::KeyTaken);
                }
                return self.with_page(known, &purchase).await;
            }
            let (amount, claim) = self.wanted(&purchase).await?;
            let transaction = self.begin(&id, amount, &purchase).await?;
            let is_by_hand = method == Method::Manual;
            let first = (!is_by_hand || transaction.errand.is_some()).then(|| {
                let wait = if is_by_hand { Duration::ZERO } else { self.terms.pace };
                after(transaction.created_at, wait)
            });
            match self.payments.insert(&transaction, claim, first).await.map_err(down)? {
                Inserted::Yes => {
                    observe::payment_made(&transaction);
                    self.wanted.notify_one();
                    if transaction.payment.is_free() {
                        // If the voucher service does not answer now, it is asked again later.
                        return Ok(self.run_errand(transaction.clone()).await.unwrap_or(transaction));
                    }
                    return self.with_page(transaction, &purchase).await;
                }
                Inserted::Known => {}
                // It will be refused, or begin again with the bill as it then is.
                Inserted::BillTaken if transaction.voucher_code.is_some() => {
                    self.vouchers.release(&id).await?
                }
                Inserted::BillTaken => {}
            }
        }
        Err(Refusal::Unavailable(Retry::because("others keep paying the same bill")))
    }

    /// How much it is, and the bill it is for.
    async fn wanted(&self, purchase: &Purchase) -> Result<(Rupiah, Option<Claim>), Refusal> {
        let id = match &purchase.purpose {
            Purpose::TopUp(amount) => return Ok((*amount, None)),
            Purpose::Bill(id) => id,
        };
        let bill =
            self.bills.one(id).await.map_err(down)?.filter(|bill| bill.customer_id == purchase.customer_id);
        let bill = bill.ok_or_else(|| Refusal::Not(format!("There is no bill {id}.")))?;
        let amount = self.to_be_paid(&bill).await?;
        Ok((amount, Some(Claim { bill_id: bill.id(), open: bill.open(), payment_id: bill.payment_id })))
    }

    async fn to_be_paid(&self, bill: &Bill) -> Result<Rupiah, Refusal> {
        let id = bill.id();
        match bill.status() {
            BillStatus::Open => {}
            BillStatus::Paid => return Err(Refusal::Not(format!("The bill {id} is paid."))),
            BillStatus::Carried => {
                return Err(Refusal::Not(format!(
                    "The bill {id} is part of a later one; that one is to be paid."
                )));
            }
        }
        if let Some(payment_id) = &bill.payment_id {
            let began = self.payments.one(payment_id).await.map_err(down)?;
            let why = match &began {
                Some(began) if !began.payment.is_closed() => "waits for its customer; it can be cancelled",
                // What it brings is not known before.
                Some(began) if began.errand == Some(Errand::Commit) => {
                    "waits for its voucher; try again soon"
                }
                Some(_) | None => "",
            };
            if !why.is_empty() {
                return Err(Refusal::Not(format!("Payment {payment_id} of this bill {why}.")));
            }
        }
        Rupiah::new(bill.open())
            .map_err(|error| Refusal::Not(format!("The bill {id} cannot be paid: {error}.")))
    }

    /// The payment as it begins, with its voucher's place held.
    async fn begin(&self, id: &str, amount: Rupiah, purchase: &Purchase) -> Result<Transaction, Refusal> {
        let held = self.terms.payable.saturating_add(HELD_LONGER);
        let discount = match &purchase.voucher_code {
            Some(code) => Some(self.vouchers.reserve(id, code, purchase, amount, held).await?),
            None => None,
        };
        let asked = match purchase.asked(self.terms.bounds, amount, discount) {
            Ok(asked) => asked,
            Err(too_little) => {
                self.vouchers.release(id).await?;
                return Err(Refusal::Not(too_little.to_string()));
            }
        };
        let payment = Payment::new(id, asked);
        let mut payment = match discount {
            Some(discount) => payment.with_voucher(discount),
            None => payment,
        };
        let now = now();
        let is_by_hand = purchase.method == Method::Manual;
        let effects = if is_by_hand { payment.confirm_by_hand()? } else { payment.begin() };
        let is_asked = !is_by_hand && !payment.is_free();
        let mut transaction = Transaction {
            payment,
            customer_id: purchase.customer_id.clone(),
            customer_email: purchase.customer_email.clone(),
            method: purchase.method,
            bill_id: match &purchase.purpose {
                Purpose::TopUp(_) => None,
                Purpose::Bill(id) => Some(id.clone()),
            },
            voucher_code: purchase.voucher_code.clone(),
            payment_url: None,
            page: None,
            return_url: purchase.return_url.clone(),
            refused: None,
            created_at: now,
            updated_at: now,
            paid_at: None,
            expires_at: is_asked.then(|| after(now, self.terms.payable)),
            made_by: purchase.made_by.clone(),
            reason: purchase.reason.clone(),
            fingerprint: purchase.fingerprint(),
            movements: Vec::new(),
            refunds: Vec::new(),
            errand: None,
            revision: 1,
        };
        transaction.take(effects, now, purchase.made_by.as_deref());
        Ok(transaction)
    }

    /// The payment with the page where it is paid, made if there is none yet.
    async fn with_page(&self, known: Transaction, purchase: &Purchase) -> Result<Transaction, Refusal> {
        if let Some(words) = &known.refused {
            return Err(Refusal::Not(format!("The payment was not made: {words}.")));
        }
        let waits = known.payment_url.is_none() && known.payment.status() == Status::Pending;
        let waits = waits && !known.payment.is_free();
        let (Some(gateway), true) = (self.gateways.of(known.method), waits) else { return Ok(known) };
        let id = known.payment.id();
        let order = Order {
            id: order_id(id)?,
            amount: known.payment.asked(),
            description: match &known.bill_id {
                Some(_) => "Tagihan air IndoWater".to_owned(),
                None => "Isi saldo air IndoWater".to_owned(),
            },
            customer_name: purchase.customer_name.clone(),
            customer_email: purchase.customer_email.clone(),
            created_at: known.created_at,
            payable: self.terms.payable,
            return_url: known.return_url.clone(),
        };
        match gateway.create(&order).await {
            Ok(page) => {
                self.payments.remember_page(id, &page.reference).await.map_err(down)?;
                let with_page = self.change(id, None, |transaction| {
                    transaction.payment_url.get_or_insert_with(|| page.url.clone());
                    transaction.page.get_or_insert_with(|| page.reference.clone());
                    Ok(Vec::new())
                });
                with_page.await
            }
            Err(error) if error.is_final() => {
                let words = error.to_string();
                let refused = self.change(id, None, |transaction| {
                    transaction.refused = Some(words.clone());
                    Ok(transaction.payment.withdraw())
                });
                refused.await?;
                self.want(id).await?;
                Err(Refusal::Not(format!("The payment was not made: {words}.")))
            }
            Err(error) => Err(error.into()),
        }
    }
}
