//! A lease: of several instances at most one holds it, and a dead one's runs out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bson::doc;
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::{Collection, Database};
use tokio::time::{Instant, interval_at, sleep_until};

use super::{from_bson_time, is_duplicate_key, to_bson_time};
use crate::clock;

/// The name of the collection with a service's leases: `leases_<service>`.
fn collection_of(service: &str) -> String {
    format!("leases_{}", service.replace('-', "_"))
}

/// A named right that one instance holds at a time.
pub struct Lease {
    leases: Collection<bson::Document>,
    name: String,
    holder: String,
    term: Duration,
    /// Until when nobody else can have it, by our own clock: it begins before the database was asked.
    until: Mutex<Option<Instant>>,
}

/// The lease ran out, or went to another, while work rested on it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the lease {0} was outlived by the work that rested on it")]
pub struct Outlived(String);

impl Lease {
    /// A lease of `service`, called `name`, for this `holder`, to be renewed well within `term`.
    pub fn new(database: &Database, service: &str, name: &str, holder: &str, term: Duration) -> Self {
        let holder = clock::new_id(holder);
        let (leases, until) = (database.collection(&collection_of(service)), Mutex::default());
        Self { leases, name: name.to_owned(), holder, term, until }
    }

    /// Takes or renews it. False if another instance holds it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hold(&self) -> Result<bool, Error> {
        let (now, begun) = (clock::now(), Instant::now());
        let until = now.saturating_add(self.term).unwrap_or(now);
        let mine_or_free = doc! {
            "_id": &self.name,
            "$or": [{ "holder": &self.holder }, { "until": { "$lt": to_bson_time(now) } }],
        };
        let taken = doc! { "$set": { "holder": &self.holder, "until": to_bson_time(until) } };
        let held = match self.leases.update_one(mine_or_free, taken).upsert(true).await {
            Ok(_) => true,
            Err(error) if is_duplicate_key(&error) => false,
            Err(error) => return Err(error),
        };
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = held.then(|| begun + self.term);
        Ok(held)
    }

    /// Until when somebody held it last, less the term: then it surely was held. None if nobody ever did, or it was given back.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn last_held(&self) -> Result<Option<Timestamp>, Error> {
        let lease = self.leases.find_one(doc! { "_id": &self.name }).await?;
        let until = lease.and_then(|lease| lease.get_datetime("until").ok().copied());
        Ok(until.and_then(|until| from_bson_time(until).checked_sub(self.term).ok()))
    }

    /// Does `work`, which must not be done by two at a time and cannot be taken back, and renews the lease meanwhile.
    ///
    /// # Errors
    /// The lease could not be kept until the work was done, because the database is away or this process was frozen.
    /// What the work left under way may meet a successor's, so the process should end.
    pub async fn keep<T>(&self, work: impl Future<Output = T>) -> Result<T, Outlived> {
        let outlived = || Outlived(self.name.clone());
        let mut work = std::pin::pin!(work);
        let mut renew = interval_at(Instant::now() + self.term / 3, self.term / 3);
        loop {
            let until = self.held_until().ok_or_else(outlived)?;
            tokio::select! {
                biased;
                () = sleep_until(until) => return Err(outlived()),
                done = work.as_mut() => return Ok(done),
                _ = renew.tick() => {
                    // The work goes on while the database is asked, and the term runs while it does not answer.
                    let renewed = tokio::select! {
                        done = work.as_mut() => return if Instant::now() < until { Ok(done) } else { Err(outlived()) },
                        () = sleep_until(until) => return Err(outlived()),
                        renewed = self.hold() => renewed,
                    };
                    if let Err(error) = renewed {
                        tracing::warn!(%error, lease = self.name, "the lease could not be renewed yet");
                    }
                }
            }
        }
    }

    fn held_until(&self) -> Option<Instant> {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it back, so that another instance need not wait for its end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn release(&self) -> Result<(), Error> {
        self.leases.delete_one(doc! { "_id": &self.name, "holder": &self.holder }).await.map(|_| ())
    }
}
