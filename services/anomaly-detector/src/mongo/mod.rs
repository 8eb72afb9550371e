//! The database's edge: events, the weeks of reads they follow from, and what people said is normal.

mod conditions;
mod expectations;
mod leaks;
mod members;
mod network;
mod query;
mod rests;
mod tampering;
mod weeks;

use std::collections::HashMap;
use std::sync::Arc;

use bson::{Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use indowater_common::clock;
use indowater_common::domain::facts::Timeline;
use indowater_common::domain::zone::Zone;
use indowater_common::mongo::outbox::{Outbox, Row};
use indowater_common::mongo::{Guarded, is_duplicate_key, time, to_bson_time, write_guarded};
use jiff::Timestamp;
pub use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};
use serde::de::DeserializeOwned;

use crate::domain::condition::{DeviceCondition, Heard};
use crate::domain::event::{LeakEvent, Status};
use crate::domain::history::{History, Week};
use crate::domain::member::Member;
use crate::domain::network::{Group, NetworkEvent};
use crate::domain::place::Place;
use crate::domain::planned::Planned;
use crate::domain::silence::Beat;
use crate::domain::tampering::TamperingEvent;
use weeks::StoredWeek;

pub use network::StoredGroup;
pub use weeks::{Newest, OfDevice};

const WEEKS: &str = "anomaly_weeks";
const LEAKS: &str = "leak_detection_events";
const TAMPERING: &str = "device_tampering_events";
const EXPECTATIONS: &str = "flow_expectations";
const CONDITIONS: &str = "device_conditions";
const RESTS: &str = "device_rests";
const MEMBERS: &str = "group_members";
const NETWORK: &str = "network_events";
const PLANNED: &str = "planned_interruptions";

