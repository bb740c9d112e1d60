//! The list of applications: what is wrong with each, in words, and the worst first.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde::Serialize;

use super::by_status::ByStatus;
use super::duration::Span;
use super::instances::{Filter, SOME};
use crate::model::{InstanceInfo, InstanceKey, InstanceStatus};
use crate::registry::{Lease, View};
use crate::time::Timestamp;

/// The maximum number of zones or versions listed of an application.
const MOST_OF_APPLICATION: usize = 20;
/// How far back changes are looked at to find instances that flap.
pub(crate) const FLAPPING_FOR: Duration = Duration::from_secs(600);
/// An instance flaps if it left UP, or came back to it, at least this often within [`FLAPPING_FOR`]: twice there and back. A restart is
/// once.
const FLAPS: u32 = 4;

/// What is wrong with an application; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trouble {
    /// No instance is UP.
    NoneUp,
    /// An instance is UP, and another one is not.
    PartlyUp,
    /// An instance is overdue.
    Overdue,
    /// An instance goes in and out of UP.
    Flapping,
}

impl Trouble {
    /// Every trouble, the worst first.
    pub(crate) const ALL: [Self; 4] = [Self::NoneUp, Self::PartlyUp, Self::Overdue, Self::Flapping];

    /// In a query.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoneUp => "none_up",
            Self::PartlyUp => "partly_up",
            Self::Overdue => "overdue",
            Self::Flapping => "flapping",
        }
    }

    /// In a few words, for people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::NoneUp => "none UP",
            Self::PartlyUp => "partly UP",
            Self::Overdue => "overdue",
            Self::Flapping => "flapping",
        }
    }
}

/// The order of the applications in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    Name,
    /// The worst first.
    Trouble,
    /// Those with the most instances last.
    Instances,
}

impl Order {
    /// Every order, by its name in a query.
    pub(crate) const NAMES: [(&str, Self); 3] =
        [("application", Self::Name), ("trouble", Self::Trouble), ("instances", Self::Instances)];
}

impl Order {
    fn compare(self, a: &Counted<'_>, b: &Counted<'_>) -> Ordering {
        let trouble = |counted: &Counted<'_>| (counted.trouble().is_none(), counted.trouble());
        match self {
            Self::Name => a.name().cmp(b.name()),
            Self::Trouble => trouble(a).cmp(&trouble(b)),
            Self::Instances => a.instances.len().cmp(&b.instances.len()),
        }
    }
}

/// A query for applications.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// An application is found if one of its instances passes.
    pub(crate) filter: Filter,
    /// The trouble that is asked for; `None` asks for all applications.
    pub(crate) trouble: Option<Asked>,
    pub(crate) order: Order,
    pub(crate) descending: bool,
    /// The number of matching applications that are skipped.
    pub(crate) offset: usize,
    /// The maximum number of applications in the answer; `None` is all.
    pub(crate) limit: Option<usize>,
}

/// Which applications with a trouble are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Those with any trouble.
    Any,
    /// Those with this one, perhaps among others.
    Only(Trouble),
}

/// One page of the applications. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Applications {
    now: i64,
    pub(crate) total: usize,
    pub(crate) offset: usize,
    pub(crate) by_trouble: ByTrouble,
    pub(crate) applications: Vec<Application>,
}

/// How many applications have which trouble. One may have several.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct ByTrouble {
    none_up: usize,
    partly_up: usize,
    overdue: usize,
    flapping: usize,
}

impl ByTrouble {
    fn add(&mut self, trouble: Trouble) {
        *match trouble {
            Trouble::NoneUp => &mut self.none_up,
            Trouble::PartlyUp => &mut self.partly_up,
            Trouble::Overdue => &mut self.overdue,
            Trouble::Flapping => &mut self.flapping,
        } += 1;
    }

    /// The number of applications with this trouble.
    pub(crate) fn count(&self, trouble: Trouble) -> usize {
        match trouble {
            Trouble::NoneUp => self.none_up,
            Trouble::PartlyUp => self.partly_up,
            Trouble::Overdue => self.overdue,
            Trouble::Flapping => self.flapping,
        }
    }
}

/// One application.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) instances: u32,
    pub(crate) by_status: ByStatus,
    pub(crate) overdue: u32,
    pub(crate) flapping: u32,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) problem: Option<String>,
    pub(crate) zones: Vec<String>,
    pub(crate) versions: Vec<String>,
}

/// How often each instance left UP, or came back to it, lately.
pub(crate) type Flips = HashMap<InstanceKey, u32>;

