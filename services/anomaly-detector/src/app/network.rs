//! What of the network every instance has to know when it judges a meter, kept up to date.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use indowater_common::clock;
use indowater_common::error::Fatal;
use tokio_util::sync::CancellationToken;

use crate::domain::notice::Notices;
use crate::mongo::{Error, Store};

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Seconds after its end for which an event matters: so late reads come at all.
const KEPT: i64 = 400 * 86_400;
/// Notices of one look.
const MOST: i64 = 1_000;

/// The notices, as of a moment ago. Cheap to clone.
#[derive(Clone, Default)]
pub struct Network(Arc<RwLock<Arc<Notices>>>);

impl Network {
    /// All that is known.
    pub fn now(&self) -> Arc<Notices> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads what changed since; says whether there may be more.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn catch_up(&self, store: &Store) -> Result<bool, Error> {
        let known = self.now();
        let oldest = clock::now().as_second() - KEPT;
        let new = store.notices(known.sequence, oldest, MOST).await?;
        let is_more = i64::try_from(new.len()).is_ok_and(|many| many >= MOST);
        if !new.is_empty() {
            let mut notices = Notices::clone(&known);
            notices.take(new, oldest);
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(notices);
        }
        Ok(is_more)
    }

    /// Keeps it up to date for as long as the service runs.
    ///
    /// # Errors
    /// None: while the database does not answer, what was known before stands.
    pub async fn follow(self, store: Store, stop: CancellationToken) -> Result<(), Fatal> {
        while !stop.is_cancelled() {
            match self.catch_up(&store).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "events of the network could not be read; those of before stand")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }
}
