//! [`Answers`]: the memory of answers that their readers have not taken yet, however many read, and however slowly.
//!
//! Small answers are free: they fit into what a connection has anyway. Of larger ones at most so many bytes are held; who asks for
//! one more waits. A reader that takes nothing while others wait gives way: its connection is closed.
//!
//! Full answers are shared by all who read the same version, and most of what they are made of by the next version, too. Of them
//! only what is kept for readers of former versions counts.

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

/// Answers up to this size are free.
const FREE: usize = 16 * 1024;
/// What is taken of the memory at a time.
const UNIT: usize = 1024;
/// An answer is given to its connection in parts of this size: so it shows whether its reader takes them.
const FRAME: usize = 256 * 1024;
/// How often it is looked who gives way while somebody waits.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// A reader that took nothing for this long gives way to who waits.
const STALLED: Duration = Duration::from_secs(1);
/// Who waits for this long has the place of the reader that has held its own the longest, also if that still takes something.
const PATIENCE: Duration = Duration::from_secs(5);

/// The memory for answers of one kind.
#[derive(Debug)]
pub(super) struct Answers {
    started: Instant,
    units: Arc<Semaphore>,
    most_units: u32,
    /// Held by who waits with an answer that is made: one at a time.
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

/// What of the memory it holds.
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
    /// How many of its bytes are kept for its readers alone when a further version has so many others.
    fn outdated_by(&self, fresh: usize) -> usize {
        let whole = usize::try_from(self.answer.content_length()).unwrap_or(usize::MAX);
        self.outdated.load(Relaxed).saturating_add(fresh).min(whole)
    }
}

/// How an answer that holds memory is taken back from a reader that does not take it: an extension of the response, for whoever
/// owns the connection.
#[derive(Clone, Debug)]
pub struct Revocable(Arc<Reading>);

impl Revocable {
    /// Says how the connection is closed that the answer is written to.
    pub fn closes_by(self, close: impl Fn() + Send + Sync + 'static) {
        // It is written to one connection.
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

    /// How many readers gave way since the start.
    pub(super) fn gave_way(&self) -> u64 {
        self.gave_way.load(Relaxed)
    }

    /// Answers with what `make` makes. If there is no memory for it now, it is dropped, and made again in turn.
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
        self.hold(make()?).await
    }

    /// Answers with what is made already. Who calls this sees to it that few have something made.
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

    /// Answers with a full answer, shared with all who read the same.
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

    /// Whether a further version may be made that lacks `fresh` bytes of the former ones, having others instead: whether what would be
    /// kept for their readers then is not too much.
    pub(super) fn has_room(&self, slot: usize, fresh: usize) -> bool {
        let mut kept = 0_usize;
        for generation in self.generations.lock().iter().filter_map(Weak::upgrade) {
            let fresh = if generation.slot == slot { fresh } else { 0 };
            kept = kept.saturating_add(generation.outdated_by(fresh));
        }
        kept <= self.most_outdated
    }

    /// Waits for a moment, and has a reader of a full answer give way that takes nothing.
    pub(super) async fn make_room_for_a_version(&self, slot: usize, waits_since: Instant) {
        let is_in_the_way = |reading: &Reading| match &reading.held {
            Held::Generation(generation) => generation.slot == slot || generation.outdated.load(Relaxed) > 0,
            Held::Units { .. } => false,
        };
        self.make_room(is_in_the_way, waits_since.elapsed() > PATIENCE);
        // Also until the connection that was closed is gone.
        tokio::time::sleep(LOOK_INTERVAL).await;
    }

    /// Notes that a version was made that lacks `fresh` bytes of the former ones, having others instead.
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

    /// Closes the connection of a reader that takes nothing, the one that has done so for the longest; if there is none and somebody
    /// has waited for long, that of the reader that has held memory for the longest. Says whether there was one.
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
        // It is closed soon, and is not to be chosen again.
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
    /// How much of the next piece is taken.
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

/// Answers for people: each takes as long to make as there are instances, so few are made at a time.
#[derive(Debug)]
pub(super) struct Pages {
    answers: Answers,
    turns: Semaphore,
}

/// How many answers for people are made at a time: so that one processor of two is left for clients.
const MADE_AT_A_TIME: usize = 1;
/// How long somebody waits to have one made.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Pages {
    /// Holds at most `bytes` bytes that were not taken yet.
    pub(super) fn new(bytes: usize) -> Self {
        Self { answers: Answers::new(2 * bytes), turns: Semaphore::new(MADE_AT_A_TIME) }
    }

    /// Answers with what `make` makes, in turn.
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

    /// How many readers gave way since the start.
    pub(super) fn gave_way(&self) -> u64 {
        self.answers.gave_way()
    }
}

#[cfg(test)]
mod tests;
