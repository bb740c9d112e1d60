//! `POST /api/v1/applications/{application}/instances/{instanceId}/drain`: takes an instance out of service, and answers when every client
//! that may call it has fetched that, at whichever replica.
//!
//! The override is set and replicated like any other. Then this replica looks at its own readers and asks each peer for its readers
//! ([`readers`]), again and again until nobody is left or the time is over. Who accepts `application/x-ndjson` is sent a line after each
//! look, which says how many are left. A peer counts from the moment at which it says that the
//! override has arrived there, by the override's stamp and the peer's own clock, so clocks that differ do not matter. It keeps nothing
//! about the drain. A peer that cannot tell counts by time.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use tokio::time::Instant;
use tracing::{field, info, warn};

use super::acts::may_change;
use super::query::{Parameters, expected, said};
use super::respond::{Problem, answer};
use crate::codec::exchange::{Reader, ReadersAnswer, ReadersRequest};
use crate::http::ApiError;
use crate::http::drains::{Drain, Outcome};
use crate::http::readers;
use crate::http::state::AppState;
use crate::model::{AppName, InstanceInfo, InstanceKey, InstanceStatus, Printable, Stamp, virtual_addresses};
use crate::registry::{Caller, Reason, Source};
use crate::replication::{CannotTell, PeerEurekaNode};
use crate::time::{Timestamp, millis};

/// How long a drain waits by default.
const SOME_TIME: Duration = Duration::from_secs(60);
/// The longest time that one may wait.
const MOST_TIME: Duration = Duration::from_secs(10 * 60);
/// Netflix's `registryFetchIntervalSeconds`.
const SOME_INTERVAL: Duration = Duration::from_secs(30);
/// The longest interval that may be given.
const MOST_INTERVAL: Duration = readers::LONGEST_INTERVAL;
/// For how long an answer of a Java server's cache may be older than its registry.
const CACHE_OF_JAVA: Duration = Duration::from_secs(30);
/// The first pause between two looks; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Maximum readers that are named.
const MOST_NAMED: usize = 20;
/// The content type of reports that are sent while the drain goes on, one in a line.
const LINES: &str = "application/x-ndjson";
/// The reason that the history shows if none is given.
const REASON: &str = "drain";

/// What is asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// How long to wait for readers.
    timeout: Duration,
    /// How long to wait after that, for what clients cache themselves.
    settle: Duration,
    /// The longest interval at which clients fetch.
    interval: Duration,
}

/// The answer. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    now: i64,
    application: String,
    instance_id: String,
    drained: bool,
    outcome: &'static str,
    after_millis: i64,
    readers: u64,
    by_time: u64,
    waiting: u64,
    replicas: Vec<OfReplica>,
    waiting_for: Vec<Waiting>,
}

/// Where a replica stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfReplica {
    peer: Option<String>,
    done: bool,
    readers: Option<u64>,
    waiting: Option<u64>,
    note: Option<String>,
}

/// A reader that has not fetched the change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    peer: Option<String>,
    address: IpAddr,
    user_agent: Option<String>,
    user: Option<String>,
    application: Option<String>,
    last_fetch_millis_ago: u64,
    interval_millis: Option<i64>,
    may_be_several: bool,
}

pub(super) async fn drain(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    may_change(&app, &caller)?;
    let Path((name, id)) = path.map_err(|_not_text| ApiError::BadParameter("the path is not UTF-8".to_owned()))?;
    let (asked, reason) = read(&parameters)?;
    // Whatever its headers say: it is an operator's, so it is replicated.
    let caller = Caller { source: Source::Client, reason, ..caller };
    let key = InstanceKey::new(&AppName::new(&name), &id);
    let place = app.drains.begin();
    let place = place.ok_or(ApiError::Busy("too many instances are being drained: try again later"))?;
    let mut draining = Draining::begin(Arc::clone(&app), key, asked, caller, place)?;
    if headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains(LINES)) {
        return Ok(in_lines(draining));
    }
    let outcome = loop {
        if let Some(outcome) = draining.go_on().await {
            break outcome;
        }
    };
    let report = draining.end(outcome);
    let mut response = answer(&report);
    if !report.drained {
        // A client's tool sees that this failed, and does not take it for a fault of the server that it should try again.
        *response.status_mut() = StatusCode::CONFLICT;
    }
    Ok(response)
}

