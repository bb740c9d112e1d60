//! XML encoders. Elements, their order and the indentation are those of the recordings
//! (src/PROTOCOL.md, section 2.8).
//!
//! The status of a single instance is written as it is; the Java server writes DOWN for `OUT_OF_SERVICE` there (quirk 28), which
//! helps no reader.

use super::name;
use crate::codec::java::{AMAZON_CLASS, DEFAULT_DATA_CENTER_CLASS, EMPTY_MAP_CLASS, is_compact_amazon_key};
use crate::codec::{Detail, Nesting};
use crate::model::{DataCenterInfo, InstanceInfo, LeaseInfo, Metadata, Port, ReplicationInstanceResponse};

pub(crate) fn instance_document(info: &InstanceInfo, lease: &LeaseInfo, out: &mut Vec<u8>) {
    Writer { out, indent: Some(0) }.instance("instance", info, lease);
    out.pop(); // the document ends without a line end
}

pub(crate) fn instance(nesting: Nesting, info: &InstanceInfo, lease: &LeaseInfo, out: &mut Vec<u8>) {
    let indent = match nesting {
        Nesting::InApplications => 2,
        Nesting::InApplication => 1,
    };
    Writer { out, indent: Some(indent) }.instance("instance", info, lease);
}

/// In the server's status, where the element has another name.
pub(crate) fn instance_info(info: &InstanceInfo, lease: &LeaseInfo, out: &mut Vec<u8>) {
    Writer { out, indent: Some(1) }.instance("instanceInfo", info, lease);
}

pub(crate) fn compact_instance(info: &InstanceInfo, out: &mut Vec<u8>) {
    Writer { out, indent: None }.compact_instance(info);
}

pub(crate) fn application_open(detail: Detail, nesting: Nesting, name: &str, out: &mut Vec<u8>) {
    let mut writer = application_writer(detail, nesting, out);
    writer.open("application", None);
    writer.text("name", name);
}

pub(crate) fn application_close(detail: Detail, nesting: Nesting, out: &mut Vec<u8>) {
    let mut writer = application_writer(detail, nesting, out);
    writer.indent = writer.indent.map(|indent| indent + 1);
    writer.close("application");
    if detail == Detail::Full && nesting == Nesting::InApplication {
        out.pop();
    }
}

fn application_writer(detail: Detail, nesting: Nesting, out: &mut Vec<u8>) -> Writer<'_> {
    let indent = match (detail, nesting) {
        (Detail::Compact, _) => None,
        (Detail::Full, Nesting::InApplications) => Some(1),
        (Detail::Full, Nesting::InApplication) => Some(0),
    };
    Writer { out, indent }
}

pub(crate) fn applications_open(detail: Detail, versions_delta: &str, apps_hashcode: &str, out: &mut Vec<u8>) {
    let mut writer = Writer { out, indent: (detail == Detail::Full).then_some(0) };
    writer.open("applications", None);
    if detail == Detail::Full {
        writer.versions(versions_delta, apps_hashcode);
    }
}

pub(crate) fn applications_close(detail: Detail, versions_delta: &str, apps_hashcode: &str, out: &mut Vec<u8>) {
    if detail == Detail::Compact {
        Writer { out, indent: None }.versions(versions_delta, apps_hashcode);
    }
    out.extend_from_slice(b"</applications>");
}

pub(crate) fn replication_response(responses: &[ReplicationInstanceResponse], out: &mut Vec<u8>) {
    const ROOT: &str = "com.netflix.eureka.cluster.protocol.ReplicationListResponse";
    const ITEM: &str = "com.netflix.eureka.cluster.protocol.ReplicationInstanceResponse";
    let mut writer = Writer { out, indent: Some(0) };
    writer.open(ROOT, None);
    writer.open("responseList", None);
    for response in responses {
        writer.open(ITEM, None);
        writer.number("statusCode", response.status_code.into());
        if let Some((info, lease)) = &response.response_entity {
            writer.instance("responseEntity", info, lease);
        }
        writer.close(ITEM);
    }
    writer.close("responseList");
    writer.close(ROOT);
    out.pop();
}

/// Writes elements, one a line and indented, or without any white space.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    indent: Option<usize>,
}

