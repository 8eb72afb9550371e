//! New payments. Each step can be repeated: the payment's id follows from the caller's key, so the voucher's place, the stored
//! payment and the gateway's page are found again by whoever repeats a call that was cut off.

use std::time::Duration;

use indowater_common::error::Retry;

use super::{Cashier, LATER, Refusal, TRIES, after, down, failed, now, order_id};
use crate::domain::bill::{Bill, Status as BillStatus};
use crate::domain::payment::{Payment, Rupiah, Status, Times};
use crate::domain::purchase::{Method, Purchase, Purpose};
use crate::domain::transaction::{Errand, Transaction};
use crate::gateway::{GatewayError, Order, Page};
use crate::mongo::{Claim, Inserted};
use crate::observe;

/// How many orders one payment has at a gateway at most.
const MOST_ORDERS: usize = 5;
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
            return Err(Refusal::not(
                "METHOD_UNAVAILABLE",
                format!("No payments are taken through {name} here."),
            ));
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
                    self.wanted.of(method).notify_one();
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
        let bill = bill.ok_or_else(|| Refusal::not("BILL_UNKNOWN", format!("There is no bill {id}.")))?;
        let amount = self.to_be_paid(&bill).await?;
        Ok((amount, Some(Claim { bill_id: bill.id(), open: bill.open(), payment_id: bill.payment_id })))
    }

    async fn to_be_paid(&self, bill: &Bill) -> Result<Rupiah, Refusal> {
        let id = bill.id();
        match bill.status() {
            BillStatus::Open => {}
            BillStatus::Paid => return Err(Refusal::not("BILL_PAID", format!("The bill {id} is paid."))),
            BillStatus::Carried => {
                return Err(Refusal::not(
                    "BILL_CARRIED",
                    format!("The bill {id} is part of a later one; that one is to be paid."),
                ));
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
                return Err(Refusal::not(
                    "BILL_IN_PAYMENT",
                    format!("Payment {payment_id} of this bill {why}."),
                ));
            }
        }
        Rupiah::new(bill.open()).map_err(|error| {
            Refusal::not("BILL_NOT_PAYABLE", format!("The bill {id} cannot be paid: {error}."))
        })
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
                return Err(Refusal::not("TOO_LITTLE", too_little.to_string()));
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
            reference: id.to_owned(),
            pays_bill: matches!(purchase.purpose, Purpose::Bill(_)),
            bill_id: match &purchase.purpose {
                Purpose::TopUp(_) => None,
                Purpose::Bill(id) => Some(id.clone()),
            },
            voucher_code: purchase.voucher_code.clone(),
            payment_url: None,
            page: None,
            return_url: purchase.return_url.clone(),
            orders: 1,
            refused: None,
            unclear: None,
            bill_surplus: None,
            created_at: now,
            updated_at: now,
            paid_at: None,
            noticed_at: None,
            expires_at: is_asked.then(|| after(now, self.terms.payable)),
            made_by: purchase.made_by.clone(),
            reason: purchase.reason.clone(),
            fingerprint: purchase.fingerprint(),
            movements: Vec::new(),
            refunds: Vec::new(),
            errand: None,
            revision: 1,
        };
        transaction.take(effects, Times::default(), now, purchase.made_by.as_deref());
        Ok(transaction)
    }

    /// The payment with the page where it is paid, made if there is none yet.
    ///
    /// An answer may be lost after the gateway made the page. Where it then gives the page again (Midtrans mostly, Xendit when it is
    /// asked for the invoices of the order) that is all; where it only says that the order exists, it is asked how the
    /// order stands. A payment that has a page or a transaction is never ended for it; one of which nothing is known has a page that
    /// nobody can reach, and gets another order.
    async fn with_page(&self, known: Transaction, purchase: &Purchase) -> Result<Transaction, Refusal> {
        let mut known = known;
        let Some(gateway) = self.gateways.of(known.method) else { return Ok(known) };
        for _ in 0..MOST_ORDERS {
            if let Some(words) = &known.refused {
                return Err(Refusal::not(
                    "REFUSED_BY_GATEWAY",
                    format!("The payment was not made: {words}."),
                ));
            }
            if !waits_for_page(&known) {
                return Ok(known);
            }
            let id = known.payment.id().to_owned();
            let order = self.order(&known, purchase)?;
            match gateway.create(&order).await {
                Ok(page) => return self.made(&id, page).await,
                Err(error) if error.is_final() => {
                    observe::gateway_failed(gateway.name(), &error);
                    self.ask(&id, gateway).await?;
                    known = self.not_made(&id, known.orders, error).await?;
                }
                Err(error) => return Err(failed(gateway, error)),
            }
        }
        Err(Refusal::Later {
            why: "the gateway has made every order, and gives no page".to_owned(),
            after: LATER,
        })
    }

    fn order(&self, known: &Transaction, purchase: &Purchase) -> Result<Order, Retry> {
        Ok(Order {
            id: order_id(&known.order(known.orders))?,
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
        })
    }

    /// The gateway made a page.
    async fn made(&self, id: &str, page: Page) -> Result<Transaction, Refusal> {
        self.payments.remember_page(id, &page.reference).await.map_err(down)?;
        let with_page = self.change(id, None, |transaction| {
            transaction.payment_url.get_or_insert_with(|| page.url.clone());
            transaction.page.get_or_insert_with(|| page.reference.clone());
            Ok(Vec::new())
        });
        with_page.await
    }

    /// The gateway did not take the last of `orders`. What becomes of the payment follows from what is known of it by now.
    async fn not_made(&self, id: &str, orders: u32, error: GatewayError) -> Result<Transaction, Refusal> {
        let words = error.to_string();
        let is_taken = matches!(error, GatewayError::Taken);
        let changed = self.change(id, None, |transaction| {
            // Another call was faster, or the customer has begun to pay.
            if !waits_for_page(transaction) {
                return Ok(Vec::new());
            }
            if is_taken {
                transaction.orders = transaction.orders.max(orders + 1);
                return Ok(Vec::new());
            }
            transaction.refused = Some(words.clone());
            Ok(transaction.payment.withdraw())
        });
        let changed = changed.await?;
        if changed.refused.is_some() {
            self.want(&changed).await?;
        }
        Ok(changed)
    }
}

/// Whether a payment needs a page, has none, and none was ever seen by its customer.
fn waits_for_page(known: &Transaction) -> bool {
    let is_asked = !known.payment.is_free() && known.payment.status() == Status::Pending;
    is_asked && known.payment_url.is_none() && !known.payment.is_begun()
}
