//! The public keys that access tokens are checked with, where OAuth servers have them: `/.well-known/jwks.json`.
//!
//! It stands beside the API and not in its document: libraries that check tokens look there.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

use crate::session::Signer;

/// For how long others may go on with what they read: a new key is published for longer before it signs.
const KEPT: &str = "public, max-age=300";

/// The route.
pub fn router<S: Clone + Send + Sync + 'static>(signer: Signer) -> Router<S> {
    Router::new().route("/.well-known/jwks.json", get(keys)).with_state(signer)
}

async fn keys(State(signer): State<Signer>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, KEPT)], Json(signer.published()))
}
