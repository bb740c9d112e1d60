//! One client's connection, from its first byte to its end.
//!
//! It sleeps until there is something to read, waits for a place among the busy ones, is given to hyper, and is taken back when
//! it has been idle for a second. A sleeping connection costs only its task, its timer and its socket.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::activity::{Event, Verdict};
use super::buffers::{Buffers, Place};
use super::options::Options;
use super::stopping::Stopping;
use super::watch::{Answering, Arriving, Watch, Watched};
use crate::http::Revocable;
use crate::metrics::connections::{Connections, Why};

/// How often a busy connection's deadlines are looked at. They are seconds, and one coarse timer for a connection is far
/// cheaper than several for each request.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum bytes of request headers.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Maximum bytes that wait to be written. Without it, clients would decide how much memory is used.
const MAX_BUFFERED_BYTES: usize = 64 * 1024;

/// How long a connection may keep a place with one request after the other while others wait for one.
const FAIR_SHARE: Duration = Duration::from_secs(1);

/// The parts that the connections of a port share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) options: Arc<Options>,
    pub(super) stopping: Stopping,
    pub(super) buffers: Buffers,
    pub(super) counted: Arc<Connections>,
}

/// One of these connections.
#[derive(Clone, Debug)]
pub(super) struct One {
    pub(super) common: Arc<Common>,
    pub(super) watch: Arc<Watch>,
    pub(super) address: IpAddr,
    /// The age at which an answer is its last.
    pub(super) max_age: Duration,
}

/// What a busy connection does next.
enum Next {
    GoOn,
    Rest,
    End(Ended),
}

impl From<Verdict> for Next {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Keep => Self::GoOn,
            Verdict::Rest => Self::Rest,
            Verdict::Close(why) => Self::End(Some(why)),
        }
    }
}

/// A stream that can wait for input without a buffer.
pub(super) trait Sleeper: AsyncRead + AsyncWrite + Unpin {
    /// Ready when there may be something to read, or the other end is gone.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Sleeper for TcpStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }
}

/// Why a connection ends: the server closes it, for this reason or because it drains; or its client has left.
pub(super) type Ended = Option<Why>;

impl One {
    /// Sleeps until there is something to read.
    pub(super) async fn sleep(&self, stream: &mut impl Sleeper) -> Result<(), Ended> {
        let (options, draining) = (&self.common.options, &self.common.stopping.draining);
        loop {
            tokio::select! {
                biased;
                () = draining.cancelled() => return Err(None),
                _readable = poll_fn(|cx| stream.poll_readable(cx)) => {
                    self.watch.woken(Instant::now());
                    return Ok(());
                }
                () = self.watch.called() => {}
                () = tokio::time::sleep_until(self.watch.deadline(options)) => {}
            }
            if let Verdict::Close(why) = self.watch.verdict(Instant::now(), options) {
                return Err(Some(why));
            }
        }
    }

