//! `GET /api/v1/subscribers`: who fetches the registry from this replica.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Serialize;

use super::query::{self, Parameters};
use super::respond::{Problem, in_turn};
use crate::http::state::AppState;
use crate::http::subscribers::Subscriber as Known;

/// The maximum number of subscribers in one answer.
const MOST: usize = 1000;
/// The default number of subscribers in one answer.
const SOME: usize = 100;
/// The maximum number of applications beside a subscriber.
const MOST_APPLICATIONS: usize = 5;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscribers {
    now: i64,
    total: usize,
    offset: usize,
    forgotten: u64,
    subscribers: Vec<Subscriber>,
}

/// One subscriber.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscriber {
    address: IpAddr,
    user_agent: Option<String>,
    user: Option<String>,
    applications: Vec<String>,
    full: u64,
    delta: u64,
    part: u64,
    last_fetch: &'static str,
    interval_millis: Option<i64>,
    first_at: i64,
    last_at: i64,
}

/// The order of the subscribers.
#[derive(Clone, Copy, Default)]
enum Order {
    #[default]
    Last,
    Full,
    Interval,
    Address,
}

impl Order {
    const NAMES: [(&str, Self); 4] =
        [("last", Self::Last), ("full", Self::Full), ("interval", Self::Interval), ("address", Self::Address)];
}

/// What is asked for.
#[derive(Default)]
struct Asked {
    words: Vec<String>,
    order: Order,
    offset: usize,
    limit: usize,
}

impl Asked {
    fn read(parameters: &[(String, String)]) -> Result<Self, Problem> {
        let mut asked = Self { limit: SOME, ..Self::default() };
        for (name, value) in query::said(parameters) {
            match name {
                "q" => asked.words = query::search(value)?.split_whitespace().map(str::to_lowercase).collect(),
                "sort" => {
                    let known = Order::NAMES.iter().find(|(name, _)| *name == value);
                    let names = || Order::NAMES.map(|(name, _)| name).join(", ");
                    asked.order = known.ok_or_else(|| query::expected(name, value, names()))?.1;
                }
                "offset" => asked.offset = query::number(name, value, usize::MAX)?,
                "limit" => asked.limit = query::number(name, value, MOST)?,
                _ => {}
            }
        }
        Ok(asked)
    }
}

pub(super) async fn subscribers(
    State(app): State<Arc<AppState>>,
    Query(parameters): Parameters,
) -> Result<Response, Problem> {
    let asked = Asked::read(&parameters)?;
    let state = Arc::clone(&app);
    in_turn(&app, move || Subscribers::of(&state, &asked)).await
}

impl Subscribers {
    fn of(app: &AppState, asked: &Asked) -> Self {
        let mut known = app.subscribers.all();
        let applications = applications(app, &known);
        let names = |one: &Known| applications.get(&one.address).map_or(&[][..], Vec::as_slice);
        known.retain(|one| asked.words.iter().all(|word| is_found(one, names(one), word)));
        match asked.order {
            Order::Last => known.sort_by_key(|one| Reverse(one.last_at)),
            Order::Full => known.sort_by_key(|one| Reverse(one.fetches[0])),
            Order::Interval => known.sort_by_key(|one| one.interval_ms.unwrap_or(i64::MAX)),
            Order::Address => known.sort_by(|a, b| (a.address, &a.agent).cmp(&(b.address, &b.agent))),
        }
        let page = known.iter().skip(asked.offset).take(asked.limit);
        Self {
            now: app.now().0,
            total: known.len(),
            offset: asked.offset,
            forgotten: app.subscribers.forgotten(),
            subscribers: page.map(|one| Subscriber::of(one, names(one))).collect(),
        }
    }
}

impl Subscriber {
    fn of(known: &Known, applications: &[String]) -> Self {
        let [full, delta, part] = known.fetches;
        Self {
            address: known.address,
            user_agent: Some(known.agent.to_string()).filter(|agent| !agent.is_empty()),
            user: known.user.as_deref().map(str::to_owned),
            applications: applications.to_vec(),
            full,
            delta,
            part,
            last_fetch: known.last_fetch.name(),
            interval_millis: known.interval_ms,
            first_at: known.first_at.0,
            last_at: known.last_at.0,
        }
    }
}

/// The applications that have an instance at the address of a subscriber: it is probably one of them.
fn applications(app: &AppState, known: &[Known]) -> HashMap<IpAddr, Vec<String>> {
    let mut applications: HashMap<IpAddr, Vec<String>> =
        known.iter().map(|subscriber| (subscriber.address, Vec::new())).collect();
    for (info, _) in app.registry.view().iter() {
        let Some(names) = info.address().and_then(|address| applications.get_mut(&address)) else { continue };
        if names.len() < MOST_APPLICATIONS && names.last().is_none_or(|last| last != info.app.as_str()) {
            names.push(info.app.as_str().to_owned());
        }
    }
    applications
}

/// Whether a word is part of the address, the user agent, the user or the name of an application.
fn is_found(known: &Known, applications: &[String], word: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(word);
    known.address.to_string().contains(word)
        || has(&known.agent)
        || known.user.as_deref().is_some_and(has)
        || applications.iter().any(|name| has(name))
}
