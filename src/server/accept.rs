//! The accept loop.
//!
//! At the limit, a new connection replaces an idle one of the address that has the most connections, first one that never sent a
//! request. So a crowd of one address cannot lock others out, and a gateway, which has a connection for each of its clients,
//! loses some only at the limit. If every connection waits for the server, the new one waits, too.

use std::future::Future;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt;
use http::Request;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::activity::Rank;
use super::buffers::Buffers;
use super::capacity::Capacity;
use super::connection::{Common, Ended, One};
use super::crowd::{Crowd, Member};
use super::handshake;
use super::options::Options;
use super::stopping::Stopping;
use super::watch::Watch;
use crate::http::Connection;
use crate::metrics::connections::{Connections, Why};
use crate::tls::Tls;

/// How long connections may take to finish before the log says what the server waits for.
const QUIET_DRAIN: Duration = Duration::from_secs(1);

/// The pause after a failure to accept: out of file descriptors, most likely, and those in use become free again.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);
/// How often the log says that no connection can be accepted.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// A port, and the connections that it accepts.
#[derive(Debug)]
pub(super) struct Port {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    places: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    common: Arc<Common>,
}

impl Port {
    pub(super) fn new(
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        capacity: Capacity,
        (options, stopping, counted): (Arc<Options>, Stopping, Arc<Connections>),
    ) -> Self {
        let buffers = Buffers::new(capacity.busy, Arc::clone(&counted));
        let common = Arc::new(Common { options, stopping, buffers, counted });
        let places = Arc::new(Semaphore::new(capacity.connections.min(Semaphore::MAX_PERMITS)));
        Self { listener, tls, places, crowd: Arc::default(), common }
    }

    /// Accepts connections until the server drains, then waits until the open ones are finished. A caller that does not want to
    /// wait that long drops the future.
    pub(super) async fn accept<F>(
        self,
        mut rng: SmallRng,
        answer: impl Fn(Connection, Request<Body>) -> F + Clone + Send + Sync + 'static,
    ) where
        F: Future<Output = Response> + Send,
    {
        let (mut connections, mut failures) = (JoinSet::new(), Failures::default());
        let (options, draining) = (&self.common.options, &self.common.stopping.draining);
        while let Some(accepted) = draining.run_until_cancelled(self.next()).await {
            let (stream, address, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(failures) = failures.note(Instant::now()) {
                        warn!(%error, failures, "cannot accept a connection");
                    }
                    tokio::time::sleep(FAILURE_PAUSE).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            let max_age = options.connection_max_age.mul_f64(rng.random_range(0.9..1.1));
            let watch = Watch::new(Instant::now());
            let member = self.crowd.enter(address, &watch);
            let one = One { common: Arc::clone(&self.common), watch, address, max_age };
            let (guest, answer) = (Guest { one, _member: member, _place: place }, answer.clone());
            // Two kinds of tasks, each as large as it has to be.
            match self.tls.clone() {
                None => connections.spawn(guest.stay(async move |one| {
                    let connection = Connection { address: Some(address), ..Connection::default() };
                    one.serve(stream, false, |request| answer(connection, request)).await
                })),
                Some(tls) => {
                    connections.spawn(guest.stay(async move |one| handshake::serve(one, stream, &tls, answer).await))
                }
            };
        }
        let Self { listener, crowd, .. } = self;
        drop(listener);
        let mut said = std::pin::pin!(tokio::time::sleep(QUIET_DRAIN));
        let mut is_said = false;
        loop {
            tokio::select! {
                joined = connections.join_next() => if joined.is_none() { return },
                () = &mut said, if !is_said => {
                    is_said = true;
                    log_what_is_waited_for(&crowd);
                }
            }
        }
    }

    /// The next connection, and a place for it: at the limit, that of another connection.
    async fn next(&self) -> std::io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
        let (stream, address) = loop {
            match self.listener.accept().await {
                // Of a client that has left already; the next one has not.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                accepted => break accepted?,
            }
        };
        // It fails for a client that has left already, whose connection ends at once.
        let _has_left = stream.set_nodelay(true);
        // tokio takes a new socket for readable until somebody has looked. Without this look, which takes place even if this task has
        // accepted many connections in a row, a client that sends nothing would be given buffers.
        drop(unconstrained(stream.peek(&mut [0])).now_or_never());
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_all_taken) => {
                self.crowd.make_room(Rank::Idle, None, Why::NoPlace);
                #[expect(clippy::expect_used, reason = "nobody closes it")]
                Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed")
            }
        };
        Ok((stream, address.ip().to_canonical(), place))
    }
}

/// Failures to accept a connection.
#[derive(Debug, Default)]
struct Failures {
    unsaid: u64,
    said: Option<Instant>,
}

impl Failures {
    /// Notes one. Returns how many there were that the log has not said, if it is time to say them.
    fn note(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < SAID_EVERY) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// An accepted connection.
#[derive(Debug)]
struct Guest {
    one: One,
    _member: Member,
    _place: OwnedSemaphorePermit,
}

impl Guest {
    /// Counts the connection while it is served, and logs the reason if the server closes it.
    async fn stay(self, serve: impl AsyncFnOnce(&One) -> Ended) {
        let common = &self.one.common;
        let _open = common.counted.open();
        let Some(why) = serve(&self.one).await else { return };
        common.counted.closed(why);
        let phase = self.one.watch.activity().phase().name();
        debug!(client.address = %self.one.address, reason = why.name(), phase, "closed a connection of {}", self.one.address);
    }
}

/// Logs what a slow stop waits for.
fn log_what_is_waited_for(crowd: &Crowd) {
    let (connections, Some((address, oldest))) = crowd.oldest() else { return };
    let (phase, age) = (oldest.phase().name(), Instant::now().saturating_duration_since(oldest.began()));
    info!(
        connections,
        client.address = %address,
        age_secs = age.as_secs(),
        phase,
        "waiting for connections to finish; the oldest is one of {address}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_go_on_are_counted_in_a_line_from_time_to_time() {
        let (start, mut failures) = (Instant::now(), Failures::default());
        let mut lines = (0..250).map(|number| failures.note(start + number * FAILURE_PAUSE));
        assert_eq!(lines.next(), Some(Some(1)));
        assert_eq!(lines.flatten().collect::<Vec<_>>(), [100, 100]);
    }
}
