//! [`Bodies`]: reading the bodies of requests within the memory that all of them share.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{ApiError, negotiate};
use crate::codec;
use crate::limits::Budget;

/// Bytes of every body that are read without a reservation: nearly all bodies are smaller.
const FREE: usize = 16 * 1024;
/// Bytes of every body that are inflated without a reservation.
const FREE_INFLATED: usize = 64 * 1024;
/// The unit in which shared memory is reserved.
const UNIT: usize = 1024;
/// The memory of a document while it is decoded, as a multiple of its length: the text, and the values made of it.
const DECODED: usize = 2;
/// How long a larger body may take to wait and to arrive, in total. So no client holds memory for ever, and bodies that wait for
/// each other's memory end.
const HELD_FOR: Duration = Duration::from_secs(20);

/// The memory for bodies that are still arriving or being decoded, however many clients send some. A body that is not small waits
/// for its turn.
#[derive(Debug)]
pub(crate) struct Bodies {
    limit: usize,
    arriving: Arc<Semaphore>,
    decoded: Arc<Semaphore>,
}

impl Bodies {
    /// For bodies of at most `limit` bytes, or as much as the shares of the budget allow.
    pub(crate) fn new(limit: usize, budget: &Budget) -> Self {
        Self::with_memory(limit, budget.request_bodies, budget.decoded_bodies)
    }

    fn with_memory(limit: usize, arriving: usize, decoded: usize) -> Self {
        let units = |bytes: usize| Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS)));
        // One alone fits into both, in whole units.
        let limit = limit.min(arriving / UNIT * UNIT).min(decoded / UNIT * UNIT / DECODED);
        Self { limit, arriving: units(arriving), decoded: units(decoded) }
    }

    /// Reads a whole body, and inflates it if it is gzip. The limit applies to both lengths.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Received, ApiError> {
        self.read_at_most(self.limit, headers, body).await
    }

    /// The same, for a document with a limit of its own.
    pub(crate) async fn read_at_most(
        &self,
        most: usize,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Received, ApiError> {
        // In a box, here and below: most requests have no body, and what one needs is not to make the future of each of them larger.
        Box::pin(self.receive(most, headers, body)).await
    }

    async fn receive(&self, most: usize, headers: &HeaderMap, body: Body) -> Result<Received, ApiError> {
        let (gzip, most) = (negotiate::is_gzip(headers).ok_or(ApiError::UnsupportedMediaType)?, most.min(self.limit));
        let arrived = self.collect(most, body).await?;
        if gzip {
            return self.inflate(&arrived, most).await;
        }
        if arrived.len() <= FREE {
            return Ok(arrived);
        }
        let (mut units, deadline) = (None, Some(Instant::now() + HELD_FOR));
        in_time(deadline, self.hold(&self.decoded, arrived.len() * DECODED, &mut units)).await??;
        Ok(Received { _units: units, ..arrived })
    }

    /// Reads a body that has no meaning, so that the connection can be used again: Jersey 2 and 3 send `{}` with every heartbeat.
    pub(crate) async fn discard(&self, body: Body) -> Result<(), ApiError> {
        if http_body::Body::is_end_stream(&body) {
            return Ok(());
        }
        Box::pin(self.collect(self.limit, body)).await.map(drop)
    }

    /// Inflates a body. Its last bytes say how long it becomes, so it is refused, or waits, before memory is spent on it.
    async fn inflate(&self, compressed: &[u8], most: usize) -> Result<Received, ApiError> {
        let announced = codec::inflated_len(compressed)?;
        if announced > most {
            return Err(ApiError::BodyTooLarge(most));
        }
        let mut units = None;
        if announced > FREE_INFLATED {
            let deadline = Some(Instant::now() + HELD_FOR);
            in_time(deadline, self.hold(&self.decoded, announced * DECODED, &mut units)).await??;
        }
        Ok(Received { bytes: codec::gunzip(compressed, announced)?.into(), _units: units })
    }

    async fn collect(&self, limit: usize, body: Body) -> Result<Received, ApiError> {
        // A body that announces more than the limit need not be sent.
        if http_body::Body::size_hint(&body).lower() > limit as u64 {
            return Err(ApiError::BodyTooLarge(limit));
        }
        let announced = usize::try_from(http_body::Body::size_hint(&body).lower()).unwrap_or_default();
        let most = if announced > 0 { announced } else { limit };
        let mut body = Limited::new(body, limit);
        // Most bodies are one piece, which is not copied.
        let (mut first, mut whole) = (Bytes::new(), Vec::new());
        let (mut room, mut units, mut deadline) = (FREE, None, None);
        while let Some(frame) = in_time(deadline, body.frame()).await? {
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() { ApiError::BodyTooLarge(limit) } else { ApiError::BodyBroken }
            })?;
            let Ok(data) = frame.into_data() else { continue };
            let len = first.len() + whole.len() + data.len();
            if len > room {
                // It takes all the memory that is reserved for it, not only that of the bytes that have arrived.
                room = (2 * room).min(most).max(len);
                deadline = deadline.or_else(|| Some(Instant::now() + HELD_FOR));
                in_time(deadline, self.hold(&self.arriving, room - FREE, &mut units)).await??;
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
        Ok(Received { bytes, _units: units })
    }

    /// Waits until this many bytes can be held, including those in `units`.
    async fn hold(
        &self,
        memory: &Arc<Semaphore>,
        bytes: usize,
        units: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<(), ApiError> {
        let wanted = bytes.div_ceil(UNIT).saturating_sub(units.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        let wanted = u32::try_from(wanted).map_err(|_too_many| ApiError::BodyTooLarge(self.limit))?;
        let more = Arc::clone(memory).acquire_many_owned(wanted).await.map_err(|_closed| ApiError::BodyBroken)?;
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
    _units: Option<OwnedSemaphorePermit>,
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};

    use super::*;

    /// A body of this many pieces of 16 KiB, without an end if there is `more` to come.
    fn body(pieces: usize, more: bool) -> Body {
        let sent = stream::repeat(Ok::<_, Infallible>(Bytes::from(vec![b'a'; FREE]))).take(pieces);
        if more { Body::from_stream(sent.chain(stream::pending())) } else { Body::from_stream(sent) }
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_wait_for_each_other_end() {
        let bodies = Bodies::with_memory(32 * FREE, 32 * FREE, 64 * FREE);
        let crowd = (0..4).map(|_| bodies.collect(32 * FREE, body(12, true)));
        let ended = tokio::time::timeout(HELD_FOR * 3, futures_util::future::join_all(crowd)).await.unwrap();
        assert!(ended.iter().all(|ended| matches!(ended, Err(ApiError::BodyLate))), "{ended:?}");
        let headers = HeaderMap::new();
        assert_eq!(bodies.read(&headers, body(20, false)).await.unwrap().len(), 20 * FREE);
        assert!(matches!(bodies.read(&headers, body(33, false)).await, Err(ApiError::BodyTooLarge(_))));
    }
}
