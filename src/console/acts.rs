//! [`Act`]: what an operator does to many instances at once: set or remove an override, or remove instances.
//!
//! An act is made of the commands that Eureka has for one instance, each replicated as such. It is bounded, can be planned without
//! changing anything, and comes back with an outcome for each instance and with the acts that undo it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::duration::Span;
use super::instances::Filter;
use crate::model::{AppName, InstanceInfo, InstanceKey, InstanceStatus};
use crate::registry::{Caller, Lease, View};
use crate::replication::PeerAwareInstanceRegistry;
use crate::time::Timestamp;

/// Maximum number of instances of one act: a zone of a registry of 10,000.
pub(crate) const MOST_TARGETS: usize = 5000;
/// Maximum number of applications that a report lists.
const MOST_APPLICATIONS: usize = 100;
/// The name of no override.
pub(crate) const NO_OVERRIDE: &str = "NONE";

/// What is done to each instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Its status is overridden by this one.
    Override(InstanceStatus),
    /// Its override is removed.
    RemoveOverride,
    /// It is cancelled, if its lease has expired.
    Remove {
        /// Or if it has not.
        force: bool,
    },
}

impl Deed {
    /// Its name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Override(_) => "override",
            Self::RemoveOverride => "remove_override",
            Self::Remove { .. } => "remove",
        }
    }
}

/// To which instances something is done.
#[derive(Clone, Debug)]
pub(crate) enum Targets {
    /// These instances, and all instances of these applications.
    Named(Vec<InstanceKey>, HashSet<AppName>),
    /// All that match.
    Matching(Filter),
}

/// Something that is done to instances.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) deed: Deed,
    pub(crate) targets: Targets,
    /// Only instances with this override, or without one, are touched: somebody else may have decided since.
    pub(crate) expected: Option<Option<InstanceStatus>>,
    /// Whether it is only planned, and nothing changes.
    pub(crate) dry_run: bool,
}

/// More instances match than one act may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} instances match, and one act touches at most {MOST_TARGETS}: narrow the conditions, for example to one application"
)]
pub(crate) struct TooMany(pub(crate) usize);

/// What became of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// It was like that before.
    Unchanged,
    /// There is no such instance.
    NotFound,
    /// It is alive, and was heard so long ago.
    Alive(Duration),
    /// It has another override than expected.
    Overridden(Option<InstanceStatus>),
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::NotFound => "not_found",
            Self::Alive(_) | Self::Overridden(_) => "refused",
        }
    }

    fn why(self) -> Option<String> {
        match self {
            Self::Done | Self::Unchanged => None,
            Self::NotFound => Some("The instance is not registered.".to_owned()),
            Self::Alive(silent) => Some(format!(
                "Its lease has not expired: it was heard {} ago. An instance that is removed while it runs registers again with its next heartbeat.",
                Span(silent)
            )),
            Self::Overridden(None) => Some("Its override has been removed since.".to_owned()),
            Self::Overridden(Some(status)) => Some(format!("Somebody has set the override {status} since.")),
        }
    }
}

/// One instance of a report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Touched {
    application: String,
    instance_id: String,
    outcome: &'static str,
    why: Option<String>,
    /// The status afterwards; `None` if the instance is not registered then.
    status: Option<&'static str>,
    previous_status: Option<&'static str>,
    previous_override: Option<&'static str>,
}

/// What an act does to an application.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfApplication {
    name: String,
    instances: usize,
    /// How many of them the act changes.
    touched: usize,
    up: usize,
    up_afterwards: usize,
}

/// An act that undoes another one, as a request of the API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Undo {
    act: &'static str,
    status: Option<&'static str>,
    expected_override: &'static str,
    instances: Vec<Name>,
}

/// The name of an instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Name {
    application: String,
    instance_id: String,
}

/// What an act did, or would do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    now: i64,
    act: &'static str,
    status: Option<&'static str>,
    dry_run: bool,
    targets: usize,
    done: usize,
    unchanged: usize,
    refused: usize,
    not_found: usize,
    /// The number of applications that have an instance that is UP before, and none afterwards.
    applications_losing_all: usize,
    applications: Vec<OfApplication>,
    instances: Vec<Touched>,
    undo: Vec<Undo>,
}

/// An instance as an act found it.
struct Found {
    status: InstanceStatus,
    status_override: Option<InstanceStatus>,
    /// The status when its override is removed.
    own: InstanceStatus,
    expired: bool,
    silent: Duration,
}

