//! Bodies: reading one with a limit, sending one that is shared.

use std::convert::Infallible;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{ApiError, negotiate};
use crate::codec;
use crate::registry::Answer;

/// So much of every body is read without asking: what clients send is smaller.
const FREE: usize = 16 * 1024;
/// So much of larger ones is held at a time, in all: a part of what a small container has. Whoever sends more waits for its turn.
const HELD_BYTES: usize = 48 * 1024 * 1024;
/// What is taken of that at a time.
const UNIT: usize = 1024;
/// So long a larger one may wait and arrive, in all: nobody holds memory for as long as it likes, and bodies that wait for each
/// other's memory end.
const HELD_FOR: Duration = Duration::from_secs(20);

/// The memory that bodies may take which are still arriving, however many clients send some.
#[derive(Debug)]
pub(crate) struct Bodies {
    limit: usize,
    units: Arc<Semaphore>,
}

impl Bodies {
    /// For bodies of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self::with_memory(limit, HELD_BYTES.max(limit.saturating_mul(4)))
    }

    fn with_memory(limit: usize, held_bytes: usize) -> Self {
        let units = held_bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        Self { limit, units: Arc::new(Semaphore::new(units)) }
    }

    /// Reads a body whole, inflating it if it is gzip; at most as much as the limit says either way.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Received, ApiError> {
        let gzip = negotiate::is_gzip(headers).ok_or(ApiError::UnsupportedMediaType)?;
        let Received { bytes, units } = self.collect(body).await?;
        let bytes = if gzip { codec::gunzip(&bytes, self.limit)?.into() } else { bytes };
        Ok(Received { bytes, units })
    }

    /// Reads a body that means nothing, so that the connection can be used again: Jersey 2 and 3 send `{}` with every
    /// heartbeat.
    pub(crate) async fn discard(&self, body: Body) -> Result<(), ApiError> {
        if http_body::Body::is_end_stream(&body) {
            return Ok(());
        }
        self.collect(body).await.map(drop)
    }

    async fn collect(&self, body: Body) -> Result<Received, ApiError> {
        // What says before that it will be too much need not be sent.
        if http_body::Body::size_hint(&body).lower() > self.limit as u64 {
            return Err(ApiError::BodyTooLarge(self.limit));
        }
        let announced = usize::try_from(http_body::Body::size_hint(&body).lower()).unwrap_or_default();
        let most = if announced > 0 { announced } else { self.limit };
        let mut body = Limited::new(body, self.limit);
        // One piece is most often all of it, and then is not copied.
        let (mut first, mut whole) = (Bytes::new(), Vec::new());
        let (mut room, mut units, mut deadline) = (FREE, None, None);
        while let Some(frame) = in_time(deadline, body.frame()).await? {
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() { ApiError::BodyTooLarge(self.limit) } else { ApiError::BodyBroken }
            })?;
            let Ok(data) = frame.into_data() else { continue };
            let len = first.len() + whole.len() + data.len();
            if len > room {
                // What it takes is what is reserved for it, and not only what has arrived.
                room = (2 * room).min(most).max(len);
                deadline = deadline.or_else(|| Some(Instant::now() + HELD_FOR));
                in_time(deadline, self.hold(room - FREE, &mut units)).await??;
            }
            if len == data.len() {
                first = data;
            } else {
                whole.reserve_exact(room - whole.len());
                whole.extend_from_slice(&std::mem::take(&mut first));
                whole.extend_from_slice(&data);
            }
        }
        let bytes = if whole.is_empty() { first } else { whole.into() };
        Ok(Received { bytes, units })
    }

    /// Waits until so many bytes can be held, those in `units` among them.
    async fn hold(&self, bytes: usize, units: &mut Option<OwnedSemaphorePermit>) -> Result<(), ApiError> {
        let wanted = bytes.div_ceil(UNIT).saturating_sub(units.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        let wanted = u32::try_from(wanted).map_err(|_too_many| ApiError::BodyTooLarge(self.limit))?;
        let more = Arc::clone(&self.units).acquire_many_owned(wanted).await.map_err(|_closed| ApiError::BodyBroken)?;
        match units {
            Some(units) => units.merge(more),
            None => *units = Some(more),
        }
        Ok(())
    }
}

/// Waits for something until the deadline, if there is one.
async fn in_time<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Result<T, ApiError> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, work).await.map_err(|_late| ApiError::BodyLate),
        None => Ok(work.await),
    }
}

/// A body, and its share of the memory for bodies until it is dropped.
#[derive(Debug)]
pub(crate) struct Received {
    bytes: Bytes,
    units: Option<OwnedSemaphorePermit>,
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
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

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    /// A body of so many pieces of 16 KiB, and no end if there is `more` to come.
    fn body(pieces: usize, more: bool) -> Body {
        let sent = stream::repeat(Ok::<_, Infallible>(Bytes::from(vec![b'a'; FREE]))).take(pieces);
        if more { Body::from_stream(sent.chain(stream::pending())) } else { Body::from_stream(sent) }
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_wait_for_each_other_end() {
        let bodies = Bodies::with_memory(32 * FREE, 32 * FREE);
        let crowd = (0..4).map(|_| bodies.collect(body(12, true)));
        let ended = tokio::time::timeout(HELD_FOR * 3, futures_util::future::join_all(crowd)).await.unwrap();
        assert!(ended.iter().all(|ended| matches!(ended, Err(ApiError::BodyLate))), "{ended:?}");
        let headers = HeaderMap::new();
        assert_eq!(bodies.read(&headers, body(20, false)).await.unwrap().len(), 20 * FREE);
        assert!(matches!(bodies.read(&headers, body(33, false)).await, Err(ApiError::BodyTooLarge(_))));
    }
}
