//! A batch of a peer, and a peer's answer to one.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::instance::{Decoded, InstanceSeed};
use super::value::{Key, Scalar, skip};
use crate::codec::facts::{WireFacts, WireTombstone};
use crate::model::size::{MOST_METADATA, MOST_NAME_BYTES};
use crate::model::{
    Action, AppName, By, InstanceStatus, Known, ReplicationInstance, ReplicationInstanceResponse, TooLarge,
};
use crate::time::Timestamp;

/// Maximum entries of metadata of all instances of a list: those of the largest batch of a Java server times ten.
const MOST_ENTRIES: usize = 100_000;

/// One item. The items of a list share one count of their metadata entries.
#[derive(Clone)]
pub(super) struct ItemSeed<'a> {
    pub(super) now: Timestamp,
    pub(super) entries: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for ItemSeed<'_> {
    type Value = ReplicationInstance;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed<'_> {
    type Value = ReplicationInstance;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item to replicate")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReplicationInstance, A::Error> {
        let (mut action, mut app_name, mut id) = (None, None, None);
        let (mut last_dirty, mut overridden_status, mut status, mut instance_info) = (None, None, None, None);
        let (mut facts, mut tombstone, mut heard) = (None, None, None);
        let mut by = By::default();
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                b"action" => action = map.next_value::<Scalar<'_>>()?.into_text(),
                b"appName" => app_name = map.next_value::<Scalar<'_>>()?.into_text(),
                b"id" => id = map.next_value::<Scalar<'_>>()?.text(),
                b"lastDirtyTimestamp" => last_dirty = time(&mut map)?,
                b"overriddenStatus" | b"overriddenstatus" => overridden_status = word(&mut map)?,
                b"status" => status = word(&mut map)?,
                b"instanceInfo" => {
                    instance_info = map.next_value_seed(OptionalInstanceSeed(InstanceSeed { now: self.now }))?;
                }
                b"facts" => facts = Some(map.next_value::<WireFacts>()?),
                b"tombstone" => tombstone = Some(map.next_value::<WireTombstone>()?),
                b"user" => by.user = word(&mut map)?.map(Cow::into_owned),
                b"reason" => by.reason = word(&mut map)?.map(Cow::into_owned),
                b"heard" => heard = time(&mut map)?,
                _ => skip(&mut map)?,
            }
        }
        let named = |name: Option<Cow<'_, str>>| name.as_deref().and_then(InstanceStatus::from_name);
        let app_name = AppName::new(&app_name.ok_or_else(|| A::Error::custom("an item has no `appName`"))?);
        let id = id.ok_or_else(|| A::Error::custom("an item has no `id`"))?;
        let sent = instance_info.as_ref().map_or(0, |decoded: &Decoded| decoded.entries.min(MOST_METADATA));
        self.entries.set(self.entries.get() + sent);
        if self.entries.get() > MOST_ENTRIES {
            let text = format_args!("the instances of the list have more than {MOST_ENTRIES} metadata entries");
            return Err(A::Error::custom(text));
        }
        let (mut instance_info, too_large) = match instance_info.map(Decoded::whole) {
            Some(Ok((info, _))) => (Some(Box::new(info)), name_too_long(&app_name, &id)),
            Some(Err(too_large)) => (None, Some(too_large)),
            None => (None, name_too_long(&app_name, &id)),
        };
        let known = match (facts, tombstone, heard) {
            _ if too_large.is_some() => None,
            (Some(facts), ..) => instance_info.take().map(|info| {
                facts.read(*info, self.now).map(|(record, heard)| Known::Registered(Box::new(record), heard))
            }),
            (_, Some(tombstone), _) => Some(tombstone.read(app_name.as_str(), &id, self.now).map(Known::Cancelled)),
            (.., heard) => heard.map(|at| Ok(Known::Renewed(at))),
        };
        Ok(ReplicationInstance {
            action: action.as_deref().and_then(Action::from_name).ok_or_else(|| A::Error::custom("unknown action"))?,
            app_name,
            id,
            last_dirty,
            overridden_status: named(overridden_status),
            status: named(status),
            instance_info,
            by: (by != By::default()).then(|| Box::new(by)),
            known: known.transpose().map_err(A::Error::custom)?,
            too_large,
        })
    }
}

/// A time in milliseconds since 1970.
fn time<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Timestamp>, A::Error> {
    Ok(map.next_value::<Scalar<'_>>()?.integer().map_err(A::Error::custom)?.map(Timestamp))
}

/// A text that does not have to be kept.
fn word<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
    Ok(map.next_value::<Scalar<'de>>()?.into_text())
}

/// Whether the name of an application or an instance is too long, even if the instance is only cancelled.
fn name_too_long(app: &AppName, id: &str) -> Option<TooLarge> {
    let longest = app.as_str().len().max(id.len());
    (longest > MOST_NAME_BYTES).then_some(TooLarge::Name(longest))
}

#[derive(Clone, Copy)]
pub(super) struct OptionalInstanceSeed(pub(super) InstanceSeed);

impl<'de> DeserializeSeed<'de> for OptionalInstanceSeed {
    type Value = Option<Decoded>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for OptionalInstanceSeed {
    type Value = Option<Decoded>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an instance or null")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(deserializer).map(Some)
    }
}

#[derive(Clone)]
pub(super) struct ResponseSeed {
    pub(super) now: Timestamp,
}

impl<'de> DeserializeSeed<'de> for ResponseSeed {
    type Value = ReplicationInstanceResponse;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ResponseSeed {
    type Value = ReplicationInstanceResponse;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what became of an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut response = ReplicationInstanceResponse { status_code: 0, response_entity: None };
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                b"statusCode" => {
                    let code = map.next_value::<Scalar<'_>>()?.integer().map_err(A::Error::custom)?;
                    response.status_code = code.and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
                }
                b"responseEntity" => {
                    let entity = map.next_value_seed(OptionalInstanceSeed(InstanceSeed { now: self.now }))?;
                    let whole = entity.and_then(|decoded| decoded.whole().ok());
                    response.response_entity = whole.map(|(info, lease)| (Box::new(info), lease));
                }
                _ => skip(&mut map)?,
            }
        }
        Ok(response)
    }
}
