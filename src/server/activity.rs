//! [`Activity`]: what a connection does, and when it has done that for too long.
//!
//! A pure state machine: it is told what happens and when, and says whether the connection is to be kept. It knows no socket
//! and reads no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::options::Options;
use crate::metrics::connections::Why;

/// So many bytes a second are the least that a client has to send of a body, and to take of an answer; else a few bytes now
/// and then would keep a connection for ever.
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
    /// The request to be answered and the answer to be taken: bytes have to move.
    Exchange,
}

impl Phase {
    /// As it is logged.
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
    /// So many bytes arrived.
    Read(usize),
    /// The headers of a request are there.
    Request {
        /// Whether a body follows.
        has_body: bool,
    },
    /// The request's body has arrived whole, or nobody waits for the rest.
    BodyEnded,
    /// So many bytes were written.
    Wrote(usize),
    /// The client does not take what is there for it.
    Blocked,
    /// hyper has taken the whole answer, though perhaps not yet written all of it.
    Answered,
    /// All that was to be written is written.
    Flushed,
    /// The connection was asked to give its buffers back.
    AskedToRest,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// It can give its buffers back.
    Rest,
    /// It is to be closed.
    Close(Why),
}

/// How little a connection is to be missed where something is short: the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It has sent no request yet, or half of one: it is nobody's client.
    Nobody,
    /// The server waits for it.
    Slow,
    /// It is between two requests, but will come again.
    Idle,
}

