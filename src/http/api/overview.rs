//! `GET /api/v1/overview`: the registry at a glance.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::respond::json;
use crate::http::state::AppState;

pub(super) async fn overview(State(app): State<Arc<AppState>>) -> Response {
    json(app.overviews.current().await.json.clone())
}
