//! One client's connection: its deadlines, its age, and its end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, StatusCode};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::options::Options;
use super::stopping::Stopping;

/// How often a connection's deadlines are looked at. They are seconds, and one coarse timer for a connection is far
/// cheaper than several for each request.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The most bytes that are read ahead, and that wait to be written: more would be memory that clients decide about.
const MAX_BUFFERED_BYTES: usize = 64 * 1024;

/// So many bytes a second are the least that a client has to send of a body, and to take of an answer; else a few bytes now
/// and then would keep a connection for ever.
const SLOWEST_BYTES_PER_SECOND: u64 = 500;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The first byte of its first request, a TLS handshake before it.
    New,
    /// The first byte of a further request.
    Idle,
    /// The rest of its head.
    Head,
    /// The request to be answered and the answer to be taken: bytes have to move.
    Exchange,
}

/// What the connection does now, written by its stream and its service, read by its watch.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    phase: AtomicU8,
    /// Milliseconds after `start` at which the phase began, or bytes last moved within it.
    since_ms: AtomicU64,
    /// Whether hyper has taken the whole answer, though perhaps not yet written all of it.
    answered: AtomicBool,
    /// Whether the request's body has not arrived whole.
    receiving: AtomicBool,
    /// Whether the client does not take what is there for it.
    blocked: AtomicBool,
    /// Bytes of the request's body and of its answer that have moved.
    moved: AtomicU64,
    /// What `moved` and the time were when it was last looked whether enough moves.
    measured: (AtomicU64, AtomicU64),
    /// That the connection's place is needed.
    displaced: Notify,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            phase: AtomicU8::new(Phase::New as u8),
            since_ms: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            receiving: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            measured: (AtomicU64::new(0), AtomicU64::new(0)),
            displaced: Notify::new(),
        })
    }

    /// Closes the connection: its place is needed.
    pub(super) fn displace(&self) {
        self.displaced.notify_one();
    }

    /// Until the connection's place is needed.
    pub(super) async fn displaced(&self) {
        self.displaced.notified().await;
    }

    /// How little it is to be missed, and since when: the least of a crowd goes first. Who has sent no request yet, or half of
    /// one, is nobody's client; who is between two requests is, but will come again. Who waits for the server stays: `None`.
    pub(super) fn rank(&self) -> Option<(u8, Instant)> {
        let rank = match self.phase() {
            Phase::New | Phase::Head => 0,
            Phase::Exchange if self.lets_wait() => 1,
            Phase::Idle => 2,
            Phase::Exchange => return None,
        };
        Some((rank, self.start + Duration::from_millis(self.since_ms.load(Relaxed))))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(Instant::now().saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
        self.touch();
    }

    /// A request's head is there.
    fn request(&self, has_body: bool) {
        self.receiving.store(has_body, Relaxed);
        self.enter(Phase::Exchange);
        self.measured.0.store(self.moved.load(Relaxed), Relaxed);
        self.measured.1.store(self.since_ms.load(Relaxed), Relaxed);
    }

    fn moved(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Relaxed);
        self.touch();
    }

    /// Everything is written: if that was an answer's end, the connection is idle.
    fn flushed(&self) {
        if self.answered.swap(false, Relaxed) {
            self.enter(Phase::Idle);
        }
    }

    fn touch(&self) {
        self.since_ms.store(self.elapsed_ms(), Relaxed);
    }

    fn phase(&self) -> Phase {
        [Phase::New, Phase::Idle, Phase::Head, Phase::Exchange][usize::from(self.phase.load(Relaxed)).min(3)]
    }

    /// Whether the phase has lasted too long.
    fn is_overdue(&self, options: &Options) -> bool {
        let phase = self.phase();
        let allowed = match phase {
            Phase::New | Phase::Head => options.request_header_timeout,
            Phase::Idle => options.keep_alive_timeout,
            Phase::Exchange => options.request_body_timeout,
        };
        let since = Duration::from_millis(self.since_ms.load(Relaxed));
        let silent = Duration::from_millis(self.elapsed_ms()) > since + allowed;
        if phase != Phase::Exchange {
            return silent;
        }
        // A client that waits for the server may wait as long as the answer takes to be made, or as nothing happens to tell.
        let drips = self.drips(allowed);
        self.lets_wait() && (silent || drips)
    }

    /// Whether the server waits for the client: for the rest of its request, or for it to take its answer.
    fn lets_wait(&self) -> bool {
        self.receiving.load(Relaxed) || self.blocked.load(Relaxed)
    }

    /// Whether too little moved in a period.
    fn drips(&self, period: Duration) -> bool {
        let (moved, now) = (self.moved.load(Relaxed), self.elapsed_ms());
        let took = now.saturating_sub(self.measured.1.load(Relaxed));
        if Duration::from_millis(took) < period {
            return false;
        }
        self.measured.1.store(now, Relaxed);
        let least = SLOWEST_BYTES_PER_SECOND * took / 1000;
        moved - self.measured.0.swap(moved, Relaxed) < least
    }
}

