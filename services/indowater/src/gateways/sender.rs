//! Delivers notifications and tries again, as each gateway does.

use std::sync::Arc;
use std::time::Duration;

use super::book::Brand;
use super::desk::{Delivery, Desk};

const MINUTE: u64 = 60;
/// Midtrans' waits before its retries, seconds.
const MIDTRANS_WAITS: [u64; 5] = [2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 90 * MINUTE, 210 * MINUTE];
/// Xendit's: six over 24 hours.
const XENDIT_WAITS: [u64; 6] =
    [15 * MINUTE, 45 * MINUTE, 120 * MINUTE, 180 * MINUTE, 360 * MINUTE, 720 * MINUTE];
/// How long each waits for an answer.
const MIDTRANS_TIMEOUT: Duration = Duration::from_secs(15);
const XENDIT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a notification is held back at most.
const DELAY: Duration = Duration::from_secs(20 * MINUTE);

/// A notification.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Who sends it.
    pub brand: Brand,
    /// The merchant's id of the order.
    pub order: String,
    /// Where to.
    pub url: String,
    /// `x-callback-token`, for Xendit.
    pub token: Option<String>,
    /// What it says.
    pub body: String,
}

/// How a try to deliver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer came.
    Answered(u16),
    /// None came in time.
    TimedOut,
    /// Nobody was there.
    Unreachable,
}

/// How many retries there are in all when a try ended so.
pub fn retries(brand: Brand, outcome: Outcome) -> usize {
    match (brand, outcome) {
        (_, Outcome::Answered(200..=299)) => 0,
        (Brand::Midtrans, Outcome::Answered(500)) => 1,
        (Brand::Midtrans, Outcome::Answered(400 | 404)) => 2,
        (Brand::Midtrans, Outcome::Answered(503)) => 4,
        (Brand::Midtrans, _) => MIDTRANS_WAITS.len(),
        // Nobody at Xendit tries again after a time-out.
        (Brand::Xendit, Outcome::TimedOut) => 0,
        (Brand::Xendit, _) => XENDIT_WAITS.len(),
    }
}

/// Sends a notice with the mischief that chance has for the case called `case`.
pub fn send(desk: &Arc<Desk>, notice: Notice, case: &str) {
    let mischief = &desk.options.mischief;
    let copies = 1 + u8::from(mischief.happens(mischief.duplicates, &format!("copy {case}")));
    for copy in 0..copies {
        let case = format!("{case}/{copy}");
        if mischief.happens(mischief.losses, &format!("loss {case}")) {
            continue;
        }
        let held = mischief.happens(mischief.delays, &format!("delay {case}"));
        let wait = if held { desk.hurried(mischief.wait(DELAY, &case)) } else { Duration::ZERO };
        let (own, notice) = (desk.clone(), notice.clone());
        desk.spawn(async move {
            tokio::time::sleep(wait).await;
            deliver(&own, &notice).await;
        });
    }
}

/// Sends a forged notice, once.
pub fn send_forged(desk: &Arc<Desk>, notice: Notice) {
    let own = desk.clone();
    desk.spawn(async move {
        once(&own, &notice, 0, true).await;
    });
}

async fn deliver(desk: &Desk, notice: &Notice) {
    let waits: &[u64] = match notice.brand {
        Brand::Midtrans => &MIDTRANS_WAITS,
        Brand::Xendit => &XENDIT_WAITS,
    };
    for retry in 0.. {
        let outcome = once(desk, notice, retry, false).await;
        let Some(wait) = waits.get(retry).filter(|_| retry < retries(notice.brand, outcome)) else { return };
        tokio::time::sleep(desk.hurried(Duration::from_secs(*wait))).await;
    }
}

async fn once(desk: &Desk, notice: &Notice, retry: usize, forged: bool) -> Outcome {
    let usual = if notice.brand == Brand::Midtrans { MIDTRANS_TIMEOUT } else { XENDIT_TIMEOUT };
    let mut request = desk
        .client
        .post(&notice.url)
        .timeout(desk.options.notification_timeout.unwrap_or(usual))
        .header("content-type", "application/json")
        .body(notice.body.clone());
    if let Some(token) = &notice.token {
        request = request.header("x-callback-token", token);
    }
    let outcome = match request.send().await {
        Ok(response) => Outcome::Answered(response.status().as_u16()),
        Err(error) if error.is_timeout() && !error.is_connect() => Outcome::TimedOut,
        Err(_) => Outcome::Unreachable,
    };
    let status = if let Outcome::Answered(status) = outcome { Some(status) } else { None };
    desk.delivered(Delivery {
        order: notice.order.clone(),
        forged,
        retry,
        status,
        body: notice.body.clone(),
    });
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gateway_tries_again_as_it_does() {
        use Outcome::{Answered, TimedOut, Unreachable};
        for (outcome, midtrans, xendit) in [
            (Answered(200), 0, 0),
            (Answered(204), 0, 0),
            (Answered(302), 5, 6),
            (Answered(400), 2, 6),
            (Answered(401), 5, 6),
            (Answered(404), 2, 6),
            (Answered(500), 1, 6),
            (Answered(503), 4, 6),
            (TimedOut, 5, 0),
            (Unreachable, 5, 6),
        ] {
            assert_eq!(retries(Brand::Midtrans, outcome), midtrans, "Midtrans after {outcome:?}");
            assert_eq!(retries(Brand::Xendit, outcome), xendit, "Xendit after {outcome:?}");
        }
        assert_eq!(XENDIT_WAITS.iter().sum::<u64>(), 24 * 60 * MINUTE);
    }
}
