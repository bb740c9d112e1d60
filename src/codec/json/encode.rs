//! JSON encoders. Keys, types and order are those of the recordings (src/PROTOCOL.md, sections 2.1 to 2.5).

use crate::codec::Detail;
use crate::codec::facts::{self, WireFacts, WireTombstone};
use crate::codec::java::{AMAZON_CLASS, DEFAULT_DATA_CENTER_CLASS, EMPTY_MAP_CLASS, is_compact_amazon_key};
use crate::model::{
    Action, DataCenterInfo, Heard, InstanceInfo, InstanceStatus, LeaseInfo, Metadata, Port, Record,
    ReplicationInstanceResponse, Tombstone,
};
use crate::time::Timestamp;

pub(crate) fn instance_document(info: &InstanceInfo, lease: &LeaseInfo, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"instance\":");
    instance(info, lease, out);
    out.push(b'}');
}

pub(crate) fn instance(info: &InstanceInfo, lease: &LeaseInfo, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.optional("instanceId", info.instance_id.as_deref());
    object.text("hostName", &info.host_name);
    object.text("app", info.app.as_str());
    object.text("ipAddr", &info.ip_addr);
    object.optional("sid", info.sid.as_deref());
    object.text("status", info.status.name());
    object.text("overriddenStatus", info.overridden_status.name());
    object.port("port", info.port);
    object.port("securePort", info.secure_port);
    object.number("countryId", info.country_id.into());
    object.data_center_info(info.data_center_info.as_ref(), |_| true);
    object.lease_info(lease);
    object.metadata(&info.metadata);
    object.optional("appGroupName", info.app_group_name.as_deref());
    object.optional("homePageUrl", info.home_page_url.as_deref());
    object.optional("statusPageUrl", info.status_page_url.as_deref());
    object.optional("healthCheckUrl", info.health_check_url.as_deref());
    object.optional("secureHealthCheckUrl", info.secure_health_check_url.as_deref());
    object.optional("vipAddress", info.vip_address.as_deref());
    object.optional("secureVipAddress", info.secure_vip_address.as_deref());
    object.text("isCoordinatingDiscoveryServer", boolean(info.is_coordinating_discovery_server));
    object.number_as_text("lastUpdatedTimestamp", info.last_updated);
    object.number_as_text("lastDirtyTimestamp", info.last_dirty);
    object.optional("actionType", info.action_type.map(|action| action.name()));
    object.optional("asgName", info.asg_name.as_deref());
    object.close();
}

pub(crate) fn compact_instance(info: &InstanceInfo, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.optional("instanceId", info.instance_id.as_deref());
    object.text("app", info.app.as_str());
    object.text("ipAddr", &info.ip_addr);
    object.optional("vipAddress", info.vip_address.as_deref());
    object.optional("secureVipAddress", info.secure_vip_address.as_deref());
    object.data_center_info(info.data_center_info.as_ref(), is_compact_amazon_key);
    object.text("hostName", &info.host_name);
    object.text("status", info.status.name());
    object.number("lastUpdatedTimestamp", info.last_updated.0);
    object.optional("actionType", info.action_type.map(|action| action.name()));
    object.optional("asgName", info.asg_name.as_deref());
    object.port("port", info.port);
    object.port("securePort", info.secure_port);
    object.close();
}

pub(crate) fn application_open(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"name\":");
    string(name, out);
    out.extend_from_slice(b",\"instance\":[");
}

pub(crate) fn applications_open(detail: Detail, versions_delta: &str, apps_hashcode: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"applications\":{");
    if detail == Detail::Full {
        versions(versions_delta, apps_hashcode, out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"application\":[");
}

pub(crate) fn applications_close(detail: Detail, versions_delta: &str, apps_hashcode: &str, out: &mut Vec<u8>) {
    out.push(b']');
    if detail == Detail::Compact {
        out.push(b',');
        versions(versions_delta, apps_hashcode, out);
    }
    out.extend_from_slice(b"}}");
}

fn versions(versions_delta: &str, apps_hashcode: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"versions__delta\":");
    string(versions_delta, out);
    out.extend_from_slice(b",\"apps__hashcode\":");
    string(apps_hashcode, out);
}

pub(crate) fn replication_response(responses: &[ReplicationInstanceResponse], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"responseList\":[");
    for (at, response) in responses.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let mut object = Object::open(out);
        object.number("statusCode", response.status_code.into());
        if let Some((info, lease)) = &response.response_entity {
            object.key("responseEntity");
            instance(info, lease, object.out);
        }
        object.close();
    }
    out.extend_from_slice(b"]}");
}

