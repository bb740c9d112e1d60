//! JSON decoders. What is accepted, and what an odd value becomes, is protocol.md 2.10.
//!
//! Hand-written visitors: a derive could neither let the last of two equal keys win nor skip what it does not know
//! and take numbers for text at once. Nothing here is copied that the model does not keep.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::codec::CodecError;
use crate::model::{
    Action, ActionType, AppName, Application, Applications, DataCenterInfo, InstanceInfo, InstanceStatus,
    LeaseDurations, LeaseInfo, Metadata, Port, ReplicationInstance, ReplicationInstanceResponse, ReplicationList,
};
use crate::time::Timestamp;

pub(crate) fn instance_document(body: &[u8], now: Timestamp) -> Result<InstanceInfo, CodecError> {
    let found = document(body, Member { name: "instance", seed: InstanceSeed { now } })?;
    found.map(|(info, _)| info).ok_or_else(|| CodecError::Json("there is no `instance`".to_owned()))
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

fn document<'de, S: DeserializeSeed<'de>>(body: &'de [u8], seed: S) -> Result<S::Value, CodecError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = seed.deserialize(&mut deserializer).map_err(failure)?;
    deserializer.end().map_err(failure)?;
    Ok(value)
}

/// The error without what it quotes of the body.
#[expect(clippy::needless_pass_by_value, reason = "what map_err wants")]
fn failure(error: serde_json::Error) -> CodecError {
    let what = match error.classify() {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => {
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or_default().to_owned();
            return CodecError::Json(format!("line {}, column {}: {text}", error.line(), error.column()));
        }
    };
    CodecError::Json(format!("line {}, column {}: {what}", error.line(), error.column()))
}

/// An object of which one member is wanted.
struct Member<S> {
    name: &'static str,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Member<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Member<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let (name, mut seed) = (self.name, Some(self.seed));
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match seed.take_if(|_| key.0 == name) {
                Some(seed) => found = Some(map.next_value_seed(seed)?),
                None => skip(&mut map)?,
            }
        }
        Ok(found)
    }
}

/// Skips a value that means nothing here, with all it holds (quirk 29: the Java server walks into it).
fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|IgnoredAny| ())
}

/// A key, not copied unless it holds escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// A value that is no object and no list, as text: that of its token, as Jackson's `getValueAsString` reads it.
struct Scalar<'de>(Option<Cow<'de, str>>);

impl<'de> Scalar<'de> {
    fn text(self) -> Option<Box<str>> {
        self.0.map(|text| text.into_owned().into())
    }

    /// Text that is not empty.
    fn non_empty(self) -> Option<Box<str>> {
        self.text().filter(|text| !text.is_empty())
    }

    /// The number; one that is none, or too large, is zero (Jackson's `getValueAsLong`), a fraction is cut off.
    fn integer(&self) -> Option<i64> {
        let text = self.0.as_deref()?.trim();
        Some(text.parse().unwrap_or_else(|_not_an_integer| {
            #[expect(clippy::cast_possible_truncation, reason = "as Java's (long) does, saturating")]
            let cut = text.parse::<f64>().map_or(0, |number| number as i64);
            cut
        }))
    }

    fn int(&self) -> Option<i32> {
        self.integer().map(|number| i32::try_from(number).unwrap_or(0))
    }

    /// Exactly `true`, or a number other than zero (`getValueAsBoolean`).
    fn boolean(&self) -> bool {
        self.0.as_deref().is_some_and(|text| text.trim() == "true" || text.parse::<i64>().is_ok_and(|n| n != 0))
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or a boolean")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Some(Cow::Borrowed(if value { "true" } else { "false" }))))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar(None))
    }
}

/// An instance without a wrapper, and its lease as far as it says anything of it.
#[derive(Clone, Copy)]
struct InstanceSeed {
    now: Timestamp,
}

