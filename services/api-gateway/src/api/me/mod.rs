//! The user who is asking.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use crate::http::extract::{ClientAddress, Json};
use crate::http::reply::{Answer, BodyAnswer, Reply, show};
use crate::session::Caller;
use crate::session::user::{ProfileChange, User};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(me, change_me)).routes(routes!(change_password))
}

/// Who am I.
#[utoipa::path(
    get, path = "/me", tag = "account",
    responses((status = 200, description = "The user who is asking.", body = User)),
)]
async fn me(State(gateway): State<Gateway>, caller: Caller) -> Answer {
    show(&caller.actor, gateway.sessions.profile(&caller).await?)
}

/// Change my profile.
///
/// What is absent stays as it is; `null` removes a telephone number or an address.
#[utoipa::path(
    patch, path = "/me", tag = "account",
    request_body = ProfileChange,
    responses((status = 200, description = "The user as it is now.", body = User)),
)]
async fn change_me(
    State(gateway): State<Gateway>,
    caller: Caller,
    Json(change): Json<ProfileChange>,
) -> BodyAnswer {
    show(&caller.actor, gateway.sessions.change_profile(&caller, change).await?)
}

/// A password to be replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    /// The present password.
    #[schema(example = "kata sandi yang panjang", format = Password, write_only)]
    old_password: String,
    /// The next one: at least 10 characters, at most 71 bytes.
    #[schema(example = "kata sandi yang lebih panjang", format = Password, write_only, min_length = 10, max_length = 71)]
    new_password: String,
}

/// Change my password. All other sessions end.
#[utoipa::path(
    post, path = "/me/password", tag = "account",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "The new password counts; all other sessions have ended."),
        (status = 409, description = "Another session changed it at the same time."),
        (status = 429, description = "Too many attempts; `Retry-After` says how many seconds to wait."),
    ),
)]
async fn change_password(
    State(gateway): State<Gateway>,
    ClientAddress(from): ClientAddress,
    caller: Caller,
    Json(PasswordChange { old_password, new_password }): Json<PasswordChange>,
) -> BodyAnswer {
    gateway.sessions.change_password(&caller, old_password.into(), new_password.into(), from).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
