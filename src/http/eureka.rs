//! Which handler answers which of Eureka's resources.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderName, Method, StatusCode};

use super::error::{ApiError, allow, empty};
use super::query::Query;
use super::resource::Resource;
use super::state::AppState;
use super::subscribers::{Fetch, Part};
use super::{instance, peer_replication, reads, status};
use crate::registry::{Caller, Reason, Scope};

/// The header that says why somebody sets or removes an override, or cancels an instance.
const REASON: HeaderName = HeaderName::from_static("x-eureka-reason");

/// Answers a request for one of Eureka's resources.
pub(super) async fn answer(
    app: &AppState,
    resource: &Resource<'_>,
    request: &Parts,
    caller: &Caller,
    body: Body,
) -> Response {
    // HEAD brings no content.
    let fetch = if request.method == Method::GET { Fetch::of(resource) } else { None };
    let fetch = fetch.map(|fetch| (fetch, app.now()));
    let response = dispatch(app, resource, request, caller, body).await.unwrap_or_else(IntoResponse::into_response);
    // Only what was answered: a client that was refused keeps what it had.
    if let Some((fetch, arrived)) = fetch
        && response.status() == StatusCode::OK
    {
        app.subscribers.note(fetch, Part::of(resource), caller, &request.headers, arrived);
    }
    response
}

async fn dispatch(
    app: &AppState,
    resource: &Resource<'_>,
    request: &Parts,
    caller: &Caller,
    body: Body,
) -> Result<Response, ApiError> {
    let method = if request.method == Method::HEAD { &Method::GET } else { &request.method };
    let (query, headers) = (request.uri.query().unwrap_or_default(), &request.headers);
    match (resource, method) {
        // The heartbeat: nearly every request is one.
        (Resource::Instance(key), &Method::PUT) => instance::renew(app, caller.source, key, query, headers, body).await,

        // What clients fetch.
        (Resource::Applications, &Method::GET) => reads::applications(app, Scope::All, headers).await,
        (Resource::Delta, &Method::GET) => reads::applications(app, Scope::Delta, headers).await,
        (Resource::Application(name), &Method::GET) => reads::application(app, name, headers).await,
        (Resource::Instance(key), &Method::GET) => reads::instance(app, key, headers),
        (Resource::InstanceById(id), &Method::GET) => reads::instance_by_id(app, id, headers),
        (Resource::Vip(vip), &Method::GET) => reads::vip(app, vip, false, headers).await,
        (Resource::SecureVip(vip), &Method::GET) => reads::vip(app, vip, true, headers).await,

        // What clients change: their own registrations.
        (Resource::Application(name), &Method::POST) => instance::register(app, caller, name, headers, body).await,
        (Resource::Instance(key), &Method::DELETE) => instance::cancel(app, &with_reason(caller, request)?, key),
        (Resource::InstanceMetadata(key), &Method::PUT) => {
            instance::update_metadata(app, caller, key, query, body).await
        }

        // What operators change: overrides.
        (Resource::InstanceStatus(key), &Method::PUT) => {
            instance::status_update(app, &with_reason(caller, request)?, key, query, body).await
        }
        (Resource::InstanceStatus(key), &Method::DELETE) => {
            instance::delete_status_override(app, &with_reason(caller, request)?, key, query)
        }

        // Calls of peers. The first one is Eureka's; the others are between our own replicas.
        // In a box, so that heartbeats do not carry the room for it.
        (Resource::PeerReplication, &Method::POST) => {
            Box::pin(peer_replication::batch(app, caller, headers, body)).await
        }
        (Resource::PeerDigests, &Method::POST) => peer_replication::digests(app, headers, body).await,
        (Resource::PeerRecords, &Method::POST) => peer_replication::records(app, headers, body).await,
        (Resource::PeerHeard, &Method::POST) => peer_replication::heard(app, headers, body).await,
        (Resource::PeerReaders, &Method::POST) => peer_replication::readers(app, headers, body).await,

        // The state of the server, and AWS.
        (Resource::ServerStatus, &Method::GET) => status::status(app, headers),
        // The answer of a Java server that does not run on AWS.
        (Resource::AutoScalingGroup, &Method::PUT) => {
            Err(ApiError::BadParameter("this registry manages no AWS auto-scaling groups".to_owned()))
        }

        // Methods that a resource has in addition to those above, or does not have.
        (resource, &Method::OPTIONS) if app.security.may_replicate(caller) => {
            Ok(peer_replication::with_time(app, headers, options(resource)))
        }
        (resource, &Method::OPTIONS) => Ok(options(resource)),
        (resource, _) => Err(ApiError::MethodNotAllowed(resource.methods().to_vec())),
    }
}

/// The caller with the reason that the request gives for its change, in its query (`reason`) or in a header. The Java server
/// ignores both, so the same call can be sent to either.
fn with_reason(caller: &Caller, request: &Parts) -> Result<Caller, ApiError> {
    let query = Query(request.uri.query().unwrap_or_default()).get("reason");
    let header = request.headers.get(REASON).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let reason = query.or(header).map(|text| Reason::parse(&text)).transpose();
    let reason = reason.map_err(|wrong| ApiError::BadParameter(wrong.to_string()))?.flatten();
    Ok(Caller { reason, ..caller.clone() })
}

fn options(resource: &Resource<'_>) -> Response {
    let get = resource.methods().contains(&Method::GET);
    let head = if get { &[Method::HEAD][..] } else { &[] };
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(ALLOW, allow(&[head, resource.methods()].concat()));
    response
}
