//! Netflix's `RateLimitingFilter` (src/PROTOCOL.md, section 1.11): off unless `eureka.server.rate-limiter-enabled`.
//!
//! Two token buckets: one for every fetch, one more for full fetches. Heartbeats and registrations are never refused.

use http::Method;
use http::request::Parts;
use parking_lot::Mutex;

use crate::http::resource::Resource;
use crate::http::target::Target;
use crate::time::Timestamp;

/// Settings of the rate limiter, by Netflix's names and defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Whether it is on.
    pub enabled: bool,
    /// How many fetches may arrive at once.
    pub burst_size: u32,
    /// Fetches a second on average: everything, deltas, and applications.
    pub registry_fetch_average_rate: u32,
    /// Full fetches a second on average.
    pub full_fetch_average_rate: u32,
    /// Whether standard and privileged clients are refused, too.
    pub throttle_standard_clients: bool,
    /// Names in `DiscoveryIdentity-Name` that are privileged, beside `DefaultClient` and `DefaultServer`.
    pub privileged_clients: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            enabled: false,
            burst_size: 10,
            registry_fetch_average_rate: 500,
            full_fetch_average_rate: 100,
            throttle_standard_clients: false,
            privileged_clients: Vec::new(),
        }
    }
}

/// A bucket that fills with `rate` tokens a second up to `burst`. There is no limit if one of them is zero.
#[derive(Debug)]
struct TokenBucket {
    rate: u32,
    burst: u32,
    /// Tokens times a thousand, so that a millisecond adds `rate`.
    filled: Mutex<(u64, Timestamp)>,
}

impl TokenBucket {
    fn new(rate: u32, burst: u32) -> Self {
        Self { rate, burst, filled: Mutex::new((u64::from(burst) * 1000, Timestamp::NEVER)) }
    }

    fn take(&self, now: Timestamp) -> bool {
        if self.rate == 0 || self.burst == 0 {
            return true;
        }
        let mut filled = self.filled.lock();
        let since = u64::try_from(now.since(filled.1).as_millis()).unwrap_or(u64::MAX);
        let tokens = filled.0.saturating_add(since.saturating_mul(self.rate.into())).min(u64::from(self.burst) * 1000);
        let enough = tokens >= 1000;
        *filled = (if enough { tokens - 1000 } else { tokens }, now);
        enough
    }
}

/// The rate limiter.
#[derive(Debug)]
pub(super) struct RateLimiter {
    options: Options,
    fetches: TokenBucket,
    full_fetches: TokenBucket,
}

impl RateLimiter {
    pub(super) fn new(options: Options) -> Self {
        Self {
            fetches: TokenBucket::new(options.registry_fetch_average_rate, options.burst_size),
            full_fetches: TokenBucket::new(options.full_fetch_average_rate, options.burst_size),
            options,
        }
    }

    /// Whether a request is refused because there were too many fetches.
    pub(super) fn is_over_limit(&self, target: &Target<'_>, request: &Parts, now: Timestamp) -> bool {
        if !self.options.enabled || request.method != Method::GET || self.is_privileged(request) {
            return false;
        }
        match fetched(target) {
            Fetched::Nothing => false,
            Fetched::Part => !self.fetches.take(now),
            Fetched::Everything => !(self.fetches.take(now) && self.full_fetches.take(now)),
        }
    }

    fn is_privileged(&self, request: &Parts) -> bool {
        if self.options.throttle_standard_clients {
            return false;
        }
        let Some(name) = request.headers.get("DiscoveryIdentity-Name").and_then(|name| name.to_str().ok()) else {
            return false;
        };
        matches!(name, "DefaultClient" | "DefaultServer")
            || self.options.privileged_clients.iter().any(|one| one == name)
    }
}

/// How much of the registry a request reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetched {
    Nothing,
    /// A delta, or an application.
    Part,
    Everything,
}

fn fetched(target: &Target<'_>) -> Fetched {
    match target.resource() {
        Some(Resource::Applications) => Fetched::Everything,
        Some(Resource::Delta | Resource::Application(_)) => Fetched::Part,
        Some(_) | None => Fetched::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::target::Paths;

    fn get(path: &str, name: Option<&str>) -> Parts {
        let builder = http::Request::get(path);
        let builder = name.into_iter().fold(builder, |builder, name| builder.header("DiscoveryIdentity-Name", name));
        builder.body(()).unwrap().into_parts().0
    }

    fn target(request: &Parts) -> Target<'_> {
        let paths = Paths {
            context_path: String::new(),
            actuator: "/actuator".to_owned(),
            endpoints: vec!["health".to_owned()],
            answers_actuator: true,
        };
        Target::of(&request.uri, &paths)
    }

    fn refused(limiter: &RateLimiter, path: &str, name: Option<&str>, at: i64) -> bool {
        let request = get(path, name);
        limiter.is_over_limit(&target(&request), &request, Timestamp(at))
    }

    #[test]
    fn fetches_beyond_the_rate_are_refused_until_the_bucket_fills() {
        let options = Options { enabled: true, burst_size: 2, full_fetch_average_rate: 1, ..Options::default() };
        let limiter = RateLimiter::new(options);
        let refused = |path: &str, at: i64| refused(&limiter, path, None, at);
        let all = "/eureka/apps";
        assert_eq!([refused(all, 1), refused(all, 1), refused(all, 1)], [false, false, true]);
        assert!(!refused("/eureka/apps/delta", 100), "a delta is no full fetch");
        assert!(!refused("/eureka/apps/ORDERS/o-1", 100), "an instance is no fetch");
        assert_eq!([refused(all, 900), refused("/eureka/v2/apps/", 1_002), refused(all, 1_002)], [true, false, true]);
    }

    #[test]
    fn no_spelling_of_a_path_is_a_way_round() {
        let fetched = |path: &str| fetched(&target(&get(path, None)));
        for path in ["/eureka/apps", "/eureka/apps/", "/eureka/apps///", "//eureka//v2//apps"] {
            assert_eq!(fetched(path), Fetched::Everything, "{path}");
        }
        for path in ["/eureka/apps/delta", "/eureka/apps//delta//", "/eureka/apps/ORDERS"] {
            assert_eq!(fetched(path), Fetched::Part, "{path}");
        }
        for path in ["/eureka/apps/ORDERS/o-1", "/eureka/status", "/", "/actuator/health"] {
            assert_eq!(fetched(path), Fetched::Nothing, "{path}");
        }
    }

    #[test]
    fn standard_clients_are_refused_only_if_that_is_asked_for() {
        for (throttled, name, expected) in [
            (false, Some("DefaultClient"), false),
            (false, Some("mine"), false),
            (false, Some("other"), true),
            (false, None, true),
            (true, Some("DefaultServer"), true),
        ] {
            let options = Options {
                enabled: true,
                burst_size: 1,
                throttle_standard_clients: throttled,
                privileged_clients: vec!["mine".to_owned()],
                ..Options::default()
            };
            let limiter = RateLimiter::new(options);
            let second = [0, 1].map(|_| refused(&limiter, "/eureka/apps", name, 1))[1];
            assert_eq!(second, expected, "{throttled} {name:?}");
        }
    }

    #[test]
    fn off_or_without_a_limit_nobody_is_refused() {
        for options in [Options::default(), Options { enabled: true, burst_size: 0, ..Options::default() }] {
            let limiter = RateLimiter::new(options);
            assert!((0..100).all(|_| !refused(&limiter, "/eureka/apps", None, 1)));
        }
    }
}
