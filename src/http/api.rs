//! `/api/v1`: the registry's state, for people and their scripts. The dashboard reads nothing else.
//!
//! `openapi.yaml` describes the answers, and a test compares it with the server. The interface is read-only but for what Eureka
//! has no call for: the switch of self-preservation, acts on many instances at once, and drains. Nothing here is hot, but reading must
//! not slow down a registry of many thousand instances: an answer is made on a thread of its own, from pages that were copied
//! under the registry's lock.

mod acts;
mod changes;
mod differences;
mod drain;
mod events;
mod instances;
mod overview;
pub(super) mod query;
pub(super) mod respond;
mod self_preservation;
mod subscribers;
pub(super) mod user;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use http::Method;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};

use super::ApiError;
use super::state::AppState;
use respond::Problem;

/// The description of this interface.
const OPENAPI: &str = include_str!("api/openapi.yaml");

/// The paths below `/api/`.
pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/api/v1/overview", reading(get(overview::overview)))
        .route("/api/v1/self-preservation", switching())
        .route("/api/v1/acts", acting())
        .route("/api/v1/user", reading(get(user::user)))
        .route("/api/v1/applications", reading(get(instances::applications)))
        .route("/api/v1/applications/{application}/instances/{instanceId}", reading(get(instances::instance)))
        .route("/api/v1/applications/{application}/instances/{instanceId}/drain", draining())
        .route("/api/v1/instances", reading(get(instances::instances)))
        .route("/api/v1/completions", reading(get(instances::completions)))
        .route("/api/v1/subscribers", reading(get(subscribers::subscribers)))
        .route("/api/v1/differences", reading(get(differences::differences)))
        .route("/api/v1/changes", reading(get(changes::changes)))
        .route("/api/v1/events", reading(get(events::events)))
        .route("/api/v1/openapi.yaml", reading(get(openapi)))
        .route("/api/", any(nothing))
        .route("/api/{*path}", any(nothing))
}

async fn nothing() -> Problem {
    Problem(ApiError::NotFound("there is no such path"))
}

/// Answers 405 as this interface does: it is read-only.
fn reading(routes: MethodRouter<Arc<AppState>>) -> MethodRouter<Arc<AppState>> {
    routes
        .options(async || [(ALLOW, "GET,HEAD,OPTIONS")])
        .fallback(async || Problem(ApiError::MethodNotAllowed(vec![Method::GET, Method::HEAD])))
}

/// Commands of operators to many instances.
fn acting() -> MethodRouter<Arc<AppState>> {
    post(acts::act)
        .options(async || [(ALLOW, "POST,OPTIONS")])
        .fallback(async || Problem(ApiError::MethodNotAllowed(vec![Method::POST])))
}

/// The drain of an instance.
fn draining() -> MethodRouter<Arc<AppState>> {
    post(drain::drain)
        .options(async || [(ALLOW, "POST,OPTIONS")])
        .fallback(async || Problem(ApiError::MethodNotAllowed(vec![Method::POST])))
}

/// An operator's decision about self-preservation.
fn switching() -> MethodRouter<Arc<AppState>> {
    get(self_preservation::read)
        .put(self_preservation::switch)
        .delete(self_preservation::switch_back)
        .options(async || [(ALLOW, "GET,HEAD,PUT,DELETE,OPTIONS")])
        .fallback(async || {
            Problem(ApiError::MethodNotAllowed(vec![Method::GET, Method::HEAD, Method::PUT, Method::DELETE]))
        })
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/yaml"), (CACHE_CONTROL, "no-cache")], OPENAPI).into_response()
}
