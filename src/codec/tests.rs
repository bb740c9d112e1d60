//! What both formats promise: what is written can be read, whatever the texts are, and no input causes a panic.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use smol_str::SmolStr;

use super::json::encode::{ReplicationItem, replication_list};
use super::*;
use crate::model::{
    Action, ActionType, AppName, DataCenterInfo, InstanceStatus, LeaseDurations, Metadata, Port, ReplicationInstance,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// The recorded answers of this media type that have a body: where from, and the body.
pub(super) fn recorded_answers(media: Media) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let scenario: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
            let response = &step["response"];
            let body = response["body"].as_str().unwrap_or_default();
            let is_asked_for = response["headers"]["content-type"] == media.content_type()
                && body.starts_with(if media == Media::Json { '{' } else { '<' });
            if response["status"] == 200 && is_asked_for {
                answers.push((format!("{} step {number}", scenario["name"]), body.to_owned()));
            }
        }
    }
    assert!(!answers.is_empty());
    answers
}

/// A text as XML has it: characters that XML cannot have become U+FFFD.
fn as_xml_has_it(text: &str) -> String {
    let is_carried = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_carried(c) { c } else { '\u{fffd}' }).collect()
}

fn text() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "",
        " ",
        "na",
        "a&b<c>\"d\"'e'",
        "]]>",
        "\u{0}\u{1}\u{1f}\u{7f}",
        "\r\n\t",
        "\u{fffe}\u{ffff}",
        "😀\\u",
        "_.0041",
    ]);
    prop_oneof![
        "[a-z0-9./:-]{1,20}",
        ".{0,20}",
        vec(any::<char>(), 0..12).prop_map(String::from_iter),
        odd.prop_map(String::from)
    ]
}

fn optional() -> impl Strategy<Value = Option<SmolStr>> {
    option::of(text().prop_map(SmolStr::from))
}

fn metadata() -> impl Strategy<Value = Metadata> {
    vec((text(), text()), 0..6).prop_map(|entries| {
        // `@class` is Java's; without a name an element cannot be; `instanceId` would become the id.
        let kept = |name: &str| !name.is_empty() && name != "@class" && name != "instanceId";
        entries.into_iter().filter(|(name, _)| kept(name)).collect()
    })
}

fn port() -> impl Strategy<Value = Port> {
    (any::<i32>(), any::<bool>()).prop_map(|(number, enabled)| Port { number, enabled })
}

prop_compose! {
    fn names()(
        instance_id in optional(), host_name in text(), app in text(), ip_addr in text(),
        sid in optional().prop_map(|sid| sid.filter(|sid| !matches!(&**sid, "na" | "unknown"))),
        app_group_name in option::of("[A-Z0-9]{0,8}"), asg_name in optional(),
        urls in (optional(), optional(), optional(), optional()), vips in (optional(), optional()), metadata in metadata(),
        amazon in metadata(),
    ) -> (InstanceInfo, Metadata) {
        let info = InstanceInfo {
            instance_id, sid, metadata, asg_name,
            app_group_name: app_group_name.map(SmolStr::from),
            home_page_url: urls.0, status_page_url: urls.1, health_check_url: urls.2, secure_health_check_url: urls.3,
            vip_address: vips.0, secure_vip_address: vips.1,
            ..InstanceInfo::new(AppName::new(&app), &host_name, &ip_addr, NOW)
        };
        (info, amazon)
    }
}

prop_compose! {
    fn instance()(
        (info, amazon) in names(), data_center in 0..3, ports in (port(), port()), country_id in any::<i32>(),
        statuses in (select(&InstanceStatus::ALL), select(&InstanceStatus::ALL)),
        times in (any::<i64>(), any::<i64>()), lease in (1..i32::MAX, 1..i32::MAX), coordinating in any::<bool>(),
        action_type in option::of(select(&[ActionType::Added, ActionType::Modified, ActionType::Deleted])),
    ) -> InstanceInfo {
        InstanceInfo {
            data_center_info: Some(match data_center {
                0 => DataCenterInfo::MyOwn,
                1 => DataCenterInfo::Netflix,
                _ => DataCenterInfo::Amazon(amazon),
            }),
            port: ports.0, secure_port: ports.1, country_id, status: statuses.0, overridden_status: statuses.1,
            last_updated: Timestamp(times.0), last_dirty: Timestamp(times.1), action_type,
            lease: LeaseDurations { renewal_interval_secs: lease.0, duration_secs: lease.1 },
            is_coordinating_discovery_server: coordinating,
            ..info
        }
    }
}

fn lease(info: &InstanceInfo) -> LeaseInfo {
    LeaseInfo { durations: info.lease, registration: NOW, last_renewal: NOW, eviction: Timestamp(0), service_up: NOW }
}

