//! Vouchers, as callers ask for them.
//!
//! What writes runs in a task of its own: a caller that hangs up must not drop a transaction half-way, which the
//! driver does not stand.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use indowater_common::domain::request::{Page, Problems};
use indowater_common::mongo::outbox::Row;
use indowater_common::{clock, telemetry};
use indowater_proto::topics::REDEMPTIONS;
use jiff::Timestamp;
use tracing::{Instrument, Span};

use super::turns::Turns;
use crate::domain::list::{UsageFilter, VoucherFilter};
use crate::domain::money::Rupiah;
use crate::domain::redemption::{
    Purchase, PurchaseDraft, Question, Reservation, Settled, State, Terms, Usage, assess, expiry,
};
use crate::domain::refusal::{Refusal, Refused};
use crate::domain::voucher::{Voucher, VoucherDraft};
use crate::mongo::{Announce, Settlement, Store};
use crate::{observe, wire};

/// Vouchers that are offered to a customer at most.
const MOST_APPLICABLE: usize = 100;

/// Failures of one sweep after which it is the database that fails.
const MOST_FAILURES: usize = 10;

/// Vouchers and their redemption. Cheap to clone.
#[derive(Clone)]
pub struct Vouchers {
    store: Store,
    turns: Arc<Turns>,
    terms: Terms,
}

/// A voucher and how it stands at the moment of the answer.
pub type Seen<T> = (T, Timestamp);

impl Vouchers {
    /// On their store, for payments as they are made.
    pub fn new(store: Store, terms: Terms) -> Self {
        Self { store, turns: Arc::default(), terms }
    }

    /// Creates a voucher.
    ///
    /// # Errors
    /// Why not.
    pub async fn create(&self, draft: VoucherDraft) -> Result<Seen<Voucher>, Refusal> {
        let now = clock::now();
        let voucher = Voucher::admit(draft, clock::new_id("voucher"), now)?;
        self.store.create(&voucher, now).await?;
        observe::voucher_created(&voucher);
        Ok((voucher, now))
    }

