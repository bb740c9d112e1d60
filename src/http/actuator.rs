//! The paths of Spring Boot's actuator that probes, scrapers and people use.

mod environment;
mod loggers;
pub(super) mod options;
mod respond;
mod settings;
mod starting;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::security::Forwarded;
use super::state::AppState;
use super::{ApiError, exposition};
use crate::console::Snapshot;
use crate::registry::Caller;

pub use options::{Loggers, Options, ShowDetails, Values};
use respond::actuator;
pub use settings::{Bean, Environment, Property, PropertySource};
use starting::Starting;

/// Marks a request that came by the management port, which has no TLS.
#[derive(Clone, Copy, Debug)]
pub(super) struct WithoutTls;

/// The paths.
pub(super) fn routes(options: &Options) -> Router<Arc<AppState>> {
    let mut routes = Router::new();
    for (id, path) in options.endpoints() {
        let path = |below: &str| format!("{}/{path}{below}", options.base_path);
        routes = match id {
            "health" => routes
                .route(&path(""), get(health))
                .route(&path("/liveness"), get(liveness))
                .route(&path("/readiness"), get(readiness))
                .route(&path("/{component}"), get(health_component)),
            "configprops" => routes
                .route(&path(""), get(environment::settings))
                .route(&path("/{prefix}"), get(environment::settings_below)),
            "env" => routes.route(&path(""), get(environment::all)).route(&path("/{name}"), get(environment::one)),
            "info" => routes.route(&path(""), get(info)),
            "loggers" => {
                let one = get(loggers::one);
                let one = if options.loggers.as_ref().is_some_and(|loggers| loggers.read_only) {
                    one
                } else {
                    one.post(loggers::set)
                };
                routes.route(&path(""), get(loggers::all)).route(&path("/{name}"), one)
            }
            _ => routes.route(&path(""), get(prometheus)),
        };
    }
    if options.additional_paths {
        routes = routes.route("/livez", get(liveness)).route("/readyz", get(readiness));
    }
    // At the root there is the dashboard instead of the list, as in Spring.
    let has_list = options.links && !options.base_path.is_empty();
    if has_list { routes.route(&options.base_path, get(links)) } else { routes }
}

/// `GET /actuator`: links to the endpoints. Spring Boot Admin follows them, and needs absolute URLs.
async fn links(
    State(app): State<Arc<AppState>>,
    plain: Option<Extension<WithoutTls>>,
    Extension(forwarded): Extension<Forwarded>,
    headers: HeaderMap,
) -> Response {
    let options = &app.options;
    let secure = options.security.strict_transport && plain.is_none();
    let host = forwarded.host.as_deref().or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()));
    let scheme = forwarded.scheme.unwrap_or(if secure { "https" } else { "http" });
    let origin = host.map(|host| format!("{scheme}://{host}")).unwrap_or_default();
    let before = if plain.is_some() { &options.actuator.management_base_path } else { &options.context_path };
    let before = forwarded.prefix.as_ref().unwrap_or(before);
    let base = format!("{origin}{before}{}", options.actuator.base_path);
    let link = |path: &str| json!({ "href": format!("{base}{path}"), "templated": path.contains('{') });
    let mut links = serde_json::Map::from_iter([("self".to_owned(), link(""))]);
    for (id, path) in options.actuator.endpoints() {
        links.insert(id.to_owned(), link(&format!("/{path}")));
        let below = match id {
            "configprops" => "prefix",
            "env" => "toMatch",
            "health" => "*path",
            "loggers" => "name",
            _ => continue,
        };
        links.insert(format!("{id}-{}", below.trim_start_matches('*')), link(&format!("/{path}/{{{below}}}")));
    }
    actuator(StatusCode::OK, &json!({ "_links": links }))
}

/// `GET /actuator/health`: 200 and UP, or 503 while clients should use another replica.
async fn health(State(app): State<Arc<AppState>>, Extension(caller): Extension<Caller>) -> Response {
    let (code, status) = readiness_status(&app);
    let mut body = json!({ "status": status, "groups": ["liveness", "readiness"] });
    if shows_details(&app, &caller) {
        body["components"] = components(&app);
    }
    actuator(code, &body)
}

