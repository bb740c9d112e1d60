//! What our own replicas tell each other to find and repair differences. JSON; Java servers never see it.
//!
//! Times of day are those of the replica that is called: who calls translates them. Stamps are the same everywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{CodecError, json};
use crate::model::{
    AppName, DataStamp, Heard, InstanceInfo, InstanceKey, InstanceStatus, LeaseInfo, Record, Stamp, StatusOverride,
    Tombstone,
};
use crate::time::Timestamp;

/// A hash of all that a replica knows, and of each application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// What its stamp clock reads, in milliseconds: those of replicas that compare agree.
    pub clock: u64,
    /// Of everything.
    pub total: u64,
    /// By the application's name.
    pub applications: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
struct WireDigests {
    clock: u64,
    total: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    applications: BTreeMap<String, String>,
}

/// Appends digests.
pub fn encode_digests(digests: &Digests, out: &mut Vec<u8>) {
    let hex = |hash: &u64| format!("{hash:016x}");
    let applications = digests.applications.iter().map(|(app, hash)| (app.clone(), hex(hash))).collect();
    write(&WireDigests { clock: digests.clock, total: hex(&digests.total), applications }, out);
}

/// Reads digests.
///
/// # Errors
/// If they are none.
pub fn decode_digests(body: &[u8]) -> Result<Digests, CodecError> {
    let wire: WireDigests = read(body)?;
    let hash = |hex: &str| u64::from_str_radix(hex, 16).map_err(|_no_hash| broken("a digest must be a number"));
    let applications = wire.applications.iter().map(|(app, hex)| Ok((app.clone(), hash(hex)?)));
    let applications = applications.collect::<Result<_, CodecError>>()?;
    Ok(Digests { clock: wire.clock, total: hash(&wire.total)?, applications })
}

/// Asks for all that is known of some applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsRequest {
    /// The applications' names.
    pub applications: Vec<String>,
    /// Where the last answer ended, if it did not hold everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl RecordsRequest {
    /// The request as it is sent.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write(self, &mut out);
        out
    }

    /// Reads a request.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        read(body)
    }
}

/// What a replica knows of some applications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The instances that are registered.
    pub registered: Vec<(Record, Heard)>,
    /// Those that were cancelled.
    pub cancelled: Vec<Tombstone>,
    /// Where to go on, if there is more: to be sent as [`RecordsRequest::after`].
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct WireRecords<'a> {
    #[serde(borrow)]
    registered: Vec<WireRegistered<'a>>,
    cancelled: Vec<WireCancelled>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct WireRegistered<'a> {
    #[serde(borrow)]
    instance: &'a RawValue,
    facts: WireFacts,
}

#[derive(Serialize, Deserialize)]
struct WireCancelled {
    app: String,
    id: String,
    #[serde(flatten)]
    facts: WireTombstone,
}

/// What [`Record`] and [`Heard`] hold beside the instance.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireFacts {
    version: i64,
    registered: String,
    changed: String,
    sent_status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled: Option<String>,
    #[serde(flatten)]
    status_override: WireOverride,
    heard: i64,
    renewed: bool,
}

/// A [`Tombstone`] without the key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireTombstone {
    cancelled: String,
    version: i64,
    registered: String,
    changed: String,
    #[serde(flatten)]
    status_override: WireOverride,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireOverride {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_override: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overridden: Option<String>,
}

impl WireOverride {
    fn new(known: StatusOverride) -> Self {
        Self { status_override: known.status.map(|status| status.name().to_owned()), overridden: if_ever(known.stamp) }
    }

    fn read(&self, now: Timestamp) -> Result<StatusOverride, CodecError> {
        let status = self.status_override.as_deref().map(status_named).transpose()?;
        Ok(StatusOverride { status, stamp: read_if_ever(self.overridden.as_deref(), now)? })
    }
}

impl WireFacts {
    pub(super) fn new(record: &Record, heard: Heard) -> Self {
        Self {
            version: record.data.version.0,
            cancelled: if_ever(record.cancelled),
            registered: record.data.registered.to_string(),
            changed: record.data.changed.to_string(),
            sent_status: record.sent_status.name().to_owned(),
            status_override: WireOverride::new(record.status_override),
            heard: heard.at.0,
            renewed: heard.renewed,
        }
    }

    pub(super) fn read(&self, info: InstanceInfo, now: Timestamp) -> Result<(Record, Heard), CodecError> {
        let data = data_stamp(self.version, &self.registered, &self.changed, now)?;
        let (sent_status, status_override) = (status_named(&self.sent_status)?, self.status_override.read(now)?);
        let cancelled = read_if_ever(self.cancelled.as_deref(), now)?;
        let mut record = Record { info, sent_status, data, cancelled, status_override };
        record.show();
        Ok((record, Heard { at: Timestamp(self.heard), renewed: self.renewed }))
    }
}

impl WireTombstone {
    pub(super) fn new(tombstone: &Tombstone) -> Self {
        let status_override = WireOverride::new(tombstone.status_override);
        let DataStamp { version, registered, changed } = tombstone.data;
        Self {
            cancelled: tombstone.cancelled.to_string(),
            version: version.0,
            registered: registered.to_string(),
            changed: changed.to_string(),
            status_override,
        }
    }

