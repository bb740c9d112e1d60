//! Each rule on a survey that is made by hand.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::codec::{Listed, Listing};
use crate::commands::migrate_check::compare::{View, compare};
use crate::commands::migrate_check::finding::Severity;
use crate::commands::migrate_check::pages::{Dashboard, Status};
use crate::commands::migrate_check::survey::{Delta, Live, Peer};
use crate::config;
use crate::model::{
    AppName, AppsHashCode, DataCenterInfo, InstanceInfo, InstanceStatus, LeaseDurations, LeaseInfo, Metadata, Port,
};
use crate::replication::ServiceUrl;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn listed(app: &str, id: &str, change: impl FnOnce(&mut InstanceInfo)) -> Listed {
    let host_name = format!("{}.local", id.to_lowercase());
    let mut info = InstanceInfo::new(AppName::new(app), &host_name, &format!("10.0.0.{}", id.len()), NOW);
    info.instance_id = Some(id.into());
    change(&mut info);
    let lease = LeaseInfo {
        durations: info.lease,
        registration: NOW,
        last_renewal: NOW,
        eviction: Timestamp::NEVER,
        service_up: NOW,
    };
    Listed { application: AppName::new(app), info, lease }
}

fn plain(app: &str, id: &str) -> Listed {
    listed(app, id, |_| {})
}

/// A survey of a server with these instances, of which everything could be read.
fn survey(listed: Vec<Listed>) -> Survey {
    let hash_code = listed.iter().map(|one| one.info.status).collect::<AppsHashCode>().to_string();
    let listing = Listing { apps_hashcode: Some(hash_code.as_str().into()), listed, ..Listing::default() };
    Survey {
        url: url("http://java:8761/eureka/"),
        now: NOW,
        clock_ahead_secs: Some(0),
        is_ours: false,
        listing,
        listing_bytes: 1000,
        xml: None,
        delta: Delta::Read(hash_code),
        is_open: Some(true),
        status: Some(Status::default()),
        dashboard: Some(Dashboard { renews_threshold: Some(1), renews_last_min: Some(2), ..Dashboard::default() }),
        health: Some(200),
        live: BTreeMap::new(),
        peers: Vec::new(),
        config: None,
        unread: Vec::new(),
    }
}

fn url(text: &str) -> ServiceUrl {
    ServiceUrl::parse(text).unwrap()
}

/// The finding with an id.
fn finding(survey: &Survey, id: &str) -> Option<Finding> {
    findings(survey).into_iter().find(|finding| finding.id == id)
}

#[track_caller]
fn has(survey: &Survey, id: &str, severity: Severity, about: &[&str]) {
    let found = finding(survey, id).unwrap_or_else(|| panic!("{id} is not found"));
    assert_eq!(found.severity, severity, "{found:?}");
    assert!(severity != Severity::Act || !found.todo.is_empty(), "{id} says what to do");
    for (name, expected) in found.about.iter().zip(about) {
        assert!(name.contains(expected), "{id}: {name}");
    }
    assert_eq!(found.about.len(), about.len(), "{found:?}");
}

#[track_caller]
fn has_not(survey: &Survey, id: &str) {
    assert_eq!(finding(survey, id), None);
}

/// A survey with a file of this text.
fn with_file(name: &str, text: &str) -> Survey {
    let directory = std::env::temp_dir().join(format!("migrate-check-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file: PathBuf = directory.join("application.yml");
    std::fs::write(&file, text).unwrap();
    let examined = config::examine(&file, [], [], &directory).map_err(|error| error.to_string());
    std::fs::remove_dir_all(&directory).unwrap();
    Survey { config: Some(examined), ..survey(vec![plain("ORDERS", "o-1")]) }
}

#[test]
fn nothing_has_to_be_done_for_a_usual_server() {
    let survey = survey(vec![plain("ORDERS", "o-1"), plain("BILLING", "b-10")]);
    let act: Vec<_> = findings(&survey).into_iter().filter(|one| one.severity == Severity::Act).collect();
    assert_eq!(act, []);
    for id in [
        "server",
        "delta",
        "hash-code",
        "users",
        "tls",
        "path",
        "health",
        "memory",
        "copy-size",
        "instances",
        "clients",
    ] {
        has(&survey, id, Severity::Same, &[]);
    }
    has(&survey, "response-cache", Severity::Differs, &[]);
    has(&survey, "self-preservation-mode", Severity::Differs, &[]);
}

#[test]
fn ids_are_stable_and_each_stands_once() {
    let mut ids: Vec<&str> = findings(&survey(vec![plain("A", "1")])).iter().map(|one| one.id).collect();
    let number = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), number);
    assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
}

