//! How a payment holds a place of a voucher, redeems it, or gives it back.
//!
//! | from | reserve | commit | release, or time is up |
//! | --- | --- | --- | --- |
//! | nothing | *reserved*, if the voucher holds | as from *released* | nothing |
//! | *reserved* | | *committed* | *released* |
//! | *released* | | *committed* while the limits allow, else *lapsed* | |
//! | *committed*, *lapsed* | | | |
//!
//! An empty field changes nothing. A place is redeemed or reserved, and both count towards the limits, so a reserved
//! place can always be redeemed; whoever comes after his time was up must find one. The steps change the voucher and the
//! reservation together, and whoever stores them has to store both or none.

mod purchase;

pub use purchase::{LONGEST, Purchase, PurchaseDraft, Question, Settled, Terms, expiry};

use indowater_common::domain::request::to_milliseconds;
use jiff::Timestamp;

use super::money::Rupiah;
use super::refusal::{Reason, Refusal, Refused};
use super::voucher::{Status, Voucher};

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Holds a place.
    Reserved,
    /// Gave it back.
    Released,
    /// Redeemed.
    Committed,
    /// Its payment settled when there was no place left.
    Lapsed,
}

impl State {
    /// How documents call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Released => "released",
            Self::Committed => "committed",
            Self::Lapsed => "lapsed",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Reserved, Self::Released, Self::Committed, Self::Lapsed];
        all.into_iter().find(|state| state.name() == name)
    }
}

/// A place of a voucher that a payment holds or held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// What for.
    pub purchase: Purchase,
    /// The voucher.
    pub voucher_id: String,
    /// What was promised.
    pub discount: Rupiah,
    /// Where it stands.
    pub state: State,
    /// When the place is given back by itself.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
}

impl Reservation {
    /// Whether `again` asks for what this one holds.
    ///
    /// # Errors
    /// What is different.
    pub fn check_same(&self, again: &Purchase) -> Result<(), Refusal> {
        let (held, said) = (&self.purchase, again);
        let differs = |field, held: &dyn ToString, said: &dyn ToString| Refusal::Differs {
            payment_id: again.payment_id.clone(),
            field,
            held: held.to_string(),
            said: said.to_string(),
        };
        if held.code != said.code {
            Err(differs("code", &held.code, &said.code))
        } else if held.customer_id != said.customer_id {
            Err(differs("customer_id", &held.customer_id, &said.customer_id))
        } else if held.amount != said.amount {
            Err(differs("purchase_amount", &held.amount, &said.amount))
        } else {
            Ok(())
        }
    }

    /// Whether a settled payment brings what this one holds.
    ///
    /// # Errors
    /// What is different.
    pub fn check_settled(&self, settled: &Settled) -> Result<(), Refusal> {
        self.check_same(&settled.purchase)?;
        if self.discount == settled.discount {
            return Ok(());
        }
        Err(Refusal::Differs {
            payment_id: settled.purchase.payment_id.clone(),
            field: "discount_amount",
            held: self.discount.to_string(),
            said: settled.discount.to_string(),
        })
    }

    /// Whether its time is up although it still holds its place.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.state == State::Reserved && now >= self.expires_at
    }
}

/// What one customer has of one voucher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Redemptions.
    pub used: i64,
    /// Places that reservations hold.
    pub reserved: i64,
}

impl Share {
    fn is_full(self, voucher: &Voucher) -> bool {
        self.used + self.reserved >= voucher.per_customer_limit
    }
}

/// What a voucher takes off a purchase of `amount` by a customer with this `share` of it. What is left to pay is nothing, for which
/// no payment gateway is needed, or at least `least`, for gateways take no less.
///
/// # Errors
/// Why it does not hold.
pub fn assess(
    voucher: &Voucher,
    share: Share,
    amount: Rupiah,
    least: Rupiah,
    now: Timestamp,
) -> Result<Rupiah, Refused> {
    let code = &voucher.code;
    let off = voucher.discount.of(amount);
    let left = amount.less(off);
    let (reason, detail) = match voucher.status(now) {
        Status::Inactive => (Reason::Inactive, format!("voucher {code} was deactivated")),
        Status::Depleted => (
            Reason::Depleted,
            format!("voucher {code} was redeemed {} times, all there are", voucher.usage_count),
        ),
        Status::Expired => {
            (Reason::Expired, format!("voucher {code} was valid until {}", voucher.valid_until))
        }
        Status::Active if now < voucher.valid_from => {
            (Reason::NotYetValid, format!("voucher {code} is valid from {}", voucher.valid_from))
        }
        Status::Active if voucher.is_full() => (
            Reason::FullyReserved,
            format!("payments under way hold the last {} of voucher {code}", voucher.reserved_count),
        ),
        Status::Active if share.is_full(voucher) => (
            Reason::CustomerLimit,
            format!(
                "the customer used voucher {code} {} times and holds it for {} payments; {} are allowed",
                share.used, share.reserved, voucher.per_customer_limit
            ),
        ),
        Status::Active if amount < voucher.min_purchase => (
            Reason::BelowMinimum,
            format!("voucher {code} needs a purchase of {} rupiah, not {amount}", voucher.min_purchase),
        ),
        Status::Active if left > Rupiah::default() && left < least => (
            Reason::LeftTooLittle,
            format!(
                "with voucher {code} {left} rupiah of {amount} would be left to pay; that has to be nothing or at least {least}"
            ),
        ),
        Status::Active => return Ok(off),
    };
    Err(Refused { reason, detail })
}

