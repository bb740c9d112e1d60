//! What the fuzz targets share: a registry without a network, and the properties of every answer.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use eureka_registry::codec::{self, CodecError, Detail, Form, Media, Nesting};
use eureka_registry::http as registry_http;
use eureka_registry::model::{AppName, DataCenterInfo, InstanceInfo, LeaseInfo};
use eureka_registry::registry::{InstanceRegistry, Source};
use eureka_registry::server::{Node, Settings};
use eureka_registry::time::{Clock, Timestamp};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use quick_xml::events::Event;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::runtime::Runtime;

/// The time of everything.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Maximum length of a body that the registry under test reads.
pub const LIMIT: usize = 1 << 20;

/// The four forms in which the registry is read.
pub const FORMS: [Form; 4] = [
    Form { media: Media::Json, detail: Detail::Full },
    Form { media: Media::Json, detail: Detail::Compact },
    Form { media: Media::Xml, detail: Detail::Full },
    Form { media: Media::Xml, detail: Detail::Compact },
];

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());

/// A registry that answers calls without a socket.
pub struct Subject {
    node: Node,
    pub registry: Arc<InstanceRegistry>,
}

/// Its answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Default for Subject {
    fn default() -> Self {
        Self::with(|_| {})
    }
}

impl Subject {
    /// A registry with the instance `GOOD/good`.
    pub fn with(change: impl FnOnce(&mut registry_http::Options)) -> Self {
        // The tasks of the registry before this one end now, and free it: the runtime runs only while somebody waits.
        RUNTIME.block_on(tokio::task::yield_now());
        let mut settings = Settings::default();
        settings.http.max_body_bytes = LIMIT;
        change(&mut settings.http);
        let clock = Clock::system();
        let rng = SmallRng::seed_from_u64(0);
        let mut node = Node::build(&settings, ([127, 0, 0, 1], 8761).into(), None, None, clock, rng);
        RUNTIME.block_on(node.join());
        node.accept_traffic();
        let mut good = InstanceInfo::new(AppName::new("GOOD"), "good.local", "10.0.0.1", clock.now());
        good.instance_id = Some("good".into());
        good.vip_address = Some("good,better".into());
        node.registry().register(good, Source::Client, clock.now());
        Self { registry: Arc::clone(node.registry()), node }
    }

    /// Sends a request; `None` if there is no such request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Option<Answer> {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_vec())).ok()?;
        let answer = RUNTIME.block_on(async {
            let (parts, body) =
                self.node.service().handle(registry_http::Connection::default(), request).await.into_parts();
            let body = body.collect().await.unwrap().to_bytes().to_vec();
            Answer { status: parts.status, headers: parts.headers, body }
        });
        assert!(!answer.status.is_server_error() || answer.status == StatusCode::NOT_IMPLEMENTED, "{}", answer.status);
        if answer.header("content-encoding").is_empty() {
            assert_well_formed(answer.header("content-type"), &answer.body);
        }
        Some(answer)
    }

    /// Everything that other clients read is well-formed, whatever one of them sent, and is the same when compressed.
    pub fn assert_readable(&self) {
        for path in ["/eureka/apps", "/eureka/apps/delta", "/eureka/apps/GOOD", "/eureka/apps/GOOD/good"] {
            for (accept, detail) in [
                ("application/json", "full"),
                ("application/json", "compact"),
                ("application/xml", "full"),
                ("application/xml", "compact"),
            ] {
                let asked: [(&str, &[u8]); 2] = [("accept", accept.as_bytes()), ("x-eureka-accept", detail.as_bytes())];
                let plain = self.send("GET", path, &asked, b"").unwrap();
                if !path.starts_with("/eureka/apps/GOOD") {
                    assert_eq!(plain.status, StatusCode::OK, "{path}");
                    let zipped =
                        self.send("GET", path, &[asked[0], asked[1], ("accept-encoding", b"gzip")], b"").unwrap();
                    let inflated = codec::gunzip(&zipped.body, usize::MAX - 1).unwrap();
                    assert_well_formed(accept, &inflated);
                    // Every delta has another number, and the last renewal is as of when a page was encoded.
                    let text =
                        |body: &[u8]| body.iter().copied().filter(|byte| !byte.is_ascii_digit()).collect::<Vec<_>>();
                    assert_eq!(text(&inflated), text(&plain.body), "{path}");
                }
            }
        }
    }
}

