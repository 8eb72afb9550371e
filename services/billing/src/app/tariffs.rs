//! Tariffs: kept, changed, told, and what a volume or a sum comes to under them.

use std::sync::Arc;
use std::time::Duration;

use indowater_common::clock;
use indowater_common::domain::tariff::{Part, Tariff, TariffBook};
use indowater_common::domain::zone::Day;
use indowater_common::error::Retry;
use indowater_common::mongo::outbox::Row;
use indowater_proto::topics::TARIFFS;
use prost::Message;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::domain::schedule::{Schedule, Version, Wrong, check_class};
use crate::kafka::SOURCE;
use crate::mongo::{Announce, Tariffs};
use crate::{observe, wire};

/// Why a tariff was not set.
#[derive(Debug)]
pub enum Refusal {
    /// It makes no sense.
    Wrong(Wrong),
    /// Somebody else changed the class at the same time.
    Busy,
    /// The database does not answer.
    Unavailable(Retry),
}

impl<E: Into<Retry>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Unavailable(error.into())
    }
}

/// What a volume comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Quote {
    /// m3.
    pub volume: Decimal,
    /// Where it falls.
    pub parts: Vec<Part>,
}

/// What is asked for a price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Question {
    /// So many m3.
    Volume(Decimal),
    /// What so many whole rupiah buy.
    Rupiah(i64),
}

/// How often a change is tried when others change the same class.
const TRIES: usize = 5;

/// The tariffs.
#[derive(Clone)]
pub struct TariffDesk(Tariffs);

impl TariffDesk {
    /// Over what is stored.
    pub fn new(store: Tariffs) -> Self {
        Self(store)
    }

    /// Stores and tells what the platform comes with, for the classes of which nothing is stored.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin(&self) -> Result<(), Retry> {
        let book = TariffBook::built_in();
        let known = self.schedules().await?;
        for class in book.classes().filter(|class| known.iter().all(|schedule| schedule.class != *class)) {
            // Another instance may be faster with the same.
            let first = Schedule::first(class, book.versions(class), clock::now().as_second());
            self.0.clone().put(&first).await?;
        }
        Ok(())
    }

    /// Waits until [`begin`](Self::begin) has succeeded, for the service's start.
    pub async fn begin_eventually(&self) {
        while let Err(error) = self.begin().await {
            observe::tariffs_wait(&error);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Every class with its versions.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn schedules(&self) -> Result<Vec<Schedule>, Retry> {
        Ok(self.0.all().await?)
    }

    /// A class with its versions; none if it is not known.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn schedule(&self, class: &str) -> Result<Option<Schedule>, Retry> {
        Ok(self.0.one(class).await?)
    }

    /// Adds a version to a class, or a class.
    ///
    /// # Errors
    /// Why not.
    pub async fn set(&self, version: Version) -> Result<Schedule, Refusal> {
        let class = version.tariff.class.clone();
        check_class(&class).map_err(Refusal::Wrong)?;
        for _ in 0..TRIES {
            let now = clock::now();
            // It has begun nowhere.
            let earliest = Day::latest_anywhere(now.as_second()).next();
            let empty = Schedule { class: class.clone(), versions: Vec::new(), revision: 0, updated_at: 0 };
            let mut schedule = self.schedule(&class).await?.unwrap_or(empty);
            schedule.set(version.clone(), earliest, now.as_second()).map_err(Refusal::Wrong)?;
            if self.0.clone().put(&schedule).await? {
                observe::tariff_set(&class, schedule.revision, &version.set_by);
                return Ok(schedule);
            }
        }
        Err(Refusal::Busy)
    }

    /// The tariff of a class on a day.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn on(&self, class: &str, day: Day) -> Result<Tariff, Retry> {
        let book = TariffBook::built_in();
        let book = match self.schedule(class).await? {
            Some(schedule) => book.with(class, schedule.versions.into_iter().map(|v| v.tariff).collect()),
            None => book,
        };
        Ok(book.on(class, day).clone())
    }

    /// What a volume costs a month that stands at `month_to_date` m3, or how much a sum buys, in whole litres. None if a
    /// sum buys without end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn quote(
        &self,
        class: &str,
        day: Day,
        month_to_date: Decimal,
        question: Question,
    ) -> Result<Option<Quote>, Retry> {
        let tariff = self.on(class, day).await?;
        let volume = match question {
            Question::Volume(volume) => Some(volume),
            Question::Rupiah(sum) => tariff
                .volume_for(month_to_date, Decimal::from(sum))
                .map(|volume| volume.round_dp_with_strategy(3, RoundingStrategy::ToZero)),
        };
        Ok(volume.map(|volume| Quote {
            parts: tariff.parts(month_to_date, month_to_date + volume).collect(),
            volume,
        }))
    }
}

/// How a tariff schedule is told: whole, on its compacted topic, keyed by its class.
pub fn announce(prefix: &str) -> Announce {
    let topic = TARIFFS.name(prefix);
    Arc::new(move |schedule| Row {
        topic: topic.clone(),
        key: schedule.class.clone(),
        value: wire::published_schedule(schedule).encode_to_vec(),
        event_id: format!("{}@{}", schedule.class, schedule.revision),
        source: SOURCE.to_owned(),
        kind: TARIFFS.message.to_owned(),
        time: schedule.updated_at,
        traceparent: None,
    })
}
