//! JSON decoders. What is accepted, and what an odd value becomes, is src/PROTOCOL.md, section 2.6.
//!
//! Hand-written visitors: a derive could neither let the last of two equal keys win nor skip what it does not know
//! and take numbers for text at once. Nothing here is copied that the model does not keep.

use std::borrow::Cow;
use std::fmt;
use std::str;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::codec::CodecError;
use crate::codec::facts::{WireFacts, WireTombstone};
use crate::model::{
    Action, ActionType, AppName, Application, Applications, DataCenterInfo, InstanceInfo, InstanceStatus, Known,
    LeaseDurations, LeaseInfo, Metadata, Port, ReplicationInstance, ReplicationInstanceResponse, ReplicationList,
};
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
            match seed.take_if(|_| *key.0 == *name.as_bytes()) {
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

/// A key, not copied unless it holds escapes, as bytes: nearly all are looked at once and found to be a known name.
struct Key<'de>(Cow<'de, [u8]>);

impl Key<'_> {
    fn text(&self) -> SmolStr {
        String::from_utf8_lossy(&self.0).into()
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_bytes<E>(self, key: &'de [u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_bytes<E>(self, key: &[u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_vec())))
            }
        }
        // As bytes, since half of a surrogate pair is no error there.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

/// A value that is no object and no list.
///
/// Read as its token, since Jackson gives a text field the text of whatever token stands there: `1.50` stays `1.50`.
enum Scalar<'de> {
    Null,
    Text(Cow<'de, str>),
    Number(&'de str),
    Boolean(bool),
}

impl<'de> Scalar<'de> {
    /// What a well-formed token is.
    fn of_token(token: &'de str) -> Result<Self, &'static str> {
        match token.as_bytes() {
            [b'"', .., b'"'] => Ok(Self::Text(unescape(&token[1..token.len() - 1]))),
            [b'n', ..] => Ok(Self::Null),
            [b't', ..] => Ok(Self::Boolean(true)),
            [b'f', ..] => Ok(Self::Boolean(false)),
            [b'{' | b'[', ..] => Err("expected a text, a number or a boolean"),
            _ => Ok(Self::Number(token)),
        }
    }

    /// The text of the token (`getValueAsString`).
    fn into_text(self) -> Option<Cow<'de, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text),
            Self::Number(token) => Some(Cow::Borrowed(token)),
            Self::Boolean(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
        }
    }

    fn text(self) -> Option<SmolStr> {
        self.into_text().map(SmolStr::from)
    }

    /// The number (`getValueAsLong`): a fraction is cut off, a text that is none is zero; a number out of range is an
    /// error, a text out of range zero.
    fn integer(&self) -> Result<Option<i64>, &'static str> {
        match self {
            Self::Null => Ok(None),
            Self::Boolean(value) => Ok(Some((*value).into())),
            Self::Text(text) => Ok(Some(integer_in_text(text.trim()))),
            Self::Number(token) => match token.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => cut_off(token).map(Some).ok_or("a number is out of range"),
            },
        }
    }

    /// The same for what Java keeps as `int`.
    fn int(&self) -> Result<Option<i32>, &'static str> {
        let Some(number) = self.integer()? else { return Ok(None) };
        match (i32::try_from(number), self) {
            (Ok(number), _) => Ok(Some(number)),
            (Err(_), Self::Text(_)) => Ok(Some(0)),
            (Err(_), _) => Err("a number is out of range"),
        }
    }

    /// A text that is exactly `true`, or an integer other than zero (`getValueAsBoolean`).
    fn boolean(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Boolean(value) => *value,
            Self::Text(text) => text.trim() == "true",
            Self::Number(token) => token.parse::<i64>().is_ok_and(|number| number != 0),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_token(<&'de RawValue>::deserialize(deserializer)?.get()).map_err(D::Error::custom)
    }
}

/// The integer that a text says. Java's own words for numbers, `Infinity` among them, are none here: a time that nothing
/// can be later than would never be replaced.
fn integer_in_text(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_not_an_integer| {
        let fraction = text.contains(['.', 'e', 'E']) && text.starts_with(|c: char| !c.is_ascii_alphabetic());
        if fraction { cut_off(text).unwrap_or(0) } else { 0 }
    })
}

