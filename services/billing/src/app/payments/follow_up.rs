//! Following payments up: errands at the voucher service, and the questions to gateways that notifications ask for, or the lack of them.
//! Gateways lose notifications (Xendit never repeats one that timed out), and an expired page tells nobody.
//!
//! Every payment that is not at rest has a turn: a moment at which it is looked at. Whoever takes the turn moves it into the
//! near future first, so nobody else takes it, and it comes again if this instance dies.

use std::sync::Arc;
use std::time::Duration;

use indowater_common::error::{Fatal, Retry};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Cashier, Refusal, after, now, order_id};
use crate::domain::transaction::{Errand, Transaction};
use crate::gateway::Gateway;
use crate::mongo::Turn;
use crate::observe;

/// Payments that one instance follows up at the same time: gateways are slow, and each is asked politely.
const AT_ONCE: usize = 16;
/// How long a turn may take: longer than all tries of the calls in it.
const TURN: Duration = Duration::from_secs(120);
/// How long nobody looks for turns when there is none.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows payments up for as long as the service runs.
///
/// # Errors
/// Never; its kind is that of all parts of the service.
pub async fn follow_up(cashier: Arc<Cashier>, stop: CancellationToken) -> Result<(), Fatal> {
    let mut turns = JoinSet::new();
    while !stop.is_cancelled() {
        while turns.try_join_next().is_some() {}
        let due = cashier.due(AT_ONCE.saturating_sub(turns.len())).await;
        let found = !due.is_empty();
        for turn in due {
            match cashier.payments.begin(&turn, after(now(), TURN)).await {
                Ok(Some(mine)) => {
                    observe::turn_came(turn.due_at(), now());
                    turns.spawn(take(cashier.clone(), mine));
                }
                Ok(None) => {}
                Err(error) => observe::follow_up_waits(&error),
            }
        }
        if found && turns.len() < AT_ONCE {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = cashier.wanted.notified() => {}
            Some(_) = turns.join_next(), if turns.len() >= AT_ONCE => {}
            () = stop.cancelled() => {}
        }
    }
    // What was begun is finished: it is short, and would come again only when its turn is over.
    while turns.join_next().await.is_some() {}
    Ok(())
}

async fn take(cashier: Arc<Cashier>, turn: Turn) {
    let next = match cashier.look_at(&turn.id).await {
        Ok(next) => next.map(|wait| after(now(), wait)),
        Err(error) => {
            observe::payment_waits(&turn.id, &error);
            Some(after(now(), cashier.terms.pace))
        }
    };
    if let Err(error) = cashier.payments.end(&turn, next).await {
        observe::follow_up_waits(&error);
    }
}

impl Cashier {
    /// At most so many payments whose turn has come.
    async fn due(&self, most: usize) -> Vec<Turn> {
        if most == 0 {
            return Vec::new();
        }
        let due = self.payments.due(now(), i64::try_from(most).unwrap_or(i64::MAX)).await;
        due.inspect_err(observe::follow_up_waits).unwrap_or_default()
    }

    /// Does what there is to do for a payment, and says in how long it should be looked at again.
    async fn look_at(&self, id: &str) -> Result<Option<Duration>, Retry> {
        let mut transaction = match self.payments.one(id).await? {
            Some(transaction) => transaction,
            None => return Ok(None),
        };
        // First what needs no gateway, for that may not answer.
        transaction = self.run_errand(transaction).await?;
        if let Some(gateway) = self.gateways.of(transaction.method).filter(|_| !transaction.payment.is_free())
        {
            self.repeat_refunds(&transaction, gateway).await.map_err(|error| {
                observe::gateway_failed(gateway.name(), &error);
                Retry::because(error)
            })?;
            transaction = self.ask(id, gateway).await.map_err(retry)?;
            transaction = self.run_errand(transaction).await?;
        }
        Ok(transaction.next_question(self.terms.pace, now()))
    }

    /// Asks the gateway how a payment stands, and takes in the answer; ends it if its time is over and nobody chose how to pay.
    pub(super) async fn ask(&self, id: &str, gateway: &Gateway) -> Result<Transaction, Refusal> {
        let observations = gateway.status(&order_id(id)?).await.inspect_err(|error| {
            observe::gateway_failed(gateway.name(), error);
        })?;
        let asked = self.change(id, None, |transaction| {
            let mut effects = Vec::new();
            for observation in observations.clone() {
                effects.extend(transaction.payment.observe(observation));
            }
            if transaction.is_overdue(now()) && !transaction.payment.is_closed() {
                effects.extend(transaction.payment.lapse());
            }
            Ok(effects)
        });
        asked.await
    }

    /// Does what is left to do at the voucher service.
    pub(super) async fn run_errand(&self, transaction: Transaction) -> Result<Transaction, Retry> {
        let id = transaction.payment.id();
        let done = match transaction.errand {
            None => return Ok(transaction),
            Some(Errand::Release) => {
                self.vouchers.release(id).await?;
                self.change(id, None, |transaction| {
                    // Meanwhile the payment may have been paid.
                    transaction.errand.take_if(|errand| *errand == Errand::Release);
                    Ok(Vec::new())
                })
                .await
            }
            Some(Errand::Commit) => {
                let granted = self.vouchers.commit(&transaction).await?;
                self.change(id, None, |transaction| {
                    transaction.errand.take_if(|errand| *errand == Errand::Commit);
                    Ok(transaction.payment.voucher_answered(granted))
                })
                .await
            }
        };
        done.map_err(retry)
    }
}

/// What the follow-up cannot do now it does later.
fn retry(refusal: Refusal) -> Retry {
    match refusal {
        Refusal::Unavailable(error) => error,
        Refusal::Not(why) => Retry::because(why),
        Refusal::Wrong(problems) => Retry::because(problems),
        Refusal::KeyTaken => Retry::because("the key is taken"),
        Refusal::NotFound => Retry::because("the payment is gone"),
    }
}
