//! What our own replicas tell each other to find and mend differences. JSON; Java servers never see it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{CodecError, json};
use crate::model::{InstanceInfo, InstanceStatus, LeaseInfo};
use crate::time::Timestamp;

/// A hash of all that is registered, and of each application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// Of everything.
    pub total: u64,
    /// By the application's name.
    pub applications: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
struct WireDigests {
    total: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    applications: BTreeMap<String, String>,
}

/// Appends digests.
pub fn encode_digests(digests: &Digests, out: &mut Vec<u8>) {
    let hex = |hash: &u64| format!("{hash:016x}");
    let applications = digests.applications.iter().map(|(app, hash)| (app.clone(), hex(hash))).collect();
    write(&WireDigests { total: hex(&digests.total), applications }, out);
}

/// Reads digests.
///
/// # Errors
/// If they are none.
pub fn decode_digests(body: &[u8]) -> Result<Digests, CodecError> {
    let wire: WireDigests = read(body)?;
    let hash = |hex: &str| u64::from_str_radix(hex, 16).map_err(|_no_hash| broken("a digest is no number"));
    let applications = wire.applications.iter().map(|(app, hex)| Ok((app.clone(), hash(hex)?)));
    Ok(Digests { total: hash(&wire.total)?, applications: applications.collect::<Result<_, CodecError>>()? })
}

/// The names of the applications to exchange.
pub fn encode_names(names: &[&str], out: &mut Vec<u8>) {
    write(&names, out);
}

/// Reads names.
///
/// # Errors
/// If they are none.
pub fn decode_names(body: &[u8]) -> Result<Vec<String>, CodecError> {
    read(body)
}

/// One instance, and how long ago things happened to it at the sender. Ages, not times: clocks differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Living {
    /// The instance.
    pub info: Box<InstanceInfo>,
    /// Milliseconds since it was last heard.
    pub silent_ms: u64,
    /// The status an operator set.
    pub status_override: Option<InstanceStatus>,
    /// Milliseconds since it was set or taken back; `None` if neither ever happened.
    pub override_age_ms: Option<u64>,
}

/// One instance that was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// Its application.
    pub app: String,
    /// Its id.
    pub id: String,
    /// The version of its data when it was.
    pub last_dirty: Timestamp,
    /// Milliseconds since.
    pub age_ms: u64,
}

/// All that a replica knows of some applications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Who lives.
    pub living: Vec<Living>,
    /// Who was cancelled.
    pub cancelled: Vec<Cancelled>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLiving<'a> {
    #[serde(borrow)]
    instance: &'a RawValue,
    silent_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_override: Option<&'a str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    override_age_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCancelled {
    app: String,
    id: String,
    last_dirty_timestamp: i64,
    age_ms: u64,
}

#[derive(Deserialize)]
struct WireExchange<'a> {
    #[serde(borrow)]
    living: Vec<WireLiving<'a>>,
    cancelled: Vec<WireCancelled>,
}

/// Appends an exchange.
pub fn encode_exchange<'a>(
    living: impl IntoIterator<Item = (&'a InstanceInfo, &'a LeaseInfo, Ages)>,
    cancelled: impl IntoIterator<Item = Cancelled>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"living\":[");
    for (at, (info, lease, ages)) in living.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"instance\":");
        json::encode::instance(info, lease, out);
        out.extend_from_slice(format!(",\"silentMs\":{}", ages.silent_ms).as_bytes());
        if let Some(status) = ages.status_override {
            out.extend_from_slice(format!(",\"statusOverride\":\"{status}\"").as_bytes());
        }
        if let Some(age) = ages.override_age_ms {
            out.extend_from_slice(format!(",\"overrideAgeMs\":{age}").as_bytes());
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"cancelled\":");
    let cancelled: Vec<WireCancelled> = cancelled
        .into_iter()
        .map(|one| WireCancelled {
            app: one.app,
            id: one.id,
            last_dirty_timestamp: one.last_dirty.0,
            age_ms: one.age_ms,
        })
        .collect();
    write(&cancelled, out);
    out.push(b'}');
}

/// The ages of [`Living`], without the instance.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// Milliseconds since it was last heard.
    pub silent_ms: u64,
    /// The status an operator set.
    pub status_override: Option<InstanceStatus>,
    /// Milliseconds since it was set or taken back.
    pub override_age_ms: Option<u64>,
}

/// Reads an exchange. An instance that is not understood is left out.
///
/// # Errors
/// If it is none.
pub fn decode_exchange(body: &[u8], now: Timestamp) -> Result<Exchange, CodecError> {
    let wire: WireExchange<'_> = read(body)?;
    let living = wire.living.iter().filter_map(|one| {
        let info = json::decode::instance_without_root(one.instance.get().as_bytes(), now).ok()?;
        Some(Living {
            info: Box::new(info),
            silent_ms: one.silent_ms,
            status_override: one.status_override.and_then(InstanceStatus::from_name),
            override_age_ms: one.override_age_ms,
        })
    });
    let cancelled = wire.cancelled.into_iter().map(|one| Cancelled {
        app: one.app,
        id: one.id,
        last_dirty: Timestamp(one.last_dirty_timestamp),
        age_ms: one.age_ms,
    });
    Ok(Exchange { living: living.collect(), cancelled: cancelled.collect() })
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, CodecError> {
    serde_json::from_slice(body).map_err(|error| broken(&format!("line {}, column {}", error.line(), error.column())))
}

fn broken(what: &str) -> CodecError {
    CodecError::Json(what.to_owned())
}

#[expect(clippy::expect_used, reason = "texts and numbers by texts always are JSON, and a vector takes all")]
fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("plain data is JSON");
}
