//! JSON decoders. What is accepted, and what an odd value becomes, is src/PROTOCOL.md, section 2.6.
//!
//! Hand-written visitors: a derive could neither let the last of two equal keys win nor skip what it does not know
//! and take numbers for text at once. Nothing here is copied that the model does not keep.

mod instance;
mod replication;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::str;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use instance::InstanceSeed;
use replication::{ItemSeed, ResponseSeed};
use value::{Key, ListSeed, Member, Scalar, skip};

use crate::codec::CodecError;
use crate::model::{AppName, Application, Applications, InstanceInfo, ReplicationInstanceResponse, ReplicationList};
use crate::time::Timestamp;

pub(crate) fn instance_document(body: &[u8], now: Timestamp) -> Result<InstanceInfo, CodecError> {
    let found = document(body, Member { name: "instance", seed: InstanceSeed { now } })?;
    found.map(|(info, _)| info).ok_or_else(|| CodecError::Json("there is no `instance`".to_owned()))
}

pub(crate) fn instance_without_root(body: &[u8], now: Timestamp) -> Result<InstanceInfo, CodecError> {
    document(body, InstanceSeed { now }).map(|(info, _)| info)
}

pub(crate) fn applications(body: &[u8], now: Timestamp) -> Result<(Applications, Vec<CodecError>), CodecError> {
    let found = document(body, Member { name: "applications", seed: ApplicationsSeed { now } })?;
    found.ok_or_else(|| CodecError::Json("there is no `applications`".to_owned()))
}

pub(crate) fn replication_list(body: &[u8], now: Timestamp) -> Result<ReplicationList, CodecError> {
    let found = document(body, Member { name: "replicationList", seed: ListSeed(ItemSeed { now }) })?;
    let replication_list = found.ok_or_else(|| CodecError::Json("there is no `replicationList`".to_owned()))?;
    Ok(ReplicationList { replication_list })
}

pub(crate) fn replication_response(
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<ReplicationInstanceResponse>, CodecError> {
    let found = document(body, Member { name: "responseList", seed: ListSeed(ResponseSeed { now }) })?;
    found.ok_or_else(|| CodecError::Json("there is no `responseList`".to_owned()))
}

/// Reads a document. A byte order mark before it and anything behind it are ignored, as Jackson ignores them.
fn document<'de, S: DeserializeSeed<'de>>(body: &'de [u8], seed: S) -> Result<S::Value, CodecError> {
    let text = str::from_utf8(body).map_err(|_not_utf8| CodecError::Json("it is not UTF-8".to_owned()))?;
    value(text.strip_prefix('\u{feff}').unwrap_or(text), seed)
}

fn value<'de, S: DeserializeSeed<'de>>(text: &'de str, seed: S) -> Result<S::Value, CodecError> {
    seed.deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(failure)
}

/// The error without what it quotes of the body: that may be long, and is not ours to log.
#[expect(clippy::needless_pass_by_value, reason = "what map_err wants")]
fn failure(error: serde_json::Error) -> CodecError {
    let what = match error.classify() {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => {
            let text = error.to_string();
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
            let what = text.rsplit_once("expected ").map_or(text, |(quoted, _)| &text[quoted.len()..]);
            return CodecError::Json(format!("line {}, column {}: {what}", error.line(), error.column()));
        }
    };
    CodecError::Json(format!("line {}, column {}: {what}", error.line(), error.column()))
}

struct ApplicationsSeed {
    now: Timestamp,
}

/// One or a list of values, not read yet.
#[derive(Default)]
struct OneOrMany<'de>(Vec<&'de RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for OneOrMany<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('[') {
            return serde_json::from_str(raw.get()).map(Self).map_err(D::Error::custom);
        }
        Ok(Self(if raw.get() == "null" { Vec::new() } else { vec![raw] }))
    }
}

impl<'de> DeserializeSeed<'de> for ApplicationsSeed {
    type Value = (Applications, Vec<CodecError>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ApplicationsSeed {
    type Value = (Applications, Vec<CodecError>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("applications")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut applications, mut errors) = (Applications::default(), Vec::new());
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                b"versions__delta" => applications.versions_delta = map.next_value::<Scalar<'_>>()?.text(),
                b"apps__hashcode" => applications.apps_hashcode = map.next_value::<Scalar<'_>>()?.text(),
                b"application" => {
                    for raw in map.next_value::<OneOrMany<'de>>()?.0 {
                        match application(raw, self.now, &mut errors) {
                            Ok(application) => applications.applications.push(application),
                            Err(error) => errors.push(error),
                        }
                    }
                }
                _ => skip(&mut map)?,
            }
        }
        Ok((applications, errors))
    }
}

fn application(raw: &RawValue, now: Timestamp, errors: &mut Vec<CodecError>) -> Result<Application, CodecError> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        name: Cow<'a, str>,
        #[serde(borrow, default)]
        instance: OneOrMany<'a>,
    }
    let raw: Raw<'_> = serde_json::from_str(raw.get()).map_err(failure)?;
    let mut instances = Vec::with_capacity(raw.instance.0.len());
    for raw in raw.instance.0 {
        match value(raw.get(), InstanceSeed { now }) {
            Ok((info, _)) => instances.push(info),
            Err(error) => errors.push(error),
        }
    }
    Ok(Application { name: AppName::new(&raw.name), instances })
}

#[cfg(test)]
mod tests;
