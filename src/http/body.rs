//! Bodies: reading one with a limit, sending one that is shared.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{ApiError, negotiate};
use crate::codec;
use crate::registry::Answer;

/// Reads a body whole, inflating it if it is gzip; at most `limit` bytes either way.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let gzip = negotiate::is_gzip(headers).ok_or(ApiError::UnsupportedMediaType)?;
    let collected = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { ApiError::BodyTooLarge(limit) } else { ApiError::BodyBroken }
    })?;
    let bytes = collected.to_bytes();
    if gzip { Ok(codec::gunzip(&bytes, limit)?.into()) } else { Ok(bytes) }
}

/// Reads a body that means nothing, so that the connection can be used again: Jersey 2 and 3 send `{}` with every
/// heartbeat.
pub(crate) async fn discard(body: Body, limit: usize) -> Result<(), ApiError> {
    if http_body::Body::is_end_stream(&body) {
        return Ok(());
    }
    read(&HeaderMap::new(), body, limit).await.map(drop)
}

/// An answer as a body: its pieces, one frame each, without a copy.
pub(super) struct Shared {
    pieces: Arc<[Bytes]>,
    next: usize,
    left: u64,
}

impl Shared {
    pub(super) fn new(answer: &Answer) -> Self {
        Self { pieces: Arc::clone(answer.pieces()), next: 0, left: answer.content_length() }
    }
}

impl http_body::Body for Shared {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.get(self.next).cloned();
        self.next += 1;
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
