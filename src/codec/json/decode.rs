//! JSON decoders. src/PROTOCOL.md, section 2.6, describes which values are accepted and how odd ones are read.
//!
//! The visitors are written by hand: derived ones could not let the last of two equal keys win, nor skip unknown values and read
//! numbers as text at the same time. Only what the model keeps is copied.

mod instance;
mod replication;
mod value;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::str;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use instance::InstanceSeed;
use replication::{ItemSeed, ResponseSeed};
pub(crate) use value::ListSeed;
use value::{Key, Member, Scalar, skip};

use crate::codec::CodecError;
use crate::codec::listing::{Listed, Listing};
use crate::model::{
    AppName, Application, Applications, InstanceInfo, LeaseInfo, ReplicationInstanceResponse, ReplicationList,
};
use crate::time::Timestamp;

/// Maximum items of a batch: ten times what a Java server and a replica of ours send.
const MOST_ITEMS: usize = 2_500;

/// Maximum applications of an answer, and instances of an application, that are copied from a peer.
const MOST_VALUES: usize = 200_000;
/// Maximum errors that are kept of an answer of a peer.
const MOST_ERRORS: usize = 100;

pub(crate) fn instance_document(body: &[u8], now: Timestamp) -> Result<InstanceInfo, CodecError> {
    let found = document(body, Member { name: "instance", seed: InstanceSeed { now } })?;
    let found = found.ok_or_else(|| CodecError::Json("there is no `instance`".to_owned()))?;
    Ok(found.whole()?.0)
}

pub(crate) fn instance_without_root(body: &[u8], now: Timestamp) -> Result<InstanceInfo, CodecError> {
    Ok(document(body, InstanceSeed { now })?.whole()?.0)
}

pub(crate) fn applications(body: &[u8], now: Timestamp) -> Result<(Applications, Vec<CodecError>), CodecError> {
    let found = document(body, Member { name: "applications", seed: ApplicationsSeed { now } })?;
    found.ok_or_else(|| CodecError::Json("there is no `applications`".to_owned()))
}

pub(crate) fn listing(body: &[u8], now: Timestamp) -> Result<Listing, CodecError> {
    let found = document(body, Member { name: "applications", seed: ListingSeed { now } })?;
    found.ok_or_else(|| CodecError::Json("there is no `applications`".to_owned()))
}

pub(crate) fn listed_instance(body: &[u8], now: Timestamp) -> Result<(InstanceInfo, LeaseInfo), CodecError> {
    let found = document(body, Member { name: "instance", seed: InstanceSeed { now } })?;
    let found = found.ok_or_else(|| CodecError::Json("there is no `instance`".to_owned()))?;
    Ok(found.whole()?)
}

pub(crate) fn replication_list(body: &[u8], now: Timestamp) -> Result<ReplicationList, CodecError> {
    let entries = Cell::new(0);
    let seed = ListSeed { most: MOST_ITEMS, seed: ItemSeed { now, entries: &entries } };
    let found = document(body, Member { name: "replicationList", seed })?;
    let replication_list = found.ok_or_else(|| CodecError::Json("there is no `replicationList`".to_owned()))?;
    Ok(ReplicationList { replication_list })
}

pub(crate) fn replication_response(
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<ReplicationInstanceResponse>, CodecError> {
    let seed = ListSeed { most: MOST_ITEMS, seed: ResponseSeed { now } };
    let found = document(body, Member { name: "responseList", seed })?;
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

/// The error without its quotations from the body, which may be long and must not be logged.
#[expect(clippy::needless_pass_by_value, reason = "what map_err wants")]
pub(crate) fn failure(error: serde_json::Error) -> CodecError {
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

/// Keeps an error, up to the maximum number.
fn note(errors: &mut Vec<CodecError>, error: CodecError) {
    if errors.len() < MOST_ERRORS {
        errors.push(error);
    }
}

struct ApplicationsSeed {
    now: Timestamp,
}

/// One value or a list of at most [`MOST_VALUES`], not decoded yet.
#[derive(Default)]
struct OneOrMany<'de>(Vec<&'de RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for OneOrMany<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('[') {
            let list = ListSeed { most: MOST_VALUES, seed: PhantomData };
            let values = list.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
            return values.map(Self).map_err(D::Error::custom);
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
                            Err(error) => note(&mut errors, error),
                        }
                    }
                }
                _ => skip(&mut map)?,
            }
        }
        Ok((applications, errors))
    }
}

/// An application whose instances are not decoded yet.
#[derive(Deserialize)]
struct RawApplication<'a> {
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    instance: OneOrMany<'a>,
}

fn application(raw: &RawValue, now: Timestamp, errors: &mut Vec<CodecError>) -> Result<Application, CodecError> {
    let raw: RawApplication<'_> = serde_json::from_str(raw.get()).map_err(failure)?;
    let mut instances = Vec::new();
    for raw in raw.instance.0 {
        match value(raw.get(), InstanceSeed { now }).and_then(|decoded| Ok(decoded.whole()?.0)) {
            Ok(info) => instances.push(info),
            Err(error) => note(errors, error),
        }
    }
    Ok(Application { name: AppName::new(&raw.name), instances })
}

/// A registry's content, of which each instance stays with its lease, or with the reason why it cannot be decoded.
struct ListingSeed {
    now: Timestamp,
}

impl<'de> DeserializeSeed<'de> for ListingSeed {
    type Value = Listing;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListingSeed {
    type Value = Listing;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("applications")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut listing = Listing::default();
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                b"apps__hashcode" => listing.apps_hashcode = map.next_value::<Scalar<'_>>()?.text(),
                b"application" => {
                    for raw in map.next_value::<OneOrMany<'de>>()?.0 {
                        list_application(raw, self.now, &mut listing);
                    }
                }
                _ => skip(&mut map)?,
            }
        }
        Ok(listing)
    }
}

fn list_application(raw: &RawValue, now: Timestamp, listing: &mut Listing) {
    let application = match serde_json::from_str::<RawApplication<'_>>(raw.get()).map_err(failure) {
        Ok(application) => application,
        Err(error) => return listing.refuse("", "", error),
    };
    let name = AppName::new(&application.name);
    for raw in application.instance.0 {
        match value(raw.get(), InstanceSeed { now }).and_then(|decoded| Ok(decoded.whole()?)) {
            Ok((info, lease)) => listing.listed.push(Listed { application: name.clone(), info, lease }),
            Err(error) => listing.refuse(name.as_str(), &id_of(raw), error),
        }
    }
}

/// The id of an instance that cannot be decoded, as far as it has one that is text.
fn id_of(raw: &RawValue) -> String {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Named<'a> {
        #[serde(borrow)]
        instance_id: Option<Cow<'a, str>>,
        #[serde(borrow)]
        host_name: Option<Cow<'a, str>>,
    }
    let named = serde_json::from_str::<Named<'_>>(raw.get()).unwrap_or_default();
    named.instance_id.or(named.host_name).unwrap_or_default().into_owned()
}

#[cfg(test)]
mod tests;
