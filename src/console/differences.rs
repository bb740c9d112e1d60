//! [`Differences`]: what this replica and a peer know differently, for people.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::{Fact, InstanceStatus, Metadata, Parts, Record, Stamp};
use crate::replication::{self, Incomparable, Known};
use crate::time::Timestamp;

/// Maximum entries of metadata that are shown of one instance.
const MOST_ENTRIES: usize = 10;
/// Maximum characters of a text of metadata. A longer one is cut.
const MOST_TEXT: usize = 200;

/// The differences with a peer. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Differences {
    now: i64,
    peer: String,
    problem: Option<String>,
    applications: usize,
    names: Vec<String>,
    complete: bool,
    instances: Vec<Difference>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    application: String,
    instance_id: String,
    what: String,
    differs: Vec<&'static str>,
    here: Option<Side>,
    there: Option<Side>,
    metadata: Vec<Entry>,
}

/// What one side knows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    registered: bool,
    status: Option<&'static str>,
    overridden_status: Option<&'static str>,
    address: Option<String>,
    version: i64,
    registered_at: Option<i64>,
    changed_at: Option<i64>,
    override_changed_at: Option<i64>,
    cancelled_at: Option<i64>,
    last_renewal_at: Option<i64>,
}

/// An entry of the metadata that differs.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    here: Option<String>,
    there: Option<String>,
}

impl Differences {
    pub(crate) fn of(peer: String, found: Result<replication::Differences, Incomparable>, now: Timestamp) -> Self {
        let (found, problem) = match found {
            Ok(found) => (found, None),
            Err(why) => (replication::Differences::default(), Some(why.to_string())),
        };
        Self {
            now: now.0,
            peer,
            problem,
            applications: found.applications,
            names: found.names,
            complete: found.is_complete,
            instances: found.instances.iter().map(Difference::of).collect(),
        }
    }
}

impl Difference {
    fn of(difference: &replication::Difference) -> Self {
        let replication::Difference { key, here, there } = difference;
        let records = here.as_ref().and_then(record).zip(there.as_ref().and_then(record));
        Self {
            application: key.app().to_owned(),
            instance_id: key.id().to_owned(),
            what: format!(
                "{} {}",
                who_has_it(here.as_ref(), there.as_ref()),
                who_is_later(here.as_ref(), there.as_ref())
            ),
            differs: records.map_or_else(Vec::new, |(here, there)| differs(here, there)),
            here: here.as_ref().map(Side::of),
            there: there.as_ref().map(Side::of),
            metadata: records.map_or_else(Vec::new, |(here, there)| entries(&here.info.metadata, &there.info.metadata)),
        }
    }
}

fn record(known: &Known) -> Option<&Record> {
    match &known.fact {
        Fact::Registered(record) => Some(record),
        Fact::Cancelled(_) => None,
    }
}

fn who_has_it(here: Option<&Known>, there: Option<&Known>) -> &'static str {
    let is_registered = |known: &Known| record(known).is_some();
    match (here.map(is_registered), there.map(is_registered)) {
        (Some(true), Some(true)) => "Both have it.",
        (Some(true), Some(false)) => "It is registered here. The peer knows that it was cancelled or evicted.",
        (Some(false), Some(true)) => {
            "It is registered at the peer. This replica knows that it was cancelled or evicted."
        }
        (Some(true), None) => "Only this replica has it.",
        (None, Some(true)) => "Only the peer has it.",
        (Some(false), _) | (None, _) => "Neither has it; they remember its cancellation differently.",
    }
}

fn who_is_later(here: Option<&Known>, there: Option<&Known>) -> &'static str {
    let (ours, theirs) = (here.map(|known| known.fact.parts()), there.map(|known| known.fact.parts()));
    let lacks = |one, other| match (one, other) {
        (Some::<Parts>(one), Some(other)) => one.lack(other),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    match (lacks(ours, theirs), lacks(theirs, ours)) {
        (true, true) => "Each side has a part that is later. Both take the later parts when they compare.",
        (true, false) => "The peer's record is later. This replica takes it when it compares.",
        (false, _) => "The record of this replica is later. The peer takes it when it compares.",
    }
}

/// The facts that differ between two records, in words.
fn differs(here: &Record, there: &Record) -> Vec<&'static str> {
    let address = |record: &Record| (record.info.host_name.clone(), record.info.ip_addr.clone(), record.info.port);
    [
        ("status", here.info.status != there.info.status),
        ("override", here.status_override.status != there.status_override.status),
        ("metadata", here.info.metadata != there.info.metadata),
        ("address", address(here) != address(there)),
        ("version", here.data.version != there.data.version),
        ("time of the registration", here.data.registered != there.data.registered),
        ("time of the last change", here.data.changed != there.data.changed),
        ("time of the override", here.status_override.stamp != there.status_override.stamp),
        ("time of a cancellation before", here.cancelled != there.cancelled),
    ]
    .into_iter()
    .filter_map(|(name, is_different)| is_different.then_some(name))
    .collect()
}

/// The entries of the metadata that differ.
fn entries(here: &Metadata, there: &Metadata) -> Vec<Entry> {
    let names: BTreeSet<&str> = here.iter().chain(there.iter()).map(|(name, _)| name).collect();
    let differing = names.into_iter().filter(|name| here.get(name) != there.get(name));
    let entry = |name: &str| Entry { name: cut(name), here: here.get(name).map(cut), there: there.get(name).map(cut) };
    differing.take(MOST_ENTRIES).map(entry).collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

impl Side {
    fn of(known: &Known) -> Self {
        let (record, parts) = (record(known), known.fact.parts());
        let moment = |stamp: Stamp| i64::try_from(stamp.millis()).ok().filter(|millis| *millis > 0);
        let info = record.map(|record| &record.info);
        Self {
            registered: record.is_some(),
            status: info.map(|info| info.status.name()),
            overridden_status: parts.status_override.status.map(InstanceStatus::name),
            address: info.map(|info| format!("{}:{}", info.host_name, info.port.number)),
            version: parts.data.version.0,
            registered_at: moment(parts.data.registered),
            changed_at: moment(parts.data.changed),
            override_changed_at: moment(parts.status_override.stamp),
            cancelled_at: moment(parts.cancelled),
            last_renewal_at: known.heard.map(|heard| heard.at.0).filter(|at| *at > 0),
        }
    }
}