/// One item of a batch to send: what is `None` is left out (src/PROTOCOL.md, section 9.2).
#[derive(Clone, Copy, Debug)]
pub struct ReplicationItem<'a> {
    /// What to do.
    pub action: Action,
    /// The application.
    pub app: &'a str,
    /// The instance's id.
    pub id: &'a str,
    /// The version of the instance's data.
    pub last_dirty: Option<Timestamp>,
    /// The override, in a heartbeat.
    pub overridden_status: Option<InstanceStatus>,
    /// The status.
    pub status: Option<InstanceStatus>,
    /// The instance, in a registration.
    pub instance: Option<(&'a InstanceInfo, &'a LeaseInfo)>,
    /// The stamps, for one of our own replicas.
    pub known: Option<KnownItem<'a>>,
    /// The name of the user who made the change, for one of our own replicas.
    pub user: Option<&'a str>,
    /// Why, likewise.
    pub reason: Option<&'a str>,
}

/// What only our own replicas are sent ([`crate::model::Known`]).
#[derive(Clone, Copy, Debug)]
pub enum KnownItem<'a> {
    /// It is registered; [`ReplicationItem::instance`] is the record's.
    Registered(&'a Record, Heard),
    /// It was cancelled.
    Cancelled(&'a Tombstone),
    /// It renewed.
    Renewed(Timestamp),
}

/// Appends a batch.
pub fn replication_list<'a>(items: impl IntoIterator<Item = ReplicationItem<'a>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"replicationList\":[");
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        replication_item(&item, out);
    }
    out.extend_from_slice(b"]}");
}

fn replication_item(item: &ReplicationItem<'_>, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.text("appName", item.app);
    object.text("id", item.id);
    if let Some(last_dirty) = item.last_dirty {
        object.number("lastDirtyTimestamp", last_dirty.0);
    }
    object.optional("overriddenStatus", item.overridden_status.map(InstanceStatus::name));
    object.optional("status", item.status.map(InstanceStatus::name));
    if let Some((info, lease)) = item.instance {
        object.key("instanceInfo");
        instance(info, lease, object.out);
    }
    object.text("action", item.action.name());
    object.optional("user", item.user);
    object.optional("reason", item.reason);
    match item.known {
        Some(KnownItem::Registered(record, heard)) => {
            object.key("facts");
            facts::write(&WireFacts::new(record, heard), object.out);
        }
        Some(KnownItem::Cancelled(tombstone)) => {
            object.key("tombstone");
            facts::write(&WireTombstone::new(tombstone), object.out);
        }
        // Most items are these: one member instead of an object.
        Some(KnownItem::Renewed(at)) => object.number("heard", at.0),
        None => {}
    }
    object.close();
}

/// An object being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    fn close(self) {
        self.out.push(b'}');
    }

    /// Writes a key that needs no escaping.
    fn key(&mut self, key: &str) {
        self.out.extend_from_slice(if self.empty { b"\"" } else { b",\"" });
        self.empty = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        string(value, self.out);
    }

    fn optional(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn number(&mut self, key: &str, value: i64) {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn number_as_text(&mut self, key: &str, value: Timestamp) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(itoa::Buffer::new().format(value.0).as_bytes());
        self.out.push(b'"');
    }

    fn port(&mut self, key: &str, port: Port) {
        self.key(key);
        let mut object = Object::open(self.out);
        object.number("$", port.number.into());
        object.text("@enabled", boolean(port.enabled));
        object.close();
    }

    fn data_center_info(&mut self, info: Option<&DataCenterInfo>, keep: impl Fn(&str) -> bool) {
        let Some(info) = info else { return };
        self.key("dataCenterInfo");
        let mut object = Object::open(self.out);
        match info {
            DataCenterInfo::MyOwn | DataCenterInfo::Netflix | DataCenterInfo::Unnamed => {
                object.text("@class", DEFAULT_DATA_CENTER_CLASS);
                object.text("name", if *info == DataCenterInfo::Netflix { "Netflix" } else { "MyOwn" });
            }
            DataCenterInfo::Amazon(metadata) => {
                object.text("@class", AMAZON_CLASS);
                object.text("name", "Amazon");
                object.key("metadata");
                entries(metadata.iter().filter(|(key, _)| keep(key)), object.out);
            }
        }
        object.close();
    }

    fn lease_info(&mut self, lease: &LeaseInfo) {
        self.key("leaseInfo");
        let mut object = Object::open(self.out);
        object.number("renewalIntervalInSecs", lease.durations.renewal_interval_secs.into());
        object.number("durationInSecs", lease.durations.duration_secs.into());
        object.number("registrationTimestamp", lease.registration.0);
        object.number("lastRenewalTimestamp", lease.last_renewal.0);
        object.number("evictionTimestamp", lease.eviction.0);
        object.number("serviceUpTimestamp", lease.service_up.0);
        object.close();
    }

    fn metadata(&mut self, metadata: &Metadata) {
        self.key("metadata");
        if metadata.is_empty() {
            let mut object = Object::open(self.out);
            object.text("@class", EMPTY_MAP_CLASS);
            object.close();
        } else {
            entries(metadata.iter(), self.out);
        }
    }
}

fn entries<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(key, out);
        out.push(b':');
        string(value, out);
    }
    out.push(b'}');
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// A string, escaped where JSON demands it and nowhere else, as Jackson writes it.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(control >> 4)]);
                out.push(HEX[usize::from(control & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}
