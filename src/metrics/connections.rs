//! [`Connections`]: what is counted of connections, and [`Why`] the server closes one.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::{Exposition, catalog};

/// Why the server closes a connection though its client goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The TLS handshake was not over in time.
    SlowHandshake,
    /// A new connection sent nothing.
    NoRequest,
    /// The headers of a request were not whole in time.
    SlowHeaders,
    /// There was no further request.
    KeepAlive,
    /// Too little of a request's body arrived.
    SlowBody,
    /// The client took too little of its answer.
    SlowReader,
    /// Places for connections were short.
    NoPlace,
    /// Memory for connections that are busy was short.
    NoMemory,
}

impl Why {
    const ALL: [Self; 8] = [
        Self::SlowHandshake,
        Self::NoRequest,
        Self::SlowHeaders,
        Self::KeepAlive,
        Self::SlowBody,
        Self::SlowReader,
        Self::NoPlace,
        Self::NoMemory,
    ];

    /// The label of the metric, and the word of the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowHandshake => "handshake_timeout",
            Self::NoRequest => "no_request",
            Self::SlowHeaders => "header_timeout",
            Self::KeepAlive => "keep_alive_timeout",
            Self::SlowBody => "body_timeout",
            Self::SlowReader => "response_timeout",
            Self::NoPlace => "max_connections",
            Self::NoMemory => "memory",
        }
    }
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// With new keys.
    Full,
    /// With those of an earlier connection.
    Resumed,
    /// With an error, or too late.
    Failed,
}

impl Handshake {
    const ALL: [Self; 3] = [Self::Full, Self::Resumed, Self::Failed];

    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Failed => "failed",
        }
    }
}

/// What is counted of connections.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicI64,
    busy: AtomicI64,
    closed: [AtomicU64; Why::ALL.len()],
    handshakes: [AtomicU64; Handshake::ALL.len()],
    /// When the certificate expires, in seconds since 1970; 0 without TLS.
    certificate_expires: AtomicI64,
}

/// One of those that are counted, for as long as it lives: of connections that are open, busy, or wait.
#[derive(Debug)]
pub struct Counted<'a>(&'a AtomicI64);

impl<'a> Counted<'a> {
    /// Counts one more until it is dropped.
    pub fn one_of(count: &'a AtomicI64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Connections {
    /// Counts a connection that is open until the guard is dropped.
    pub fn open(&self) -> Counted<'_> {
        Counted::one_of(&self.open)
    }

    /// Whether a connection is open.
    pub fn is_any_open(&self) -> bool {
        self.open.load(Relaxed) > 0
    }

    /// Counts a connection that has buffers until the guard is dropped.
    pub fn busy(&self) -> Counted<'_> {
        Counted::one_of(&self.busy)
    }

    /// The server closed a connection.
    pub fn closed(&self, why: Why) {
        self.closed[why as usize].fetch_add(1, Relaxed);
    }

    /// A TLS handshake ended.
    pub fn shaken(&self, how: Handshake) {
        self.handshakes[how as usize].fetch_add(1, Relaxed);
    }

    /// Connections get a certificate that expires then, in seconds since 1970.
    pub fn certificate_expires(&self, at: i64) {
        self.certificate_expires.store(at, Relaxed);
    }

    /// Writes them for a scraper.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn expose(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let open = self.open.load(Relaxed);
        out.value(&catalog::CONNECTIONS, open as f64)?;
        let busy = self.busy.load(Relaxed);
        out.value(&catalog::CONNECTIONS_BUSY, busy as f64)?;
        let closed = Why::ALL.iter().map(|why| ([why.name()], value(&self.closed[*why as usize])));
        out.values(&catalog::CONNECTIONS_CLOSED, closed)?;
        let shaken = Handshake::ALL.iter().map(|how| ([how.name()], value(&self.handshakes[*how as usize])));
        out.values(&catalog::TLS_HANDSHAKES, shaken)?;
        let expires = self.certificate_expires.load(Relaxed);
        out.value(&catalog::CERTIFICATE_EXPIRES, expires as f64)
    }
}

fn value(count: &AtomicU64) -> f64 {
    count.load(Relaxed) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_counter_of_its_own() {
        assert!(Why::ALL.iter().enumerate().all(|(place, why)| *why as usize == place));
        assert!(Handshake::ALL.iter().enumerate().all(|(place, how)| *how as usize == place));
    }
}
