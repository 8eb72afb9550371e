//! Events of the network as documents of `network_events`, planned interruptions as documents of `planned_interruptions`, and what was
//! heard of groups as documents of `listening_groups`. Every change of the former two takes the next number of a sequence, so that
//! whoever follows them misses none.

use std::collections::HashMap;

use bson::{Binary, Bson, DateTime, Document, doc, spec::BinarySubtype};
use futures::TryStreamExt;
use indowater_common::clock;
use indowater_common::mongo::outbox::Row;
use indowater_common::mongo::{is_duplicate_key, seconds, time, to_bson_time};
use mongodb::ClientSession;
use mongodb::error::Error;
use mongodb::options::ReturnDocument;
use serde::Deserialize;

use super::{Event, NETWORK, PLANNED, Stale, Store, Write, readable};
use crate::domain::network::{Group, Kind, NetworkEvent};
use crate::domain::notice::Notice;
use crate::domain::planned::Planned;
use crate::domain::question::{InterruptionFilter, PageToken};
use crate::domain::silence::Listening;

const GROUPS: &str = "listening_groups";
const COUNTERS: &str = "counters";

/// What is stored of a group.
#[derive(Clone, Debug, Default)]
pub struct StoredGroup {
    /// What was heard of it.
    pub listening: Listening,
    /// Revision of its document; 0 if it has none.
    pub revision: i64,
}

#[derive(Deserialize)]
struct NetworkDocument {
    #[serde(rename = "_id")]
    id: String,
    kind: String,
    group: String,
    from: DateTime,
    seen: DateTime,
    until: Option<DateTime>,
    affected: i64,
    meters: i64,
    withdrawn: bool,
    earliest: DateTime,
    revision: i64,
    sequence: i64,
}

#[derive(Deserialize)]
struct PlannedDocument {
    #[serde(rename = "_id")]
    id: String,
    area: String,
    from: DateTime,
    until: DateTime,
    reason: String,
    cancelled: bool,
    by: String,
    created_at: DateTime,
    updated_at: DateTime,
    earliest: DateTime,
    revision: i64,
    sequence: i64,
    #[serde(default)]
    key: String,
}

fn network(event: &NetworkEvent, now: DateTime) -> Document {
    let many = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    doc! {
        "_id": &event.id,
        "kind": event.kind.name(),
        "group": event.group.key(),
        "from": time(event.from),
        "seen": time(event.seen),
        "until": event.until.map(time),
        "affected": many(event.affected),
        "meters": many(event.meters),
        "withdrawn": event.withdrawn,
        "earliest": time(event.earliest),
        "revision": event.revision + 1,
        "updated_at": now,
    }
}

fn planned(planned: &Planned) -> Document {
    let mut document = doc! {
        "_id": &planned.id,
        "area": &planned.area,
        "from": time(planned.from),
        "until": time(planned.until),
        "reason": &planned.reason,
        "cancelled": planned.is_cancelled,
        "by": &planned.by,
        "created_at": time(planned.created_at),
        "updated_at": time(planned.updated_at),
        "earliest": time(planned.earliest),
        "revision": planned.revision,
    };
    if !planned.key.is_empty() {
        document.insert("key", &planned.key);
    }
    document
}

fn parse<T: serde::de::DeserializeOwned>(collection: &str, document: Document) -> Result<T, Error> {
    let id = document.get("_id").map(ToString::to_string).unwrap_or_default();
    bson::deserialize_from_document(document)
        .map_err(|error| Error::custom(format!("the document {id} of {collection}: {error}")))
}

fn read_network(document: Document) -> Result<(NetworkEvent, i64), Error> {
    let stored: NetworkDocument = parse(NETWORK, document)?;
    let unknown =
        |what: &str| Error::custom(format!("the document {} of {NETWORK} has an unknown {what}", stored.id));
    let many = |number: i64| usize::try_from(number).unwrap_or_default();
    let event = NetworkEvent {
        kind: Kind::named(&stored.kind).ok_or_else(|| unknown("kind"))?,
        group: Group::named(&stored.group).ok_or_else(|| unknown("group"))?,
        from: seconds(stored.from),
        seen: seconds(stored.seen),
        until: stored.until.map(seconds),
        affected: many(stored.affected),
        meters: many(stored.meters),
        withdrawn: stored.withdrawn,
        earliest: seconds(stored.earliest),
        revision: stored.revision,
        id: stored.id,
    };
    Ok((event, stored.sequence))
}

