//! What a replica says while it starts: on its management port, and to its peers.

use std::sync::Arc;

use eureka_registry::replication::ServiceUrl;
use eureka_registry::server::Settings;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::security::{EUREKA, with_users};
use crate::support::{Answer, Client, NEVER, ReservedPort, TestServer, until, wait_for};

/// A peer that answers every call with 503, so that nobody can know whether it has a registry. It keeps the requests.
struct Busy {
    /// Nobody else listens there, also when it has stopped.
    port: ReservedPort,
    requests: Arc<Mutex<Vec<String>>>,
    answering: JoinHandle<()>,
}

impl Busy {
    async fn start() -> Self {
        let port = ReservedPort::new();
        let listener = TcpListener::bind(("127.0.0.1", port.number)).await.unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&requests);
        let answering = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _broken = answer(stream, &kept).await;
            }
        });
        Self { port, requests, answering }
    }

    /// Nobody listens on its port any more.
    fn stop(&self) {
        self.answering.abort();
    }
}

async fn answer(mut stream: TcpStream, requests: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    requests.lock().push(String::from_utf8_lossy(&request).to_lowercase());
    stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await
}

fn at(port: u16) -> ServiceUrl {
    ServiceUrl::new("http", "127.0.0.1", port, "/eureka/")
}

/// Begins a start that has an end when `busy` has one.
fn begin(busy: &Busy, change: impl FnOnce(&mut Settings) + Send + 'static) -> JoinHandle<TestServer> {
    let peer = at(busy.port.number);
    tokio::spawn(TestServer::with(move |settings: &mut Settings| {
        settings.replication.service_urls = vec![peer];
        settings.replication.registry_sync_timeout = NEVER;
        change(settings);
    }))
}

