//! `GET /api/v1/instances` and `GET /api/v1/applications`: finding instances among many.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use super::overview::ByStatus;
use crate::http::{ApiError, App};
use crate::model::{InstanceInfo, InstanceStatus};
use crate::registry::Lease;
use crate::time::Timestamp;

/// The zone or version of an instance that names none, in queries and counts.
pub(in crate::http) const NONE: &str = "-";

/// So many instances where nobody says how many.
const SOME: usize = 100;
/// The most instances in one answer.
const MOST: usize = 1000;
/// The most values in a facet.
const MOST_VALUES: usize = 50;
/// The most zones or versions listed of an application.
const MOST_OF_APPLICATION: usize = 20;

/// A client's URL, if it is one to follow: what else it may be is no link.
fn link(url: Option<&str>) -> Option<&str> {
    let scheme =
        |scheme: &str, url: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    url.filter(|url| scheme("http://", url) || scheme("https://", url))
}

/// One instance. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Instance {
    pub(in crate::http) application: String,
    pub(in crate::http) instance_id: String,
    pub(in crate::http) status: &'static str,
    pub(in crate::http) overridden_status: Option<&'static str>,
    pub(in crate::http) host_name: String,
    pub(in crate::http) ip_addr: String,
    pub(in crate::http) port: Option<i32>,
    pub(in crate::http) secure_port: Option<i32>,
    pub(in crate::http) zone: Option<String>,
    pub(in crate::http) version: Option<String>,
    pub(in crate::http) registered_at: i64,
    pub(in crate::http) last_renewal_at: i64,
    lease_duration_seconds: u64,
    pub(in crate::http) overdue: bool,
    pub(in crate::http) expired: bool,
    pub(in crate::http) home_page_url: Option<String>,
    pub(in crate::http) status_page_url: Option<String>,
    pub(in crate::http) health_check_url: Option<String>,
}

impl Instance {
    pub(super) fn of(info: &InstanceInfo, lease: &Lease, now: Timestamp) -> Self {
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
            home_page_url: url(info.home_page_url.as_deref()),
            status_page_url: url(info.status_page_url.as_deref()),
            health_check_url: url(info.health_check_url.as_deref()),
        }
    }
}

impl Instance {
    /// Where it listens: `host:port`, or the host alone.
    pub(in crate::http) fn address(&self) -> String {
        match self.secure_port.or(self.port) {
            Some(port) => format!("{}:{port}", self.host_name),
            None => self.host_name.clone(),
        }
    }
}

/// The order in which instances are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
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
    const NAMES: [(&str, Self); 7] = [
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

/// An instance that may be answered, with what it is sorted by.
struct Candidate<'a> {
    info: &'a InstanceInfo,
    lease: &'a Lease,
    zone: &'a str,
    version: &'a str,
    /// A heartbeat may come while instances are sorted; an order must not change meanwhile.
    last_heard: Timestamp,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Asked {
    wanted: Wanted,
    order: Order,
    descending: bool,
    offset: usize,
    limit: usize,
}

/// Which instances are wanted.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Wanted {
    words: Vec<String>,
    application: Option<String>,
    status: Option<InstanceStatus>,
    zone: Option<String>,
    version: Option<String>,
    overdue: Option<bool>,
}

impl Asked {
    /// Reads a query. What is not known is for somebody else.
    pub(in crate::http) fn parse(parameters: &[(String, String)]) -> Result<Self, ApiError> {
        let mut asked = Self { limit: SOME, ..Self::default() };
        for (name, value) in Wanted::said(parameters) {
            match name {
                "sort" => {
                    let (descending, order) = value.strip_prefix('-').map_or((false, value), |order| (true, order));
                    let known = Order::NAMES.iter().find(|(name, _)| *name == order);
                    let (_, order) =
                        known.ok_or_else(|| expected(name, value, Order::NAMES.map(|(name, _)| name).join(", ")))?;
                    (asked.order, asked.descending) = (*order, descending);
                }
                "offset" => asked.offset = number(name, value, usize::MAX)?,
                "limit" => asked.limit = number(name, value, MOST)?,
                _ => asked.wanted.note(name, value)?,
            }
        }
        Ok(asked)
    }
}

