//! The XML decoder. What is accepted, and what an odd value becomes, is protocol.md 2.11.
//!
//! Only what a registration can be: no document type, so no entities but XML's own five and characters by number; an
//! element lies no deeper than [`DEEPEST`].

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::name;
use crate::codec::CodecError;
use crate::model::{ActionType, AppName, DataCenterInfo, InstanceInfo, InstanceStatus, LeaseDurations, Metadata, Port};
use crate::time::Timestamp;

/// No element of a registration lies this deep.
const DEEPEST: usize = 32;

pub(crate) fn instance_document(body: &[u8], now: Timestamp) -> Result<InstanceInfo, CodecError> {
    let text = std::str::from_utf8(body).map_err(|_not_utf8| failure("it is not UTF-8"))?;
    let root = Element::parse(text)?;
    if root.name != "instance" {
        return Err(failure("the document is no `instance`"));
    }
    instance(&root, now)
}

fn instance(element: &Element, now: Timestamp) -> Result<InstanceInfo, CodecError> {
    let text = |name: &str| element.child(name).map(|child| Box::from(child.text.as_str()));
    let app = text("app").ok_or_else(|| failure("there is no `app`"))?;
    let mut info = InstanceInfo::new(AppName::new(&app), "", "", now);
    info.instance_id = text("instanceId");
    info.host_name = text("hostName").unwrap_or_default();
    info.ip_addr = text("ipAddr").unwrap_or_default();
    info.sid = text("sid").filter(|sid| !matches!(&**sid, "na" | "unknown"));
    info.status = element.child("status").map_or(InstanceStatus::Up, status);
    let overridden = element.child("overriddenstatus").or_else(|| element.child("overriddenStatus"));
    info.overridden_status = overridden.map_or(InstanceStatus::Unknown, status);
    if let Some(port) = element.child("port") {
        info.port = Port { number: integer(port)?, enabled: port.attribute("enabled") != Some("false") };
    }
    if let Some(port) = element.child("securePort") {
        info.secure_port = Port { number: integer(port)?, enabled: port.attribute("enabled") == Some("true") };
    }
    if let Some(country) = element.child("countryId") {
        info.country_id = integer(country)?;
    }
    info.data_center_info = element.child("dataCenterInfo").map(data_center_info).transpose()?;
    if let Some(lease) = element.child("leaseInfo") {
        let secs = |name: &str| lease.child(name).and_then(|child| child.text.trim().parse().ok());
        info.lease = LeaseDurations::from_sent(secs("renewalIntervalInSecs"), secs("durationInSecs"));
    }
    info.metadata = element.child("metadata").map(metadata).unwrap_or_default();
    info.app_group_name = text("appGroupName");
    info.home_page_url = text("homePageUrl");
    info.status_page_url = text("statusPageUrl");
    info.health_check_url = text("healthCheckUrl");
    info.secure_health_check_url = text("secureHealthCheckUrl").filter(|url| !url.is_empty());
    info.vip_address = text("vipAddress");
    info.secure_vip_address = text("secureVipAddress");
    let time = |name: &str| element.child(name).and_then(|child| child.text.trim().parse().ok()).map(Timestamp);
    info.last_updated = time("lastUpdatedTimestamp").unwrap_or(now);
    info.last_dirty = time("lastDirtyTimestamp").unwrap_or(now);
    info.action_type = element.child("actionType").and_then(|child| ActionType::from_name(&child.text));
    info.asg_name = text("asgName");
    Ok(info)
}

/// A status in any case (`InstanceStatus.toEnum`); an unknown one is UNKNOWN.
fn status(element: &Element) -> InstanceStatus {
    InstanceStatus::from_name(&element.text.to_uppercase()).unwrap_or(InstanceStatus::Unknown)
}

fn integer(element: &Element) -> Result<i32, CodecError> {
    element.text.trim().parse().map_err(|_not_a_number| failure(&format!("`{}` is no number", element.name)))
}

/// The name decides, not the class attribute, which may be missing.
fn data_center_info(element: &Element) -> Result<DataCenterInfo, CodecError> {
    let Some(name) = element.child("name") else { return Ok(DataCenterInfo::Unnamed) };
    match name.text.as_str() {
        "MyOwn" => Ok(DataCenterInfo::MyOwn),
        "Netflix" => Ok(DataCenterInfo::Netflix),
        amazon if amazon.eq_ignore_ascii_case("amazon") => {
            Ok(DataCenterInfo::Amazon(element.child("metadata").map(metadata).unwrap_or_default()))
        }
        _ => Err(failure("dataCenterInfo has an unknown `name`")),
    }
}

fn metadata(element: &Element) -> Metadata {
    element.children.iter().map(|child| (name::decode(&child.name), child.text.as_str())).collect()
}

/// An element as it stands: small documents are read whole before anything is made of them.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Self>,
}

impl Element {
    fn parse(document: &str) -> Result<Self, CodecError> {
        let mut reader = Reader::from_str(document);
        reader.config_mut().expand_empty_elements = true;
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        loop {
            let event = reader.read_event().map_err(|error| failure(&error.to_string()))?;
            match event {
                Event::Start(start) => {
                    if open.len() == DEEPEST || root.is_some() {
                        return Err(failure("it is nested too deeply, or has two roots"));
                    }
                    open.push(Self::started(&start)?);
                }
                Event::End(_) => {
                    let Some(element) = open.pop() else { return Err(failure("an end without a start")) };
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => root = Some(element),
                    }
                }
                Event::Text(text) => append(&mut open, &text.xml10_content()),
                Event::CData(text) => append(&mut open, &text.xml10_content()),
                Event::GeneralRef(reference) => append(&mut open, character(&reference)?.encode_utf8(&mut [0; 4])),
                Event::DocType(_) => return Err(failure("a document type is not accepted")),
                Event::Eof => break,
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
        root.filter(|_| open.is_empty()).ok_or_else(|| failure("it ends too early"))
    }

    fn started(start: &BytesStart<'_>) -> Result<Self, CodecError> {
        let mut element = Self { name: start.name().as_ref().to_owned(), ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| failure(&error.to_string()))?;
            element.attributes.push((attribute.key.as_ref().to_owned(), attribute.value.into_owned()));
        }
        Ok(element)
    }

    /// The last child of this name, as in JSON the last of two equal keys wins.
    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().rev().find(|child| child.name == name)
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn character(reference: &BytesRef<'_>) -> Result<char, CodecError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| failure(&error.to_string()))? {
        return Ok(character);
    }
    match &*reference.xml10_content() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(failure("an entity of its own is not accepted")),
    }
}

fn failure(what: &str) -> CodecError {
    CodecError::Xml(what.to_owned())
}