#[test]
fn instances_that_would_not_be_copied() {
    let mut of = survey(vec![
        listed("ORDERS", "o-1", |info| info.ip_addr = "".into()),
        listed("ORDERS", "o-2", |info| info.app = AppName::new("OTHER")),
        plain("ORDERS", "o-30"),
    ]);
    has(&of, "instance-refused", Severity::Act, &["ORDERS/o-1: Missing ip address", "ORDERS/o-2: Mismatched appName"]);
    of.listing.refused_count = 100;
    assert_eq!(finding(&of, "instance-refused").unwrap().more, 100);
    has_not(&survey(vec![plain("A", "1")]), "instance-refused");
}

#[test]
fn instances_that_have_something_in_common() {
    let same = [plain("ORDERS", "x"), plain("BILLING", "x"), plain("ORDERS", "X")];
    let of = survey(same.into());
    has(&of, "instance-id-shared", Severity::Differs, &["ORDERS/x and BILLING/x"]);
    has(&of, "instance-id-case", Severity::Differs, &["ORDERS/x and ORDERS/X"]);
    has(&of, "address-shared", Severity::Differs, &["ORDERS/x and ORDERS/X"]);
    let other = survey(vec![plain("ORDERS", "x"), plain("BILLING", "yy"), plain("ORDERS", "zzz")]);
    for id in ["instance-id-shared", "instance-id-case", "address-shared"] {
        has_not(&other, id);
    }
}

#[test]
fn odd_and_special_instances() {
    let of = survey(vec![
        listed("A", "1", |info| info.instance_id = None),
        listed("A", "22", |info| info.port.number = 0),
        listed("A", "333", |info| info.secure_port = Port { number: 70_000, enabled: true }),
        listed("A", "4444", |info| info.data_center_info = Some(DataCenterInfo::Amazon(Metadata::default()))),
        listed("A", "55555", |info| info.metadata = [("management.port", "1")].into_iter().collect()),
        listed("A", "666666", |info| info.port = Port { number: 0, enabled: false }),
    ]);
    has(&of, "instance-id-missing", Severity::Same, &["A/1.local"]);
    has(&of, "port-odd", Severity::Differs, &["A/22", "A/333"]);
    has(&of, "amazon", Severity::Differs, &["A/4444"]);
    has(&of, "secure-ports", Severity::Same, &[]);
    let clients = finding(&of, "clients").unwrap().says;
    assert!(clients.ends_with("1 like those of Spring Cloud, 4 of another kind, 1 with data of Amazon."), "{clients}");
    for id in ["instance-id-missing", "port-odd", "amazon", "secure-ports"] {
        has_not(&survey(vec![plain("A", "1")]), id);
    }
}

#[test]
fn memory_is_that_of_the_chart() {
    let texts = |info: &mut InstanceInfo| info.home_page_url = Some("h".repeat(60_000).into());
    let many = (0..1000).map(|id| listed("A", &id.to_string(), texts)).collect();
    let of = Survey { listing_bytes: 60_000_000, ..survey(many) };
    has(&of, "memory", Severity::Act, &[]);
    has(&of, "copy-size", Severity::Act, &[]);
    assert!(finding(&of, "copy-size").unwrap().todo.contains("512 MiB"));
}

#[test]
fn overdue_instances_are_those_that_are_so_past_the_cache() {
    let late = |id: &str| {
        let mut one = plain("A", id);
        one.lease.last_renewal = Timestamp(NOW.0 - 90_001);
        one
    };
    let mut in_time = plain("A", "55555");
    in_time.lease.last_renewal = Timestamp(NOW.0 - 90_000);
    let mut of = survey(vec![late("1"), late("22"), late("333"), in_time]);
    let renewed = LeaseInfo { last_renewal: NOW, ..of.listing.listed[0].lease };
    of.live.insert(of.listing.listed[0].info.key(), Live::Registered(renewed));
    of.live.insert(of.listing.listed[1].info.key(), Live::NotServed);
    has(&of, "overdue", Severity::Act, &["A/22", "A/333"]);
    assert!(finding(&of, "overdue").unwrap().says.contains("1 of them are as old as the list"));
    has_not(&survey(vec![plain("A", "1")]), "overdue");
}

