//! Beginning, continuing and ending sessions.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use crate::access::Role;
use crate::http::extract::{ClientAddress, Json};
use crate::http::reply::{Answer, BodyAnswer, Reply, show};
use crate::session::user::User;
use crate::session::{Caller, Tokens};
use crate::wire::Shown;

/// The routes that need no token.
pub fn open_routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(log_in)).routes(routes!(refresh))
}

/// The routes that need one.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(log_out)).routes(routes!(log_out_everywhere))
}

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// E-mail address; case does not matter.
    #[schema(example = "customer@indowater.com", format = Email)]
    email: String,
    /// Password.
    #[schema(example = "kata sandi yang panjang", format = Password, write_only)]
    password: String,
}

/// A refresh token to be exchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshRequest {
    /// The one received last.
    #[schema(example = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ", write_only)]
    refresh_token: String,
}

/// What to go on with.
#[derive(Serialize, ToSchema)]
struct TokenResponse {
    /// A JWT, to be sent as `Authorization: Bearer …`.
    #[schema(
        example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9.e30.bZ1h6y0n7m3kqkz1bK2mJ6sU8xkqk0q2v4o2y7m3w1A"
    )]
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// In how many seconds the access token is over.
    #[schema(example = 900)]
    expires_in: u64,
    /// For the next pair of tokens. It counts once: using it again ends the session, for then two hold it.
    #[schema(example = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ")]
    refresh_token: String,
    /// In how many seconds the session is over, unless it is refreshed before.
    #[schema(example = 2_592_000)]
    refresh_expires_in: u64,
    /// Who logged in.
    user: User,
}

impl Shown for TokenResponse {
    fn redact(&mut self, _: Role) {}
}

fn show_tokens<E: From<crate::failure::Failure>>(tokens: Tokens, gateway: &Gateway) -> Result<Reply, E> {
    let actor = tokens.user.actor();
    let response = TokenResponse {
        access_token: tokens.access.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_in: gateway.sessions.lives.access.as_secs(),
        refresh_token: tokens.refresh.expose_secret().to_owned(),
        refresh_expires_in: gateway.sessions.lives.refresh.as_secs(),
        user: tokens.user,
    };
    show(&actor, response)
}

/// Log in.
///
/// An unknown address and a wrong password are answered alike and in the same time. Attempts are limited by address
/// and by account.
#[utoipa::path(
    post, path = "/auth/login", tag = "sessions",
    security(()),
    request_body = Credentials,
    responses(
        (status = 200, description = "A session has begun.", body = TokenResponse),
        (status = 401, description = "There is no such pair of e-mail address and password."),
        (status = 403, description = "The account is deactivated."),
        (status = 429, description = "Too many attempts; `Retry-After` says how many seconds to wait."),
    ),
)]
async fn log_in(
    State(gateway): State<Gateway>,
    ClientAddress(from): ClientAddress,
    Json(Credentials { email, password }): Json<Credentials>,
) -> BodyAnswer {
    show_tokens(gateway.sessions.log_in(&email, password.into(), from).await?, &gateway)
}

/// Exchange a refresh token for the next pair of tokens.
///
/// Each refresh token counts once. One that is used again ends its session and every token that came of it.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "sessions",
    security(()),
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The session goes on with these.", body = TokenResponse),
        (status = 401, description = "The token does not count, or not any more; log in again."),
    ),
)]
async fn refresh(
    State(gateway): State<Gateway>,
    Json(RefreshRequest { refresh_token }): Json<RefreshRequest>,
) -> BodyAnswer {
    show_tokens(gateway.sessions.refresh(&refresh_token).await?, &gateway)
}

/// Log out: end this session.
#[utoipa::path(
    post, path = "/auth/logout", tag = "sessions",
    responses((status = 204, description = "The session has ended.")),
)]
async fn log_out(State(gateway): State<Gateway>, caller: Caller) -> Answer {
    gateway.sessions.log_out(&caller).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Log out everywhere: end all sessions of the user, this one included.
#[utoipa::path(
    post, path = "/auth/logout-all", tag = "sessions",
    responses((status = 204, description = "All sessions have ended.")),
)]
async fn log_out_everywhere(State(gateway): State<Gateway>, caller: Caller) -> Answer {
    gateway.sessions.log_out_everywhere(&caller, false).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
