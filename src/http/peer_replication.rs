//! `POST /peerreplication/batch`: what peers tell (`PeerReplicationResource`). And what only our own replicas ask each
//! other: whether they know the same, and what the other knows.

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use super::error::empty;
use super::negotiate::Produced;
use super::{ApiError, App, negotiate, reads};
use crate::codec::{self, CodecError, Media, repair};

/// Applies a batch item by item and answers what became of each.
pub(super) async fn batch(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
    if headers.contains_key(CONTENT_TYPE) && negotiate::consumed(headers) != Some(Media::Json) {
        let error = CodecError::Xml("a replication batch must be application/json".to_owned());
        return Err(ApiError::Unparsable(Media::Xml, error));
    }
    let bytes = app.bodies().read(headers, body).await?;
    let now = app.now();
    let list = codec::decode_replication_list(&bytes, now)?;
    let responses = app.peer_aware().apply(list, now);
    let mut out = Vec::with_capacity(32 + responses.len() * 20);
    codec::replication_response(produced.media, &responses, &mut out);
    Ok(reads::respond(produced, out.into()))
}

/// Compares what is registered here with a peer's digests: 204 if their totals are the same, else ours.
pub(super) async fn digest(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let bytes = app.bodies().read(headers, body).await?;
    let theirs = repair::decode_digests(&bytes)?;
    let ours = app.registry().recent_digests(app.now());
    if ours.total == theirs.total {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let mut out = Vec::new();
    repair::encode_digests(&ours, &mut out);
    Ok(json(out))
}

/// All that is known here of some applications.
pub(super) async fn exchange(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let bytes = app.bodies().read(headers, body).await?;
    let apps = repair::decode_names(&bytes)?;
    let mut out = Vec::new();
    app.registry().encode_exchange(&apps, app.now(), &mut out);
    Ok(json(out))
}

fn json(body: Vec<u8>) -> Response {
    reads::respond(Produced::plain(Media::Json), body.into())
}
