//! `/actuator/loggers`: the levels of the log, read and set while the process runs, as Spring Boot has it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::info;

use super::respond::actuator;
use crate::http::ApiError;
use crate::http::state::AppState;
use crate::log_levels::{CURRENT, LEVELS, Level, NotSet};
use crate::registry::Caller;

/// Maximum bytes of a request that sets a level.
const MOST_BYTES: usize = 1024;

/// What `POST` is sent; without a level, the logger has again that of the configuration.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    configured_level: Option<String>,
}

/// `GET /actuator/loggers`
pub(super) async fn all() -> Response {
    let loggers: Map<String, Value> =
        CURRENT.all().into_iter().map(|(name, level)| (name.to_owned(), described(level))).collect();
    actuator(StatusCode::OK, &json!({ "levels": LEVELS, "loggers": loggers, "groups": {} }))
}

/// `GET /actuator/loggers/{name}`
pub(super) async fn one(Path(name): Path<String>) -> Response {
    match CURRENT.of(&name) {
        Some(level) => actuator(StatusCode::OK, &described(level)),
        None => ApiError::NotFound("no such logger").into_response(),
    }
}

/// `POST /actuator/loggers/{name}`. The path may be open to everybody, so this asks by itself who may write.
pub(super) async fn set(
    State(app): State<Arc<AppState>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if !app.security.may_change(&caller) {
        return Err(match caller.user {
            None => ApiError::Unauthorized,
            Some(_) => ApiError::Forbidden("setting log levels needs write access"),
        });
    }
    let body = app.bodies.read_at_most(MOST_BYTES, &headers, body).await?;
    let wanted: Wanted = serde_json::from_slice(&body)
        .map_err(|_error| ApiError::BadParameter("the body must be {\"configuredLevel\": LEVEL}".to_owned()))?;
    CURRENT.set(&name, wanted.configured_level.as_deref()).map_err(|error| match error {
        NotSet::UnknownLogger => ApiError::NotFound("no such logger"),
        NotSet::UnknownLevel => ApiError::BadParameter(format!("configuredLevel: one of {}", LEVELS.join(", "))),
        NotSet::Refused => ApiError::internal(error),
    })?;
    let level = wanted.configured_level.as_deref().unwrap_or("that of the configuration");
    info!(
        client.address = caller.address.map(tracing::field::display),
        user.name = caller.user.as_deref(),
        "{caller} set the log level of {name} to {level}"
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn described(level: Level) -> Value {
    let mut described = json!({ "effectiveLevel": level.effective });
    if let Some(configured) = level.configured {
        described["configuredLevel"] = configured.into();
    }
    described
}
