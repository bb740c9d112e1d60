//! The resources that are read: `apps`, `apps/delta`, one application, one instance, virtual addresses.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use tokio::time::Instant;

use super::ApiError;
use super::blocking::aside;
use super::building::slot;
use super::negotiate::{self, Produced};
use super::state::AppState;
use crate::codec::{self, Detail, Form, Media, Nesting};
use crate::model::{InstanceInfo, LeaseInfo};
use crate::registry::{Answer, Reading, Registration, Scope};
use crate::replication::ServiceUrl;
use crate::replication::protocol::{NEWCOMER_HEADER, PEERS_HEADER, WAITS_FOR_HEADER};

/// Up to this many pages are encoded on the request's own thread. More go to a thread of their own, so that no heartbeat waits
/// behind them.
const PAGES_ENCODED_IN_PLACE: usize = 4;

/// `GET /apps` and `GET /apps/delta` (`ApplicationsResource`).
pub(super) async fn applications(app: &AppState, scope: Scope, headers: &HeaderMap) -> Result<Response, ApiError> {
    let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
    let form = negotiate::form(produced.media, headers);
    let gzip = negotiate::accepts_gzip(headers);
    let newcomer = headers.get(NEWCOMER_HEADER).and_then(|url| url.to_str().ok());
    let waits_for = || headers.get(WAITS_FOR_HEADER).and_then(|line| line.to_str().ok());
    let peers = newcomer.map(|service_url| announce(app, service_url, waits_for()));
    if newcomer.is_none() {
        app.registry.client_reads(scope, app.now());
    }
    let asked_at = app.registry.version();
    let answer = match app.registry.ready(scope, form, gzip, app.now())? {
        Some(answer) => {
            app.metrics.cache_hit(scope);
            answer
        }
        None => {
            // One request builds the answer; the others wait for it.
            let _building = app.building.of(scope, form, gzip).lock().await;
            match app.registry.encoded_since(scope, form, gzip, asked_at) {
                Some(answer) => {
                    app.metrics.cache_hit(scope);
                    answer
                }
                None => Box::pin(another_version(app, scope, form, gzip)).await?,
            }
        }
    };
    let mut response = app.answers.share(&answer, slot(scope, form, gzip));
    response.headers_mut().insert(CONTENT_TYPE, produced.content_type);
    if gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(peers) = peers.and_then(|urls| HeaderValue::try_from(urls).ok()) {
        response.headers_mut().insert(PEERS_HEADER, peers);
    }
    Ok(response)
}

/// Notes a starting replica, so that changes are replicated to it from now on. Returns the service URLs of the peers that it may
/// not know yet, separated by commas.
fn announce(app: &AppState, service_url: &str, waits_for: Option<&str>) -> String {
    let Some(nodes) = &app.nodes else { return String::new() };
    let Ok(service_url) = ServiceUrl::parse(service_url) else { return String::new() };
    nodes.announced(&service_url);
    nodes.starting(&service_url, waits_for);
    let peers: Vec<String> = nodes.service_urls_for(&service_url).iter().map(ServiceUrl::to_string).collect();
    peers.join(",")
}

/// Makes the current answer, as soon as there is memory for it beside the answers that are still being read.
async fn another_version(app: &AppState, scope: Scope, form: Form, gzip: bool) -> Result<Answer, ApiError> {
    let slot = slot(scope, form, gzip);
    let waits_since = Instant::now();
    let (pending, outdates) = loop {
        let pending = match app.registry.read(scope, form, gzip, app.now())? {
            Reading::Ready(answer) => return Ok(answer),
            Reading::Pending(pending) => pending,
        };
        let outdates = pending.outdates();
        if app.answers.has_room(slot, outdates) {
            break (pending, outdates);
        }
        drop(pending);
        app.answers.make_room_for_a_version(slot, waits_since).await;
    };
    let begun = Instant::now();
    let answer = if pending.pages_to_encode() <= PAGES_ENCODED_IN_PLACE {
        app.registry.build(&pending)
    } else {
        let registry = Arc::clone(&app.registry);
        aside(move || registry.build(&pending)).await
    };
    app.answers.superseded(slot, outdates);
    app.metrics.cache_miss(scope, begun.elapsed());
    Ok(answer)
}

/// `GET /apps/{app}` (`ApplicationResource.getApplication`).
pub(super) async fn application(app: &AppState, name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
    let form = negotiate::form(produced.media, headers);
    let body = || {
        let body = app.registry.application(name, form, app.now())?;
        body.ok_or(ApiError::NotFound("no such application"))
    };
    Ok(produced_as(produced, app.answers.respond(body).await?))
}

/// `GET /vips/{vip}` and `GET /svips/{vip}` (`VIPResource`, `SecureVIPResource`).
pub(super) async fn vip(
    app: &AppState,
    address: &str,
    secure: bool,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
    let form = negotiate::form(produced.media, headers);
    let body = || Ok(app.registry.vip(address, secure, form, app.now())?);
    Ok(produced_as(produced, app.answers.respond(body).await?))
}

/// `GET /apps/{app}/{id}` (`InstanceResource.getInstanceInfo`).
pub(super) fn instance(app: &AppState, key: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    one(app.registry.instance(key, app.now()), headers)
}

/// `GET /instances/{id}` (`InstancesResource`).
pub(super) fn instance_by_id(app: &AppState, id: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    one(app.registry.instance_by_id(id), headers)
}

fn one(found: Option<Registration>, headers: &HeaderMap) -> Result<Response, ApiError> {
    let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
    let registration = found.ok_or(ApiError::NotFound("no such instance"))?;
    let body = document(&produced, &registration);
    Ok(respond(produced, body))
}

/// One instance as a document.
pub(super) fn document(produced: &Produced, registration: &Registration) -> Bytes {
    let mut out = Vec::with_capacity(1500);
    codec::instance_document(produced.media, registration.info(), &registration.lease_info(), &mut out);
    out.into()
}

/// One instance as JSON, without the enclosing object.
pub(super) fn instance_json(info: &InstanceInfo, lease: &LeaseInfo) -> String {
    let mut instance = Vec::with_capacity(1500);
    let form = Form { media: Media::Json, detail: Detail::Full };
    codec::instance_entry(form, Nesting::InApplication, info, lease, &mut instance);
    String::from_utf8_lossy(&instance).into_owned()
}

/// A whole body in the media that was negotiated.
pub(super) fn respond(produced: Produced, body: Bytes) -> Response {
    produced_as(produced, Response::new(Body::from(body)))
}

/// An answer in the media that was negotiated.
pub(super) fn produced_as(produced: Produced, mut response: Response) -> Response {
    response.headers_mut().insert(CONTENT_TYPE, produced.content_type);
    response
}

#[cfg(test)]
mod tests;
