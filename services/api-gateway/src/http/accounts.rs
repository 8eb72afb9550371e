//! Routes about the user who is asking.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Gateway;
use super::extract::{ClientAddress, Json};
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::user::{ProfileChange, User};

/// Who am I.
#[utoipa::path(
    get,
    path = "/me",
    tag = "account",
    responses((status = 200, description = "The user who is asking.", body = User)),
)]
pub async fn me(State(gateway): State<Gateway>, caller: Caller) -> Result<axum::Json<User>, Problem> {
    Ok(axum::Json(gateway.app.profile(&caller).await?))
}

/// Change my profile.
///
/// What is absent stays as it is; `null` removes a telephone number or an address.
#[utoipa::path(
    patch,
    path = "/me",
    tag = "account",
    request_body = ProfileChange,
    responses((status = 200, description = "The user as it is now.", body = User)),
)]
pub async fn change_me(
    State(gateway): State<Gateway>,
    caller: Caller,
    Json(change): Json<ProfileChange>,
) -> Result<axum::Json<User>, Problem> {
    let user = gateway.app.change_profile(&caller, change).await.map_err(|f| Problem::from(f).of_body())?;
    Ok(axum::Json(user))
}

/// A password to be replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The present password.
    #[schema(example = "kata sandi yang panjang", format = Password, write_only)]
    old_password: String,
    /// The next one: at least 10 characters, at most 71 bytes.
    #[schema(example = "kata sandi yang lebih panjang", format = Password, write_only, min_length = 10, max_length = 71)]
    new_password: String,
}

/// Change my password. All other sessions end.
#[utoipa::path(
    post,
    path = "/me/password",
    tag = "account",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "The new password counts; all other sessions have ended."),
        (status = 409, description = "Another session changed it at the same time."),
        (status = 429, description = "Too many attempts; `Retry-After` says how many seconds to wait."),
    ),
)]
pub async fn change_password(
    State(gateway): State<Gateway>,
    ClientAddress(from): ClientAddress,
    caller: Caller,
    Json(PasswordChange { old_password, new_password }): Json<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let changed = gateway.app.change_password(&caller, old_password.into(), new_password.into(), from).await;
    changed.map_err(|failure| Problem::from(failure).of_body())?;
    Ok(StatusCode::NO_CONTENT)
}
