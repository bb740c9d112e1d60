//! `GET /api/v1/instances` and `/applications`, and one instance.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Serialize;
use serde_json::value::RawValue;

use super::changes::Change;
use super::query::{self, Parameters};
use super::respond::{Problem, in_turn, json};
use crate::console::csv;
use crate::console::instances::Instance;
use crate::http::state::AppState;
use crate::http::{ApiError, reads};
use crate::kubernetes::PodShown;
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
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if wants_table(&parameters, &headers)? {
        return table(&app, &parameters).await;
    }
    let query = query::instances(&parameters)?;
    let console = Arc::clone(&app.console);
    in_turn(&app, move || console.find(&query)).await
}

/// Whether CSV is wanted: by the parameter `format`, or by `Accept`.
fn wants_table(parameters: &[(String, String)], headers: &HeaderMap) -> Result<bool, ApiError> {
    let format = query::said(parameters).filter(|(name, _)| *name == "format").last();
    match format {
        Some((_, "csv")) => Ok(true),
        Some((_, "json")) => Ok(false),
        Some((name, other)) => Err(query::expected(name, other, "csv or json")),
        None => {
            let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
            Ok(accept.contains("text/csv") && !accept.contains("json"))
        }
    }
}

/// The instances as CSV, which a browser saves as a file.
async fn table(app: &AppState, parameters: &[(String, String)]) -> Result<Response, Problem> {
    let query = query::table(parameters)?;
    let console = Arc::clone(&app.console);
    let made = move || Ok(Bytes::from(csv::table(&console.find(&query).instances)));
    let response = app.pages.respond(made).await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"instances.csv\""),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, response).into_response())
}

/// The most completions in one answer.
const MOST_COMPLETIONS: usize = 50;
/// How many there are by default.
const SOME_COMPLETIONS: usize = 10;

/// `GET /api/v1/completions`: what the last word of a search may become. The search ends where it ends: with a space, the next word is
/// completed.
pub(super) async fn completions(
    State(app): State<Arc<AppState>>,
    Query(parameters): Parameters,
) -> Result<Response, Problem> {
    let search = parameters.iter().rev().find(|(name, _)| name == "q").map_or("", |(_, value)| value);
    let search = query::search(search)?.to_owned();
    let limit = query::said(&parameters).filter(|(name, _)| *name == "limit").last();
    let limit = limit.map_or(Ok(SOME_COMPLETIONS), |(name, value)| query::number(name, value, MOST_COMPLETIONS))?;
    let console = Arc::clone(&app.console);
    in_turn(&app, move || console.complete(&search, limit)).await
}

/// One instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceDetails {
    now: i64,
    instance: Option<Instance>,
    /// The pod that has its address, where pods are watched.
    pod: Option<PodShown>,
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
            pod: held.as_ref().and_then(|(record, _)| app.watched_pods.as_ref()?.pod_at(&record.info.ip_addr)),
            eureka: eureka.and_then(|text| RawValue::from_string(text).ok()),
            history: history.changes.iter().map(Change::of).collect(),
            changes_kept_since: history.kept_since.map(|at| at.0),
        })
    }

    fn encode(&self) -> Result<Bytes, ApiError> {
        serde_json::to_vec(self).map(Bytes::from).map_err(ApiError::internal)
    }
}
