//! How this interface answers: JSON that must not be cached.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use crate::http::ApiError;
use crate::http::state::AppState;

/// An error as this interface answers it: JSON with one line for people.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) ApiError);

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let line = self.0.line();
        let mut response = self.0.into_response();
        let line = if line.is_empty() { response.status().to_string() } else { line };
        let body = serde_json::json!({ "status": response.status().as_u16(), "error": line });
        *response.body_mut() = body.to_string().into();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// JSON that must not be cached.
pub(super) fn json(body: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

/// A value as JSON whose cost grows with the number of instances: such answers are made in turn.
pub(super) async fn in_turn<T: Serialize>(
    app: &AppState,
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<Response, Problem> {
    let made = move || serde_json::to_vec(&make()).map(Bytes::from).map_err(ApiError::internal);
    let response = app.pages.respond(made).await?;
    Ok(json(response))
}

/// A value as JSON.
pub(super) fn answer(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => json(body),
        Err(error) => Problem(ApiError::internal(error)).into_response(),
    }
}
