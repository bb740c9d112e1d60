//! `GET /api/v1/overview`: the registry at a glance.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::respond::{Problem, json};
use crate::http::state::AppState;

pub(super) async fn overview(State(app): State<Arc<AppState>>) -> Result<Response, Problem> {
    let encoded = app.overviews.current().await;
    Ok(json(app.pages.respond(move || Ok(encoded.json.clone())).await?))
}
