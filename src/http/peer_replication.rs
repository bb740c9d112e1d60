//! `POST /peerreplication/batch`: the changes that peers send (`PeerReplicationResource`). And the calls between our own
//! replicas, which compare what they know.

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::negotiate::Produced;
use super::state::AppState;
use super::{ApiError, negotiate, readers, reads};
use crate::codec::exchange::{self, ReadersRequest, RecordsRequest};
use crate::codec::{self, CodecError, Media};
use crate::model::ReplicationInstanceResponse;
use crate::registry::Caller;
use crate::replication::ItemOutcome;
use crate::replication::protocol::TIME_HEADER;

/// Maximum bytes of the instances in an answer to a peer that has older ones.
const MOST_ENTITIES: usize = 1024 * 1024;

/// Applies a batch item by item, and answers with the outcome of each.
pub(super) async fn batch(
    app: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
    if headers.contains_key(CONTENT_TYPE) && negotiate::consumed(headers) != Some(Media::Json) {
        let error = CodecError::Xml("a replication batch must be application/json".to_owned());
        return Err(ApiError::Unparsable(Media::Xml, error));
    }
    let bytes = app.bodies.read(headers, body).await?;
    let now = app.now();
    let list = codec::decode_replication_list(&bytes, now)?;
    let outcomes = app.peer_aware.apply(list, caller, now);
    let mut room = MOST_ENTITIES;
    let responses: Vec<_> = outcomes.into_iter().map(|outcome| response(outcome, &mut room)).collect();
    let mut out = Vec::with_capacity(32 + responses.len() * 20);
    codec::replication_response(produced.media, &responses, &mut out);
    // The memory of the request's body is held until there is room for the answer: so few wait with one.
    let answer = app.answers.hold(out.into()).await?;
    drop(bytes);
    Ok(with_time(app, headers, reads::produced_as(produced, answer)))
}

/// The answer that the item would get as a call of its own. The Java server answers 500 for an item that lacks something: its
/// code throws.
///
/// `room` is the number of bytes that the instances in the answer may still have. What does not fit is found by a comparison
/// later.
fn response(outcome: ItemOutcome, room: &mut usize) -> ReplicationInstanceResponse {
    let (status_code, ours) = match outcome {
        ItemOutcome::Applied => (200, None),
        ItemOutcome::NotFound => (404, None),
        ItemOutcome::Conflict(ours) => (409, ours),
        ItemOutcome::Incomplete => (500, None),
    };
    let ours = ours.filter(|ours| {
        let weight = ours.info().weight();
        let fits = weight <= *room;
        *room = room.saturating_sub(weight);
        fits
    });
    let response_entity = ours.map(|ours| (Box::new(ours.info().clone()), ours.lease_info()));
    ReplicationInstanceResponse { status_code, response_entity }
}

/// Compares what is known here with a peer's digest of everything, and answers ours: of all applications if they differ.
pub(super) async fn digests(app: &AppState, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let bytes = app.bodies.read(headers, body).await?;
    let (theirs, now) = (exchange::decode_digests(&bytes)?, app.now());
    drop(bytes);
    app.registry.meet(theirs.clock, now);
    let total = theirs.total;
    let ours = || {
        let mut ours = app.registry.digest(now);
        if ours.total != total {
            ours = app.registry.digests(now);
        }
        let mut out = Vec::new();
        exchange::encode_digests(&ours, &mut out);
        Ok(out.into())
    };
    Ok(with_time(app, headers, json(app.answers.respond(ours).await?)))
}

/// This replica's records of some applications.
pub(super) async fn records(app: &AppState, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let bytes = app.bodies.read(headers, body).await?;
    let request = RecordsRequest::decode(&bytes)?;
    drop(bytes);
    let records = || {
        let mut out = Vec::new();
        app.registry.encode_records(&request, &mut out);
        Ok(out.into())
    };
    Ok(with_time(app, headers, json(app.answers.respond(records).await?)))
}

/// When some instances were last heard here.
pub(super) async fn heard(app: &AppState, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let bytes = app.bodies.read(headers, body).await?;
    let keys = exchange::decode_keys(&bytes)?;
    let heard = || {
        let mut out = Vec::new();
        exchange::encode_heard(&app.registry.when_heard(&keys, app.now()), &mut out);
        Ok(out.into())
    };
    Ok(with_time(app, headers, json(app.answers.respond(heard).await?)))
}

/// Whether the readers at this replica have fetched a change, for a peer at which the instance is drained.
pub(super) async fn readers(app: &AppState, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let bytes = app.bodies.read(headers, body).await?;
    let request = ReadersRequest::decode(&bytes)?;
    drop(bytes);
    let answer = || {
        let mut out = Vec::new();
        readers::answer(app, &request, app.now())?.encode(&mut out);
        Ok(out.into())
    };
    Ok(with_time(app, headers, json(app.answers.respond(answer).await?)))
}

/// Adds the time of this replica's clock, by which a peer translates times.
pub(super) fn with_time(app: &AppState, headers: &HeaderMap, mut response: Response) -> Response {
    if headers.contains_key(TIME_HEADER) {
        response.headers_mut().insert(TIME_HEADER, HeaderValue::from(app.now().0));
    }
    response
}

fn json(answer: Response) -> Response {
    reads::produced_as(Produced::plain(Media::Json), answer)
}
