//! The orders of both gateways and how they may change. Pure; the clock and new ids are passed in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

/// Whose order it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Brand {
    /// Midtrans Snap.
    Midtrans,
    /// Xendit invoices.
    Xendit,
}

/// How a try to pay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for the customer.
    Pending,
    /// The bank took the money, and the gateway suspects a fraud: the merchant accepts or denies it there.
    Challenged,
    /// The money came.
    Settled,
    /// The bank said no; after a settlement, the money went back.
    Denied,
    /// The merchant ended it.
    Cancelled,
    /// The time was over.
    Expired,
    /// The customer's bank took the money back.
    ChargedBack,
}

/// One try to pay: a transaction at Midtrans. Xendit does not show them.
#[derive(Debug, Clone, Serialize)]
pub struct Try {
    /// The gateway's id.
    pub id: String,
    /// `qris`, `bank_transfer`, `credit_card`.
    pub method: String,
    /// How it stands.
    pub state: State,
    /// When it began.
    pub made_at: Timestamp,
    /// When the money came, if it ever did.
    pub settled_at: Option<Timestamp>,
    /// What came in all, or will.
    pub amount: i64,
    /// The part of it that the gateway added for itself.
    pub fee: i64,
}

/// Money that went back.
#[derive(Debug, Clone, Serialize)]
pub struct Refund {
    /// The gateway's id.
    pub id: String,
    /// The merchant's.
    pub key: String,
    /// Whole rupiah.
    pub amount: i64,
    /// When.
    pub made_at: Timestamp,
}

/// An order.
#[derive(Debug, Clone, Serialize)]
pub struct Order {
    /// Whose.
    pub brand: Brand,
    /// The merchant's id: `order_id` or `external_id`.
    pub id: String,
    /// The gateway's id: Snap token or invoice id.
    pub reference: String,
    /// Whole rupiah.
    pub amount: i64,
    /// What for.
    pub description: String,
    /// Where the customer goes afterwards.
    pub return_url: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be paid.
    pub expires_at: Timestamp,
    /// Whether that is over.
    pub is_over: bool,
    /// The last one counts.
    pub tries: Vec<Try>,
    /// What went back.
    pub refunds: Vec<Refund>,
}

/// Something that happens to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The customer chooses a method, and does not pay yet.
    Choose,
    /// The customer pays.
    Pay {
        /// This, if it is not what was asked.
        amount: Option<i64>,
        /// What the gateway adds to it for itself.
        fee: i64,
    },
    /// The customer pays by card, and the gateway suspects a fraud.
    Challenge,
    /// The merchant accepts what the gateway suspected.
    Accept,
    /// The bank says no: before the settlement, or after it.
    Deny,
    /// The merchant ends it.
    Cancel,
    /// The time is over.
    Expire,
    /// The customer's bank takes the money back.
    ChargeBack,
    /// The merchant gives money back.
    Refund {
        /// The merchant's id of the refund.
        key: String,
        /// Whole rupiah.
        amount: i64,
    },
}

/// Why something cannot happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    /// The customer has not chosen a method.
    NoTry,
    /// Not as the order stands.
    NotNow,
    /// A refund has this key already.
    SameKey,
}

impl Order {
    /// The try that counts.
    pub fn latest(&self) -> Option<&Try> {
        self.tries.last()
    }

    /// How the latest try stands.
    pub fn state(&self) -> Option<State> {
        self.latest().map(|latest| latest.state)
    }

