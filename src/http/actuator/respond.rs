//! An answer of the actuator.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;

/// A document with Spring Boot's type.
pub(super) fn actuator(code: StatusCode, body: &Value) -> Response {
    let content_type = [(CONTENT_TYPE, "application/vnd.spring-boot.actuator.v3+json")];
    (code, content_type, body.to_string()).into_response()
}
