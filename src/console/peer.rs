//! [`Peer`]: a peer as the overview shows it, and a sentence if it deserves attention.

use std::time::Duration;

use serde::Serialize;

use super::duration::{Span, counted};
use crate::replication::PeerEurekaNode;
use crate::time::Timestamp;

/// How long replicas may differ, and changes may wait, before that deserves attention.
const PATIENCE: Duration = Duration::from_secs(10);

/// A peer. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Peer {
    pub(crate) url: String,
    pub(crate) node: Option<String>,
    pub(crate) kind: &'static str,
    pub(crate) available: bool,
    pub(crate) last_answer_at: Option<i64>,
    pub(crate) queue: usize,
    pub(crate) oldest_waiting_since: Option<i64>,
    pub(crate) dropped: u64,
    pub(crate) expired: u64,
    pub(crate) last_error: Option<String>,
    pub(crate) starting: Option<Starting>,
    pub(crate) differing_applications: Option<usize>,
    pub(crate) clock_ahead_ms: Option<i64>,
    #[serde(skip)]
    differing_since: Option<i64>,
}

/// What a peer that is starting said of itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Starting {
    pub(crate) since: i64,
    pub(crate) waits_for: Option<String>,
}

impl Peer {
    pub(crate) fn of(peer: &PeerEurekaNode, now: Timestamp) -> Self {
        let state = peer.state();
        Self {
            url: peer.shown_url(),
            kind: match (&state.node, state.identified) {
                (Some(_), _) => "eureka-registry",
                (None, true) => "eureka",
                (None, false) => "unknown",
            },
            node: state.node,
            available: peer.is_available(),
            last_answer_at: state.last_answer.map(|at| at.0),
            queue: state.queue,
            oldest_waiting_since: state.oldest.map(|at| at.0),
            dropped: state.dropped,
            expired: state.expired,
            last_error: state.last_error,
            starting: peer.starts(now).filter(|_| !peer.is_available()).map(|starts| Starting {
                since: starts.since.0,
                waits_for: starts.waits_for.map(|line| line.as_str().to_owned()),
            }),
            differing_applications: state.differing,
            clock_ahead_ms: peer.clock_offset_ms(),
            differing_since: state.differing_since.map(|at| at.0),
        }
    }

    /// How long the oldest change in its queue has waited.
    pub(crate) fn lag(&self, now: Timestamp) -> Duration {
        self.oldest_waiting_since.map_or(Duration::ZERO, |since| now.since(Timestamp(since)))
    }

    /// A sentence, if it deserves attention.
    pub(crate) fn complaint(&self, now: Timestamp) -> Option<String> {
        let url = &self.url;
        let since = |at: i64| Span(now.since(Timestamp(at)));
        if let Some(starting) = &self.starting {
            let waits_for =
                starting.waits_for.as_ref().map(|line| format!("; it waits for {line}")).unwrap_or_default();
            return Some(format!("The peer {url} has been starting for {}{waits_for}.", since(starting.since)));
        }
        if !self.available {
            let last = match self.last_answer_at {
                Some(at) => format!("it was last up {} ago", since(at)),
                None => "it has never been up".to_owned(),
            };
            let error = self.last_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
            let waiting = match self.queue {
                0 => String::new(),
                queue => format!("; {queue} in the queue to it"),
            };
            return Some(format!("The peer {url} is unreachable{error}; {last}{waiting}."));
        }
        if self.lag(now) > PATIENCE {
            return Some(format!(
                "Changes reach the peer {url} late: {} in the queue to it, the oldest for {}.",
                self.queue,
                Span(self.lag(now))
            ));
        }
        let differing = self.differing_since.filter(|at| now.since(Timestamp(*at)) > PATIENCE)?;
        let applications = counted(self.differing_applications.unwrap_or_default() as u64, "application");
        Some(format!("The content of the peer {url} has differed in {applications} for {}.", since(differing)))
    }

    /// What follows from that, and what to do.
    pub(crate) fn what_follows(&self, now: Timestamp) -> (&'static str, &'static str) {
        if self.starting.is_some() {
            return (
                "What changes here reaches its clients when it is up.",
                "Nothing to do, unless it lasts: then its log says what it waits for.",
            );
        }
        if !self.available {
            return (
                "What changes here reaches its clients when it is back.",
                "Look at its log, and whether this replica reaches its address and port.",
            );
        }
        if self.lag(now) > PATIENCE {
            return ("Its clients see an older list.", "Look at its load, and at the network between the two.");
        }
        (
            "Clients see another list there than here.",
            "A comparison repairs this within seconds. If it stays, look at the logs of both.",
        )
    }
}
