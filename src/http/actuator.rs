//! The paths of a Spring Boot server's actuator that probes and people look for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{ApiError, App, metrics};

/// Whether this replica is to be sent clients.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on clients may be sent.
    pub fn accept_traffic(&self) {
        self.0.store(true, Relaxed);
    }

    /// From now on they are to be sent elsewhere; who comes all the same is served.
    pub fn refuse_traffic(&self) {
        self.0.store(false, Relaxed);
    }

    /// Whether clients may be sent.
    pub fn is_accepting_traffic(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// `GET /actuator`: what there is.
pub(super) async fn links() -> Response {
    let link = |path: &str| json!({ "href": path, "templated": false });
    actuator(
        StatusCode::OK,
        &json!({ "_links": {
            "self": link("/actuator"),
            "health": link("/actuator/health"),
            "health-path": { "href": "/actuator/health/{*path}", "templated": true },
            "info": link("/actuator/info"),
            "prometheus": link("/actuator/prometheus"),
        }}),
    )
}

/// `GET /actuator/health`: 200 and UP, or 503 while clients are to go elsewhere.
pub(super) async fn health(State(app): State<App>) -> Response {
    let (code, status) = readiness_status(&app);
    let components = components(&app);
    actuator(code, &json!({ "status": status, "components": components, "groups": ["liveness", "readiness"] }))
}

/// `GET /actuator/health/{component}`.
pub(super) async fn health_component(State(app): State<App>, Path(name): Path<String>) -> Response {
    match components(&app).get(&name) {
        Some(component) if component["status"] == "OUT_OF_SERVICE" => {
            actuator(StatusCode::SERVICE_UNAVAILABLE, component)
        }
        Some(component) => actuator(StatusCode::OK, component),
        None => ApiError::NotFound("no such component").into_response(),
    }
}

/// The parts, in the order of their names. Only readiness can be anything but UP: what else can be wrong (peers that do
/// not answer, renewals that do not arrive) no probe mends, so it is a detail, a figure and an alert.
fn components(app: &App) -> Value {
    let registry = app.registry();
    let state = registry.self_preservation(app.now());
    let peers = app.peer_aware().peers().all();
    let unavailable = peers.iter().filter(|peer| !peer.is_available()).map(|peer| peer.shown_url());
    json!({
        "livenessState": { "status": "UP" },
        "peers": { "status": "UP", "details": {
            "known": peers.len(),
            "unavailable": unavailable.collect::<Vec<_>>(),
        }},
        "ping": { "status": "UP" },
        "readinessState": { "status": readiness_status(app).1 },
        "registry": { "status": "UP", "details": {
            "applications": registry.applications_count(),
            "instances": registry.len(),
            "renewalsLastMinute": state.renews_last_minute,
            "renewalsPerMinuteThreshold": state.renews_per_minute_threshold,
            "selfPreservationEnabled": state.enabled,
            "leaseExpirationEnabled": state.lease_expiration_enabled,
        }},
    })
}

/// `GET /actuator/health/liveness`: the process answers, so it lives. Nothing else may fail this: a restart would mend
/// no trouble that a registry can see.
pub(super) async fn liveness() -> Response {
    actuator(StatusCode::OK, &json!({ "status": "UP" }))
}

/// `GET /actuator/health/readiness`: whether clients may be sent here.
pub(super) async fn readiness(State(app): State<App>) -> Response {
    let (code, status) = readiness_status(&app);
    actuator(code, &json!({ "status": status }))
}

/// `GET /actuator/info`: what runs here, and since when.
pub(super) async fn info(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "app": { "name": env!("CARGO_PKG_NAME"), "description": env!("CARGO_PKG_DESCRIPTION") },
        "build": { "version": env!("CARGO_PKG_VERSION"), "name": env!("CARGO_PKG_NAME"), "commit": option_env!("GIT_COMMIT") },
        "process": { "uptime": app.uptime().as_secs(), "node": app.node_id() },
    }))
}

/// `GET /actuator/prometheus`: the figures, in OpenMetrics for who asks for it, else in Prometheus' older text format.
pub(super) async fn prometheus(State(app): State<App>, headers: HeaderMap) -> Response {
    let Ok(text) = metrics::exposition(&app) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (content_type, text) = if accepted.any(|value| value.contains("application/openmetrics-text")) {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", metrics::in_plain_format(&text))
    };
    ([(CONTENT_TYPE, content_type)], text).into_response()
}

fn readiness_status(app: &App) -> (StatusCode, &'static str) {
    if app.readiness().is_accepting_traffic() {
        (StatusCode::OK, "UP")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "OUT_OF_SERVICE")
    }
}

fn actuator(code: StatusCode, body: &Value) -> Response {
    let content_type = [(CONTENT_TYPE, "application/vnd.spring-boot.actuator.v3+json")];
    (code, content_type, body.to_string()).into_response()
}