fn read_planned(document: Document) -> Result<(Planned, i64), Error> {
    let stored: PlannedDocument = parse(PLANNED, document)?;
    let planned = Planned {
        id: stored.id,
        area: stored.area,
        from: seconds(stored.from),
        until: seconds(stored.until),
        reason: stored.reason,
        is_cancelled: stored.cancelled,
        by: stored.by,
        created_at: seconds(stored.created_at),
        updated_at: seconds(stored.updated_at),
        earliest: seconds(stored.earliest),
        revision: stored.revision,
        key: stored.key,
    };
    Ok((planned, stored.sequence))
}

fn notice_of_event((event, sequence): (NetworkEvent, i64)) -> Notice {
    Notice {
        until: event.until.unwrap_or(i64::MAX),
        is_void: event.withdrawn,
        id: event.id,
        group: event.group,
        kind: event.kind,
        from: event.from,
        earliest: event.earliest,
        sequence,
    }
}

fn notice_of_plan((planned, sequence): (Planned, i64)) -> Notice {
    Notice {
        group: Group::Area(planned.area.into()),
        kind: Kind::Interruption,
        id: planned.id,
        from: planned.from,
        until: planned.until,
        earliest: planned.earliest,
        is_void: planned.is_cancelled,
        sequence,
    }
}

/// The document of a group, guarded by the revision that it replaces. `due` is when its silence is to be looked for.
fn group(key: &str, stored: &StoredGroup, due: Option<i64>, now: DateTime) -> Write {
    let bytes = stored.listening.encode();
    let document = doc! {
        "_id": key,
        "listening": Binary { subtype: BinarySubtype::Generic, bytes },
        "due_at": due.map(time),
        "revision": stored.revision + 1,
        "updated_at": now,
    };
    let replaces = (stored.revision > 0).then(|| doc! { "_id": key, "revision": stored.revision });
    Write { collection: GROUPS, replaces, document }
}

impl Store {
    /// What is stored of a group.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow. Within: the document is not one of ours.
    pub async fn group(&self, key: &str) -> Result<Result<StoredGroup, String>, Error> {
        let Some(document) = self.documents(GROUPS).find_one(doc! { "_id": key }).await? else {
            return Ok(Ok(StoredGroup::default()));
        };
        let read = || {
            let revision = document.get_i64("revision").ok()?;
            let listening = Listening::decode(document.get_binary_generic("listening").ok()?)?;
            Some(StoredGroup { listening, revision })
        };
        Ok(read().ok_or_else(|| format!("the document {key} of {GROUPS} cannot be read, mend or remove it")))
    }

    /// The events of a group that began at or after a moment, or go on, by when they began. What cannot be read is left out.
    ///
    /// # Errors
    /// As above.
    pub async fn network_events(&self, key: &str, from: i64) -> Result<Vec<NetworkEvent>, Error> {
        let recent =
            doc! { "group": key, "$or": [{ "from": { "$gte": time(from) } }, { "until": Bson::Null }] };
        let found = self.documents(NETWORK).find(recent).sort(doc! { "from": 1, "_id": 1 }).await?;
        let found: Vec<Document> = found.try_collect().await?;
        Ok(found
            .into_iter()
            .filter_map(|document| readable(read_network(document)))
            .map(|(event, _)| event)
            .collect())
    }

