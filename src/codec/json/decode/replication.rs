//! A batch of a peer, and what a peer answers to one.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::instance::InstanceSeed;
use super::value::{Key, Scalar, skip};
use crate::codec::facts::{WireFacts, WireTombstone};
use crate::model::{
    Action, AppName, InstanceInfo, InstanceStatus, Known, LeaseInfo, ReplicationInstance, ReplicationInstanceResponse,
};
use crate::time::Timestamp;

#[derive(Clone)]
pub(super) struct ItemSeed {
    pub(super) now: Timestamp,
}

impl<'de> DeserializeSeed<'de> for ItemSeed {
    type Value = ReplicationInstance;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed {
    type Value = ReplicationInstance;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item to replicate")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReplicationInstance, A::Error> {
        let (mut action, mut app_name, mut id) = (None, None, None);
        let (mut last_dirty, mut overridden_status, mut status, mut instance_info) = (None, None, None, None);
        let (mut facts, mut tombstone, mut heard) = (None, None, None);
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                b"action" => action = map.next_value::<Scalar<'_>>()?.into_text(),
                b"appName" => app_name = map.next_value::<Scalar<'_>>()?.into_text(),
                b"id" => id = map.next_value::<Scalar<'_>>()?.text(),
                b"lastDirtyTimestamp" => {
                    let sent = map.next_value::<Scalar<'_>>()?.integer().map_err(A::Error::custom)?;
                    last_dirty = sent.map(Timestamp);
                }
                b"overriddenStatus" | b"overriddenstatus" => {
                    overridden_status = map.next_value::<Scalar<'_>>()?.into_text();
                }
                b"status" => status = map.next_value::<Scalar<'_>>()?.into_text(),
                b"instanceInfo" => {
                    instance_info = map.next_value_seed(OptionalInstanceSeed(InstanceSeed { now: self.now }))?;
                }
                b"facts" => facts = Some(map.next_value::<WireFacts>()?),
                b"tombstone" => tombstone = Some(map.next_value::<WireTombstone>()?),
                b"heard" => heard = map.next_value::<Scalar<'_>>()?.integer().map_err(A::Error::custom)?.map(Timestamp),
                _ => skip(&mut map)?,
            }
        }
        let named = |name: Option<Cow<'_, str>>| name.as_deref().and_then(InstanceStatus::from_name);
        let app_name = AppName::new(&app_name.ok_or_else(|| A::Error::custom("an item has no `appName`"))?);
        let id = id.ok_or_else(|| A::Error::custom("an item has no `id`"))?;
        let mut instance_info = instance_info.map(|(info, _)| Box::new(info));
        let known = match (facts, tombstone, heard) {
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
            known: known.transpose().map_err(A::Error::custom)?,
        })
    }
}

#[derive(Clone, Copy)]
pub(super) struct OptionalInstanceSeed(pub(super) InstanceSeed);

impl<'de> DeserializeSeed<'de> for OptionalInstanceSeed {
    type Value = Option<(InstanceInfo, LeaseInfo)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for OptionalInstanceSeed {
    type Value = Option<(InstanceInfo, LeaseInfo)>;

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
                    response.response_entity = entity.map(|(info, lease)| (Box::new(info), lease));
                }
                _ => skip(&mut map)?,
            }
        }
        Ok(response)
    }
}
