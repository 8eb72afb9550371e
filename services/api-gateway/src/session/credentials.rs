//! What proves who somebody is: password hashes, and the chance in refresh tokens.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bcrypt::{BcryptError, HashParts};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::token::{RefreshToken, Secret};
use crate::failure::Failure;

/// How long a log-in waits for a free worker before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who is blamed when no worker is free.
const WORKERS: &str = "log-in";

/// Hashes and checks passwords, a bounded number at a time and never on the threads that serve requests: a hash takes
/// a quarter of a second of a core on purpose, and a flood of log-ins must not become a flood of those.
#[derive(Clone)]
pub struct Passwords {
    workers: Arc<Semaphore>,
    patience: Duration,
    cost: u32,
    /// Checked where there is no account, so that the answer takes as long as for a wrong password.
    decoy: SecretString,
}

impl Passwords {
    /// Takes as long as one hash.
    ///
    /// # Errors
    /// A cost that bcrypt refuses.
    pub fn new(cost: u32, workers: NonZeroUsize) -> Result<Self, BcryptError> {
        let decoy = bcrypt::hash(rand::random::<[u8; 32]>(), cost)?.into();
        Ok(Self { workers: Arc::new(Semaphore::new(workers.get())), patience: PATIENCE, cost, decoy })
    }

    /// Whether `password` is the one `hashed`. Without a hash it never is, and that takes as long to say.
    ///
    /// # Errors
    /// All workers are busy, or the stored hash is none.
    pub async fn verify(
        &self,
        password: SecretString,
        hashed: Option<SecretString>,
    ) -> Result<bool, Failure> {
        // One who was never given a password has none.
        let hashed = hashed.filter(|hashed| !hashed.expose_secret().is_empty());
        let known = hashed.is_some();
        let hashed = hashed.unwrap_or_else(|| self.decoy.clone());
        let matches =
            self.work(move || bcrypt::verify(password.expose_secret(), hashed.expose_secret())).await?;
        Ok(known && matches)
    }

    /// The hash to store.
    ///
    /// # Errors
    /// All workers are busy, or the password is longer than bcrypt reads.
    pub async fn hash(&self, password: SecretString) -> Result<SecretString, Failure> {
        let cost = self.cost;
        self.work(move || bcrypt::non_truncating_hash(password.expose_secret(), cost))
            .await
            .map(SecretString::from)
    }

    /// Whether a hash was made at another cost than new ones are.
    pub fn is_outdated(&self, hashed: &SecretString) -> bool {
        HashParts::from_str(hashed.expose_secret()).is_ok_and(|parts| parts.get_cost() != self.cost)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, BcryptError> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = tokio::time::timeout(self.patience, self.workers.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Failure::Unavailable(WORKERS));
        };
        // The permit goes with the work: a client that hangs up does not end it, and it counts until it is done.
        let work = move || {
            let _permit: OwnedSemaphorePermit = permit;
            work()
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(error)) => {
                tracing::error!(%error, "a password hash cannot be used");
                Err(Failure::Broken("password store"))
            }
            Err(error) => {
                tracing::error!(%error, "a password worker died");
                Err(Failure::Broken("password store"))
            }
        }
    }
}

/// The first refresh token of a new session.
pub fn new_refresh_token() -> RefreshToken {
    RefreshToken::new(rand::random(), rand::random())
}

/// A new secret for the next refresh token of a session.
pub fn new_secret() -> Secret {
    rand::random()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passwords_are_checked_against_their_hash_and_a_decoy() {
        let passwords = Passwords::new(4, NonZeroUsize::MIN).unwrap();
        let hashed = passwords.hash("kata sandi".into()).await.unwrap();
        assert_eq!(passwords.verify("kata sandi".into(), Some(hashed.clone())).await, Ok(true));
        assert_eq!(passwords.verify("Kata sandi".into(), Some(hashed.clone())).await, Ok(false));
        assert_eq!(passwords.verify("kata sandi".into(), None).await, Ok(false));
        assert_eq!(passwords.verify("".into(), Some("".into())).await, Ok(false));
        assert!(!passwords.is_outdated(&hashed));
        assert!(Passwords::new(5, NonZeroUsize::MIN).unwrap().is_outdated(&hashed));
        let broken = passwords.verify("kata sandi".into(), Some("plain".into())).await;
        assert_eq!(broken, Err(Failure::Broken("password store")));
    }

    #[tokio::test]
    async fn a_hash_made_elsewhere_is_understood() {
        // Python's bcrypt, which the data model's first users were made with.
        let passwords = Passwords::new(4, NonZeroUsize::MIN).unwrap();
        let hashed = "$2b$04$5OJdMvXGNC1E3WWa0NTUJOYqsyBXtSPX3ZBFvNgUbkeZ4Vjkqz1Ze";
        assert!(passwords.verify("x".into(), Some(hashed.into())).await.is_ok());
    }

    #[tokio::test]
    async fn a_flood_is_told_to_come_again() {
        let passwords =
            Passwords { patience: Duration::ZERO, ..Passwords::new(4, NonZeroUsize::MIN).unwrap() };
        let _busy = passwords.workers.clone().acquire_owned().await.unwrap();
        assert_eq!(passwords.verify("x".into(), None).await, Err(Failure::Unavailable(WORKERS)));
    }

    #[test]
    fn no_two_refresh_tokens_are_alike() {
        let (first, second) = (new_refresh_token(), new_refresh_token());
        assert_ne!(first.session(), second.session());
        assert_ne!(first.fingerprint(), second.fingerprint());
    }
}