impl<'de> DeserializeSeed<'de> for InstanceSeed {
    type Value = (InstanceInfo, LeaseInfo);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for InstanceSeed {
    type Value = (InstanceInfo, LeaseInfo);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an instance")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut info = InstanceInfo::new(AppName::new(""), "", "", self.now);
        info.data_center_info = None;
        let mut app = None;
        let mut lease = unset_lease();
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                "leaseInfo" => {
                    lease = map.next_value::<Nullable<LeaseValue>>()?.0.map_or_else(unset_lease, |value| value.0);
                }
                "metadata" => info.metadata = map.next_value::<Nullable<MetadataValue>>()?.0.unwrap_or_default().0,
                "port" => info.port = map.next_value_seed(PortSeed(Port::DEFAULT))?,
                "securePort" => info.secure_port = map.next_value_seed(PortSeed(Port::DEFAULT_SECURE))?,
                "dataCenterInfo" => {
                    info.data_center_info = map.next_value::<Nullable<DataCenterValue>>()?.0.map(|value| value.0);
                }
                key => match scalar_field(key) {
                    Some(field) => field(&mut info, &mut app, map.next_value()?, self.now),
                    None => skip(&mut map)?,
                },
            }
        }
        info.lease = lease.durations;
        info.app = AppName::new(&app.ok_or_else(|| A::Error::custom("there is no `app`"))?);
        take_id_from_metadata(&mut info);
        Ok((info, lease))
    }
}

type ScalarField = fn(&mut InstanceInfo, &mut Option<Box<str>>, Scalar<'_>, Timestamp);

/// What a key that has text, a number or a boolean sets.
fn scalar_field(key: &str) -> Option<ScalarField> {
    Some(match key {
        "instanceId" => |info, _, value, _| info.instance_id = value.text(),
        "hostName" => |info, _, value, _| info.host_name = value.text().unwrap_or_default(),
        "app" => |_, app, value, _| *app = value.text(),
        "ipAddr" => |info, _, value, _| info.ip_addr = value.text().unwrap_or_default(),
        "sid" => |info, _, value, _| info.sid = value.text().filter(|sid| !matches!(&**sid, "na" | "unknown")),
        "status" => |info, _, value, _| info.status = status(&value, InstanceStatus::Up),
        "overriddenStatus" | "overriddenstatus" => {
            |info, _, value, _| info.overridden_status = status(&value, InstanceStatus::Unknown)
        }
        "countryId" => |info, _, value, _| info.country_id = value.int().unwrap_or(1),
        "appGroupName" => |info, _, value, _| info.app_group_name = value.text().map(|name| name.to_uppercase().into()),
        "homePageUrl" => |info, _, value, _| info.home_page_url = value.text(),
        "statusPageUrl" => |info, _, value, _| info.status_page_url = value.text(),
        "healthCheckUrl" => |info, _, value, _| info.health_check_url = value.text(),
        "secureHealthCheckUrl" => |info, _, value, _| info.secure_health_check_url = value.non_empty(),
        "vipAddress" => |info, _, value, _| info.vip_address = value.text(),
        "secureVipAddress" => |info, _, value, _| info.secure_vip_address = value.text(),
        "isCoordinatingDiscoveryServer" => |info, _, value, _| info.is_coordinating_discovery_server = value.boolean(),
        "lastUpdatedTimestamp" => |info, _, value, now| info.last_updated = value.integer().map_or(now, Timestamp),
        "lastDirtyTimestamp" => |info, _, value, now| info.last_dirty = value.integer().map_or(now, Timestamp),
        "actionType" => |info, _, value, _| info.action_type = value.0.as_deref().and_then(ActionType::from_name),
        "asgName" => |info, _, value, _| info.asg_name = value.text(),
        _ => return None,
    })
}

/// A status by its exact name; another name is UNKNOWN, no name is `missing`.
fn status(value: &Scalar<'_>, missing: InstanceStatus) -> InstanceStatus {
    value.0.as_deref().map_or(missing, |name| InstanceStatus::from_name(name).unwrap_or(InstanceStatus::Unknown))
}

/// Spring's addition (`CloudJacksonJson.updateIfNeeded`): without an id the metadata may hold one.
fn take_id_from_metadata(info: &mut InstanceInfo) {
    if info.instance_id.is_none()
        && let Some(id) = info.metadata.get("instanceId").filter(|id| !id.is_empty())
    {
        let host_name = &*info.host_name;
        info.instance_id = Some(if id.starts_with(host_name) { id.into() } else { format!("{host_name}:{id}").into() });
    }
}

/// A value that may be null.
struct Nullable<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nullable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self)
    }
}

