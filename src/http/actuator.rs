//! The paths of a Spring Boot server's actuator that probes and people look for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::App;

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
        }}),
    )
}

/// `GET /actuator/health`: 200 and UP, or 503 while clients are to go elsewhere.
pub(super) async fn health(State(app): State<App>) -> Response {
    let (code, status) = readiness_status(&app);
    let components = json!({
        "livenessState": { "status": "UP" },
        "ping": { "status": "UP" },
        "readinessState": { "status": status },
        "registry": { "status": "UP", "details": { "instances": app.registry().len() } },
    });
    actuator(code, &json!({ "status": status, "components": components, "groups": ["liveness", "readiness"] }))
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
