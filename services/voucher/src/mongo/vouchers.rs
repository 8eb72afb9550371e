//! Vouchers and their use, as administrators and customers look at them.

use std::collections::HashMap;

use bson::{Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use indowater_common::domain::request::{Page, Problems};
use indowater_common::mongo::{from_bson_time, is_duplicate_key, to_bson_time};
use jiff::Timestamp;
use mongodb::Cursor;
use mongodb::error::Error;
use mongodb::options::ReturnDocument;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::documents::{UsageDocument, VoucherDocument};
use super::{Store, refused};
use crate::domain::list::{UsageFilter, VoucherFilter};
use crate::domain::redemption::{Question, Share, State, Usage};
use crate::domain::refusal::Refusal;
use crate::domain::voucher::{Status, Voucher};
use crate::observe;

/// So many of a voucher.
#[derive(Deserialize)]
struct Counted {
    #[serde(rename = "_id")]
    voucher_id: String,
    count: i64,
}

impl Store {
    /// Creates a voucher.
    ///
    /// # Errors
    /// Its code or id is taken, or the database does not answer.
    pub async fn create(&self, voucher: &Voucher, now: Timestamp) -> Result<(), Refusal> {
        match self.vouchers.insert_one(VoucherDocument::of(voucher, now)).await {
            Err(error) if is_duplicate_key(&error) => {
                let same_code = doc! { "code": &voucher.code };
                let taken = self.vouchers.count_documents(same_code).await.map_err(refused)? > 0;
                let (field, value) = if taken { ("code", &voucher.code) } else { ("id", &voucher.id) };
                Err(Refusal::Taken { field, value: value.clone() })
            }
            other => other.map(|_| ()).map_err(refused),
        }
    }

    /// The voucher of that id.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn by_id(&self, id: &str) -> Result<Voucher, Refusal> {
        self.one(doc! { "id": id }, id).await
    }

    /// The voucher of that code, as it is stored.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn by_code(&self, code: &str) -> Result<Voucher, Refusal> {
        self.one(doc! { "code": code }, code).await
    }

    async fn one(&self, filter: Document, what: &str) -> Result<Voucher, Refusal> {
        let found = self.vouchers.find_one(filter).await.map_err(refused)?;
        found.ok_or_else(|| Refusal::NotFound(what.to_owned()))?.try_into().map_err(unreadable)
    }

    /// A page of vouchers in the order of their ids, and the token of the next.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(
        &self,
        filter: &VoucherFilter,
        page: &Page,
        now: Timestamp,
    ) -> Result<(Vec<Voucher>, String), Refusal> {
        let mut wanted = Vec::new();
        if let Some(status) = filter.status {
            wanted.push(in_status(status, now));
        }
        if !filter.text.is_empty() {
            let like = doc! { "$regex": literal(&filter.text), "$options": "i" };
            wanted.push(doc! { "$or": [{ "code": like.clone() }, { "description": like }] });
        }
        if !page.after.is_empty() {
            wanted.push(doc! { "id": { "$gt": &page.after } });
        }
        let filter = if wanted.is_empty() {
            doc! {}
        } else {
            doc! { "$and": wanted }
        };
        let found =
            self.vouchers.clone_with_type().find(filter).sort(doc! { "id": 1 }).limit(one_more(page)).await;
        let vouchers =
            readable::<VoucherDocument, Voucher>(found.map_err(refused)?).await.map_err(refused)?;
        Ok(page.cut(vouchers, |voucher| voucher.id.clone()))
    }

    /// Takes a voucher out of use.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn deactivate(&self, id: &str) -> Result<Voucher, Refusal> {
        let inactive = doc! { "$set": { "status": Status::Inactive.name() } };
        let changed = self.vouchers.find_one_and_update(doc! { "id": id }, inactive);
        let changed = changed.return_document(ReturnDocument::After).await.map_err(refused)?;
        changed.ok_or_else(|| Refusal::NotFound(id.to_owned()))?.try_into().map_err(unreadable)
    }

    /// Writes down that the time of vouchers is over; returns of how many.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn expire(&self, now: Timestamp) -> Result<u64, Refusal> {
        let over = doc! { "status": Status::Active.name(), "valid_until": { "$lte": to_bson_time(now) } };
        let expired = doc! { "$set": { "status": Status::Expired.name() } };
        self.vouchers.update_many(over, expired).await.map(|done| done.modified_count).map_err(refused)
    }

    /// A page of redemptions, newest first, and the token of the next.
    ///
    /// # Errors
    /// A token that no page had, or the database does not answer.
    pub async fn usage(&self, wanted: &UsageFilter, page: &Page) -> Result<(Vec<Usage>, String), Refusal> {
        let mut filter = Document::new();
        for (field, value) in [("voucher_id", &wanted.voucher_id), ("customer_id", &wanted.customer_id)] {
            if let Some(value) = value {
                filter.insert(field, value);
            }
        }
        if !page.after.is_empty() {
            let (at, id) = after(&page.after)
                .ok_or_else(|| Refusal::from(Problems::of("page_token", "must be that of another page")))?;
            let at = to_bson_time(at);
            filter.insert(
                "$or",
                vec![doc! { "used_at": { "$lt": at } }, doc! { "used_at": at, "id": { "$lt": id } }],
            );
        }
        let newest_first = doc! { "used_at": -1, "id": -1 };
        let found = self.usage.clone_with_type().find(filter).sort(newest_first).limit(one_more(page)).await;
        let usage = readable::<UsageDocument, Usage>(found.map_err(refused)?).await.map_err(refused)?;
        Ok(page.cut(usage, |usage| format!("{}|{}", usage.used_at.as_millisecond(), usage.id)))
    }

    /// The vouchers that a question is about (the one with its code, or all that are in their time), each with what
    /// the customer has of it. Places whose time is up count as free.
    ///
    /// A document that cannot be read is passed over, so that one does not keep all customers from all vouchers.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn candidates(
        &self,
        question: &Question,
        now: Timestamp,
    ) -> Result<Vec<(Voucher, Share)>, Refusal> {
        self.find_candidates(question, now).await.map_err(refused)
    }

    async fn find_candidates(
        &self,
        question: &Question,
        now: Timestamp,
    ) -> Result<Vec<(Voucher, Share)>, Error> {
        let at = to_bson_time(now);
        let filter = match &question.code {
            Some(code) => doc! { "code": code },
            None => {
                let mut active = in_status(Status::Active, now);
                active.insert("valid_from", doc! { "$lte": at });
                active
            }
        };
        let documents = self.vouchers.clone_with_type().find(filter).await?;
        let vouchers = readable::<VoucherDocument, Voucher>(documents).await?;
        let customer = doc! { "customer_id": &question.customer_id };
        let used = counted(&self.usage, customer.clone()).await?;
        let held = |expires_at: Document| doc! { "state": State::Reserved.name(), "expires_at": expires_at };
        let overdue = counted(&self.reservations, held(doc! { "$lte": at })).await?;
        let mut own = held(doc! { "$gt": at });
        own.extend(customer);
        let own = counted(&self.reservations, own).await?;
        let count = |counts: &HashMap<String, i64>, id: &str| counts.get(id).copied().unwrap_or(0);
        let candidate = |mut voucher: Voucher| {
            // The three were not read at one moment.
            voucher.reserved_count = (voucher.reserved_count - count(&overdue, &voucher.id)).max(0);
            let share = Share { used: count(&used, &voucher.id), reserved: count(&own, &voucher.id) };
            (voucher, share)
        };
        Ok(vouchers.into_iter().map(candidate).collect())
    }
}