/// A report after each step, each in a line of its own. The last one has the outcome. The drain ends if the lines are not read any more.
fn in_lines(draining: Draining) -> Response {
    let lines = stream::unfold(Some(draining), async |draining| {
        let mut draining = draining?;
        Some(match draining.go_on().await {
            None => (line(&draining.report(None)), Some(draining)),
            Some(outcome) => (line(&draining.end(outcome)), None),
        })
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(LINES)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would otherwise buffer the lines.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(lines)).into_response()
}

fn line(report: &Report) -> Result<Bytes, Infallible> {
    let mut line = serde_json::to_vec(report).unwrap_or_default();
    line.push(b'\n');
    Ok(line.into())
}

fn read(parameters: &[(String, String)]) -> Result<(Asked, Option<Reason>), ApiError> {
    let mut asked = Asked { timeout: SOME_TIME, settle: Duration::ZERO, interval: SOME_INTERVAL };
    let mut reason = Reason::parse(REASON);
    for (name, value) in said(parameters) {
        match name {
            "timeout" => asked.timeout = time(name, value, MOST_TIME)?,
            "settle" => asked.settle = time(name, value, MOST_TIME)?,
            "interval" => {
                asked.interval = time(name, value, MOST_INTERVAL)?;
                if asked.interval < Duration::from_secs(1) {
                    return Err(expected(name, value, "at least one second"));
                }
            }
            "reason" => reason = Reason::parse(value),
            // A typing mistake must not make a drain shorter than it was meant to be.
            _ => return Err(expected("parameter", name, "timeout, settle, interval, reason")),
        }
    }
    Ok((asked, reason.map_err(|wrong| ApiError::BadParameter(wrong.to_string()))?))
}

/// A time such as `60s`, `1500ms` or `2m`; a number alone is of seconds.
fn time(name: &str, value: &str, most: Duration) -> Result<Duration, ApiError> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let unit: Option<u64> = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let millis = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    let time = millis.map(Duration::from_millis).filter(|time| *time <= most);
    time.ok_or_else(|| expected(name, value, format_args!("a time such as 60s, up to {}s", most.as_secs())))
}

/// A drain in progress.
struct Draining {
    app: Arc<AppState>,
    key: InstanceKey,
    asked: Asked,
    caller: Caller,
    /// The question to each replica, but for the time since when.
    question: ReadersRequest,
    /// When the override was there at this replica.
    since: Timestamp,
    replicas: Vec<Replica>,
    /// How long to wait before the next look; nothing before the first one.
    pause: Duration,
    /// Until when to wait for what clients cache themselves, once all readers have fetched.
    settles_until: Option<Instant>,
    /// Its place among the drains, until it has ended.
    place: Option<Drain>,
}

/// This replica, or a peer.
struct Replica {
    peer: Option<Arc<PeerEurekaNode>>,
    /// Whether it is no peer any more.
    has_left: bool,
    /// The id of its process, when it was last known.
    process: Option<String>,
    /// Since when its readers have to have fetched, by its clock; `None` before the override has arrived.
    since: Option<Timestamp>,
    is_done: bool,
    last: Result<ReadersAnswer, CannotTell>,
}

impl Draining {
    /// Takes the instance out of service, if it is not yet.
    fn begin(
        app: Arc<AppState>,
        key: InstanceKey,
        asked: Asked,
        caller: Caller,
        place: Drain,
    ) -> Result<Self, ApiError> {
        let unknown = || ApiError::NotFound("no such instance is registered");
        let lease = app.registry.lease(key.as_str()).ok_or_else(unknown)?;
        // The second drain of an instance leaves the override of the first one as it is.
        let is_out = lease.with_record(|record| record.status_override.status) == Some(InstanceStatus::OutOfService);
        if !is_out {
            let found =
                app.peer_aware.status_update(key.as_str(), InstanceStatus::OutOfService, None, &caller, app.now());
            found.then_some(()).ok_or_else(unknown)?;
        }
        let lease = app.registry.lease(key.as_str()).ok_or_else(unknown)?;
        let record = lease.record();
        // Read when the change is published: whatever is fetched later has it.
        let since = app.now();
        let (stamp, peers) = (record.status_override.stamp, app.peer_aware.peers().all());
        let own = Replica { peer: None, since: Some(since), ..Replica::default() };
        let of_peers = peers.iter().map(|peer| Replica { peer: Some(Arc::clone(peer)), ..Replica::default() });
        Ok(Self {
            question: question(&record.info, stamp, asked.interval),
            replicas: [own].into_iter().chain(of_peers).collect(),
            app,
            key,
            asked,
            caller,
            since,
            pause: Duration::ZERO,
            settles_until: None,
            place: Some(place),
        })
    }

