//! [`Activity`]: what a connection does, and when it has done that for too long.
//!
//! A pure state machine: it takes events with their times, and decides whether the connection stays open. It knows no socket and
//! reads no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::options::Options;
use crate::metrics::connections::Why;

/// The minimum rate at which a client has to send a body and read an answer, in bytes per second. Without it, a few bytes now and
/// then would keep a connection for ever.
const SLOWEST_BYTES_PER_SECOND: u64 = 500;

/// How long a connection keeps its buffers after an answer. A client that sends one request after the other does not pay for new ones;
/// a client with a heartbeat every 30 s does, and has none most of the time.
const REST_AFTER: Duration = Duration::from_secs(1);

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first byte of its first request.
    New,
    /// The rest of a TLS handshake.
    Handshake,
    /// The first byte of a further request.
    Idle,
    /// The rest of its headers.
    Headers,
    /// The rest of the body, the answer, or that the client reads it: bytes have to move.
    Exchange,
}

impl Phase {
    /// Its name in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Handshake => "handshake",
            Self::Idle => "idle",
            Self::Headers => "headers",
            Self::Exchange => "exchange",
        }
    }
}

/// What happens on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The client began a TLS handshake.
    HandshakeBegan,
    /// The handshake is over.
    HandshakeEnded,
    /// It was given buffers.
    Woke,
    /// It gave its buffers back.
    Rested,
    /// This many bytes arrived.
    Read(usize),
    /// The headers of a request are there.
    Request {
        /// Whether a body follows.
        has_body: bool,
    },
    /// The request's body has arrived whole, or the rest is not needed.
    BodyEnded,
    /// This many bytes were written.
    Wrote(usize),
    /// The socket is full: the client does not read what was written.
    Blocked,
    /// hyper has taken the whole answer, though perhaps not yet written all of it.
    Answered,
    /// All that was to be written is written.
    Flushed,
    /// The connection was asked to give its buffers back.
    AskedToRest,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// It can give its buffers back.
    Rest,
    /// It is to be closed.
    Close(Why),
}

/// How much closing a connection would disturb its client. At a limit, the connection with the lowest rank is closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It has sent no request yet, or half of one.
    Nobody,
    /// The server waits for it.
    Slow,
    /// It is between two requests, and its client will use it again.
    Idle,
}

/// What has arrived of the request that is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrived {
    /// Not yet all of its body.
    Part,
    /// All of it, or all that is needed.
    Whole,
    /// More than that: the beginning of another request.
    More,
}

/// Whether the connection has buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffers {
    None,
    Held,
    /// It has some, and was asked to give them back.
    Wanted,
}

/// What the connection does now.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    began: Instant,
    phase: Phase,
    /// When the phase began, or bytes last moved within an exchange.
    since: Instant,
    arrived: Arrived,
    answered: bool,
    blocked: bool,
    buffers: Buffers,
    /// When it was given buffers last.
    woke: Instant,
    /// Bytes of the request's body and of its answer that have moved.
    moved: u64,
    /// `moved` and the time at the last check of the rate.
    measured: (u64, Instant),
}