/// `GET /actuator/health/{component}`; as in Spring, 404 for a caller who may not see it.
async fn health_component(
    State(app): State<Arc<AppState>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let shows = shows_details(&app, &caller);
    if shows && app.readiness.is_starting() && Starting::LACKS.contains(&name.as_str()) {
        return Starting::lacks("this component").into_response();
    }
    let components = if shows { components(&app) } else { Value::Null };
    match components.get(&name) {
        Some(component) if component["status"] == "OUT_OF_SERVICE" => {
            actuator(StatusCode::SERVICE_UNAVAILABLE, component)
        }
        Some(component) => actuator(StatusCode::OK, component),
        None => ApiError::NotFound("no such component").into_response(),
    }
}

fn shows_details(app: &AppState, caller: &Caller) -> bool {
    match app.options.actuator.show_details {
        ShowDetails::Never => false,
        ShowDetails::Always => true,
        ShowDetails::WhenAuthorized => match &caller.user {
            Some(user) => app.security.has_role(user, &app.options.actuator.roles),
            None => app.security.is_open(),
        },
    }
}

/// The components, in the order of their names. Only readiness can be anything but UP. What else can be wrong (unreachable peers,
/// missing renewals) is not repaired by a restart, so it is a detail, a metric and an alert.
fn components(app: &AppState) -> Value {
    if let Some(starting) = Starting::of(app) {
        return starting.components();
    }
    let registry = &app.registry;
    let state = registry.self_preservation(app.now());
    let lost = registry.lost_memory(app.now());
    let peers = app.peer_aware.peers().all();
    let unavailable = peers.iter().filter(|peer| !peer.is_available()).map(|peer| peer.shown_url());
    let mut components = json!({
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
    });
    if let Some(snapshots) = &app.snapshots {
        let details = Snapshot::of(&snapshots.status());
        components["snapshot"] = json!({ "status": "UP", "details": details });
    }
    components
}

/// `GET /actuator/health/liveness`: UP whenever the process answers. Nothing else may fail this probe: a restart would repair no
/// fault that a registry can detect.
async fn liveness() -> Response {
    actuator(StatusCode::OK, &json!({ "status": "UP" }))
}

/// `GET /actuator/health/readiness`: whether this replica is ready for clients, and what it waits for while it starts.
async fn readiness(State(app): State<Arc<AppState>>, Extension(caller): Extension<Caller>) -> Response {
    let (code, status) = readiness_status(&app);
    let mut body = json!({ "status": status });
    if let Some(starting) = Starting::of(&app).filter(|_| shows_details(&app, &caller)) {
        body["components"] = json!({ "readinessState": starting.readiness() });
    }
    actuator(code, &body)
}

/// `GET /actuator/info`: the version, and the time of the start.
async fn info(State(app): State<Arc<AppState>>) -> Response {
    let mut body = json!({
        "app": { "name": env!("CARGO_PKG_NAME"), "description": env!("CARGO_PKG_DESCRIPTION") },
        "build": { "version": env!("CARGO_PKG_VERSION"), "artifact": env!("CARGO_PKG_NAME"), "name": env!("CARGO_PKG_NAME") },
        "process": { "pid": std::process::id(), "uptime": app.now().since(app.clock.started_at()).as_secs(), "node": app.node_id },
    });
    if let Some(git) = git(option_env!("GIT_COMMIT")) {
        body["git"] = git;
    }
    actuator(StatusCode::OK, &body)
}

/// Spring Boot's `git` entry, if the build knew its commit.
fn git(commit: Option<&str>) -> Option<Value> {
    commit.map(|id| json!({ "commit": { "id": id } }))
}

/// `GET /actuator/prometheus`: the metrics, in OpenMetrics for a client that accepts it, else in Prometheus' older text format.
async fn prometheus(State(app): State<Arc<AppState>>, headers: HeaderMap) -> Result<Response, ApiError> {
    if app.readiness.is_starting() {
        return Err(Starting::lacks("metrics"));
    }
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let open = accepted.any(|value| value.contains("application/openmetrics-text"));
    let text = || {
        let text = exposition::exposition(&app).map_err(ApiError::internal)?;
        Ok(if open { text } else { exposition::in_plain_format(&text) }.into())
    };
    let content_type = match open {
        true => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        false => "text/plain; version=0.0.4; charset=utf-8",
    };
    let answer = app.answers.respond(text).await?;
    Ok(([(CONTENT_TYPE, content_type)], answer).into_response())
}

fn readiness_status(app: &AppState) -> (StatusCode, &'static str) {
    if app.readiness.is_accepting_traffic() {
        (StatusCode::OK, "UP")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "OUT_OF_SERVICE")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_where_spring_boot_has_it() {
        assert_eq!(git(Some("abc")), Some(json!({ "commit": { "id": "abc" } })));
        assert_eq!(git(None), None);
    }
}
