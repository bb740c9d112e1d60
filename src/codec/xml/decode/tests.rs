use super::*;
use crate::codec::tests::recorded_answers;
use crate::codec::{self, Detail, Form, Media, Nesting};
use crate::model::LeaseInfo;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// A registration with these elements, of which the last of each name counts.
fn decoded(elements: &str) -> Result<InstanceInfo, CodecError> {
    let usual = "<instanceId>i</instanceId><hostName>h</hostName><app>orders</app><ipAddr>10.0.0.1</ipAddr>\
                 <dataCenterInfo><name>MyOwn</name></dataCenterInfo>";
    instance_document(format!("<instance>{usual}{elements}</instance>").as_bytes(), NOW)
}

#[test]
fn missing_values_have_their_defaults() {
    let usual = InstanceInfo {
        instance_id: Some("i".into()),
        ..InstanceInfo::new(AppName::new("ORDERS"), "h", "10.0.0.1", NOW)
    };
    assert_eq!(decoded("").unwrap(), usual);
    assert_eq!(decoded("<unknown><hostName>other</hostName></unknown>").unwrap(), usual);
    assert!(instance_document(b"<instance><hostName>h</hostName></instance>", NOW).is_err());
}

/// Each of these was tried with Spring Cloud's server 4.3.0.
#[test]
fn ports_are_read_as_java_reads_them() {
    for (sent, plain, secure) in [
        ("8080", (8080, true), (7002, false)),
        ("<port enabled=\"false\">1</port>", (1, false), (7002, false)),
        ("<port enabled='false'>1</port>", (1, false), (7002, false)),
        ("<port enabled=\"FALSE\">2</port><securePort enabled=\"TRUE\">3</securePort>", (2, true), (3, false)),
        ("<securePort enabled=\"true\">-4</securePort>", (7001, true), (-4, true)),
    ] {
        let sent = if sent.starts_with('<') { sent.to_owned() } else { format!("<port>{sent}</port>") };
        let info = decoded(&sent).unwrap();
        assert_eq!((info.port.number, info.port.enabled), plain, "{sent}");
        assert_eq!((info.secure_port.number, info.secure_port.enabled), secure, "{sent}");
    }
    for refused in ["<port>x</port>", "<port/>", "<port>99999999999</port>", "<countryId>zz</countryId>"] {
        assert!(decoded(refused).is_err(), "{refused}");
    }
}

#[test]
fn statuses_are_read_in_any_case_and_times_leniently() {
    let status = |sent: &str| decoded(&format!("<status>{sent}</status>")).unwrap().status;
    assert_eq!(
        [status("up"), status("Out_Of_Service"), status("x"), status("")],
        [InstanceStatus::Up, InstanceStatus::OutOfService, InstanceStatus::Unknown, InstanceStatus::Unknown]
    );
    for spelling in ["overriddenstatus", "overriddenStatus"] {
        let info = decoded(&format!("<{spelling}>DOWN</{spelling}>")).unwrap();
        assert_eq!(info.overridden_status, InstanceStatus::Down);
    }
    assert_eq!(decoded("<lastDirtyTimestamp>5</lastDirtyTimestamp>").unwrap().last_dirty, Timestamp(5));
    assert_eq!(decoded("<lastDirtyTimestamp>abc</lastDirtyTimestamp>").unwrap().last_dirty, NOW);
    let lease =
        "<leaseInfo><renewalIntervalInSecs>x</renewalIntervalInSecs><durationInSecs>-7</durationInSecs></leaseInfo>";
    assert_eq!(decoded(lease).unwrap().lease, LeaseDurations::DEFAULT);
}

