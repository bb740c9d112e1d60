use super::*;
use crate::codec::tests::recorded_answers;
use crate::codec::{self, Detail, Form, Media, Nesting};
use crate::model::size::MOST_METADATA;
use crate::model::{Action, DataCenterInfo, Metadata, Port, TooLarge};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// A registration, with these members in place of the usual ones (`""` leaves one out) and behind them.
fn registration(changes: &[(&str, &str)]) -> String {
    let mut members = vec![
        ("instanceId", r#""i""#),
        ("hostName", r#""h""#),
        ("app", r#""orders""#),
        ("ipAddr", r#""10.0.0.1""#),
        ("dataCenterInfo", r#"{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}"#),
    ];
    for change in changes {
        match members.iter_mut().find(|(name, _)| name == &change.0) {
            Some(member) => *member = *change,
            None => members.push(*change),
        }
    }
    let members = members.iter().filter(|(_, value)| !value.is_empty());
    let members: Vec<_> = members.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{\"instance\":{{{}}}}}", members.join(","))
}

fn decoded(changes: &[(&str, &str)]) -> Result<InstanceInfo, CodecError> {
    instance_document(registration(changes).as_bytes(), NOW)
}

#[test]
fn missing_and_null_values_have_their_defaults() {
    let usual = InstanceInfo {
        instance_id: Some("i".into()),
        ..InstanceInfo::new(AppName::new("ORDERS"), "h", "10.0.0.1", NOW)
    };
    assert_eq!(decoded(&[]).unwrap(), usual);
    let keys = [
        "status",
        "overriddenStatus",
        "port",
        "securePort",
        "countryId",
        "leaseInfo",
        "metadata",
        "appGroupName",
        "vipAddress",
        "lastUpdatedTimestamp",
        "lastDirtyTimestamp",
        "actionType",
        "asgName",
        "sid",
        "unknown",
    ];
    assert_eq!(decoded(&keys.map(|key| (key, "null"))).unwrap(), usual);
    assert_eq!(decoded(&[("dataCenterInfo", "null")]).unwrap().data_center_info, None);
    assert!(decoded(&[("app", "null")]).is_err());
}

/// Each of these was tried with Spring Cloud's server 4.3.0.
#[test]
fn numbers_are_what_java_makes_of_their_token() {
    for (sent, number) in [
        ("8080", Some(8080)),
        ("\"8080\"", Some(8080)),
        ("\" 8080 \"", Some(8080)),
        ("8080.9", Some(8080)),
        ("\"8080.9\"", Some(8080)),
        ("-5", Some(-5)),
        ("true", Some(1)),
        ("null", Some(0)),
        ("\"x\"", Some(0)),
        ("\"\"", Some(0)),
        ("\"99999999999\"", Some(0)),
        ("99999999999", None),
        ("1e300", None),
        ("{}", None),
        ("[]", None),
    ] {
        let port = format!("{{\"$\":{sent},\"@enabled\":\"true\"}}");
        assert_eq!(decoded(&[("port", &port)]).ok().map(|info| info.port.number), number, "{sent}");
    }
    for (sent, time) in [
        ("1700000000001", Some(1_700_000_000_001)),
        ("\"1700000000001\"", Some(1_700_000_000_001)),
        ("-5", Some(-5)),
        ("1700000000000.5", Some(NOW.0)),
        ("true", Some(1)),
        ("\"abc\"", Some(0)),
        ("\"inf\"", Some(0)),
        ("\"\"", Some(0)),
        ("\"99999999999999999999\"", Some(0)),
        ("99999999999999999999", None),
        ("null", Some(NOW.0)),
    ] {
        assert_eq!(decoded(&[("lastDirtyTimestamp", sent)]).ok().map(|info| info.last_dirty.0), time, "{sent}");
    }
}

/// Tried with the same server.
#[test]
fn booleans_are_what_java_makes_of_their_token() {
    for (sent, enabled) in [
        ("true", true),
        ("\"true\"", true),
        ("\" true \"", true),
        ("1", true),
        ("-1", true),
        ("false", false),
        ("\"TRUE\"", false),
        ("\"1\"", false),
        ("0", false),
        ("1.5", false),
        ("null", false),
    ] {
        let port = format!("{{\"@enabled\":{sent}}}");
        assert_eq!(decoded(&[("port", &port)]).unwrap().port.enabled, enabled, "{sent}");
    }
}

/// Tried with the same server; recorded as G of `register_variants`.
#[test]
fn metadata_is_the_text_of_its_tokens() {
    let sent = r#"{"@class":"x","a":1.0,"b":1e3,"c":123456789012345678901234567890,"d":-0,"e":1.50,"f":false,"g":null,"h":"1","h":"2"}"#;
    let metadata = decoded(&[("metadata", sent)]).unwrap().metadata;
    let expected = [
        ("a", "1.0"),
        ("b", "1e3"),
        ("c", "123456789012345678901234567890"),
        ("d", "-0"),
        ("e", "1.50"),
        ("f", "false"),
        ("g", "null"),
        ("h", "2"),
    ];
    assert_eq!(metadata.iter().collect::<Vec<_>>(), expected);
    assert_eq!(decoded(&[("vipAddress", "1.0")]).unwrap().vip_address.as_deref(), Some("1.0"));
    for nested in [r#"{"a":{"b":1}}"#, r#"{"a":[1]}"#, "[]", r#""x""#] {
        assert!(decoded(&[("metadata", nested)]).is_err(), "{nested}");
    }
}

#[test]
fn escapes_are_resolved_and_half_a_surrogate_pair_is_replaced() {
    for (sent, text) in [
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""a\u0041\u00e9\u4e2d""#, "aAé中"),
        (r#""\ud83d\ude00!""#, "😀!"),
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00x""#, "\u{fffd}x"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud83d\\u""#, "\u{fffd}\\u"),
    ] {
        assert_eq!(decoded(&[("vipAddress", sent)]).unwrap().vip_address.as_deref(), Some(text), "{sent}");
    }
    let metadata = decoded(&[("metadata", r#"{"k\u0001":"v","\ud800":"w"}"#)]).unwrap().metadata;
    assert_eq!((metadata.get("k\u{1}"), metadata.len()), (Some("v"), 2));
    assert!(decoded(&[("vipAddress", r#""\x""#)]).is_err());
}

#[test]
fn the_port_is_an_object_or_nothing() {
    for refused in ["8080", "\"8080\"", "[]", r#"{"$":1,"x":1}"#] {
        assert!(decoded(&[("port", refused)]).is_err(), "{refused}");
    }
    assert_eq!(decoded(&[("port", "{}")]).unwrap().port, Port::DEFAULT);
    assert_eq!(decoded(&[("securePort", r#"{"$":1}"#)]).unwrap().secure_port, Port { number: 1, enabled: false });
}

#[test]
fn the_class_decides_what_a_data_center_is() {
    let default = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo";
    let amazon = "com.netflix.appinfo.AmazonInfo";
    let named = [("instance-id", "5"), ("x", "null")].into_iter().collect();
    for (class, rest, expected) in [
        (default, r#""name":"MyOwn""#, Some(DataCenterInfo::MyOwn)),
        (default, r#""name":"Netflix""#, Some(DataCenterInfo::Netflix)),
        ("com.netflix.appinfo.MyDataCenterInfo", r#""name":"MyOwn""#, Some(DataCenterInfo::MyOwn)),
        (default, r#""name":null"#, Some(DataCenterInfo::Unnamed)),
        (default, r#""name":"Foo""#, None),
        (default, r#""name":"MyOwn","x":1"#, None),
        (default, r#""name":"MyOwn","metadata":{"a":"b"}"#, None),
        ("x", r#""name":"Amazon""#, None),
        (amazon, r#""name":"Amazon""#, None),
        (amazon, r#""metadata":null"#, Some(DataCenterInfo::Amazon(Metadata::default()))),
        (amazon, r#""metadata":{"instance-id":5,"x":null,"@class":"y"}"#, Some(DataCenterInfo::Amazon(named))),
    ] {
        for sent in [format!(r#"{{"@class":"{class}",{rest}}}"#), format!(r#"{{{rest},"@class":"{class}"}}"#)] {
            let info = decoded(&[("dataCenterInfo", &sent)]);
            assert_eq!(info.ok().and_then(|info| info.data_center_info), expected, "{sent}");
        }
    }
    assert!(decoded(&[("dataCenterInfo", r#"{"name":"MyOwn"}"#)]).is_err());
}

#[test]
fn an_id_is_taken_from_metadata_where_there_is_none() {
    for (id, metadata, expected) in [
        ("", r#"{"instanceId":"x"}"#, Some("h:x")),
        ("", r#"{"instanceId":"h:x"}"#, Some("h:x")),
        ("", r#"{"instanceId":"  "}"#, None),
        ("\"\"", r#"{"instanceId":"x"}"#, Some("")),
        ("\"i\"", r#"{"instanceId":"x"}"#, Some("i")),
    ] {
        let info = decoded(&[("instanceId", id), ("metadata", metadata)]).unwrap();
        assert_eq!(info.instance_id.as_deref(), expected, "{id} {metadata}");
    }
}

#[test]
fn unknown_values_are_skipped_with_their_content() {
    let info = decoded(&[
        ("unknown", r#"{"hostName":"other","list":[{"app":"other"}]}"#),
        ("leaseInfo", r#"{"x":{"y":[]},"durationInSecs":"77"}"#),
    ]);
    let info = info.unwrap();
    assert_eq!((&*info.host_name, info.lease.duration_secs, info.lease.renewal_interval_secs), ("h", 77, 30));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(decoded(&[("unknown", &deep)]).is_ok());
    assert!(decoded(&[("metadata", &format!("{{\"a\":{deep}}}"))]).is_err());
}

#[test]
fn what_stands_around_the_document_is_ignored() {
    for document in [format!("\u{feff}{}", registration(&[])), format!(" \n{} x", registration(&[]))] {
        assert!(instance_document(document.as_bytes(), NOW).is_ok(), "{document}");
    }
    for document in ["", "{", "[]", "{}", "null", r#"{"instance":null}"#, r#"{"instance":[]}"#, "\u{feff}"] {
        assert!(instance_document(document.as_bytes(), NOW).is_err(), "{document}");
    }
    assert!(instance_document(b"{\"instance\":\"\xff\"}", NOW).is_err());
}

#[test]
fn one_odd_instance_does_not_hide_the_others() {
    let good = registration(&[]);
    let good = good.trim_start_matches("{\"instance\":").strip_suffix('}').unwrap();
    let document = format!(
        r#"{{"applications":{{"versions__delta":"1","apps__hashcode":"UP_2_","application":[
            {{"name":"a","instance":[{good},{{"port":5}},{good}]}},{{"name":"b","instance":{good}}},{{"name":"c"}},{{"instance":[]}}]}}}}"#
    );
    let (read, errors) = applications(document.as_bytes(), NOW).unwrap();
    let found: Vec<_> = read.applications.iter().map(|app| (app.name.as_str(), app.instances.len())).collect();
    assert_eq!((found, errors.len()), (vec![("A", 2), ("B", 1), ("C", 0)], 2));
    assert_eq!((read.versions_delta.as_deref(), read.apps_hashcode.as_deref()), (Some("1"), Some("UP_2_")));
    let single = format!(r#"{{"applications":{{"application":{{"name":"a","instance":{good}}}}}}}"#);
    assert_eq!(applications(single.as_bytes(), NOW).unwrap().0.applications[0].instances.len(), 1);
}

#[test]
fn a_list_of_one_may_be_the_one() {
    let item = r#"{"appName":"a","id":"i","action":"Heartbeat","lastDirtyTimestamp":"5","status":"BOGUS"}"#;
    for document in [format!(r#"{{"replicationList":{item}}}"#), format!(r#"{{"replicationList":[{item}]}}"#)] {
        let list = replication_list(document.as_bytes(), NOW).unwrap().replication_list;
        let read = (list.len(), list[0].action, list[0].last_dirty, list[0].status);
        assert_eq!(read, (1, Action::Heartbeat, Some(Timestamp(5)), None));
    }
    for refused in
        ["{}", r#"{"replicationList":null}"#, r#"{"replicationList":[{"appName":"a","id":"i","action":"heartbeat"}]}"#]
    {
        assert!(replication_list(refused.as_bytes(), NOW).is_err(), "{refused}");
    }
}

/// Reads a recorded answer and writes it again.
fn rewritten(body: &str, compact: bool) -> Option<Vec<u8>> {
    let detail = if compact { Detail::Compact } else { Detail::Full };
    let form = Form { media: Media::Json, detail };
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    let mut out = Vec::new();
    let entry = |raw: &RawValue, out: &mut Vec<u8>| {
        let (info, lease) = value(raw.get(), InstanceSeed { now: NOW }).unwrap().whole().unwrap();
        codec::instance_entry(form, Nesting::InApplications, &info, &lease, out);
    };
    let instances = |raw: &RawValue, out: &mut Vec<u8>| {
        for (at, raw) in serde_json::from_str::<OneOrMany<'_>>(raw.get()).unwrap().0.into_iter().enumerate() {
            if at > 0 {
                codec::between(form, out);
            }
            entry(raw, out);
        }
    };
    #[derive(Deserialize)]
    struct App<'a> {
        name: &'a str,
        #[serde(borrow)]
        instance: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Apps<'a> {
        #[serde(rename = "versions__delta")]
        versions_delta: &'a str,
        #[serde(rename = "apps__hashcode")]
        apps_hashcode: &'a str,
        #[serde(borrow)]
        application: Vec<App<'a>>,
    }
    if document.get("instance").is_some() {
        let decoded =
            super::document(body.as_bytes(), Member { name: "instance", seed: InstanceSeed { now: NOW } }).unwrap()?;
        let (info, lease) = decoded.whole().unwrap();
        codec::instance_document(Media::Json, &info, &lease, &mut out);
    } else if document.get("application").is_some() {
        #[derive(Deserialize)]
        struct Root<'a> {
            #[serde(borrow)]
            application: App<'a>,
        }
        let root: Root<'_> = serde_json::from_str(body).unwrap();
        codec::application_document_open(form, root.application.name, &mut out);
        instances(root.application.instance, &mut out);
        codec::application_document_close(form, &mut out);
    } else if document.get("applications").is_some() {
        #[derive(Deserialize)]
        struct Root<'a> {
            #[serde(borrow)]
            applications: Apps<'a>,
        }
        let apps = serde_json::from_str::<Root<'_>>(body).unwrap().applications;
        codec::applications_open(form, apps.versions_delta, apps.apps_hashcode, &mut out);
        for (at, app) in apps.application.iter().enumerate() {
            if at > 0 {
                codec::between(form, &mut out);
            }
            codec::application_open(form, app.name, &mut out);
            instances(app.instance, &mut out);
            codec::application_close(form, &mut out);
        }
        codec::applications_close(form, apps.versions_delta, apps.apps_hashcode, &mut out);
    } else if document.get("responseList").is_some() {
        codec::replication_response(Media::Json, &replication_response(body.as_bytes(), NOW).unwrap(), &mut out);
    } else {
        return None;
    }
    Some(out)
}

/// Equal to the byte, but for the order of metadata: Java's is that of a hash map.
#[test]
fn recorded_answers_are_written_again_as_they_were() {
    let (mut exact, mut reordered) = (0, 0);
    for (place, body) in recorded_answers(Media::Json) {
        let is_compact = body.contains("\"lastUpdatedTimestamp\":1") || body.ends_with("_\"}}");
        let Some(again) = rewritten(&body, is_compact) else { continue };
        let again = String::from_utf8(again).unwrap();
        if again == body {
            exact += 1;
            continue;
        }
        let tree = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(tree(&again), tree(&body), "{place}");
        assert_eq!(without_entries(&again), without_entries(&body), "{place}");
        reordered += 1;
    }
    assert!(exact >= 20 && exact + reordered >= 100, "{exact} equal, {reordered} but for the order of metadata");
    println!("{exact} equal to the byte, {reordered} but for the order of metadata");
}

/// The text with every metadata object cut out.
fn without_entries(text: &str) -> String {
    let mut parts = text.split("\"metadata\":{");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('}').unwrap().1)
}

/// A batch of these registrations.
fn batch(instances: &[String]) -> String {
    let item =
        |instance: &String| format!(r#"{{"action":"Register","appName":"A","id":"i","instanceInfo":{instance}}}"#);
    format!(r#"{{"replicationList":[{}]}}"#, instances.iter().map(item).collect::<Vec<_>>().join(","))
}

/// An instance with this many metadata entries, all with one name: fewer are kept than are sent.
fn with_metadata(entries: usize) -> String {
    let metadata = vec![r#""a":"b""#; entries].join(",");
    format!(r#"{{"app":"a","hostName":"h","ipAddr":"1","metadata":{{{metadata}}}}}"#)
}

#[test]
fn an_instance_with_too_much_metadata_is_refused_alone_and_skipped_among_others() {
    let (fits, too_much) = (with_metadata(MOST_METADATA), with_metadata(MOST_METADATA + 1));
    let alone = |instance: &str| instance_document(format!(r#"{{"instance":{instance}}}"#).as_bytes(), NOW);
    assert!(alone(&fits).is_ok());
    let error = alone(&too_much).unwrap_err();
    assert_eq!(error.to_string(), "the instance has 1001 metadata entries; at most 1000 are accepted");
    let items = replication_list(batch(&[too_much.clone(), fits.clone()]).as_bytes(), NOW).unwrap().replication_list;
    let found: Vec<_> = items.iter().map(|item| (item.instance_info.is_some(), item.too_large)).collect();
    assert_eq!(found, [(false, Some(TooLarge::Metadata(MOST_METADATA + 1))), (true, None)]);
    let document = format!(r#"{{"applications":{{"application":[{{"name":"A","instance":[{too_much},{fits}]}}]}}}}"#);
    let (read, errors) = applications(document.as_bytes(), NOW).unwrap();
    assert_eq!((read.applications[0].instances.len(), errors.len()), (1, 1));
}

#[test]
fn a_batch_has_an_end() {
    let cancel = |count: usize| {
        let items = vec![r#"{"action":"Cancel","appName":"","id":""}"#; count].join(",");
        replication_list(format!(r#"{{"replicationList":[{items}]}}"#).as_bytes(), NOW)
    };
    assert_eq!(cancel(MOST_ITEMS).unwrap().replication_list.len(), MOST_ITEMS);
    let error = cancel(MOST_ITEMS + 1).unwrap_err().to_string();
    assert!(error.ends_with("the list has more than 2500 elements"), "{error}");
    let error = replication_list(batch(&vec![with_metadata(1000); 101]).as_bytes(), NOW).unwrap_err().to_string();
    assert!(error.ends_with("have more than 100000 metadata entries"), "{error}");
    let long = format!(r#"{{"replicationList":[{{"action":"Cancel","appName":"A","id":"{}"}}]}}"#, "i".repeat(1001));
    let items = replication_list(long.as_bytes(), NOW).unwrap().replication_list;
    assert_eq!(items[0].too_large, Some(TooLarge::Name(1001)));
}

#[test]
fn of_many_broken_instances_of_a_peer_a_hundred_errors_are_kept() {
    let broken = vec!["1"; 5_000].join(",");
    let document = format!(r#"{{"applications":{{"application":[{{"name":"A","instance":[{broken}]}}]}}}}"#);
    assert_eq!(applications(document.as_bytes(), NOW).unwrap().1.len(), MOST_ERRORS);
    let many = vec![r#""""#; MOST_VALUES + 1].join(",");
    let error = applications(format!(r#"{{"applications":{{"application":[{many}]}}}}"#).as_bytes(), NOW).unwrap_err();
    assert!(error.to_string().ends_with("the list has more than 200000 elements"), "{error}");
}
