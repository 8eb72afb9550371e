//! Where everything meets: the book, who is told of what happens in it, and what chance adds.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indowater_common::clock;
use jiff::Timestamp;
use reqwest::Client;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::book::{Act, Book, Brand, No, Order, State};
use super::sender::{self, Notice};
use super::weather::Forecast;
use super::{Options, attacker, midtrans, xendit};

/// How many deliveries are remembered.
const MOST_DELIVERIES: usize = 10_000;
/// How long a settlement stands at least before it turns into a deny, and how long at most after that.
const REVERSAL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(240));
/// How long after its end an order is paid late, at most.
const LATE: Duration = Duration::from_secs(600);

/// One try to deliver a notification.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// The merchant's id of the order.
    pub order: String,
    /// Whether the attacker sent it.
    pub forged: bool,
    /// The try, from 0.
    pub retry: usize,
    /// The answer's status code; none if none came.
    pub status: Option<u16>,
    /// What was sent.
    pub body: String,
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct Desk {
    /// What it was told to do.
    pub options: Options,
    /// Its own address as the customer's browser sees it.
    pub base: String,
    /// For notifications.
    pub client: Client,
    /// Ends everything.
    pub stop: CancellationToken,
    /// How the gateways are.
    pub weather: Forecast,
    book: Mutex<Book>,
    deliveries: Mutex<VecDeque<Delivery>>,
    calls: AtomicU64,
    notices: AtomicU64,
}

impl Desk {
    /// An empty desk.
    pub fn new(options: Options, base: String, client: Client) -> Self {
        Self {
            options,
            base,
            client,
            stop: CancellationToken::new(),
            weather: Forecast::default(),
            book: Mutex::default(),
            deliveries: Mutex::default(),
            calls: AtomicU64::new(0),
            notices: AtomicU64::new(0),
        }
    }

    /// The book.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next call, for chance.
    pub fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// `wait` in the compressed time of this stand-in.
    pub fn hurried(&self, wait: Duration) -> Duration {
        wait / self.options.hurry.get()
    }

    /// Remembers a try to deliver.
    pub fn delivered(&self, delivery: Delivery) {
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        if deliveries.len() >= MOST_DELIVERIES {
            deliveries.pop_front();
        }
        deliveries.push_back(delivery);
    }

    /// The deliveries that are remembered, the oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Lets something happen to the order with the gateway's id `reference`, and tells the merchant unless `silent`.
    pub fn act(
        self: &Arc<Self>,
        reference: &str,
        act: &Act,
        method: &str,
        silent: bool,
    ) -> Result<Order, No> {
        let new_id = clock::new_id("t").trim_start_matches("t-").to_owned();
        let (order, notices) = {
            let mut book = self.book();
            let order = book.get_mut(reference).ok_or(No::NoTry)?;
            let act = &self.embellished(order, act, method);
            let notices = order.act(act, method, clock::now(), &new_id)?;
            (order.clone(), notices)
        };
        if !silent {
            for _ in 0..notices {
                self.notify(&order, act);
            }
        }
        self.follow_up(&order, act);
        Ok(order)
    }

    /// A payment of what was asked, as chance has it: with the gateway's fee, with more, or suspected.
    fn embellished(&self, order: &Order, act: &Act, method: &str) -> Act {
        if *act != (Act::Pay { amount: None, fee: 0 }) {
            return act.clone();
        }
        let (mischief, case) = (&self.options.mischief, format!("{}/{}", order.id, order.tries.len()));
        let suspects = order.brand == Brand::Midtrans && method == "credit_card";
        if suspects && mischief.happens(mischief.challenges, &format!("challenge {case}")) {
            return Act::Challenge;
        }
        let is_more = mischief.happens(mischief.surplus, &format!("surplus {case}"));
        let more = i64::try_from(mischief.pick(5_000, &format!("more {case}"))).unwrap_or(0) + 1;
        // As much as of a payment by QRIS.
        let fee = (order.amount * 7 + 999) / 1_000;
        let is_fee = mischief.happens(mischief.fees, &format!("fee {case}"));
        Act::Pay { amount: is_more.then_some(order.amount + more), fee: if is_fee { fee } else { 0 } }
    }

    fn notify(self: &Arc<Self>, order: &Order, act: &Act) {
        let notice = match order.brand {
            Brand::Midtrans => midtrans::notice(&self.options, order),
            Brand::Xendit => xendit::notice(&self.options, order, act),
        };
        let Some(notice) = notice else { return };
        // The number makes two notices of one fact two cases for chance.
        let case = format!("{}/{act:?}/{}", order.id, self.notices.fetch_add(1, Ordering::Relaxed));
        sender::send(self, notice, &case);
        if self.options.mischief.happens(self.options.mischief.attacker, &format!("attack {case}")) {
            attacker::attack(self, order);
        }
    }

    /// What chance makes of what happened.
    fn follow_up(self: &Arc<Self>, order: &Order, act: &Act) {
        let mischief = &self.options.mischief;
        let case = format!("{}/{}", order.id, order.tries.len());
        let (next, wait) = match act {
            Act::Pay { .. }
                if order.brand == Brand::Midtrans
                    && mischief.happens(mischief.reversals, &format!("reversal {case}")) =>
            {
                (Act::Deny, REVERSAL.0 + mischief.wait(REVERSAL.1, &format!("reversal after {case}")))
            }
            Act::Expire if mischief.happens(mischief.late_payments, &format!("late {case}")) => {
                (Act::Pay { amount: None, fee: 0 }, mischief.wait(LATE, &format!("late after {case}")))
            }
            _ => return,
        };
        let (desk, reference, wait) = (self.clone(), order.reference.clone(), self.hurried(wait));
        self.spawn(async move {
            tokio::time::sleep(wait).await;
            // The order may have gone on meanwhile; then nothing happens.
            let _ = desk.act(&reference, &next, "bank_transfer", false);
        });
    }

    /// Runs something until the stand-in stops.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(work).await });
    }

    /// Ends orders whose time is over.
    pub fn sweep(self: &Arc<Self>, now: Timestamp) {
        let is_due = |order: &&Order| {
            order.expires_at <= now
                && !order.is_over
                && matches!(order.state(), None | Some(State::Pending | State::Denied))
        };
        let due: Vec<String> =
            self.book().all().filter(is_due).map(|order| order.reference.clone()).collect();
        for reference in due {
            let _ = self.act(&reference, &Act::Expire, "", false);
        }
    }

    /// Sends a notice without mischief: the attacker's.
    pub fn forge(self: &Arc<Self>, notice: Notice) {
        sender::send_forged(self, notice);
    }
}
