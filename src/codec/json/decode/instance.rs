//! An instance, and the objects in it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::value::{Key, Nullable, Scalar, skip};
use crate::model::size::MOST_METADATA;
use crate::model::{
    ActionType, AppName, DataCenterInfo, InstanceInfo, InstanceStatus, LeaseDurations, LeaseInfo, Metadata, Port,
    TooLarge,
};
use crate::time::Timestamp;

/// An instance, and its lease durations if it has some.
pub(super) struct Decoded {
    pub(super) info: InstanceInfo,
    pub(super) lease: LeaseInfo,
    /// The number of metadata entries that were sent, including repeated names and those of the data center.
    pub(super) entries: usize,
}

impl Decoded {
    /// The instance, unless it exceeds a limit: then `info` is incomplete.
    pub(super) fn whole(self) -> Result<(InstanceInfo, LeaseInfo), TooLarge> {
        if self.entries > MOST_METADATA {
            return Err(TooLarge::Metadata(self.entries));
        }
        self.info.check_size()?;
        Ok((self.info, self.lease))
    }
}

/// An instance without a wrapper.
#[derive(Clone, Copy)]
pub(super) struct InstanceSeed {
    pub(super) now: Timestamp,
}

impl<'de> DeserializeSeed<'de> for InstanceSeed {
    type Value = Decoded;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for InstanceSeed {
    type Value = Decoded;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an instance")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut info = InstanceInfo::new(AppName::new(""), "", "", self.now);
        info.data_center_info = None;
        let (mut app, mut lease) = (None, unset_lease());
        let (mut entries, mut data_center_entries) = (0, 0);
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                b"leaseInfo" => {
                    lease = map.next_value::<Nullable<LeaseValue>>()?.0.map_or_else(unset_lease, |value| value.0);
                }
                b"metadata" => {
                    let metadata = map.next_value::<Nullable<MetadataValue>>()?.0.unwrap_or_default();
                    (info.metadata, entries) = (metadata.kept, metadata.sent);
                }
                b"port" => info.port = map.next_value_seed(PortSeed(Port::DEFAULT))?,
                b"securePort" => info.secure_port = map.next_value_seed(PortSeed(Port::DEFAULT_SECURE))?,
                b"dataCenterInfo" => {
                    let value = map.next_value::<Nullable<DataCenterValue>>()?.0;
                    data_center_entries = value.as_ref().map_or(0, |value| value.entries);
                    info.data_center_info = value.map(|value| value.info);
                }
                key => set_scalar(&mut info, &mut app, key, map.next_value()?, self.now).map_err(A::Error::custom)?,
            }
        }
        info.lease = lease.durations;
        info.app = AppName::new(&app.ok_or_else(|| A::Error::custom("there is no `app`"))?);
        take_id_from_metadata(&mut info);
        Ok(Decoded { info, lease, entries: entries + data_center_entries })
    }
}

/// Sets what a key has as text, number or boolean. An unknown key is skipped with its whole value (quirk 29: the Java server
/// reads into it).
pub(super) fn set_scalar<'de>(
    info: &mut InstanceInfo,
    app: &mut Option<Cow<'de, str>>,
    key: &[u8],
    value: &'de RawValue,
    now: Timestamp,
) -> Result<(), &'static str> {
    let value = || Scalar::of_token(value.get());
    match key {
        b"instanceId" => info.instance_id = value()?.text(),
        b"hostName" => info.host_name = value()?.text().unwrap_or_default(),
        b"app" => *app = value()?.into_text(),
        b"ipAddr" => info.ip_addr = value()?.text().unwrap_or_default(),
        b"sid" => info.sid = value()?.text().filter(|sid| !matches!(&**sid, "na" | "unknown")),
        b"status" => info.status = status(&value()?, InstanceStatus::Up),
        b"overriddenStatus" | b"overriddenstatus" => {
            info.overridden_status = status(&value()?, InstanceStatus::Unknown);
        }
        b"countryId" => info.country_id = value()?.int()?.unwrap_or(1),
        b"appGroupName" => info.app_group_name = value()?.text().map(|name| name.to_uppercase().into()),
        b"homePageUrl" => info.home_page_url = value()?.text(),
        b"statusPageUrl" => info.status_page_url = value()?.text(),
        b"healthCheckUrl" => info.health_check_url = value()?.text(),
        b"secureHealthCheckUrl" => info.secure_health_check_url = value()?.text(),
        b"vipAddress" => info.vip_address = value()?.text(),
        b"secureVipAddress" => info.secure_vip_address = value()?.text(),
        b"isCoordinatingDiscoveryServer" => info.is_coordinating_discovery_server = value()?.boolean(),
        b"lastUpdatedTimestamp" => info.last_updated = value()?.integer()?.map_or(now, Timestamp),
        b"lastDirtyTimestamp" => info.last_dirty = value()?.integer()?.map_or(now, Timestamp),
        b"actionType" => info.action_type = value()?.into_text().as_deref().and_then(ActionType::from_name),
        b"asgName" => info.asg_name = value()?.text(),
        _ => {}
    }
    Ok(())
}