/// What has arrived of the request that is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrived {
    /// Not yet all of its body.
    Part,
    /// All that anybody waits for.
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
    /// What `moved` and the time were when it was last looked whether enough moves.
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
            // The time is for all of it: each byte must not make it longer.
            Phase::Handshake | Phase::Headers => {}
            Phase::Exchange => {
                if self.arrived == Arrived::Whole {
                    self.arrived = Arrived::More;
                }
                self.moved(bytes, now);
            }
        }
    }

    /// It needs its buffers, whoever wants them.
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

    /// What is to become of it.
    pub(super) fn verdict(&mut self, now: Instant, options: &Options) -> Verdict {
        let silent = now.saturating_duration_since(self.since);
        if self.phase == Phase::Exchange {
            let drips = self.drips(now, options.request_body_timeout);
            return match self.waits_for_client() {
                Some(why) if drips || silent > options.request_body_timeout => Verdict::Close(why),
                // A client that waits for the server may wait as long as the answer takes to be made, or as nothing happens to tell.
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

    /// Whether the server waits for the client, and what for: the rest of its request, or that it takes its answer.
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

    /// How little it is to be missed, and since when; `None` for a client that waits for the server.
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
mod tests {
    use super::*;

    /// A connection, and the time since it was accepted.
    struct Played {
        activity: Activity,
        began: Instant,
        now: Instant,
        options: Options,
    }

    impl Played {
        fn new() -> Self {
            let now = Instant::now();
            let options = Options {
                request_header_timeout: Duration::from_secs(10),
                request_body_timeout: Duration::from_secs(20),
                keep_alive_timeout: Duration::from_secs(120),
                ..Options::default()
            };
            Self { activity: Activity::new(now), began: now, now, options }
        }

        fn after(mut self, events: &[Event]) -> Self {
            self.on(events);
            self
        }

        fn on(&mut self, events: &[Event]) {
            events.iter().for_each(|event| self.activity.on(*event, self.now));
        }

        fn at(&mut self, seconds: f64) -> Verdict {
            self.now = self.began + Duration::from_secs_f64(seconds);
            self.activity.verdict(self.now, &self.options)
        }

        fn rank(&self) -> Option<Rank> {
            self.activity.rank().map(|(rank, _)| rank)
        }
    }

    const GET: Event = Event::Request { has_body: false };
    const POST: Event = Event::Request { has_body: true };
    const EXCHANGE: [Event; 5] = [Event::Read(100), GET, Event::Answered, Event::Wrote(100), Event::Flushed];

    #[test]
    fn each_phase_has_its_deadline() {
        let cases: [(&[Event], f64, Why); 7] = [
            (&[], 10.0, Why::NoRequest),
            (&[Event::HandshakeBegan, Event::Read(100)], 10.0, Why::SlowHandshake),
            (&[Event::HandshakeBegan, Event::HandshakeEnded], 10.0, Why::NoRequest),
            (&[Event::Read(1)], 10.0, Why::SlowHeaders),
            (&EXCHANGE, 120.0, Why::KeepAlive),
            (&[Event::Read(100), POST], 20.0, Why::SlowBody),
            (&[Event::Read(100), GET, Event::Wrote(1), Event::Blocked], 20.0, Why::SlowReader),
        ];
        for (events, seconds, why) in cases {
            let mut played = Played::new().after(events);
            assert_eq!(played.at(seconds - 0.1), Verdict::Keep, "{events:?}");
            assert_eq!(played.at(seconds + 0.1), Verdict::Close(why), "{events:?}");
        }
    }

    #[test]
    fn headers_that_drip_get_no_longer() {
        let mut played = Played::new().after(&[Event::Read(1)]);
        for second in 1..=10 {
            assert_eq!(played.at(f64::from(second)), Verdict::Keep);
            played.on(&[Event::Read(1)]);
        }
        assert_eq!(played.at(10.1), Verdict::Close(Why::SlowHeaders));
    }

    #[test]
    fn a_body_that_drips_is_closed_and_one_that_flows_is_not() {
        for (each_second, expected) in [(499, Verdict::Close(Why::SlowBody)), (500, Verdict::Keep)] {
            let mut played = Played::new().after(&[Event::Read(100), POST]);
            for second in 1..20 {
                assert_eq!(played.at(f64::from(second)), Verdict::Keep);
                played.on(&[Event::Read(each_second)]);
            }
            played.on(&[Event::Read(each_second)]);
            assert_eq!(played.at(20.0), expected, "{each_second} bytes a second");
        }
    }

    #[test]
    fn a_reader_that_drips_is_closed() {
        let mut played = Played::new().after(&[Event::Read(100), GET]);
        for second in 1..20 {
            played.on(&[Event::Wrote(10), Event::Blocked]);
            assert_eq!(played.at(f64::from(second)), Verdict::Keep);
        }
        assert_eq!(played.at(20.0), Verdict::Close(Why::SlowReader));
    }

    #[test]
    fn who_waits_for_the_server_may_wait() {
        let mut played = Played::new().after(&[Event::Read(100), POST, Event::Read(10), Event::BodyEnded]);
        assert_eq!(played.at(3600.0), Verdict::Keep);
        assert_eq!(played.rank(), None);
        // The hour of silence is not held against the client that then takes its answer.
        played.on(&[Event::Wrote(10), Event::Blocked]);
        assert_eq!(played.at(3601.0), Verdict::Keep);
        assert_eq!(played.rank(), Some(Rank::Slow));
        played.on(&[Event::Answered, Event::Wrote(10), Event::Flushed]);
        assert_eq!(played.rank(), Some(Rank::Idle));
    }

    #[test]
    fn buffers_are_given_back_after_a_second_or_at_once_if_asked() {
        let mut played = Played::new().after(&[Event::Woke]).after(&EXCHANGE);
        assert_eq!((played.at(0.9), played.at(1.0)), (Verdict::Keep, Verdict::Rest));
        assert_eq!(played.activity.held(played.now), Duration::from_secs(1));
        played.on(&[Event::Rested]);
        assert_eq!(played.at(2.0), Verdict::Keep, "it has none");
        assert!(!played.activity.could_rest());
        played.on(&[Event::Woke]);
        assert!(played.activity.could_rest());
        played.on(&EXCHANGE);
        played.on(&[Event::AskedToRest]);
        assert!(!played.activity.could_rest(), "it is asked once");
        assert_eq!(played.at(2.0), Verdict::Rest);
    }

    #[test]
    fn nobody_rests_within_a_request() {
        for events in [&[Event::Read(1)], [Event::Read(1), GET].as_slice()] {
            let mut played = Played::new().after(&[Event::Woke, Event::AskedToRest]).after(events);
            assert_eq!(played.at(5.0), Verdict::Keep, "{events:?}");
        }
        let mut played = Played::new().after(&[Event::Woke]);
        assert_eq!(played.at(1.0), Verdict::Rest, "a new connection that was woken for nothing");
    }

    #[test]
    fn half_a_request_behind_another_is_half_a_request() {
        let pipelined = [Event::Read(100), GET, Event::Answered, Event::Read(10), Event::Wrote(10), Event::Flushed];
        let mut played = Played::new().after(&[Event::Woke]).after(&pipelined);
        assert_eq!((played.rank(), played.at(2.0)), (Some(Rank::Nobody), Verdict::Keep));
        assert_eq!(played.at(10.1), Verdict::Close(Why::SlowHeaders));
    }

    #[test]
    fn an_answer_that_is_not_over_does_not_make_it_idle() {
        let played = Played::new().after(&[Event::Read(100), GET, Event::Wrote(10), Event::Flushed]);
        assert_eq!(played.activity.phase(), Phase::Exchange);
        assert!(played.after(&[Event::Answered, Event::Flushed]).activity.is_idle());
    }

    #[test]
    fn who_is_missed_least_goes_first() {
        let ranks: [&[Event]; 4] =
            [&[], &[Event::Read(1)], &[Event::Read(100), POST], &[Event::Read(100), GET, Event::Blocked]];
        let ranks = ranks.map(|events| Played::new().after(events).rank());
        assert_eq!(ranks, [Some(Rank::Nobody), Some(Rank::Nobody), Some(Rank::Slow), Some(Rank::Slow)]);
        assert!(Rank::Nobody < Rank::Slow && Rank::Slow < Rank::Idle);
        let mut played = Played::new().after(&EXCHANGE);
        let earlier = played.activity.rank();
        let _ = played.at(5.0);
        played.on(&EXCHANGE);
        assert!(earlier < played.activity.rank(), "who was idle before goes before");
    }

    #[test]
    fn without_buffers_it_waits_until_its_deadline() {
        let mut played = Played::new().after(&[Event::Woke]).after(&EXCHANGE).after(&[Event::Rested]);
        let deadline = played.activity.deadline(&played.options);
        assert_eq!(deadline, played.began + played.options.keep_alive_timeout);
        assert_eq!(played.at(119.9), Verdict::Keep);
    }
}
