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
use tokio::time::Instant;

use super::{Options, Stopping};

/// How often a connection's deadlines are looked at. They are seconds, and one coarse timer for a connection is far
/// cheaper than several for each request.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of its head.
    Head,
    /// The request to be answered and the answer to be taken: bytes have to move.
    Exchange,
}

/// What the connection does now, written by its stream and its service, read by its watch.
#[derive(Debug)]
struct Activity {
    start: Instant,
    phase: AtomicU8,
    /// Milliseconds after `start` at which the phase began, or bytes last moved within it.
    since_ms: AtomicU64,
    /// Whether hyper has taken the whole answer, though perhaps not yet written all of it.
    answered: AtomicBool,
}

impl Activity {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            phase: AtomicU8::new(Phase::Idle as u8),
            since_ms: AtomicU64::new(0),
            answered: AtomicBool::new(false),
        })
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(Instant::now().saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
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
        [Phase::Idle, Phase::Head, Phase::Exchange][usize::from(self.phase.load(Relaxed)).min(2)]
    }

    /// Whether the phase has lasted too long.
    fn is_overdue(&self, options: &Options) -> bool {
        let allowed = match self.phase() {
            Phase::Idle => options.keep_alive_timeout,
            Phase::Head => options.request_header_timeout,
            Phase::Exchange => options.request_body_timeout,
        };
        let since = Duration::from_millis(self.since_ms.load(Relaxed));
        Duration::from_millis(self.elapsed_ms()) > since + allowed
    }
}

/// Serves one connection until it is closed by its client, by a deadline, by its age, or because the server drains.
///
/// It is never closed between two requests while it is used: the answer that is to be its last says
/// `Connection: close`, so a client never sends into a closed connection.
pub(super) async fn serve<S, F>(
    stream: S,
    max_age: Duration,
    options: &Options,
    stopping: &Stopping,
    answer: impl Fn(Request<Body>) -> F + Clone,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Response>,
{
    let activity = Activity::new();
    let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        activity.enter(Phase::Exchange);
        let answer = answer(request.map(Body::new));
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
    http.header_read_timeout(None).max_header_size(MAX_HEAD_BYTES).half_close(false);
    let connection = http.serve_connection(io, service);
    tokio::pin!(connection);
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
        }
    }
}

/// A body that was refused is still on its way; the connection cannot be used for anything else.
fn closes_connection(status: StatusCode) -> bool {
    status == StatusCode::PAYLOAD_TOO_LARGE
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
                Phase::Idle => self.activity.enter(Phase::Head),
                Phase::Head => {}
                Phase::Exchange => self.activity.touch(),
            }
        }
        polled
    }
}

impl<S> Watched<S> {
    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        if matches!(polled, Poll::Ready(Ok(written)) if *written > 0) {
            self.activity.touch();
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
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