/// `{"$":8080,"@enabled":"true"}`. Anything else, a bare number too, is refused as the Java server refuses it.
struct PortSeed(Port);

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
                "$" => port.number = value.int().unwrap_or(0),
                "@enabled" => port.enabled = value.boolean(),
                _ => return Err(A::Error::custom("a port has only `$` and `@enabled`")),
            }
        }
        Ok(port)
    }
}

fn unset_lease() -> LeaseInfo {
    let never = Timestamp::NEVER;
    LeaseInfo {
        durations: LeaseDurations::DEFAULT,
        registration: never,
        last_renewal: never,
        eviction: never,
        service_up: never,
    }
}

struct LeaseValue(LeaseInfo);

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
                        "renewalIntervalInSecs" => {
                            renewal_interval = map.next_value::<Scalar<'_>>()?.int();
                            continue;
                        }
                        "durationInSecs" => {
                            duration = map.next_value::<Scalar<'_>>()?.int();
                            continue;
                        }
                        "registrationTimestamp" => &mut lease.registration,
                        "lastRenewalTimestamp" | "renewalTimestamp" => &mut lease.last_renewal,
                        "evictionTimestamp" => &mut lease.eviction,
                        "serviceUpTimestamp" => &mut lease.service_up,
                        _ => {
                            skip(&mut map)?;
                            continue;
                        }
                    };
                    *time = Timestamp(map.next_value::<Scalar<'_>>()?.integer().unwrap_or(0));
                }
                lease.durations = LeaseDurations::from_sent(renewal_interval, duration);
                Ok(LeaseValue(lease))
            }
        }
        deserializer.deserialize_map(LeaseVisitor)
    }
}

/// Scalars by name; `@class` is Java's, `null` is the text of that name (quirk 30).
#[derive(Default)]
struct MetadataValue(Metadata);

impl<'de> Deserialize<'de> for MetadataValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetadataVisitor;
        impl<'de> Visitor<'de> for MetadataVisitor {
            type Value = MetadataValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("metadata: texts by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MetadataValue, A::Error> {
                let mut entries: Vec<(Box<str>, Box<str>)> = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    let value: Scalar<'_> = map.next_value()?;
                    if key != "@class" {
                        entries.push((key.into(), value.text().unwrap_or_else(|| "null".into())));
                    }
                }
                Ok(MetadataValue(entries.into_iter().collect()))
            }
        }
        deserializer.deserialize_map(MetadataVisitor)
    }
}

struct DataCenterValue(DataCenterInfo);

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
                        "@class" => class = map.next_value::<Scalar<'_>>()?.0,
                        "name" => name = map.next_value::<Scalar<'_>>()?.0,
                        "metadata" => metadata = map.next_value::<Nullable<MetadataValue>>()?.0,
                        _ => {
                            skip(&mut map)?;
                            other = true;
                        }
                    }
                }
                data_center_info(class.as_deref(), name.as_deref(), metadata.map(|value| value.0), other)
                    .map(DataCenterValue)
                    .map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_map(DataCenterVisitor)
    }
}

/// What Java's `DataCenterTypeInfoResolver` makes of it: the class decides, not the name.
fn data_center_info(
    class: Option<&str>,
    name: Option<&str>,
    metadata: Option<Metadata>,
    other: bool,
) -> Result<DataCenterInfo, &'static str> {
    match class {
        None => Err("dataCenterInfo has no `@class`"),
        Some(crate::codec::AMAZON_CLASS) => metadata.map(DataCenterInfo::Amazon).ok_or("AmazonInfo has no `metadata`"),
        Some(crate::codec::DEFAULT_DATA_CENTER_CLASS | "com.netflix.appinfo.MyDataCenterInfo") => match name {
            _ if other || metadata.is_some() => Err("dataCenterInfo of this class has only a `name`"),
            None => Ok(DataCenterInfo::Unnamed),
            Some("MyOwn" | "Amazon") => Ok(DataCenterInfo::MyOwn),
            Some("Netflix") => Ok(DataCenterInfo::Netflix),
            Some(_) => Err("dataCenterInfo has an unknown `name`"),
        },
        Some(_) => Err("dataCenterInfo has an unknown `@class`"),
    }
}