impl Applications {
    /// The applications of this page.
    pub(crate) fn of(view: &View, query: &Query, flips: &Flips, now: Timestamp) -> Self {
        let all: Vec<(&InstanceInfo, &Lease)> = view.iter().map(|(info, lease)| (info, &**lease)).collect();
        let mut by_trouble = ByTrouble::default();
        let mut found: Vec<Counted<'_>> = all
            .chunk_by(|(a, _), (b, _)| a.app == b.app)
            .filter(|instances| instances.iter().any(|(info, lease)| query.filter.matches(info, lease, now)))
            .map(|instances| Counted::of(instances, flips, now))
            .inspect(|counted| {
                Trouble::ALL.into_iter().filter(|one| counted.has(*one)).for_each(|one| by_trouble.add(one));
            })
            .filter(|counted| match query.trouble {
                None => true,
                Some(Asked::Any) => counted.trouble().is_some(),
                Some(Asked::Only(wanted)) => counted.has(wanted),
            })
            .collect();
        // They stand in the order of their names, and sorting keeps that among equals.
        if query.order != Order::Name || query.descending {
            found.sort_by(|a, b| {
                let order = query.order.compare(a, b);
                if query.descending { order.reverse() } else { order }
            });
        }
        let page = found.iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
        Self {
            now: now.0,
            total: found.len(),
            offset: query.offset,
            by_trouble,
            applications: page.map(|counted| counted.shown(now)).collect(),
        }
    }
}

impl Applications {
    /// The offset of the previous page, if there is one.
    pub(crate) fn previous(&self) -> Option<usize> {
        (self.offset > 0).then(|| self.offset.saturating_sub(SOME))
    }

    /// The offset of the next page, if there is one.
    pub(crate) fn next(&self) -> Option<usize> {
        Some(self.offset.saturating_add(self.applications.len()))
            .filter(|next| *next < self.total && !self.applications.is_empty())
    }
}

/// The instances of one application, counted.
struct Counted<'a> {
    instances: &'a [(&'a InstanceInfo, &'a Lease)],
    by_status: ByStatus,
    overdue: u32,
    /// The instances that flap.
    flapping: Vec<(&'a str, u32)>,
}

impl<'a> Counted<'a> {
    fn of(instances: &'a [(&'a InstanceInfo, &'a Lease)], flips: &Flips, now: Timestamp) -> Self {
        let mut by_status = ByStatus::default();
        instances.iter().for_each(|(info, _)| by_status.add(info.status));
        let overdue = instances.iter().filter(|(_, lease)| lease.is_overdue(now)).count();
        let flapping = instances.iter().filter(|(_, lease)| flaps(flips, lease.key()));
        let flapping = flapping.map(|(info, lease)| (info.id(), flips[lease.key()])).collect();
        Self { instances, by_status, overdue: u32::try_from(overdue).unwrap_or(u32::MAX), flapping }
    }

    fn name(&self) -> &'a str {
        self.instances[0].0.app.as_str()
    }

    fn has(&self, trouble: Trouble) -> bool {
        let (up, all) = (self.by_status.up(), self.by_status.total());
        match trouble {
            Trouble::NoneUp => up == 0,
            Trouble::PartlyUp => 0 < up && up < all,
            Trouble::Overdue => self.overdue > 0,
            Trouble::Flapping => !self.flapping.is_empty(),
        }
    }

    /// The worst.
    fn trouble(&self) -> Option<Trouble> {
        Trouble::ALL.into_iter().find(|trouble| self.has(*trouble))
    }

    /// What is wrong, in words: everything, not only the worst.
    fn problem(&self, now: Timestamp) -> Option<String> {
        let (up, all) = (self.by_status.up(), self.by_status.total());
        let mut parts: Vec<Cow<'static, str>> = Vec::new();
        if up < all {
            let others = self.by_status.occurring().filter(|(name, _)| *name != InstanceStatus::Up.name());
            let others = others.map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ");
            parts.push(if up == 0 { format!("no instance is UP: {others}").into() } else { others.into() });
        }
        if self.overdue > 0 {
            let overdue = self.instances.iter().filter(|(_, lease)| lease.is_overdue(now));
            let longest = overdue.map(|(_, lease)| now.since(lease.last_heard())).max().unwrap_or_default();
            parts.push(format!("{} overdue, silent for up to {}", self.overdue, Span(longest)).into());
        }
        match self.flapping.as_slice() {
            [] => {}
            [(id, times)] => parts.push(format!("{id} left or entered UP {times} times in 10 min").into()),
            several => parts.push(format!("{} instances are flapping", several.len()).into()),
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn shown(&self, now: Timestamp) -> Application {
        Application {
            name: self.name().to_owned(),
            instances: self.by_status.total(),
            by_status: self.by_status,
            overdue: self.overdue,
            flapping: u32::try_from(self.flapping.len()).unwrap_or(u32::MAX),
            trouble: self.trouble(),
            problem: self.problem(now),
            zones: distinct(self.instances.iter().filter_map(|(info, _)| info.zone())),
            versions: distinct(self.instances.iter().filter_map(|(info, _)| info.version())),
        }
    }
}

/// Whether an instance flaps. Most of the time none does, and none is looked up.
pub(super) fn flaps(flips: &Flips, key: &InstanceKey) -> bool {
    !flips.is_empty() && flips.get(key).is_some_and(|times| *times >= FLAPS)
}

fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let distinct: BTreeSet<&str> = values.collect();
    distinct.into_iter().take(MOST_OF_APPLICATION).map(str::to_owned).collect()
}