impl Wanted {
    /// The parameters that say something.
    pub(in crate::http) fn said(parameters: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
        let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value.trim()));
        parameters.filter(|(_, value)| !value.is_empty())
    }

    fn note(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        match name {
            "q" => self.words = value.split_whitespace().map(str::to_lowercase).collect(),
            "application" => self.application = Some(value.to_uppercase()),
            "status" => {
                let status = InstanceStatus::from_name(&value.to_uppercase());
                let names = || InstanceStatus::ALL.map(InstanceStatus::name).join(", ");
                self.status = Some(status.ok_or_else(|| expected(name, value, names()))?);
            }
            "zone" => self.zone = Some(value.to_owned()),
            "version" => self.version = Some(value.to_owned()),
            "overdue" => self.overdue = Some(value.parse().map_err(|_neither| expected(name, value, "true or false"))?),
            _ => {}
        }
        Ok(())
    }

    /// Whether an instance fulfils the conditions that have no facet.
    fn admits(&self, info: &InstanceInfo, lease: &Lease, now: Timestamp) -> bool {
        let addresses = [info.vip_address.as_deref(), info.secure_vip_address.as_deref()];
        let texts = || {
            let always = [info.app.as_str(), info.id(), &info.host_name, &info.ip_addr];
            always.into_iter().chain(addresses.into_iter().flatten())
        };
        self.application.as_ref().is_none_or(|app| app == info.app.as_str())
            && self.overdue.is_none_or(|overdue| overdue == lease.is_overdue(now))
            && self.words.iter().all(|word| texts().any(|text| contains(text, word)))
    }
}

/// Whether a text holds a word that is in lower case.
fn contains(text: &str, word: &str) -> bool {
    if text.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        let Some(first) = word.first() else { return true };
        // Most places are ruled out by their first letter.
        return text
            .windows(word.len())
            .any(|part| part[0].eq_ignore_ascii_case(first) && part.eq_ignore_ascii_case(word));
    }
    text.to_lowercase().contains(word)
}

/// A number up to `most`.
pub(in crate::http) fn number<N: FromStr + PartialOrd + Display + Copy>(
    name: &str,
    value: &str,
    most: N,
) -> Result<N, ApiError> {
    let number = value.parse().ok().filter(|number| *number <= most);
    number.ok_or_else(|| expected(name, value, format_args!("a number from 0 to {most}")))
}

fn expected(name: &str, value: &str, what: impl Display) -> ApiError {
    ApiError::BadParameter(format!("{name}={value}: expected {what}"))
}

/// Instances that were asked for.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Found {
    now: i64,
    pub(in crate::http) total: usize,
    pub(in crate::http) offset: usize,
    pub(in crate::http) instances: Vec<Instance>,
    pub(in crate::http) facets: Facets,
}

impl Found {
    /// Where the page before begins, if there is one.
    pub(in crate::http) fn previous(&self) -> Option<usize> {
        (self.offset > 0).then(|| self.offset.saturating_sub(SOME))
    }

    /// Where the next page begins, if there is one.
    pub(in crate::http) fn next(&self) -> Option<usize> {
        Some(self.offset.saturating_add(self.instances.len()))
            .filter(|next| *next < self.total && !self.instances.is_empty())
    }
}

/// What could be chosen.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Facets {
    pub(in crate::http) status: Vec<Counted>,
    pub(in crate::http) zone: Vec<Counted>,
    pub(in crate::http) version: Vec<Counted>,
}

/// A value and how often it occurs.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Counted {
    pub(in crate::http) value: String,
    pub(in crate::http) count: usize,
}

fn facet(counts: HashMap<&str, usize>) -> Vec<Counted> {
    let mut counted: Vec<_> =
        counts.into_iter().map(|(value, count)| Counted { value: value.to_owned(), count }).collect();
    counted.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    counted.truncate(MOST_VALUES);
    counted
}