/// The integral part, if it is within range.
fn cut_off(number: &str) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "within range, or saturated and left out")]
    let cut = number.parse::<f64>().ok()? as i64;
    (cut > i64::MIN && cut < i64::MAX).then_some(cut)
}

/// What stands between the quotes of a string that is known to be well-formed. Half of a surrogate pair, which no text
/// can hold, becomes U+FFFD.
fn unescape(escaped: &str) -> Cow<'_, str> {
    if !escaped.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(escaped);
    }
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut characters = after.chars();
        let escape = characters.next().unwrap_or('\\');
        rest = characters.as_str();
        match escape {
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'u' => {
                let (character, len) = code_point(rest);
                text.push(character);
                rest = rest.get(len..).unwrap_or_default();
            }
            itself => text.push(itself),
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character that the hexadecimal digits behind a `\u` say, those of a second `\u` included where it takes two, and
/// how many bytes they are.
fn code_point(digits: &str) -> (char, usize) {
    let unit = |from: usize| digits.get(from..from + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let first = unit(0).unwrap_or(0xfffd);
    if let Some(character) = char::from_u32(first.into()) {
        return (character, 4);
    }
    let second = digits.get(4..6).filter(|escape| *escape == "\\u").and_then(|_| unit(6));
    match char::decode_utf16([first, second.unwrap_or(0)]).next() {
        Some(Ok(character)) => (character, 10),
        _ => (char::REPLACEMENT_CHARACTER, 4),
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
                b"leaseInfo" => {
                    lease = map.next_value::<Nullable<LeaseValue>>()?.0.map_or_else(unset_lease, |value| value.0);
                }
                b"metadata" => info.metadata = map.next_value::<Nullable<MetadataValue>>()?.0.unwrap_or_default().0,
                b"port" => info.port = map.next_value_seed(PortSeed(Port::DEFAULT))?,
                b"securePort" => info.secure_port = map.next_value_seed(PortSeed(Port::DEFAULT_SECURE))?,
                b"dataCenterInfo" => {
                    info.data_center_info = map.next_value::<Nullable<DataCenterValue>>()?.0.map(|value| value.0);
                }
                key => set_scalar(&mut info, &mut app, key, map.next_value()?, self.now).map_err(A::Error::custom)?,
            }
        }
        info.lease = lease.durations;
        info.app = AppName::new(&app.ok_or_else(|| A::Error::custom("there is no `app`"))?);
        take_id_from_metadata(&mut info);
        Ok((info, lease))
    }
}

/// Sets what a key has as text, number or boolean. A key that means nothing is skipped with all its value holds
/// (quirk 29: the Java server walks into it).
fn set_scalar<'de>(
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
fn status(value: &Scalar<'_>, missing: InstanceStatus) -> InstanceStatus {
    match value {
        Scalar::Null => missing,
        Scalar::Text(name) => InstanceStatus::from_name(name).unwrap_or(InstanceStatus::Unknown),
        Scalar::Number(_) | Scalar::Boolean(_) => InstanceStatus::Unknown,
    }
}

/// Spring's addition (`CloudJacksonJson.updateIfNeeded`): without an id the metadata may hold one.
fn take_id_from_metadata(info: &mut InstanceInfo) {
    if info.instance_id.is_none()
        && let Some(id) = info.metadata.get("instanceId").filter(|id| !id.trim().is_empty())
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
                b"$" => port.number = value.int().map_err(A::Error::custom)?.unwrap_or(0),
                b"@enabled" => port.enabled = value.boolean(),
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
                let mut entries: Vec<(SmolStr, SmolStr)> = Vec::new();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    let value: Scalar<'_> = map.next_value()?;
                    if *key.0 != *b"@class" {
                        entries.push((key.text(), value.text().unwrap_or_else(|| "null".into())));
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

/// A list, or a single element in its place, as older servers write lists of one.
struct ListSeed<S>(S);

impl<'de, S: DeserializeSeed<'de> + Clone> DeserializeSeed<'de> for ListSeed<S> {
    type Value = Vec<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
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

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.deserialize(MapAccessDeserializer::new(map)).map(|element| vec![element])
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
