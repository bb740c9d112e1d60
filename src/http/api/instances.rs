//! `GET /api/v1/instances` and `/applications`, and one instance.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::changes::Change;
use super::query::{self, Parameters};
use super::respond::{Problem, in_turn, json};
use crate::console::instances::Instance;
use crate::http::state::AppState;
use crate::http::{ApiError, reads};
use crate::model::{AppName, InstanceKey};

pub(super) async fn applications(
    State(app): State<Arc<AppState>>,
    Query(parameters): Parameters,
) -> Result<Response, Problem> {
    let query = query::applications(&parameters)?;
    let console = Arc::clone(&app.console);
    in_turn(&app, move || console.applications(&query)).await
}

pub(super) async fn instances(
    State(app): State<Arc<AppState>>,
    Query(parameters): Parameters,
) -> Result<Response, Problem> {
    let query = query::instances(&parameters)?;
    let console = Arc::clone(&app.console);
    in_turn(&app, move || console.find(&query)).await
}

/// One instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceDetails {
    now: i64,
    instance: Option<Instance>,
    eureka: Option<Box<RawValue>>,
    history: Vec<Change>,
    changes_kept_since: Option<i64>,
}

pub(super) async fn instance(
    State(app): State<Arc<AppState>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((name, id)) = path.map_err(|_not_text| ApiError::BadParameter("the path is not UTF-8".to_owned()))?;
    let key = InstanceKey::new(&AppName::new(&name), &id);
    let state = Arc::clone(&app);
    let details = move || InstanceDetails::of(&state, &key)?.encode();
    Ok(json(app.pages.respond(details).await?))
}

impl InstanceDetails {
    fn of(app: &AppState, key: &InstanceKey) -> Result<Self, ApiError> {
        let (registry, now) = (&app.registry, app.now());
        let (lease, history) = (registry.lease(key.as_str()), registry.history(key.as_str()));
        if lease.is_none() && history.changes.is_empty() {
            return Err(ApiError::NotFound("no such instance is registered, and no changes of it are kept"));
        }
        let held = lease.map(|lease| (lease.record(), lease));
        let eureka = held.as_ref().map(|(record, lease)| reads::instance_json(&record.info, &lease.info(&record.info)));
        Ok(Self {
            now: now.0,
            instance: held.as_ref().map(|(record, lease)| Instance::of(&record.info, lease, now)),
            eureka: eureka.and_then(|text| RawValue::from_string(text).ok()),
            history: history.changes.iter().map(Change::of).collect(),
            changes_kept_since: history.kept_since.map(|at| at.0),
        })
    }

    fn encode(&self) -> Result<Bytes, ApiError> {
        serde_json::to_vec(self).map(Bytes::from).map_err(ApiError::internal)
    }
}
