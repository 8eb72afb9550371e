//! Questions people ask of the events, page by page, and how often findings were leaks.

use bson::{Bson, DateTime, Document, doc};
use futures::TryStreamExt;
use indowater_common::mongo::time;
use mongodb::error::Error;

use super::{LEAKS, Store, TAMPERING, WEEKS, leaks, readable, tampering};
use crate::domain::event::{LeakEvent, Status};
use crate::domain::leak::Kind;
use crate::domain::names;
use crate::domain::question::{Filter, PageToken};
use crate::domain::tampering::{self as tamper, TamperingEvent};

fn matching(filter: &Filter, status: Option<&str>) -> Document {
    let given = [
        ("customer_id", filter.customer_id.as_deref()),
        ("device_id", filter.device_id.as_deref()),
        ("property_id", filter.property_id.as_deref()),
        ("status", status),
    ];
    let given = given.into_iter().filter_map(|(field, value)| Some((field.to_owned(), Bson::from(value?))));
    let mut wanted: Document = given.collect();
    let bounds = [("$gte", filter.from), ("$lt", filter.to)];
    let bounds = bounds.into_iter().filter_map(|(bound, at)| Some((bound.to_owned(), Bson::from(time(at?)))));
    let range: Document = bounds.collect();
    if !range.is_empty() {
        wanted.insert("detected_at", range);
    }
    if let Some(PageToken { at, id }) = &filter.after {
        let at: DateTime = time(*at);
        let older =
            vec![doc! { "detected_at": { "$lt": at } }, doc! { "detected_at": at, "id": { "$lt": id } }];
        wanted.insert("$or", older);
    }
    wanted
}

impl Store {
    /// A page of leaks, newest first. What cannot be read is left out, and the log names it.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn leaks(&self, filter: &Filter, status: Option<Status>) -> Result<Vec<LeakEvent>, Error> {
        let wanted = matching(filter, status.map(|status| names::LEAK_STATUSES.name(status)));
        let found = self.page(LEAKS, wanted, filter.page).await?;
        Ok(found.into_iter().filter_map(|document| readable(leaks::read(document))).collect())
    }

    /// A page of tampering events, newest first.
    ///
    /// # Errors
    /// As above.
    pub async fn tampering(
        &self,
        filter: &Filter,
        status: Option<tamper::Status>,
    ) -> Result<Vec<TamperingEvent>, Error> {
        let wanted = matching(filter, status.map(|status| names::TAMPERING_STATUSES.name(status)));
        let found = self.page(TAMPERING, wanted, filter.page).await?;
        Ok(found.into_iter().filter_map(|document| readable(tampering::read(document))).collect())
    }

    async fn page(&self, collection: &str, wanted: Document, many: usize) -> Result<Vec<Document>, Error> {
        let newest_first = doc! { "detected_at": -1, "id": -1 };
        let many = i64::try_from(many).unwrap_or(i64::MAX);
        self.documents(collection).find(wanted).sort(newest_first).limit(many).await?.try_collect().await
    }

    /// A page of open leaks that are expected to cost more than so many rupiah within 30 days, those that cost most first.
    ///
    /// # Errors
    /// As above.
    pub async fn worth(
        &self,
        more_than: i64,
        after: Option<(i64, &str)>,
        many: usize,
    ) -> Result<Vec<LeakEvent>, Error> {
        let mut wanted = doc! { "expected_saving": { "$gt": more_than } };
        if let Some((saving, id)) = after {
            let less = doc! { "expected_saving": { "$lt": saving } };
            wanted.insert("$or", vec![less, doc! { "expected_saving": saving, "id": { "$lt": id } }]);
        }
        let most_first = doc! { "expected_saving": -1, "id": -1 };
        let many = i64::try_from(many).unwrap_or(i64::MAX);
        let leaks = self.documents(LEAKS);
        let found: Vec<Document> =
            leaks.find(wanted).sort(most_first).limit(many).await?.try_collect().await?;
        Ok(found.into_iter().filter_map(|document| readable(leaks::read(document))).collect())
    }

    /// A leak.
    ///
    /// # Errors
    /// As above.
    pub async fn leak(&self, id: &str) -> Result<Option<LeakEvent>, Error> {
        self.documents(LEAKS).find_one(doc! { "id": id }).await?.map(leaks::read).transpose()
    }

    /// A tampering event.
    ///
    /// # Errors
    /// As above.
    pub async fn tampering_event(&self, id: &str) -> Result<Option<TamperingEvent>, Error> {
        self.documents(TAMPERING).find_one(doc! { "id": id }).await?.map(tampering::read).transpose()
    }

    /// The devices of a property that have been read lately.
    ///
    /// # Errors
    /// As above.
    pub async fn devices_of(&self, property_id: &str) -> Result<Vec<String>, Error> {
        let found = self.documents(WEEKS).distinct("device_id", doc! { "property_id": property_id }).await?;
        Ok(found.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
    }

    /// How many findings of each kind people confirmed, and how many they rejected.
    ///
    /// # Errors
    /// As above.
    pub async fn verdicts(&self) -> Result<Vec<(Kind, u32, u32)>, Error> {
        let count =
            |verdict: &str| doc! { "$sum": { "$cond": [{ "$eq": ["$decision.verdict", verdict] }, 1, 0] } };
        let stages = [
            doc! { "$match": { "decision": { "$type": "object" } } },
            doc! { "$group": {
                "_id": "$episode.kind",
                "confirmed": count("mended"),
                "rejected": count("not_a_leak"),
            } },
        ];
        let found: Vec<Document> = self.documents(LEAKS).aggregate(stages).await?.try_collect().await?;
        let number = |document: &Document, field: &str| {
            document.get_i32(field).ok().and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
        };
        let read = found.iter().filter_map(|document| {
            let kind = names::KINDS.named(document.get_str("_id").ok()?)?;
            Some((kind, number(document, "confirmed"), number(document, "rejected")))
        });
        Ok(read.collect())
    }

    /// How many leak events of each kind are open; of kinds without one, none.
    ///
    /// # Errors
    /// As above.
    pub async fn open_leaks(&self) -> Result<Vec<(Kind, u64)>, Error> {
        let stages = [
            doc! { "$match": { "open_for": { "$exists": true } } },
            doc! { "$group": { "_id": "$episode.kind", "events": { "$sum": 1_i64 } } },
        ];
        let found: Vec<Document> = self.documents(LEAKS).aggregate(stages).await?.try_collect().await?;
        let open = |kind: &str| {
            let of_kind = found.iter().find(|counted| counted.get_str("_id").is_ok_and(|name| name == kind));
            of_kind
                .and_then(|counted| u64::try_from(counted.get_i64("events").ok()?).ok())
                .unwrap_or_default()
        };
        Ok(names::KINDS.all().map(|(kind, name)| (kind, open(name))).collect())
    }
}
