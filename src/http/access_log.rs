//! Request ids, and the access log.
//!
//! The fields have the names of OpenTelemetry's semantic conventions where it has one.
//!
//! A request has an id if its client gave it one, or if every request is logged: otherwise a heartbeat would pay for an id that
//! nobody reads. The id is part of every line that is logged while the request is answered. No line has a query, a body or a
//! password.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::response::Response;
use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::request::Parts;
use tokio::time::Instant;
use tracing::{Span, field, info, info_span};

use super::error::Why;
use crate::model::Printable;
use crate::registry::Caller;

/// The header of the trace that a request belongs to, by W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header of a request's id, in requests and answers.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum length of an id that a client gives.
const LONGEST_ID: usize = 128;
/// Maximum number of characters of a `User-Agent` in the log.
const LONGEST_AGENT: usize = 200;

/// Gives ids to requests, and logs them if the access log is on.
#[derive(Debug)]
pub(super) struct AccessLog {
    logs: bool,
    node_id: String,
    made: AtomicU64,
}

/// A request that has an id.
#[derive(Debug)]
pub(super) struct Entry {
    id: HeaderValue,
    span: Span,
    begun: Instant,
    logs: bool,
}

impl AccessLog {
    /// `logs` is whether every request is logged; ids that are made here begin with `node_id`.
    pub(super) fn new(logs: bool, node_id: &str) -> Self {
        Self { logs, node_id: node_id.to_owned(), made: AtomicU64::new(0) }
    }

    /// Begins the entry of a request, if it has an id. In a box, because few requests have one, and it would make every request's
    /// future larger.
    pub(super) fn begin(&self, headers: &HeaderMap, begun: Instant) -> Option<Box<Entry>> {
        let id = self.request_id(headers)?;
        let span = info_span!("request", http.request.id = id.to_str().unwrap_or_default());
        Some(Box::new(Entry { id, span, begun, logs: self.logs }))
    }

    fn request_id(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if let Some(sent) = headers.get(REQUEST_ID).filter(|sent| is_sane(sent)) {
            return Some(sent.clone());
        }
        if !self.logs {
            return None;
        }
        HeaderValue::try_from(format!("{}-{}", self.node_id, self.made.fetch_add(1, Relaxed))).ok()
    }
}

impl Entry {
    /// The span of what is logged while the request is answered.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Logs the request if the access log is on, and puts the id into the answer.
    pub(super) fn finish(self, request: &Parts, caller: &Caller, why: Option<&Why>, response: &mut Response) {
        if self.logs {
            self.span.in_scope(|| log(request, caller, why, response, self.begun));
        }
        response.headers_mut().insert(REQUEST_ID, self.id);
    }
}

fn log(request: &Parts, caller: &Caller, why: Option<&Why>, response: &Response, begun: Instant) {
    let agent = request.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let agent: String = agent.chars().take(LONGEST_AGENT).collect();
    let (trace, span) = trace(&request.headers).unzip();
    let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (method, path, status) = (&request.method, request.uri.path(), response.status().as_u16());
    info!(
        http.request.method = %method,
        url.path = path,
        http.response.status_code = status,
        took_us,
        client.address = caller.address.map(field::display),
        user.name = caller.user.as_deref(),
        user_agent.original = agent,
        trace.id = trace,
        span.id = span,
        why = why.map(field::display),
        "{method} {} of {caller}: {status}",
        Printable(path)
    );
}

/// The ids of the trace that a request belongs to, and of the span that it comes from, if it has them and they are valid.
fn trace(headers: &HeaderMap) -> Option<(&str, &str)> {
    let is_id = |id: &str, len| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        id.len() == len && id.bytes().all(is_hex) && id.bytes().any(|byte| byte != b'0')
    };
    let mut parts = headers.get(TRACEPARENT)?.to_str().ok()?.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    // A later version may have more parts, but begins with these.
    let is_valid =
        version.len() == 2 && version != "ff" && is_id(trace, 32) && is_id(span, 16) && parts.next().is_some();
    is_valid.then_some((trace, span))
}

/// Whether an id needs no quoting in any log.
fn is_sane(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    !id.is_empty() && id.len() <= LONGEST_ID && id.as_bytes().iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_from_its_header_if_that_is_valid() {
        let (id, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_str(value).unwrap())]);
            trace(&headers).map(|(trace, span)| (trace.to_owned(), span.to_owned()))
        };
        assert_eq!(of(&format!("00-{id}-{span}-01")), Some((id.to_owned(), span.to_owned())));
        assert_eq!(of(&format!("01-{id}-{span}-01-more")), Some((id.to_owned(), span.to_owned())));
        for wrong in [
            format!("00-{id}-{span}"),
            format!("ff-{id}-{span}-01"),
            format!("00-{}-{span}-01", id.to_uppercase()),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{id}-{}-01", "0".repeat(16)),
            format!("00-{id}1-{span}-01"),
            "\"}".to_owned(),
        ] {
            assert_eq!(of(&wrong), None, "{wrong}");
        }
        assert_eq!(trace(&HeaderMap::new()), None);
    }

    #[test]
    fn an_id_that_could_forge_a_line_is_not_taken_over() {
        assert!(is_sane(&HeaderValue::from_static("4bf92f35-77b3:4da6/1")));
        assert!(!is_sane(&HeaderValue::from_static("a b")));
        assert!(!is_sane(&HeaderValue::from_static("\"}")));
        assert!(!is_sane(&HeaderValue::from_static("")));
        assert!(!is_sane(&HeaderValue::try_from("a".repeat(129)).unwrap()));
    }
}