#[test]
fn unusual_leases_and_statuses() {
    let lease = |interval, duration| {
        move |info: &mut InstanceInfo| {
            info.lease = LeaseDurations { renewal_interval_secs: interval, duration_secs: duration }
        }
    };
    let of = survey(vec![
        listed("A", "1", lease(5, 15)),
        listed("A", "22", lease(30, 30)),
        listed("A", "333", |info| info.status = InstanceStatus::Unknown),
        listed("A", "4444", |info| info.overridden_status = InstanceStatus::OutOfService),
    ]);
    has(&of, "renewal-interval", Severity::Differs, &["A/1"]);
    has(&of, "lease-duration", Severity::Same, &["A/1", "A/22"]);
    has(&of, "lease-too-short", Severity::Act, &["A/22"]);
    has(&of, "status-unknown", Severity::Act, &["A/333"]);
    has(&of, "overrides", Severity::Differs, &["A/4444"]);
    assert!(
        finding(&of, "instances").unwrap().says.contains("4 instances of 1 application registered: 1 UNKNOWN, 3 UP.")
    );
    for id in ["renewal-interval", "lease-duration", "lease-too-short", "status-unknown", "overrides"] {
        has_not(&survey(vec![plain("A", "1")]), id);
    }
}

#[test]
fn lists_deltas_and_hash_codes() {
    let one = || vec![plain("A", "1")];
    has(&Survey { delta: Delta::Read("UP_2_".to_owned()), ..survey(one()) }, "cache-age", Severity::Differs, &[]);
    has(&Survey { delta: Delta::Refused, ..survey(one()) }, "delta", Severity::Differs, &[]);
    has(&Survey { delta: Delta::Unread, ..survey(one()) }, "delta", Severity::Differs, &[]);
    let mut wrong = survey(one());
    wrong.listing.apps_hashcode = Some("UP_7_".into());
    has(&wrong, "hash-code", Severity::Differs, &[]);
    let xml = |change: fn(&mut InstanceInfo)| Survey {
        xml: Some(survey(vec![listed("A", "1", change)]).listing),
        ..survey(one())
    };
    has(&xml(|_| {}), "xml", Severity::Same, &[]);
    has(&xml(|info| info.port.enabled = false), "xml", Severity::Differs, &["A/1"]);
    has(&xml(|info| (info.port.enabled, info.last_dirty) = (false, Timestamp(1))), "xml", Severity::Same, &[]);
}

#[test]
fn self_preservation_of_the_dashboard() {
    let of = |dashboard| Survey { dashboard: Some(dashboard), ..survey(Vec::new()) };
    has(&of(Dashboard { emergency: true, ..Dashboard::default() }), "self-preservation-active", Severity::Act, &[]);
    let off = Dashboard { is_turned_off: true, ..Dashboard::default() };
    has(&of(off.clone()), "self-preservation-off", Severity::Differs, &[]);
    has(&of(Dashboard { is_broken: true, ..Dashboard::default() }), "dashboard-broken", Severity::Differs, &[]);
    for (value, severity) in [("false", Severity::Same), ("true", Severity::Act)] {
        let file = with_file("self-preservation", &format!("eureka.server.enable-self-preservation: {value}\n"));
        has(&Survey { dashboard: Some(off.clone()), ..file }, "self-preservation-off", severity, &[]);
    }
    let java =
        with_file("mode", "registry.self-preservation.mode: java\neureka.server.use-read-only-response-cache: true\n");
    has_not(&java, "self-preservation-mode");
    has(&java, "response-cache", Severity::Same, &[]);
    has_not(&Survey { dashboard: None, ..survey(Vec::new()) }, "self-preservation");
}

#[test]
fn users_tls_and_paths_are_compared_with_the_file() {
    let users = "spring.security.user: {name: eureka, password: secret}\n";
    for (is_open, file, severity) in [
        (Some(true), None, Severity::Same),
        (Some(true), Some(""), Severity::Same),
        (Some(true), Some(users), Severity::Act),
        (Some(false), None, Severity::Act),
        (Some(false), Some(""), Severity::Act),
        (Some(false), Some(users), Severity::Same),
        (None, None, Severity::Differs),
    ] {
        let of = file.map_or_else(|| survey(Vec::new()), |file| with_file("users", file));
        has(&Survey { is_open, ..of }, "users", severity, &[]);
    }
    for (at, file, severity) in [
        ("http://java:8761/base/eureka/", None, Severity::Act),
        ("http://java:8761/base/eureka/", Some("server.servlet.context-path: /base\n"), Severity::Same),
        ("http://java:8761/eureka/", Some("server.servlet.context-path: /base\n"), Severity::Act),
        ("http://java:8761/eureka/v2/", None, Severity::Same),
    ] {
        let of = file.map_or_else(|| survey(Vec::new()), |file| with_file("path", file));
        has(&Survey { url: url(at), ..of }, "path", severity, &[]);
    }
    has(&Survey { url: url("https://java:8761/eureka/"), ..survey(Vec::new()) }, "tls", Severity::Act, &[]);
    let tls = "server.ssl: {certificate: tls.pem, certificate-private-key: tls.pem}\n";
    has(&with_file("tls", tls), "tls", Severity::Act, &[]);
    has(&Survey { url: url("https://java:8761/eureka/"), ..with_file("tls", tls) }, "tls", Severity::Same, &[]);
}

