//! `water_saving_tips`: the data model's fields in Indonesian, and beside them English and what readers made of them.

use bson::{DateTime, Document, doc};
use futures::TryStreamExt;
use indowater_common::clock;
use indowater_common::domain::request::Page;
use indowater_common::mongo::{from_bson_time, is_duplicate_key, to_bson_time};
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};

use super::{Store, refused};
use crate::domain::inbox::Tip;
use crate::domain::request::Refusal;

const TIPS: &str = "water_saving_tips";
/// `tip|reader` of whoever found one helpful.
const READERS: &str = "tip_readers";

#[derive(Debug, Serialize, Deserialize)]
struct TipDocument {
    id: String,
    title: String,
    description: String,
    category: String,
    impact_level: String,
    estimated_savings: String,
    #[serde(default)]
    title_en: String,
    #[serde(default)]
    description_en: String,
    #[serde(default)]
    estimated_savings_en: String,
    created_at: DateTime,
    #[serde(default)]
    shown: i64,
    #[serde(default)]
    helpful: i64,
}

impl TipDocument {
    fn tip(self) -> Tip {
        Tip {
            id: self.id,
            title: self.title,
            description: self.description,
            category: self.category,
            impact_level: self.impact_level,
            estimated_savings: self.estimated_savings,
            title_en: self.title_en,
            description_en: self.description_en,
            estimated_savings_en: self.estimated_savings_en,
            created_at: from_bson_time(self.created_at),
            shown: self.shown,
            helpful: self.helpful,
        }
    }
}

impl Store {
    /// A page of tips in the order of ids, and the token of the next. They count as shown.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn tips(&self, category: Option<&str>, page: &Page) -> Result<(Vec<Tip>, String), Refusal> {
        let mut filter = doc! { "id": { "$gt": &page.after } };
        if let Some(category) = category {
            filter.insert("category", category);
        }
        let many = i64::try_from(page.size + 1).unwrap_or(i64::MAX);
        let collection = self.collection::<TipDocument>(TIPS);
        let tips = collection.find(filter).sort(doc! { "id": 1 }).limit(many).await.map_err(refused)?;
        let tips = tips.map_ok(TipDocument::tip).try_collect::<Vec<_>>().await.map_err(refused)?;
        let (tips, next) = page.cut(tips, |tip| tip.id.clone());
        let ids: Vec<&str> = tips.iter().map(|tip| &*tip.id).collect();
        let shown = doc! { "$inc": { "shown": 1_i64 } };
        let counted =
            self.collection::<Document>(TIPS).update_many(doc! { "id": { "$in": ids } }, shown).await;
        counted.map_err(refused)?;
        Ok((tips, next))
    }

    /// Makes a tip, or takes the place of the words of the one with its id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn put_tip(&self, tip: &Tip) -> Result<Tip, Refusal> {
        let words = doc! {
            "title": &tip.title,
            "description": &tip.description,
            "category": &tip.category,
            "impact_level": &tip.impact_level,
            "estimated_savings": &tip.estimated_savings,
            "title_en": &tip.title_en,
            "description_en": &tip.description_en,
            "estimated_savings_en": &tip.estimated_savings_en,
        };
        let new = doc! {
            "_id": &tip.id, "created_at": to_bson_time(clock::now()), "shown": 0_i64, "helpful": 0_i64,
        };
        let tips = self.collection::<TipDocument>(TIPS);
        let put =
            tips.find_one_and_update(doc! { "id": &tip.id }, doc! { "$set": words, "$setOnInsert": new });
        let stored = put.upsert(true).return_document(ReturnDocument::After).await.map_err(refused)?;
        stored.map(TipDocument::tip).ok_or_else(|| Refusal::NotFound(format!("tip {}", tip.id)))
    }

    /// Takes a tip away.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn delete_tip(&self, id: &str) -> Result<(), Refusal> {
        let deleted = self.collection::<Document>(TIPS).delete_one(doc! { "id": id }).await;
        match deleted.map_err(refused)?.deleted_count {
            0 => Err(Refusal::NotFound(format!("tip {id}"))),
            _ => Ok(()),
        }
    }

    /// A reader found a tip helpful, which counts once.
    ///
    /// # Errors
    /// As above.
    pub async fn tip_helped(&self, id: &str, user_id: &str) -> Result<Tip, Refusal> {
        let tips = self.collection::<TipDocument>(TIPS);
        let absent = || Refusal::NotFound(format!("tip {id}"));
        let tip = tips.find_one(doc! { "id": id }).await.map_err(refused)?.ok_or_else(absent)?;
        let vote = doc! { "_id": format!("{id}|{user_id}"), "at": to_bson_time(clock::now()) };
        match self.collection::<Document>(READERS).insert_one(vote).await {
            Ok(_) => {}
            Err(error) if is_duplicate_key(&error) => return Ok(tip.tip()),
            Err(error) => return Err(refused(error)),
        }
        let counted = tips.find_one_and_update(doc! { "id": id }, doc! { "$inc": { "helpful": 1_i64 } });
        let counted = counted.return_document(ReturnDocument::After).await.map_err(refused)?;
        counted.map(TipDocument::tip).ok_or_else(absent)
    }
}