/// The lease of an instance that was just registered.
pub fn lease(info: &InstanceInfo) -> LeaseInfo {
    LeaseInfo {
        durations: info.lease,
        registration: NOW,
        last_renewal: NOW,
        eviction: Timestamp::NEVER,
        service_up: NOW,
    }
}

/// The character U+FFFD in UTF-8.
const REPLACED: &[u8] = "\u{fffd}".as_bytes();

/// A decoded value can be written and read again, and is the same; and a list that contains it is well-formed in every form.
pub fn assert_comes_back(info: &InstanceInfo) {
    if info.data_center_info == Some(DataCenterInfo::Unnamed) {
        return; // it is refused wherever it would be kept, and is never written
    }
    // As in the Java server, a group from JSON becomes upper case and one from XML does not; and some texts count as missing.
    let group = info.app_group_name.as_deref().map(|group| group.to_uppercase().into());
    let sid = info.sid.clone().filter(|sid| !matches!(&**sid, "na" | "unknown"));
    let info = &InstanceInfo { app_group_name: group, sid, ..info.clone() };
    let lease = lease(info);
    for media in [Media::Json, Media::Xml] {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        codec::instance_document(media, info, &lease, &mut once);
        assert_well_formed(media.content_type(), &once);
        let again = match codec::decode_instance(media, &once, NOW) {
            // Each character that XML cannot have becomes one of three bytes, so a text near its limit may then be beyond it.
            Err(CodecError::TooLarge(_)) if media == Media::Xml && once.windows(3).any(|bytes| bytes == REPLACED) => {
                continue;
            }
            read => read.expect("what is written can be read"),
        };
        if media == Media::Json {
            assert_eq!(&again, info);
        }
        codec::instance_document(media, &again, &lease, &mut twice);
        assert_eq!(String::from_utf8(once), String::from_utf8(twice), "what is read is written alike");
    }
    for form in FORMS {
        let mut out = Vec::new();
        codec::applications_open(form, "1", "UP_1_", &mut out);
        codec::application_open(form, info.app.as_str(), &mut out);
        codec::instance_entry(form, Nesting::InApplications, info, &lease, &mut out);
        codec::between(form, &mut out);
        codec::instance_entry(form, Nesting::InApplications, info, &lease, &mut out);
        codec::application_close(form, &mut out);
        codec::applications_close(form, "1", "UP_1_", &mut out);
        assert_well_formed(form.media.content_type(), &out);
    }
}

/// Checks that a body fits its media type, with libraries that have not written it.
pub fn assert_well_formed(content_type: &str, body: &[u8]) {
    if content_type.starts_with("application/json") && !body.is_empty() {
        let text = std::str::from_utf8(body).expect("JSON is UTF-8");
        serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    } else if content_type.starts_with("application/xml") && !body.is_empty() {
        let text = std::str::from_utf8(body).expect("our XML is UTF-8");
        let carried = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
        assert!(text.chars().all(carried), "characters that no XML carries: {text:?}");
        assert_is_one_element(text);
    }
}

fn assert_is_one_element(text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    let config = reader.config_mut();
    (config.check_comments, config.check_end_names) = (true, true);
    let (mut depth, mut roots) = (0, 0);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {text}")) {
            Event::Start(tag) => {
                tag.attributes().for_each(|attribute| drop(attribute.unwrap()));
                roots += u32::from(depth == 0);
                depth += 1;
            }
            Event::Empty(tag) => {
                tag.attributes().for_each(|attribute| drop(attribute.unwrap()));
                roots += u32::from(depth == 0);
            }
            Event::End(_) => depth -= 1,
            Event::GeneralRef(name) => {
                let known = name.is_char_ref() || matches!(&*name, "lt" | "gt" | "amp" | "quot" | "apos");
                assert!(known, "an entity that nobody declared: {text}");
            }
            Event::DocType(_) => panic!("a document type: {text}"),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!((depth, roots), (0, 1), "{text}");
}
