//! Following payments up: errands at the voucher service, and the questions to gateways that notifications ask for, or the lack of them.
//! Gateways lose notifications (Xendit never repeats one that timed out), and an expired page tells nobody.
//!
//! Every payment that is not at rest has a turn: a moment at which it is looked at. Whoever takes the turn moves it into the
//! near future first, so nobody else takes it, and it comes again if this instance dies.
//!
//! Turns are in lanes, one for each gateway: each has places of its own, so a gateway that hangs holds up its own payments
//! and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use indowater_common::error::{Fatal, Retry};
use rand::RngExt as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Cashier, Refusal, after, down, failed, now, order_id};
use crate::domain::bill::Bill;
use crate::domain::payment::{Rupiah, Times};
use crate::domain::purchase::Method;
use crate::domain::transaction::{BillSurplus, Errand, Transaction};
use crate::gateway::{Gateway, GatewayError};
use crate::mongo::Turn;
use crate::observe;

/// Payments of one lane that one instance follows up at the same time: gateways are slow, and each is asked politely.
const AT_ONCE: usize = 16;
/// How long a turn may take: longer than all tries of the calls in it.
const TURN: Duration = Duration::from_secs(120);
/// How long nobody looks for turns when there is none.
const PAUSE: Duration = Duration::from_millis(500);

/// The payments that are followed up together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(pub Method);

