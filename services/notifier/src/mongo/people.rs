//! `people`: recipients, as the customers topic last told them.

use std::collections::HashMap;

use bson::{DateTime, doc};
use futures::TryStreamExt;
use indowater_common::clock;
use indowater_common::domain::zone::Zone;
use indowater_common::mongo::to_bson_time;
use mongodb::error::Error;
use serde::{Deserialize, Serialize};

use super::{Store, raw};
use crate::domain::ladder::Channel;
use crate::domain::person::{Language, Person, QuietHours, Role};

const PEOPLE: &str = "people";
/// `_id` is the token; it travels on no topic and stands in no log.
const TOKENS: &str = "push_tokens";

#[derive(Debug, Serialize, Deserialize)]
struct PersonDocument {
    #[serde(rename = "_id")]
    id: String,
    name: String,
    role: Role,
    is_active: bool,
    email: Option<String>,
    whatsapp: Option<String>,
    wants_push: bool,
    language: Language,
    time_zone: String,
    quiet: QuietHours,
    revision: i64,
    updated_at: DateTime,
    /// Addresses that are none any more, until the owner changes them.
    #[serde(default)]
    ended: Vec<Ended>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ended {
    channel: Channel,
    address: String,
    reason: String,
    at: DateTime,
}

impl PersonDocument {
    /// With the addresses only that are some.
    fn person(self) -> Person {
        let ended = |channel, address: &String| {
            self.ended.iter().any(|ended| ended.channel == channel && ended.address == *address)
        };
        Person {
            email: self.email.clone().filter(|address| !ended(Channel::Email, address)),
            whatsapp: self.whatsapp.clone().filter(|address| !ended(Channel::Whatsapp, address)),
            zone: Zone::named(&self.time_zone).unwrap_or(Zone::utc()),
            id: self.id,
            name: self.name,
            role: self.role,
            is_active: self.is_active,
            wants_push: self.wants_push,
            language: self.language,
            quiet: self.quiet,
            revision: self.revision,
        }
    }
}

impl Store {
    /// Keeps people, each where what is stored is older.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn keep_people(&self, people: &[Person]) -> Result<(), Error> {
        let at = to_bson_time(clock::now());
        let statements = people.iter().map(|person| {
            let Person { id, name, role, is_active, email, whatsapp, wants_push, .. } = person.clone();
            let (language, time_zone, quiet) = (person.language, person.zone.name().to_owned(), person.quiet);
            let (revision, updated_at, ended) = (person.revision, at, Vec::new());
            let document = PersonDocument {
                id,
                name,
                role,
                is_active,
                email,
                whatsapp,
                wants_push,
                language,
                time_zone,
                quiet,
                revision,
                updated_at,
                ended,
            };
            let mut fields = bson::serialize_to_document(&document)?;
            fields.remove("ended");
            // An older record than the stored one leaves it as it is.
            let is_newer = doc! { "$gt": [revision, { "$ifNull": ["$revision", 0_i64] }] };
            let merged = doc! { "$mergeObjects": ["$$ROOT", { "$literal": fields }] };
            let update = doc! { "$replaceWith": { "$cond": [is_newer, merged, "$$ROOT"] } };
            raw(&doc! { "q": { "_id": &person.id }, "u": [update], "upsert": true })
        });
        let statements = statements.collect::<Result<Vec<_>, Error>>()?;
        match indowater_common::mongo::update(&self.database, PEOPLE, statements).await?.into_iter().next() {
            Some(refusal) => Err(Error::custom(format!("a person could not be kept: {}", refusal.message))),
            None => Ok(()),
        }
    }

    /// These people, each named once; of whom nothing is known, what is assumed.
    ///
    /// # Errors
    /// As above.
    pub async fn people(&self, ids: &[&str]) -> Result<HashMap<String, Person>, Error> {
        let mut known = self.by_id::<PersonDocument>(PEOPLE, ids).await?;
        let of = |id: &&str| {
            let person = match known.remove(*id) {
                Some(Ok(document)) => document.person(),
                // Who cannot be read is reached in the inbox all the same.
                Some(Err(error)) => {
                    tracing::error!(error, "a person cannot be read");
                    Person::unknown(id)
                }
                None => Person::unknown(id),
            };
            ((*id).to_owned(), person)
        };
        Ok(ids.iter().map(of).collect())
    }

    /// The technicians and administrators who are there.
    ///
    /// # Errors
    /// As above.
    pub async fn staff(&self) -> Result<Vec<Person>, Error> {
        let roles = [Role::Technician.name(), Role::Admin.name()];
        let staff = doc! { "role": { "$in": roles.as_slice() }, "is_active": true };
        let found: Vec<PersonDocument> = self.collection(PEOPLE).find(staff).await?.try_collect().await?;
        Ok(found.into_iter().map(PersonDocument::person).collect())
    }

    /// The tokens of a person's phones.
    ///
    /// # Errors
    /// As above.
    pub async fn push_tokens(&self, user_id: &str) -> Result<Vec<String>, Error> {
        let tokens = self.collection::<bson::Document>(TOKENS).find(doc! { "user_id": user_id }).await?;
        let tokens: Vec<bson::Document> = tokens.try_collect().await?;
        Ok(tokens.iter().filter_map(|token| token.get_str("_id").map(str::to_owned).ok()).collect())
    }

    /// A phone is that person's, and nobody else's any more.
    ///
    /// # Errors
    /// As above.
    pub async fn keep_push_token(&self, user_id: &str, token: &str) -> Result<(), Error> {
        let kept = doc! { "$set": { "user_id": user_id, "updated_at": to_bson_time(clock::now()) } };
        let tokens = self.collection::<bson::Document>(TOKENS);
        tokens.update_one(doc! { "_id": token }, kept).upsert(true).await.map(drop)
    }

    /// A phone takes nothing any more.
    ///
    /// # Errors
    /// As above.
    pub async fn forget_push_token(&self, token: &str) -> Result<(), Error> {
        self.collection::<bson::Document>(TOKENS).delete_one(doc! { "_id": token }).await.map(drop)
    }

    /// A phone is not that person's any more.
    ///
    /// # Errors
    /// As above.
    pub async fn take_push_token(&self, user_id: &str, token: &str) -> Result<(), Error> {
        let theirs = doc! { "_id": token, "user_id": user_id };
        self.collection::<bson::Document>(TOKENS).delete_one(theirs).await.map(drop)
    }

    /// An address is none any more.
    ///
    /// # Errors
    /// As above.
    pub async fn end_address(
        &self,
        user_id: &str,
        channel: Channel,
        address: &str,
        reason: &str,
    ) -> Result<(), Error> {
        let at = to_bson_time(clock::now());
        let ended = bson::serialize_to_document(&Ended {
            channel,
            address: address.to_owned(),
            reason: reason.to_owned(),
            at,
        })?;
        let people = self.collection::<bson::Document>(PEOPLE);
        people.update_one(doc! { "_id": user_id }, doc! { "$push": { "ended": ended } }).await.map(drop)
    }
}
