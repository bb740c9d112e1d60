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
fn a_client_that_waits_for_the_server_may_wait() {
    let mut played = Played::new().after(&[Event::Read(100), POST, Event::Read(10), Event::BodyEnded]);
    assert_eq!(played.at(3600.0), Verdict::Keep);
    assert_eq!(played.rank(), None);
    // The client then reads its answer: the hour of silence does not count as its own.
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
fn no_connection_rests_within_a_request() {
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
fn the_connection_of_the_lowest_rank_is_closed_first() {
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
