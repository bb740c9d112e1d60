//! The messages with which our own replicas find and repair differences. JSON; Java servers never see it.
//!
//! Times are by the clock of the replica that is called; the caller translates them. Stamps are the same everywhere.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::facts::{WireFacts, WireTombstone, write};
use super::{CodecError, json};
use crate::model::size::{MOST_NAME_BYTES, MOST_VIRTUAL_ADDRESSES};
use crate::model::{Heard, InstanceKey, LeaseInfo, Record, Stamp, Tombstone};
use crate::time::Timestamp;

/// Maximum applications of a digest: as many as a registry of this many instances can have.
const MOST_APPLICATIONS: usize = 200_000;
/// Maximum applications in a request: ten times as many as a replica asks for.
const MOST_ASKED_APPLICATIONS: usize = 500;
/// Maximum instances in a request: ten times as many as a replica asks for.
const MOST_ASKED_INSTANCES: usize = 5_000;
/// Maximum instances in an answer: ten times as many as a replica puts into one.
const MOST_RECORDS: usize = 10_000;
/// Maximum readers that are named in an answer about readers: five times as many as a replica names.
const MOST_READERS: usize = 100;
/// Maximum cancellations in an answer: twice as many as a replica remembers.
const MOST_CANCELLED: usize = 40_000;

/// The digest of all that a replica knows, and of each application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// The time of its stamp clock, in milliseconds.
    pub clock: u64,
    /// The digest of everything.
    pub total: u64,
    /// The digests by the applications' names.
    pub applications: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct WireDigests {
    clock: u64,
    total: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    applications: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ReceivedDigests {
    clock: u64,
    total: Hash,
    #[serde(default)]
    applications: Hashes,
}

/// A hash, in hexadecimal digits.
struct Hash(u64);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = <Cow<'de, str>>::deserialize(deserializer)?;
        u64::from_str_radix(&hex, 16).map(Self).map_err(|_no_hash| D::Error::custom("a digest must be a number"))
    }
}

/// Hashes by name: at most [`MOST_APPLICATIONS`].
#[derive(Default)]
struct Hashes(BTreeMap<String, u64>);

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HashesVisitor;
        impl<'de> Visitor<'de> for HashesVisitor {
            type Value = Hashes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("digests by application")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Hashes, A::Error> {
                let mut hashes = BTreeMap::new();
                while let Some((app, Hash(hash))) = map.next_entry::<String, _>()? {
                    if hashes.len() == MOST_APPLICATIONS || app.len() > MOST_NAME_BYTES {
                        return Err(A::Error::custom(format_args!(
                            "a digest has at most {MOST_APPLICATIONS} applications, whose names have at most {MOST_NAME_BYTES} bytes"
                        )));
                    }
                    hashes.insert(app, hash);
                }
                Ok(Hashes(hashes))
            }
        }
        deserializer.deserialize_map(HashesVisitor)
    }
}

/// Appends digests.
pub fn encode_digests(digests: &Digests, out: &mut Vec<u8>) {
    let hex = |hash: &u64| format!("{hash:016x}");
    let applications = digests.applications.iter().map(|(app, hash)| (app.clone(), hex(hash))).collect();
    write(&WireDigests { clock: digests.clock, total: hex(&digests.total), applications }, out);
}

/// Reads digests.
///
/// # Errors If the message is something else.
pub fn decode_digests(body: &[u8]) -> Result<Digests, CodecError> {
    let ReceivedDigests { clock, total: Hash(total), applications: Hashes(applications) } = read(body)?;
    Ok(Digests { clock, total, applications })
}

/// A request for all records of some applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsRequest {
    /// The applications' names.
    #[serde(deserialize_with = "at_most::<MOST_ASKED_APPLICATIONS, _, _>")]
    pub applications: Vec<String>,
    /// Where the last answer ended, if it was not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl RecordsRequest {
    /// The encoded request.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write(self, &mut out);
        out
    }

    /// Reads a request.
    ///
    /// # Errors If the message is something else.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        read(body)
    }
}

/// A replica's records of some applications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The instances that are registered.
    pub registered: Vec<(Record, Heard)>,
    /// Those that were cancelled.
    pub cancelled: Vec<Tombstone>,
    /// Where to go on, if there are more: the next [`RecordsRequest::after`].
    pub next: Option<String>,
    /// The number of skipped instances and cancellations, which cannot be decoded or are too large, and why the first one was
    /// skipped.
    pub skipped: (usize, Option<String>),
}

#[derive(Deserialize)]
struct WireRecords<'a> {
    #[serde(borrow, deserialize_with = "at_most::<MOST_RECORDS, _, _>")]
    registered: Vec<WireRegistered<'a>>,
    #[serde(deserialize_with = "at_most::<MOST_CANCELLED, _, _>")]
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