#[test]
fn metadata_is_read_with_its_names_and_texts_as_meant() {
    let sent = "<metadata>\n <a__b>1</a__b><_.0031num>2</_.0031num><c_-d>3</c_-d><e>a&lt;&#65;&#x1F600;<![CDATA[<x>]]></e>\
                <f/><g> v \n</g><h>x<!-- c -->y</h><i>1</i><i>2</i></metadata>";
    let expected = [
        ("1num", "2"),
        ("a_b", "1"),
        ("c$d", "3"),
        ("e", "a<A😀<x>"),
        ("f", ""),
        ("g", " v \n"),
        ("h", "xy"),
        ("i", "2"),
    ];
    assert_eq!(decoded(sent).unwrap().metadata.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn the_name_decides_what_a_data_center_is() {
    let read =
        |sent: &str| decoded(&format!("<dataCenterInfo>{sent}</dataCenterInfo>")).map(|info| info.data_center_info);
    let amazon = [("instance-id", "i-1")].into_iter().collect();
    assert_eq!(
        read("<name>amazon</name><metadata><instance-id>i-1</instance-id></metadata>").unwrap(),
        Some(DataCenterInfo::Amazon(amazon))
    );
    assert_eq!(read("<name>Netflix</name>").unwrap(), Some(DataCenterInfo::Netflix));
    assert_eq!(read("").unwrap(), None);
    assert!(read("<name>myown</name>").is_err());
}

#[test]
fn a_document_is_one_instance_and_nothing_else() {
    let good = "<instance><app>a</app></instance>";
    for document in [
        good.to_owned(),
        format!("\u{feff}{good}"),
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><?pi?>{good}\n"),
        good.replace("<instance>", "<instance xmlns=\"urn:x\">"),
    ] {
        assert!(instance_document(document.as_bytes(), NOW).is_ok(), "{document}");
    }
    for document in [
        String::new(),
        "<instance>".to_owned(),
        "<foo/>".to_owned(),
        "<Instance><app>a</app></Instance>".to_owned(),
        format!("{good}{good}"),
        format!("{good}garbage"),
        format!("<foo>{good}</foo>"),
        format!("<!DOCTYPE instance>{good}"),
        format!("<!DOCTYPE instance [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{good}"),
        "<instance><app>&x;</app></instance>".to_owned(),
        "<instance><app>&#0;</app></instance>".to_owned(),
        "<instance><app>&#1;</app></instance>".to_owned(),
        "<instance><app>&#xd800;</app></instance>".to_owned(),
        "<instance><app>&#xffff;</app></instance>".to_owned(),
    ] {
        assert!(instance_document(document.as_bytes(), NOW).is_err(), "{document}");
    }
}

#[test]
fn the_declared_encoding_is_believed() {
    let latin =
        b"<?xml version='1.0' encoding='ISO-8859-1'?><instance><app>a</app><hostName>caf\xe9</hostName></instance>";
    assert_eq!(&*instance_document(latin, NOW).unwrap().host_name, "café");
    assert!(instance_document(b"<instance><app>caf\xe9</app></instance>", NOW).is_err());
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(decoded(&nested(DEEPEST - 1)).is_ok());
    assert!(decoded(&nested(DEEPEST)).is_err());
    assert!(decoded(&nested(500_000)).is_err());
    assert!(decoded(&"<a/>".repeat(MOST_ELEMENTS - 7)).is_ok());
    assert!(decoded(&"<a/>".repeat(MOST_ELEMENTS)).is_err());
}

fn lease(element: &Element, durations: LeaseDurations) -> LeaseInfo {
    let lease = element.child("leaseInfo");
    let time = |name: &str| {
        Timestamp(lease.and_then(|lease| lease.child(name)).map_or(0, |child| child.text.parse().unwrap()))
    };
    LeaseInfo {
        durations,
        registration: time("registrationTimestamp"),
        last_renewal: time("lastRenewalTimestamp"),
        eviction: time("evictionTimestamp"),
        service_up: time("serviceUpTimestamp"),
    }
}

/// Reads a recorded answer and writes it again.
fn rewritten(root: &Element, detail: Detail) -> Option<Vec<u8>> {
    let form = Form { media: Media::Xml, detail };
    let mut out = Vec::new();
    let read = |element: &Element| {
        let info = instance(element, NOW).unwrap();
        let lease = lease(element, info.lease);
        (info, lease)
    };
    let instances = |application: &Element, nesting: Nesting, out: &mut Vec<u8>| {
        for element in application.children.iter().filter(|child| child.name == "instance") {
            let (info, lease) = read(element);
            codec::instance_entry(form, nesting, &info, &lease, out);
        }
    };
    let text = |element: &Element, name: &str| element.child(name).unwrap().text.clone();
    match root.name.as_str() {
        "instance" => {
            let (info, lease) = read(root);
            codec::instance_document(Media::Xml, &info, &lease, &mut out);
        }
        "application" => {
            codec::application_document_open(form, &text(root, "name"), &mut out);
            instances(root, Nesting::InApplication, &mut out);
            codec::application_document_close(form, &mut out);
        }
        "applications" => {
            let (versions, hash) = (text(root, "versions__delta"), text(root, "apps__hashcode"));
            codec::applications_open(form, &versions, &hash, &mut out);
            for application in root.children.iter().filter(|child| child.name == "application") {
                codec::application_open(form, &text(application, "name"), &mut out);
                instances(application, Nesting::InApplications, &mut out);
                codec::application_close(form, &mut out);
            }
            codec::applications_close(form, &versions, &hash, &mut out);
        }
        _ => return None,
    }
    Some(out)
}

/// Equal to the byte, but for the order of metadata: Java's is that of a hash map.
#[test]
fn recorded_answers_are_written_again_as_they_were() {
    let (mut exact, mut reordered) = (0, 0);
    for (place, body) in recorded_answers(Media::Xml) {
        let detail = if body.contains('\n') || body.len() < 100 { Detail::Full } else { Detail::Compact };
        let Some(again) = rewritten(&Element::parse(&body).unwrap(), detail) else { continue };
        let again = String::from_utf8(again).unwrap();
        if again == body {
            exact += 1;
            continue;
        }
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.split_inclusive('>').map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&again), sorted(&body), "{place}");
        reordered += 1;
    }
    assert!(exact >= 10, "{exact} equal, {reordered} but for the order of metadata");
    println!("{exact} equal to the byte, {reordered} but for the order of metadata");
}

#[test]
fn an_instance_over_a_limit_is_refused_with_its_size() {
    let refused = |elements: &str| decoded(elements).unwrap_err().to_string();
    let metadata: String = (0..=1000).map(|number| format!("<a{number}/>")).collect();
    let too_much = "the instance has 1001 metadata entries; at most 1000 are accepted";
    assert_eq!(refused(&format!("<metadata>{metadata}</metadata>")), too_much);
    assert!(refused(&"<a/>".repeat(MOST_ELEMENTS)).ends_with("it has more than 10000 elements"));
    let attributes = |count: usize| -> String { (0..count).map(|number| format!(" a{number}=''")).collect() };
    assert!(decoded(&format!("<x{}/>", attributes(MOST_ATTRIBUTES))).is_ok());
    let error = refused(&format!("<x{}/>", attributes(MOST_ATTRIBUTES + 1)));
    assert!(error.ends_with("an element has more than 16 attributes"), "{error}");
}
