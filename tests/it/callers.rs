//! The caller of a change: in histories, on pages, and in the log.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use eureka_registry::http::security::{ForwardHeaders, User};
use eureka_registry::replication::ServiceUrl;
use eureka_registry::server::Settings;
use serde_json::{Value, json};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::security::{EUREKA, READER, WRONG, with_users};
use crate::support::{ReservedPort, TestServer, instance, until, wait_for};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const PROXIED: (&str, &str) = ("X-Forwarded-For", "203.0.113.7");

thread_local! {
    /// The log of this thread, if its test captures it. A test's server runs on the test's thread.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to the log of the current thread.
struct ThisThread;

impl io::Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.iter_mut().for_each(|log| log.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures the log of this thread. There is one subscriber for all threads, because which events a subscriber of one thread sees
/// depends on other threads.
pub(crate) fn capture_log() {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let is_looked_at = |metadata: &Metadata<'_>, _: &Context<'_, Registry>| {
            *metadata.level() <= Level::DEBUG && LOG.with_borrow(Option::is_some)
        };
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| ThisThread);
        tracing_subscriber::registry().with(lines.with_filter(DynFilterFn::new(is_looked_at))).init();
    });
    LOG.set(Some(Vec::new()));
}

/// The first line with this message.
pub(crate) fn logged(message: &str) -> Value {
    let text = String::from_utf8(LOG.with_borrow(Clone::clone).unwrap()).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let line = lines.find(|line| line["message"] == message);
    assert!(line.is_some(), "no line says {message:?}:\n{text}");
    line.unwrap()
}

fn behind_a_proxy(settings: &mut Settings) {
    with_users(settings);
    settings.http.security.forward_headers = ForwardHeaders::Native;
}