    /// The voucher of that id, or else of that code.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub async fn voucher(&self, id: &str, code: &str) -> Result<Seen<Voucher>, Refusal> {
        let voucher = match (id, code) {
            ("", "") => return Err(Problems::of("id", "or code must be set").into()),
            ("", code) => self.store.by_code(&Voucher::code_of(code)).await?,
            (id, "") => self.store.by_id(id).await?,
            _ => return Err(Problems::of("id", "and code must not both be set").into()),
        };
        Ok((voucher, clock::now()))
    }

    /// A page of vouchers, and the token of the next.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn vouchers(
        &self,
        filter: &VoucherFilter,
        page: &Page,
    ) -> Result<Seen<(Vec<Voucher>, String)>, Refusal> {
        let now = clock::now();
        Ok((self.store.list(filter, page, now).await?, now))
    }

    /// Takes a voucher out of use. What is reserved can still be redeemed.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub async fn deactivate(&self, id: &str) -> Result<Seen<Voucher>, Refusal> {
        let voucher = self.store.deactivate(id).await?;
        observe::voucher_deactivated(&voucher);
        Ok((voucher, clock::now()))
    }

    /// A page of redemptions, newest first, and the token of the next.
    ///
    /// # Errors
    /// The page is none of theirs, or the store does not answer.
    pub async fn usage(&self, filter: &UsageFilter, page: &Page) -> Result<(Vec<Usage>, String), Refusal> {
        self.store.usage(filter, page).await
    }

    /// The vouchers that hold for a customer's purchase, each with what it takes off: the most first, and of the same
    /// the one that ends first.
    ///
    /// # Errors
    /// Fields that are wrong, or the store does not answer.
    pub async fn applicable(
        &self,
        customer_id: String,
        amount: i64,
    ) -> Result<Seen<(Vec<(Voucher, Rupiah)>, Rupiah)>, Refusal> {
        let question = Question::admit(None, customer_id, amount)?;
        self.terms.check(question.amount)?;
        let now = clock::now();
        let candidates = self.store.candidates(&question, now).await?;
        let saving = |(voucher, share)| {
            let off = assess(&voucher, share, question.amount, self.terms.least, now).ok()?;
            Some((voucher, off))
        };
        let mut applicable: Vec<(Voucher, Rupiah)> = candidates.into_iter().filter_map(saving).collect();
        applicable.sort_by(|(one, off), (other, other_off)| {
            let order = other_off.cmp(off).then(one.valid_until.cmp(&other.valid_until));
            order.then_with(|| one.id.cmp(&other.id))
        });
        applicable.truncate(MOST_APPLICABLE);
        Ok(((applicable, question.amount), now))
    }

    /// What a voucher would take off a purchase, and what would be left to pay.
    ///
    /// # Errors
    /// Fields that are wrong, why the voucher does not hold, or the store does not answer.
    pub async fn validate(
        &self,
        code: &str,
        customer_id: String,
        amount: i64,
    ) -> Result<(Rupiah, Rupiah), Refusal> {
        let question = Question::admit(Some(code), customer_id, amount)?;
        self.terms.check(question.amount)?;
        let now = clock::now();
        let found = self.store.candidates(&question, now).await?.pop();
        let (voucher, share) = found.ok_or_else(|| Refused::unknown(&Voucher::code_of(code)))?;
        let off = assess(&voucher, share, question.amount, self.terms.least, now)?;
        Ok((off, question.amount.less(off)))
    }

    /// Holds a place for a payment for so many seconds (0: a day), once.
    ///
    /// # Errors
    /// Fields that are wrong, why the voucher does not hold, the payment holds something else, or the store does not
    /// answer.
    pub async fn reserve(&self, draft: PurchaseDraft, seconds: i64) -> Result<Reservation, Refusal> {
        let purchase = Purchase::admit(draft)?;
        self.terms.check(purchase.amount)?;
        expiry(seconds, clock::now())?;
        let Self { store, turns, terms } = self.clone();
        to_the_end(async move {
            let began = Instant::now();
            let _turn = turns.at(&purchase.code).await?;
            let now = clock::now();
            let reserved = store.reserve(purchase, terms.least, expiry(seconds, now)?, now).await;
            observe::step_took("reserve", began.elapsed());
            match &reserved {
                Ok((reservation, true)) => observe::reserved(reservation),
                Err(Refusal::DoesNotHold(refused)) => observe::refused(refused),
                _ => {}
            }
            reserved.map(|(reservation, _)| reservation)
        })
        .await
    }

    /// Redeems for a payment that settled; `None` if there was no place left.
    ///
    /// # Errors
    /// Fields that are wrong, the payment holds something else, there is no such voucher, or the store does not answer.
    pub async fn commit(&self, draft: PurchaseDraft, discount_amount: i64) -> Result<Option<Usage>, Refusal> {
        let settled = Settled::admit(draft, discount_amount)?;
        let Self { store, turns, .. } = self.clone();
        to_the_end(async move {
            let began = Instant::now();
            let _turn = turns.at(&settled.purchase.code).await?;
            let _redeem = turns.redeem().await?;
            let payment_id = settled.purchase.payment_id.clone();
            let settlement = store.commit(settled, clock::now()).await;
            observe::step_took("commit", began.elapsed());
            match settlement? {
                Settlement::Redeemed { usage, new } => {
                    if new {
                        observe::redeemed(&usage);
                    }
                    Ok(Some(usage))
                }
                Settlement::Lapsed { new } => {
                    if new {
                        observe::lapsed(&payment_id);
                    }
                    Ok(None)
                }
            }
        })
        .await
    }

    /// Gives back the place that a payment holds, if it holds one; returns where its reservation stands.
    ///
    /// # Errors
    /// A field that is wrong, or the store does not answer.
    pub async fn release(&self, payment_id: String) -> Result<State, Refusal> {
        if payment_id.is_empty() {
            return Err(Problems::of("payment_id", "is missing").into());
        }
        let (state, given_back) = self.give_back(payment_id, None).await?;
        if given_back {
            observe::released(1, observe::ReleasedBy::Payment);
        }
        Ok(state)
    }

    /// Gives a place back, in its turn; with `overdue_at`, only if its time is up then.
    async fn give_back(
        &self,
        payment_id: String,
        overdue_at: Option<Timestamp>,
    ) -> Result<(State, bool), Refusal> {
        let Self { store, turns, .. } = self.clone();
        to_the_end(async move {
            let Some(code) = store.code_of(&payment_id).await? else {
                return Ok((State::Released, false));
            };
            let began = Instant::now();
            let _turn = turns.at(&code).await?;
            let released = store.release(payment_id, overdue_at, clock::now()).await;
            observe::step_took("release", began.elapsed());
            released
        })
        .await
    }

    /// One sweep: marks the vouchers whose time is over, and gives back up to `most` overdue places. Returns how many
    /// of these it found.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn sweep(&self, most: i64) -> Result<usize, Refusal> {
        let now = clock::now();
        observe::expired(self.store.expire(now).await?);
        let overdue = self.store.overdue(now, most).await?;
        let found = overdue.len();
        let (mut given_back, mut failures) = (0, 0);
        for payment_id in overdue {
            match self.give_back(payment_id, Some(now)).await {
                Ok((_, done)) => given_back += u64::from(done),
                // One that cannot be given back must not keep those behind it.
                Err(error) if failures < MOST_FAILURES => {
                    observe::sweep_failed(&error);
                    failures += 1;
                }
                Err(error) => return Err(error),
            }
        }
        observe::released(given_back, observe::ReleasedBy::Time);
        Ok(found)
    }
}

async fn to_the_end<T: Send + 'static>(
    write: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let task = tokio::spawn(write.in_current_span());
    task.await.unwrap_or_else(|error| Err(Refusal::Unavailable(error.to_string())))
}

/// How redemptions are told: once for each payment, keyed by the customer.
pub fn announce(source: &'static str, topic_prefix: &str) -> Announce {
    let topic = REDEMPTIONS.name(topic_prefix);
    Arc::new(move |usage| Row {
        topic: topic.clone(),
        key: usage.customer_id.clone(),
        value: wire::encode_redemption(usage),
        event_id: usage.id.clone(),
        source: source.to_owned(),
        kind: REDEMPTIONS.message.to_owned(),
        time: usage.used_at.as_second(),
        traceparent: telemetry::traceparent(&Span::current()),
    })
}