/// Reads an answer. Times are not translated. An instance that cannot be decoded is skipped.
///
/// # Errors If the message is something else.
pub fn decode_records(body: &[u8], now: Timestamp) -> Result<Records, CodecError> {
    let wire: WireRecords<'_> = read(body)?;
    let mut records = Records { next: wire.next, ..Records::default() };
    for one in &wire.registered {
        match one.read(now) {
            Ok(registered) => records.registered.push(registered),
            Err(why) => records.skip(why),
        }
    }
    for one in &wire.cancelled {
        match one.facts.read(&one.app, &one.id, now) {
            Ok(tombstone) => records.cancelled.push(tombstone),
            Err(error) => records.skip(error.to_string()),
        }
    }
    Ok(records)
}

impl Records {
    fn skip(&mut self, why: String) {
        let (count, first) = &mut self.skipped;
        *count += 1;
        first.get_or_insert(why);
    }
}

impl WireRegistered<'_> {
    fn read(&self, now: Timestamp) -> Result<(Record, Heard), String> {
        let info = json::decode::instance_without_root(self.instance.get().as_bytes(), now);
        let mut info = info.map_err(|error| error.to_string())?;
        let app = info.app.clone();
        info.validate(app.as_str()).map_err(|error| error.to_string())?;
        self.facts.read(info, now).map_err(|error| error.to_string())
    }
}

/// The last renewals of some instances.
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
    #[serde(deserialize_with = "at_most::<MOST_ASKED_INSTANCES, _, _>")]
    heard: Vec<Option<(i64, bool)>>,
}

/// Appends the keys of the requested instances.
pub fn encode_keys(keys: &[InstanceKey], out: &mut Vec<u8>) {
    write(&keys.iter().map(InstanceKey::as_str).collect::<Vec<_>>(), out);
}

/// Reads keys.
///
/// # Errors If the message is something else.
pub fn decode_keys(body: &[u8]) -> Result<Vec<String>, CodecError> {
    #[derive(Deserialize)]
    struct Keys(#[serde(deserialize_with = "at_most::<MOST_ASKED_INSTANCES, _, _>")] Vec<String>);
    read(body).map(|Keys(keys)| keys)
}

/// Appends the answer.
pub fn encode_heard(answer: &HeardAnswer, out: &mut Vec<u8>) {
    let heard = answer.heard.iter().map(|heard| heard.map(|Heard { at, renewed }| (at.0, renewed))).collect();
    write(&WireHeard { uptime_ms: answer.uptime_ms, heard }, out);
}

/// Reads the answer.
///
/// # Errors If the message is something else.
pub fn decode_heard(body: &[u8]) -> Result<HeardAnswer, CodecError> {
    let wire: WireHeard = read(body)?;
    let heard = |known: Option<(i64, bool)>| known.map(|(at, renewed)| Heard { at: Timestamp(at), renewed });
    Ok(HeardAnswer { uptime_ms: wire.uptime_ms, heard: wire.heard.into_iter().map(heard).collect() })
}

/// A question: have all readers at this replica fetched a change of an instance?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadersRequest {
    /// The application's name.
    pub app: String,
    /// The instance's id.
    pub id: String,
    /// The stamp of the override that readers have to have fetched, as [`Stamp`] is written.
    pub status_override: String,
    /// Since when they have to have fetched, by the clock of the replica that is asked: [`ReadersAnswer::now`] of its first answer that
    /// says that the change has arrived. `None` before that.
    pub since: Option<i64>,
    /// The longest interval at which clients fetch, in milliseconds.
    pub interval_ms: u64,
    /// The address of the instance.
    pub address: String,
    /// Its virtual addresses.
    #[serde(deserialize_with = "at_most::<MOST_VIRTUAL_ADDRESSES, _, _>")]
    pub vips: Vec<String>,
    /// Its secure virtual addresses.
    #[serde(deserialize_with = "at_most::<MOST_VIRTUAL_ADDRESSES, _, _>")]
    pub secure_vips: Vec<String>,
}

impl ReadersRequest {
    /// The encoded question.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write(self, &mut out);
        out
    }

    /// Reads a question.
    ///
    /// # Errors If the message is something else.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        read(body)
    }

    /// The stamp of the override; `None` if it is no stamp, or out of range.
    pub fn stamp(&self, now: Timestamp) -> Option<Stamp> {
        Stamp::parse(&self.status_override, now)
    }
}

/// Whether the readers at a replica have fetched a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadersAnswer {
    /// The time of the replica that answers, in milliseconds.
    pub now: i64,
    /// Whether the instance is registered there.
    pub is_registered: bool,
    /// Whether the override has arrived there, or a later one.
    pub has_arrived: bool,
    /// How many readers there are: those that have fetched the instance lately.
    pub readers: u64,
    /// How many of them count as done because a whole interval has passed: it is not known that each client behind them has fetched.
    pub by_time: u64,
    /// How many of them have not fetched since.
    pub waiting: u64,
    /// Whether there may be readers that this replica does not know, and an interval has not passed yet.
    pub may_lack_readers: bool,
    /// Some of those that have not fetched since, the one with the oldest fetch first.
    #[serde(deserialize_with = "at_most::<MOST_READERS, _, _>")]
    pub waiting_for: Vec<Reader>,
}

