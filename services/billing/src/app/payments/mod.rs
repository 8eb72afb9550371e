//! Payments: made, followed up at their gateway, and told.
//!
//! There is one way to change a payment, [`Cashier::change`]: it is read, changed by the rules of the domain, and written with the record
//! that tells it, conditional on the revision that was read. What the payment does to a balance is told by that record; the ledger
//! posts from there.

mod create;
mod follow_up;
mod notify;
mod refund;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use indowater_common::clock;
use indowater_common::domain::request::{Problems, to_milliseconds};
use indowater_common::error::Retry;
use indowater_common::mongo::outbox::Row;
use indowater_proto::topics::PAYMENTS;
use jiff::Timestamp;
use prost::Message as _;
use tokio::sync::Notify;

use crate::domain::payment::{self, Effect, Status, Times};
use crate::domain::purchase::{Bounds, Method};
use crate::domain::transaction::{After, PaymentFilter, Transaction};
use crate::gateway::{Gateway, GatewayError, OrderId};
use crate::grpc::Vouchers;
use crate::kafka::SOURCE;
use crate::mongo::{Bills, Notifications, Payments, Tell};
use crate::{observe, wire};

pub use follow_up::{Lane, follow_up};
pub use notify::Verdict;
pub use refund::RefundWish;

/// Why something was not done.
#[derive(Debug)]
pub enum Refusal {
    /// Fields that make no sense.
    Wrong(Problems),
    /// The key was used for something else.
    KeyTaken,
    /// There is no such payment.
    NotFound,
    /// Not as things stand.
    Not {
        /// Why, for programs: a word in upper case.
        reason: Cow<'static, str>,
        /// Why, in a sentence.
        why: String,
    },
    /// The database, the broker or the voucher service does not answer.
    Unavailable(Retry),
    /// The gateway does not answer, or not as it should. The same request goes on where this one stopped.
    Later {
        /// What was seen.
        why: String,
        /// After how long it is worth while.
        after: Duration,
    },
}

impl Refusal {
    /// Not as things stand, for a `reason` and in a sentence.
    pub fn not(reason: impl Into<Cow<'static, str>>, why: impl Into<String>) -> Self {
        Self::Not { reason: reason.into(), why: why.into() }
    }
}

impl From<Retry> for Refusal {
    fn from(error: Retry) -> Self {
        Self::Unavailable(error)
    }
}

/// What the outside world did not do.
fn down(error: impl Into<Retry>) -> Refusal {
    Refusal::Unavailable(error.into())
}

impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        Self::Wrong(problems)
    }
}

impl From<payment::Refusal> for Refusal {
    fn from(refusal: payment::Refusal) -> Self {
        Self::not("PAYMENT_STATE", refusal.to_string())
    }
}

/// How soon it is worth while to ask a gateway again that does not say when.
const SOON: Duration = Duration::from_secs(5);
/// The same where a person has to mend something first.
const LATER: Duration = Duration::from_secs(60);

impl From<GatewayError> for Refusal {
    fn from(error: GatewayError) -> Self {
        let after = match &error {
            GatewayError::Unavailable { after, .. } => after.unwrap_or(SOON),
            GatewayError::Locked { .. } | GatewayError::NotUnderstood(_) => LATER,
            GatewayError::Refused { .. } | GatewayError::Taken | GatewayError::Unknown => {
                return Self::not("REFUSED_BY_GATEWAY", error.to_string());
            }
        };
        Self::Later { why: error.to_string(), after }
    }
}

/// The gateways that this utility has an account at.
#[derive(Clone, Debug, Default)]
pub struct Gateways {
    /// Midtrans.
    pub midtrans: Option<Gateway>,
    /// Xendit.
    pub xendit: Option<Gateway>,
}

impl Gateways {
    /// The gateway of a method; none if there is no account, or no gateway.
    pub fn of(&self, method: Method) -> Option<&Gateway> {
        match method {
            Method::Midtrans => self.midtrans.as_ref(),
            Method::Xendit => self.xendit.as_ref(),
            Method::Manual => None,
        }
    }
}

/// How payments are made and watched.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What may be paid.
    pub bounds: Bounds,
    /// For how long a customer is asked to pay.
    pub payable: Duration,
    /// The shortest time between two questions to a gateway about one payment.
    pub pace: Duration,
}

/// Everything that payments need.
pub struct Cashier {
    /// The payments.
    pub payments: Payments,
    /// The bills they pay.
    pub bills: Bills,
    /// What gateways sent.
    pub notifications: Notifications,
    /// Whom to ask.
    pub gateways: Gateways,
    /// Whom to ask about vouchers.
    pub vouchers: Vouchers,
    /// How.
    pub terms: Terms,
    /// A payment wants to be followed up.
    pub wanted: Wanted,
}

/// Wakes those who follow payments up: for each method on its own, so that what waits for one gateway delays no other.
#[derive(Debug, Default)]
pub struct Wanted {
    midtrans: Notify,
    xendit: Notify,
    manual: Notify,
}

impl Wanted {
    /// The bell of a method.
    pub fn of(&self, method: Method) -> &Notify {
        match method {
            Method::Midtrans => &self.midtrans,
            Method::Xendit => &self.xendit,
            Method::Manual => &self.manual,
        }
    }
}

/// How often a change is tried when others change the same payment.
const TRIES: usize = 8;

