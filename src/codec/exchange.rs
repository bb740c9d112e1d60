//! What our own replicas tell each other to find and repair differences. JSON; Java servers never see it.
//!
//! Times of day are those of the replica that is called: who calls translates them. Stamps are the same everywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::facts::{WireFacts, WireTombstone, broken, write};
use super::{CodecError, json};
use crate::model::{Heard, InstanceKey, LeaseInfo, Record, Tombstone};
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

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, CodecError> {
    serde_json::from_slice(body).map_err(|error| broken(&format!("line {}, column {}", error.line(), error.column())))
}
