//! Page tokens. The service that owns a list makes its own; what a client gets is that one under a seal which binds it to
//! the caller and to the query, so that no page of another list, or made up, is ever mistaken for the next.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::Key;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Bytes of a seal: enough that nobody hits one by trying.
const SEAL: usize = 16;
/// Keeps these seals apart from whatever else the secret signs.
const PURPOSE: &[u8] = b"page token\0";

/// Seals and opens page tokens: the first key seals, each opens. Cheap to clone; all instances share the keys.
#[derive(Clone)]
pub struct Cursors(Vec<Hmac<Sha256>>);

/// Of which list, and for whom.
#[derive(Clone, Debug)]
pub struct Query(Vec<u8>);

impl Query {
    /// The list of `path` with these parameters, in any order, for `caller`.
    pub fn new(caller: &str, path: &str, mut parameters: Vec<(String, String)>) -> Self {
        parameters.sort();
        // JSON, for its parts cannot run into each other.
        Self(serde_json::to_vec(&(caller, path, parameters)).unwrap_or_default())
    }
}

impl Cursors {
    /// With keys made of secrets that all instances share.
    pub fn new(secrets: &[SecretString]) -> Self {
        let key = |secret: &SecretString| {
            let digest = Sha256::new().chain_update(PURPOSE).chain_update(secret.expose_secret()).finalize();
            let mut key = Key::<Hmac<Sha256>>::default();
            key[..digest.len()].copy_from_slice(&digest);
            Hmac::new(&key)
        };
        Self(secrets.iter().map(key).collect())
    }

    /// What each key makes of a token.
    fn macs(&self, query: &Query, token: &[u8]) -> impl Iterator<Item = Hmac<Sha256>> {
        let length = query.0.len().to_be_bytes();
        self.0
            .iter()
            .map(move |key| key.clone().chain_update(length).chain_update(&query.0).chain_update(token))
    }

    /// The page token of a client for a service's.
    pub fn seal(&self, query: &Query, token: &str) -> String {
        // Without a key there is no signer either, and the service did not start.
        let seal = self.macs(query, token.as_bytes()).next().map(|mac| mac.finalize().into_bytes());
        let seal = seal.unwrap_or_default();
        URL_SAFE_NO_PAD.encode([&seal[..SEAL], token.as_bytes()].concat())
    }

    /// The service's token for a client's; none if it was not given for this query.
    pub fn open(&self, query: &Query, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (seal, token) = bytes.split_at_checked(SEAL)?;
        self.macs(query, token).find_map(|mac| mac.verify_truncated_left(seal).ok())?;
        String::from_utf8(token.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_own_query_only() {
        let cursors = Cursors::new(&["0123456789abcdef0123456789abcdef".into()]);
        let query = |caller: &str, path: &str, status: &str| {
            Query::new(
                caller,
                path,
                vec![("status".to_owned(), status.to_owned()), ("a".to_owned(), "b".to_owned())],
            )
        };
        let own = query("customer-001", "/bills", "open");
        let sealed = cursors.seal(&own, "bill:7");
        assert_eq!(cursors.open(&own, &sealed).as_deref(), Some("bill:7"));
        for foreign in [
            query("customer-002", "/bills", "open"),
            query("customer-001", "/payments", "open"),
            query("customer-001", "/bills", "paid"),
        ] {
            assert_eq!(cursors.open(&foreign, &sealed), None, "{foreign:?}");
        }
        for garbage in
            ["", "made-up", "é", &sealed[1..], &sealed[..sealed.len() - 1], &URL_SAFE_NO_PAD.encode("bill:7")]
        {
            assert_eq!(cursors.open(&own, garbage), None, "{garbage}");
        }
        assert_eq!(Cursors::new(&["another secret".into()]).open(&own, &sealed), None);
        let changed = Cursors::new(&["another secret".into(), "0123456789abcdef0123456789abcdef".into()]);
        assert!(changed.open(&own, &sealed).is_some(), "it is opened after the keys changed");
        assert_ne!(changed.seal(&own, "bill:7"), sealed, "the first key seals");
        let turned = Query::new(
            "customer-001",
            "/bills",
            vec![("a".into(), "b".into()), ("status".into(), "open".into())],
        );
        assert!(cursors.open(&turned, &sealed).is_some(), "the order of parameters means nothing");
    }
}
