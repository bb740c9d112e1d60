//! `POST /peerreplication/batch`: what peers tell (`PeerReplicationResource`).

use axum::body::Body;
use axum::response::Response;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::{ApiError, App, body, negotiate, reads};
use crate::codec::{self, CodecError, Media};

/// Applies a batch item by item and answers what became of each.
pub(super) async fn batch(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
    if headers.contains_key(CONTENT_TYPE) && negotiate::consumed(headers) != Some(Media::Json) {
        let error = CodecError::Xml("a replication batch must be application/json".to_owned());
        return Err(ApiError::Unparsable(Media::Xml, error));
    }
    let bytes = body::read(headers, body, app.options().max_body_bytes).await?;
    let now = app.now();
    let list = codec::decode_replication_list(&bytes, now)?;
    let responses = app.peer_aware().apply(list, now);
    let mut out = Vec::with_capacity(32 + responses.len() * 20);
    codec::replication_response(produced.media, &responses, &mut out);
    Ok(reads::respond(produced, out.into()))
}
