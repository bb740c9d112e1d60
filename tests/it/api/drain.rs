//! `POST /api/v1/applications/{application}/instances/{instanceId}/drain`: who is waited for, and how long.
//!
//! Most of these tests have a replica without sockets in time that is paused: clients have any address, and half a minute takes no time.

use std::net::IpAddr;

use eureka_registry::server::PeerAccess;

use super::contract::{Contract, guess};
use super::*;
use crate::callers::{capture_log, logged};

const PATH: &str = "/api/v1/applications/{application}/instances/{instanceId}/drain";
const DRAIN: &str = "/api/v1/applications/orders/instances/o-1/drain";
/// The address of a pod with an instance of CALLER.
const CALLER: [u8; 4] = [10, 0, 0, 2];
/// An address at which nobody has registered.
const PROXY: [u8; 4] = [10, 0, 0, 3];
/// How the log begins to say that a drain ended without its goal.
const NOT_DRAINED: &str = "did not drain ORDERS/o-1 for a client from 10.0.0.1";
/// Longer than two intervals.
const UPTIME: Duration = Duration::from_secs(600);

/// A replica without sockets that has ORDERS/o-1, and one instance of CALLER.
struct Replica(Node);

impl Replica {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.registry.eviction_interval = NEVER;
        change(&mut settings);
        let access = PeerAccess::by_network(&settings, None).unwrap();
        let clock = Clock::system();
        let rng = SmallRng::seed_from_u64(0);
        let mut node = Node::build(&settings, ([127, 0, 0, 1], 8761).into(), access, None, clock, rng);
        node.join().await;
        node.accept_traffic();
        let register = |application: &str, id: &str, address: &str| {
            let mut info = InstanceInfo::new(AppName::new(application), id, address, clock.now());
            info.instance_id = Some(id.into());
            info.vip_address = Some("orders".into());
            node.registry().register(info, Source::Client, clock.now());
        };
        register("ORDERS", "o-1", "10.0.0.1");
        register("CALLER", "c-1", "10.0.0.2");
        Self(node)
    }

    /// One that knows all of its readers.
    async fn that_is_old() -> Self {
        let replica = Self::start().await;
        tokio::time::sleep(UPTIME).await;
        replica
    }

    async fn send(&self, method: &str, path: &str, address: [u8; 4]) -> Answer {
        self.send_accepting("*/*", method, path, address).await
    }

    async fn send_accepting(&self, accept: &str, method: &str, path: &str, address: [u8; 4]) -> Answer {
        let connection = Connection { address: Some(IpAddr::from(address)), ..Connection::default() };
        let request = Request::builder().method(method).uri(path).header("Accept", accept);
        let request = request.header("Host", "localhost").header("User-Agent", "Java").body(Body::empty()).unwrap();
        let (parts, body) = self.0.service().handle(connection, request).await.into_parts();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers, body }
    }

    async fn fetch(&self, path: &str, address: [u8; 4]) {
        assert_eq!(self.send("GET", path, address).await.status, 200, "{path}");
    }

    async fn drain(&self, query: &str) -> (u16, Value) {
        let answer = self.send("POST", &format!("{DRAIN}?{query}"), [10, 0, 0, 1]).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    /// The reports of a drain that are sent in lines, one each second.
    async fn drain_in_lines(&self, query: &str) -> Vec<Value> {
        let path = format!("{DRAIN}?{query}");
        let answer = self.send_accepting("application/x-ndjson", "POST", &path, [10, 0, 0, 1]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let contract = Contract::of("post");
        let report = |line: &str| {
            let report = serde_json::from_str(line).unwrap();
            contract.check(contract.schema("DrainReport"), &report).unwrap();
            report
        };
        answer.text().lines().map(report).collect()
    }

    /// Drains, while somebody fetches this after some seconds.
    async fn drain_while(&self, query: &str, secs: u64, path: &str, address: [u8; 4]) -> (u16, Value) {
        let fetching = async {
            tokio::time::sleep(Duration::from_secs(secs)).await;
            self.fetch(path, address).await;
        };
        tokio::join!(self.drain(query), fetching).0
    }

    async fn metric(&self, name: &str) -> Option<String> {
        let text = self.send("GET", "/actuator/prometheus", CALLER).await.text();
        text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    }

    /// Puts the instance back in service three seconds after a drain began, which then says so.
    async fn is_put_back_during_a_drain(&self, query: &str) {
        let back = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            self.send("DELETE", "/eureka/apps/ORDERS/o-1/status?value=UP", CALLER).await;
        };
        let ((status, report), ()) = tokio::join!(self.drain(query), back);
        assert_eq!((status, &report["outcome"]), (409, &json!("undone")), "{report}");
        assert!((3.0..4.1).contains(&secs(&report)), "{report}");
    }
}