/// A list, or a single element in its place, as older servers write lists of one.
struct ListSeed<S>(S);

impl<'de, S: DeserializeSeed<'de> + Clone> DeserializeSeed<'de> for ListSeed<S> {
    type Value = Vec<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Clone> Visitor<'de> for ListSeed<S> {
    type Value = Vec<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element_seed(self.0.clone())? {
            list.push(element);
        }
        Ok(list)
    }
}

#[derive(Clone)]
struct ItemSeed {
    now: Timestamp,
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
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                "action" => action = map.next_value::<Scalar<'_>>()?.0,
                "appName" => app_name = map.next_value::<Scalar<'_>>()?.0,
                "id" => id = map.next_value::<Scalar<'_>>()?.text(),
                "lastDirtyTimestamp" => last_dirty = map.next_value::<Scalar<'_>>()?.integer().map(Timestamp),
                "overriddenStatus" | "overriddenstatus" => overridden_status = map.next_value::<Scalar<'_>>()?.0,
                "status" => status = map.next_value::<Scalar<'_>>()?.0,
                "instanceInfo" => {
                    instance_info = map.next_value_seed(OptionalInstanceSeed(InstanceSeed { now: self.now }))?;
                }
                _ => skip(&mut map)?,
            }
        }
        let named = |name: Option<Cow<'_, str>>| name.as_deref().and_then(InstanceStatus::from_name);
        Ok(ReplicationInstance {
            action: action.as_deref().and_then(Action::from_name).ok_or_else(|| A::Error::custom("unknown action"))?,
            app_name: AppName::new(&app_name.ok_or_else(|| A::Error::custom("an item has no `appName`"))?),
            id: id.ok_or_else(|| A::Error::custom("an item has no `id`"))?,
            last_dirty,
            overridden_status: named(overridden_status),
            status: named(status),
            instance_info: instance_info.map(|(info, _)| Box::new(info)),
        })
    }
}

#[derive(Clone, Copy)]
struct OptionalInstanceSeed(InstanceSeed);

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
struct ResponseSeed {
    now: Timestamp,
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
                "statusCode" => {
                    let code = map.next_value::<Scalar<'_>>()?.integer().unwrap_or(0);
                    response.status_code = u16::try_from(code).unwrap_or(0);
                }
                "responseEntity" => {
                    let entity = map.next_value_seed(OptionalInstanceSeed(InstanceSeed { now: self.now }))?;
                    response.response_entity = entity.map(|(info, lease)| (Box::new(info), lease));
                }
                _ => skip(&mut map)?,
            }
        }
        Ok(response)
    }
}

struct ApplicationsSeed {
    now: Timestamp,
}

/// One or a list of values, not read yet.
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
                "versions__delta" => applications.versions_delta = map.next_value::<Scalar<'_>>()?.text(),
                "apps__hashcode" => applications.apps_hashcode = map.next_value::<Scalar<'_>>()?.text(),
                "application" => {
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
        #[serde(borrow)]
        instance: OneOrMany<'a>,
    }
    let raw: Raw<'_> = serde_json::from_str(raw.get()).map_err(failure)?;
    let mut instances = Vec::with_capacity(raw.instance.0.len());
    for raw in raw.instance.0 {
        match document(raw.get().as_bytes(), InstanceSeed { now }) {
            Ok((info, _)) => instances.push(info),
            Err(error) => errors.push(error),
        }
    }
    Ok(Application { name: AppName::new(&raw.name), instances })
}
