//! What our own replicas send about an instance in addition to the instance itself: its stamps, and when it was last heard.

use serde::{Deserialize, Serialize};

use super::CodecError;
use crate::model::size::MOST_NAME_BYTES;
use crate::model::{
    AppName, DataStamp, Heard, InstanceInfo, InstanceKey, InstanceStatus, Record, Stamp, StatusOverride, Tombstone,
    TooLarge,
};
use crate::time::Timestamp;

/// The parts of [`Record`] and [`Heard`] other than the instance.
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
        if app.len().max(id.len()) > MOST_NAME_BYTES {
            return Err(TooLarge::Name(app.len().max(id.len())).into());
        }
        let key = InstanceKey::new(&AppName::new(app), id);
        let data = data_stamp(self.version, &self.registered, &self.changed, now)?;
        let (cancelled, status_override) = (stamp(&self.cancelled, now)?, self.status_override.read(now)?);
        if data.registered >= cancelled {
            return Err(broken("what was cancelled was registered before"));
        }
        Ok(Tombstone { key, cancelled, data, status_override })
    }
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

/// The error for an answer that is not one of our replicas'.
pub(super) fn broken(what: &str) -> CodecError {
    CodecError::Json(what.to_owned())
}

/// Appends a value as JSON.
#[expect(clippy::expect_used, reason = "texts and numbers by texts always are JSON, and a vector takes all")]
pub(super) fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("plain data is JSON");
}
