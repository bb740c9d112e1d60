//! The XML decoder. src/PROTOCOL.md, section 2.7, describes which values are accepted and how odd ones are read.
//!
//! It accepts only what a registration needs: no document type, so no entities but XML's own five and numeric characters;
//! elements up to the depth [`DEEPEST`], and at most [`MOST_ELEMENTS`].

use std::borrow::Cow;
use std::str;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use smol_str::SmolStr;

use super::name;
use crate::codec::CodecError;
use crate::codec::listing::{Listed, Listing};
use crate::model::{
    ActionType, AppName, DataCenterInfo, InstanceInfo, InstanceStatus, LeaseDurations, LeaseInfo, Metadata, Port,
};
use crate::time::Timestamp;

/// Maximum depth of an element. No registration is this deep.
const DEEPEST: usize = 32;
/// Maximum number of elements. No registration has this many. An element takes thirty times the bytes of `<a/>`.
const MOST_ELEMENTS: usize = 10_000;

/// Maximum number of attributes of an element. No registration has this many.
const MOST_ATTRIBUTES: usize = 16;

pub(crate) fn instance_document(body: &[u8], now: Timestamp) -> Result<InstanceInfo, CodecError> {
    let root = Element::parse(&text(body)?)?;
    if root.name != "instance" {
        return Err(failure("the root element must be `instance`"));
    }
    let info = instance(&root, now)?;
    info.check_size()?;
    Ok(info)
}

/// The path of each instance in a list of applications.
const INSTANCE: [&str; 3] = ["applications", "application", "instance"];

pub(crate) fn listing(body: &[u8], now: Timestamp) -> Result<Listing, CodecError> {
    let document = text(body)?;
    let mut reader = Reader::from_str(&document);
    reader.config_mut().expand_empty_elements = true;
    let (mut listing, mut path, mut begin) = (Listing::default(), Vec::<String>::new(), 0);
    let (mut application, mut has_root) = (String::new(), false);
    loop {
        let before = reader.buffer_position();
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                if path.len() == DEEPEST {
                    return Err(failure("it is nested too deeply"));
                }
                path.push(start.name().as_ref().to_owned());
                has_root = true;
                match path.len() {
                    1 if path[0] != INSTANCE[0] => return Err(failure("the root element must be `applications`")),
                    2 => application.clear(),
                    3 => begin = before,
                    _ => {}
                }
            }
            Ok(Event::End(_)) => {
                if path == INSTANCE {
                    let range = usize::try_from(begin).ok().zip(usize::try_from(reader.buffer_position()).ok());
                    let part = range.and_then(|(begin, end)| document.get(begin..end)).unwrap_or_default();
                    list_instance(part, &application, now, &mut listing);
                }
                path.pop();
            }
            Ok(Event::Text(text)) => match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["applications", "apps__hashcode"] => listing.apps_hashcode = Some(text.xml10_content().trim().into()),
                ["applications", "application", "name"] => application.push_str(&text.xml10_content()),
                _ => {}
            },
            Ok(Event::DocType(_)) => return Err(failure("a document type is not accepted")),
            Ok(Event::Eof) if path.is_empty() && has_root => return Ok(listing),
            Ok(Event::Eof) => return Err(failure("it ends too early")),
            Ok(_) => {}
            Err(_quotes_the_body) => return Err(failure(&format!("byte {}: not XML", reader.error_position()))),
        }
    }
}

fn list_instance(part: &str, application: &str, now: Timestamp, listing: &mut Listing) {
    let decoded = Element::parse(part).and_then(|root| {
        let info = instance(&root, now)?;
        info.check_size()?;
        Ok((info, lease(&root)))
    });
    match decoded {
        Ok((info, lease)) => listing.listed.push(Listed { application: AppName::new(application), info, lease }),
        Err(error) => listing.refuse(application, "", error),
    }
}

fn lease(instance: &Element) -> LeaseInfo {
    let element = instance.child("leaseInfo");
    let number =
        |name: &str| element.and_then(|lease| lease.child(name)).and_then(|child| child.text.trim().parse().ok());
    let secs = |name: &str| number(name).and_then(|secs: i64| i32::try_from(secs).ok());
    let time = |name: &str| number(name).map_or(Timestamp::NEVER, Timestamp);
    LeaseInfo {
        durations: LeaseDurations::from_sent(secs("renewalIntervalInSecs"), secs("durationInSecs")),
        registration: time("registrationTimestamp"),
        last_renewal: time("lastRenewalTimestamp"),
        eviction: time("evictionTimestamp"),
        service_up: time("serviceUpTimestamp"),
    }
}

/// Whether this is a well-formed document, whatever its content is.
#[cfg(test)]
pub(crate) fn well_formed(document: &str) -> Result<(), CodecError> {
    Element::parse(document).map(drop)
}

/// The document's text: UTF-8, or Latin-1 where its declaration says so.
fn text(body: &[u8]) -> Result<Cow<'_, str>, CodecError> {
    let declaration = body.split(|byte| *byte == b'>').next().filter(|first| first.starts_with(b"<?xml"));
    let declaration = String::from_utf8_lossy(declaration.unwrap_or_default()).to_ascii_lowercase();
    if declaration.contains("iso-8859-1") {
        return Ok(body.iter().copied().map(char::from).collect());
    }
    str::from_utf8(body).map(Cow::Borrowed).map_err(|_not_utf8| failure("it is not UTF-8"))
}