/// The instance with every text as XML has it. Names of metadata are escaped and so keep every character.
fn in_xml(info: &InstanceInfo) -> InstanceInfo {
    let text = |text: &str| SmolStr::from(as_xml_has_it(text));
    let optional = |value: &Option<SmolStr>| value.as_deref().map(text);
    let values = |metadata: &Metadata| metadata.iter().map(|(name, value)| (name, text(value))).collect();
    InstanceInfo {
        instance_id: optional(&info.instance_id),
        host_name: text(&info.host_name),
        app: AppName::new(&as_xml_has_it(info.app.as_str())),
        ip_addr: text(&info.ip_addr),
        sid: optional(&info.sid),
        home_page_url: optional(&info.home_page_url),
        status_page_url: optional(&info.status_page_url),
        health_check_url: optional(&info.health_check_url),
        secure_health_check_url: optional(&info.secure_health_check_url),
        vip_address: optional(&info.vip_address),
        secure_vip_address: optional(&info.secure_vip_address),
        asg_name: optional(&info.asg_name),
        metadata: values(&info.metadata),
        data_center_info: info.data_center_info.clone().map(|info| match info {
            DataCenterInfo::Amazon(metadata) => DataCenterInfo::Amazon(values(&metadata)),
            other @ (DataCenterInfo::MyOwn | DataCenterInfo::Netflix | DataCenterInfo::Unnamed) => other,
        }),
        ..info.clone()
    }
}

fn applications(form: Form, instances: &[InstanceInfo]) -> Vec<u8> {
    let mut out = Vec::new();
    applications_open(form, "1", "UP_1_", &mut out);
    application_open(form, "APP<&>", &mut out);
    for (at, info) in instances.iter().enumerate() {
        if at > 0 {
            between(form, &mut out);
        }
        instance_entry(form, Nesting::InApplications, info, &lease(info), &mut out);
    }
    application_close(form, &mut out);
    applications_close(form, "1", "UP_1_", &mut out);
    out
}

