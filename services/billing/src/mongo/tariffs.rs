//! The tariffs' collection: one document for each class. Every change and the record that tells it are one transaction, through
//! the outbox, whose counter makes changes serial.

use std::sync::Arc;

use bson::{DateTime, Decimal128, doc};
use futures::TryStreamExt;
use indowater_common::domain::tariff::{Block, SINCE_EVER, Tariff};
use indowater_common::domain::zone::Day;
use indowater_common::mongo::outbox::{Outbox, Row};
use indowater_common::mongo::{from_decimal128, is_duplicate_key, to_decimal128};
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::documents::{seconds, time};
use crate::domain::schedule::{Schedule, Version};

/// Makes the record that tells a schedule.
pub type Announce = Arc<dyn Fn(&Schedule) -> Row + Send + Sync>;

#[derive(Debug, Serialize, Deserialize)]
struct ScheduleDocument {
    #[serde(rename = "_id")]
    class: String,
    revision: i64,
    updated_at: DateTime,
    versions: Vec<VersionDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct VersionDocument {
    /// Absent for what has held since ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    blocks: Vec<BlockDocument>,
    fixed_charge: Decimal128,
    minimum_volume: Decimal128,
    set_by: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct BlockDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    up_to: Option<Decimal128>,
    price: Decimal128,
}

fn decimal(class: &str, value: Decimal128) -> Result<Decimal, Error> {
    from_decimal128(value)
        .ok_or_else(|| Error::custom(format!("tariff {class}: a number is not as this service writes it")))
}

impl ScheduleDocument {
    fn of(schedule: &Schedule) -> Self {
        let block = |block: &Block| BlockDocument {
            up_to: block.up_to.map(to_decimal128),
            price: to_decimal128(block.price),
        };
        let version = |Version { tariff, set_by }: &Version| VersionDocument {
            from: (tariff.from != SINCE_EVER).then(|| tariff.from.to_string()),
            blocks: tariff.blocks.iter().map(block).collect(),
            fixed_charge: to_decimal128(tariff.fixed_charge),
            minimum_volume: to_decimal128(tariff.minimum),
            set_by: set_by.clone(),
        };
        Self {
            class: schedule.class.clone(),
            revision: schedule.revision,
            updated_at: time(schedule.updated_at),
            versions: schedule.versions.iter().map(version).collect(),
        }
    }

    fn schedule(self) -> Result<Schedule, Error> {
        let class = self.class;
        let block = |block: BlockDocument| {
            let up_to = block.up_to.map(|up_to| decimal(&class, up_to)).transpose()?;
            Ok(Block { up_to, price: decimal(&class, block.price)? })
        };
        let version = |version: VersionDocument| {
            let from = version.from.as_deref().map_or(Some(SINCE_EVER), Day::parse);
            let tariff = Tariff {
                class: class.clone(),
                from: from.ok_or_else(|| Error::custom(format!("tariff {class}: a date is none")))?,
                blocks: version.blocks.into_iter().map(block).collect::<Result<_, Error>>()?,
                fixed_charge: decimal(&class, version.fixed_charge)?,
                minimum: decimal(&class, version.minimum_volume)?,
            };
            Ok(Version { tariff, set_by: version.set_by })
        };
        Ok(Schedule {
            versions: self.versions.into_iter().map(version).collect::<Result<_, Error>>()?,
            revision: self.revision,
            updated_at: seconds(self.updated_at),
            class,
        })
    }
}

/// The tariffs in the database. Cheap to clone.
#[derive(Clone)]
pub struct Tariffs {
    database: Database,
    schedules: Collection<ScheduleDocument>,
    outbox: Outbox,
    announce: Announce,
}

impl Tariffs {
    /// On the database of billing.
    pub fn new(database: &Database, outbox: Outbox, announce: Announce) -> Self {
        Self { database: database.clone(), schedules: database.collection("tariffs"), outbox, announce }
    }

    /// Every schedule, by class.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn all(&self) -> Result<Vec<Schedule>, Error> {
        let found = self.schedules.find(doc! {}).sort(doc! { "_id": 1 }).await?;
        let found: Vec<ScheduleDocument> = found.try_collect().await?;
        found.into_iter().map(ScheduleDocument::schedule).collect()
    }

    /// The schedule of a class.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn one(&self, class: &str) -> Result<Option<Schedule>, Error> {
        let found = self.schedules.find_one(doc! { "_id": class }).await?;
        found.map(ScheduleDocument::schedule).transpose()
    }

    /// Writes a schedule in the place of its revision before, and the record that tells it. False if another revision is there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn put(self, schedule: &Schedule) -> Result<bool, Error> {
        let row = (self.announce)(schedule);
        let (document, is_first) = (ScheduleDocument::of(schedule), schedule.revision == 1);
        let known = doc! { "_id": &schedule.class, "revision": schedule.revision - 1 };
        let mut session = self.database.client().start_session().await?;
        let put = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                if is_first {
                    self.schedules.insert_one(&document).session(&mut *session).await?;
                } else {
                    let replacing = self.schedules.replace_one(known.clone(), &document);
                    if replacing.session(&mut *session).await?.matched_count == 0 {
                        return Ok(false);
                    }
                }
                self.outbox.put(session, std::slice::from_ref(&row)).await?;
                Ok(true)
            })
            .await;
        match put {
            Err(error) if is_duplicate_key(&error) => Ok(false),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indowater_common::domain::tariff::TariffBook;

    #[test]
    fn a_schedule_comes_back_as_it_was_written() {
        let book = TariffBook::built_in();
        let version = |tariff: &Tariff| Version { tariff: tariff.clone(), set_by: "admin-001".to_owned() };
        let mut schedule = Schedule {
            class: "household-middle-1".to_owned(),
            versions: book.versions("household-middle-1").iter().map(version).collect(),
            revision: 3,
            updated_at: 1_795_000_000,
        };
        let mut later = schedule.versions[0].clone();
        later.tariff.from = Day::parse("2027-01-01").unwrap();
        later.tariff.fixed_charge = Decimal::new(150_005, 1);
        schedule.versions.push(later);
        let document = bson::serialize_to_document(&ScheduleDocument::of(&schedule)).unwrap();
        let back: ScheduleDocument = bson::deserialize_from_document(document).unwrap();
        assert_eq!(back.schedule().unwrap(), schedule);
    }
}
