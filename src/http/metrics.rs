//! [`RequestMetrics`]: the metrics of requests, by operation and status.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;

use super::operation::Operation;
use crate::console::SAMPLE_INTERVAL;
use crate::metrics::{Durations, Exposition, Longest, catalog};
use crate::registry::Scope;

/// What Micrometer calls it if there was no exception.
const NONE: &str = "none";
/// The statuses that have counters of their own.
const STATUSES: [u16; 19] =
    [200, 204, 302, 304, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 421, 429, 500, 503, 507];

/// After how many samples the longest request is that of the period before.
const SAMPLES_OF_A_PERIOD: u64 = 60 / SAMPLE_INTERVAL.as_secs();

/// The requests of one operation, by status: in the order of [`STATUSES`], and one more for any other status.
type OfOperation = [OfStatus; STATUSES.len() + 1];

/// The requests of one operation that were answered with one status.
#[derive(Debug, Default)]
struct OfStatus {
    took: Durations,
    longest: Longest,
}

/// What is counted of requests.
#[derive(Debug)]
pub(super) struct RequestMetrics {
    /// In the order of [`Operation::ALL`].
    operations: Box<[OfOperation]>,
    samples: AtomicU64,
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

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            operations: Operation::ALL.iter().map(|_| OfOperation::default()).collect(),
            samples: AtomicU64::default(),
            in_flight: AtomicI64::default(),
            cache_hits: Default::default(),
            cache_misses: Default::default(),
            unauthorized: Default::default(),
            refused_logins: AtomicU64::default(),
        }
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
        let place = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len());
        let of_status = &self.operations[operation as usize][place];
        of_status.took.observe(took);
        of_status.longest.observe(took);
    }

    /// Forgets the longest requests of former periods; to be called every [`SAMPLE_INTERVAL`].
    pub(super) fn sample(&self) {
        if self.samples.fetch_add(1, Relaxed).is_multiple_of(SAMPLES_OF_A_PERIOD) {
            self.operations.iter().flatten().for_each(|of_status| of_status.longest.next_period());
        }
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
        let answers = self.seen().map(|((method, uri), status, seen)| {
            let status = status.map_or_else(|| "other".to_owned(), |status| status.to_string());
            ([method.to_owned(), uri.to_owned(), status], float(seen.took.count()))
        });
        out.values(&catalog::REQUESTS, answers)?;
        let operations = Operation::ALL.into_iter().map(Operation::labels).zip(&self.operations);
        let took =
            operations.map(|((method, uri), all)| ([method, uri], Durations::sum(all.iter().map(|of| &of.took))));
        out.durations(&catalog::REQUEST_DURATION_SECONDS, took.filter(|(_, took)| took.count() > 0))?;
        self.expose_as_spring_does(out)?;
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

    /// The operations that were called, by status; `None` is any status without counters of its own.
    fn seen(&self) -> impl Iterator<Item = ((&'static str, &'static str), Option<u16>, &OfStatus)> {
        let operations = Operation::ALL.into_iter().map(Operation::labels).zip(&self.operations);
        let all = operations.flat_map(|(labels, counts)| {
            let statuses = STATUSES.into_iter().map(Some).chain([None]);
            statuses.zip(counts).map(move |(status, of_status)| (labels, status, of_status))
        });
        all.filter(|(_, _, of_status)| of_status.took.count() > 0)
    }

    /// The same once more, by the names and labels of Micrometer. No exception is ever passed on here.
    fn expose_as_spring_does(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let labels = |(method, uri): (&str, &str), status: Option<u16>| {
            let code = status.map_or_else(|| "UNKNOWN".to_owned(), |status| status.to_string());
            [NONE.to_owned(), NONE.to_owned(), method.to_owned(), outcome(status).to_owned(), code, uri.to_owned()]
        };
        let took = self.seen().map(|(operation, status, seen)| (labels(operation, status), &seen.took));
        out.durations(&catalog::HTTP_SERVER_REQUESTS, took)?;
        let longest = self.seen().map(|(operation, status, seen)| (labels(operation, status), seen.longest.seconds()));
        out.values(&catalog::HTTP_SERVER_REQUESTS_MAX, longest)
    }
}

/// What Micrometer calls the outcome of a request.
fn outcome(status: Option<u16>) -> &'static str {
    match status {
        Some(100..=199) => "INFORMATIONAL",
        Some(200..=299) => "SUCCESS",
        Some(300..=399) => "REDIRECTION",
        Some(400..=499) => "CLIENT_ERROR",
        Some(500..=599) => "SERVER_ERROR",
        _ => "UNKNOWN",
    }
}

/// A counter's value. Beyond 2^53 it is no longer exact; no counter gets there.
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