/// Takes a place for a purchase.
///
/// # Errors
/// Why the voucher does not hold; nothing is changed then.
pub fn reserve(
    voucher: &mut Voucher,
    share: Share,
    purchase: Purchase,
    least: Rupiah,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Reservation, Refused> {
    let discount = assess(voucher, share, purchase.amount, least, now)?;
    voucher.reserved_count += 1;
    let now = to_milliseconds(now);
    Ok(Reservation {
        purchase,
        voucher_id: voucher.id.clone(),
        discount,
        state: State::Reserved,
        expires_at,
        created_at: now,
        updated_at: now,
    })
}

/// Whether a settled payment has to find a place anew.
pub fn needs_place(found: Option<&Reservation>) -> bool {
    found.is_none_or(|reservation| reservation.state == State::Released)
}

/// Redeems for a settled payment, or lets it lapse. `share` is the customer's without the place that this payment
/// holds. Whether the voucher still holds is not asked again: it did when the place was reserved.
pub fn commit(
    found: Option<Reservation>,
    voucher: &mut Voucher,
    share: Share,
    settled: &Settled,
    now: Timestamp,
) -> Reservation {
    let now = to_milliseconds(now);
    let mut reservation = found.unwrap_or_else(|| Reservation {
        purchase: settled.purchase.clone(),
        voucher_id: voucher.id.clone(),
        discount: settled.discount,
        state: State::Released,
        expires_at: now,
        created_at: now,
        updated_at: now,
    });
    reservation.state = match reservation.state {
        State::Reserved => {
            voucher.reserved_count -= 1;
            voucher.usage_count += 1;
            State::Committed
        }
        State::Released if voucher.is_full() || share.is_full(voucher) => State::Lapsed,
        State::Released => {
            voucher.usage_count += 1;
            State::Committed
        }
        decided => return Reservation { state: decided, ..reservation },
    };
    reservation.updated_at = now;
    reservation
}

/// Gives the place back, if one is held.
pub fn release(reservation: &mut Reservation, voucher: &mut Voucher, now: Timestamp) {
    if reservation.state == State::Reserved {
        voucher.reserved_count -= 1;
        reservation.state = State::Released;
        reservation.updated_at = to_milliseconds(now);
    }
}

/// A redemption, as it is kept and told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Usage {
    pub id: String,
    pub voucher_id: String,
    pub voucher_code: String,
    pub customer_id: String,
    pub customer_email: String,
    pub purchase: Rupiah,
    pub discount: Rupiah,
    /// What was left to pay.
    pub paid: Rupiah,
    pub used_at: Timestamp,
    /// The payment, if it is known.
    pub transaction_id: Option<String>,
}

/// The id of what a payment redeemed: one payment cannot redeem twice.
pub fn usage_id(payment_id: &str) -> String {
    format!("usage-{payment_id}")
}

impl Usage {
    /// The redemption of a committed reservation.
    pub fn of(reservation: &Reservation) -> Self {
        let purchase = &reservation.purchase;
        Self {
            id: usage_id(&purchase.payment_id),
            voucher_id: reservation.voucher_id.clone(),
            voucher_code: purchase.code.clone(),
            customer_id: purchase.customer_id.clone(),
            customer_email: purchase.customer_email.clone(),
            purchase: purchase.amount,
            discount: reservation.discount,
            paid: purchase.amount.less(reservation.discount),
            used_at: reservation.updated_at,
            transaction_id: Some(purchase.payment_id.clone()),
        }
    }
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