impl Writer<'_> {
    fn instance(&mut self, element: &str, info: &InstanceInfo, lease: &LeaseInfo) {
        self.open(element, None);
        self.optional("instanceId", info.instance_id.as_deref());
        self.text("hostName", &info.host_name);
        self.text("app", info.app.as_str());
        self.text("ipAddr", &info.ip_addr);
        self.optional("sid", info.sid.as_deref());
        self.text("status", info.status.name());
        self.text("overriddenstatus", info.overridden_status.name());
        self.port("port", info.port);
        self.port("securePort", info.secure_port);
        self.number("countryId", info.country_id.into());
        self.data_center_info(info.data_center_info.as_ref());
        self.lease_info(lease);
        self.metadata(&info.metadata);
        self.optional("appGroupName", info.app_group_name.as_deref());
        self.optional("homePageUrl", info.home_page_url.as_deref());
        self.optional("statusPageUrl", info.status_page_url.as_deref());
        self.optional("healthCheckUrl", info.health_check_url.as_deref());
        self.optional("secureHealthCheckUrl", info.secure_health_check_url.as_deref());
        self.optional("vipAddress", info.vip_address.as_deref());
        self.optional("secureVipAddress", info.secure_vip_address.as_deref());
        self.text(
            "isCoordinatingDiscoveryServer",
            if info.is_coordinating_discovery_server { "true" } else { "false" },
        );
        self.number("lastUpdatedTimestamp", info.last_updated.0);
        self.number("lastDirtyTimestamp", info.last_dirty.0);
        self.optional("actionType", info.action_type.map(|action| action.name()));
        self.optional("asgName", info.asg_name.as_deref());
        self.close(element);
    }

    fn compact_instance(&mut self, info: &InstanceInfo) {
        self.open("instance", None);
        self.optional("instanceId", info.instance_id.as_deref());
        self.text("app", info.app.as_str());
        self.text("ipAddr", &info.ip_addr);
        self.optional("vipAddress", info.vip_address.as_deref());
        self.optional("secureVipAddress", info.secure_vip_address.as_deref());
        self.data_center_info(info.data_center_info.as_ref());
        self.text("hostName", &info.host_name);
        self.text("status", info.status.name());
        self.number("lastUpdatedTimestamp", info.last_updated.0);
        self.optional("actionType", info.action_type.map(|action| action.name()));
        self.optional("asgName", info.asg_name.as_deref());
        self.port("port", info.port);
        self.port("securePort", info.secure_port);
        self.close("instance");
    }

    fn versions(&mut self, versions_delta: &str, apps_hashcode: &str) {
        self.text("versions__delta", versions_delta);
        self.text("apps__hashcode", apps_hashcode);
    }

    fn data_center_info(&mut self, info: Option<&DataCenterInfo>) {
        let Some(info) = info else { return };
        match info {
            DataCenterInfo::MyOwn | DataCenterInfo::Netflix | DataCenterInfo::Unnamed => {
                self.open("dataCenterInfo", Some(("class", DEFAULT_DATA_CENTER_CLASS)));
                self.text("name", if *info == DataCenterInfo::Netflix { "Netflix" } else { "MyOwn" });
            }
            DataCenterInfo::Amazon(metadata) => {
                self.open("dataCenterInfo", Some(("class", AMAZON_CLASS)));
                self.text("name", "Amazon");
                if self.indent.is_some() {
                    self.metadata(metadata);
                } else {
                    self.open("metadata", None);
                    self.entries(metadata.iter().filter(|(key, _)| is_compact_amazon_key(key)));
                    self.close("metadata");
                }
            }
        }
        self.close("dataCenterInfo");
    }

    fn lease_info(&mut self, lease: &LeaseInfo) {
        self.open("leaseInfo", None);
        self.number("renewalIntervalInSecs", lease.durations.renewal_interval_secs.into());
        self.number("durationInSecs", lease.durations.duration_secs.into());
        self.number("registrationTimestamp", lease.registration.0);
        self.number("lastRenewalTimestamp", lease.last_renewal.0);
        self.number("evictionTimestamp", lease.eviction.0);
        self.number("serviceUpTimestamp", lease.service_up.0);
        self.close("leaseInfo");
    }

    fn metadata(&mut self, metadata: &Metadata) {
        if metadata.is_empty() {
            self.begin_line();
            self.out.extend_from_slice(b"<metadata class=\"");
            self.out.extend_from_slice(EMPTY_MAP_CLASS.as_bytes());
            self.out.extend_from_slice(b"\"/>");
            self.end_line();
        } else {
            self.open("metadata", None);
            self.entries(metadata.iter());
            self.close("metadata");
        }
    }

    /// Entries as elements. One without a name cannot be an element and is left out; JSON has it.
    fn entries<'a>(&mut self, entries: impl Iterator<Item = (&'a str, &'a str)>) {
        for (key, value) in entries.filter(|(key, _)| !key.is_empty()) {
            self.begin_line();
            self.out.push(b'<');
            let start = self.out.len();
            name::encode(key, self.out);
            let end = self.out.len();
            self.out.push(b'>');
            escape(value, self.out);
            self.out.extend_from_slice(b"</");
            self.out.extend_from_within(start..end);
            self.out.push(b'>');
            self.end_line();
        }
    }

    fn port(&mut self, element: &str, port: Port) {
        self.begin_line();
        self.out.push(b'<');
        self.out.extend_from_slice(element.as_bytes());
        self.out.extend_from_slice(if port.enabled { b" enabled=\"true\">" } else { b" enabled=\"false\">" });
        self.out.extend_from_slice(itoa::Buffer::new().format(port.number).as_bytes());
        self.end_tag(element);
    }

    fn number(&mut self, element: &str, value: i64) {
        self.tag(element);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.end_tag(element);
    }

    fn optional(&mut self, element: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(element, value);
        }
    }

    fn text(&mut self, element: &str, value: &str) {
        self.tag(element);
        escape(value, self.out);
        self.end_tag(element);
    }

    fn tag(&mut self, element: &str) {
        self.begin_line();
        self.out.push(b'<');
        self.out.extend_from_slice(element.as_bytes());
        self.out.push(b'>');
    }

    fn end_tag(&mut self, element: &str) {
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(element.as_bytes());
        self.out.push(b'>');
        self.end_line();
    }

    fn open(&mut self, element: &str, attribute: Option<(&str, &str)>) {
        self.begin_line();
        self.out.push(b'<');
        self.out.extend_from_slice(element.as_bytes());
        if let Some((name, value)) = attribute {
            self.out.push(b' ');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"=\"");
            self.out.extend_from_slice(value.as_bytes());
            self.out.push(b'"');
        }
        self.out.push(b'>');
        self.end_line();
        self.indent = self.indent.map(|indent| indent + 1);
    }

    fn close(&mut self, element: &str) {
        self.indent = self.indent.map(|indent| indent.saturating_sub(1));
        self.begin_line();
        self.end_tag(element);
    }

    fn begin_line(&mut self) {
        const SPACES: &[u8; 16] = b"                ";
        if let Some(indent) = self.indent {
            self.out.extend_from_slice(&SPACES[..(indent * 2).min(SPACES.len())]);
        }
    }

    fn end_line(&mut self) {
        if self.indent.is_some() {
            self.out.push(b'\n');
        }
    }
}

/// Text, escaped as XStream's `PrettyPrintWriter` escapes it. What XML 1.0 cannot carry at all (most control characters)
/// becomes U+FFFD: one client's metadata must not make the document unreadable.
fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let (replacement, len): (&[u8], usize) = match byte {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            b'"' => (b"&quot;", 1),
            b'\'' => (b"&apos;", 1),
            b'\r' => (b"&#xd;", 1),
            b'\t' | b'\n' => continue,
            0..=0x1f => ("\u{fffd}".as_bytes(), 1),
            0xef if bytes[at..].starts_with("\u{fffe}".as_bytes())
                || bytes[at..].starts_with("\u{ffff}".as_bytes()) =>
            {
                ("\u{fffd}".as_bytes(), 3)
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[written..at]);
        out.extend_from_slice(replacement);
        written = at + len;
    }
    out.extend_from_slice(&bytes[written..]);
}