    pub(super) fn read(&self, app: &str, id: &str, now: Timestamp) -> Result<Tombstone, CodecError> {
        let key = InstanceKey::new(&AppName::new(app), id);
        let data = data_stamp(self.version, &self.registered, &self.changed, now)?;
        let (cancelled, status_override) = (stamp(&self.cancelled, now)?, self.status_override.read(now)?);
        if data.registered >= cancelled {
            return Err(broken("what was cancelled was registered before"));
        }
        Ok(Tombstone { key, cancelled, data, status_override })
    }
}

/// Appends an answer: the instances with their records and when each was heard, and the cancelled ones.
pub fn encode_records<'a>(
    registered: impl IntoIterator<Item = (&'a Record, &'a LeaseInfo, Heard)>,
    cancelled: impl IntoIterator<Item = &'a Tombstone>,
    next: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"registered\":[");
    for (at, (record, lease, heard)) in registered.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"instance\":");
        json::encode::instance(&record.info, lease, out);
        out.extend_from_slice(b",\"facts\":");
        write(&WireFacts::new(record, heard), out);
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"cancelled\":");
    let cancelled: Vec<WireCancelled> = cancelled
        .into_iter()
        .map(|tombstone| {
            let (app, id) = (tombstone.key.app().to_owned(), tombstone.key.id().to_owned());
            WireCancelled { app, id, facts: WireTombstone::new(tombstone) }
        })
        .collect();
    write(&cancelled, out);
    if let Some(next) = next {
        out.extend_from_slice(b",\"next\":");
        write(&next, out);
    }
    out.push(b'}');
}

/// Reads an answer. Times are left as they came. An instance that is not understood is left out.
///
/// # Errors
/// If it is none.
pub fn decode_records(body: &[u8], now: Timestamp) -> Result<Records, CodecError> {
    let wire: WireRecords<'_> = read(body)?;
    let registered = wire.registered.iter().filter_map(|one| {
        let mut info = json::decode::instance_without_root(one.instance.get().as_bytes(), now).ok()?;
        let app = info.app.clone();
        info.validate(app.as_str()).ok()?;
        one.facts.read(info, now).ok()
    });
    let cancelled = wire.cancelled.iter().filter_map(|one| one.facts.read(&one.app, &one.id, now).ok());
    Ok(Records { registered: registered.collect(), cancelled: cancelled.collect(), next: wire.next })
}

/// The answer to the question when instances were last heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeardAnswer {
    /// For how long the replica has been open to clients, in milliseconds.
    pub uptime_ms: u64,
    /// For each instance asked for, in order; `None` if it is not registered there.
    pub heard: Vec<Option<Heard>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireHeard {
    uptime_ms: u64,
    heard: Vec<Option<(i64, bool)>>,
}

/// Appends the keys of the instances that are asked for.
pub fn encode_keys(keys: &[InstanceKey], out: &mut Vec<u8>) {
    write(&keys.iter().map(InstanceKey::as_str).collect::<Vec<_>>(), out);
}

/// Reads keys.
///
/// # Errors
/// If they are none.
pub fn decode_keys(body: &[u8]) -> Result<Vec<String>, CodecError> {
    read(body)
}

/// Appends the answer.
pub fn encode_heard(answer: &HeardAnswer, out: &mut Vec<u8>) {
    let heard = answer.heard.iter().map(|heard| heard.map(|Heard { at, renewed }| (at.0, renewed))).collect();
    write(&WireHeard { uptime_ms: answer.uptime_ms, heard }, out);
}

/// Reads the answer.
///
/// # Errors
/// If it is none.
pub fn decode_heard(body: &[u8]) -> Result<HeardAnswer, CodecError> {
    let wire: WireHeard = read(body)?;
    let heard = |known: Option<(i64, bool)>| known.map(|(at, renewed)| Heard { at: Timestamp(at), renewed });
    Ok(HeardAnswer { uptime_ms: wire.uptime_ms, heard: wire.heard.into_iter().map(heard).collect() })
}

fn data_stamp(version: i64, registered: &str, changed: &str, now: Timestamp) -> Result<DataStamp, CodecError> {
    Ok(DataStamp { version: Timestamp(version), registered: stamp(registered, now)?, changed: stamp(changed, now)? })
}

fn if_ever(stamp: Stamp) -> Option<String> {
    (stamp != Stamp::NEVER).then(|| stamp.to_string())
}

fn read_if_ever(text: Option<&str>, now: Timestamp) -> Result<Stamp, CodecError> {
    text.map_or(Ok(Stamp::NEVER), |text| stamp(text, now))
}

fn stamp(text: &str, now: Timestamp) -> Result<Stamp, CodecError> {
    Stamp::parse(text, now).ok_or_else(|| broken("a stamp must be two numbers within a hundred years"))
}

fn status_named(name: &str) -> Result<InstanceStatus, CodecError> {
    InstanceStatus::from_name(name).ok_or_else(|| broken("no such status"))
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, CodecError> {
    serde_json::from_slice(body).map_err(|error| broken(&format!("line {}, column {}", error.line(), error.column())))
}

fn broken(what: &str) -> CodecError {
    CodecError::Json(what.to_owned())
}

#[expect(clippy::expect_used, reason = "texts and numbers by texts always are JSON, and a vector takes all")]
pub(super) fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("plain data is JSON");
}