/// Follows the payments of a lane up for as long as the service runs.
///
/// # Errors
/// Never; its kind is that of all parts of the service.
pub async fn follow_up(cashier: Arc<Cashier>, lane: Lane, stop: CancellationToken) -> Result<(), Fatal> {
    let mut turns = JoinSet::new();
    while !stop.is_cancelled() {
        while turns.try_join_next().is_some() {}
        let due = cashier.due(lane, AT_ONCE.saturating_sub(turns.len())).await;
        let found = !due.is_empty();
        for turn in due {
            match cashier.payments.begin(&turn, after(now(), TURN)).await {
                Ok(Some(mine)) => {
                    observe::turn_came(turn.due_at(), now());
                    turns.spawn(take(cashier.clone(), lane, mine));
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
            () = cashier.wanted.of(lane.0).notified() => {}
            Some(_) = turns.join_next(), if turns.len() >= AT_ONCE => {}
            () = stop.cancelled() => {}
        }
    }
    // What was begun is finished: it is short, and would come again only when its turn is over.
    while turns.join_next().await.is_some() {}
    Ok(())
}

async fn take(cashier: Arc<Cashier>, lane: Lane, turn: Turn) {
    let next = match cashier.look_at(&turn.id, lane).await {
        Ok(next) => next.map(|wait| after(now(), wait)),
        Err(refusal) => {
            let wait = match &refusal {
                Refusal::Later { after, .. } => cashier.terms.pace.max(*after),
                _ => cashier.terms.pace,
            };
            observe::payment_waits(&turn.id, &retry(refusal));
            Some(after(now(), jittered(wait)))
        }
    };
    if let Err(error) = cashier.payments.end(&turn, next).await {
        observe::follow_up_waits(&error);
    }
}

/// A wait, up to half of it longer, so that those who failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    wait.saturating_mul(rand::rng().random_range(1_000..=1_500_u32)) / 1_000
}

impl Cashier {
    /// At most so many payments of a lane whose turn has come.
    async fn due(&self, lane: Lane, most: usize) -> Vec<Turn> {
        if most == 0 {
            return Vec::new();
        }
        let due = self.payments.due(lane.0, now(), i64::try_from(most).unwrap_or(i64::MAX)).await;
        due.inspect_err(observe::follow_up_waits).unwrap_or_default()
    }

    /// Has payments of another system that wait for their customers followed up as ours are, once the database answers.
    pub async fn adopt_eventually(&self) {
        loop {
            match self.payments.adopt(now()).await {
                Ok(0) => return,
                Ok(many) => return observe::payments_adopted(many),
                Err(error) => observe::follow_up_waits(&error),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Does what there is to do for a payment, and says in how long it should be looked at again.
    async fn look_at(&self, id: &str, lane: Lane) -> Result<Option<Duration>, Refusal> {
        let Some(known) = self.payments.one(id).await.map_err(down)? else { return Ok(None) };
        if known.method != lane.0 {
            // Turns from before there were lanes say nothing of theirs.
            self.want(&known).await?;
            return Ok(None);
        }
        // First what needs no gateway, for that may not answer.
        let mut transaction = self.run_errand(known).await?;
        transaction = self.compare_with_bill(transaction).await?;
        let is_asked = !transaction.payment.is_free();
        if let Some(gateway) = self.gateways.of(transaction.method).filter(|_| is_asked) {
            let repeated = self.repeat_refunds(&transaction, gateway).await;
            repeated.map_err(|error| failed(gateway, error))?;
            transaction = self.ask(id, gateway).await?;
            transaction = self.run_errand(transaction).await?;
            transaction = self.compare_with_bill(transaction).await?;
        }
        Ok(transaction.next_question(self.terms.pace, now()))
    }

    /// Asks the gateway how a payment stands, and takes in the answer; ends it if its time is over and nobody chose how to pay.
    pub(super) async fn ask(&self, id: &str, gateway: &Gateway) -> Result<Transaction, Refusal> {
        let known = self.payment(id).await?;
        let mut observations = Vec::new();
        for order in known.all_orders() {
            match gateway.status(&order_id(&order)?).await {
                Ok(found) => observations.extend(found),
                Err(GatewayError::NotUnderstood(words)) => {
                    let unclear = |transaction: &mut Transaction| {
                        transaction.unclear = Some(words.clone());
                        Ok(Vec::new())
                    };
                    self.change(id, None, unclear).await?;
                    return Err(failed(gateway, GatewayError::NotUnderstood(words)));
                }
                Err(error) => return Err(failed(gateway, error)),
            }
        }
        let asked = self.rewrite(id, |transaction| {
            transaction.unclear = None;
            for observation in observations.clone() {
                let times = observation.times();
                let effects = transaction.payment.observe(observation);
                transaction.take(effects, times, now(), None);
            }
            if transaction.is_overdue(now()) && !transaction.payment.is_closed() {
                let effects = transaction.payment.lapse();
                transaction.take(effects, Times::default(), now(), None);
            }
            Ok(())
        });
        asked.await
    }

    /// Notes what a payment brought beyond what its bill, or the one that took its place, asks for: the customer has paid twice, or
    /// ahead. The bill says how much; it is of the payments that came last.
    async fn compare_with_bill(&self, transaction: Transaction) -> Result<Transaction, Refusal> {
        let Some(bill) = &transaction.bill_id else { return Ok(transaction) };
        let bill = self.bills.last(bill).await.map_err(down)?;
        let surplus = match bill.filter(|bill| bill.surplus() > 0) {
            Some(bill) => self.surplus_of(&bill, &transaction).await?,
            None => None,
        };
        if surplus == transaction.bill_surplus {
            return Ok(transaction);
        }
        let note = |transaction: &mut Transaction| {
            transaction.bill_surplus.clone_from(&surplus);
            Ok(Vec::new())
        };
        self.change(transaction.payment.id(), None, note).await
    }

    /// The payment's part of the surplus of a bill.
    async fn surplus_of(
        &self,
        bill: &Bill,
        transaction: &Transaction,
    ) -> Result<Option<BillSurplus>, Refusal> {
        let all = self.payments.those(bill.applied.keys()).await.map_err(down)?;
        let when = |transaction: &Transaction| (transaction.noticed_at, transaction.payment.id().to_owned());
        let own = when(transaction);
        let before: Vec<&Transaction> = all.iter().filter(|other| when(other) < own).collect();
        let ids = before.iter().map(|other| other.payment.id());
        let amount = Rupiah::new(bill.surplus_of(transaction.payment.id(), ids)).map_err(down)?;
        let last = before.iter().max_by_key(|other| when(other));
        let paid_before_by = last.map(|last| last.payment.id().to_owned());
        Ok((!amount.is_zero()).then_some(BillSurplus { amount, paid_before_by }))
    }

    /// Does what is left to do at the voucher service.
    pub(super) async fn run_errand(&self, transaction: Transaction) -> Result<Transaction, Refusal> {
        let id = transaction.payment.id();
        match transaction.errand {
            None => Ok(transaction),
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
        }
    }
}

/// What the follow-up cannot do now it does later.
fn retry(refusal: Refusal) -> Retry {
    match refusal {
        Refusal::Unavailable(error) => error,
        Refusal::Later { why, .. } => Retry::because(why),
        Refusal::Not { why, .. } => Retry::because(why),
        Refusal::Wrong(problems) => Retry::because(problems),
        Refusal::KeyTaken => Retry::because("the key is taken"),
        Refusal::NotFound => Retry::because("the payment is gone"),
    }
}
