//! Searching, filtering and sorting instances.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use super::search::Term;
use crate::model::{InstanceInfo, InstanceStatus};
use crate::registry::{Lease, View};
use crate::time::Timestamp;

/// The zone or version of an instance that names none, in queries and counts.
pub(crate) const NONE: &str = "-";

/// The default number of instances in an answer.
pub(crate) const SOME: usize = 100;
/// The maximum number of values in a facet.
const MOST_VALUES: usize = 50;

/// A client's URL, if it is http or https: nothing else becomes a link.
fn link(url: Option<&str>) -> Option<&str> {
    let scheme =
        |scheme: &str, url: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    url.filter(|url| scheme("http://", url) || scheme("https://", url))
}

/// One instance. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Instance {
    pub(crate) application: String,
    pub(crate) instance_id: String,
    pub(crate) status: &'static str,
    pub(crate) overridden_status: Option<&'static str>,
    pub(crate) host_name: String,
    pub(crate) ip_addr: String,
    pub(crate) port: Option<i32>,
    pub(crate) secure_port: Option<i32>,
    pub(crate) zone: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) registered_at: i64,
    pub(crate) last_renewal_at: i64,
    lease_duration_seconds: u64,
    pub(crate) overdue: bool,
    pub(crate) expired: bool,
    pub(crate) restored: bool,
    pub(crate) home_page_url: Option<String>,
    pub(crate) status_page_url: Option<String>,
    pub(crate) health_check_url: Option<String>,
}

impl Instance {
    pub(crate) fn of(info: &InstanceInfo, lease: &Lease, now: Timestamp) -> Self {
        let url = |url: Option<&str>| link(url).map(str::to_owned);
        Self {
            application: info.app.as_str().to_owned(),
            instance_id: info.id().to_owned(),
            status: info.status.name(),
            overridden_status: lease.status_override().map(InstanceStatus::name),
            host_name: info.host_name.to_string(),
            ip_addr: info.ip_addr.to_string(),
            port: info.port.enabled.then_some(info.port.number),
            secure_port: info.secure_port.enabled.then_some(info.secure_port.number),
            zone: info.zone().map(str::to_owned),
            version: info.version().map(str::to_owned),
            registered_at: lease.info(info).registration.0,
            last_renewal_at: lease.last_heard().0,
            lease_duration_seconds: lease.duration().as_secs(),
            overdue: lease.is_overdue(now),
            expired: lease.is_expired(Duration::ZERO, now),
            restored: lease.is_restored(),
            home_page_url: url(info.home_page_url.as_deref()),
            status_page_url: url(info.status_page_url.as_deref()),
            health_check_url: url(info.health_check_url.as_deref()),
        }
    }
}

impl Instance {
    /// Its address: `host:port`, or only the host.
    pub(crate) fn address(&self) -> String {
        match self.secure_port.or(self.port) {
            Some(port) => format!("{}:{port}", self.host_name),
            None => self.host_name.clone(),
        }
    }
}

/// The order of the instances in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    Application,
    InstanceId,
    Status,
    Zone,
    Version,
    Registered,
    LastRenewal,
}

impl Order {
    /// Every order, by its name in a query.
    pub(crate) const NAMES: [(&str, Self); 7] = [
        ("application", Self::Application),
        ("instanceId", Self::InstanceId),
        ("status", Self::Status),
        ("zone", Self::Zone),
        ("version", Self::Version),
        ("registered", Self::Registered),
        ("lastRenewal", Self::LastRenewal),
    ];

    fn compare(self, a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
        match self {
            Self::Application => a.info.app.cmp(&b.info.app),
            Self::InstanceId => a.info.id().cmp(b.info.id()),
            Self::Status => a.info.status.cmp(&b.info.status),
            Self::Zone => a.zone.cmp(b.zone),
            Self::Version => a.version.cmp(b.version),
            Self::Registered => a.lease.info(a.info).registration.cmp(&b.lease.info(b.info).registration),
            Self::LastRenewal => a.last_heard.cmp(&b.last_heard),
        }
    }
}

/// A matching instance, with the value by which it is sorted.
struct Candidate<'a> {
    info: &'a InstanceInfo,
    lease: &'a Lease,
    zone: &'a str,
    version: &'a str,
    /// The last renewal, copied: a heartbeat may arrive during the sort, and must not change the order.
    last_heard: Timestamp,
}

/// A query for instances.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) filter: Filter,
    pub(crate) order: Order,
    pub(crate) descending: bool,
    /// The number of matching instances that are skipped.
    pub(crate) offset: usize,
    /// The maximum number of instances in the answer.
    pub(crate) limit: usize,
}

