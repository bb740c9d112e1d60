//! [`Watch`]: what is known of a connection, noted by its stream, its requests and its answers as they go by.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::activity::{Activity, Event, Rank, Verdict};
use super::options::Options;
use crate::metrics::connections::Why;

/// Maximum bytes of one read. hyper offers a larger buffer to a client that filled the last one, which has 8 KiB at first:
/// without this limit clients would decide how much memory is used.
const MAX_READ_BYTES: u64 = 8 * 1024 - 1;

/// A connection as the rest of the server sees it.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Mutex<Seen>,
    called: Notify,
}

#[derive(Debug)]
struct Seen {
    activity: Activity,
    /// When the connection's task was woken last. All that happens until it waits again gets this time: one reading of the clock
    /// is enough, since deadlines are seconds.
    now: Instant,
    closing: Option<Why>,
    /// Whether the stream is used again after its present user, so that it must not be shut down.
    outlives: bool,
}

impl Watch {
    /// Of a connection that was accepted just now.
    pub(super) fn new(now: Instant) -> Arc<Self> {
        let seen = Seen { activity: Activity::new(now), now, closing: None, outlives: false };
        Arc::new(Self { seen: Mutex::new(seen), called: Notify::new() })
    }

    /// The connection's task was woken.
    pub(super) fn woken(&self, now: Instant) {
        self.seen.lock().now = now;
    }

    pub(super) fn on(&self, event: Event) {
        let mut seen = self.seen.lock();
        let now = seen.now;
        seen.activity.on(event, now);
    }

    pub(super) fn verdict(&self, now: Instant, options: &Options) -> Verdict {
        let mut seen = self.seen.lock();
        match seen.closing {
            Some(why) => Verdict::Close(why),
            None => seen.activity.verdict(now, options),
        }
    }

    /// Closes the connection, because its place or its memory is needed.
    pub(super) fn close(&self, why: Why) {
        self.seen.lock().closing = Some(why);
        self.called.notify_one();
    }

    /// Lets the connection give its buffers back, if it needs none now. Returns whether it will.
    pub(super) fn rest(&self) -> bool {
        let mut seen = self.seen.lock();
        if !seen.activity.could_rest() {
            return false;
        }
        let now = seen.now;
        seen.activity.on(Event::AskedToRest, now);
        drop(seen);
        self.called.notify_one();
        true
    }

    /// Waits until the connection is to be closed.
    pub(super) async fn closed(&self) -> Why {
        loop {
            if let Some(why) = self.closing() {
                return why;
            }
            self.called().await;
        }
    }

    /// Waits until there is another verdict.
    pub(super) async fn called(&self) {
        self.called.notified().await;
    }

    /// Why it is to be closed, if it is.
    pub(super) fn closing(&self) -> Option<Why> {
        self.seen.lock().closing
    }

    /// Sets whether the stream is used again after its present user, so that it must not be shut down.
    pub(super) fn keep_open(&self, outlives: bool) {
        self.seen.lock().outlives = outlives;
    }

    /// When it is closed if nothing happens; not within an exchange.
    pub(super) fn deadline(&self, options: &Options) -> Instant {
        self.seen.lock().activity.deadline(options)
    }

    /// How old it was when its task was woken last.
    pub(super) fn age(&self) -> Duration {
        let seen = self.seen.lock();
        seen.now.saturating_duration_since(seen.activity.began())
    }

    /// How long it has had buffers.
    pub(super) fn held(&self) -> Duration {
        let seen = self.seen.lock();
        seen.activity.held(seen.now)
    }

    /// What it does now.
    pub(super) fn activity(&self) -> Activity {
        self.seen.lock().activity.clone()
    }

    pub(super) fn rank(&self) -> Option<(Rank, Instant)> {
        self.seen.lock().activity.rank()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.seen.lock().activity.is_idle()
    }
}

/// A stream that notes when bytes move.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: Take<S>,
    watch: Arc<Watch>,
    /// What was read before, and is read again.
    ahead: Bytes,
}

impl<S: AsyncRead> Watched<S> {
    pub(super) fn new(stream: S, watch: Arc<Watch>) -> Self {
        Self { stream: stream.take(0), watch, ahead: Bytes::new() }
    }

    /// Gives these bytes to the next reader, before those of the stream.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        // An empty buffer is a buffer still.
        if !bytes.is_empty() {
            self.watch.on(Event::Read(bytes.len()));
            self.ahead = bytes;
        }
    }

    /// Whether there are bytes that were put back.
    pub(super) fn has_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    pub(super) fn stream(&mut self) -> &mut S {
        self.stream.get_mut()
    }

    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Ready(Ok(written)) => self.watch.on(Event::Wrote(*written)),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.watch.on(Event::Blocked),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.ahead.is_empty() {
            let bytes = this.ahead.split_to(buf.remaining().min(this.ahead.len()));
            buf.put_slice(&bytes);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        this.stream.set_limit(MAX_READ_BYTES);
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if read > 0 {
            this.watch.on(Event::Read(read));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(self.stream.get_mut()).poll_write(cx, bytes);
        self.wrote(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(self.stream.get_mut()).poll_write_vectored(cx, slices);
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    /// hyper flushes when everything that it has to send is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(self.stream.get_mut()).poll_flush(cx);
        self.watch.on(if polled.is_ready() { Event::Flushed } else { Event::Blocked });
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.watch.seen.lock().outlives {
            Poll::Ready(Ok(()))
        } else {
            Pin::new(self.stream.get_mut()).poll_shutdown(cx)
        }
    }
}

/// A request's body, which notes when it has arrived whole, or when the rest is not needed.
#[derive(Debug)]
pub(super) struct Arriving {
    body: Incoming,
    watch: Arc<Watch>,
}

impl Arriving {
    pub(super) fn new(body: Incoming, watch: &Arc<Watch>) -> Self {
        Self { body, watch: Arc::clone(watch) }
    }
}

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.watch.on(Event::BodyEnded);
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
        self.watch.on(Event::BodyEnded);
    }
}

/// An answer's body, which notes when hyper has taken all of it.
#[derive(Debug)]
pub(super) struct Answering {
    body: Body,
    watch: Arc<Watch>,
}

impl Answering {
    pub(super) fn new(body: Body, watch: Arc<Watch>) -> Self {
        Self { body, watch }
    }
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
        self.watch.on(Event::Answered);
    }
}
