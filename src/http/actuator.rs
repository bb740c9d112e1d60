//! The paths of a Spring Boot server's actuator that probes and people look for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{ApiError, App, metrics, security};

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

/// Settings of the actuator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where it stands below the context path: empty, or with a leading slash and none at the end
    /// (`management.endpoints.web.base-path`).
    pub base_path: String,
    /// Who sees more of the registry's health than its status.
    pub show_details: ShowDetails,
}

impl Default for Options {
    fn default() -> Self {
        Self { base_path: "/actuator".to_owned(), show_details: ShowDetails::default() }
    }
}

/// Who sees details (`management.endpoint.health.show-details`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowDetails {
    /// Nobody.
    Never,
    /// Users; everybody, where there are none.
    #[default]
    WhenAuthorized,
    /// Everybody.
    Always,
}

/// A request that came by the port that has no TLS, whatever the other one has.
#[derive(Clone, Copy, Debug)]
pub(super) struct WithoutTls;

/// What there is.
const ENDPOINTS: [&str; 3] = ["health", "info", "prometheus"];

/// Whether a path below the context path is one of the actuator's.
pub(super) fn is_below(options: &Options, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(options.base_path.as_str()) else { return false };
    let endpoint = rest.strip_prefix('/').and_then(|rest| rest.split('/').next());
    (rest.is_empty() && !path.is_empty()) || endpoint.is_some_and(|name| ENDPOINTS.contains(&name))
}

/// The paths.
pub(super) fn routes(options: &Options) -> Router<App> {
    let path = |below: &str| format!("{}{below}", options.base_path);
    let routes = Router::new()
        .route(&path("/health"), get(health))
        .route(&path("/health/liveness"), get(liveness))
        .route(&path("/health/readiness"), get(readiness))
        .route(&path("/health/{component}"), get(health_component))
        .route(&path("/info"), get(info))
        .route(&path("/prometheus"), get(prometheus));
    // At the root there is the dashboard, and no list (nor is there in Spring).
    if options.base_path.is_empty() { routes } else { routes.route(&options.base_path, get(links)) }
}

/// `GET /actuator`: what there is. Spring Boot Admin follows these links, and wants them whole.
async fn links(State(app): State<App>, plain: Option<Extension<WithoutTls>>, headers: HeaderMap) -> Response {
    let options = app.options();
    let secure = options.security.strict_transport && plain.is_none();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = host.map(|host| format!("{}://{host}", if secure { "https" } else { "http" })).unwrap_or_default();
    let base = format!("{origin}{}{}", options.context_path, options.actuator.base_path);
    let link = |path: &str| json!({ "href": format!("{base}{path}"), "templated": path.contains('{') });
    let links = json!({
        "self": link(""),
        "health": link("/health"),
        "health-path": link("/health/{*path}"),
        "info": link("/info"),
        "prometheus": link("/prometheus"),
    });
    actuator(StatusCode::OK, &json!({ "_links": links }))
}

/// `GET /actuator/health`: 200 and UP, or 503 while clients are to go elsewhere.
async fn health(State(app): State<App>, request: Parts) -> Response {
    let (code, status) = readiness_status(&app);
    let mut body = json!({ "status": status, "groups": ["liveness", "readiness"] });
    if shows_details(&app, &request).await {
        body["components"] = components(&app);
    }
    actuator(code, &body)
}

/// `GET /actuator/health/{component}`; as in Spring it is not there for those who may not see it.
async fn health_component(State(app): State<App>, Path(name): Path<String>, request: Parts) -> Response {
    let components = if shows_details(&app, &request).await { components(&app) } else { Value::Null };
    match components.get(&name) {
        Some(component) if component["status"] == "OUT_OF_SERVICE" => {
            actuator(StatusCode::SERVICE_UNAVAILABLE, component)
        }
        Some(component) => actuator(StatusCode::OK, component),
        None => ApiError::NotFound("no such component").into_response(),
    }
}

async fn shows_details(app: &App, request: &Parts) -> bool {
    match app.options().actuator.show_details {
        ShowDetails::Never => false,
        ShowDetails::Always => true,
        ShowDetails::WhenAuthorized => app.security().is_open() || security::user(app, request).await.is_some(),
    }
}

/// The parts, in the order of their names. Only readiness can be anything but UP: what else can be wrong (peers that do
/// not answer, renewals that do not arrive) no probe mends, so it is a detail, a figure and an alert.
fn components(app: &App) -> Value {
    let registry = app.registry();
    let state = registry.self_preservation(app.now());
    let lost = registry.lost_memory(app.now());
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
            "memory": registry.memory(app.now()).name(),
            "fetchesRefusedSince": lost.map(|lost| lost.since.0),
            "fetchesRefusedUntil": lost.map(|lost| lost.until.0),
            "fetchesRefusedBecause": lost.map(|lost| lost.sign.words()),
            "selfPreservationEnabled": state.enabled,
            "leaseExpirationEnabled": state.lease_expiration_enabled,
        }},
    })
}

/// `GET /actuator/health/liveness`: the process answers, so it lives. Nothing else may fail this: a restart would mend
/// no trouble that a registry can see.
async fn liveness() -> Response {
    actuator(StatusCode::OK, &json!({ "status": "UP" }))
}

/// `GET /actuator/health/readiness`: whether clients may be sent here.
async fn readiness(State(app): State<App>) -> Response {
    let (code, status) = readiness_status(&app);
    actuator(code, &json!({ "status": status }))
}

/// `GET /actuator/info`: what runs here, and since when.
async fn info(State(app): State<App>) -> Response {
    let mut body = json!({
        "app": { "name": env!("CARGO_PKG_NAME"), "description": env!("CARGO_PKG_DESCRIPTION") },
        "build": { "version": env!("CARGO_PKG_VERSION"), "artifact": env!("CARGO_PKG_NAME"), "name": env!("CARGO_PKG_NAME") },
        "process": { "pid": std::process::id(), "uptime": app.uptime().as_secs(), "node": app.node_id() },
    });
    if let Some(git) = git(option_env!("GIT_COMMIT")) {
        body["git"] = git;
    }
    actuator(StatusCode::OK, &body)
}

/// What Spring Boot says of git, if the build knew of which commit it was.
fn git(commit: Option<&str>) -> Option<Value> {
    commit.map(|id| json!({ "commit": { "id": id } }))
}

/// `GET /actuator/prometheus`: the figures, in OpenMetrics for who asks for it, else in Prometheus' older text format.
async fn prometheus(State(app): State<App>, headers: HeaderMap) -> Response {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_actuator_is_where_it_was_put() {
        let at = |base_path: &str| Options { base_path: base_path.to_owned(), ..Options::default() };
        for path in ["/actuator", "/actuator/health", "/actuator/health/liveness", "/actuator/prometheus"] {
            assert!(is_below(&at("/actuator"), path), "{path}");
        }
        for path in ["", "/", "/actuators", "/actuator/nothing", "/actuatorhealth", "/health", "/eureka/apps"] {
            assert!(!is_below(&at("/actuator"), path), "{path}");
        }
        assert!(is_below(&at(""), "/health/readiness"));
        assert!(!is_below(&at(""), "") && !is_below(&at(""), "/") && !is_below(&at(""), "/eureka/apps"));
    }
    #[test]
    fn the_commit_is_where_spring_boot_has_it() {
        assert_eq!(git(Some("abc")), Some(json!({ "commit": { "id": "abc" } })));
        assert_eq!(git(None), None);
    }
}