/// The filters of a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// The words of a search; an instance has to fit all of them.
    pub(crate) terms: Vec<Term>,
    pub(crate) application: Option<String>,
    pub(crate) status: Option<InstanceStatus>,
    pub(crate) zone: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) overdue: Option<bool>,
    /// Whether an eviction run would remove it.
    pub(crate) expired: Option<bool>,
    /// Whether an operator has set its status.
    pub(crate) overridden: Option<bool>,
    /// Whether it is UP.
    pub(crate) up: Option<bool>,
    /// Whether it was restored from the snapshot, and has not renewed since.
    pub(crate) restored: Option<bool>,
}

impl Filter {
    /// Whether an instance passes all filters.
    pub(crate) fn matches(&self, info: &InstanceInfo, lease: &Lease, now: Timestamp) -> bool {
        self.admits(info, lease, now)
            && self.status.is_none_or(|status| status == info.status)
            && self.zone.as_deref().is_none_or(|zone| zone == info.zone().unwrap_or(NONE))
            && self.version.as_deref().is_none_or(|version| version == info.version().unwrap_or(NONE))
    }

    /// Whether an instance passes the filters that have no facet.
    fn admits(&self, info: &InstanceInfo, lease: &Lease, now: Timestamp) -> bool {
        self.application.as_ref().is_none_or(|app| app == info.app.as_str())
            && self.overdue.is_none_or(|overdue| overdue == lease.is_overdue(now))
            && self.expired.is_none_or(|expired| expired == lease.is_expired(Duration::ZERO, now))
            && self.restored.is_none_or(|restored| restored == lease.is_restored())
            && self.overridden.is_none_or(|overridden| overridden == lease.status_override().is_some())
            && self.up.is_none_or(|up| up == (info.status == InstanceStatus::Up))
            && self.terms.iter().all(|term| term.fits(info))
    }
}

/// The answer to a query.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    now: i64,
    pub(crate) total: usize,
    pub(crate) offset: usize,
    pub(crate) instances: Vec<Instance>,
    pub(crate) facets: Facets,
}

impl Found {
    /// The instances of this page.
    pub(crate) fn of(view: &View, query: &Query, now: Timestamp) -> Self {
        let wanted = &query.filter;
        let (mut statuses, mut zones, mut versions) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut found: Vec<Candidate<'_>> = Vec::new();
        for (info, lease) in view.iter().filter(|(info, lease)| wanted.admits(info, lease, now)) {
            let (zone, version) = (info.zone().unwrap_or(NONE), info.version().unwrap_or(NONE));
            let in_status = wanted.status.is_none_or(|status| status == info.status);
            let in_zone = wanted.zone.as_ref().is_none_or(|wanted| wanted == zone);
            let of_version = wanted.version.as_ref().is_none_or(|wanted| wanted == version);
            if in_zone && of_version {
                *statuses.entry(info.status.name()).or_default() += 1;
            }
            if in_status && of_version {
                *zones.entry(zone).or_default() += 1;
            }
            if in_status && in_zone {
                *versions.entry(version).or_default() += 1;
            }
            if in_status && in_zone && of_version {
                found.push(Candidate { info, lease, zone, version, last_heard: lease.last_heard() });
            }
        }
        // They stand in the order of their keys, and sorting keeps that among equals.
        if query.order != Order::Application || query.descending {
            found.sort_by(|a, b| {
                let order = query.order.compare(a, b);
                if query.descending { order.reverse() } else { order }
            });
        }
        let page = found.iter().skip(query.offset).take(query.limit);
        Self {
            now: now.0,
            total: found.len(),
            offset: query.offset,
            instances: page.map(|found| Instance::of(found.info, found.lease, now)).collect(),
            facets: Facets { status: facet(statuses), zone: facet(zones), version: facet(versions) },
        }
    }

    /// The offset of the previous page, if there is one.
    pub(crate) fn previous(&self) -> Option<usize> {
        (self.offset > 0).then(|| self.offset.saturating_sub(SOME))
    }

    /// The offset of the next page, if there is one.
    pub(crate) fn next(&self) -> Option<usize> {
        Some(self.offset.saturating_add(self.instances.len()))
            .filter(|next| *next < self.total && !self.instances.is_empty())
    }
}

/// The values that a filter can have.
#[derive(Debug, Serialize)]
pub(crate) struct Facets {
    pub(crate) status: Vec<Counted>,
    pub(crate) zone: Vec<Counted>,
    pub(crate) version: Vec<Counted>,
}

/// A value and how often it occurs.
#[derive(Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) value: String,
    pub(crate) count: usize,
}

fn facet(counts: HashMap<&str, usize>) -> Vec<Counted> {
    let mut counted: Vec<_> =
        counts.into_iter().map(|(value, count)| Counted { value: value.to_owned(), count }).collect();
    counted.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    counted.truncate(MOST_VALUES);
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_are_links() {
        for good in ["http://h:1/", "https://h/", "HTTPS://h"] {
            assert_eq!(link(Some(good)), Some(good));
        }
        for bad in ["javascript:alert(1)", "data:text/html,x", " http://h", "//h/", "http:", "é", ""] {
            assert_eq!(link(Some(bad)), None, "{bad}");
        }
    }
}