/// Serves one connection until it is closed by its client, by a deadline, by its age, or because the server drains.
///
/// It is never closed between two requests while it is used: the answer that is to be its last says
/// `Connection: close`, so a client never sends into a closed connection.
pub(super) async fn serve<S, F>(
    stream: S,
    activity: Arc<Activity>,
    max_age: Duration,
    options: &Options,
    stopping: &Stopping,
    answer: impl Fn(Request<Body>) -> F + Clone,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Response>,
{
    let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let has_body = !http_body::Body::is_end_stream(request.body());
        activity.request(has_body);
        let answer = answer(request.map(|body| match has_body {
            true => Body::new(Arriving { body, activity: Arc::clone(&activity) }),
            false => Body::empty(),
        }));
        let activity = Arc::clone(&activity);
        async move {
            let mut response = answer.await;
            let old = Duration::from_millis(activity.elapsed_ms()) > max_age;
            if old || stopping.no_new_requests.is_cancelled() || closes_connection(response.status()) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|body| Answering { body, activity }))
        }
    });
    let mut http = http1::Builder::new();
    // At most 100 headers, which is the default: saying so would cost an allocation a request.
    http.header_read_timeout(None).max_header_size(MAX_HEAD_BYTES).max_buf_size(MAX_BUFFERED_BYTES).half_close(false);
    let connection = http.serve_connection(io, service);
    let displaced = activity.displaced();
    tokio::pin!(connection, displaced);
    let mut watch = tokio::time::interval(WATCH_INTERVAL);
    watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told_to_finish = false;
    loop {
        tokio::select! {
            biased;
            // Errors are the client's: it went away, or sent what is no HTTP and was answered 400.
            _ended = &mut connection => return,
            () = stopping.draining.cancelled(), if !told_to_finish => {
                told_to_finish = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = watch.tick() => {
                if activity.is_overdue(options) {
                    return;
                }
            }
            () = &mut displaced => return,
        }
    }
}

/// A body that was refused is still on its way; the connection cannot be used for anything else.
fn closes_connection(status: StatusCode) -> bool {
    matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT)
}

/// A request's body, which notes when it has arrived whole, or nobody waits for the rest.
struct Arriving {
    body: Incoming,
    activity: Arc<Activity>,
}

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.activity.receiving.store(false, Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.activity.receiving.store(false, Relaxed);
    }
}

/// An answer's body, which notes when hyper has taken all of it.
struct Answering {
    body: Body,
    activity: Arc<Activity>,
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.activity.answered.store(true, Relaxed);
    }
}

/// A stream that notes when bytes move.
struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() && buf.filled().len() > before {
            match self.activity.phase() {
                Phase::New | Phase::Idle => self.activity.enter(Phase::Head),
                Phase::Head => {}
                Phase::Exchange => self.activity.moved(buf.filled().len() - before),
            }
        }
        polled
    }
}

impl<S> Watched<S> {
    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        self.activity.blocked.store(polled.is_pending(), Relaxed);
        if let Poll::Ready(Ok(written @ 1..)) = polled {
            self.activity.moved(*written);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when all it has to send is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            self.activity.flushed();
        } else {
            self.activity.blocked.store(true, Relaxed);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
