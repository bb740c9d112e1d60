//! [`Answers`]: the memory of answers that are not read yet. It is bounded, however many clients read, and however slowly.
//!
//! Small answers are not counted: they fit into the buffers of a connection. Larger ones share a number of bytes; a client that
//! asks for one more waits. If a client reads nothing of its answer while others wait, its connection is closed.
//!
//! A full answer is shared by all clients that read the same version, and most of its pages by the next version, too. So of full
//! answers only the bytes count that are kept for readers of former versions.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::ApiError;
use super::blocking::aside;
use crate::registry::Answer;

/// Answers up to this size are not counted.
const FREE: usize = 16 * 1024;
/// The unit in which memory is reserved.
const UNIT: usize = 1024;
/// An answer is given to its connection in parts of this size, so that it shows whether the client reads them.
const FRAME: usize = 256 * 1024;
/// How often a waiting answer looks for one that can give way.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// A client that read nothing for this long gives way to one that waits.
const STALLED: Duration = Duration::from_secs(1);
/// After waiting this long, an answer takes the place of the one that has been read for the longest, even if its client still
/// reads.
const PATIENCE: Duration = Duration::from_secs(5);

/// The memory for answers of one kind.
#[derive(Debug)]
pub(super) struct Answers {
    started: Instant,
    units: Arc<Semaphore>,
    most_units: u32,
    /// Held while an answer that is already made waits for memory: one at a time.
    turn: tokio::sync::Mutex<()>,
    readings: Mutex<Vec<Weak<Reading>>>,
    generations: Mutex<Vec<Weak<Generation>>>,
    /// Maximum bytes that are kept for readers of former versions.
    most_outdated: usize,
    gave_way: AtomicU64,
}

/// An answer on its way to one reader: until the last byte is written, or the connection is closed.
pub(super) struct Reading {
    held: Held,
    started: Instant,
    begun_ms: u64,
    taken_ms: AtomicU64,
    close: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// The memory that it holds.
enum Held {
    Units { _permit: OwnedSemaphorePermit },
    Generation(Arc<Generation>),
}

/// A full answer of one version, while it is read.
#[derive(Debug)]
struct Generation {
    answer: Answer,
    slot: usize,
    /// How many of its bytes a later version no longer has.
    outdated: AtomicUsize,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("begun_ms", &self.begun_ms).field("taken_ms", &self.taken_ms).finish()
    }
}

impl Generation {
    /// The number of its bytes that only its readers still need, after a further version replaced this many others.
    fn outdated_by(&self, fresh: usize) -> usize {
        let whole = usize::try_from(self.answer.content_length()).unwrap_or(usize::MAX);
        self.outdated.load(Relaxed).saturating_add(fresh).min(whole)
    }
}

/// Closes the connection of a client that does not read its answer: an extension of the response, which the owner of the
/// connection picks up.
#[derive(Clone, Debug)]
pub struct Revocable(Arc<Reading>);

impl Revocable {
    /// Sets how the connection of the answer is closed.
    pub fn closes_by(self, close: impl Fn() + Send + Sync + 'static) {
        // An answer is written to one connection only.
        drop(self.0.close.set(Box::new(close)));
    }
}

impl Answers {
    /// Holds at most `bytes` bytes: half for answers that are made for one reader each, half for former versions of full ones.
    pub(super) fn new(bytes: usize) -> Self {
        let units = (bytes / 2 / UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            started: Instant::now(),
            units: Arc::new(Semaphore::new(units)),
            most_units: u32::try_from(units).unwrap_or(u32::MAX),
            turn: tokio::sync::Mutex::new(()),
            readings: Mutex::default(),
            generations: Mutex::default(),
            most_outdated: bytes / 2,
            gave_way: AtomicU64::new(0),
        }
    }

    /// The number of answers that gave way since the start.
    pub(super) fn gave_way(&self) -> u64 {
        self.gave_way.load(Relaxed)
    }

    /// Answers with the result of `make`. If there is no memory for it now, it is dropped, and made again when its turn has come.
    pub(super) async fn respond(&self, make: impl Fn() -> Result<Bytes, ApiError>) -> Result<Response, ApiError> {
        let body = make()?;
        if body.len() <= FREE {
            return Ok(Response::new(Body::from(body)));
        }
        if let Ok(permit) = Arc::clone(&self.units).try_acquire_many_owned(self.units_of(body.len())) {
            return Ok(self.response(body, permit));
        }
        drop(body);
        let _turn = self.turn.lock().await;
        Box::pin(self.hold(make()?)).await
    }