    /// Waits a second at most, and looks who is left. Says how the drain ended, if it did.
    async fn go_on(&mut self) -> Option<Outcome> {
        if let Some(until) = self.settles_until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(Outcome::Drained);
            }
            tokio::time::sleep(LONGEST_PAUSE.min(left)).await;
            return self.was_undone().then_some(Outcome::Undone);
        }
        let deadline = self.since + self.asked.timeout;
        tokio::time::sleep(self.pause.min(deadline.since(self.app.now()))).await;
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.look().await;
        if self.was_undone() {
            return Some(Outcome::Undone);
        }
        if self.replicas.iter().all(|replica| replica.is_done) {
            self.settles_until = Some(Instant::now() + self.asked.settle);
            return self.asked.settle.is_zero().then_some(Outcome::Drained);
        }
        deadline.since(self.app.now()).is_zero().then_some(Outcome::TimedOut)
    }

    /// What it does, for a report before its end.
    fn stage(&self) -> &'static str {
        if self.settles_until.is_some() { "settling" } else { "waiting" }
    }

    /// Asks every replica that is not done yet, all at once.
    async fn look(&mut self) {
        let peers = self.app.peer_aware.peers().all();
        let is_peer = |known: &Arc<PeerEurekaNode>| peers.iter().any(|peer| Arc::ptr_eq(peer, known));
        for replica in &mut self.replicas {
            replica.has_left = !replica.peer.as_ref().is_none_or(is_peer);
            replica.is_process(replica.peer.as_ref().and_then(|peer| peer.state().node));
        }
        let waiting = self.replicas.iter().filter(|replica| !replica.is_done);
        let asked = waiting.map(|replica| ask(&self.app, replica, &self.question));
        let answers = join_all(asked).await;
        let is_registered = self.app.registry.lease(self.key.as_str()).is_some();
        let age = self.app.now().since(self.since);
        let is_over = |why: &CannotTell| age > by_time(why, self.asked.interval);
        let waiting = self.replicas.iter_mut().filter(|replica| !replica.is_done);
        for (replica, answer) in waiting.zip(answers) {
            replica.take(answer, is_registered, is_over);
        }
    }

    /// Whether the instance is UP again: somebody has removed its override, or it was cancelled and has registered anew.
    fn was_undone(&self) -> bool {
        let lease = self.app.registry.lease(self.key.as_str());
        lease.is_some_and(|lease| lease.with_record(|record| record.info.status == InstanceStatus::Up))
    }

    fn end(mut self, outcome: Outcome) -> Report {
        let report = self.report(Some(outcome));
        self.log(&report);
        if let Some(place) = self.place.take() {
            place.end(outcome);
        }
        report
    }

    /// Where it stands; `None` is before its end.
    fn report(&self, outcome: Option<Outcome>) -> Report {
        let now = self.app.now();
        let answers = || self.replicas.iter().filter_map(|replica| Some((replica, replica.last.as_ref().ok()?)));
        let sum =
            |count: fn(&ReadersAnswer) -> u64| answers().map(|(_, answer)| count(answer)).fold(0, u64::saturating_add);
        let mut waiting_for: Vec<Waiting> = answers()
            .flat_map(|(replica, answer)| answer.waiting_for.iter().map(|reader| Waiting::of(replica, reader)))
            .collect();
        waiting_for.sort_by_key(|reader| std::cmp::Reverse(reader.last_fetch_millis_ago));
        waiting_for.truncate(MOST_NAMED);
        Report {
            now: now.0,
            application: self.key.app().to_owned(),
            instance_id: self.key.id().to_owned(),
            drained: outcome == Some(Outcome::Drained),
            outcome: outcome.map_or_else(|| self.stage(), Outcome::name),
            after_millis: millis(now.since(self.since)),
            readers: sum(|answer| answer.readers),
            by_time: sum(|answer| answer.by_time),
            waiting: sum(|answer| answer.waiting),
            replicas: self.replicas.iter().map(OfReplica::of).collect(),
            waiting_for,
        }
    }

    fn log(&self, report: &Report) {
        let (caller, key) = (&self.caller, Printable(self.key.as_str()));
        let secs = Duration::from_millis(u64::try_from(report.after_millis).unwrap_or(0)).as_secs_f64();
        let (app, id, readers, waiting) = (self.key.app(), self.key.id(), report.readers, report.waiting);
        let (replicas, user) = (self.replicas.len(), caller.acting_user());
        let address = caller.address.map(field::display);
        // The history has it only if this drain has set the override.
        let reason = caller.reason.as_ref().map(Reason::as_str);
        if report.drained {
            info!(
                app.name = app,
                instance.id = id,
                readers,
                by_time = report.by_time,
                replicas,
                secs,
                reason,
                user.name = user,
                client.address = address,
                "drained {key} for {caller}: all readers have fetched that it is out of service"
            );
            return;
        }
        let named = report.waiting_for.iter().map(|reader| reader.address.to_string()).collect::<Vec<_>>().join(", ");
        let notes = report.replicas.iter().filter(|replica| !replica.done);
        let notes: Vec<&str> = notes.filter_map(|replica| replica.note.as_deref()).collect();
        let why = if report.outcome == Outcome::Undone.name() {
            "it is UP again"
        } else {
            "not all readers have fetched that it is out of service"
        };
        warn!(
            app.name = app,
            instance.id = id,
            readers,
            waiting,
            waiting_for = named,
            replicas,
            notes = notes.join(" "),
            secs,
            reason,
            user.name = user,
            client.address = address,
            "did not drain {key} for {caller}: {why}"
        );
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if self.place.is_some() {
            let (key, caller) = (Printable(self.key.as_str()), &self.caller);
            let secs = self.app.now().since(self.since).as_secs_f64();
            warn!(
                app.name = self.key.app(),
                instance.id = self.key.id(),
                secs,
                "did not drain {key} for {caller}: the connection ended, or this replica stops, before the drain was over"
            );
        }
    }
}