proptest! {
    #[test]
    fn an_instance_comes_back_from_json(info in instance()) {
        let mut out = Vec::new();
        instance_document(Media::Json, &info, &lease(&info), &mut out);
        prop_assert_eq!(decode_instance(Media::Json, &out, NOW).unwrap(), info);
    }

    #[test]
    fn an_instance_comes_back_from_xml(info in instance()) {
        let mut out = Vec::new();
        instance_document(Media::Xml, &info, &lease(&info), &mut out);
        prop_assert_eq!(decode_instance(Media::Xml, &out, NOW).unwrap(), in_xml(&info));
    }

    #[test]
    fn a_registry_comes_back_from_json(instances in vec(instance(), 0..4)) {
        let out = applications(Form { media: Media::Json, detail: Detail::Full }, &instances);
        let (read, errors) = decode_applications(&out, NOW).unwrap();
        prop_assert!(errors.is_empty());
        prop_assert_eq!(&*read.applications[0].instances, &*instances);
        prop_assert_eq!(read.applications[0].name.as_str(), "APP<&>");
    }

    #[test]
    fn every_form_is_well_formed_whatever_the_texts_hold(instances in vec(instance(), 0..3)) {
        for detail in [Detail::Full, Detail::Compact] {
            let json = applications(Form { media: Media::Json, detail }, &instances);
            prop_assert!(serde_json::from_slice::<Value>(&json).is_ok());
            let xml = String::from_utf8(applications(Form { media: Media::Xml, detail }, &instances)).unwrap();
            prop_assert_eq!(as_xml_has_it(&xml), xml.clone());
            xml::decode::well_formed(&xml).unwrap();
        }
    }

    #[test]
    fn a_batch_comes_back(infos in vec(instance(), 0..3), id in text(), time in option::of(any::<i64>())) {
        let sent: Vec<ReplicationInstance> = infos.into_iter().map(|info| ReplicationInstance {
            action: Action::Register, app_name: info.app.clone(), id: id.as_str().into(), last_dirty: time.map(Timestamp),
            overridden_status: Some(InstanceStatus::OutOfService), status: time.map(|_| info.status),
            instance_info: Some(Box::new(info)), known: None, by: None, too_large: None,
        }).collect();
        let leases: Vec<LeaseInfo> = sent.iter().map(|item| lease(item.instance_info.as_ref().unwrap())).collect();
        let mut out = Vec::new();
        replication_list(sent.iter().zip(&leases).map(|(item, lease)| ReplicationItem {
            action: item.action, app: item.app_name.as_str(), id: &item.id, last_dirty: item.last_dirty,
            overridden_status: item.overridden_status, status: item.status,
            instance: item.instance_info.as_deref().map(|info| (info, lease)), known: None, user: None, reason: None,
        }), &mut out);
        prop_assert_eq!(decode_replication_list(&out, NOW).unwrap().replication_list, sent);
    }

    #[test]
    fn an_instance_in_another_document_is_written_as_in_its_own(info in instance()) {
        let (mut alone, mut inside) = (Vec::new(), Vec::new());
        instance_document(Media::Json, &info, &lease(&info), &mut alone);
        instance_info(Media::Json, &info, &lease(&info), &mut inside);
        prop_assert_eq!(alone, [b"{\"instance\":".as_slice(), &inside, b"}"].concat());

        let info = InstanceInfo { home_page_url: Some("two\nlines".into()), ..info };
        inside.clear();
        instance_info(Media::Xml, &info, &lease(&info), &mut inside);
        let inside = String::from_utf8(inside).unwrap();
        xml::decode::well_formed(&inside).unwrap();
        prop_assert!(inside.starts_with("  <instanceInfo>\n    <") && inside.ends_with("\n  </instanceInfo>\n"), "{inside}");
        prop_assert!(inside.contains("\n    <homePageUrl>two\nlines</homePageUrl>\n"), "{inside}");
    }

    #[test]
    fn the_answer_to_a_batch_comes_back(infos in vec(option::of(instance()), 0..3)) {
        let answered: Vec<ReplicationInstanceResponse> = infos.into_iter().map(|info| ReplicationInstanceResponse {
            status_code: if info.is_some() { 409 } else { 200 },
            response_entity: info.map(|info| (Box::new(info.clone()), lease(&info))),
        }).collect();
        let mut out = Vec::new();
        replication_response(Media::Json, &answered, &mut out);
        prop_assert_eq!(decode_replication_response(&out, NOW).unwrap(), answered.clone());
        out.clear();
        replication_response(Media::Xml, &answered, &mut out);
        xml::decode::well_formed(std::str::from_utf8(&out).unwrap()).unwrap();
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        decode_every_way(&bytes);
    }

    /// Deeper into the decoders than arbitrary bytes come.
    #[test]
    fn damaged_documents_never_panic(
        info in instance(), media in select(&[Media::Json, Media::Xml]), wrapper in select(&["", "applications", "replicationList", "responseList"]),
        damage in vec((any::<prop::sample::Index>(), 0..20_usize, select(&["", "\\", "\"", "\\ud800", "\\u12", "{", "]", "null", "1e999", "-", "<", "&#55296;", "&", "<!--", "]]>", "_.", "\u{0}", "é"])), 1..4),
    ) {
        let mut document = Vec::new();
        instance_document(media, &info, &lease(&info), &mut document);
        let mut text = String::from_utf8(document).unwrap();
        if !wrapper.is_empty() {
            text = format!("{{\"{wrapper}\":[{}]}}", text.trim_start_matches("{\"instance\":"));
        }
        for (at, len, with) in damage {
            let start = (0..=at.index(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let end = (start + len..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            text.replace_range(start..end, with);
        }
        decode_every_way(text.as_bytes());
    }
}

fn decode_every_way(bytes: &[u8]) {
    for media in [Media::Json, Media::Xml] {
        drop(decode_instance(media, bytes, NOW));
    }
    drop(decode_applications(bytes, NOW));
    drop(decode_replication_list(bytes, NOW));
    drop(decode_replication_response(bytes, NOW));
}

#[test]
fn errors_quote_nothing_of_the_body() {
    let secret = "s3cret".repeat(1000);
    let json = |body: String| decode_instance(Media::Json, body.as_bytes(), NOW).unwrap_err().to_string();
    let xml = |body: String| decode_instance(Media::Xml, body.as_bytes(), NOW).unwrap_err().to_string();
    for error in [
        json(format!(r#"{{"instance":{{"port":"{secret}"}}}}"#)),
        json(format!(r#"{{"instance":{{"port":"expected {secret} at line "}}}}"#)),
        json(format!(r#"{{"instance":{{"dataCenterInfo":{{"@class":"{secret}"}}}}}}"#)),
        json(format!(r#"{{"instance":{{"metadata":{{"{secret}":[]}}}}}}"#)),
        json(format!(r#"{{"{secret}":1}}"#)),
        json(secret.clone()),
        xml(format!("<instance><app>a</{secret}></instance>")),
        xml(format!("<instance><app>&{secret};</app></instance>")),
        xml(format!("<instance><app {secret}=1/></instance>")),
        xml(format!("<{secret}/>")),
        xml(secret),
    ] {
        assert!(!error.contains("s3cret") && error.len() < 200, "{error}");
    }
}
