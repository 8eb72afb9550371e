//! Signatures of access tokens: Ed25519 keys, of which the first signs and all are accepted.
//!
//! A key's id is its RFC 7638 thumbprint, so nobody has to give it one. Keys change without logging anyone out: a new one
//! is added at the end and reaches all instances, then it comes first, and when the last token of the old one is over, that
//! one goes. Others check our tokens with the public halves ([`Signer::published`]) and can make none.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};

use super::token::Claims;
use crate::failure::Failure;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Signs and reads access tokens. Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    keys: Arc<Vec<Key>>,
    validation: Validation,
}

struct Key {
    id: String,
    sign: EncodingKey,
    check: DecodingKey,
    public: Jwk,
}

impl Signer {
    /// A signer with these keys, the first of which signs; all instances share them.
    ///
    /// # Errors
    /// There is none, one is no Ed25519 key, or one is there twice. No part of them is said.
    pub fn new(keys: &SecretString) -> Result<Self, String> {
        let keys = split(keys)?.into_iter().enumerate().map(|(at, key)| Key::read(&key).ok_or(at + 1));
        let keys = keys.collect::<Result<Vec<_>, usize>>();
        let keys = keys.map_err(|at| format!("number {at} is no Ed25519 key"))?;
        if let Some(twice) = (1..keys.len()).find(|at| keys[..*at].iter().any(|key| key.id == keys[*at].id)) {
            return Err(format!("number {} is there twice", twice + 1));
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Time and issuer are the domain's to check, against the time it is given.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Ok(Self { keys: Arc::new(keys), validation })
    }

    /// The token that says `claims`.
    ///
    /// # Errors
    /// The library cannot sign, which it always can with this algorithm.
    pub fn sign(&self, claims: &Claims) -> Result<String, Failure> {
        let first = self.keys.first().ok_or(Failure::Broken("token signer"))?;
        let header = Header { kid: Some(first.id.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &first.sign).map_err(|error| {
            tracing::error!(%error, "an access token cannot be signed");
            Failure::Broken("token signer")
        })
    }

    /// What a token says, if it was signed by us. Whether it still counts is for [`Claims::check`].
    pub fn read(&self, token: &str) -> Option<Claims> {
        let id = jsonwebtoken::decode_header(token).ok()?.kid?;
        let key = self.keys.iter().find(|key| key.id == id)?;
        jsonwebtoken::decode(token, &key.check, &self.validation).ok().map(|data| data.claims)
    }

    /// The public halves of all keys, for those who check tokens of ours.
    pub fn published(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().map(|key| key.public.clone()).collect() }
    }
}

impl Key {
    fn read(encoded: &SecretString) -> Option<Self> {
        let der = STANDARD.decode(encoded.expose_secret()).ok()?;
        let sign = EncodingKey::from_ed_der(&der);
        let mut public = Jwk::from_encoding_key(&sign, Algorithm::EdDSA).ok()?;
        let id = public.thumbprint(ThumbprintHash::SHA256).ok()?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let check = DecodingKey::from_jwk(&public).ok()?;
        Some(Self { id, sign, check, public })
    }
}

/// The keys one by one, each as base64 of its PKCS #8 form: they are given so, separated by spaces or commas, or as PEM.
///
/// # Errors
/// There is none.
pub fn split(keys: &SecretString) -> Result<Vec<SecretString>, String> {
    let text = keys.expose_secret();
    let found: Vec<SecretString> = if text.contains("-----") {
        let blocks = text.split(BEGIN).skip(1).filter_map(|rest| rest.split_once(END));
        blocks.map(|(body, _)| body.split_whitespace().collect::<String>().into()).collect()
    } else {
        let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        words.map(SecretString::from).collect()
    };
    if found.is_empty() { Err("it holds no private key".to_owned()) } else { Ok(found) }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::Timestamp;

    use super::super::token::SessionId;
    use super::*;
    use crate::access::{Actor, Role, UserId};

    /// Two keys that `openssl genpkey -algorithm ed25519 -outform DER | openssl base64 -A` made.
    pub const KEYS: [&str; 2] = [
        "MC4CAQAwBQYDK2VwBCIEIGHGik/M0OiT4hmk4QtM54329J1S7ussnQEJsXEuyCW+",
        "MC4CAQAwBQYDK2VwBCIEIGmvdosJERvECi+VnmWGCSwz7r+hNNK7ZJCgrJ79b6pA",
    ];

    fn signer(keys: &[&str]) -> Signer {
        Signer::new(&keys.join(",").into()).unwrap()
    }

    fn claims() -> Claims {
        let actor = Actor { id: UserId::new("customer-001").unwrap(), role: Role::Customer };
        Claims::new(&actor, SessionId::new("s"), Timestamp::UNIX_EPOCH, Duration::from_secs(900))
    }

    #[test]
    fn a_token_says_what_was_signed_even_when_it_is_over() {
        let signer = signer(&KEYS[..1]);
        assert_eq!(signer.read(&signer.sign(&claims()).unwrap()), Some(claims()));
    }

    #[test]
    fn a_token_that_was_touched_is_none() {
        let signer = signer(&KEYS[..1]);
        let token = signer.sign(&claims()).unwrap();
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
        let plain = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let admin = URL_SAFE_NO_PAD.encode(plain(payload).replace("\"customer\"", "\"admin\""));
        let other = |algorithm: &str| URL_SAFE_NO_PAD.encode(plain(header).replace("EdDSA", algorithm));
        let other_key = self::signer(&KEYS[1..]).sign(&claims()).unwrap();
        let other_signature = other_key.rsplit('.').next().unwrap();
        // Signed with the public key as a secret, which everyone can read.
        let public =
            serde_json::to_value(signer.published()).unwrap()["keys"][0]["x"].as_str().unwrap().to_owned();
        let mut confused = Header::new(Algorithm::HS256);
        confused.kid = jsonwebtoken::decode_header(&token).unwrap().kid;
        let secret = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(public).unwrap());
        let nameless = Header::new(Algorithm::EdDSA);
        let sign = Key::read(&KEYS[0].into()).unwrap().sign;
        for forged in [
            format!("{header}.{admin}.{signature}"),
            format!("{}.{payload}.", other("none")),
            format!("{}.{payload}.{signature}", other("none")),
            format!("{}.{payload}.{signature}", other("HS256")),
            format!("{header}.{payload}.{other_signature}"),
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            jsonwebtoken::encode(&confused, &claims(), &secret).unwrap(),
            jsonwebtoken::encode(&nameless, &claims(), &sign).unwrap(),
            other_key,
            String::new(),
        ] {
            assert_eq!(signer.read(&forged), None, "{forged}");
        }
    }