/// After how many seconds a drain was answered.
fn secs(report: &Value) -> f64 {
    report["afterMillis"].as_f64().unwrap() / 1000.0
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_answered_when_every_reader_has_fetched_since() {
    capture_log();
    let replica = Replica::that_is_old().await;
    replica.fetch("/eureka/apps", CALLER).await;
    let (status, report) = replica.drain_while("timeout=50s", 7, "/eureka/apps/delta", CALLER).await;
    assert_eq!((status, &report["drained"], &report["outcome"]), (200, &json!(true), &json!("drained")), "{report}");
    assert!((7.0..8.1).contains(&secs(&report)), "{report}");
    assert_eq!([&report["readers"], &report["byTime"], &report["waiting"]], [1, 0, 0]);
    assert_eq!(report["replicas"], json!([{ "peer": null, "done": true, "readers": 1, "waiting": 0, "note": null }]));
    let details = replica.send("GET", "/api/v1/applications/ORDERS/instances/o-1", CALLER).await;
    let details: Value = serde_json::from_slice(&details.body).unwrap();
    assert_eq!(details["instance"]["overriddenStatus"], "OUT_OF_SERVICE");
    assert_eq!(details["history"][0]["reason"], "drain");
    assert_eq!(replica.metric("eureka_drains_total{outcome=\"drained\"}").await.as_deref(), Some("1.0"));
    let line =
        logged("drained ORDERS/o-1 for a client from 10.0.0.1: all readers have fetched that it is out of service");
    assert_eq!(
        [&line["readers"], &line["replicas"], &line["client.address"], &line["reason"]],
        [&json!(1), &json!(1), &json!("10.0.0.1"), &json!("drain")]
    );
}

#[tokio::test(start_paused = true)]
async fn without_readers_a_drain_is_answered_at_once() {
    let replica = Replica::that_is_old().await;
    // Who fetched long ago is gone, and the instance itself is not waited for.
    replica.fetch("/eureka/apps", CALLER).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    replica.fetch("/eureka/apps", [10, 0, 0, 1]).await;
    assert_eq!(replica.send("PUT", "/eureka/apps/ORDERS/o-1", CALLER).await.status, 200);
    // Neither reads the instance, nor does who only asks whether there was something.
    replica.fetch("/eureka/apps/CALLER", [10, 0, 0, 4]).await;
    replica.fetch("/eureka/apps/ORDERS/o-1", [10, 0, 0, 4]).await;
    replica.send("HEAD", "/eureka/apps", PROXY).await;
    let (status, report) = replica.drain("timeout=0").await;
    assert_eq!((status, &report["readers"], secs(&report)), (200, &json!(0), 0.0), "{report}");
}

#[tokio::test(start_paused = true)]
async fn who_has_not_fetched_when_the_time_is_over_is_named() {
    capture_log();
    let replica = Replica::that_is_old().await;
    replica.fetch("/eureka/vips/orders", CALLER).await;
    let (status, report) = replica.drain_while("timeout=20s", 3, "/eureka/vips/other", CALLER).await;
    assert_eq!((status, &report["drained"], &report["outcome"]), (409, &json!(false), &json!("timed_out")), "{report}");
    assert!((20.0..20.1).contains(&secs(&report)), "{report}");
    let mut waiting_for = report["waitingFor"].clone();
    let age = waiting_for[0]["lastFetchMillisAgo"].take().as_i64().unwrap();
    assert!((20_000..20_100).contains(&age), "the fetch of another virtual address is none of this one: {age}");
    waiting_for[0]["intervalMillis"].take();
    let expected = json!({
        "peer": null, "address": "10.0.0.2", "userAgent": "Java", "user": null, "application": "CALLER",
        "lastFetchMillisAgo": null, "intervalMillis": null, "mayBeSeveral": false,
    });
    assert_eq!(waiting_for, json!([expected]));
    assert_eq!(replica.metric("eureka_drains_total{outcome=\"timed_out\"}").await.as_deref(), Some("1.0"));
    let line = logged(&format!("{NOT_DRAINED}: not all readers have fetched that it is out of service"));
    assert_eq!(
        (&line["level"], &line["waiting"], &line["waiting_for"]),
        (&json!("WARN"), &json!(1), &json!("10.0.0.2"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_refused_brings_nobody_the_change() {
    let replica = Replica::with(|settings| settings.registry.disable_delta = true).await;
    tokio::time::sleep(UPTIME).await;
    replica.fetch("/eureka/apps", CALLER).await;
    let refused = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(replica.send("GET", "/eureka/apps/delta", CALLER).await.status, 403);
    };
    let ((status, report), ()) = tokio::join!(replica.drain("timeout=10s"), refused);
    assert_eq!((status, &report["waiting"]), (409, &json!(1)), "{report}");
}

#[tokio::test(start_paused = true)]
async fn several_clients_may_be_behind_an_address_at_which_nobody_registered() {
    let replica = Replica::that_is_old().await;
    replica.fetch("/eureka/apps", PROXY).await;
    let (status, report) = replica.drain_while("timeout=50s", 7, "/eureka/apps/delta", PROXY).await;
    assert_eq!((status, &report["readers"], &report["byTime"]), (200, &json!(1), &json!(1)), "{report}");
    assert!((33.0..34.1).contains(&secs(&report)), "an interval and a tenth: {report}");
    replica.send("DELETE", "/eureka/apps/ORDERS/o-1/status?value=UP", CALLER).await;
    replica.fetch("/eureka/apps/delta", PROXY).await;
    let (_, report) = replica.drain_while("timeout=50s&interval=5s", 2, "/eureka/apps/delta", PROXY).await;
    assert!((5.5..6.6).contains(&secs(&report)), "where clients fetch every five seconds: {report}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_has_just_started_does_not_know_all_readers() {
    let replica = Replica::start().await;
    let (status, report) = replica.drain("").await;
    assert_eq!((status, &report["readers"]), (200, &json!(0)), "{report}");
    assert!((33.0..34.1).contains(&secs(&report)), "{report}");
}

#[tokio::test(start_paused = true)]
async fn the_read_only_cache_makes_fetches_count_later() {
    let replica = Replica::with(|settings| settings.registry.use_read_only_response_cache = true).await;
    tokio::time::sleep(UPTIME).await;
    replica.fetch("/eureka/apps", CALLER).await;
    let later = async {
        for secs in [10, 15, 10] {
            tokio::time::sleep(Duration::from_secs(secs)).await;
            replica.fetch("/eureka/apps", CALLER).await;
        }
    };
    let ((status, report), ()) = tokio::join!(replica.drain(""), later);
    assert_eq!(status, 200);
    assert!((35.0..36.1).contains(&secs(&report)), "answers may be 30 seconds old: {report}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_clients_cache_themselves_if_it_is_told_to() {
    let replica = Replica::that_is_old().await;
    let (status, report) = replica.drain("timeout=1s&settle=35s").await;
    assert_eq!((status, secs(&report)), (200, 35.0), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_when_somebody_puts_the_instance_back() {
    capture_log();
    let replica = Replica::that_is_old().await;
    replica.fetch("/eureka/apps", CALLER).await;
    replica.is_put_back_during_a_drain("").await;
    assert_eq!(replica.metric("eureka_drains_total{outcome=\"undone\"}").await.as_deref(), Some("1.0"));
    logged(&format!("{NOT_DRAINED}: it is UP again"));
}

#[tokio::test(start_paused = true)]
async fn a_drain_whose_instance_is_put_back_while_clients_caches_are_waited_for_says_so() {
    let replica = Replica::that_is_old().await;
    replica.is_put_back_during_a_drain("settle=35s").await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_leaves_meanwhile_is_waited_for_too_and_leaves_no_override() {
    let replica = Replica::that_is_old().await;
    replica.fetch("/eureka/apps", CALLER).await;
    let leaves = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(replica.send("DELETE", "/eureka/apps/ORDERS/o-1", CALLER).await.status, 200);
        tokio::time::sleep(Duration::from_secs(4)).await;
        replica.fetch("/eureka/apps", CALLER).await;
    };
    let ((status, report), ()) = tokio::join!(replica.drain(""), leaves);
    assert_eq!(status, 200);
    assert!((5.0..6.1).contains(&secs(&report)), "{report}");
    let mut again = InstanceInfo::new(AppName::new("ORDERS"), "o-1", "10.0.0.1", Clock::system().now());
    again.instance_id = Some("o-1".into());
    replica.0.registry().register(again, Source::Client, Clock::system().now());
    let lease = replica.0.registry().lease("ORDERS/o-1").unwrap();
    assert_eq!(lease.with_record(|record| record.status_override.status), None, "the next one of this id is UP");
}

#[tokio::test(start_paused = true)]
async fn a_second_drain_leaves_the_override_as_it_is() {
    let replica = Replica::that_is_old().await;
    let override_of = || replica.0.registry().lease("ORDERS/o-1").unwrap().with_record(|record| record.status_override);
    assert_eq!(replica.drain("").await.0, 200);
    let first = override_of();
    assert_eq!(replica.drain("").await.0, 200);
    assert_eq!(override_of(), first);
}

#[tokio::test(start_paused = true)]
async fn a_drain_in_lines_says_how_far_it_is() {
    let replica = Replica::that_is_old().await;
    replica.fetch("/eureka/apps", CALLER).await;
    let fetching = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        replica.fetch("/eureka/apps/delta", CALLER).await;
    };
    let (reports, ()) = tokio::join!(replica.drain_in_lines("timeout=50s&settle=3s"), fetching);
    let stage = |report: &Value| (report["outcome"].as_str().unwrap().to_owned(), report["waiting"].as_u64().unwrap());
    let mut stages: Vec<_> = reports.iter().map(stage).collect();
    assert!(stages.len() > 9, "one each second: {stages:?}");
    stages.dedup();
    assert_eq!(stages, [("waiting".to_owned(), 1), ("settling".to_owned(), 0), ("drained".to_owned(), 0)]);
    assert_eq!(reports[0]["waitingFor"][0]["address"], "10.0.0.2");
    assert!(reports.windows(2).all(|two| (secs(&two[1]) - secs(&two[0])) < 1.1), "{reports:?}");
    let last = reports.last().unwrap();
    assert!(last["drained"] == true && (10.0..11.2).contains(&secs(last)), "{last}");
    assert_eq!(replica.metric("eureka_drains_total{outcome=\"drained\"}").await.as_deref(), Some("1.0"));
    let reports = replica.drain_in_lines("timeout=1s").await;
    assert_eq!(reports.last().map(stage), Some(("timed_out".to_owned(), 1)), "it has not fetched since this one began");
}

#[tokio::test]
async fn who_asks_and_goes_away_ends_the_drain() {
    for accept in ["*/*", "application/x-ndjson"] {
        who_goes_away_ends_the_drain(accept).await;
    }
}

async fn who_goes_away_ends_the_drain(accept: &str) {
    capture_log();
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    let mut client = Client::connect(server.address).await;
    let request = format!("POST {DRAIN} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Length: 0\r\n\r\n");
    client.stream.write_all(request.as_bytes()).await.unwrap();
    let metric = async |line: &str| server.send("GET", "/actuator/prometheus", &[], b"").await.text().contains(line);
    until("the drain to begin", async || metric("eureka_drains_in_progress 1").await).await;
    drop(client);
    until("the drain to end", async || metric("eureka_drains_total{outcome=\"abandoned\"} 1").await).await;
    assert!(metric("eureka_drains_in_progress 0").await);
    let why = "the connection ended, or this replica stops, before the drain was over";
    logged(&format!("did not drain ORDERS/o-1 for a client from 127.0.0.1: {why}"));
    server.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_answer_to_a_drain_is_as_described() {
    let mut contract = Contract::of("post");
    // It has just started, so it waits for an interval, although it knows of no reader.
    let replica = Replica::with(|settings| settings.limits.memory = 0).await;
    let drain = async |query: &str| replica.send("POST", &format!("{DRAIN}?{query}"), CALLER).await;
    // A replica with so little memory has room for eight.
    let waiting = join_all((0..9).map(|_| drain("timeout=1s"))).await;
    let statuses: Vec<u16> = waiting.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [409, 409, 409, 409, 409, 409, 409, 409, 503]);
    waiting.iter().for_each(|answer| contract.hold(PATH, answer));
    contract.hold(PATH, &drain("timeout=70s").await);
    for (query, why) in [
        ("timeout=11m", "timeout=11m: expected a time such as 60s, up to 600s"),
        ("timeout=soon", "timeout=soon: expected a time"),
        ("settle=-1s", "settle=-1s: expected a time"),
        ("interval=6m", "interval=6m: expected a time such as 60s, up to 300s"),
        ("interval=999ms", "interval=999ms: expected at least one second"),
        ("timout=60s", "parameter=timout: expected timeout, settle, interval, reason"),
        ("reason=a%0Ab", "a reason has no line breaks"),
    ] {
        let refused = drain(query).await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.text().contains(why), "{query}: {}", refused.text());
        contract.hold(PATH, &refused);
    }
    contract.hold(PATH, &replica.send("POST", "/api/v1/applications/ORDERS/instances/nobody/drain", CALLER).await);
    let method = replica.send("GET", DRAIN, CALLER).await;
    assert_eq!((method.status, method.header("allow")), (405, Some("POST,OPTIONS")));

    tokio::time::resume();
    let server = TestServer::with(with_users).await;
    server.send("POST", "/eureka/apps/ORDERS", &[EUREKA, JSON], instance("ORDERS", "o-1").as_bytes()).await;
    let send = async |headers: &[(&str, &str)]| server.send("POST", DRAIN, headers, b"").await;
    for (headers, status) in [
        (&[READER][..], 403),
        (&[EUREKA, ("Origin", "http://evil.example")], 403),
        (&[EUREKA, ("Sec-Fetch-Site", "cross-site")], 403),
        (&[], 401),
    ] {
        let refused = send(headers).await;
        assert_eq!(refused.status, status, "{headers:?}");
        contract.hold(PATH, &refused);
    }
    let untouched = server.send("GET", "/eureka/apps/ORDERS/o-1", &[EUREKA], b"").await;
    assert!(untouched.text().contains("<status>UP</status>"), "nobody of them changed it");
    let open = TestServer::start().await;
    let mut client = Client::connect(open.address).await;
    let elsewhere = format!("POST {DRAIN} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
    client.stream.write_all(elsewhere.as_bytes()).await.unwrap();
    contract.hold(PATH, &client.answer(false).await);
    open.stop().await.unwrap();
    for number in 0..20 {
        guess(&server, "/api/v1/user", number).await;
    }
    let wrong = format!("Basic {}", BASE64_STANDARD.encode("eureka:21"));
    contract.hold(PATH, &send(&[("Authorization", &wrong)]).await);
    server.stop().await.unwrap();
    let documented: BTreeSet<_> = contract.documented().into_iter().filter(|(path, _)| path == PATH).collect();
    assert_eq!(contract.seen, documented, "every answer that is described was given");
}
