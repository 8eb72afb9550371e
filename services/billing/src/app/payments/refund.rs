//! Refunds by administrators: through the gateway, or outside it.

use super::{Cashier, Refusal, failed, order_id};
use crate::domain::payment::{self, Effect, Rupiah};
use crate::domain::purchase::Method;
use crate::domain::transaction::{Refund, Transaction};
use crate::gateway::{self, Gateway, GatewayError};
use crate::observe;

/// What an administrator wants to give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundWish {
    /// The payment.
    pub id: String,
    /// Chosen by the caller: the same for the same refund of that payment.
    pub key: String,
    /// How much; all that is left if it is not said.
    pub amount: Option<Rupiah>,
    /// Why.
    pub reason: String,
    /// `users.id` of the administrator.
    pub made_by: String,
    /// The money went back outside the gateway.
    pub by_hand: bool,
}

impl RefundWish {
    /// Whether it is the one that was written down under its key.
    fn is(&self, known: &Refund) -> bool {
        let same_amount = match self.amount {
            Some(amount) => amount == known.amount && known.all != Some(true),
            None => known.all != Some(false),
        };
        same_amount
            && (self.by_hand, &self.reason, &self.made_by) == (known.by_hand, &known.reason, &known.made_by)
    }
}

impl Cashier {
    /// Gives back some or all of a payment, once for each key.
    ///
    /// # Errors
    /// Why not.
    pub async fn refund(&self, wish: RefundWish) -> Result<Transaction, Refusal> {
        let known = self.payment(&wish.id).await?;
        if known.method == Method::Manual && !wish.by_hand {
            let why = "What was taken by hand is given back by hand: say by_hand.";
            return Err(Refusal::not("ONLY_BY_HAND", why));
        }
        let mut refunded =
            self.change(&wish.id, Some(&wish.made_by), |transaction| note(transaction, &wish)).await?;
        if let Some(gateway) = self.gateways.of(refunded.method).filter(|_| !wish.by_hand) {
            if let Err(error) = send(gateway, &refunded, &wish.key).await {
                self.take_back(&wish, &error).await?;
                // Whether it arrived nobody knows: it is sent again, also if the caller does not come again.
                self.want(&refunded).await?;
                return Err(failed(gateway, error));
            }
            refunded = self.ask(&wish.id, gateway).await?;
        }
        self.want(&refunded).await?;
        Ok(refunded)
    }

    /// Sends the refunds that the gateway does not tell of yet once more; it gives each back once, by its key.
    pub(super) async fn repeat_refunds(
        &self,
        transaction: &Transaction,
        gateway: &Gateway,
    ) -> Result<(), GatewayError> {
        if transaction.payment.refunded_by_gateway() >= transaction.asked_back(false) {
            return Ok(());
        }
        for refund in transaction.refunds.iter().filter(|refund| !refund.by_hand) {
            match send(gateway, transaction, &refund.key).await {
                Ok(()) => {}
                // It was taken once; what the gateway thinks of it now is seen in its status.
                Err(error) if error.is_final() => {
                    observe::gateway_failed(gateway.name(), &error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Forgets a refund that the gateway will not give. One of which nobody knows stays, for it may have arrived.
    async fn take_back(&self, wish: &RefundWish, error: &GatewayError) -> Result<(), Refusal> {
        if !error.is_final() {
            return Ok(());
        }
        let forget = self.change(&wish.id, None, |transaction| {
            transaction.refunds.retain(|refund| refund.key != wish.key);
            Ok(Vec::new())
        });
        forget.await.map(drop)
    }
}

/// Writes down a refund, and takes it off the balance if it was given by hand; the gateway's own are taken off when it tells
/// of them.
fn note(transaction: &mut Transaction, wish: &RefundWish) -> Result<Vec<Effect>, Refusal> {
    if let Some(known) = transaction.refund(&wish.key) {
        return if wish.is(known) { Ok(Vec::new()) } else { Err(Refusal::KeyTaken) };
    }
    if !transaction.payment.has_anything() {
        return Err(payment::Refusal::NotPaid.into());
    }
    let left = transaction.refundable();
    let amount = wish.amount.unwrap_or(left);
    if amount.is_zero() || amount > left {
        return Err(Refusal::not("MORE_THAN_LEFT", format!("Rp {left} can be given back.")));
    }
    transaction.refunds.push(Refund {
        key: wish.key.clone(),
        amount,
        reason: wish.reason.clone(),
        made_by: wish.made_by.clone(),
        by_hand: wish.by_hand,
        // The same whenever it is sent again, for by then another transaction may be the fullest.
        transaction: transaction.payment.to_refund_from().filter(|_| !wish.by_hand).map(str::to_owned),
        all: Some(wish.amount.is_none()),
    });
    if wish.by_hand {
        Ok(transaction.payment.refund_by_hand(transaction.asked_back(true))?)
    } else {
        Ok(Vec::new())
    }
}

async fn send(gateway: &Gateway, transaction: &Transaction, key: &str) -> Result<(), GatewayError> {
    let id = transaction.payment.id();
    let order =
        order_id(&transaction.order(1)).map_err(|error| GatewayError::NotUnderstood(error.to_string()))?;
    let Some(refund) = transaction.refund(key) else { return Ok(()) };
    let refund = gateway::Refund {
        // The caller's key may hold what a gateway does not take.
        key: gateway::refund_key(id, key),
        transaction: refund.transaction.clone(),
        amount: refund.amount,
        reason: refund.reason.clone(),
    };
    gateway.refund(&order, &refund).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_is_the_same_refund_and_other_content_shows() {
        let wish = RefundWish {
            id: "payment-1".to_owned(),
            key: "k".to_owned(),
            amount: Some(Rupiah::whole(40_000)),
            reason: "Paid twice".to_owned(),
            made_by: "admin-001".to_owned(),
            by_hand: true,
        };
        let noted = |amount, all| Refund {
            key: "k".to_owned(),
            amount: Rupiah::whole(amount),
            reason: "Paid twice".to_owned(),
            made_by: "admin-001".to_owned(),
            by_hand: true,
            transaction: None,
            all,
        };
        let everything = RefundWish { amount: None, ..wish.clone() };
        assert!(wish.is(&noted(40_000, Some(false))) && everything.is(&noted(90_000, Some(true))));
        // What was asked for is not known of those of before; either may be meant.
        assert!(wish.is(&noted(40_000, None)) && everything.is(&noted(40_000, None)));
        assert!(!wish.is(&noted(40_001, Some(false))) && !wish.is(&noted(40_000, Some(true))));
        assert!(!everything.is(&noted(40_000, Some(false))));
        for other in [
            RefundWish { reason: "Moved away".to_owned(), ..wish.clone() },
            RefundWish { made_by: "admin-002".to_owned(), ..wish.clone() },
            RefundWish { by_hand: false, ..wish.clone() },
        ] {
            assert!(!other.is(&noted(40_000, Some(false))), "{other:?}");
        }
    }
}
