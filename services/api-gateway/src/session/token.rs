//! The two tokens of a session.
//!
//! An *access token* is a short-lived JWT that says who is asking and in which session. A *refresh token* is opaque:
//! a handle that names the session and stays, and a secret that is new with every use. The database holds neither,
//! only SHA-256 of both, so that a stolen copy of it opens nothing. Both are uniformly random, which is why a fast
//! hash without salt is enough.
//!
//! The handle is what makes reuse detectable without keeping spent tokens: nobody can name a session without having
//! held one of its refresh tokens, so a right handle with any secret but the current one is a token that was used
//! before, or a forgery by someone who saw one. Either way the session ends.
//!
//! A session's id is the hash of its handle. It can stand in access tokens and logs, for it leads back to nothing.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::access::{Actor, Role, UserId};
use crate::failure::Unauthenticated;

/// Who made our access tokens.
pub const ISSUER: &str = "indowater";

/// The id of a session: one log-in and all refreshes that follow from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionId(String);

impl SessionId {
    /// A session of that id, which otherwise comes only of a handle or of an access token.
    #[cfg(test)]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// Whose it is.
    pub sub: UserId,
    /// What that user was when it was made: for clients to choose their view by, never for us to decide by.
    pub role: Role,
    /// Its session.
    pub sid: SessionId,
    /// When it was made, seconds since the epoch.
    pub iat: i64,
    /// When it ends, seconds since the epoch.
    pub exp: i64,
}

impl Claims {
    /// The claims of `actor` in `session` from `now` on.
    pub fn new(actor: &Actor, session: SessionId, now: Timestamp, life: Duration) -> Self {
        let iat = now.as_second();
        let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        let exp = iat.saturating_add(life);
        Self { iss: ISSUER.to_owned(), sub: actor.id.clone(), role: actor.role, sid: session, iat, exp }
    }

    /// Whether a token with these claims, its signature already checked, counts at `now`.
    ///
    /// # Errors
    /// Made by somebody else, or over. There is no leeway: all instances that make and read tokens keep time, and a
    /// client is told the life as a duration.
    pub fn check(&self, now: Timestamp) -> Result<(), Unauthenticated> {
        if self.iss != ISSUER {
            return Err(Unauthenticated::Bad);
        }
        if now.as_second() >= self.exp { Err(Unauthenticated::Expired) } else { Ok(()) }
    }
}

const HANDLE: usize = 16;
const SECRET: usize = 32;

/// The random part of a new refresh token's handle.
pub type Handle = [u8; HANDLE];
/// The random secret of a refresh token.
pub type Secret = [u8; SECRET];

/// A refresh token. It has no `Debug`, so that it cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    handle: Handle,
    secret: Secret,
}

impl RefreshToken {
    /// The first token of a new session.
    pub const fn new(handle: Handle, secret: Secret) -> Self {
        Self { handle, secret }
    }

    /// The next token of the same session.
    pub const fn next(&self, secret: Secret) -> Self {
        Self { handle: self.handle, secret }
    }

    /// The token a client sent, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (handle, secret) = bytes.split_at_checked(HANDLE)?;
        Some(Self { handle: handle.try_into().ok()?, secret: secret.try_into().ok()? })
    }

    /// The token for its client.
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.handle.as_slice(), &self.secret].concat())
    }

    /// The session it belongs to.
    pub fn session(&self) -> SessionId {
        SessionId(digest(&self.handle))
    }

    /// What the database knows of its secret.
    pub fn fingerprint(&self) -> String {
        digest(&self.secret)
    }
}

fn digest(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_764_000_000, 0);

    fn claims() -> Claims {
        let actor = Actor { id: UserId::new("customer-001").unwrap(), role: Role::Customer };
        Claims::new(&actor, SessionId::new("s"), NOW, Duration::from_secs(900))
    }

    #[test]
    fn an_access_token_lives_exactly_its_life() {
        let claims = claims();
        for (seconds, expected) in [(0, Ok(())), (899, Ok(())), (900, Err(Unauthenticated::Expired))] {
            let then = Timestamp::from_second(NOW.as_second() + seconds).unwrap();
            assert_eq!(claims.check(then), expected, "after {seconds} s");
        }
        let foreign = Claims { iss: "somebody".to_owned(), ..claims };
        assert_eq!(foreign.check(NOW), Err(Unauthenticated::Bad));
    }

    #[test]
    fn claims_have_the_registered_names() {
        let json = serde_json::to_value(claims()).unwrap();
        let mut names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["exp", "iat", "iss", "role", "sid", "sub"]);
        assert_eq!((json["sub"].as_str(), json["role"].as_str()), (Some("customer-001"), Some("customer")));
    }

    #[test]
    fn a_refresh_token_comes_back_as_it_was_revealed() {
        let token = RefreshToken::new([7; 16], [9; 32]);
        assert!(RefreshToken::parse(&token.reveal()).unwrap() == token);
        assert_eq!(token.reveal().len(), 64);
        for wrong in ["", "x", "not base64!", &token.reveal()[..63], &format!("{}AAAA", token.reveal())] {
            assert!(RefreshToken::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_next_token_keeps_the_session_and_changes_the_secret() {
        let first = RefreshToken::new([7; 16], [9; 32]);
        let second = first.next([10; 32]);
        assert_eq!(first.session(), second.session());
        assert_ne!(first.fingerprint(), second.fingerprint());
        assert_ne!(first.session(), RefreshToken::new([8; 16], [9; 32]).session());
    }

    #[test]
    fn what_is_stored_gives_nothing_away() {
        let token = RefreshToken::new([7; 16], [9; 32]);
        let revealed = token.reveal();
        assert!(!revealed.contains(token.session().as_str()) && !revealed.contains(&token.fingerprint()));
        assert!(RefreshToken::parse(&token.fingerprint()).is_none());
    }
}
