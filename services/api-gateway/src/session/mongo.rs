//! The gateway's slice of the database: `users`, and in `refresh_tokens` one document for each session.
//!
//! A session lives exactly as long as its document: ending it is deleting that. Everything that must not happen twice
//! is one conditional write to one document, so that it holds under any concurrency without transactions.

use bson::{DateTime, Document, doc};
use futures::TryStreamExt;
use indowater_common::mongo::{from_bson_time, to_bson_time};
use jiff::Timestamp;
use mongodb::options::ReturnDocument;
use mongodb::{Collection, Database};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::token::{RefreshToken, SessionId};
use super::user::{Account, Email, ProfileChange, User};
use crate::access::{Actor, Role, UserId};
use crate::failure::Failure;
use crate::observe;

const DATABASE: &str = "database";

/// A user's document, as the data model has it. What an older system may have left out has a default: without a hash nobody can
/// sign in.
#[derive(Deserialize)]
struct UserDocument {
    id: String,
    email: String,
    full_name: String,
    #[serde(default)]
    hashed_password: SecretText,
    role: String,
    phone: Option<String>,
    address: Option<String>,
    is_active: bool,
    #[serde(default = "long_ago")]
    created_at: DateTime,
    #[serde(default = "long_ago")]
    updated_at: DateTime,
}

fn long_ago() -> DateTime {
    DateTime::from_millis(0)
}

/// A text that must not be printed.
#[derive(Default)]
struct SecretText(SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// A session's document.
#[derive(Serialize, Deserialize)]
struct SessionDocument {
    _id: String,
    user_id: String,
    /// SHA-256 of the secret in the only refresh token that counts.
    secret_sha256: String,
    created_at: DateTime,
    refreshed_at: DateTime,
    refreshes: i64,
    expires_at: DateTime,
}

/// What became of a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It counted, and counts no more: the session goes on with the next.
    Done(UserId),
    /// It had counted before. The session is ended.
    Reused(UserId),
    /// There is no such session, or its time is over.
    Unknown,
}

/// The gateway's collections. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    users: Collection<UserDocument>,
    sessions: Collection<SessionDocument>,
    /// All accounts there are, for tests without a database.
    #[cfg(test)]
    pub known: Option<Vec<Account>>,
}

