//! `/api/v1/self-preservation`: why expired leases are evicted or kept, and an operator's decision about it.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::acts::may_change;
use super::query::{Parameters, expected, number, said};
use super::respond::{Problem, answer};
use crate::console::self_preservation::SelfPreservation;
use crate::http::ApiError;
use crate::http::state::AppState;
use crate::registry::{Caller, Switch};

/// How long a decision holds by default.
const SOME_SECONDS: u64 = 30 * 60;
/// The maximum time for which one holds, so that a forgotten decision has no effect on tomorrow's outage.
const MOST_SECONDS: u64 = 24 * 60 * 60;
/// Maximum bytes of a reason.
const MOST_REASON_BYTES: usize = 500;

pub(super) async fn read(State(app): State<Arc<AppState>>) -> Response {
    answer(&SelfPreservation::of(&app.registry, app.now()))
}

/// Evicts or keeps expired leases until the time that the operator gives.
pub(super) async fn switch(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    may_change(&app, &caller)?;
    let (mut evict, mut seconds, mut reason) = (None, SOME_SECONDS, None);
    for (name, value) in said(&parameters) {
        match name {
            "evict" => evict = Some(value.parse().map_err(|_neither| expected(name, value, "true or false"))?),
            "seconds" => seconds = number(name, value, MOST_SECONDS)?,
            "reason" if value.len() > MOST_REASON_BYTES => {
                return Err(ApiError::BadParameter(format!("reason: at most {MOST_REASON_BYTES} bytes")).into());
            }
            "reason" => reason = Some(value.to_owned()),
            _ => {}
        }
    }
    let missing = |name: &str| ApiError::BadParameter(format!("{name} is missing"));
    let (evict, reason) = (evict.ok_or_else(|| missing("evict"))?, reason.ok_or_else(|| missing("reason"))?);
    let since = app.now();
    let until = since + Duration::from_secs(seconds);
    let switch = Switch { evict, reason, caller: caller.clone(), since, until };
    app.registry.switch_self_preservation(Some(switch), &caller, since);
    app.overviews.forget().await;
    Ok(answer(&SelfPreservation::of(&app.registry, since)))
}

/// Takes the decision back.
pub(super) async fn switch_back(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    may_change(&app, &caller)?;
    let now = app.now();
    app.registry.switch_self_preservation(None, &caller, now);
    app.overviews.forget().await;
    Ok(answer(&SelfPreservation::of(&app.registry, now)))
}
