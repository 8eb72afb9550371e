//! Routes that begin, continue and end sessions.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Gateway;
use super::extract::{ClientAddress, Json};
use super::problem::Problem;
use crate::app::{Caller, Tokens};
use crate::domain::user::User;

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
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
pub struct RefreshRequest {
    /// The one received last.
    #[schema(example = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ", write_only)]
    refresh_token: String,
}

/// What to go on with.
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// A JWT, to be sent as `Authorization: Bearer …`.
    #[schema(
        example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.bZ1h6y0n7m3kqkz1bK2mJ6sU8xkqk0q2v4o2y7m3w1A"
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

impl TokenResponse {
    fn new(tokens: Tokens, gateway: &Gateway) -> axum::Json<Self> {
        axum::Json(Self {
            access_token: tokens.access.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: gateway.app.lives.access.as_secs(),
            refresh_token: tokens.refresh.expose_secret().to_owned(),
            refresh_expires_in: gateway.app.lives.refresh.as_secs(),
            user: tokens.user,
        })
    }
}

/// Log in.
///
/// An unknown address and a wrong password are answered alike and in the same time. Attempts are limited by address
/// and by account.
#[utoipa::path(
    post,
    path = "/auth/login",
    tag = "sessions",
    security(()),
    request_body = Credentials,
    responses(
        (status = 200, description = "A session has begun.", body = TokenResponse),
        (status = 401, description = "There is no such pair of e-mail address and password."),
        (status = 403, description = "The account is deactivated."),
        (status = 429, description = "Too many attempts; `Retry-After` says how many seconds to wait."),
    ),
)]
pub async fn log_in(
    State(gateway): State<Gateway>,
    ClientAddress(from): ClientAddress,
    Json(Credentials { email, password }): Json<Credentials>,
) -> Result<axum::Json<TokenResponse>, Problem> {
    let tokens =
        gateway.app.log_in(&email, password.into(), from).await.map_err(|f| Problem::from(f).of_body())?;
    Ok(TokenResponse::new(tokens, &gateway))
}

/// Exchange a refresh token for the next pair of tokens.
///
/// Each refresh token counts once. One that is used again ends its session and every token that came of it.
#[utoipa::path(
    post,
    path = "/auth/refresh",
    tag = "sessions",
    security(()),
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The session goes on with these.", body = TokenResponse),
        (status = 401, description = "The token does not count, or not any more; log in again."),
    ),
)]
pub async fn refresh(
    State(gateway): State<Gateway>,
    Json(RefreshRequest { refresh_token }): Json<RefreshRequest>,
) -> Result<axum::Json<TokenResponse>, Problem> {
    let tokens = gateway.app.refresh(&refresh_token).await?;
    Ok(TokenResponse::new(tokens, &gateway))
}

/// Log out: end this session.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "sessions",
    responses((status = 204, description = "The session has ended.")),
)]
pub async fn log_out(State(gateway): State<Gateway>, caller: Caller) -> Result<StatusCode, Problem> {
    gateway.app.log_out(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Log out everywhere: end all sessions of the user, this one included.
#[utoipa::path(
    post,
    path = "/auth/logout-all",
    tag = "sessions",
    responses((status = 204, description = "All sessions have ended.")),
)]
pub async fn log_out_everywhere(
    State(gateway): State<Gateway>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    gateway.app.log_out_everywhere(&caller, false).await?;
    Ok(StatusCode::NO_CONTENT)
}
