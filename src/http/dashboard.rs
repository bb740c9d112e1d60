//! The dashboard: `/`, `/lastn`, `/subscribers`, and the files they need.
//!
//! The server renders whole pages, so they can be read without JavaScript. The script then keeps `/` up to date from
//! `/api/v1`. Templates escape everything that clients sent, and make a link only of an http or https URL. All links are
//! relative, so they work below any context path.
//!
//! What the script shows has the place that it had in the page as it was sent: otherwise the page would move under the reader's eyes
//! while it loads. So a change of one of the two needs the same change of the other. `compat/dashboard` measures what moves.

mod parameters;
mod words;

use std::borrow::Borrow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LOCATION, VARY};
use http::{HeaderMap, StatusCode};
use ring::digest::{SHA256, digest};
use time::OffsetDateTime;

use self::parameters::{APPLICATION_COLUMNS, INSTANCE_COLUMNS, Parameters, QUICK, encode};
use self::words::{Age, ChangeLine, Choice, Metric, PeerRow, grouped};
use super::api::query;
use super::api::user::User;
use super::negotiate::accepts_gzip;
use super::options::Dashboard as Options;
use super::overviews::Encoded;
use super::security::Forwarded;
use super::state::AppState;
use super::{ApiError, actuator};
use crate::codec;
use crate::console::Console;
use crate::console::applications::{Applications, Order, Query as ApplicationQuery, Trouble};
use crate::console::instances::{self, Filter, Found, SOME};
use crate::console::overview::Overview;
use crate::console::self_preservation::Preserving;
use crate::model::{InstanceKey, InstanceStatus};
use crate::registry::{Caller, Change};
use crate::time::Timestamp;

/// Number of changes on the page.
const CHANGES: usize = 20;
/// Maximum number of applications whose instances are shown below them.
const MOST_OPEN: usize = 10;
/// Maximum number of instances that are shown below an application.
const MOST_BELOW: usize = 50;