impl Found {
    fn of(lease: &Lease, now: Timestamp) -> Self {
        lease.with_record(|record| Self {
            status: record.info.status,
            status_override: record.status_override.status,
            // What it said of itself, if that is not UP; an instance that was taken out of service said UP.
            own: match record.sent_status {
                InstanceStatus::Down | InstanceStatus::Starting => record.sent_status,
                InstanceStatus::Up | InstanceStatus::OutOfService | InstanceStatus::Unknown => InstanceStatus::Up,
            },
            expired: lease.is_expired(Duration::ZERO, now),
            silent: now.since(lease.last_heard()),
        })
    }
}

impl Act {
    /// Does it, or plans it. Each instance is looked at just before it is changed.
    ///
    /// # Errors
    /// If more instances match than one act may touch; then nothing is done.
    pub(crate) fn carry_out(
        &self,
        registry: &PeerAwareInstanceRegistry,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Report, TooMany> {
        let view = registry.registry().view();
        let keys = self.keys(&view, now)?;
        let mut applications = Applications::of(&view, &keys);
        let mut report = Report {
            now: now.0,
            act: self.deed.name(),
            status: if let Deed::Override(status) = self.deed { Some(status.name()) } else { None },
            dry_run: self.dry_run,
            targets: keys.len(),
            done: 0,
            unchanged: 0,
            refused: 0,
            not_found: 0,
            applications_losing_all: 0,
            applications: Vec::new(),
            instances: Vec::with_capacity(keys.len()),
            undo: Vec::new(),
        };
        let mut changed: BTreeMap<Option<&'static str>, Vec<Name>> = BTreeMap::new();
        for key in &keys {
            let found = registry.registry().lease(key.as_str()).map(|lease| Found::of(&lease, now));
            let outcome = self.act_on(registry, key, found.as_ref(), caller, now);
            let status = report.add(key, self.deed, found.as_ref(), outcome);
            if let (Outcome::Done, Some(found)) = (outcome, found) {
                applications.changed(key.app(), found.status, status);
                let before = found.status_override.map(InstanceStatus::name);
                let name = Name { application: key.app().to_owned(), instance_id: key.id().to_owned() };
                changed.entry(before).or_default().push(name);
            }
        }
        report.undo = self.undo(changed);
        (report.applications, report.applications_losing_all) = applications.listed();
        Ok(report)
    }

    /// The instances, each once, in the order in which they are named, or of their keys.
    fn keys(&self, view: &View, now: Timestamp) -> Result<Vec<InstanceKey>, TooMany> {
        let keys: Vec<InstanceKey> = match &self.targets {
            Targets::Named(keys, applications) => {
                let of_application = |(info, _): &(&InstanceInfo, _)| applications.contains(&info.app);
                let all = (!applications.is_empty()).then(|| view.iter().filter(of_application));
                let all = all.into_iter().flatten().map(|(_, lease)| lease.key());
                let mut seen = HashSet::new();
                keys.iter().chain(all).filter(|key| seen.insert(*key)).cloned().collect()
            }
            Targets::Matching(filter) => {
                let matching = view.iter().filter(|(info, lease)| filter.matches(info, lease, now));
                matching.map(|(_, lease)| lease.key().clone()).collect()
            }
        };
        if keys.len() > MOST_TARGETS { Err(TooMany(keys.len())) } else { Ok(keys) }
    }

    /// What is to become of an instance.
    fn plan(&self, found: &Found) -> Outcome {
        if self.expected.is_some_and(|expected| expected != found.status_override) {
            return Outcome::Overridden(found.status_override);
        }
        match self.deed {
            Deed::Override(status) if found.status_override == Some(status) => Outcome::Unchanged,
            Deed::RemoveOverride if found.status_override.is_none() => Outcome::Unchanged,
            Deed::Remove { force: false } if !found.expired => Outcome::Alive(found.silent),
            Deed::Override(_) | Deed::RemoveOverride | Deed::Remove { .. } => Outcome::Done,
        }
    }

    fn act_on(
        &self,
        registry: &PeerAwareInstanceRegistry,
        key: &InstanceKey,
        found: Option<&Found>,
        caller: &Caller,
        now: Timestamp,
    ) -> Outcome {
        let Some(found) = found else { return Outcome::NotFound };
        let planned = self.plan(found);
        if planned != Outcome::Done || self.dry_run {
            return planned;
        }
        let key = key.as_str();
        let was_there = match self.deed {
            Deed::Override(status) => registry.status_update(key, status, None, caller, now),
            Deed::RemoveOverride => registry.delete_status_override(key, found.own, None, caller, now),
            Deed::Remove { .. } => registry.cancel(key, caller, now),
        };
        if was_there { Outcome::Done } else { Outcome::NotFound }
    }

    /// The acts that undo this one. An instance that was removed does not come back.
    fn undo(&self, changed: BTreeMap<Option<&'static str>, Vec<Name>>) -> Vec<Undo> {
        let expected_override = match self.deed {
            Deed::Override(status) => status.name(),
            Deed::RemoveOverride => NO_OVERRIDE,
            Deed::Remove { .. } => return Vec::new(),
        };
        let undo = |(before, instances): (Option<&'static str>, _)| Undo {
            act: if before.is_some() { "override" } else { "remove_override" },
            status: before,
            expected_override,
            instances,
        };
        changed.into_iter().map(undo).collect()
    }
}

impl Report {
    /// Adds an instance. Returns its status afterwards.
    fn add(
        &mut self,
        key: &InstanceKey,
        deed: Deed,
        found: Option<&Found>,
        outcome: Outcome,
    ) -> Option<InstanceStatus> {
        let count = match outcome {
            Outcome::Done => &mut self.done,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::NotFound => &mut self.not_found,
            Outcome::Alive(_) | Outcome::Overridden(_) => &mut self.refused,
        };
        *count += 1;
        let before = found.map(|found| found.status);
        let status = match (outcome, deed, found) {
            (Outcome::Done, Deed::Override(status), _) => Some(status),
            (Outcome::Done, Deed::RemoveOverride, Some(found)) => Some(found.own),
            (Outcome::Done, Deed::Remove { .. }, _) | (Outcome::NotFound, ..) => None,
            _ => before,
        };
        self.instances.push(Touched {
            application: key.app().to_owned(),
            instance_id: key.id().to_owned(),
            outcome: outcome.name(),
            why: outcome.why(),
            status: status.map(InstanceStatus::name),
            previous_status: before.map(InstanceStatus::name),
            previous_override: found.and_then(|found| found.status_override).map(InstanceStatus::name),
        });
        status
    }
}

/// What an act does to each application that it touches.
struct Applications(HashMap<AppName, OfApplication>);

impl Applications {
    /// The applications of these instances, before the act.
    fn of(view: &View, keys: &[InstanceKey]) -> Self {
        let touched: HashSet<&str> = keys.iter().map(InstanceKey::app).collect();
        let mut applications: HashMap<AppName, OfApplication> = HashMap::new();
        let of_touched = |(info, _): &(&InstanceInfo, _)| touched.contains(info.app.as_str());
        for (info, _) in view.iter().filter(of_touched) {
            let application = applications.entry(info.app.clone()).or_default();
            application.instances += 1;
            application.up += usize::from(info.status == InstanceStatus::Up);
            application.up_afterwards = application.up;
        }
        Self(applications)
    }

    fn changed(&mut self, app: &str, before: InstanceStatus, after: Option<InstanceStatus>) {
        let Some(application) = self.0.get_mut(&AppName::new(app)) else { return };
        application.touched += 1;
        match (before == InstanceStatus::Up, after == Some(InstanceStatus::Up)) {
            (true, false) => application.up_afterwards = application.up_afterwards.saturating_sub(1),
            (false, true) => application.up_afterwards += 1,
            (true, true) | (false, false) => {}
        }
    }

    /// Those with the fewest instances that are UP afterwards first, at most so many as a report lists; and the number of those that
    /// lose all.
    fn listed(self) -> (Vec<OfApplication>, usize) {
        let named = |(name, of): (AppName, OfApplication)| OfApplication { name: name.as_str().to_owned(), ..of };
        let mut all: Vec<OfApplication> = self.0.into_iter().map(named).filter(|of| of.touched > 0).collect();
        let losing = all.iter().filter(|of| of.up > 0 && of.up_afterwards == 0).count();
        all.sort_unstable_by(|a, b| a.up_afterwards.cmp(&b.up_afterwards).then_with(|| a.name.cmp(&b.name)));
        all.truncate(MOST_APPLICATIONS);
        (all, losing)
    }
}