impl Store {
    /// The collections in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            users: database.collection("users"),
            sessions: database.collection("refresh_tokens"),
            #[cfg(test)]
            known: None,
        }
    }

    /// The account of an e-mail address.
    ///
    /// # Errors
    /// The database does not answer, or the user is not what the data model says; so for all that follow.
    pub async fn account_by_email(&self, email: &Email) -> Result<Option<Account>, Failure> {
        self.account(doc! { "email": email.as_str() }).await
    }

    /// The account of a user.
    ///
    /// # Errors
    /// As above.
    pub async fn account_by_id(&self, id: &UserId) -> Result<Option<Account>, Failure> {
        #[cfg(test)]
        if let Some(known) = &self.known {
            return Ok(known.iter().find(|account| account.user.id == *id).cloned());
        }
        self.account(doc! { "id": id.as_str() }).await
    }

    async fn account(&self, filter: Document) -> Result<Option<Account>, Failure> {
        let found = self.users.find_one(filter).await.map_err(failed("read a user"))?;
        found.map(UserDocument::into_account).transpose()
    }

    /// The users that changed at that moment or later; all of them if none is given. One that cannot be read is left out, and told.
    ///
    /// # Errors
    /// As above.
    pub async fn changed_since(&self, since: Option<Timestamp>) -> Result<Vec<User>, mongodb::error::Error> {
        let filter = since.map_or(doc! {}, |since| doc! { "updated_at": { "$gte": to_bson_time(since) } });
        let found = self.users.clone_with_type::<Document>().find(filter).await?;
        let found: Vec<Document> = found.try_collect().await?;
        let read = |document: Document| {
            let id = document.get_str("id").unwrap_or("without an id").to_owned();
            let user =
                bson::deserialize_from_document::<UserDocument>(document).map_err(|error| error.to_string());
            let user = user.and_then(|user| user.into_account().map_err(|failure| format!("{failure:?}")));
            user.inspect_err(|why| tracing::error!(id, why, "a user cannot be read and is not told")).ok()
        };
        Ok(found.into_iter().filter_map(read).map(|account| account.user).collect())
    }

    /// Writes what a user changed about themselves, and returns the user as it is then.
    ///
    /// # Errors
    /// As above.
    pub async fn change_profile(
        &self,
        id: &UserId,
        change: &ProfileChange,
        now: Timestamp,
    ) -> Result<Option<User>, Failure> {
        let mut set = doc! { "updated_at": to_bson_time(now) };
        if let Some(full_name) = &change.full_name {
            set.insert("full_name", full_name);
        }
        if let Some(phone) = &change.phone {
            set.insert("phone", phone);
        }
        if let Some(address) = &change.address {
            set.insert("address", address);
        }
        let changed = self
            .users
            .find_one_and_update(doc! { "id": id.as_str() }, doc! { "$set": set })
            .return_document(ReturnDocument::After)
            .await
            .map_err(failed("change a profile"))?;
        Ok(changed.map(UserDocument::into_account).transpose()?.map(|account| account.user))
    }

    /// Replaces a password hash, unless somebody else did since it was read.
    ///
    /// # Errors
    /// As above.
    pub async fn replace_password(
        &self,
        old: &Account,
        new: &SecretString,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let unchanged =
            doc! { "id": old.user.id.as_str(), "hashed_password": old.hashed_password.expose_secret() };
        let set =
            doc! { "$set": { "hashed_password": new.expose_secret(), "updated_at": to_bson_time(now) } };
        let outcome = self.users.update_one(unchanged, set).await.map_err(failed("replace a password"))?;
        Ok(outcome.matched_count == 1)
    }

    /// Begins the session of a first refresh token.
    ///
    /// # Errors
    /// As above.
    pub async fn begin_session(
        &self,
        user: &UserId,
        token: &RefreshToken,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), Failure> {
        let session = SessionDocument {
            _id: token.session().as_str().to_owned(),
            user_id: user.as_str().to_owned(),
            secret_sha256: token.fingerprint(),
            created_at: to_bson_time(now),
            refreshed_at: to_bson_time(now),
            refreshes: 0,
            expires_at: to_bson_time(until),
        };
        self.sessions.insert_one(session).await.map_err(failed("begin a session"))?;
        Ok(())
    }

    /// Makes `next` the token that counts in place of `presented`. Of any number that present the same token at the
    /// same time one succeeds; the others have reused it, which ends the session.
    ///
    /// # Errors
    /// As above.
    pub async fn rotate(
        &self,
        presented: &RefreshToken,
        next: &RefreshToken,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Rotation, Failure> {
        let session = presented.session();
        let current = doc! {
            "_id": session.as_str(),
            "secret_sha256": presented.fingerprint(),
            "expires_at": { "$gt": to_bson_time(now) },
        };
        let rotated = doc! {
            "$set": {
                "secret_sha256": next.fingerprint(),
                "refreshed_at": to_bson_time(now),
                "expires_at": to_bson_time(until),
            },
            "$inc": { "refreshes": 1_i64 },
        };
        let done =
            self.sessions.find_one_and_update(current, rotated).await.map_err(failed("rotate a session"))?;
        if let Some(done) = done {
            return Ok(Rotation::Done(done.user()?));
        }
        // The handle is right (or the session is long gone) and the secret is not the current one: a token of the past.
        let spent = doc! { "_id": session.as_str(), "secret_sha256": { "$ne": presented.fingerprint() } };
        let ended = self.sessions.find_one_and_delete(spent).await.map_err(failed("end a session"))?;
        ended.map_or(Ok(Rotation::Unknown), |ended| Ok(Rotation::Reused(ended.user()?)))
    }

    /// Ends a session. That it is there no more is no failure.
    ///
    /// # Errors
    /// As above.
    pub async fn end_session(&self, session: &SessionId) -> Result<(), Failure> {
        self.sessions.delete_one(doc! { "_id": session.as_str() }).await.map_err(failed("end a session"))?;
        Ok(())
    }

    /// Ends all sessions of a user, but for one that may stay.
    ///
    /// # Errors
    /// As above.
    pub async fn end_sessions(&self, user: &UserId, but: Option<&SessionId>) -> Result<(), Failure> {
        let mut filter = doc! { "user_id": user.as_str() };
        if let Some(session) = but {
            filter.insert("_id", doc! { "$ne": session.as_str() });
        }
        self.sessions.delete_many(filter).await.map_err(failed("end sessions"))?;
        Ok(())
    }

    /// Who may act in a session of `user` at this moment: the user, while the session lives and the user is active.
    ///
    /// # Errors
    /// As above.
    pub async fn standing(
        &self,
        session: &SessionId,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<Actor>, Failure> {
        let live = doc! { "_id": session.as_str(), "user_id": user.as_str(), "expires_at": { "$gt": to_bson_time(now) } };
        let live = async { self.sessions.find_one(live).await.map_err(failed("read a session")) };
        let (live, account) = tokio::try_join!(live, self.account_by_id(user))?;
        Ok(account
            .filter(|account| live.is_some() && account.user.is_active)
            .map(|account| account.user.actor()))
    }
}

impl SessionDocument {
    fn user(&self) -> Result<UserId, Failure> {
        UserId::new(&self.user_id).ok_or_else(|| broken("a session without a user", &self._id))
    }
}

impl UserDocument {
    fn into_account(self) -> Result<Account, Failure> {
        let id = UserId::new(&self.id).ok_or_else(|| broken("a user without an id", &self.email))?;
        let role = Role::named(&self.role).ok_or_else(|| broken("a user with an unknown role", &self.id))?;
        let user = User {
            id,
            role,
            email: self.email,
            full_name: self.full_name,
            phone: self.phone,
            address: self.address,
            is_active: self.is_active,
            created_at: from_bson_time(self.created_at),
            updated_at: from_bson_time(self.updated_at),
        };
        Ok(Account { user, hashed_password: self.hashed_password.0 })
    }
}

fn broken(what: &'static str, id: &str) -> Failure {
    observe::database_broken(what, id);
    Failure::Broken(DATABASE)
}

/// The one mapping of the driver's errors.
fn failed(what: &'static str) -> impl FnOnce(mongodb::error::Error) -> Failure {
    use mongodb::error::ErrorKind;
    move |error| {
        observe::database_failed(what, &error);
        match error.kind.as_ref() {
            // A document that cannot be read does not mend by waiting.
            ErrorKind::BsonDeserialization(_) | ErrorKind::BsonSerialization(_) => Failure::Broken(DATABASE),
            _ => Failure::Unavailable(DATABASE),
        }
    }
}