fn instance(element: &Element, now: Timestamp) -> Result<InstanceInfo, CodecError> {
    let text = |name: &str| element.child(name).map(|child| SmolStr::from(child.text.as_str()));
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
        info.port = Port { number: integer(port)?, enabled: port.enabled.as_deref() != Some("false") };
    }
    if let Some(port) = element.child("securePort") {
        info.secure_port = Port { number: integer(port)?, enabled: port.enabled.as_deref() == Some("true") };
    }
    if let Some(country) = element.child("countryId") {
        info.country_id = integer(country)?;
    }
    info.data_center_info = element.child("dataCenterInfo").map_or(Ok(None), data_center_info)?;
    if let Some(lease) = element.child("leaseInfo") {
        let secs = |name: &str| lease.child(name).and_then(|child| child.text.trim().parse().ok());
        info.lease = LeaseDurations::from_sent(secs("renewalIntervalInSecs"), secs("durationInSecs"));
    }
    info.metadata = element.child("metadata").map(metadata).unwrap_or_default();
    info.app_group_name = text("appGroupName");
    info.home_page_url = text("homePageUrl");
    info.status_page_url = text("statusPageUrl");
    info.health_check_url = text("healthCheckUrl");
    info.secure_health_check_url = text("secureHealthCheckUrl");
    info.vip_address = text("vipAddress");
    info.secure_vip_address = text("secureVipAddress");
    info.is_coordinating_discovery_server =
        element.child("isCoordinatingDiscoveryServer").is_some_and(|child| child.text == "true");
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
fn data_center_info(element: &Element) -> Result<Option<DataCenterInfo>, CodecError> {
    let Some(name) = element.child("name") else { return Ok(None) };
    match name.text.as_str() {
        "MyOwn" => Ok(Some(DataCenterInfo::MyOwn)),
        "Netflix" => Ok(Some(DataCenterInfo::Netflix)),
        amazon if amazon.eq_ignore_ascii_case("amazon") => {
            Ok(Some(DataCenterInfo::Amazon(element.child("metadata").map(metadata).unwrap_or_default())))
        }
        _ => Err(failure("dataCenterInfo has an unknown `name`")),
    }
}

fn metadata(element: &Element) -> Metadata {
    element.children.iter().map(|child| (name::decode(&child.name), child.text.as_str())).collect()
}

/// An element: small documents are read as a whole before they are interpreted.
#[derive(Debug, Default)]
struct Element {
    name: String,
    /// The only attribute that has a meaning.
    enabled: Option<String>,
    text: String,
    children: Vec<Self>,
}

impl Element {
    fn parse(document: &str) -> Result<Self, CodecError> {
        let mut reader = Reader::from_str(document);
        reader.config_mut().expand_empty_elements = true;
        let (mut open, mut elements): (Vec<Self>, usize) = (Vec::new(), 0);
        let mut root = None;
        loop {
            match reader.read_event() {
                Ok(Event::Start(start)) => {
                    elements += 1;
                    if elements > MOST_ELEMENTS {
                        return Err(failure(&format!("it has more than {MOST_ELEMENTS} elements")));
                    }
                    if open.len() == DEEPEST || root.is_some() {
                        return Err(failure("it is nested too deeply, or has two roots"));
                    }
                    open.push(Self::started(&start)?);
                }
                Ok(Event::End(_)) => {
                    let Some(element) = open.pop() else { return Err(failure("an end without a start")) };
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => root = Some(element),
                    }
                }
                Ok(Event::Text(text)) => append(&mut open, &text.xml10_content())?,
                Ok(Event::CData(text)) => append(&mut open, &text.xml10_content())?,
                Ok(Event::GeneralRef(reference)) => {
                    append(&mut open, character(&reference)?.encode_utf8(&mut [0; 4]))?;
                }
                Ok(Event::DocType(_)) => return Err(failure("a document type is not accepted")),
                Ok(Event::Eof) => break,
                Ok(Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_)) => {}
                Err(_quotes_the_body) => return Err(failure(&format!("byte {}: not XML", reader.error_position()))),
            }
        }
        root.filter(|_| open.is_empty()).ok_or_else(|| failure("it ends too early"))
    }

    fn started(start: &BytesStart<'_>) -> Result<Self, CodecError> {
        let mut element = Self { name: start.name().as_ref().to_owned(), ..Self::default() };
        // Each is compared with those before it, so a thousand would take as long as a million.
        for (at, attribute) in start.attributes().enumerate() {
            if at == MOST_ATTRIBUTES {
                return Err(failure(&format!("an element has more than {MOST_ATTRIBUTES} attributes")));
            }
            let attribute = attribute.map_err(|_quotes_the_body| failure("an element has a broken attribute"))?;
            if attribute.key.as_ref() == "enabled" {
                element.enabled = Some(attribute.value.into_owned());
            }
        }
        Ok(element)
    }

    /// The last child of this name, as in JSON the last of two equal keys wins.
    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().rev().find(|child| child.name == name)
    }
}

/// Appends text to the element it stands in. Beside the root there is only white space.
fn append(open: &mut [Element], text: &str) -> Result<(), CodecError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{feff}').is_empty() => {}
        None => return Err(failure("text stands outside the document")),
    }
    Ok(())
}

fn character(reference: &BytesRef<'_>) -> Result<char, CodecError> {
    let by_number =
        reference.resolve_char_ref().map_err(|_no_character| failure("a character reference is not valid"))?;
    match by_number {
        Some(character @ ('\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)) => return Ok(character),
        Some(_) => return Err(failure("a reference to a character that XML does not have")),
        None => {}
    }
    match &*reference.xml10_content() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(failure("an entity that XML does not define is not accepted")),
    }
}

fn failure(what: &str) -> CodecError {
    CodecError::Xml(what.to_owned())
}

#[cfg(test)]
mod tests;