impl Cashier {
    /// A payment.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn payment(&self, id: &str) -> Result<Transaction, Refusal> {
        self.payments.one(id).await.map_err(down)?.ok_or(Refusal::NotFound)
    }

    /// A page of payments, newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(
        &self,
        wanted: &PaymentFilter,
        after: Option<After>,
        many: usize,
    ) -> Result<Vec<Transaction>, Refusal> {
        self.payments.list(wanted, after, many).await.map_err(down)
    }

    /// Ends a payment that nobody paid.
    ///
    /// # Errors
    /// It is paid or over, there is none, or the gateway or the database does not answer.
    pub async fn cancel(&self, id: &str, made_by: &str) -> Result<Transaction, Refusal> {
        let known = self.payment(id).await?;
        if let Some(gateway) = self.gateways.of(known.method).filter(|_| !known.payment.is_closed()) {
            for order in known.all_orders() {
                match gateway.end(&order_id(&order)?).await {
                    // It knows no transaction of this order, or takes no end of it: what counts is what it says next.
                    Err(error) if !error.is_final() => return Err(failed(gateway, error)),
                    Ok(()) | Err(_) => {}
                }
            }
            self.ask(id, gateway).await?;
        }
        let cancelled = self
            .change(id, Some(made_by), |transaction| match transaction.payment.status() {
                Status::Pending | Status::Failed | Status::Expired => {
                    transaction.made_by.get_or_insert_with(|| made_by.to_owned());
                    Ok(transaction.payment.withdraw())
                }
                Status::Paid => {
                    Err(Refusal::not("PAYMENT_STATE", "The payment is paid; it can be refunded."))
                }
                Status::Reversed | Status::Refunded => {
                    Err(Refusal::not("PAYMENT_STATE", "The payment is over."))
                }
            })
            .await?;
        self.want(&cancelled).await?;
        Ok(cancelled)
    }

    /// An administrator saw the money of a payment.
    ///
    /// # Errors
    /// It is credited already, there is none, or the database does not answer.
    pub async fn confirm(&self, id: &str, reason: &str, made_by: &str) -> Result<Transaction, Refusal> {
        let confirmed = self.change(id, Some(made_by), |transaction| {
            (transaction.reason, transaction.made_by) = (Some(reason.to_owned()), Some(made_by.to_owned()));
            Ok(transaction.payment.confirm_by_hand()?)
        });
        let confirmed = confirmed.await?;
        self.want(&confirmed).await?;
        Ok(confirmed)
    }

    /// Changes a payment: `act` says what is to be done about it, and may be asked again if somebody else was faster.
    ///
    /// # Errors
    /// What `act` refuses, there is none, or the database does not answer.
    async fn change(
        &self,
        id: &str,
        made_by: Option<&str>,
        act: impl Fn(&mut Transaction) -> Result<Vec<Effect>, Refusal>,
    ) -> Result<Transaction, Refusal> {
        let act = |transaction: &mut Transaction| {
            let effects = act(transaction)?;
            transaction.take(effects, Times::default(), now(), made_by);
            Ok(())
        };
        self.rewrite(id, act).await
    }

    /// The same, of what takes its effects in by itself.
    async fn rewrite(
        &self,
        id: &str,
        act: impl Fn(&mut Transaction) -> Result<(), Refusal>,
    ) -> Result<Transaction, Refusal> {
        for _ in 0..TRIES {
            let known = self.payment(id).await?;
            let mut new = known.clone();
            act(&mut new)?;
            if new == known {
                return Ok(known);
            }
            (new.updated_at, new.revision) = (now(), known.revision + 1);
            if self.payments.replace(&new).await.map_err(down)? {
                observe::payment_changed(&known, &new);
                return Ok(new);
            }
        }
        Err(Refusal::Unavailable(Retry::because(format_args!("others keep changing payment {id}"))))
    }

    /// Wants a payment to be followed up, by whichever instance is first.
    async fn want(&self, transaction: &Transaction) -> Result<(), Retry> {
        self.payments.want(transaction.payment.id(), transaction.method, now()).await?;
        self.wanted.of(transaction.method).notify_one();
        Ok(())
    }
}

/// A gateway did not do what it was asked: noted, and why something else was not done.
fn failed(gateway: &Gateway, error: GatewayError) -> Refusal {
    observe::gateway_failed(gateway.name(), &error);
    error.into()
}

/// The present, in the precision of the database.
fn now() -> Timestamp {
    to_milliseconds(clock::now())
}

/// The moment so long after another.
fn after(moment: Timestamp, wait: Duration) -> Timestamp {
    moment.saturating_add(wait).unwrap_or(moment)
}

/// The order of a payment at its gateway.
fn order_id(id: &str) -> Result<OrderId, Retry> {
    OrderId::new(id).ok_or_else(|| Retry::because(format_args!("{id} can be no order at a gateway")))
}

/// How a payment is told: whole, on its compacted topic, in the partition of its customer.
pub fn tell(prefix: &str) -> Tell {
    let topic = PAYMENTS.name(prefix);
    Arc::new(move |transaction| {
        let id = transaction.payment.id();
        Row {
            topic: topic.clone(),
            key: format!("{}|{id}", transaction.customer_id),
            value: wire::payment(transaction).encode_to_vec(),
            event_id: format!("{id}@{}", transaction.revision),
            source: SOURCE.to_owned(),
            kind: PAYMENTS.message.to_owned(),
            time: transaction.updated_at.as_second(),
            traceparent: None,
        }
    })
}