/// How long after the change a replica that cannot tell, for this reason, counts as done.
fn by_time(why: &CannotTell, interval: Duration) -> Duration {
    let whole = readers::whole_interval(interval);
    // The readers of one that has left fetch elsewhere within an interval. Others may show an old answer for longer.
    if *why == CannotTell::Left { whole } else { whole + CACHE_OF_JAVA }
}

fn question(info: &InstanceInfo, stamp: Stamp, interval: Duration) -> ReadersRequest {
    let addresses = |list: Option<&str>| virtual_addresses(list).map(str::to_owned).collect();
    ReadersRequest {
        app: info.app.as_str().to_owned(),
        id: info.id().to_owned(),
        status_override: stamp.to_string(),
        since: None,
        interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
        address: info.ip_addr.to_string(),
        vips: addresses(info.vip_address.as_deref()),
        secure_vips: addresses(info.secure_vip_address.as_deref()),
    }
}

async fn ask(app: &AppState, replica: &Replica, question: &ReadersRequest) -> Result<ReadersAnswer, CannotTell> {
    let question = ReadersRequest { since: replica.since.map(|since| since.0), ..question.clone() };
    if replica.has_left {
        return Err(CannotTell::Left);
    }
    match (&replica.peer, &app.nodes) {
        (Some(peer), Some(nodes)) => nodes.readers(peer, &question).await,
        (Some(_), None) => Err(CannotTell::NotReached),
        (None, _) => readers::answer(app, &question, app.now()).map_err(|error| CannotTell::Unreachable(error.line())),
    }
}

impl Default for Replica {
    fn default() -> Self {
        let last = Err(CannotTell::NotReached);
        Self { peer: None, has_left: false, process: None, since: None, is_done: false, last }
    }
}

impl Replica {
    /// Notes which process it is. One that has started anew has forgotten its readers: they are judged from its own first answer on.
    fn is_process(&mut self, process: Option<String>) {
        if process.is_some() && self.process != process {
            if self.process.is_some() {
                self.since = None;
            }
            self.process = process;
        }
    }

    /// Takes its answer. `is_registered` is whether the instance is registered here, `is_over` whether a replica that cannot tell counts
    /// as done, for this reason.
    fn take(
        &mut self,
        answer: Result<ReadersAnswer, CannotTell>,
        is_registered: bool,
        is_over: impl Fn(&CannotTell) -> bool,
    ) {
        match &answer {
            Ok(answer) => {
                // An instance that is gone here and there is not called either.
                let has_arrived = answer.has_arrived || (!is_registered && !answer.is_registered);
                match self.since {
                    // Its readers are judged from this moment on: the next answer is the first one that counts.
                    None if has_arrived => self.since = Some(Timestamp(answer.now)),
                    None => {}
                    Some(_) => self.is_done = answer.is_done(),
                }
            }
            Err(why) => self.is_done = is_over(why),
        }
        self.last = answer;
    }

    /// What a person has to know about it beside numbers.
    fn note(&self) -> Option<String> {
        match &self.last {
            Err(why) if self.is_done => Some(format!("{why} It counts by time.")),
            Err(why) => Some(why.to_string()),
            Ok(_) if self.is_done => None,
            Ok(_) if self.since.is_none() => Some("The change has not arrived there.".to_owned()),
            Ok(answer) if answer.may_lack_readers => {
                Some("It may not know all of its readers, so it waits a whole interval.".to_owned())
            }
            Ok(_) => None,
        }
    }
}