    /// Waits for a place among those that are busy.
    pub(super) async fn wake(&self) -> Result<Place<'_>, Ended> {
        tokio::select! {
            biased;
            place = self.common.buffers.enter(self.address, &self.watch) => {
                self.watch.woken(Instant::now());
                Ok(place)
            }
            () = self.common.stopping.draining.cancelled() => Err(None),
            why = self.watch.closed() => Err(Some(why)),
        }
    }

    /// Serves a connection until it is closed by its client, by a deadline, by its age, or because the server drains.
    ///
    /// It is never closed between two requests while it is used: its last answer has `Connection: close`, so a client never sends
    /// into a closed connection.
    ///
    /// `awake` means that there may be bytes already that the stream no longer reports.
    pub(super) async fn serve<S, F>(&self, stream: S, mut awake: bool, answer: impl Fn(Request<Body>) -> F) -> Ended
    where
        S: Sleeper,
        F: Future<Output = Response>,
    {
        let mut stream = Watched::new(stream, Arc::clone(&self.watch));
        loop {
            if !std::mem::take(&mut awake)
                && let Err(ended) = self.sleep(stream.stream()).await
            {
                return ended;
            }
            let place = match self.wake().await {
                Ok(place) => place,
                Err(ended) => return ended,
            };
            loop {
                // In a box, which is given back with the buffers.
                stream = match Box::pin(self.exchange(stream, &place, &answer)).await {
                    Ok(rested) => rested,
                    Err(ended) => return ended,
                };
                // Otherwise, bytes that were read ahead would wait in a buffer.
                if !stream.has_ahead() {
                    break;
                }
            }
            drop(place);
        }
    }

    /// Answers requests until the connection has been idle for a while, and then returns the stream.
    async fn exchange<S, F>(
        &self,
        stream: Watched<S>,
        place: &Place<'_>,
        answer: &impl Fn(Request<Body>) -> F,
    ) -> Result<Watched<S>, Ended>
    where
        S: Sleeper,
        F: Future<Output = Response>,
    {
        let Common { options, stopping, buffers, .. } = &*self.common;
        let service = hyper::service::service_fn(|request| self.respond(request, place, answer));
        let mut http = http1::Builder::new();
        // At most 100 headers, which is the default: saying so would cost an allocation a request.
        http.header_read_timeout(None)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(MAX_BUFFERED_BYTES)
            .half_close(false);
        let mut connection = http.serve_connection(TokioIo::new(stream), service);
        let mut tick = std::pin::pin!(tokio::time::sleep(WATCH_INTERVAL));
        let mut told_to_finish = false;
        loop {
            let serving = poll_fn(|cx| {
                self.watch.woken(Instant::now());
                let polled = Pin::new(&mut connection).poll(cx);
                let is_wanted = polled.is_pending() && buffers.are_short() && self.watch.is_idle();
                // Errors are the client's: it went away, or what it sent was not HTTP and was answered 400.
                if is_wanted { Poll::Ready(Next::Rest) } else { polled.map(|_ended| Next::End(None)) }
            });
            let next = tokio::select! {
                biased;
                next = serving => next,
                () = stopping.draining.cancelled(), if !told_to_finish => {
                    told_to_finish = true;
                    Pin::new(&mut connection).graceful_shutdown();
                    continue;
                }
                () = &mut tick => {
                    let now = Instant::now();
                    tick.as_mut().reset(now + WATCH_INTERVAL);
                    self.watch.verdict(now, options).into()
                }
                () = self.watch.called() => self.watch.verdict(Instant::now(), options).into(),
            };
            match next {
                Next::End(why) => return Err(why),
                Next::Rest if !told_to_finish => match self.finish(&mut connection).await {
                    Poll::Ready(Ok(())) => {
                        let parts = connection.into_parts();
                        let mut stream = parts.io.into_inner();
                        stream.put_back(parts.read_buf);
                        return Ok(stream);
                    }
                    Poll::Ready(Err(_of_client)) => return Err(None),
                    // To hyper it was not idle; hyper ends it as soon as it is.
                    Poll::Pending => told_to_finish = true,
                },
                Next::Rest | Next::GoOn => {}
            }
        }
    }

    /// Asks hyper to end an idle connection without shutting its stream down. hyper does so at once, unless it is not idle: then part of
    /// a request's body may be missing, or part of its answer, and only hyper knows.
    async fn finish<S, V>(&self, connection: &mut http1::Connection<TokioIo<Watched<S>>, V>) -> Poll<hyper::Result<()>>
    where
        S: Sleeper,
        V: HttpService<Incoming, ResBody = Answering>,
        V::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.watch.keep_open(true);
        let mut connection = Pin::new(connection);
        connection.as_mut().graceful_shutdown();
        let finished = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await;
        self.watch.keep_open(false);
        finished
    }

    /// Answers a request. The last answer of a connection has `Connection: close`.
    async fn respond<F>(
        &self,
        request: Request<Incoming>,
        place: &Place<'_>,
        answer: &impl Fn(Request<Body>) -> F,
    ) -> Result<Response<Answering>, Infallible>
    where
        F: Future<Output = Response>,
    {
        let has_body = !http_body::Body::is_end_stream(request.body());
        self.watch.on(Event::Request { has_body });
        let mut response = answer(request.map(|body| match has_body {
            true => Body::new(Arriving::new(body, &self.watch)),
            false => Body::empty(),
        }))
        .await;
        if let Some(revocable) = response.extensions_mut().remove::<Revocable>() {
            let watch = Arc::clone(&self.watch);
            revocable.closes_by(move || watch.close(Why::NoMemory));
        }
        if response.headers().get(CONTENT_TYPE).is_some_and(|media| media == "text/event-stream") {
            place.give_up();
        }
        let is_old = self.watch.age() > self.max_age;
        // A client that sends ahead never pauses, so it would never give its place to others.
        let is_long = self.common.buffers.are_short() && self.watch.held() > FAIR_SHARE;
        if is_old
            || is_long
            || self.common.stopping.no_new_requests.is_cancelled()
            || closes_connection(response.status())
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Answering::new(body, Arc::clone(&self.watch))))
    }
}

/// A refused body is still on its way, so the connection cannot be used for anything else.
fn closes_connection(status: StatusCode) -> bool {
    matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT)
}

#[cfg(test)]
mod tests;
