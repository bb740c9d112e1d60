//! `/api/v1`: what the registry says of itself, for people and for what they write. The dashboard reads nothing else.
//!
//! `openapi.yaml` says what is answered, and a test holds it against the server. All of this only reads: a change is one of
//! Eureka's calls. Nothing here is hot, but a registry of many thousand instances must not notice that somebody looks at
//! it: an answer is made of pages that were taken as they are under the registry's lock, on a thread of its own.

pub(super) mod events;
pub(super) mod instances;
pub(super) mod overview;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{ApiError, App, reads, security};
use crate::model::{AppName, InstanceKey, InstanceStatus};
use crate::registry::{self, ChangesAfter, Source};
use instances::{Asked, Instance, Wanted};

/// The document that says what is here.
const OPENAPI: &str = include_str!("api/openapi.yaml");

/// The most changes in one answer.
const MOST_CHANGES: usize = 1000;
/// So many where nobody says how many.
const SOME_CHANGES: usize = 100;

/// Where all of this stands.
pub(super) const PREFIX: &str = "/api/";

/// The paths below [`PREFIX`].
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/overview", reading(get(overview)))
        .route("/api/v1/user", reading(get(user)))
        .route("/api/v1/applications", reading(get(applications)))
        .route("/api/v1/applications/{application}/instances/{instanceId}", reading(get(instance)))
        .route("/api/v1/instances", reading(get(instances)))
        .route("/api/v1/changes", reading(get(changes)))
        .route("/api/v1/events", reading(get(events::events)))
        .route("/api/v1/openapi.yaml", reading(get(openapi)))
        .route("/api/", any(nothing))
        .route("/api/{*path}", any(nothing))
}

async fn nothing() -> Problem {
    Problem(ApiError::NotFound("there is no such path"))
}

/// Says in this interface's way that there is only reading.
fn reading(routes: MethodRouter<App>) -> MethodRouter<App> {
    routes
        .options(async || [(ALLOW, "GET,HEAD,OPTIONS")])
        .fallback(async || Problem(ApiError::MethodNotAllowed(vec![Method::GET, Method::HEAD])))
}

/// An error in the way of this interface: JSON, and one line for people.
#[derive(Debug)]
pub(super) struct Problem(pub(super) ApiError);

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
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        response
    }
}

/// JSON that nobody keeps.
fn json(body: impl Into<axum::body::Body>) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body.into()).into_response()
}

fn answer(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => json(body),
        Err(_no_json) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Does what takes as long as there are instances where it keeps nobody waiting.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    #[expect(clippy::expect_used, reason = "it fails only if looking panics, and then this request shall, too")]
    tokio::task::spawn_blocking(work).await.expect("looking at instances does not panic")
}

async fn overview(State(app): State<App>) -> Response {
    json(overview::current(&app).await.json.clone())
}

/// Who asks, and what they may do.
#[derive(Clone, Debug, Serialize)]
pub(super) struct User {
    /// The name, if somebody had to say it.
    pub(super) name: Option<String>,
    /// `all` or `read`.
    pub(super) access: &'static str,
    /// Whether there are no users, so that everybody may do everything.
    pub(super) open: bool,
}

impl User {
    /// Who sent this request.
    pub(super) async fn of(app: &App, request: &Parts) -> Self {
        let (open, user) = (app.security().is_open(), security::user(app, request).await);
        let may_change = open || user.is_some_and(|user| !user.is_read_only());
        let access = if may_change { "all" } else { "read" };
        Self { name: user.map(|user| user.name.clone()), access, open }
    }
}

async fn user(State(app): State<App>, request: Parts) -> Response {
    answer(&User::of(&app, &request).await)
}

async fn applications(State(app): State<App>) -> Response {
    aside(move || answer(&instances::applications(&app))).await
}

/// The query's parameters as they came; of a name that comes twice the last holds, and an empty value is none.
type Parameters = Query<Vec<(String, String)>>;

async fn instances(State(app): State<App>, Query(parameters): Parameters) -> Result<Response, Problem> {
    let asked = Asked::parse(&parameters)?;
    Ok(aside(move || answer(&instances::find(&app, &asked))).await)
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

async fn instance(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((name, id)) = path.map_err(|_not_text| ApiError::BadParameter("the path is not UTF-8".to_owned()))?;
    let key = InstanceKey::new(&AppName::new(&name), &id);
    let (registry, now) = (app.registry(), app.now());
    let (lease, history) = (registry.lease(key.as_str()), registry.history(key.as_str()));
    if lease.is_none() && history.changes.is_empty() {
        return Err(ApiError::NotFound("nothing is known of such an instance").into());
    }
    let held = lease.map(|lease| (lease.record(), lease));
    let eureka = held.as_ref().map(|(record, lease)| reads::instance_json(&record.info, &lease.info(&record.info)));
    Ok(answer(&InstanceDetails {
        now: now.0,
        instance: held.as_ref().map(|(record, lease)| Instance::of(&record.info, lease, now)),
        eureka: eureka.and_then(|text| RawValue::from_string(text).ok()),
        history: history.changes.iter().map(Change::of).collect(),
        changes_kept_since: history.kept_since.map(|at| at.0),
    }))
}

/// One change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    number: u64,
    at: i64,
    application: String,
    instance_id: String,
    kind: &'static str,
    status: &'static str,
    previous_status: Option<&'static str>,
    source: &'static str,
}

impl Change {
    pub(super) fn of(change: &registry::Change) -> Self {
        Self {
            number: change.number,
            at: change.at.0,
            application: change.key.app().to_owned(),
            instance_id: change.key.id().to_owned(),
            kind: change.kind.name(),
            status: change.status.name(),
            previous_status: change.previous.map(InstanceStatus::name),
            source: Source::name(change.source),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Changes<'a> {
    now: i64,
    node: &'a str,
    last_change: u64,
    missed: bool,
    changes: Vec<Change>,
}

async fn changes(State(app): State<App>, Query(parameters): Parameters) -> Result<Response, Problem> {
    let (mut after, mut limit) = (None, SOME_CHANGES);
    for (name, value) in Wanted::said(&parameters) {
        match name {
            "after" => after = Some(instances::number(name, value, u64::MAX)?),
            "limit" => limit = instances::number(name, value, MOST_CHANGES)?,
            _ => {}
        }
    }
    let ChangesAfter { changes, missed, last } = match after {
        Some(number) => app.registry().changes_after(number, limit),
        None => app.registry().latest_changes(limit),
    };
    let changes = changes.iter().map(Change::of).collect();
    Ok(answer(&Changes { now: app.now().0, node: app.node_id(), last_change: last, missed, changes }))
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/yaml"), (CACHE_CONTROL, "no-cache")], OPENAPI).into_response()
}