    /// Everything that went back.
    pub fn refunded(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    /// Lets `act` happen, and tells how often the gateway notifies of it.
    pub fn act(&mut self, act: &Act, method: &str, now: Timestamp, new_id: &str) -> Result<u8, No> {
        let state = self.state();
        match act {
            Act::Choose => match state {
                Some(State::Pending) => Ok(0),
                _ if self.is_over => Err(No::NotNow),
                Some(State::Settled | State::Challenged | State::ChargedBack | State::Cancelled) => {
                    Err(No::NotNow)
                }
                _ => Ok(self.begin(method, now, new_id)),
            },
            Act::Pay { amount, fee } => self.pay((*amount, *fee), method, now, new_id),
            Act::Challenge | Act::Accept if self.brand == Brand::Xendit => Err(No::NotNow),
            Act::Challenge => {
                self.pay((None, 0), method, now, new_id)?;
                // Nothing has settled yet; a denial of it is no reversal.
                self.settle(None);
                self.turn(&[State::Settled], State::Challenged)
            }
            Act::Accept => {
                let notices = self.turn(&[State::Challenged], State::Settled)?;
                self.settle(Some(now));
                Ok(notices)
            }
            Act::Deny if self.brand == Brand::Xendit => Err(No::NotNow),
            Act::Deny => {
                if state.is_none() {
                    self.begin(method, now, new_id);
                }
                self.turn(&[State::Pending, State::Challenged, State::Settled], State::Denied)
            }
            Act::Cancel => self.turn(&[State::Pending], State::Cancelled),
            Act::Expire => self.expire(),
            Act::ChargeBack if self.brand == Brand::Xendit => Err(No::NotNow),
            Act::ChargeBack => self.turn(&[State::Settled], State::ChargedBack),
            Act::Refund { key, amount } => self.refund(key, *amount, now, new_id),
        }
    }

    /// A new try; Midtrans tells of it.
    fn begin(&mut self, method: &str, now: Timestamp, new_id: &str) -> u8 {
        let (id, method, state) = (new_id.to_owned(), method.to_owned(), State::Pending);
        let amount = self.amount;
        self.tries.push(Try { id, method, state, made_at: now, settled_at: None, amount, fee: 0 });
        u8::from(self.brand == Brand::Midtrans)
    }

    fn pay(
        &mut self,
        (amount, fee): (Option<i64>, i64),
        method: &str,
        now: Timestamp,
        new_id: &str,
    ) -> Result<u8, No> {
        match self.state() {
            // A virtual account that expired here is still open at the bank.
            Some(State::Pending | State::Expired) => {}
            Some(State::Settled | State::Challenged | State::Cancelled | State::ChargedBack) => {
                return Err(No::NotNow);
            }
            Some(State::Denied) | None if self.is_over && self.brand == Brand::Midtrans => {
                return Err(No::NotNow);
            }
            Some(State::Denied) | None => {
                self.begin(method, now, new_id);
            }
        }
        let asked = self.amount;
        let latest = self.tries.last_mut().ok_or(No::NoTry)?;
        latest.state = State::Settled;
        latest.settled_at = Some(now);
        latest.amount = amount.unwrap_or(asked).saturating_add(fee);
        latest.fee = fee;
        Ok(1)
    }

    fn settle(&mut self, at: Option<Timestamp>) {
        if let Some(latest) = self.tries.last_mut() {
            latest.settled_at = at;
        }
    }

    fn turn(&mut self, from: &[State], to: State) -> Result<u8, No> {
        let latest = self.tries.last_mut().ok_or(No::NoTry)?;
        if !from.contains(&latest.state) {
            return Err(No::NotNow);
        }
        latest.state = to;
        Ok(1)
    }

    fn expire(&mut self) -> Result<u8, No> {
        match (self.brand, self.state()) {
            (_, Some(State::Settled | State::Challenged | State::ChargedBack | State::Cancelled)) => {
                Err(No::NotNow)
            }
            (_, Some(State::Pending)) => {
                self.is_over = true;
                self.turn(&[State::Pending], State::Expired)
            }
            _ if self.is_over => Ok(0),
            (brand, _) => {
                self.is_over = true;
                // A Snap page on which nothing was chosen ends in silence.
                Ok(u8::from(brand == Brand::Xendit))
            }
        }
    }

    fn refund(&mut self, key: &str, amount: i64, now: Timestamp, new_id: &str) -> Result<u8, No> {
        if self.refunds.iter().any(|refund| refund.key == key) {
            return Err(No::SameKey);
        }
        let settled = self.latest().filter(|latest| latest.state == State::Settled).ok_or(No::NotNow)?;
        if amount < 1 || self.refunded() + amount > settled.amount {
            return Err(No::NotNow);
        }
        self.refunds.push(Refund { id: new_id.to_owned(), key: key.to_owned(), amount, made_at: now });
        // Midtrans tells of a refund when it is asked for and when the bank did it.
        Ok(if self.brand == Brand::Midtrans { 2 } else { 1 })
    }
}

/// All orders, by the gateway's id.
#[derive(Debug, Default)]
pub struct Book {
    orders: BTreeMap<String, Order>,
    references: BTreeMap<String, Vec<String>>,
}

impl Book {
    /// Takes an order in.
    pub fn add(&mut self, order: Order) {
        self.references.entry(order.id.clone()).or_default().push(order.reference.clone());
        self.orders.insert(order.reference.clone(), order);
    }

    /// The orders that are called so, by the merchant or by the gateway.
    pub fn named(&self, name: &str) -> Vec<&Order> {
        let references = self.references.get(name).into_iter().flatten();
        references.map(String::as_str).chain([name]).filter_map(|key| self.orders.get(key)).collect()
    }

    /// The gateway's order of that name.
    pub fn find(&self, brand: Brand, name: &str) -> Option<&Order> {
        self.named(name).into_iter().find(|order| order.brand == brand)
    }

    /// The gateway's order that has a transaction of that id.
    pub fn having(&self, brand: Brand, transaction: &str) -> Option<&Order> {
        let has = |order: &&Order| order.tries.iter().any(|one| one.id == transaction);
        self.orders.values().filter(|order| order.brand == brand).find(has)
    }

    /// The order with the gateway's id, to change.
    pub fn get_mut(&mut self, reference: &str) -> Option<&mut Order> {
        self.orders.get_mut(reference)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }
}
