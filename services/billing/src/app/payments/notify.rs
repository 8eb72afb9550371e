//! What gateways send by themselves: kept as it came, then believed as a reason to ask.

use std::collections::BTreeMap;

use indowater_common::clock;
use indowater_common::error::Retry;

use super::{Cashier, now};
use crate::domain::purchase::Method;
use crate::domain::transaction::Transaction;
use crate::gateway::{Gateway, Hint, Rejected};
use crate::observe;

/// What was thought of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is genuine; the gateway is asked what is true.
    Taken,
    /// It is genuine, and about no payment of ours.
    UnknownOrder,
    /// Somebody else made it.
    Forged,
    /// It is not what a gateway sends.
    Unreadable,
}

impl Verdict {
    /// Its name in documents and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::UnknownOrder => "unknown_order",
            Self::Forged => "forged",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Where Xendit puts the secret that it shares with us.
const TOKEN: &str = "x-callback-token";

impl Cashier {
    /// Takes a notification. When this returns it is stored, and if it is genuine its payment is wanted to be followed up.
    ///
    /// # Errors
    /// It could not be stored; the gateway sends it again.
    pub async fn receive(
        &self,
        method: Method,
        body: &[u8],
        mut headers: BTreeMap<String, String>,
    ) -> Result<Verdict, Retry> {
        let id = clock::new_id("notification");
        let token = headers.remove(TOKEN).unwrap_or_default();
        self.notifications.keep(&id, method.name(), body, &headers, now()).await?;
        let hint = match self.gateways.of(method) {
            Some(Gateway::Midtrans(midtrans)) => midtrans.notification(body),
            Some(Gateway::Xendit(xendit)) => xendit.notification(&token, body),
            // Nobody whom we know would send it.
            None => Err(Rejected::Forged),
        };
        let (verdict, payment, says) = match hint {
            Ok(hint) => {
                let payment = self.meant(&hint).await?;
                let verdict = if payment.is_some() { Verdict::Taken } else { Verdict::UnknownOrder };
                (verdict, payment, hint.says)
            }
            Err(Rejected::Forged) => (Verdict::Forged, None, String::new()),
            Err(Rejected::Unreadable(why)) => (Verdict::Unreadable, None, why),
        };
        let payment_id = payment.as_ref().map(|payment| payment.payment.id());
        self.notifications.judge(&id, verdict.name(), payment_id, &says).await?;
        observe::notified(method.name(), verdict.name(), payment_id, &says);
        if let Some(payment) = &payment {
            self.want(payment).await?;
        }
        Ok(verdict)
    }

    /// The payment that a notification is about: by its order, or by the gateway's own id where it names no order.
    async fn meant(&self, hint: &Hint) -> Result<Option<Transaction>, Retry> {
        if let Some(order) = &hint.order_id {
            let known = self.payments.one(Transaction::of_order(order)).await?;
            return match known {
                Some(known) => Ok(Some(known)),
                None => Ok(self.payments.by_reference(order).await?),
            };
        }
        let Some(page) = &hint.transaction else { return Ok(None) };
        match self.payments.by_page(page).await? {
            Some(id) => Ok(self.payments.one(&id).await?),
            None => Ok(None),
        }
    }
}
