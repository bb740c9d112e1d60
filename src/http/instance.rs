//! What a client does to its registration: register, renew, cancel, status, metadata
//! (`ApplicationResource.addInstance`, `InstanceResource`).

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::error::empty;
use super::query::Query;
use super::state::AppState;
use super::{ApiError, negotiate, reads};
use crate::codec;
use crate::model::InstanceStatus;
use crate::registry::{Caller, Source};
use crate::replication::{Heartbeat, HeartbeatOutcome};

/// Maximum length of a registration. Its texts are bounded, and an escape takes at most six times what it stands for.
const MOST_DOCUMENT: usize = 1024 * 1024;

/// `POST /apps/{app}`: 204, also where a newer registration was kept.
pub(super) async fn register(
    app: &AppState,
    caller: &Caller,
    name: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let media = negotiate::consumed(headers).ok_or(ApiError::UnsupportedMediaType)?;
    let bytes = app.bodies.read_at_most(MOST_DOCUMENT, headers, body).await?;
    let now = app.now();
    let mut info = codec::decode_instance(media, &bytes, now).map_err(|error| ApiError::Unparsable(media, error))?;
    info.validate(name)?;
    app.registry.admit(&info, caller.source)?;
    app.peer_aware.register(info, caller, now);
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `PUT /apps/{app}/{id}`: the heartbeat. Its `status` is read by nobody, in the Java server either.
pub(super) async fn renew(
    app: &AppState,
    source: Source,
    key: &str,
    query: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    app.bodies.discard(body).await?;
    let query = Query(query);
    let overridden_status = match source {
        Source::Peer => query.get("overriddenstatus").map(|name| status_named(&name)).transpose()?,
        // Nobody looks at what a client says of it.
        Source::Client | Source::Kubernetes => None,
    };
    let heartbeat = Heartbeat { last_dirty: query.last_dirty()?, overridden_status };
    match app.peer_aware.renew(key, heartbeat, source, app.now()) {
        HeartbeatOutcome::Renewed => Ok(empty(StatusCode::OK)),
        HeartbeatOutcome::NotFound => Err(ApiError::LeaseNotFound),
        HeartbeatOutcome::Conflict(ours) => {
            let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
            let entity = reads::document(&produced, &ours);
            let mut response = reads::respond(produced, entity);
            *response.status_mut() = StatusCode::CONFLICT;
            Ok(response)
        }
    }
}

/// `DELETE /apps/{app}/{id}`.
pub(super) fn cancel(app: &AppState, caller: &Caller, key: &str) -> Result<Response, ApiError> {
    found(app.peer_aware.cancel(key, caller, app.now()))
}

/// `PUT /apps/{app}/{id}/status?value=…`.
pub(super) async fn status_update(
    app: &AppState,
    caller: &Caller,
    key: &str,
    query: &str,
    body: Body,
) -> Result<Response, ApiError> {
    app.bodies.discard(body).await?;
    let query = Query(query);
    let Some(name) = query.get("value") else {
        return Err(ApiError::BadParameter(format!("parameter value is missing: {}", status_names())));
    };
    let (status, last_dirty, now) = (status_named(&name)?, query.last_dirty()?, app.now());
    let readable = app.registry.instance(key, now).is_some();
    found(readable && app.peer_aware.status_update(key, status, last_dirty, caller, now))
}

/// `DELETE /apps/{app}/{id}/status[?value=…]`: without a value the status is UNKNOWN until the instance registers again.
pub(super) fn delete_status_override(
    app: &AppState,
    caller: &Caller,
    key: &str,
    query: &str,
) -> Result<Response, ApiError> {
    let query = Query(query);
    let status = query.get("value").map_or(Ok(InstanceStatus::Unknown), |name| status_named(&name))?;
    let (last_dirty, now) = (query.last_dirty()?, app.now());
    let readable = app.registry.instance(key, now).is_some();
    found(readable && app.peer_aware.delete_status_override(key, status, last_dirty, caller, now))
}

/// `PUT /apps/{app}/{id}/metadata?name=value…`. Counts as a registration, and is replicated as one, even if a peer sent it.
pub(super) async fn update_metadata(
    app: &AppState,
    caller: &Caller,
    key: &str,
    query: &str,
    body: Body,
) -> Result<Response, ApiError> {
    app.bodies.discard(body).await?;
    let mut entries: Vec<(Cow<'_, str>, Cow<'_, str>)> = Query(query).pairs().collect();
    entries.reverse(); // of values with one name the first counts, and of entries the last
    let entries = entries.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    found(app.peer_aware.update_metadata(key, entries, caller, app.now())?)
}

fn found(found: bool) -> Result<Response, ApiError> {
    if found { Ok(empty(StatusCode::OK)) } else { Err(ApiError::LeaseNotFound) }
}

/// The Java server answers 500 here; a status is one of five, and saying so helps.
fn status_named(name: &str) -> Result<InstanceStatus, ApiError> {
    let unknown = || ApiError::BadParameter(format!("no such status: {}", status_names()));
    InstanceStatus::from_name(name).ok_or_else(unknown)
}

fn status_names() -> String {
    format!("it must be one of {}", InstanceStatus::ALL.map(InstanceStatus::name).join(", "))
}
