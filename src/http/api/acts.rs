//! `POST /api/v1/acts`: an operator does something to many instances at once.
//!
//! Who may call it is decided before (`security.rs`), as for every change; pages of other sites may not. A form of another site could not
//! send it either, since the body has to be JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Deserialize;

use super::query;
use super::respond::{Problem, json};
use crate::console::acts::{Act, Deed, MOST_TARGETS, NO_OVERRIDE, Targets};
use crate::console::instances::Filter;
use crate::http::ApiError;
use crate::http::blocking::aside;
use crate::http::state::AppState;
use crate::model::{AppName, InstanceKey, InstanceStatus};
use crate::registry::{Caller, Reason, Source};

/// Maximum length of a request: that of the names of the most instances, which are usually shorter than a hundred characters.
const MOST_BYTES: usize = 1024 * 1024;

/// A request, as `openapi.yaml` describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    act: String,
    status: Option<String>,
    instances: Option<Vec<Name>>,
    #[serde(rename = "where")]
    conditions: Option<BTreeMap<String, String>>,
    expected_override: Option<String>,
    reason: Option<String>,
    force: Option<bool>,
    dry_run: Option<bool>,
}

/// An instance, or all instances of an application.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Name {
    application: String,
    instance_id: Option<String>,
}

pub(super) async fn act(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    may_change(&app, &caller)?;
    let is_json = |value: &http::HeaderValue| value.to_str().is_ok_and(|text| text.starts_with("application/json"));
    if !headers.get(CONTENT_TYPE).is_some_and(is_json) {
        return Err(wrong("the body has to be JSON, with Content-Type: application/json").into());
    }
    let received = app.bodies.read_at_most(MOST_BYTES, &headers, body).await?;
    let (act, reason) = read(&received)?;
    drop(received);
    // Whatever its headers say: it is an operator's, so it is replicated.
    let caller = Caller { source: Source::Client, reason, ..caller };
    // One at a time, until its answer has the memory that it needs.
    let _turn = app.acts.lock().await;
    let state = Arc::clone(&app);
    // On a thread of its own, so that no heartbeat waits, and an act is carried out as a whole even if the caller goes away.
    let report = aside(move || act.carry_out(&state.peer_aware, &caller, state.now())).await;
    let report = report.map_err(|too_many| ApiError::BadParameter(too_many.to_string()))?;
    let encoded = serde_json::to_vec(&report).map(Bytes::from).map_err(ApiError::internal)?;
    Ok(json(app.answers.hold(encoded).await?))
}

/// Refuses a caller who may not change the registry. A path that is open to everybody is open for reading.
pub(super) fn may_change(app: &AppState, caller: &Caller) -> Result<(), ApiError> {
    let may = app.security.may_change(caller);
    may.then_some(()).ok_or(ApiError::Forbidden("only a user who may change the registry may do this"))
}

fn read(body: &[u8]) -> Result<(Act, Option<Reason>), ApiError> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| ApiError::BadParameter(format!("the body is not as openapi.yaml describes it: {error}")))?;
    let dry_run = request.dry_run.unwrap_or(false);
    let reason = Reason::parse(request.reason.as_deref().unwrap_or_default());
    let reason = reason.map_err(|wrong| ApiError::BadParameter(wrong.to_string()))?;
    if reason.is_none() && !dry_run {
        return Err(wrong("reason is missing: it is shown to everybody who looks at the history"));
    }
    let deed = deed(&request)?;
    let expected = request.expected_override.as_deref().map(expected).transpose()?;
    let targets = match (request.instances, request.conditions) {
        (Some(names), None) => named(&names)?,
        (None, Some(conditions)) => Targets::Matching(matching(conditions)?),
        _ => return Err(wrong("name either instances or conditions (where)")),
    };
    Ok((Act { deed, targets, expected, dry_run }, reason))
}

fn deed(request: &Request) -> Result<Deed, ApiError> {
    let deed = match request.act.as_str() {
        "override" => Deed::Override(match &request.status {
            Some(name) => status("status", name)?,
            None => InstanceStatus::OutOfService,
        }),
        "remove_override" => Deed::RemoveOverride,
        "remove" => Deed::Remove { force: request.force.unwrap_or(false) },
        other => return Err(query::expected("act", other, "override, remove_override, remove")),
    };
    if request.force.is_some() && !matches!(deed, Deed::Remove { .. }) {
        return Err(wrong("force belongs to the act remove"));
    }
    if request.status.is_some() && !matches!(deed, Deed::Override(_)) {
        return Err(wrong("status belongs to the act override"));
    }
    Ok(deed)
}

fn expected(name: &str) -> Result<Option<InstanceStatus>, ApiError> {
    if name == NO_OVERRIDE { Ok(None) } else { status("expectedOverride", name).map(Some) }
}

fn status(parameter: &str, name: &str) -> Result<InstanceStatus, ApiError> {
    let names = || InstanceStatus::ALL.map(InstanceStatus::name).join(", ");
    InstanceStatus::from_name(name).ok_or_else(|| query::expected(parameter, name, names()))
}

fn named(names: &[Name]) -> Result<Targets, ApiError> {
    match names.len() {
        0 => Err(wrong("instances is empty")),
        many if many > MOST_TARGETS => {
            Err(wrong(&format!("instances has {many} elements, and at most {MOST_TARGETS} are taken")))
        }
        _ => {
            let key = |name: &Name| {
                let id = name.instance_id.as_deref()?;
                Some(InstanceKey::new(&AppName::new(&name.application), id))
            };
            let applications = names.iter().filter(|name| name.instance_id.is_none());
            let applications = applications.map(|name| AppName::new(&name.application)).collect();
            Ok(Targets::Named(names.iter().filter_map(key).collect(), applications))
        }
    }
}

/// Unlike in a search, an unknown or empty condition is an error: with a typing mistake the act would reach everything.
fn matching(conditions: BTreeMap<String, String>) -> Result<Filter, ApiError> {
    if conditions.is_empty() {
        return Err(wrong("where needs at least one condition, such as an application or a zone"));
    }
    let mut filter = Filter::default();
    for (name, value) in conditions {
        if value.trim().is_empty() {
            return Err(wrong(&format!("where: {name} is empty")));
        }
        if !query::condition(&mut filter, &name, value.trim())? {
            return Err(query::expected("where", &name, query::CONDITIONS.join(", ")));
        }
    }
    Ok(filter)
}

fn wrong(why: &str) -> ApiError {
    ApiError::BadParameter(why.to_owned())
}