async fn get(server: &TestServer, path: &str) -> Value {
    let answer = server.send("GET", path, &[READER], b"").await;
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn a_change_has_its_caller() {
    capture_log();
    let server = TestServer::with(behind_a_proxy).await;
    server.send("POST", "/eureka/apps/ORDERS", &[EUREKA, JSON], instance("ORDERS", "o-1").as_bytes()).await;
    let status = "/eureka/apps/ORDERS/o-1/status?value=OUT_OF_SERVICE";
    assert_eq!(server.send("PUT", status, &[EUREKA, PROXIED], b"").await.status, 200);

    let who = |change: &Value| (change["user"].clone(), change["address"].clone());
    let who_logged = |line: &Value| (line["user.name"].clone(), line["client.address"].clone());
    let operator = (json!("eureka"), json!("203.0.113.7"));
    let history = get(&server, "/api/v1/applications/ORDERS/instances/o-1").await;
    assert_eq!(who(&history["history"][0]), operator);
    assert_eq!(who(&history["history"][1]), (json!("eureka"), json!("127.0.0.1")));
    let changes = get(&server, "/api/v1/changes").await;
    assert_eq!(who(&changes["changes"][1]), operator);
    let page = server.send("GET", "/", &[READER], b"").await.text();
    assert!(page.contains("by eureka from 203.0.113.7"), "{page}");

    let line = logged("eureka from 203.0.113.7 set ORDERS/o-1 to OUT_OF_SERVICE");
    assert_eq!(who_logged(&line), operator);
    assert_eq!((&line["instance.previous_status"], &line["instance.status"]), (&json!("UP"), &json!("OUT_OF_SERVICE")));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_change_has_its_reason() {
    capture_log();
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    let status = "/eureka/apps/ORDERS/o-1/status?value=OUT_OF_SERVICE";
    let by_header = ("X-Eureka-Reason", "disk of node 7 is full");
    assert_eq!(server.send("PUT", status, &[by_header], b"").await.status, 200);
    let removed = "/eureka/apps/ORDERS/o-1/status?value=UP&reason=disk+replaced";
    assert_eq!(server.send("DELETE", removed, &[by_header], b"").await.status, 200);
    assert_eq!(server.send("DELETE", "/eureka/apps/ORDERS/o-1?reason=moved", &[], b"").await.status, 200);

    let expected = [json!("moved"), json!("disk replaced"), json!("disk of node 7 is full"), Value::Null];
    let reasons =
        |changes: &Value| changes.as_array().unwrap().iter().map(|one| one["reason"].clone()).collect::<Vec<_>>();
    let history = server.get_json("/api/v1/applications/ORDERS/instances/o-1").await;
    assert_eq!(reasons(&history["history"]), expected);
    let changes = server.get_json("/api/v1/changes").await;
    assert_eq!(reasons(&changes["changes"]).into_iter().rev().collect::<Vec<_>>(), expected);
    let page = server.send("GET", "/", &[], b"").await.text();
    assert!(page.contains("by a client from 127.0.0.1</small><q class=\"reason\">disk replaced</q>"), "{page}");
    let line = logged("a client from 127.0.0.1 set ORDERS/o-1 to OUT_OF_SERVICE (reason: disk of node 7 is full)");
    assert_eq!(line["reason"], "disk of node 7 is full");
    logged("a client from 127.0.0.1 cancelled ORDERS/o-1 (reason: moved)");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_reason_that_is_no_short_line_changes_nothing() {
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    let status = "/eureka/apps/ORDERS/o-1/status?value=OUT_OF_SERVICE&reason=";
    for wrong in ["a%0Ab".to_owned(), "%1B%5B2J".to_owned(), "a".repeat(201), "%00".to_owned()] {
        let answer = server.send("PUT", &format!("{status}{wrong}"), &[], b"").await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.text().starts_with("a reason has "), "{}", answer.text());
    }
    let details = server.get_json("/api/v1/applications/ORDERS/instances/o-1").await;
    assert_eq!(details["instance"]["overriddenStatus"], Value::Null);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn without_users_there_is_an_address() {
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    let changes = server.get_json("/api/v1/changes").await;
    let change = &changes["changes"][0];
    assert_eq!((&change["user"], &change["address"]), (&Value::Null, &json!("127.0.0.1")));
    server.stop().await.unwrap();
}

/// `admin:operates`, who is not the user as whom replicas call each other.
const ADMIN: (&str, &str) = ("Authorization", "Basic YWRtaW46b3BlcmF0ZXM=");

#[tokio::test]
async fn a_change_is_replicated_with_its_user_and_reason() {
    capture_log();
    let reserved = [ReservedPort::new(), ReservedPort::new()];
    let ports = [reserved[0].number, reserved[1].number];
    let start = |own: u16, other: u16| {
        TestServer::with(move |settings: &mut Settings| {
            with_users(settings);
            let password = "{noop}operates".parse().unwrap();
            settings.http.security.users.push(User { name: "admin".to_owned(), password, roles: Vec::new() });
            settings.server.port = own;
            let url = format!("http://eureka:secret@127.0.0.1:{other}/eureka/");
            settings.replication.service_urls = vec![ServiceUrl::parse(&url).unwrap()];
        })
    };
    let (a, b) = tokio::join!(start(ports[0], ports[1]), start(ports[1], ports[0]));
    let registered =
        a.send("POST", "/eureka/apps/CARRIED", &[ADMIN, JSON], instance("CARRIED", "c-1").as_bytes()).await;
    assert_eq!(registered.status, 204);
    let history = async |count: usize| {
        wait_for("the history at the other replica", async || {
            let details = get(&b, "/api/v1/applications/CARRIED/instances/c-1").await;
            details["history"].as_array().filter(|history| history.len() == count).cloned()
        })
        .await
    };
    let who = |change: &Value| [&change["source"], &change["user"], &change["reason"]].map(Clone::clone);
    // While they start, a replica may learn of an instance by a comparison, which names nobody. Once a batch was delivered, the next
    // change goes out at once.
    until("a batch was delivered", async || {
        let metrics = a.send("GET", "/actuator/prometheus", &[READER], b"").await.text();
        let mut lines = metrics.lines().filter(|line| line.starts_with("eureka_replication_items_total{"));
        lines.any(|line| !line.ends_with(" 0"))
    })
    .await;
    history(1).await;
    let status = "/eureka/apps/CARRIED/c-1/status?value=OUT_OF_SERVICE&reason=disk+is+full";
    assert_eq!(a.send("PUT", status, &[ADMIN], b"").await.status, 200);
    assert_eq!(who(&history(2).await[0]), [json!("peer"), json!("admin"), json!("disk is full")]);
    assert_eq!(a.send("PUT", "/eureka/apps/CARRIED/c-1", &[ADMIN], b"").await.status, 200);
    assert_eq!(a.send("DELETE", "/eureka/apps/CARRIED/c-1?reason=moved", &[EUREKA], b"").await.status, 200);
    let changes = wait_for("the cancellation at the other replica", async || {
        let changes = get(&b, "/api/v1/changes").await["changes"].as_array().cloned().unwrap();
        changes.iter().any(|change| change["kind"] == "cancelled").then_some(changes)
    })
    .await;
    let expected = [json!("peer"), json!("eureka"), json!("moved")];
    assert_eq!(changes.last().map(who), Some(expected), "{changes:?}");
    let line = logged("admin through a peer from 127.0.0.1 set CARRIED/c-1 to OUT_OF_SERVICE (reason: disk is full)");
    assert_eq!((&line["user.name"], &line["reason"]), (&json!("admin"), &json!("disk is full")));
    a.stop().await.unwrap();
    b.stop().await.unwrap();
}

#[tokio::test]
async fn a_replicated_change_has_the_address_of_the_peer() {
    let server = TestServer::start().await;
    let batch = json!({"replicationList": [{
        "appName": "ORDERS", "id": "o-1", "action": "Register",
        "instanceInfo": serde_json::from_str::<Value>(&instance("ORDERS", "o-1")).unwrap()["instance"],
    }]});
    server.send("POST", "/eureka/peerreplication/batch/", &[JSON], batch.to_string().as_bytes()).await;
    let changes = server.get_json("/api/v1/changes").await;
    let change = &changes["changes"][0];
    assert_eq!((&change["source"], &change["address"]), (&json!("peer"), &json!("127.0.0.1")));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_refused_login_is_counted_and_logged() {
    capture_log();
    let server = TestServer::with(behind_a_proxy).await;
    server.send("GET", "/eureka/apps", &[WRONG, PROXIED], b"").await;
    let line = logged("refused GET /eureka/apps of eureka from 203.0.113.7");
    assert_eq!((&line["level"], &line["http.response.status_code"]), (&json!("DEBUG"), &json!(401)));
    assert_eq!((&line["user.name"], &line["client.address"]), (&json!("eureka"), &json!("203.0.113.7")));

    server.send("GET", "/eureka/apps", &[], b"").await;
    server.send("GET", "/", &[], b"").await;
    let metrics = server.send("GET", "/actuator/prometheus", &[READER], b"").await.text();
    for counted in [r#"{credentials="wrong"} 1"#, r#"{credentials="none"} 2"#] {
        assert!(metrics.contains(&format!("eureka_http_unauthorized_total{counted}")), "{counted} in {metrics}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_that_cannot_be_read_leaves_its_reason() {
    for (body, status, why) in [("{", 400, "cannot parse JSON"), ("[1,2,3,4,5,6,7,8,9,0]", 413, "larger than 16 bytes")]
    {
        capture_log();
        let server = TestServer::with(|settings| settings.http.max_body_bytes = 16).await;
        let answer = server.send("POST", "/eureka/apps/ORDERS", &[JSON], body.as_bytes()).await;
        assert_eq!(answer.status, status);
        let line = logged("refused POST /eureka/apps/ORDERS of a client from 127.0.0.1");
        assert_eq!((&line["level"], &line["http.response.status_code"]), (&json!("DEBUG"), &json!(status)));
        assert!(line["why"].as_str().is_some_and(|said| said.contains(why)), "{line}");
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn the_access_log_has_the_caller_of_a_request() {
    capture_log();
    let server = TestServer::with(|settings| {
        behind_a_proxy(settings);
        settings.http.access_log = true;
    })
    .await;
    server.send("GET", "/eureka/apps", &[READER, PROXIED], b"").await;
    let line = logged("GET /eureka/apps of reader from 203.0.113.7: 200");
    assert_eq!((&line["user.name"], &line["client.address"]), (&json!("reader"), &json!("203.0.113.7")));
    assert_eq!((&line["http.request.method"], &line["url.path"]), (&json!("GET"), &json!("/eureka/apps")));
    assert_eq!(line["http.response.status_code"], json!(200));
    server.stop().await.unwrap();
}
