//! Times in which devices are out of service, as documents of `device_rests`.

use bson::{DateTime, doc};
use indowater_common::mongo::{is_duplicate_key, seconds, time};
use mongodb::ClientSession;
use mongodb::error::Error;
use serde::{Deserialize, Serialize};

use super::{ById, RESTS, Store, WEEKS, touch};
use crate::domain::rest::{Rest, Rests};

#[derive(Serialize, Deserialize)]
struct RestsDocument {
    /// `devices.id`.
    #[serde(rename = "_id")]
    device_id: String,
    version: i64,
    times: Vec<RestDocument>,
}

#[derive(Serialize, Deserialize)]
struct RestDocument {
    from: DateTime,
    until: Option<DateTime>,
    /// Times of before this was kept say nothing of it.
    #[serde(default)]
    closed: bool,
}

impl Store {
    /// When these devices were out of service.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn rests(&self, devices: &[&str]) -> Result<ById<Rests>, Error> {
        self.by_id(RESTS, devices, |stored: RestsDocument| {
            let times = stored.times.iter().map(|rest| Rest {
                from: seconds(rest.from),
                until: rest.until.map(seconds),
                is_closed: rest.closed,
            });
            Rests { times: times.collect(), version: stored.version }
        })
        .await
    }

    /// Writes when a device was out of service, and has whoever holds it look at everything again. What a newer version of the
    /// registry's entry says stays.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn write_rests(&self, device_id: &str, rests: &Rests) -> Result<(), Error> {
        let times = rests.times.iter();
        let times = times.map(|rest| RestDocument {
            from: time(rest.from),
            until: rest.until.map(time),
            closed: rest.is_closed,
        });
        // Nobody misses a device that is out of service; one that is back is looked at soon.
        let due = match rests.times.last().and_then(|last| last.until) {
            None => doc! { "$unset": { "due_at": "" } },
            Some(back) => doc! { "$set": { "due_at": time(back) } },
        };
        let document =
            RestsDocument { device_id: device_id.to_owned(), version: rests.version, times: times.collect() };
        let database = self.database.clone();
        let mut session = self.database.client().start_session().await?;
        let written = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let older = doc! { "_id": &document.device_id, "version": { "$lt": document.version } };
                let rests = database.collection::<RestsDocument>(RESTS);
                rests.replace_one(older, &document).upsert(true).session(&mut *session).await?;
                let newest = doc! { "device_id": &document.device_id, "heard": { "$exists": true } };
                let weeks = database.collection::<RestsDocument>(WEEKS);
                weeks.update_many(newest, due.clone()).session(&mut *session).await?;
                touch(&database, session, doc! { "device_id": &document.device_id }).await
            })
            .await;
        match written {
            Err(error) if is_duplicate_key(&error) => Ok(()),
            other => other,
        }
    }
}