impl Activity {
    /// A connection that was accepted just now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            phase: Phase::New,
            since: now,
            arrived: Arrived::Whole,
            answered: false,
            blocked: false,
            buffers: Buffers::None,
            woke: now,
            moved: 0,
            measured: (0, now),
        }
    }

    /// Something happened.
    pub(super) fn on(&mut self, event: Event, now: Instant) {
        match event {
            Event::HandshakeBegan => self.enter(Phase::Handshake, now),
            Event::HandshakeEnded => self.enter(Phase::New, now),
            Event::Woke => (self.buffers, self.woke) = (Buffers::Held, now),
            Event::Rested => self.buffers = Buffers::None,
            Event::Read(bytes) => self.read(bytes, now),
            Event::Request { has_body } => {
                self.arrived = if has_body { Arrived::Part } else { Arrived::Whole };
                self.keep_buffers();
                self.measured = (self.moved, now);
                self.enter(Phase::Exchange, now);
            }
            Event::BodyEnded if self.arrived == Arrived::Part => self.arrived = Arrived::Whole,
            Event::BodyEnded => {}
            Event::Wrote(bytes) => {
                self.blocked = false;
                self.moved(bytes, now);
            }
            Event::Blocked => self.blocked = true,
            Event::Answered => self.answered = true,
            Event::Flushed => {
                self.blocked = false;
                if std::mem::take(&mut self.answered) {
                    self.enter(if self.arrived == Arrived::More { Phase::Headers } else { Phase::Idle }, now);
                }
            }
            Event::AskedToRest => self.buffers = Buffers::Wanted,
        }
    }

    fn read(&mut self, bytes: usize, now: Instant) {
        match self.phase {
            Phase::New | Phase::Idle => self.enter(Phase::Headers, now),
            // The deadline is for all of it: a further byte does not extend it.
            Phase::Handshake | Phase::Headers => {}
            Phase::Exchange => {
                if self.arrived == Arrived::Whole {
                    self.arrived = Arrived::More;
                }
                self.moved(bytes, now);
            }
        }
    }

    /// It needs its buffers itself now.
    fn keep_buffers(&mut self) {
        if self.buffers == Buffers::Wanted {
            self.buffers = Buffers::Held;
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        (self.phase, self.since) = (phase, now);
    }

    fn moved(&mut self, bytes: usize, now: Instant) {
        self.moved += bytes as u64;
        if self.phase == Phase::Exchange {
            self.since = now;
        }
    }

    /// What to do with it.
    pub(super) fn verdict(&mut self, now: Instant, options: &Options) -> Verdict {
        let silent = now.saturating_duration_since(self.since);
        if self.phase == Phase::Exchange {
            let drips = self.drips(now, options.request_body_timeout);
            return match self.waits_for_client() {
                Some(why) if drips || silent > options.request_body_timeout => Verdict::Close(why),
                // A client that waits for the server may wait until the answer is made, or, of a stream of events, until
                // something happens.
                Some(_) | None => Verdict::Keep,
            };
        }
        let (allowed, why) = self.patience(options);
        if silent > allowed {
            return Verdict::Close(why);
        }
        let may_rest = match self.buffers {
            Buffers::None => false,
            Buffers::Held => silent >= REST_AFTER,
            Buffers::Wanted => true,
        };
        if may_rest && self.is_between_requests() { Verdict::Rest } else { Verdict::Keep }
    }

    /// When a connection without buffers is closed if nothing happens.
    pub(super) fn deadline(&self, options: &Options) -> Instant {
        self.since + self.patience(options).0
    }

    /// How long a phase may last in which no bytes have to move.
    fn patience(&self, options: &Options) -> (Duration, Why) {
        match self.phase {
            Phase::New => (options.request_header_timeout, Why::NoRequest),
            Phase::Handshake => (options.request_header_timeout, Why::SlowHandshake),
            Phase::Headers => (options.request_header_timeout, Why::SlowHeaders),
            Phase::Idle => (options.keep_alive_timeout, Why::KeepAlive),
            Phase::Exchange => (options.request_body_timeout, Why::SlowReader),
        }
    }

    /// Whether the server waits for the client, and for what: the rest of its request, or that it reads its answer.
    fn waits_for_client(&self) -> Option<Why> {
        match (self.arrived, self.blocked) {
            (Arrived::Part, _) => Some(Why::SlowBody),
            (Arrived::Whole | Arrived::More, true) => Some(Why::SlowReader),
            (Arrived::Whole | Arrived::More, false) => None,
        }
    }

    /// Whether too little moved in a period.
    fn drips(&mut self, now: Instant, period: Duration) -> bool {
        let took = now.saturating_duration_since(self.measured.1);
        if took < period {
            return false;
        }
        let moved = self.moved - self.measured.0;
        self.measured = (self.moved, now);
        let least = u128::from(SLOWEST_BYTES_PER_SECOND) * took.as_millis() / 1000;
        u128::from(moved) < least
    }

    /// Its rank, and since when; `None` while the client waits for the server.
    pub(super) fn rank(&self) -> Option<(Rank, Instant)> {
        let rank = match self.phase {
            Phase::New | Phase::Handshake | Phase::Headers => Rank::Nobody,
            Phase::Exchange => self.waits_for_client().map(|_why| Rank::Slow)?,
            Phase::Idle => Rank::Idle,
        };
        Some((rank, self.since))
    }

    /// Whether it has buffers, which it can give back at once.
    pub(super) fn could_rest(&self) -> bool {
        self.buffers == Buffers::Held && self.is_between_requests()
    }

    fn is_between_requests(&self) -> bool {
        matches!(self.phase, Phase::New | Phase::Idle)
    }

    /// Whether it is between two requests.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    #[cfg(test)]
    pub(super) fn has_buffers(&self) -> bool {
        self.buffers != Buffers::None
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// How long it has had buffers, if it has some.
    pub(super) fn held(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.woke)
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }
}

#[cfg(test)]
mod tests;