async fn ask(port: u16, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    Some(Client::over(stream).send("GET", path, headers, b"").await)
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn the_management_port_says_what_a_start_waits_for() {
    let (busy, management, port) = (Busy::start().await, ReservedPort::new(), ReservedPort::new());
    let (at_first, probes) = (port.number, management.number);
    let start = begin(&busy, move |settings| {
        settings.server.port = at_first;
        settings.server.management_port = Some(probes);
    });
    let peer = at(busy.port.number).to_string();
    let readiness = wait_for("what it waits for", async || {
        let answer = ask(probes, "/actuator/health/readiness", &[]).await?;
        body(&answer)["components"].to_string().contains(&peer).then_some(answer)
    })
    .await;
    let state = body(&readiness)["components"]["readinessState"].clone();
    assert_eq!((readiness.status, &body(&readiness)["status"]), (503, &json!("OUT_OF_SERVICE")));
    assert_eq!(state["status"], "OUT_OF_SERVICE");
    assert!(state["details"]["startingSince"].as_i64().unwrap() > 1_700_000_000_000, "{state}");
    let says = state["details"]["waitsFor"].as_str().unwrap();
    let end = format!(" s: it waits for a peer whose registry it can copy ({peer}: it answered 503).");
    assert!(says.starts_with("This replica has been starting for ") && says.ends_with(&end), "{says}");

    let get = async |path: &str| ask(probes, path, &[]).await.unwrap();
    let liveness = get("/actuator/health/liveness").await;
    assert_eq!((liveness.status, body(&liveness)), (200, json!({"status": "UP"})));
    let health = get("/actuator/health").await;
    assert_eq!((health.status, &body(&health)["status"]), (503, &json!("OUT_OF_SERVICE")));
    let components = body(&health)["components"].clone();
    assert!(components["readinessState"]["details"]["waitsFor"].is_string(), "{components}");
    assert_eq!((&components["registry"], &components["peers"]), (&Value::Null, &Value::Null), "of a part of it");
    for (path, status) in [
        ("/actuator/health/readinessState", 503),
        ("/actuator/health/registry", 503),
        ("/actuator/health/peers", 503),
        ("/actuator/health/nothing", 404),
        ("/actuator/info", 200),
        ("/actuator", 200),
    ] {
        assert_eq!(get(path).await.status, status, "{path}");
    }
    let metrics = get("/actuator/prometheus").await;
    assert_eq!(metrics.status, 503);
    assert!(metrics.text().contains("this replica is starting: without the whole registry"), "{}", metrics.text());
    assert!(TcpStream::connect(("127.0.0.1", at_first)).await.is_err(), "the client port is closed");

    busy.stop();
    let server = start.await.unwrap();
    let readiness = get("/actuator/health/readiness").await;
    assert_eq!((readiness.status, body(&readiness)), (200, json!({"status": "UP"})));
    assert_eq!(get("/actuator/prometheus").await.status, 200);
    assert_eq!(get("/actuator/health/registry").await.status, 200);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn only_who_sees_details_is_told_what_a_start_waits_for() {
    let (busy, management) = (Busy::start().await, ReservedPort::new());
    let probes = management.number;
    let start = begin(&busy, move |settings| {
        with_users(settings);
        settings.http.actuator.show_details = eureka_registry::http::actuator::ShowDetails::WhenAuthorized;
        settings.server.management_port = Some(probes);
    });
    let told = wait_for("an answer", async || ask(probes, "/actuator/health/readiness", &[EUREKA]).await).await;
    assert!(body(&told)["components"].is_object(), "{}", told.text());
    let nobody = ask(probes, "/actuator/health/readiness", &[]).await.unwrap();
    assert_eq!((nobody.status, body(&nobody)), (503, json!({"status": "OUT_OF_SERVICE"})));
    let component = ask(probes, "/actuator/health/registry", &[]).await.unwrap();
    assert_eq!(component.status, 404);
    busy.stop();
    start.await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_starts_is_shown_as_starting_with_what_it_waits_for() {
    let (busy, port) = (Busy::start().await, ReservedPort::new());
    let newcomer = at(port.number);
    let first = TestServer::with(|settings| {
        settings.replication.service_urls = vec![newcomer.clone()];
        settings.replication.registry_sync_timeout = std::time::Duration::ZERO;
    })
    .await;
    let peer = async || first.get_json("/api/v1/overview").await["peers"][0].clone();
    assert_eq!(peer().await["starting"], Value::Null);

    // Anybody who may write can send this.
    let url = newcomer.to_string();
    for (line, kept) in [("<b>names</b>", Some("<b>names</b>")), (&*"x".repeat(201), None), ("a\tb", None)] {
        let announced = [("X-Eureka-Registry-Newcomer", url.as_str()), ("X-Eureka-Registry-Waits-For", line)];
        first.send("HEAD", "/eureka/apps/delta", &announced, b"").await;
        until(&format!("{line:?} to be kept as {kept:?}"), async || {
            peer().await["starting"]["waitsFor"] == json!(kept)
        })
        .await;
        let page = first.send("GET", "/", &[], b"").await.text();
        assert!(page.contains("has been starting for") && !page.contains("<b>names"), "{page}");
    }

    let (own, one) = (port.number, at(first.address.port()));
    let start = begin(&busy, move |settings| {
        settings.server.port = own;
        settings.replication.hostname = Some("127.0.0.1".to_owned());
        settings.replication.service_urls.push(one);
    });
    let waits_for = format!("{}: it answered 503", at(busy.port.number));
    until("what the peer waits for", async || peer().await["starting"]["waitsFor"] == json!(waits_for)).await;
    assert_eq!(peer().await["available"], false);
    let overview = first.get_json("/api/v1/overview").await;
    let reasons = overview["health"]["reasons"].to_string();
    assert!(reasons.contains("has been starting for") && reasons.contains(&waits_for), "{reasons}");
    let requests = busy.requests.lock().clone();
    assert!(requests.iter().any(|request| request.contains("x-eureka-registry-newcomer")), "{requests:?}");
    assert!(!requests.iter().any(|request| request.contains("waits-for")), "only ours are told: {requests:?}");

    busy.stop();
    let second = start.await.unwrap();
    until("the peer to be up", async || {
        let peer = peer().await;
        peer["available"] == true && peer["starting"] == Value::Null
    })
    .await;
    second.stop().await.unwrap();
    first.stop().await.unwrap();
}