/// The files that the pages load: the name below `dashboard/`, the content type, and the content.
const FILES: &[(&str, &str, &[u8])] = &[
    ("dashboard.css", CSS, include_bytes!("dashboard/dashboard.css")),
    ("greeting.js", SCRIPT, include_bytes!("dashboard/greeting.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("dashboard/icon.svg")),
    ("dashboard.js", SCRIPT, include_bytes!("dashboard/dashboard.js")),
    ("actions.css", CSS, include_bytes!("dashboard/actions.css")),
    ("actions.js", SCRIPT, include_bytes!("dashboard/actions.js")),
    ("api.js", SCRIPT, include_bytes!("dashboard/api.js")),
    ("applications.js", SCRIPT, include_bytes!("dashboard/applications.js")),
    ("changes.js", SCRIPT, include_bytes!("dashboard/changes.js")),
    ("chart.js", SCRIPT, include_bytes!("dashboard/chart.js")),
    ("conditions.js", SCRIPT, include_bytes!("dashboard/conditions.js")),
    ("differences.js", SCRIPT, include_bytes!("dashboard/differences.js")),
    ("pulse.js", SCRIPT, include_bytes!("dashboard/pulse.js")),
    ("confirm.js", SCRIPT, include_bytes!("dashboard/confirm.js")),
    ("drain.js", SCRIPT, include_bytes!("dashboard/drain.js")),
    ("fields.js", SCRIPT, include_bytes!("dashboard/fields.js")),
    ("dom.js", SCRIPT, include_bytes!("dashboard/dom.js")),
    ("format.js", SCRIPT, include_bytes!("dashboard/format.js")),
    ("instance.js", SCRIPT, include_bytes!("dashboard/instance.js")),
    ("instances.js", SCRIPT, include_bytes!("dashboard/instances.js")),
    ("overview.js", SCRIPT, include_bytes!("dashboard/overview.js")),
    ("selection.js", SCRIPT, include_bytes!("dashboard/selection.js")),
    ("search.js", SCRIPT, include_bytes!("dashboard/search.js")),
    ("settings.js", SCRIPT, include_bytes!("dashboard/settings.js")),
    ("theme.js", SCRIPT, include_bytes!("dashboard/theme.js")),
    ("self_preservation.js", SCRIPT, include_bytes!("dashboard/self_preservation.js")),
    ("subscribers.js", SCRIPT, include_bytes!("dashboard/subscribers.js")),
    ("vendor/uPlot.iife.min.js", SCRIPT, include_bytes!("dashboard/vendor/uPlot.iife.min.js")),
    ("vendor/uPlot.min.css", CSS, include_bytes!("dashboard/vendor/uPlot.min.css")),
];

/// The same compressed, each when it is first asked for: a phone loads a quarter of the bytes.
static COMPRESSED: [OnceLock<Bytes>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The pages and their files.
pub(super) fn routes(options: &Options) -> Router<Arc<AppState>> {
    if !options.enabled {
        return Router::new();
    }
    let path = |below: &str| format!("{}{below}", options.path);
    let pages = Router::new()
        .route(&path("/"), get(index))
        .route(&path("/lastn"), get(last_n))
        .route(&path("/subscribers"), get(subscribers))
        .route(&path("/dashboard/{*name}"), get(file));
    // Their links are relative, so without the slash they would lead elsewhere.
    if options.path.is_empty() { pages } else { pages.route(&options.path, get(with_slash)) }
}

/// Sends to the page itself.
async fn with_slash(State(app): State<Arc<AppState>>, Extension(forwarded): Extension<Forwarded>) -> Response {
    let options = &app.options;
    let before = forwarded.prefix.as_ref().unwrap_or(&options.context_path);
    let location = format!("{before}{}/", options.dashboard.path);
    (StatusCode::FOUND, [(LOCATION, location)]).into_response()
}

/// `GET /`
#[derive(Template)]
#[template(path = "index.html", config = "src/http/dashboard/askama.toml")]
struct Index {
    encoded: Arc<Encoded>,
    user: User,
    /// The query of the request.
    query: Parameters,
    listed: Listed,
    changes: Vec<Change>,
    /// What leads from the page to where Eureka's paths begin.
    root: String,
    /// What the page links to of the actuator, by name.
    actuator: Vec<(&'static str, String)>,
}

/// The content of the list.
enum Listed {
    Instances(Found),
    /// One page of the applications, and the instances of those that are open.
    Applications(Applications, Vec<(String, Found)>),
}

/// What the address asks for.
enum Asked {
    Instances(instances::Query),
    Applications(ApplicationQuery, Vec<String>),
}

impl Asked {
    /// Applications, unless the query is about instances.
    fn of(parameters: &Parameters) -> Result<Self, ApiError> {
        if parameters.is_about_instances() {
            return Ok(Self::Instances(query::instances(&parameters.0)?));
        }
        let mut asked = query::applications(&parameters.0)?;
        if parameters.get("sort").is_empty() {
            asked.order = Order::Trouble;
        }
        asked.limit.get_or_insert(SOME);
        let open = parameters.0.iter().filter(|(name, _)| name == "open").take(MOST_OPEN);
        Ok(Self::Applications(asked, open.map(|(_, name)| name.to_uppercase()).collect()))
    }

    fn list(&self, console: &Console) -> Listed {
        match self {
            Self::Instances(asked) => Listed::Instances(console.find(asked)),
            Self::Applications(asked, open) => {
                let below = |name: &String| {
                    let filter = Filter { application: Some(name.clone()), ..Filter::default() };
                    let order = instances::Order::Status;
                    let query = instances::Query { filter, order, limit: MOST_BELOW, ..instances::Query::default() };
                    (name.clone(), console.find(&query))
                };
                Listed::Applications(console.applications(asked), open.iter().map(below).collect())
            }
        }
    }
}

/// A link to an instance's page.
fn instance_link(app: &str, id: &str) -> String {
    format!("./?application={}&instance={}", encode(app), encode(id))
}

/// A link to an application's instances.
fn application_link(app: &str) -> String {
    format!("./?application={}", encode(app))
}

/// `GET /lastn`, as Spring has it.
#[derive(Template)]
#[template(path = "last_n.html", config = "src/http/dashboard/askama.toml")]
struct LastN {
    host_name: String,
    now: Timestamp,
    lists: [Leases; 2],
}

struct Leases {
    title: &'static str,
    /// The text instead of an empty list.
    none: &'static str,
    leases: Vec<(Timestamp, InstanceKey)>,
}

/// `GET /subscribers`: a page whose script reads `/api/v1/subscribers`.
#[derive(Template)]
#[template(path = "subscribers.html", config = "src/http/dashboard/askama.toml")]
struct SubscribersPage {
    host_name: String,
    root: String,
}

async fn subscribers(State(app): State<Arc<AppState>>) -> Result<Response, ApiError> {
    let (host_name, root) = (app.own_instance.host_name.to_string(), root(&app.options.dashboard));
    html(&app, move || SubscribersPage { host_name, root }.render()).await
}

/// What leads from a page to where Eureka's paths begin.
fn root(options: &Options) -> String {
    "../".repeat(options.path.matches('/').count())
}

impl LastN {
    /// How long ago something was. Templates pass references.
    fn ago(&self, at: impl Borrow<i64>) -> Age {
        Age(self.now.since(Timestamp(*at.borrow())))
    }
}

impl Index {
    fn overview(&self) -> &Overview {
        &self.encoded.overview
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.overview().now)
    }

    /// How long ago something was. Templates pass references.
    fn ago(&self, at: impl Borrow<i64>) -> Age {
        Age(self.now().since(Timestamp(*at.borrow())))
    }

    fn metrics(&self) -> Vec<Metric> {
        Metric::all(self.overview())
    }

    fn peers(&self) -> Vec<PeerRow<'_>> {
        self.overview().peers.iter().map(|peer| PeerRow::of(peer, self.now())).collect()
    }

    fn changes(&self) -> impl Iterator<Item = ChangeLine<'_>> {
        self.changes.iter().map(ChangeLine::of)
    }

    /// The statuses that an instance of a zone has, in the order of the columns.
    fn zone_statuses(&self) -> Vec<InstanceStatus> {
        let zones = &self.overview().zones;
        let occurs = |status: &InstanceStatus| zones.iter().any(|zone| zone.by_status.count(*status) > 0);
        InstanceStatus::ALL.into_iter().rev().filter(occurs).collect()
    }

    /// How much is listed, in words.
    fn found(&self) -> String {
        let narrowed = self.query.is_narrowed();
        match &self.listed {
            Listed::Instances(found) => {
                words::found("instance", narrowed, found.total, found.offset, found.instances.len())
            }
            Listed::Applications(found, _) => {
                words::found("application", narrowed, found.total, found.offset, found.applications.len())
            }
        }
    }

    /// The selects of the filter.
    fn choices(&self) -> Vec<Choice> {
        match &self.listed {
            Listed::Instances(found) => Choice::all(&found.facets, &self.query),
            Listed::Applications(..) => Choice::none(),
        }
    }

    /// Whether the page shows what the user can do with all instances that were found.
    fn may_act_on_found(&self) -> bool {
        matches!(self.listed, Listed::Instances(_)) && self.user.access == "all" && self.query.has_conditions()
    }
}

/// A moment, for people or for machines.
struct Moment(OffsetDateTime);

impl Moment {
    fn of(at: impl Borrow<i64>) -> Self {
        Self(OffsetDateTime::from_unix_timestamp(at.borrow() / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// `2026-01-31T12:00:00Z`
    fn machine(&self) -> String {
        format!("{}T{}Z", self.0.date(), self.clock())
    }

    /// `12:00:00`
    fn clock(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.0.hour(), self.0.minute(), self.0.second())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} UTC", self.0.date(), self.clock())
    }
}

async fn index(
    State(app): State<Arc<AppState>>,
    Query(parameters): Query<Vec<(String, String)>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let parameters: Vec<_> = parameters.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
    let parameters = Parameters(parameters);
    let user = User::of(&app, &caller);
    let asked = Asked::of(&parameters)?;
    let (encoded, state) = (app.overviews.current().await, Arc::clone(&app));
    let page = move || {
        let listed = asked.list(&state.console);
        let mut changes = state.registry.latest_changes(CHANGES).changes;
        changes.reverse();
        let root = root(&state.options.dashboard);
        let actuator = actuator_links(&state.options.actuator);
        Index { encoded, user, query: parameters, listed, changes, root, actuator }.render()
    };
    html(&app, page).await
}

/// The endpoints that people look at, where this port answers them.
fn actuator_links(options: &actuator::Options) -> Vec<(&'static str, String)> {
    let endpoints = options.endpoints().filter(|_| options.on_main_port);
    let named = endpoints.filter_map(|(id, path)| match id {
        "health" => Some(("health", path)),
        "prometheus" => Some(("metrics", path)),
        _ => None,
    });
    named
        .map(|(name, path)| (name, format!("{}/{path}", options.base_path).trim_start_matches('/').to_owned()))
        .collect()
}

async fn last_n(State(app): State<Arc<AppState>>) -> Result<Response, ApiError> {
    let state = Arc::clone(&app);
    html(&app, move || LastN::of(&state).render()).await
}

impl LastN {
    fn of(app: &AppState) -> Self {
        let registry = &app.registry;
        Self {
            host_name: app.own_instance.host_name.to_string(),
            now: app.now(),
            lists: [
                Leases {
                    title: "Last 1000 cancelled leases",
                    none: "No instance was cancelled or evicted since the start.",
                    leases: registry.last_cancelled(),
                },
                Leases {
                    title: "Last 1000 newly registered leases",
                    none: "No instance was registered since the start.",
                    leases: registry.last_registered(),
                },
            ],
        }
    }
}

/// Answers with a page, which is made in turn.
async fn html(
    app: &AppState,
    page: impl FnOnce() -> askama::Result<String> + Send + 'static,
) -> Result<Response, ApiError> {
    let made = move || page().map(Bytes::from).map_err(ApiError::internal);
    let response = app.pages.respond(made).await?;
    Ok(([(CACHE_CONTROL, "no-store"), (CONTENT_TYPE, "text/html; charset=utf-8")], response).into_response())
}

/// `GET /dashboard/{name}`: a browser revalidates each time, and gets a 304 if the file has not changed.
async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let at = FILES.iter().position(|(known, ..)| *known == name).ok_or(ApiError::NotFound("no such file"))?;
    let (_, content_type, content) = FILES[at];
    let is_compressed = accepts_gzip(&headers);
    let hash: String = digest(&SHA256, content).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}{}\"", if is_compressed { "-gzip" } else { "" });
    let tag = HeaderValue::try_from(tag).unwrap_or_else(|_not_ascii| HeaderValue::from_static("\"\""));
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag);
    let head = ([(ETAG, tag)], [(CACHE_CONTROL, "no-cache"), (VARY, "Accept-Encoding")]);
    Ok(if known {
        (StatusCode::NOT_MODIFIED, head).into_response()
    } else if is_compressed {
        let body = COMPRESSED[at].get_or_init(|| codec::gzip(content).into()).clone();
        (head, [(CONTENT_TYPE, content_type), (CONTENT_ENCODING, "gzip")], body).into_response()
    } else {
        (head, [(CONTENT_TYPE, content_type)], content).into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_encoded() {
        assert_eq!(instance_link("A", "h:a/1\""), "./?application=A&instance=h%3Aa%2F1%22");
    }

    #[test]
    fn moments_are_written_for_people_and_machines() {
        let moment = Moment::of(1_767_225_599_999);
        assert_eq!(moment.to_string(), "2025-12-31 23:59:59 UTC");
        assert_eq!(moment.machine(), "2025-12-31T23:59:59Z");
    }
}
