//! What each meter told its area of its supply, as documents of `group_members`: written with the record that tells it.

use std::collections::HashMap;

use bson::{DateTime, Document, doc};
use futures::TryStreamExt;
use indowater_common::mongo::{seconds, time};
use mongodb::error::Error;
use serde::Deserialize;

use super::{ById, MEMBERS, Store, readable};
use crate::domain::member::Member;
use crate::domain::supply::{Spell, Told};

#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "_id")]
    device_id: String,
    area: String,
    revision: i64,
    left: bool,
    known_from: DateTime,
    spells: Vec<StoredSpell>,
    drops: Vec<i32>,
}

#[derive(Deserialize)]
struct StoredSpell {
    last_water: DateTime,
    from: DateTime,
    until: Option<DateTime>,
}

impl From<Stored> for Member {
    fn from(stored: Stored) -> Self {
        let spells = stored.spells.iter().map(|spell| Spell {
            last_water: seconds(spell.last_water),
            from: seconds(spell.from),
            until: spell.until.map_or(i64::MAX, seconds),
        });
        let told =
            Told { known_from: seconds(stored.known_from), spells: spells.collect(), drops: stored.drops };
        Self { area: stored.area.into(), told: (!stored.left).then_some(told), revision: stored.revision }
    }
}

/// The document of a member, as its next revision.
pub fn document(device_id: &str, member: &Member, now: DateTime) -> Document {
    let nothing = Told::default();
    let told = member.told.as_ref().unwrap_or(&nothing);
    let spells = told.spells.iter().map(|spell| {
        let until = (spell.until < i64::MAX).then(|| time(spell.until));
        doc! { "last_water": time(spell.last_water), "from": time(spell.from), "until": until }
    });
    doc! {
        "_id": device_id,
        "area": &*member.area,
        "revision": member.revision + 1,
        "left": member.told.is_none(),
        "known_from": time(told.known_from),
        "spells": spells.collect::<Vec<_>>(),
        "drops": told.drops.clone(),
        "updated_at": now,
    }
}

fn read(document: Document) -> Result<(String, Member), Error> {
    let id = document.get("_id").map(ToString::to_string).unwrap_or_default();
    let stored: Stored = bson::deserialize_from_document(document)
        .map_err(|error| Error::custom(format!("the document {id} of {MEMBERS}: {error}")))?;
    Ok((stored.device_id.clone(), stored.into()))
}

impl Store {
    /// What these devices told last.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn members(&self, devices: &[&str]) -> Result<ById<Member>, Error> {
        self.by_id(MEMBERS, devices, |stored: Stored| stored.into()).await
    }

    /// What the meters of an area told last. What cannot be read is left out, and the log names it.
    ///
    /// # Errors
    /// As above.
    pub async fn members_of(&self, area: &str) -> Result<HashMap<Box<str>, Member>, Error> {
        let mut found = self.documents(MEMBERS).find(doc! { "area": area }).await?;
        let mut members = HashMap::new();
        while let Some(document) = found.try_next().await? {
            if let Some((device_id, member)) = readable(read(document)) {
                members.insert(device_id.into(), member);
            }
        }
        Ok(members)
    }
}