#[test]
fn health_clock_and_kind() {
    let of = |health| Survey { health: Some(health), ..survey(Vec::new()) };
    has(&of(401), "health", Severity::Differs, &[]);
    has(&of(503), "health", Severity::Act, &[]);
    has_not(&of(404), "health");
    let clock = |secs| Survey { clock_ahead_secs: Some(secs), ..survey(Vec::new()) };
    has(&clock(6), "clock", Severity::Differs, &[]);
    has(&clock(-6), "clock", Severity::Differs, &[]);
    has_not(&clock(5), "clock");
    let ours = Survey { is_ours: true, ..survey(Vec::new()) };
    assert!(finding(&ours, "server").unwrap().says.contains("already"));
}

#[test]
fn peers_that_cannot_be_read_or_disagree() {
    let (of_one, of_two) = (survey(vec![plain("A", "1")]), survey(vec![plain("A", "1"), plain("A", "22")]));
    let view = |survey: &Survey| -> View {
        survey.listing.listed.iter().map(|one| (one.info.key(), one.info.clone())).collect()
    };
    let peer = |host: &str, is_called_unavailable, differences| Peer {
        url: url(&format!("http://{host}:8761/eureka/")),
        is_called_unavailable,
        differences,
    };
    let registered = vec![url("http://b:8761/eureka/"), url("http://c:8761/eureka/")];
    let status = Some(Status { registered, ..Status::default() });
    let with = |peers| Survey { status: status.clone(), peers, ..survey(vec![plain("A", "1")]) };
    has(&with(Vec::new()), "peers", Severity::Same, &["http://b", "http://c"]);
    has(&survey(Vec::new()), "peers", Severity::Same, &[]);

    let differing = compare(&view(&of_one), &view(&of_two));
    let both = with(vec![peer("b", true, Ok(differing)), peer("c", true, Err("connection refused".to_owned()))]);
    has(&both, "peer-unread", Severity::Act, &["http://c:8761/eureka/: connection refused"]);
    has(&both, "peers-disagree", Severity::Act, &["A/22 registered: no here, yes at http://b"]);
    has(&both, "peer-called-unavailable", Severity::Differs, &["http://b"]);
    has_not(&both, "peers-agree");
    has(&with(vec![peer("b", false, Ok(Vec::new()))]), "peers-agree", Severity::Same, &[]);

    has_not(&both, "status-shows-passwords");
    let registered = vec![url("http://u:secret@b:8761/eureka/")];
    let shown = Survey { status: Some(Status { registered, ..Status::default() }), ..survey(Vec::new()) };
    has(&shown, "status-shows-passwords", Severity::Differs, &["http://b:8761/eureka/"]);

    let file = |hosts: &str| Survey {
        status: status.clone(),
        ..with_file("peers", &format!("eureka.client.service-url.defaultZone: {hosts}\n"))
    };
    has(
        &file("http://u:p@b:8761/eureka/,http://java:8761/eureka/,http://d:8761/eureka/"),
        "config-peers",
        Severity::Act,
        &["http://d"],
    );
    has_not(&file("http://b:8761/eureka/"), "config-peers");
}

#[test]
fn the_file_is_judged_as_at_the_start() {
    let file = with_file(
        "notices",
        "eureka.server:\n  eviction-interval-timer-in-ms: 10000\n  renewal-percent-treshold: 0.8\nserver.tomcat.max-threads: 5\n",
    );
    has(&file, "config-honoured", Severity::Same, &["eureka.server.eviction-interval-timer-in-ms"]);
    has(&file, "config-unknown", Severity::Differs, &["renewal-percent-treshold"]);
    has(&file, "config-harmless", Severity::Same, &["server.tomcat.max-threads"]);
    has_not(&file, "config-missing");
    has(
        &with_file("missing", "eureka.server.remote-region-urls: http://a/\n"),
        "config-missing",
        Severity::Act,
        &["remote-region-urls"],
    );
    let refused = with_file("refused", "server.port: none\n");
    has(&refused, "config-refused", Severity::Act, &[]);
    assert!(finding(&refused, "config-refused").unwrap().says.contains("server.port=none"));
    has_not(&survey(Vec::new()), "config-honoured");
}