    /// What was heard of groups. What cannot be read is left out, as if nothing were known.
    ///
    /// # Errors
    /// As above.
    pub async fn listening<'a>(
        &self,
        groups: impl Iterator<Item = &'a Group>,
    ) -> Result<HashMap<Group, Listening>, Error> {
        let keys: Vec<String> = groups.map(Group::key).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.documents(GROUPS).find(doc! { "_id": { "$in": keys } }).await?;
        let found: Vec<Document> = found.try_collect().await?;
        let read = |group: &Document| {
            let listening = Listening::decode(group.get_binary_generic("listening").ok()?)?;
            Some((Group::named(group.get_str("_id").ok()?)?, listening))
        };
        Ok(found.iter().filter_map(read).collect())
    }

    /// Groups that should have been heard before a moment, the longest overdue first.
    ///
    /// # Errors
    /// As above.
    pub async fn overdue_groups(&self, now: i64, most: i64) -> Result<Vec<Group>, Error> {
        let groups = self.documents(GROUPS);
        let overdue = groups.find(doc! { "due_at": { "$lt": time(now) } });
        let found = overdue.sort(doc! { "due_at": 1 }).limit(most).projection(doc! { "_id": 1 });
        let found: Vec<Document> = found.await?.try_collect().await?;
        Ok(found.iter().filter_map(|group| Group::named(group.get_str("_id").ok()?)).collect())
    }

    /// Writes a group with those of its events that changed and the records that tell them, all or nothing. False if one of them is
    /// not as it was.
    ///
    /// # Errors
    /// As above.
    pub async fn write_group(
        &self,
        of: &Group,
        stored: &StoredGroup,
        due: Option<i64>,
        changed: &[NetworkEvent],
    ) -> Result<bool, Error> {
        let now = to_bson_time(clock::now());
        let group = group(&of.key(), stored, due, now);
        let events = changed.iter().map(|event| {
            let replaces =
                (event.revision > 0).then(|| doc! { "_id": &event.id, "revision": event.revision });
            Write { collection: NETWORK, replaces, document: network(event, now) }
        });
        let rows = changed.iter().map(|event| (self.announce)(Event::Network(event))).collect();
        self.write_numbered(Some(group), events.collect(), rows).await
    }

    /// Writes a planned interruption in place of the revision before, with the record that tells it. False if another revision is there.
    ///
    /// # Errors
    /// As above.
    pub async fn plan(&self, plan: &Planned) -> Result<bool, Error> {
        let before = plan.revision - 1;
        let replaces = (before > 0).then(|| doc! { "_id": &plan.id, "revision": before });
        let write = Write { collection: PLANNED, replaces, document: planned(plan) };
        let row = (self.announce)(Event::Planned(plan));
        self.write_numbered(None, vec![write], vec![row]).await
    }

    /// Writes documents in one transaction, those of `numbered` with the next numbers of the sequence.
    async fn write_numbered(
        &self,
        other: Option<Write>,
        numbered: Vec<Write>,
        rows: Vec<Row>,
    ) -> Result<bool, Error> {
        let (database, outbox) = (self.database.clone(), self.outbox.clone());
        let mut session = self.database.client().start_session().await?;
        let written = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                if let Some(other) = &other {
                    other.run(&database, session).await?;
                }
                if numbered.is_empty() {
                    return Ok(());
                }
                let many = i64::try_from(numbered.len()).map_err(Error::custom)?;
                let counters = database.collection::<Document>(COUNTERS);
                let counter = counters
                    .find_one_and_update(doc! { "_id": NETWORK }, doc! { "$inc": { "value": many } })
                    .upsert(true)
                    .return_document(ReturnDocument::After)
                    .session(&mut *session)
                    .await?;
                let last = counter.and_then(|counter| counter.get_i64("value").ok());
                let last = last.ok_or_else(|| Error::custom("the sequence has no number"))?;
                for (write, sequence) in numbered.iter().zip(last - many + 1..) {
                    let mut document = write.document.clone();
                    document.insert("sequence", sequence);
                    let (collection, replaces) = (write.collection, write.replaces.clone());
                    Write { collection, replaces, document }.run(&database, session).await?;
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

    /// What changed after a number of the sequence and ended after a moment, in order, at most so much of each kind.
    ///
    /// # Errors
    /// As above.
    pub async fn notices(&self, after: i64, oldest: i64, most: i64) -> Result<Vec<Notice>, Error> {
        let recent = vec![doc! { "until": Bson::Null }, doc! { "until": { "$gte": time(oldest) } }];
        let newer = doc! { "sequence": { "$gt": after }, "$or": recent };
        let order = doc! { "sequence": 1 };
        let seen = self.documents(NETWORK).find(newer.clone()).sort(order.clone()).limit(most).await?;
        let seen: Vec<Document> = seen.try_collect().await?;
        let plans = self.documents(PLANNED).find(newer).sort(order).limit(most).await?;
        let plans: Vec<Document> = plans.try_collect().await?;
        // Where one of the two is cut off, the other has to be as well, so that nothing is passed over.
        let cut = |documents: &[Document]| {
            let is_cut = i64::try_from(documents.len()).is_ok_and(|many| many >= most);
            documents
                .last()
                .filter(|_| is_cut)
                .and_then(|last| last.get_i64("sequence").ok())
                .unwrap_or(i64::MAX)
        };
        let last = cut(&seen).min(cut(&plans));
        let seen = seen.into_iter().filter_map(|event| readable(read_network(event))).map(notice_of_event);
        let plans = plans.into_iter().filter_map(|plan| readable(read_planned(plan))).map(notice_of_plan);
        let mut notices: Vec<Notice> = seen.chain(plans).filter(|notice| notice.sequence <= last).collect();
        notices.sort_unstable_by_key(|notice| notice.sequence);
        Ok(notices)
    }

    /// A planned interruption.
    ///
    /// # Errors
    /// As above.
    pub async fn planned(&self, id: &str) -> Result<Option<Planned>, Error> {
        let found = self.documents(PLANNED).find_one(doc! { "_id": id }).await?;
        Ok(found.map(read_planned).transpose()?.map(|(planned, _)| planned))
    }

    /// The interruption that was planned under a key.
    ///
    /// # Errors
    /// As above.
    pub async fn planned_as(&self, key: &str) -> Result<Option<Planned>, Error> {
        let found = self.documents(PLANNED).find_one(doc! { "key": key }).await?;
        Ok(found.map(read_planned).transpose()?.map(|(planned, _)| planned))
    }

    /// An interruption that was seen.
    ///
    /// # Errors
    /// As above.
    pub async fn seen_interruption(&self, id: &str) -> Result<Option<NetworkEvent>, Error> {
        let of_kind = doc! { "_id": id, "kind": Kind::Interruption.name() };
        let found = self.documents(NETWORK).find_one(of_kind).await?;
        Ok(found.map(read_network).transpose()?.map(|(event, _)| event))
    }

    /// Interruptions seen and planned, the latest first, at most so many of each.
    ///
    /// # Errors
    /// As above.
    pub async fn interruptions(
        &self,
        wanted: &InterruptionFilter,
    ) -> Result<(Vec<NetworkEvent>, Vec<Planned>), Error> {
        let most = i64::try_from(wanted.page).unwrap_or(i64::MAX);
        let mut range = Vec::new();
        if let Some(from) = wanted.from {
            range.push(doc! { "$or": [{ "until": Bson::Null }, { "until": { "$gte": time(from) } }] });
        }
        if let Some(to) = wanted.to {
            range.push(doc! { "from": { "$lt": time(to) } });
        }
        if let Some(PageToken { at, id }) = &wanted.after {
            let at = time(*at);
            range.push(doc! { "$or": [{ "from": { "$lt": at } }, { "from": at, "_id": { "$lt": id } }] });
        }
        let (mut seen, mut plans) = (range.clone(), range);
        seen.push(doc! { "kind": Kind::Interruption.name() });
        if let Some(areas) = &wanted.areas {
            let keys: Vec<String> =
                areas.iter().map(|area| Group::Area(area.as_str().into()).key()).collect();
            seen.push(doc! { "group": { "$in": keys } });
            plans.push(doc! { "area": { "$in": areas } });
        }
        let order = doc! { "from": -1, "_id": -1 };
        let seen =
            self.documents(NETWORK).find(doc! { "$and": seen }).sort(order.clone()).limit(most).await?;
        let seen: Vec<Document> = seen.try_collect().await?;
        let filter = if plans.is_empty() {
            Document::new()
        } else {
            doc! { "$and": plans }
        };
        let plans = self.documents(PLANNED).find(filter).sort(order).limit(most).await?;
        let plans: Vec<Document> = plans.try_collect().await?;
        let seen = seen.into_iter().filter_map(|event| readable(read_network(event))).map(|(event, _)| event);
        let plans = plans.into_iter().filter_map(|plan| readable(read_planned(plan))).map(|(plan, _)| plan);
        Ok((seen.collect(), plans.collect()))
    }
}