/// A status by its exact name; another name is UNKNOWN, no name is `missing`.
pub(super) fn status(value: &Scalar<'_>, missing: InstanceStatus) -> InstanceStatus {
    match value {
        Scalar::Null => missing,
        Scalar::Text(name) => InstanceStatus::from_name(name).unwrap_or(InstanceStatus::Unknown),
        Scalar::Number(_) | Scalar::Boolean(_) => InstanceStatus::Unknown,
    }
}

/// Spring's addition (`CloudJacksonJson.updateIfNeeded`): without an id the metadata may hold one.
pub(super) fn take_id_from_metadata(info: &mut InstanceInfo) {
    if info.instance_id.is_none()
        && let Some(id) = info.metadata.get("instanceId").filter(|id| !id.trim().is_empty())
    {
        let host_name = &*info.host_name;
        info.instance_id = Some(if id.starts_with(host_name) { id.into() } else { format!("{host_name}:{id}").into() });
    }
}

/// `{"$":8080,"@enabled":"true"}`. Anything else, a bare number too, is refused as the Java server refuses it.
pub(super) struct PortSeed(pub(super) Port);

impl<'de> DeserializeSeed<'de> for PortSeed {
    type Value = Port;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Port, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PortSeed {
    type Value = Port;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port as an object with `$` and `@enabled`")
    }

    fn visit_unit<E>(self) -> Result<Port, E> {
        Ok(self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Port, A::Error> {
        let mut port = self.0;
        while let Some(Key(key)) = map.next_key()? {
            let value: Scalar<'_> = map.next_value()?;
            match key.as_ref() {
                b"$" => port.number = value.int().map_err(A::Error::custom)?.unwrap_or(0),
                b"@enabled" => port.enabled = value.boolean(),
                _ => return Err(A::Error::custom("a port has only `$` and `@enabled`")),
            }
        }
        Ok(port)
    }
}

pub(super) fn unset_lease() -> LeaseInfo {
    let never = Timestamp::NEVER;
    LeaseInfo {
        durations: LeaseDurations::DEFAULT,
        registration: never,
        last_renewal: never,
        eviction: never,
        service_up: never,
    }
}

pub(super) struct LeaseValue(pub(super) LeaseInfo);

impl<'de> Deserialize<'de> for LeaseValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LeaseVisitor;
        impl<'de> Visitor<'de> for LeaseVisitor {
            type Value = LeaseValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a lease")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LeaseValue, A::Error> {
                let mut lease = unset_lease();
                let (mut renewal_interval, mut duration) = (None, None);
                while let Some(Key(key)) = map.next_key()? {
                    let time = match key.as_ref() {
                        b"renewalIntervalInSecs" => {
                            renewal_interval = map.next_value::<Scalar<'_>>()?.int().map_err(A::Error::custom)?;
                            continue;
                        }
                        b"durationInSecs" => {
                            duration = map.next_value::<Scalar<'_>>()?.int().map_err(A::Error::custom)?;
                            continue;
                        }
                        b"registrationTimestamp" => &mut lease.registration,
                        b"lastRenewalTimestamp" | b"renewalTimestamp" => &mut lease.last_renewal,
                        b"evictionTimestamp" => &mut lease.eviction,
                        b"serviceUpTimestamp" => &mut lease.service_up,
                        _ => {
                            skip(&mut map)?;
                            continue;
                        }
                    };
                    let sent = map.next_value::<Scalar<'_>>()?.integer().map_err(A::Error::custom)?;
                    *time = Timestamp(sent.unwrap_or(0));
                }
                lease.durations = LeaseDurations::from_sent(renewal_interval, duration);
                Ok(LeaseValue(lease))
            }
        }
        deserializer.deserialize_map(LeaseVisitor)
    }
}

