//! What log-ins, sessions and accounts need.

use std::time::Duration;

use moka::future::Cache;

use super::credentials::Passwords;
use super::limits::LoginLimits;
use super::mongo::Store;
use super::signer::Signer;
use super::token::SessionId;
use crate::access::Actor;
use crate::observe::Observe;

/// Sessions whose standing is remembered at most; what is beyond is asked for again.
const REMEMBERED_SESSIONS: u64 = 100_000;

/// Accounts and sessions, and what they need.
pub struct Sessions {
    /// Users and sessions, stored.
    pub store: Store,
    /// Password hashes.
    pub passwords: Passwords,
    /// Access tokens.
    pub signer: Signer,
    /// How often somebody may try to log in.
    pub limits: LoginLimits,
    /// Who may act in which session, for a few seconds.
    pub standings: Standings,
    /// How long tokens live.
    pub lives: Lives,
    /// What happens here.
    pub observe: Observe,
}

/// How long tokens live.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// An access token.
    pub access: Duration,
    /// A session, after its last refresh.
    pub refresh: Duration,
}

/// What is remembered of who may act in which session.
///
/// Why every request asks whether its session lives and its user is active, when a signed token could just be
/// believed: deactivation is to take effect at once, and a quarter of an hour is not at once. Why the answer is
/// remembered for a few seconds: a page makes a dozen requests, and the database need not be asked a dozen times.
/// What this instance ends it also forgets, so that the few seconds count only for what ended elsewhere.
pub type Standings = Cache<SessionId, Option<Actor>>;

/// Remembers for `life`.
pub fn standings(life: Duration) -> Standings {
    Cache::builder()
        .max_capacity(REMEMBERED_SESSIONS)
        .time_to_live(life)
        .support_invalidation_closures()
        .build()
}
