//! What proves who somebody is: password hashes, signatures of access tokens, and the chance in refresh tokens.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bcrypt::{BcryptError, HashParts};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::token::{Claims, RefreshToken, Secret};
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

/// Signs and reads access tokens.
#[derive(Clone)]
pub struct Signer {
    sign: EncodingKey,
    check: DecodingKey,
    validation: Validation,
}

impl Signer {
    /// A signer with the secret that all instances share.
    pub fn new(secret: &SecretString) -> Self {
        let secret = secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        // Time and issuer are the domain's to check, against the time it is given.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Self { sign: EncodingKey::from_secret(secret), check: DecodingKey::from_secret(secret), validation }
    }

    /// The token that says `claims`.
    ///
    /// # Errors
    /// The library cannot sign, which it always can with this algorithm.
    pub fn sign(&self, claims: &Claims) -> Result<String, Failure> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.sign).map_err(|error| {
            tracing::error!(%error, "an access token cannot be signed");
            Failure::Broken("token signer")
        })
    }

    /// What a token says, if it was signed by us. Whether it still counts is for [`Claims::check`].
    pub fn read(&self, token: &str) -> Option<Claims> {
        jsonwebtoken::decode(token, &self.check, &self.validation).ok().map(|data| data.claims)
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
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::Timestamp;

    use super::super::token::SessionId;
    use super::*;
    use crate::access::{Actor, Role, UserId};

    fn signer(secret: &str) -> Signer {
        Signer::new(&SecretString::from(secret))
    }

    fn claims() -> Claims {
        let actor = Actor { id: UserId::new("customer-001").unwrap(), role: Role::Customer };
        Claims::new(&actor, SessionId::new("s"), Timestamp::UNIX_EPOCH, Duration::from_secs(900))
    }

    #[test]
    fn a_token_says_what_was_signed_even_when_it_is_over() {
        let signer = signer("0123456789abcdef0123456789abcdef");
        assert_eq!(signer.read(&signer.sign(&claims()).unwrap()), Some(claims()));
    }

    #[test]
    fn a_token_that_was_touched_is_none() {
        let signer = signer("0123456789abcdef0123456789abcdef");
        let token = signer.sign(&claims()).unwrap();
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
        let admin = URL_SAFE_NO_PAD.encode(
            String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap())
                .unwrap()
                .replace("\"customer\"", "\"admin\""),
        );
        let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let other_algorithm = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS512","typ":"JWT"}"#);
        for forged in [
            format!("{header}.{admin}.{signature}"),
            format!("{unsigned}.{payload}."),
            format!("{unsigned}.{payload}.{signature}"),
            format!("{other_algorithm}.{payload}.{signature}"),
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            String::new(),
        ] {
            assert_eq!(signer.read(&forged), None, "{forged}");
        }
        assert_eq!(self::signer("another secret of thirty-two bytes").read(&token), None);
    }

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