/// Makes the record that tells an event; it is given to the store when the service is wired up.
pub type Announce = Arc<dyn Fn(Event<'_>) -> Row + Send + Sync>;

/// What is told of a device, as its next revision is to say it.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// A leak.
    Leak(&'a LeakEvent),
    /// Tampering.
    Tampering(&'a TamperingEvent),
    /// How the device is.
    Condition(&'a DeviceCondition),
    /// What a meter tells its area of its supply: the area, the device, and what is told.
    Member(&'a str, &'a str, &'a Member),
    /// When something of a group was heard in a partition.
    Beat(&'a Group, Beat),
    /// An event of the network.
    Network(&'a NetworkEvent),
    /// A planned interruption, as it is.
    Planned(&'a Planned),
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    outbox: Outbox,
    announce: Announce,
}

/// Weeks of one device as they are stored.
#[derive(Default)]
pub struct Loaded {
    /// Oldest first.
    pub weeks: Vec<Week>,
    /// What the registry said when the newest of them was written, and the zone of its days.
    pub place: Option<(Timeline, Zone)>,
    /// What was heard of the device.
    pub heard: Heard,
    /// Where it belongs.
    pub belongs: Place,
}

/// Changed events of one device, which are written together or not at all.
#[derive(Default)]
pub struct Changed {
    /// Leaks, each as it is to be with its next revision.
    pub leaks: Vec<LeakEvent>,
    /// Tampering.
    pub tampering: Vec<TamperingEvent>,
    /// How the device is, if that is news.
    pub condition: Option<DeviceCondition>,
    /// What the device tells its area, and the area that it told before, if that is news.
    pub member: Option<MemberNews>,
    /// The trace they go on.
    pub traceparent: Option<String>,
}

/// What a device tells its area now.
#[derive(Clone, Debug)]
pub struct MemberNews {
    /// `devices.id`.
    pub device_id: String,
    /// What is told, as of the revision before.
    pub member: Member,
    /// The area that it was in before, which is to know that it left.
    pub former_area: Option<Box<str>>,
}

/// Somebody else has written an event since it was read.
#[derive(Clone, Copy, Debug)]
struct Stale;

impl Changed {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.leaks.is_empty()
            && self.tampering.is_empty()
            && self.condition.is_none()
            && self.member.is_none()
    }
}

/// Seconds since its last change for which an event that is over is still looked at: "not a leak" holds for 90 days, and reads that
/// are older than five weeks change nothing.
const EVENTS_KEPT: i64 = 140 * 86_400;
/// Devices whose events are tried as one transaction.
const TOGETHER: usize = 100;

/// A document that is not as this service writes it, and so cannot be built upon until somebody mends or removes it.
#[derive(Clone, Debug)]
pub struct Unreadable(pub String);

impl Unreadable {
    fn of(collection: &str, raw: &RawDocumentBuf, error: &Error) -> Self {
        let id = raw.get_str("_id").unwrap_or("without an id");
        Self(format!("the document {id} of {collection} cannot be read, mend or remove it: {error}"))
    }
}

/// What is stored under each `_id`, or why that cannot be read.
pub type ById<T> = HashMap<String, Result<T, Unreadable>>;

impl Store {
    /// Reads the documents of these ids, each by itself: one that cannot be read spoils no other.
    async fn by_id<D: DeserializeOwned, T>(
        &self,
        collection: &str,
        ids: &[&str],
        read: impl Fn(D) -> T,
    ) -> Result<ById<T>, Error> {
        let found = self.database.collection::<RawDocumentBuf>(collection);
        let found = found.find(doc! { "_id": { "$in": ids } }).await?;
        let found: Vec<RawDocumentBuf> = found.try_collect().await?;
        let one = |raw: &RawDocumentBuf| {
            let id = raw.get_str("_id").ok()?.to_owned();
            let stored = bson::deserialize_from_slice::<D>(raw.as_bytes()).map_err(Error::from);
            Some((id, stored.map(&read).map_err(|error| Unreadable::of(collection, raw, &error))))
        };
        Ok(found.iter().filter_map(one).collect())
    }

    /// On that database.
    pub fn new(database: Database, outbox: Outbox, announce: Announce) -> Self {
        Self { database, outbox, announce }
    }

    /// The record that tells an event.
    pub fn row(&self, event: Event<'_>) -> Row {
        (self.announce)(event)
    }

    fn documents(&self, collection: &str) -> Collection<Document> {
        self.database.collection(collection)
    }

    /// The newest week of each of these devices, where there is one.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn newest_weeks(
        &self,
        devices: &[&str],
    ) -> Result<HashMap<Box<str>, Result<Loaded, String>>, Error> {
        let newest = [
            doc! { "$match": { "device_id": { "$in": devices } } },
            doc! { "$sort": { "device_id": 1, "week": -1 } },
            doc! { "$group": { "_id": "$device_id", "newest": { "$first": "$$ROOT" } } },
            doc! { "$replaceWith": "$newest" },
        ];
        let found = self.documents(WEEKS).aggregate(newest).with_type::<RawDocumentBuf>().await?;
        let found: Vec<RawDocumentBuf> = found.try_collect().await?;
        let loaded = found.iter().filter_map(|raw| {
            let id = Box::from(raw.get_str("device_id").ok()?);
            let loaded = StoredWeek::read(raw).and_then(|stored| {
                let (place, heard) = (Some((stored.timeline()?, stored.zone()?)), stored.heard());
                let belongs = stored.belongs();
                Ok(Loaded { weeks: vec![stored.week()?], place, heard, belongs })
            });
            Some((id, loaded.map_err(|error| Unreadable::of(WEEKS, raw, &error).0)))
        });
        Ok(loaded.collect())
    }

    /// All weeks of a device that are kept, counted from the newest one stored or known, but for those from `before` on.
    ///
    /// # Errors
    /// As above.
    pub async fn weeks(
        &self,
        device_id: &str,
        newest: Option<i32>,
        before: Option<i32>,
    ) -> Result<Loaded, Error> {
        let mut filter = doc! { "device_id": device_id };
        let mut range = Document::new();
        if let Some(newest) = newest {
            range.insert("$gte", Week::of(History::oldest_with(newest)));
        }
        if let Some(before) = before {
            range.insert("$lt", before);
        }
        if !range.is_empty() {
            filter.insert("week", range);
        }
        let weeks = self.database.collection::<RawDocumentBuf>(WEEKS);
        let raws: Vec<RawDocumentBuf> =
            weeks.find(filter).sort(doc! { "week": 1 }).await?.try_collect().await?;
        let unreadable =
            |(raw, error): (&RawDocumentBuf, Error)| Error::custom(Unreadable::of(WEEKS, raw, &error));
        let found = raws.iter().map(|raw| StoredWeek::read(raw).map_err(|error| unreadable((raw, error))));
        let found = found.collect::<Result<Vec<StoredWeek>, Error>>()?;
        let newest_week = found.last();
        let heard = newest_week.map(StoredWeek::heard).unwrap_or_default();
        let belongs = newest_week.map(StoredWeek::belongs).unwrap_or_default();
        let place = match newest_week {
            Some(stored) => Some((stored.timeline()?, stored.zone()?)),
            None => None,
        };
        let weeks = raws
            .iter()
            .zip(found)
            .map(|(raw, stored)| stored.week().map_err(|error| unreadable((raw, error))));
        let mut weeks = weeks.collect::<Result<Vec<_>, Error>>()?;
        if let Some(last) = weeks.last().filter(|_| newest.is_none()) {
            let oldest = Week::of(History::oldest_with(last.number));
            weeks.retain(|week| week.number >= oldest);
        }
        Ok(Loaded { weeks, place, heard, belongs })
    }

    /// The document of a week that has to be written.
    pub fn week(device: OfDevice<'_>, week: &Week, newest: Option<Newest<'_>>, now: Timestamp) -> Guarded {
        weeks::guarded(device, week, newest, now)
    }

    /// Writes weeks; returns the indexes of those somebody else has written since we read them.
    ///
    /// # Errors
    /// As above.
    pub async fn write_weeks(&self, documents: &[Guarded]) -> Result<Vec<usize>, Error> {
        write_guarded(&self.database, WEEKS, documents).await
    }

    /// Removes what is older than what is kept.
    ///
    /// # Errors
    /// As above.
    pub async fn forget_weeks(&self, devices: &[&str], before: i32) -> Result<(), Error> {
        let old = doc! { "device_id": { "$in": devices }, "week": { "$lt": before } };
        self.documents(WEEKS).delete_many(old).await.map(drop)
    }

    /// The events of these devices that reads can still change or that say what is normal, by when they were detected: those that are
    /// open, and those of late. What cannot be read is left out, and the log names it.
    ///
    /// # Errors
    /// As above.
    pub async fn events(
        &self,
        devices: &[&str],
    ) -> Result<(HashMap<String, Vec<LeakEvent>>, HashMap<String, Vec<TamperingEvent>>), Error> {
        let late = time(clock::now().as_second() - EVENTS_KEPT);
        let of_devices = doc! {
            "device_id": { "$in": devices },
            "$or": [
                { "status": { "$in": ["active", "investigated"] } },
                { "updated_at": { "$gte": late } },
                { "updated_at": { "$exists": false }, "detected_at": { "$gte": late } },
            ],
        };
        let order = doc! { "detected_at": 1, "id": 1 };
        let mut found = self.documents(LEAKS).find(of_devices.clone()).sort(order.clone()).await?;
        let mut leaks: HashMap<String, Vec<LeakEvent>> = HashMap::new();
        while let Some(document) = found.try_next().await? {
            if let Some(event) = readable(leaks::read(document)) {
                leaks.entry(event.device_id.clone()).or_default().push(event);
            }
        }
        let mut found = self.documents(TAMPERING).find(of_devices).sort(order).await?;
        let mut tampering: HashMap<String, Vec<TamperingEvent>> = HashMap::new();
        while let Some(document) = found.try_next().await? {
            if let Some(event) = readable(tampering::read(document)) {
                tampering.entry(event.device_id.clone()).or_default().push(event);
            }
        }
        Ok((leaks, tampering))
    }

    /// Writes the changed events of devices, with the records that tell them. Returns the indexes of the devices of which somebody
    /// else has written an event since it was read; nothing of these is written.
    ///
    /// # Errors
    /// As above.
    pub async fn write_events(&self, devices: &[Changed]) -> Result<Vec<usize>, Error> {
        let mut stale = Vec::new();
        for (first, together) in (0..).step_by(TOGETHER).zip(devices.chunks(TOGETHER)) {
            if self.write_together(together).await? {
                continue;
            }
            for (index, device) in (first..).zip(together) {
                if !self.write_together(std::slice::from_ref(device)).await? {
                    stale.push(index);
                }
            }
        }
        Ok(stale)
    }

    /// False if an event of one of them is not as it was.
    async fn write_together(&self, devices: &[Changed]) -> Result<bool, Error> {
        let now = to_bson_time(clock::now());
        let mut writes = Vec::new();
        let mut rows = Vec::new();
        for device in devices {
            let mut tell = |event: Event<'_>| {
                rows.push(Row { traceparent: device.traceparent.clone(), ..(self.announce)(event) });
            };
            // What is open no more makes room for what is.
            let (open, closed): (Vec<_>, Vec<_>) =
                device.leaks.iter().partition(|event| event.status() == Status::Active);
            for event in closed.into_iter().chain(open) {
                writes.push(Write::leak(event, now)?);
                tell(Event::Leak(event));
            }
            for event in &device.tampering {
                writes.push(Write::tampering(event, now)?);
                tell(Event::Tampering(event));
            }
            if let Some(condition) = &device.condition {
                writes.push(Write::condition(condition, now));
                tell(Event::Condition(condition));
            }
            if let Some(MemberNews { device_id, member, former_area }) = &device.member {
                writes.push(Write::member(device_id, member, now));
                if let Some(former) = former_area {
                    let left = Member { told: None, ..member.clone() };
                    tell(Event::Member(former, device_id, &left));
                }
                tell(Event::Member(&member.area, device_id, member));
            }
        }
        let (database, outbox) = (self.database.clone(), self.outbox.clone());
        let mut session = self.database.client().start_session().await?;
        let written = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                for write in &writes {
                    write.run(&database, session).await?;
                }
                outbox.put(session, &rows).await
            })
            .await;
        match written {
            Ok(()) => Ok(true),
            Err(error) if is_duplicate_key(&error) || error.get_custom::<Stale>().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes what a person made of an event, with the record that tells it, and has whoever holds its device look at everything
    /// again. False if the event is not as it was.
    ///
    /// # Errors
    /// As above.
    pub async fn decide(&self, event: Event<'_>) -> Result<bool, Error> {
        let now = to_bson_time(clock::now());
        let (write, device_id) = match event {
            Event::Leak(event) => (Write::leak(event, now)?, &event.device_id),
            Event::Tampering(event) => (Write::tampering(event, now)?, &event.device_id),
            Event::Condition(condition) => (Write::condition(condition, now), &condition.device_id),
            Event::Member(..) | Event::Beat(..) | Event::Network(_) | Event::Planned(_) => {
                return Err(Error::custom("nobody decides about such an event"));
            }
        };
        let of_device = doc! { "device_id": device_id };
        let row = (self.announce)(event);
        let (database, outbox) = (self.database.clone(), self.outbox.clone());
        let mut session = self.database.client().start_session().await?;
        let written = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                write.run(&database, session).await?;
                touch(&database, session, of_device.clone()).await?;
                outbox.put(session, std::slice::from_ref(&row)).await
            })
            .await;
        match written {
            Ok(()) => Ok(true),
            Err(error) if is_duplicate_key(&error) || error.get_custom::<Stale>().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Raises the revision of weeks, so that whoever holds their devices in memory meets another one than expected, and loads
/// them again with all that is known of them.
async fn touch(database: &Database, session: &mut ClientSession, of: Document) -> Result<(), Error> {
    let weeks = database.collection::<RawDocumentBuf>(WEEKS);
    weeks.update_many(of, doc! { "$inc": { "revision": 1_i64 } }).session(session).await.map(drop)
}

/// A document of an event, in place of the one it was read from.
struct Write {
    collection: &'static str,
    /// None if there is none yet.
    replaces: Option<Document>,
    document: Document,
}

impl Write {
    fn leak(event: &LeakEvent, now: bson::DateTime) -> Result<Self, Error> {
        let replaces = (!leaks::is_new(event)).then(|| known(&event.id, event.revision));
        Ok(Self { collection: LEAKS, replaces, document: leaks::document(event, now)? })
    }

    fn tampering(event: &TamperingEvent, now: bson::DateTime) -> Result<Self, Error> {
        let replaces = (!tampering::is_new(event)).then(|| known(&event.id, event.revision));
        Ok(Self { collection: TAMPERING, replaces, document: tampering::document(event, now)? })
    }

    fn condition(condition: &DeviceCondition, now: bson::DateTime) -> Self {
        let id = &condition.device_id;
        let replaces = (condition.revision > 0).then(|| doc! { "_id": id, "revision": condition.revision });
        Self { collection: CONDITIONS, replaces, document: conditions::document(condition, now) }
    }

    fn member(device_id: &str, member: &Member, now: bson::DateTime) -> Self {
        let replaces = (member.revision > 0).then(|| doc! { "_id": device_id, "revision": member.revision });
        Self { collection: MEMBERS, replaces, document: members::document(device_id, member, now) }
    }

    async fn run(&self, database: &Database, session: &mut ClientSession) -> Result<(), Error> {
        let events = database.collection::<Document>(self.collection);
        let Some(known) = &self.replaces else {
            return events.insert_one(&self.document).session(session).await.map(drop);
        };
        let replaced = events.replace_one(known.clone(), &self.document).session(session).await?;
        if replaced.matched_count == 0 { Err(Error::custom(Stale)) } else { Ok(()) }
    }
}

/// An event as it was read; of another system's there is no revision.
fn known(id: &str, revision: i64) -> Document {
    match revision {
        0 => doc! { "id": id, "revision": { "$exists": false } },
        revision => doc! { "id": id, "revision": revision },
    }
}

/// An event, unless its document cannot be read.
fn readable<T>(event: Result<T, Error>) -> Option<T> {
    event.inspect_err(crate::observe::passed_over).ok()
}
