//! Logging in, going on, logging out, and knowing who is asking.

use std::net::IpAddr;
use std::sync::Arc;

use indowater_common::clock;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::credentials;
use super::mongo::Rotation;
use super::state::Sessions;
use super::token::{Claims, RefreshToken, SessionId};
use super::user::{Account, User, check_credentials};
use crate::access::Actor;
use crate::failure::{Failure, Unauthenticated};
use crate::observe::{Login, Refresh};

/// Who is asking, and in which session.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// In which session.
    pub session: SessionId,
}

/// What a client is given to go on with.
pub struct Tokens {
    /// Says who is asking; for every request.
    pub access: SecretString,
    /// For the next pair, once.
    pub refresh: SecretString,
    /// Whose they are.
    pub user: User,
}

impl Sessions {
    /// Begins a session for whoever knows the password.
    ///
    /// Whether the address is unknown or the password wrong, the answer is the same and takes as long.
    ///
    /// # Errors
    /// Not to be let in, or too often.
    pub async fn log_in(&self, email: &str, password: SecretString, from: IpAddr) -> Result<Tokens, Failure> {
        let email = check_credentials(email, &password)?;
        if let Err(wait) = self.limits.admit(from, &email) {
            self.observe.login(Login::Limited, from, None);
            return Err(Failure::TooMany(wait));
        }
        let account = self.store.account_by_email(&email).await?;
        let hashed = account.as_ref().map(|account| account.hashed_password.clone());
        let matches = self.passwords.verify(password.clone(), hashed).await?;
        let Some(account) = account.filter(|_| matches) else {
            self.observe.login(Login::Wrong, from, None);
            return Err(Failure::Unauthenticated(Unauthenticated::WrongCredentials));
        };
        if !account.user.is_active {
            self.observe.login(Login::Deactivated, from, Some(&account.user.id));
            return Err(Failure::Forbidden("This account is deactivated."));
        }
        let now = clock::now();
        self.renew_hash(&account, password, now).await?;
        let token = credentials::new_refresh_token();
        self.store.begin_session(&account.user.id, &token, now, self.session_end(now)).await?;
        self.observe.login(Login::Accepted, from, Some(&account.user.id));
        self.tokens(account.user, &token, now)
    }

    /// Replaces a hash that was made at another cost, now that the password is at hand. Besides being stronger, hashes
    /// of one cost are what makes an unknown address and a wrong password take the same time.
    async fn renew_hash(
        &self,
        account: &Account,
        password: SecretString,
        now: Timestamp,
    ) -> Result<(), Failure> {
        // A password longer than bcrypt reads was set elsewhere and cut there; it stays as it is.
        if self.passwords.is_outdated(&account.hashed_password) && password.expose_secret().len() < 72 {
            let renewed = self.passwords.hash(password).await?;
            self.store.replace_password(account, &renewed, now).await?;
        }
        Ok(())
    }

    /// The next pair of tokens for a refresh token that was not used before. One that was ends its session, with all
    /// that came of it: two hold it, and which of them stole it nobody can tell.
    ///
    /// # Errors
    /// No token that counts.
    pub async fn refresh(&self, presented: &str) -> Result<Tokens, Failure> {
        let ended = Failure::Unauthenticated(Unauthenticated::Ended);
        let Some(presented) = RefreshToken::parse(presented) else {
            self.observe.refresh(Refresh::Unknown);
            return Err(Failure::Unauthenticated(Unauthenticated::Bad));
        };
        let session = presented.session();
        let next = presented.next(credentials::new_secret());
        let now = clock::now();
        let user = match self.store.rotate(&presented, &next, now, self.session_end(now)).await? {
            Rotation::Done(user) => user,
            Rotation::Reused(user) => {
                self.standings.invalidate(&session).await;
                self.observe.reuse(&session, &user);
                return Err(ended);
            }
            Rotation::Unknown => {
                self.observe.refresh(Refresh::Unknown);
                return Err(ended);
            }
        };
        let account = self.store.account_by_id(&user).await?.filter(|account| account.user.is_active);
        let Some(account) = account else {
            self.store.end_session(&session).await?;
            self.observe.refresh(Refresh::Deactivated);
            return Err(ended);
        };
        self.observe.refresh(Refresh::Rotated);
        self.tokens(account.user, &next, now)
    }

    /// Ends the session.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn log_out(&self, caller: &Caller) -> Result<(), Failure> {
        self.store.end_session(&caller.session).await?;
        self.standings.invalidate(&caller.session).await;
        Ok(())
    }

    /// Ends all sessions of the caller, but for this one if it is to stay.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn log_out_everywhere(&self, caller: &Caller, stay: bool) -> Result<(), Failure> {
        let staying = stay.then_some(&caller.session);
        self.store.end_sessions(&caller.actor.id, staying).await?;
        let user = caller.actor.id.clone();
        let theirs =
            move |_: &SessionId, actor: &Option<Actor>| actor.as_ref().is_some_and(|actor| actor.id == user);
        if let Err(error) = self.standings.invalidate_entries_if(theirs) {
            tracing::error!(%error, "ended sessions are remembered for some seconds");
        }
        Ok(())
    }

    /// Who is asking.
    ///
    /// # Errors
    /// Nobody we know, or not any more.
    pub async fn authenticate(&self, token: &str) -> Result<Caller, Failure> {
        let claims = self.signer.read(token).ok_or(Failure::Unauthenticated(Unauthenticated::Bad))?;
        let now = clock::now();
        claims.check(now).map_err(Failure::Unauthenticated)?;
        let standing = self.store.standing(&claims.sid, &claims.sub, now);
        let standing = self.standings.try_get_with_by_ref(&claims.sid, standing).await;
        let standing = standing.map_err(Arc::unwrap_or_clone)?;
        // The role is the one the user has now, not the one the token was made with.
        let actor = standing.filter(|actor| actor.id == claims.sub);
        let actor = actor.ok_or(Failure::Unauthenticated(Unauthenticated::Ended))?;
        Ok(Caller { actor, session: claims.sid })
    }

    fn tokens(&self, user: User, refresh: &RefreshToken, now: Timestamp) -> Result<Tokens, Failure> {
        let claims = Claims::new(&user.actor(), refresh.session(), now, self.lives.access);
        let access = self.signer.sign(&claims)?.into();
        Ok(Tokens { access, refresh: refresh.reveal().into(), user })
    }

    fn session_end(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.lives.refresh).unwrap_or(Timestamp::MAX)
    }
}
