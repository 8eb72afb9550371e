//! Payments: who pays for whom, what may be seen of it, and what gateways say.

use super::App;
use crate::domain::access::{Resource, Whose, may, narrow, sees};
use crate::domain::failure::{Failure, Fault};
use crate::domain::notification::{Notification, Verdict};
use crate::domain::order::names_nobody;
use crate::domain::page::Listing;
use crate::domain::payment::{Payment, Receipt};
use crate::domain::purchase::{
    Confirmation, IdempotencyKey, NewPayment, NewRefund, PaymentsQuestion, Purpose,
};
use crate::domain::user::{Actor, UserId};

impl App {
    /// Makes a payment, once for its key: of the customer who asks, or of the customer whose money `actor` took.
    ///
    /// # Errors
    /// It is not acceptable or not possible, there is no such customer, or billing does not answer.
    pub async fn pay(
        &self,
        actor: &Actor,
        key: &IdempotencyKey,
        new: NewPayment,
    ) -> Result<Payment, Failure> {
        let whose = narrow(actor, Resource::Payment, new.customer_id.clone())?;
        let by_hand = may(actor, Resource::Settlement).is_ok();
        let purchase = new.check(by_hand)?;
        let Whose::Of(customer) = whose else {
            return Err(names_nobody());
        };
        let payer = self.customer(&customer).await?;
        if let Purpose::Bill(id) = &purchase.purpose {
            self.owes(&customer, id).await?;
        }
        let made_by = by_hand.then_some(&actor.id);
        let made = self.payments.create(key.of(&actor.id), &payer, purchase, made_by).await?;
        Ok(told(actor, made))
    }

    /// Whether there is such a bill of the customer. Somebody else's is answered like one that is not there.
    async fn owes(&self, customer: &UserId, bill_id: &str) -> Result<(), Failure> {
        match self.bills.one(bill_id).await {
            Ok(bill) if bill.customer_id == customer.as_str() => Ok(()),
            Ok(_) | Err(Failure::NotFound(_) | Failure::Invalid(_)) => {
                Err(Failure::Invalid(vec![Fault::new("bill_id", "there is no such bill of the customer")]))
            }
            Err(failure) => Err(failure),
        }
    }

    /// A page of payments, newest first.
    ///
    /// # Errors
    /// Another customer's, or billing does not answer.
    pub async fn payments(
        &self,
        actor: &Actor,
        question: PaymentsQuestion,
    ) -> Result<Listing<Payment>, Failure> {
        let whose = narrow(actor, Resource::Payment, question.customer.clone())?;
        // What only administrators are told is no filter for others.
        let needs_attention = question.needs_attention && may(actor, Resource::Author).is_ok();
        let question = PaymentsQuestion { needs_attention, ..question };
        let Listing { mut items, next_page_token } = self.payments.list(&whose, question).await?;
        items.retain(|payment| sees(actor, Resource::Payment, &payment.customer_id));
        let items = items.into_iter().map(|payment| told(actor, payment)).collect();
        Ok(Listing { items, next_page_token })
    }

    /// A payment.
    ///
    /// # Errors
    /// There is none that `actor` may see, or billing does not answer; so for the two that follow.
    pub async fn payment(&self, actor: &Actor, id: &str) -> Result<Payment, Failure> {
        Ok(told(actor, self.visible_payment(actor, id).await?))
    }

    /// The receipt of a payment.
    ///
    /// # Errors
    /// As above, or it was never paid.
    pub async fn receipt(&self, actor: &Actor, id: &str) -> Result<Receipt, Failure> {
        let payment = self.visible_payment(actor, id).await?;
        let name = match UserId::new(&payment.customer_id) {
            Some(customer) => {
                self.store.account_by_id(&customer).await?.map(|account| account.user.full_name)
            }
            None => None,
        };
        Receipt::of(payment, name)
    }

    /// Ends a payment that nobody paid.
    ///
    /// # Errors
    /// As above, or it is not pending.
    pub async fn cancel_payment(&self, actor: &Actor, id: &str) -> Result<Payment, Failure> {
        let payment = self.visible_payment(actor, id).await?;
        Ok(told(actor, self.payments.cancel(&payment.id, &actor.id).await?))
    }

    /// Credits a payment whose money `actor` saw.
    ///
    /// # Errors
    /// It is credited already, there is no such payment, or billing does not answer.
    pub async fn confirm_payment(
        &self,
        actor: &Actor,
        id: &str,
        confirmation: Confirmation,
    ) -> Result<Payment, Failure> {
        may(actor, Resource::Settlement)?;
        let Confirmation { reason } = confirmation.check()?;
        Ok(told(actor, self.payments.confirm(id, reason, &actor.id).await?))
    }

    /// Gives back some or all of a payment, once for its key.
    ///
    /// # Errors
    /// It is not possible, there is no such payment, or billing does not answer.
    pub async fn refund_payment(
        &self,
        actor: &Actor,
        id: &str,
        key: &IdempotencyKey,
        refund: NewRefund,
    ) -> Result<Payment, Failure> {
        may(actor, Resource::Settlement)?;
        let refund = refund.check()?;
        Ok(told(actor, self.payments.refund(id, key, refund, &actor.id).await?))
    }

    /// Hands on what somebody sent who may be a gateway. Nobody is known here; billing looks at the signature.
    ///
    /// # Errors
    /// It is not stored, and is to be sent again.
    pub async fn receive(&self, notification: Notification) -> Result<Verdict, Failure> {
        self.payments.receive(notification).await
    }

    async fn visible_payment(&self, actor: &Actor, id: &str) -> Result<Payment, Failure> {
        // For whom no payment is, none is looked up.
        narrow(actor, Resource::Payment, None)?;
        let payment = self.payments.one(id).await?;
        if sees(actor, Resource::Payment, &payment.customer_id) {
            Ok(payment)
        } else {
            Err(Failure::NotFound("payment"))
        }
    }
}

/// A payment as `actor` may see it.
fn told(actor: &Actor, payment: Payment) -> Payment {
    if may(actor, Resource::Author).is_ok() { payment } else { payment.without_author() }
}