    /// Answers with a body that is made already. The caller sees to it that few such bodies wait.
    pub(super) async fn hold(&self, body: Bytes) -> Result<Response, ApiError> {
        if body.len() <= FREE {
            return Ok(Response::new(Body::from(body)));
        }
        let units = Arc::clone(&self.units).acquire_many_owned(self.units_of(body.len()));
        tokio::pin!(units);
        let waits_since = Instant::now();
        loop {
            tokio::select! {
                biased;
                permit = &mut units => {
                    let permit = permit.map_err(|_closed| ApiError::Busy("the registry stops"))?;
                    return Ok(self.response(body, permit));
                }
                () = tokio::time::sleep(LOOK_INTERVAL) => {
                    let of_units = |reading: &Reading| matches!(reading.held, Held::Units { .. });
                    self.make_room(of_units, waits_since.elapsed() > PATIENCE);
                }
            }
        }
    }

    /// Answers with a full answer, which is shared with all clients that read the same version.
    pub(super) fn share(&self, answer: &Answer, slot: usize) -> Response {
        if answer.content_length() <= FREE as u64 {
            let whole = if let [one] = &**answer.pieces() { one.clone() } else { answer.pieces().concat().into() };
            return Response::new(Body::from(whole));
        }
        let generation = {
            let mut generations = self.generations.lock();
            let known = generations.iter().rev().filter_map(Weak::upgrade);
            let same = |known: &Arc<Generation>| Arc::ptr_eq(known.answer.pieces(), answer.pieces());
            known.into_iter().find(same).unwrap_or_else(|| {
                let generation = Arc::new(Generation { answer: answer.clone(), slot, outdated: AtomicUsize::new(0) });
                generations.retain(|generation| generation.strong_count() > 0);
                generations.push(Arc::downgrade(&generation));
                generation
            })
        };
        let reading = self.reading(Held::Generation(generation));
        let (pieces, left) = (Arc::clone(answer.pieces()), answer.content_length());
        revocable(Body::new(Taken { pieces, next: 0, at: 0, left, reading: Arc::clone(&reading) }), reading)
    }

    /// Whether a further version may be made that replaces `fresh` bytes of the former ones: whether the bytes that are then kept
    /// for readers of former versions stay within the limit.
    pub(super) fn has_room(&self, slot: usize, fresh: usize) -> bool {
        let mut kept = 0_usize;
        for generation in self.generations.lock().iter().filter_map(Weak::upgrade) {
            let fresh = if generation.slot == slot { fresh } else { 0 };
            kept = kept.saturating_add(generation.outdated_by(fresh));
        }
        kept <= self.most_outdated
    }

    /// Waits for a moment, and lets a full answer give way whose client reads nothing.
    pub(super) async fn make_room_for_a_version(&self, slot: usize, waits_since: Instant) {
        let is_in_the_way = |reading: &Reading| match &reading.held {
            Held::Generation(generation) => generation.slot == slot || generation.outdated.load(Relaxed) > 0,
            Held::Units { .. } => false,
        };
        self.make_room(is_in_the_way, waits_since.elapsed() > PATIENCE);
        // This also waits until the closed connection is gone.
        tokio::time::sleep(LOOK_INTERVAL).await;
    }