/// The instances that are asked for.
pub(in crate::http) fn find(app: &App, asked: &Asked) -> Found {
    let (now, view) = (app.now(), app.registry().view());
    let wanted = &asked.wanted;
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
    if asked.order != Order::Application || asked.descending {
        found.sort_by(|a, b| {
            let order = asked.order.compare(a, b);
            if asked.descending { order.reverse() } else { order }
        });
    }
    let page = found.iter().skip(asked.offset).take(asked.limit);
    Found {
        now: now.0,
        total: found.len(),
        offset: asked.offset,
        instances: page.map(|found| Instance::of(found.info, found.lease, now)).collect(),
        facets: Facets { status: facet(statuses), zone: facet(zones), version: facet(versions) },
    }
}

/// All applications.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Applications {
    now: i64,
    pub(in crate::http) applications: Vec<Application>,
}

/// One application.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Application {
    pub(in crate::http) name: String,
    pub(in crate::http) instances: u32,
    pub(in crate::http) by_status: ByStatus,
    pub(in crate::http) overdue: u32,
    pub(in crate::http) zones: Vec<String>,
    pub(in crate::http) versions: Vec<String>,
}

/// All applications, in the order of their names.
pub(in crate::http) fn applications(app: &App) -> Applications {
    let (now, view) = (app.now(), app.registry().view());
    let all: Vec<(&InstanceInfo, &Lease)> = view.iter().map(|(info, lease)| (info, &**lease)).collect();
    let applications = all.chunk_by(|(a, _), (b, _)| a.app == b.app).map(|instances| {
        let mut by_status = ByStatus::default();
        instances.iter().for_each(|(info, _)| by_status.add(info.status));
        let overdue = instances.iter().filter(|(_, lease)| lease.is_overdue(now)).count();
        Application {
            name: instances[0].0.app.as_str().to_owned(),
            instances: by_status.total(),
            by_status,
            overdue: u32::try_from(overdue).unwrap_or(u32::MAX),
            zones: distinct(instances.iter().filter_map(|(info, _)| info.zone())),
            versions: distinct(instances.iter().filter_map(|(info, _)| info.version())),
        }
    });
    Applications { now: now.0, applications: applications.collect() }
}

fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let distinct: BTreeSet<&str> = values.collect();
    distinct.into_iter().take(MOST_OF_APPLICATION).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_followed_is_a_link() {
        for good in ["http://h:1/", "https://h/", "HTTPS://h"] {
            assert_eq!(link(Some(good)), Some(good));
        }
        for bad in ["javascript:alert(1)", "data:text/html,x", " http://h", "//h/", "http:", "é", ""] {
            assert_eq!(link(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn words_are_found_whatever_their_case() {
        for (text, word) in [("ORDERS", "orders"), ("Orders-1", "rs-1"), ("ÄPFEL", "äpf"), ("a", "a")] {
            assert!(contains(text, word), "{text} {word}");
        }
        for (text, word) in [("ORDERS", "orderss"), ("", "a"), ("apfel", "äpf")] {
            assert!(!contains(text, word), "{text} {word}");
        }
    }

    #[test]
    fn a_wrong_parameter_is_said_in_one_line() {
        let error = |name: &str, value: &str| match Asked::parse(&[(name.to_owned(), value.to_owned())]) {
            Err(ApiError::BadParameter(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(error("limit", "1001"), "limit=1001: expected a number from 0 to 1000");
        assert_eq!(error("status", "UPP"), "status=UPP: expected DOWN, OUT_OF_SERVICE, STARTING, UNKNOWN, UP");
        assert_eq!(error("overdue", "yes"), "overdue=yes: expected true or false");
        assert!(error("sort", "--zone").starts_with("sort=--zone: expected application, "));
        assert!(Asked::parse(&[("limit".to_owned(), " ".to_owned()), ("other".to_owned(), "1".to_owned())]).is_ok());
    }
}
