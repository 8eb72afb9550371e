//! Taking turns at a voucher, within this instance.
//!
//! The database keeps the steps of a voucher apart by refusing one of two that overlap, and the refused one waits and
//! runs again. A popular voucher would make most of the work of an instance such repetition, so its own steps queue here.
//! Nothing but speed rests on it.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::domain::refusal::Refusal;

/// Vouchers share them; more are hardly ever in use at one moment.
const QUEUES: usize = 64;
/// A caller that waits longer has given up, or should.
const PATIENCE: Duration = Duration::from_secs(10);

/// A turn, until it is dropped.
pub(super) type Turn = OwnedMutexGuard<()>;

/// The queues of one instance.
pub(super) struct Turns {
    vouchers: [Arc<Mutex<()>>; QUEUES],
    redemptions: Arc<Mutex<()>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { vouchers: std::array::from_fn(|_| Arc::default()), redemptions: Arc::default() }
    }
}

impl Turns {
    /// Waits for a turn at the voucher of that code.
    ///
    /// # Errors
    /// Too many wait for it.
    pub(super) fn at(&self, code: &str) -> impl Future<Output = Result<Turn, Refusal>> + use<> {
        let mut hasher = DefaultHasher::new();
        code.hash(&mut hasher);
        let queue = usize::try_from(hasher.finish() % QUEUES as u64).unwrap_or(0);
        in_time(self.vouchers[queue].clone())
    }

    /// Waits for a turn to redeem, once the turn at the voucher has come: redemptions of all vouchers are numbered in
    /// the outbox, and meet there.
    ///
    /// # Errors
    /// Too many wait for it.
    pub(super) fn redeem(&self) -> impl Future<Output = Result<Turn, Refusal>> + use<> {
        in_time(self.redemptions.clone())
    }
}

async fn in_time(queue: Arc<Mutex<()>>) -> Result<Turn, Refusal> {
    let turn = tokio::time::timeout(PATIENCE, queue.lock_owned()).await;
    turn.map_err(|_| Refusal::Unavailable("too many wait for this voucher".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_voucher_has_one_turn_at_a_time() {
        let turns = Turns::default();
        let first = turns.at("HEMAT-10").await.unwrap();
        let next = async || turns.at("HEMAT-10").await.map(drop);
        assert!(tokio::time::timeout(Duration::from_millis(20), next()).await.is_err());
        drop(first);
        next().await.unwrap();
    }
}