/// Scalars by name; `@class` is Java's, `null` is the text of that name (quirk 30). Of more entries than an instance may have,
/// the first are kept and all are counted.
#[derive(Default)]
pub(super) struct MetadataValue {
    pub(super) kept: Metadata,
    pub(super) sent: usize,
}

impl<'de> Deserialize<'de> for MetadataValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetadataVisitor;
        impl<'de> Visitor<'de> for MetadataVisitor {
            type Value = MetadataValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("metadata: texts by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MetadataValue, A::Error> {
                let (mut entries, mut sent): (Vec<(SmolStr, SmolStr)>, _) = (Vec::new(), 0);
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    let value: Scalar<'_> = map.next_value()?;
                    if *key.0 == *b"@class" {
                        continue;
                    }
                    sent += 1;
                    if sent <= MOST_METADATA {
                        entries.push((key.text(), value.text().unwrap_or_else(|| "null".into())));
                    }
                }
                Ok(MetadataValue { kept: entries.into_iter().collect(), sent })
            }
        }
        deserializer.deserialize_map(MetadataVisitor)
    }
}

/// Where an instance runs, and how many entries of metadata that was sent with.
pub(super) struct DataCenterValue {
    pub(super) info: DataCenterInfo,
    pub(super) entries: usize,
}

impl<'de> Deserialize<'de> for DataCenterValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DataCenterVisitor;
        impl<'de> Visitor<'de> for DataCenterVisitor {
            type Value = DataCenterValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a dataCenterInfo")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DataCenterValue, A::Error> {
                let (mut class, mut name, mut metadata, mut other) = (None, None, None, false);
                while let Some(Key(key)) = map.next_key()? {
                    match key.as_ref() {
                        b"@class" => class = map.next_value::<Scalar<'_>>()?.into_text(),
                        b"name" => name = map.next_value::<Scalar<'_>>()?.into_text(),
                        b"metadata" => {
                            metadata = Some(map.next_value::<Nullable<MetadataValue>>()?.0.unwrap_or_default());
                        }
                        _ => {
                            skip(&mut map)?;
                            other = true;
                        }
                    }
                }
                let entries = metadata.as_ref().map_or(0, |metadata: &MetadataValue| metadata.sent);
                data_center_info(class.as_deref(), name.as_deref(), metadata.map(|value| value.kept), other)
                    .map(|info| DataCenterValue { info, entries })
                    .map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_map(DataCenterVisitor)
    }
}

/// What Java's `DataCenterTypeInfoResolver` makes of it: the class decides, not the name.
pub(super) fn data_center_info(
    class: Option<&str>,
    name: Option<&str>,
    metadata: Option<Metadata>,
    other: bool,
) -> Result<DataCenterInfo, &'static str> {
    match class {
        None => Err("dataCenterInfo has no `@class`"),
        Some(crate::codec::java::AMAZON_CLASS) => {
            metadata.map(DataCenterInfo::Amazon).ok_or("AmazonInfo has no `metadata`")
        }
        Some(crate::codec::java::DEFAULT_DATA_CENTER_CLASS | "com.netflix.appinfo.MyDataCenterInfo") => match name {
            _ if other || metadata.is_some() => Err("dataCenterInfo of this class has only a `name`"),
            None => Ok(DataCenterInfo::Unnamed),
            Some("MyOwn" | "Amazon") => Ok(DataCenterInfo::MyOwn),
            Some("Netflix") => Ok(DataCenterInfo::Netflix),
            Some(_) => Err("dataCenterInfo has an unknown `name`"),
        },
        Some(_) => Err("dataCenterInfo has an unknown `@class`"),
    }
}
