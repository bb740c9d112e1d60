//! `GET /api/v1/events`: changes as they happen.
//!
//! A stream polls the registry: several times a second it compares one number with the registry's, and asks for changes only if
//! that has grown. It does so when its connection can take more, so a slow reader holds a few changes at most, and learns later
//! that it missed some.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName};
use serde::Serialize;
use tokio::time::Instant;

use super::changes::Change;
use super::respond::Problem;
use crate::http::ApiError;
use crate::http::state::AppState;
use crate::http::streams::{Full, Place};
use crate::registry::{self, Caller, ChangesAfter};

/// How often a stream checks whether something changed.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How often an overview is sent while something changes.
const OVERVIEW_INTERVAL: Duration = Duration::from_secs(1);
/// How often an overview is sent if nothing changes: often enough for proxies, and for the server's own deadline for idle
/// answers.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long a browser waits before it connects again when the stream ended.
const RETRY: Duration = Duration::from_secs(2);
/// How many changes are read at a time.
const MOST_AT_ONCE: usize = 200;
/// Answers with a stream.
pub(super) async fn events(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let busy = |why| {
        let response = Problem(ApiError::Busy(why)).into_response();
        ([(RETRY_AFTER, "3")], response).into_response()
    };
    if !app.readiness.is_accepting_traffic() {
        return Err(busy("the registry is about to stop"));
    }
    let place = app.streams.take_place(caller.address).map_err(|full| match full {
        Full::Address => busy("too many streams of this address are open"),
        Full::All => busy("too many streams are open"),
    })?;
    let last_event_id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let following = Following::new(app, place, last_event_id);
    let events = stream::unfold(following, async |mut following| {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    // nginx would otherwise buffer the events.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(events)).into_response())
}

/// What a stream has sent, and what it has to send.
#[derive(Debug)]
struct Following {
    app: Arc<AppState>,
    place: Place,
    /// The number of the last change that was sent or left out.
    last: u64,
    /// Whether the reader has yet to learn that it missed changes.
    missed: bool,
    waiting: VecDeque<registry::Change>,
    /// The registry's version when the changes were last asked for and all were taken; `None` if some were left.
    looked_at: Option<u64>,
    /// The version that the last overview showed, and when that was sent.
    overview: Option<(u64, Instant)>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Missed {
    now: i64,
    last_change: u64,
}

impl Following {
    fn new(app: Arc<AppState>, place: Place, last_event_id: Option<&str>) -> Self {
        let now_at = app.registry.last_change();
        let told = last_event_id.map(|id| id.rsplit_once('.').filter(|(node, _)| *node == app.node_id));
        let told = told.map(|id| id.and_then(|(_, number)| number.parse().ok()));
        let (last, missed) = match told {
            None => (now_at, false),
            Some(Some(number)) if number <= now_at => (number, false),
            Some(_) => (now_at, true),
        };
        Self { app, place, last, missed, waiting: VecDeque::new(), looked_at: None, overview: None }
    }

    /// Waits for the next event; `None` when the registry stops, the stream is too old, or its place is needed.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if !self.app.readiness.is_accepting_traffic() || self.place.has_ended() {
                return None;
            }
            if self.is_overview_due() {
                let overview = self.app.overviews.recent().await;
                self.overview = Some((overview.version, Instant::now()));
                let json = std::str::from_utf8(&overview.json).unwrap_or_default();
                return Some(Event::default().event("overview").retry(RETRY).data(json));
            }
            self.look();
            if std::mem::take(&mut self.missed) {
                let missed = Missed { now: self.app.now().0, last_change: self.last };
                return event("missed", &missed);
            }
            if let Some(change) = self.waiting.pop_front() {
                self.last = change.number;
                let id = format!("{}.{}", self.app.node_id, change.number);
                return event("change", &Change::of(&change)).map(|event| event.id(id));
            }
            if self.looked_at.is_some() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
    }

    fn is_overview_due(&self) -> bool {
        let Some((shown, told)) = self.overview else { return true };
        let since = Instant::now().saturating_duration_since(told);
        let changed = shown != self.app.registry.version();
        since >= HEARTBEAT_INTERVAL || (changed && since >= OVERVIEW_INTERVAL)
    }

    /// Reads further changes, if there are some and all earlier ones are sent.
    fn look(&mut self) {
        let version = self.app.registry.version();
        if !self.waiting.is_empty() || self.looked_at == Some(version) {
            return;
        }
        let ChangesAfter { changes, missed, last } = self.app.registry.changes_after(self.last, MOST_AT_ONCE);
        if missed {
            // The changes that are still kept would leave a gap, so the stream goes on from here.
            self.missed = true;
            self.last = last;
            return;
        }
        self.looked_at = (changes.len() < MOST_AT_ONCE).then_some(version);
        self.waiting = changes.into();
    }
}

fn event(name: &str, value: &impl Serialize) -> Option<Event> {
    Event::default().event(name).json_data(value).ok()
}
