//! Request ids, and the access log.
//!
//! A request has an id if its client gave it one, or if every request is logged: a heartbeat is to cost nothing for what
//! nobody reads. What is logged while it is answered carries the id. Queries, bodies and credentials are in no line.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::body::Body;
use axum::response::Response;
use http::Request;
use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use tokio::time::Instant;
use tracing::{Instrument, info, info_span};

use super::App;
use super::metrics::Operation;
use super::router;

/// The header of a request's id, both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A longer id is not taken over.
const LONGEST_ID: usize = 128;
/// So many characters of a client's name are logged.
const LONGEST_AGENT: usize = 200;

/// The request's id, if it has one.
pub(super) fn request_id(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    if let Some(sent) = headers.get(REQUEST_ID).filter(|sent| is_sane(sent)) {
        return Some(sent.clone());
    }
    if !app.options().access_log {
        return None;
    }
    HeaderValue::try_from(format!("{}-{}", app.node_id(), MADE.fetch_add(1, Relaxed))).ok()
}

/// Letters that need no quoting in any log.
fn is_sane(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    !id.is_empty() && id.len() <= LONGEST_ID && id.as_bytes().iter().all(plain)
}

/// Answers a request that has an id.
pub(super) async fn answer(app: &App, id: HeaderValue, request: Request<Body>) -> (Operation, Response) {
    let span = info_span!("request", id = id.to_str().unwrap_or_default());
    let logged = app.options().access_log.then(|| Logged::of(&request));
    let begun = Instant::now();
    // In a box: what few requests need is not to make every request's future larger.
    let (operation, mut response) = Box::pin(router::answer(app, request).instrument(span.clone())).await;
    if let Some(Logged { method, path, agent }) = logged {
        let (status, took) = (response.status().as_u16(), begun.elapsed());
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        span.in_scope(|| info!(%method, path, status, took_us, agent, "request"));
    }
    response.headers_mut().insert(REQUEST_ID, id);
    (operation, response)
}

/// What of a request is logged.
struct Logged {
    method: http::Method,
    path: String,
    agent: String,
}

impl Logged {
    fn of(request: &Request<Body>) -> Self {
        let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            agent: agent.chars().take(LONGEST_AGENT).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_forge_a_line_is_not_taken_over() {
        assert!(is_sane(&HeaderValue::from_static("4bf92f35-77b3:4da6/1")));
        assert!(!is_sane(&HeaderValue::from_static("a b")));
        assert!(!is_sane(&HeaderValue::from_static("\"}")));
        assert!(!is_sane(&HeaderValue::from_static("")));
        assert!(!is_sane(&HeaderValue::try_from("a".repeat(129)).unwrap()));
    }
}