    #[test]
    fn keys_change_without_a_token_that_does_not_count() {
        let [old, new] = KEYS;
        // Added, put first, and the old one taken away; instances are at most one step apart.
        let steps = [signer(&[old]), signer(&[old, new]), signer(&[new, old]), signer(&[new])];
        for pair in steps.windows(2) {
            for (signs, reads) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
                let token = signs.sign(&claims()).unwrap();
                // The last step waits for the end of what the old key signed, which the others signed no more.
                assert!(reads.read(&token).is_some());
            }
        }
        assert_eq!(steps[3].read(&steps[0].sign(&claims()).unwrap()), None);
    }

    #[test]
    fn what_is_published_is_public_and_named() {
        let published = serde_json::to_value(signer(&KEYS).published()).unwrap();
        let keys = published["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        for key in keys {
            assert_eq!((key["kty"].as_str(), key["crv"].as_str()), (Some("OKP"), Some("Ed25519")));
            assert_eq!((key["alg"].as_str(), key["use"].as_str()), (Some("EdDSA"), Some("sig")));
            assert!(key["kid"].is_string() && key["x"].is_string() && key.get("d").is_none(), "{key}");
        }
        let token = signer(&KEYS).sign(&claims()).unwrap();
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.as_deref(), keys[0]["kid"].as_str());
    }

    #[test]
    fn keys_are_read_as_openssl_writes_them_and_wrong_ones_are_named_not_shown() {
        let pem = KEYS.map(|key| format!("{BEGIN}\n{key}\n{END}\n")).concat();
        let ids = |signer: &Signer| signer.keys.iter().map(|key| key.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&Signer::new(&pem.into()).unwrap()), ids(&signer(&KEYS)));
        for (wrong, problem) in [
            (String::new(), "no private key"),
            ("a text of thirty-two private bytes".to_owned(), "number 1"),
            (format!("{} {}", KEYS[0], "cHJpdmF0ZQ=="), "number 2"),
            (format!("{0} {0}", KEYS[0]), "twice"),
        ] {
            let error = Signer::new(&wrong.into()).err().unwrap();
            assert!(error.contains(problem) && !error.contains("cHJ") && !error.contains("bytes"), "{error}");
        }
    }
}
