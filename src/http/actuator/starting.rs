//! [`Starting`]: what a replica says on its management port before it has the registry.

use std::fmt;

use serde_json::{Value, json};

use crate::console::duration::Span;
use crate::http::ApiError;
use crate::http::state::AppState;
use crate::replication::WaitsFor;

/// A replica that is starting: since when, and what it waits for.
pub(super) struct Starting {
    since: i64,
    lasts: Span,
    waits_for: Option<WaitsFor>,
}

impl Starting {
    /// The components that only a replica with the whole registry has.
    pub(super) const LACKS: [&str; 3] = ["peers", "registry", "snapshot"];

    /// `None` once the replica has opened its port.
    pub(super) fn of(app: &AppState) -> Option<Self> {
        app.readiness.is_starting().then(|| {
            let began = app.clock.started_at();
            let waits_for = app.nodes.as_ref().and_then(|nodes| nodes.waits_for());
            Self { since: began.0, lasts: Span(app.now().since(began)), waits_for }
        })
    }

    /// The components of the health. Those about the registry are left out: they would speak of a part of it.
    pub(super) fn components(&self) -> Value {
        json!({ "livenessState": { "status": "UP" }, "ping": { "status": "UP" }, "readinessState": self.readiness() })
    }

    /// The component `readinessState`.
    pub(super) fn readiness(&self) -> Value {
        json!({ "status": "OUT_OF_SERVICE", "details": { "startingSince": self.since, "waitsFor": self.to_string() } })
    }

    /// The answer for what a starting replica cannot tell.
    pub(super) fn lacks(what: &'static str) -> ApiError {
        ApiError::Busy(match what {
            "metrics" => "this replica is starting: without the whole registry its metrics would be wrong",
            _ => "this replica is starting: it does not have the whole registry yet",
        })
    }
}

impl fmt::Display for Starting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "This replica has been starting for {}: ", self.lasts)?;
        match &self.waits_for {
            None => f.write_str("it reads its snapshot and looks for its peers."),
            Some(WaitsFor::Copy(peer)) => write!(f, "it copies the registry of {peer}."),
            Some(WaitsFor::Peers(why)) => write!(f, "it waits for a peer whose registry it can copy ({why})."),
        }
    }
}