/// The documents that can be read: one that is spoilt does not hide the others.
async fn readable<D, T>(mut documents: Cursor<RawDocumentBuf>) -> Result<Vec<T>, Error>
where
    D: DeserializeOwned,
    T: TryFrom<D, Error: std::error::Error>,
{
    let mut found = Vec::new();
    while let Some(document) = documents.try_next().await? {
        match bson::deserialize_from_slice::<D>(document.as_bytes()) {
            Ok(document) => match T::try_from(document) {
                Ok(value) => found.push(value),
                Err(error) => observe::document_unreadable(&error),
            },
            Err(error) => observe::document_unreadable(&error),
        }
    }
    Ok(found)
}

/// How many documents of each voucher there are.
async fn counted<D: Send + Sync>(
    collection: &mongodb::Collection<D>,
    filter: Document,
) -> Result<HashMap<String, i64>, Error> {
    let count = doc! { "_id": "$voucher_id", "count": { "$sum": 1_i64 } };
    let stages = [doc! { "$match": filter }, doc! { "$group": count }];
    let counts: Vec<Counted> =
        collection.aggregate(stages).with_type::<Counted>().await?.try_collect().await?;
    Ok(counts.into_iter().map(|counted| (counted.voucher_id, counted.count)).collect())
}

/// What is stored lags behind the clock by a sweep, so the clock is asked too.
fn in_status(status: Status, now: Timestamp) -> Document {
    let (active, at) = (Status::Active.name(), to_bson_time(now));
    match status {
        Status::Active => doc! { "status": active, "valid_until": { "$gt": at } },
        Status::Expired => doc! { "$or": [
            { "status": status.name() },
            { "status": active, "valid_until": { "$lte": at } },
        ] },
        Status::Depleted | Status::Inactive => doc! { "status": status.name() },
    }
}

/// A pattern that matches `text` and nothing else.
fn literal(text: &str) -> String {
    text.chars().fold(String::new(), |mut pattern, letter| {
        if letter.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(letter);
        pattern
    })
}

/// One more than the page tells whether there is another.
fn one_more(page: &Page) -> i64 {
    i64::try_from(page.size).unwrap_or(i64::MAX).saturating_add(1)
}

fn after(token: &str) -> Option<(Timestamp, &str)> {
    let (at, id) = token.split_once('|')?;
    let at = bson::DateTime::from_millis(at.parse().ok()?);
    Some((from_bson_time(at), id))
}

fn unreadable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_its_text_only() {
        assert_eq!(literal("10% (new).*"), "10\\% \\(new\\)\\.\\*");
    }

    #[test]
    fn a_token_says_when_and_which() {
        let (at, id) = after("1760000000123|usage-payment-1").unwrap();
        assert_eq!((at.as_millisecond(), id), (1_760_000_000_123, "usage-payment-1"));
        assert_eq!(after("usage-payment-1"), None);
    }
}