impl ReadersAnswer {
    /// Reads an answer.
    ///
    /// # Errors If the message is something else.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        read(body)
    }

    /// Appends the answer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write(self, out);
    }

    /// Whether nobody is waited for.
    pub fn is_done(&self) -> bool {
        self.waiting == 0 && !self.may_lack_readers
    }
}

/// A reader that has not fetched a change: a user agent at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reader {
    /// Its address: that of a proxy, if the proxy is not trusted to name another.
    pub address: IpAddr,
    /// Empty if it names none.
    pub user_agent: String,
    /// The user of its last fetch.
    pub user: Option<String>,
    /// An application that is registered at the address: the reader is probably one of its instances.
    pub application: Option<String>,
    /// How long ago it last fetched the instance, in milliseconds.
    pub age_ms: u64,
    /// The mean time between two fetches, in milliseconds; `None` after one fetch.
    pub interval_ms: Option<i64>,
    /// Whether there may be several clients behind the address.
    pub may_be_several: bool,
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, CodecError> {
    serde_json::from_slice(body).map_err(json::decode::failure)
}

/// A list of at most `MOST` elements; further ones are not read.
fn at_most<'de, const MOST: usize, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    json::decode::ListSeed { most: MOST, seed: PhantomData }.deserialize(deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same text again and again, separated by commas.
    fn list(text: &str, count: usize) -> String {
        vec![text; count].join(",")
    }

    fn check<T>(read: impl Fn(&[u8]) -> Result<T, CodecError>, most: usize, document: impl Fn(usize) -> String) {
        assert!(read(document(most).as_bytes()).is_ok(), "{most} are read");
        let error = read(document(most + 1).as_bytes()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(&most.to_string()), "{error}");
    }

    #[test]
    fn every_list_of_a_replica_has_an_end() {
        check(decode_keys, MOST_ASKED_INSTANCES, |count| format!("[{}]", list("\"\"", count)));
        check(RecordsRequest::decode, MOST_ASKED_APPLICATIONS, |count| {
            format!(r#"{{"applications":[{}]}}"#, list("\"\"", count))
        });
        check(decode_heard, MOST_ASKED_INSTANCES, |count| {
            format!(r#"{{"uptimeMs":1,"heard":[{}]}}"#, list("null", count))
        });
        let reader = r#"{"address":"10.0.0.1","userAgent":"","ageMs":1,"mayBeSeveral":false}"#;
        check(ReadersAnswer::decode, MOST_READERS, |count| {
            format!(
                r#"{{"now":1,"isRegistered":true,"hasArrived":true,"readers":1,"byTime":0,"waiting":1,"mayLackReaders":false,"waitingFor":[{}]}}"#,
                list(reader, count)
            )
        });
        for list_of in ["vips", "secureVips"] {
            check(ReadersRequest::decode, MOST_VIRTUAL_ADDRESSES, |count| {
                let question = r#"{"app":"A","id":"a","statusOverride":"1@1","intervalMs":1,"address":"","vips":[],"secureVips":[]}"#;
                question.replace(&format!("\"{list_of}\":[]"), &format!("\"{list_of}\":[{}]", list("\"\"", count)))
            });
        }
        let cancelled = r#"{"app":"A","id":"","cancelled":"1.0.0","version":1,"registered":"","changed":""}"#;
        let records = |body: &[u8]| decode_records(body, Timestamp(1));
        check(records, MOST_CANCELLED, |count| {
            format!(r#"{{"registered":[],"cancelled":[{}]}}"#, list(cancelled, count))
        });
        let registered = r#"{"instance":{},"facts":{"version":1,"registered":"","changed":"","sentStatus":"UP","heard":1,"renewed":true}}"#;
        check(records, MOST_RECORDS, |count| {
            format!(r#"{{"registered":[{}],"cancelled":[]}}"#, list(registered, count))
        });
    }

    #[test]
    fn a_digest_has_an_end() {
        check(decode_digests, MOST_APPLICATIONS, |count| {
            let applications: Vec<_> = (0..count).map(|app| format!("\"{app}\":\"1\"")).collect();
            format!(r#"{{"clock":1,"total":"1","applications":{{{}}}}}"#, applications.join(","))
        });
        check(decode_digests, MOST_NAME_BYTES, |len| {
            format!(r#"{{"clock":1,"total":"1","applications":{{"{}":"1"}}}}"#, "A".repeat(len))
        });
    }
}