impl OfReplica {
    fn of(replica: &Replica) -> Self {
        let answer = replica.last.as_ref().ok();
        Self {
            peer: replica.peer.as_ref().map(|peer| peer.shown_url()),
            done: replica.is_done,
            readers: answer.map(|answer| answer.readers),
            waiting: answer.map(|answer| answer.waiting),
            note: replica.note(),
        }
    }
}

impl Waiting {
    fn of(replica: &Replica, reader: &Reader) -> Self {
        Self {
            peer: replica.peer.as_ref().map(|peer| peer.shown_url()),
            address: reader.address,
            user_agent: Some(reader.user_agent.clone()).filter(|agent| !agent.is_empty()),
            user: reader.user.clone(),
            application: reader.application.clone(),
            last_fetch_millis_ago: reader.age_ms,
            interval_millis: reader.interval_ms,
            may_be_several: reader.may_be_several,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn answer(has_arrived: bool, waiting: u64) -> ReadersAnswer {
        ReadersAnswer { now: NOW, is_registered: true, has_arrived, readers: 1, waiting, ..ReadersAnswer::default() }
    }

    #[test]
    fn a_peer_counts_from_its_first_answer_that_says_that_the_change_has_arrived() {
        let mut peer = Replica::default();
        peer.take(Ok(answer(false, 0)), true, |_| false);
        assert_eq!((peer.since, peer.is_done), (None, false));
        assert_eq!(peer.note().unwrap(), "The change has not arrived there.");
        peer.take(Ok(answer(true, 0)), true, |_| false);
        assert_eq!((peer.since, peer.is_done), (Some(Timestamp(NOW)), false), "its readers were not asked since then");
        peer.take(Ok(answer(true, 1)), true, |_| true);
        assert!(!peer.is_done, "time is no excuse for a peer that can tell");
        peer.take(Ok(answer(true, 0)), true, |_| false);
        assert_eq!((peer.is_done, peer.note()), (true, None));
    }

    #[test]
    fn a_peer_that_starts_anew_counts_from_its_own_first_answer() {
        let mut peer = Replica::default();
        let mut answers = |process: Option<&str>| {
            peer.is_process(process.map(str::to_owned));
            peer.take(Ok(answer(true, 0)), true, |_| false);
            peer.is_done
        };
        assert!(!answers(Some("first")), "its first answer says that the change has arrived");
        assert!(!answers(Some("second")), "the readers of the first one are not known to the second");
        assert!(answers(None), "not to be known for a moment is no new start");
    }

    #[test]
    fn an_instance_that_is_gone_here_has_to_be_gone_there() {
        let gone = || Ok(ReadersAnswer { is_registered: false, ..answer(false, 0) });
        let mut peer = Replica::default();
        peer.take(gone(), true, |_| false);
        assert_eq!(peer.since, None, "it has not heard of it yet");
        peer.take(Ok(answer(false, 0)), false, |_| false);
        assert_eq!(peer.since, None, "it still has it");
        peer.take(gone(), false, |_| false);
        assert_eq!(peer.since, Some(Timestamp(NOW)));
    }

    #[test]
    fn a_peer_that_cannot_tell_counts_by_time_and_says_so() {
        let unreachable = || CannotTell::Unreachable("no route".to_owned());
        let interval = Duration::from_secs(30);
        assert_eq!([CannotTell::Left, unreachable()].map(|why| by_time(&why, interval).as_secs()), [33, 63]);
        for why in [CannotTell::AnotherServer, CannotTell::OldVersion, CannotTell::Left, unreachable()] {
            let mut peer = Replica::default();
            peer.take(Err(why.clone()), true, |_| false);
            assert_eq!((peer.is_done, peer.note()), (false, Some(why.to_string())));
            peer.take(Err(why.clone()), true, |_| true);
            assert_eq!((peer.is_done, peer.note()), (true, Some(format!("{why} It counts by time."))));
        }
    }

    #[test]
    fn times_have_a_unit_and_a_limit() {
        let read = |text: &str| time("timeout", text, MOST_TIME).ok().map(|time| time.as_millis());
        for (text, millis) in [
            ("60", Some(60_000)),
            ("60s", Some(60_000)),
            ("1500ms", Some(1500)),
            ("10m", Some(600_000)),
            ("0", Some(0)),
        ] {
            assert_eq!(read(text), millis, "{text}");
        }
        for wrong in ["", "s", "-1", "1.5s", "601s", "1h", "99999999999999999999s", "9999999999999999999m", "60 s"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
