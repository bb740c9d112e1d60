//! [`RequestMetrics`]: the metrics of requests, by operation and status.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;

use super::operation::Operation;
use crate::metrics::{Durations, Exposition, catalog};
use crate::registry::Scope;

/// The statuses that have counters of their own.
const STATUSES: [u16; 19] =
    [200, 204, 302, 304, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 421, 429, 500, 503, 507];

#[derive(Debug, Default)]
struct OfOperation {
    /// In the order of [`STATUSES`], and one more for any other status.
    answers: [AtomicU64; STATUSES.len() + 1],
    took: Durations,
}

/// What is counted of requests.
#[derive(Debug, Default)]
pub(super) struct RequestMetrics {
    operations: [OfOperation; Operation::ALL.len()],
    in_flight: AtomicI64,
    cache_hits: [AtomicU64; 2],
    cache_misses: [Durations; 2],
    /// Requests answered 401: without credentials, and with wrong ones.
    unauthorized: [AtomicU64; 2],
    /// Logins answered 429.
    refused_logins: AtomicU64,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a AtomicI64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl RequestMetrics {
    /// A request has arrived. It is in flight until the guard is dropped.
    pub(super) fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(&self.in_flight)
    }

    /// A request was answered.
    pub(super) fn answered(&self, operation: Operation, status: StatusCode, took: Duration) {
        let of_operation = &self.operations[operation as usize];
        let place = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len());
        of_operation.answers[place].fetch_add(1, Relaxed);
        of_operation.took.observe(took);
    }

    /// A full fetch or a delta was cached.
    pub(super) fn cache_hit(&self, scope: Scope) {
        self.cache_hits[scope as usize].fetch_add(1, Relaxed);
    }

    /// A full fetch or a delta had to be encoded, which took this long.
    pub(super) fn cache_miss(&self, scope: Scope, took: Duration) {
        self.cache_misses[scope as usize].observe(took);
    }

    /// A request was answered 401, with wrong credentials or without any.
    pub(super) fn unauthorized(&self, with_credentials: bool) {
        self.unauthorized[usize::from(with_credentials)].fetch_add(1, Relaxed);
    }

    /// A login was answered 429, because too many of its address or of its user had failed.
    pub(super) fn refused_login(&self) {
        self.refused_logins.fetch_add(1, Relaxed);
    }

    /// Writes them for a scraper.
    pub(super) fn expose(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let all = || Operation::ALL.into_iter().map(Operation::labels).zip(&self.operations);
        let seen = || all().filter(|(_, counts)| counts.took.count() > 0);
        let answers = seen().flat_map(|((method, uri), counts)| {
            let statuses = STATUSES.iter().map(u16::to_string).chain(["other".to_owned()]);
            let counted = statuses.zip(&counts.answers).map(|(status, count)| (status, count.load(Relaxed)));
            counted
                .filter(|(_, count)| *count > 0)
                .map(move |(status, count)| ([method.to_owned(), uri.to_owned(), status], float(count)))
        });
        out.values(&catalog::REQUESTS, answers)?;
        let took = seen().map(|((method, uri), counts)| ([method, uri], &counts.took));
        out.durations(&catalog::REQUEST_DURATION_SECONDS, took)?;
        let in_flight = self.in_flight.load(Relaxed);
        out.value(&catalog::REQUESTS_IN_FLIGHT, in_flight as f64)?;
        let [without, wrong] = &self.unauthorized;
        let unauthorized = [("none", without), ("wrong", wrong)];
        let unauthorized = unauthorized.map(|(what, count)| ([what], float(count.load(Relaxed))));
        out.values(&catalog::UNAUTHORIZED, unauthorized)?;
        out.value(&catalog::REFUSED_LOGINS, float(self.refused_logins.load(Relaxed)))?;
        let scopes = || [("all", Scope::All), ("delta", Scope::Delta)];
        let cache = scopes().into_iter().flat_map(|(name, scope)| {
            let hits = self.cache_hits[scope as usize].load(Relaxed);
            let misses = self.cache_misses[scope as usize].count();
            [("hit", hits), ("miss", misses)].map(|(result, count)| ([name, result], float(count)))
        });
        out.values(&catalog::RESPONSE_CACHE_REQUESTS, cache)?;
        let encoding = scopes().map(|(name, scope)| ([name], &self.cache_misses[scope as usize]));
        out.durations(&catalog::RESPONSE_CACHE_ENCODE_SECONDS, encoding)
    }
}

/// A counter's value. Beyond 2^53 it is no longer exact; no counter gets there.
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