    /// Notes that a version was made that replaces `fresh` bytes of the former ones.
    pub(super) fn superseded(&self, slot: usize, fresh: usize) {
        let generations = self.generations.lock();
        for generation in generations.iter().filter_map(Weak::upgrade).filter(|generation| generation.slot == slot) {
            generation.outdated.store(generation.outdated_by(fresh), Relaxed);
        }
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.most_units)
    }

    fn response(&self, body: Bytes, permit: OwnedSemaphorePermit) -> Response {
        let reading = self.reading(Held::Units { _permit: permit });
        let left = body.len() as u64;
        revocable(
            Body::new(Taken { pieces: Arc::from([body]), next: 0, at: 0, left, reading: Arc::clone(&reading) }),
            reading,
        )
    }

    fn reading(&self, held: Held) -> Arc<Reading> {
        let now = self.now_ms();
        let reading = Arc::new(Reading {
            held,
            started: self.started,
            begun_ms: now,
            taken_ms: AtomicU64::new(now),
            close: OnceLock::new(),
        });
        let mut readings = self.readings.lock();
        if readings.len() == readings.capacity() {
            readings.retain(|reading| reading.strong_count() > 0);
        }
        readings.push(Arc::downgrade(&reading));
        reading
    }

    /// Closes the connection that has read nothing for the longest. If every client reads, and another has waited for long,
    /// closes the one that has held memory for the longest. Returns whether there was one.
    fn make_room(&self, of_kind: impl Fn(&Reading) -> bool, has_waited: bool) -> bool {
        let now = self.now_ms();
        let since = |then: u64| Duration::from_millis(now.saturating_sub(then));
        let mut readings: Vec<Arc<Reading>> = self.readings.lock().iter().filter_map(Weak::upgrade).collect();
        readings.retain(|reading| of_kind(reading) && reading.close.get().is_some());
        let stalled = readings.iter().filter(|reading| since(reading.taken_ms.load(Relaxed)) >= STALLED);
        let stalled = stalled.min_by_key(|reading| reading.taken_ms.load(Relaxed));
        let longest = readings.iter().filter(|_| has_waited).min_by_key(|reading| reading.begun_ms);
        let Some(reading) = stalled.or(longest) else { return false };
        self.gave_way.fetch_add(1, Relaxed);
        // It is closed soon, so it is not chosen again.
        self.readings.lock().retain(|known| !std::ptr::eq(known.as_ptr(), Arc::as_ptr(reading)));
        if let Some(close) = reading.close.get() {
            close();
        }
        true
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// An answer as a body: its pieces, without a copy.
struct Taken {
    pieces: Arc<[Bytes]>,
    next: usize,
    /// The number of bytes of the next piece that are sent.
    at: usize,
    left: u64,
    reading: Arc<Reading>,
}

impl http_body::Body for Taken {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let Some(piece) = this.pieces.get(this.next) else { return Poll::Ready(None) };
        let end = piece.len().min(this.at + FRAME);
        let data = piece.slice(this.at..end);
        (this.next, this.at) = if end == piece.len() { (this.next + 1, 0) } else { (this.next, end) };
        this.left -= data.len() as u64;
        let now = u64::try_from(this.reading.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        this.reading.taken_ms.store(now, Relaxed);
        let data = Bytes::from_owner(Written { data, _reading: Arc::clone(&this.reading) });
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A part of an answer, which holds its memory until it is written.
struct Written {
    data: Bytes,
    _reading: Arc<Reading>,
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

fn revocable(body: Body, reading: Arc<Reading>) -> Response {
    let mut response = Response::new(body);
    response.extensions_mut().insert(Revocable(reading));
    response
}

/// Answers for people. The time to make one grows with the number of instances, so few are made at a time.
#[derive(Debug)]
pub(super) struct Pages {
    answers: Answers,
    turns: Semaphore,
}

/// How many answers for people are made at a time. It leaves one of two processors to clients.
const MADE_AT_A_TIME: usize = 1;
/// How long a request waits until its answer is made.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Pages {
    /// Holds at most `bytes` bytes of answers that are not read yet.
    pub(super) fn new(bytes: usize) -> Self {
        Self { answers: Answers::new(2 * bytes), turns: Semaphore::new(MADE_AT_A_TIME) }
    }

    /// Answers with the result of `make`, when its turn has come.
    ///
    /// # Errors
    /// If it cannot be made, or too many wait.
    pub(super) async fn respond(
        &self,
        make: impl FnOnce() -> Result<Bytes, ApiError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let in_turn = async {
            let _turn = self.turns.acquire().await;
            self.answers.hold(aside(make).await?).await
        };
        let busy = |_late| ApiError::Busy("too many pages are asked for; try again in a few seconds");
        tokio::time::timeout(LONGEST_WAIT, in_turn).await.unwrap_or_else(|late| Err(busy(late)))
    }

    /// The number of answers that gave way since the start.
    pub(super) fn gave_way(&self) -> u64 {
        self.answers.gave_way()
    }
}

#[cfg(test)]
mod tests;
