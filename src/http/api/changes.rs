//! `GET /api/v1/changes`: what happened last.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Serialize;

use super::query::{self, Parameters};
use super::respond::{Problem, in_turn};
use crate::http::state::AppState;
use crate::model::InstanceStatus;
use crate::registry::{self, ChangesAfter, Source};

/// The maximum number of changes in one answer.
const MOST_CHANGES: usize = 1000;
/// The default number of changes in one answer.
const SOME_CHANGES: usize = 100;

/// One change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    number: u64,
    at: i64,
    application: String,
    instance_id: String,
    kind: &'static str,
    status: &'static str,
    previous_status: Option<&'static str>,
    source: &'static str,
    user: Option<String>,
    address: Option<IpAddr>,
    certified: bool,
    reason: Option<String>,
}

impl Change {
    pub(super) fn of(change: &registry::Change) -> Self {
        Self {
            number: change.number,
            at: change.at.0,
            application: change.key.app().to_owned(),
            instance_id: change.key.id().to_owned(),
            kind: change.kind.name(),
            status: change.status.name(),
            previous_status: change.previous.map(InstanceStatus::name),
            source: Source::name(change.source()),
            user: change.caller.as_ref().and_then(registry::Caller::acting_user).map(str::to_owned),
            address: change.caller.as_ref().and_then(|caller| caller.address),
            certified: change.caller.as_ref().is_some_and(|caller| caller.certified),
            reason: change.reason().map(str::to_owned),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    now: i64,
    node: String,
    last_change: u64,
    missed: bool,
    changes: Vec<Change>,
}

pub(super) async fn changes(
    State(app): State<Arc<AppState>>,
    Query(parameters): Parameters,
) -> Result<Response, Problem> {
    let (mut after, mut limit) = (None, SOME_CHANGES);
    for (name, value) in query::said(&parameters) {
        match name {
            "after" => after = Some(query::number(name, value, u64::MAX)?),
            "limit" => limit = query::number(name, value, MOST_CHANGES)?,
            _ => {}
        }
    }
    let state = Arc::clone(&app);
    let changes = move || {
        let ChangesAfter { changes, missed, last } = match after {
            Some(number) => state.registry.changes_after(number, limit),
            None => state.registry.latest_changes(limit),
        };
        let changes = changes.iter().map(Change::of).collect();
        Changes { now: state.now().0, node: state.node_id.clone(), last_change: last, missed, changes }
    };
    in_turn(&app, changes).await
}
