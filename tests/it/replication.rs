//! Replicas on loopback addresses behind a name server that answers like a headless Service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use eureka_registry::http::security::User;
use eureka_registry::replication::ServiceUrl;
use eureka_registry::replication::options::Credentials;
use eureka_registry::server::Settings;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::name_server::NameServer;
use crate::support::{DEADLINE, ReservedPort, TestServer, instance, until, wait_for};

/// The domain that Kubernetes adds to the names in SRV records. A pod calls itself by the short name.
const DOMAIN: &str = ".default.svc.cluster.local";

fn address_of(pod: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 11 + pod)
}

/// A headless Service: a name server that has SRV records of the Service, and addresses of it and of its pods.
struct Service {
    names: NameServer,
    pods: Mutex<Vec<u8>>,
    port: u16,
}

impl Service {
    async fn start(port: &ReservedPort) -> Self {
        let service = Self { names: NameServer::start().await, pods: Mutex::default(), port: port.number };
        service.publish();
        service
    }

    fn add(&self, pod: u8) {
        self.pods.lock().push(pod);
        self.publish();
    }

    fn remove(&self, pod: u8) {
        self.pods.lock().retain(|known| *known != pod);
        self.publish();
    }

    /// Makes the records anew. Every name is there with the domain and, as by a search list, without it.
    fn publish(&self) {
        let (pods, mut zone) = (self.pods.lock(), self.names.zone.lock());
        zone.records.clear();
        let targets: Vec<String> = pods.iter().map(|pod| format!("registry-{pod}.registry{DOMAIN}")).collect();
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        for domain in ["", DOMAIN] {
            let service = format!("registry{domain}");
            zone.service(&service, &targets, self.port);
            zone.addresses(&service, pods.iter().map(|pod| address_of(*pod)));
            for pod in &*pods {
                zone.addresses(&format!("registry-{pod}.{service}"), [address_of(*pod)]);
            }
        }
    }

    /// A replica as the pod of this number.
    async fn replica(&self, pod: u8) -> TestServer {
        self.replica_with(pod, |_| {}).await
    }

    async fn replica_with(&self, pod: u8, change: impl FnOnce(&mut Settings)) -> TestServer {
        let (port, nameserver) = (self.port, self.names.address);
        TestServer::with(move |settings: &mut Settings| {
            settings.server.address = Some(IpAddr::V4(address_of(pod)));
            settings.server.port = port;
            settings.replication.discovery_service = Some(format!("registry{DOMAIN}"));
            settings.replication.discovery_refresh_interval = Duration::from_millis(100);
            settings.replication.discovery_nameservers = vec![nameserver];
            settings.replication.hostname = Some(format!("registry-{pod}.registry"));
            change(settings);
        })
        .await
    }
}

async fn status(server: &TestServer, id: &str) -> Option<String> {
    let answer = server.send("GET", &format!("/eureka/apps/ORDERS/{id}"), &[("Accept", "application/json")], b"").await;
    let body: Value = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200)?;
    Some(body["instance"]["status"].as_str()?.to_owned())
}

async fn all_see(servers: &[&TestServer], id: &str, expected: Option<&str>) {
    for server in servers {
        until(&format!("{} to see {id} as {expected:?}", server.address), async || {
            status(server, id).await.as_deref() == expected
        })
        .await;
    }
}

/// Waits until a server has this many peers that are up.
async fn knows_peers(server: &TestServer, count: usize) {
    until(&format!("{} to know {count} peers", server.address), async || {
        let status = server.get_json("/eureka/status").await;
        let available = status["applicationStats"]["available-replicas"].as_str().unwrap();
        available.matches("http://").count() == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn replicas_find_each_other_and_tell_each_other_everything() {
    let port = ReservedPort::new();
    let names = Service::start(&port).await;
    (0..3).for_each(|pod| names.add(pod));
    let (a, b, c) = tokio::join!(names.replica(0), names.replica(1), names.replica(2));
    for replica in [&a, &b, &c] {
        knows_peers(replica, 2).await;
    }
    a.register("orders", "1").await;
    b.register("orders", "2").await;
    all_see(&[&a, &b, &c], "1", Some("UP")).await;
    all_see(&[&a, &b, &c], "2", Some("UP")).await;
    c.send("PUT", "/eureka/apps/ORDERS/1/status?value=OUT_OF_SERVICE", &[], b"").await;
    all_see(&[&a, &b, &c], "1", Some("OUT_OF_SERVICE")).await;
    b.send("DELETE", "/eureka/apps/ORDERS/1/status?value=UP", &[], b"").await;
    all_see(&[&a, &b, &c], "1", Some("UP")).await;
    a.send("DELETE", "/eureka/apps/ORDERS/2", &[], b"").await;
    all_see(&[&a, &b, &c], "2", None).await;

    // A fourth replica takes part within one lookup, and is complete from its first answer on.
    names.add(3);
    let d = names.replica(3).await;
    assert_eq!(status(&d, "1").await.as_deref(), Some("UP"), "whole before it answers");
    for replica in [&a, &b, &c, &d] {
        knows_peers(replica, 3).await;
    }
    d.register("orders", "4").await;
    all_see(&[&a, &b, &c, &d], "4", Some("UP")).await;

    // One replica leaves. The others forget it, and nothing else happens.
    names.remove(3);
    d.stop().await.unwrap();
    for replica in [&a, &b, &c] {
        knows_peers(replica, 2).await;
    }
    all_see(&[&a, &b, &c], "4", Some("UP")).await;
    for replica in [a, b, c] {
        replica.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn a_drain_waits_for_the_readers_of_every_replica() {
    let port = ReservedPort::new();
    let names = Service::start(&port).await;
    (0..3).for_each(|pod| names.add(pod));
    let (a, b, c) = tokio::join!(names.replica(0), names.replica(1), names.replica(2));
    for replica in [&a, &b, &c] {
        knows_peers(replica, 2).await;
    }
    a.register("orders", "1").await;
    // All requests of this test come from this address.
    let caller = instance("CALLER", "c-1").replace("10.0.0.1", "127.0.0.1");
    let json = ("Content-Type", "application/json");
    assert_eq!(b.send("POST", "/eureka/apps/CALLER", &[json], caller.as_bytes()).await.status, 204);
    all_see(&[&a, &b, &c], "1", Some("UP")).await;
    until("the caller to be known everywhere", async || {
        let answer = c.send("GET", "/eureka/apps/CALLER/c-1", &[], b"").await;
        answer.status == 200
    })
    .await;
    let fetch = async || {
        let answer = c.send("GET", "/eureka/apps", &[("User-Agent", "Java")], b"").await;
        assert_eq!(answer.status, 200);
    };
    let drain = async |interval: &str, timeout: &str| {
        let path = format!("/api/v1/applications/ORDERS/instances/1/drain?interval={interval}&timeout={timeout}");
        let answer = a.send("POST", &path, &[], b"").await;
        (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    fetch().await;
    let of_c = format!("http://registry-2.registry{DOMAIN}:{}/eureka/", port.number);
    // At this interval it is waited for until long after this test is over. On a busy machine a peer may not have answered when the time of
    // a drain is over.
    let reader = wait_for("the drain to wait for the reader at one replica, and nobody at the others", async || {
        let (status, report) = drain("5m", "1s").await;
        assert_eq!(status, 409, "nobody has fetched: {report}");
        let replicas = report["replicas"].as_array().unwrap();
        let is_as_it_is = |replica: &Value| replica["waiting"] == json!(u64::from(replica["peer"] == of_c));
        replicas.iter().all(is_as_it_is).then(|| report["waitingFor"][0].clone())
    })
    .await;
    assert_eq!((&reader["peer"], &reader["userAgent"]), (&json!(of_c), &json!("Java")));
    all_see(&[&a, &b, &c], "1", Some("OUT_OF_SERVICE")).await;

    let fetching = async {
        loop {
            fetch().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (status, report) = tokio::select! {
        // Replicas that have just started count after an interval and a tenth.
        drained = drain("3s", "2m") => drained,
        () = fetching => unreachable!("it goes on"),
    };
    assert_eq!((status, &report["drained"], &report["byTime"]), (200, &json!(true), &json!(0)), "{report}");
    for server in [a, b, c] {
        server.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn a_replica_that_comes_back_has_all_and_misses_nothing() {
    let port = ReservedPort::new();
    let names = Service::start(&port).await;
    (0..2).for_each(|pod| names.add(pod));
    let (a, b) = tokio::join!(names.replica(0), names.replica(1));
    knows_peers(&a, 1).await;
    for id in 0..50 {
        a.register("orders", &format!("before-{id}")).await;
    }
    b.stop().await.unwrap();
    for id in 0..50 {
        a.register("orders", &format!("meanwhile-{id}")).await;
    }
    let b = names.replica(1).await;
    for id in 0..50 {
        assert!(
            status(&b, &format!("before-{id}")).await.is_some()
                && status(&b, &format!("meanwhile-{id}")).await.is_some()
        );
    }
    a.register("orders", "after").await;
    all_see(&[&b], "after", Some("UP")).await;
    // The queue that is sent on leaving arrives.
    b.register("orders", "last").await;
    b.stop().await.unwrap();
    all_see(&[&a], "last", Some("UP")).await;
    a.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn fixed_peers_may_name_the_replica_itself() {
    let reserved = ReservedPort::new();
    let port = reserved.number;
    let url = |host: u8| ServiceUrl::parse(&format!("http://127.0.0.{host}:{port}/eureka/")).unwrap();
    let urls: Vec<ServiceUrl> = (11..=12).map(url).collect();
    let start = |host: u8| {
        let urls = urls.clone();
        TestServer::with(move |settings: &mut Settings| {
            settings.server.address = Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)));
            settings.server.port = port;
            settings.replication.service_urls = urls;
        })
    };
    let (a, b) = tokio::join!(start(11), start(12));
    for replica in [&a, &b] {
        knows_peers(replica, 1).await;
    }
    a.register("orders", "1").await;
    all_see(&[&a, &b], "1", Some("UP")).await;
    a.stop().await.unwrap();
    b.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn replicas_that_were_cut_off_from_each_other_agree_again() {
    let port = ReservedPort::new();
    // Each has a name server of its own: a replica that it does not name is unreachable.
    let (names_of_a, names_of_b) = (Service::start(&port).await, Service::start(&port).await);
    (0..2).for_each(|pod| [&names_of_a, &names_of_b].iter().for_each(|names| names.add(pod)));
    let (a, b) = tokio::join!(names_of_a.replica(0), names_of_b.replica(1));
    for id in ["stays", "goes", "drained", "returned"] {
        a.register("orders", id).await;
        all_see(&[&b], id, Some("UP")).await;
    }
    a.send("PUT", "/eureka/apps/ORDERS/returned/status?value=OUT_OF_SERVICE", &[], b"").await;
    all_see(&[&a, &b], "returned", Some("OUT_OF_SERVICE")).await;

    names_of_a.remove(1);
    names_of_b.remove(0);
    knows_peers(&a, 0).await;
    knows_peers(&b, 0).await;
    a.register("orders", "new at a").await;
    b.register("orders", "new at b").await;
    a.send("DELETE", "/eureka/apps/ORDERS/goes", &[], b"").await;
    b.send("PUT", "/eureka/apps/ORDERS/drained/status?value=OUT_OF_SERVICE", &[], b"").await;
    b.send("DELETE", "/eureka/apps/ORDERS/returned/status?value=UP", &[], b"").await;
    assert_eq!(status(&b, "goes").await.as_deref(), Some("UP"), "nobody told it");

    names_of_a.add(1);
    names_of_b.add(0);
    for (id, expected) in [
        ("stays", Some("UP")),
        ("goes", None),
        ("drained", Some("OUT_OF_SERVICE")),
        ("returned", Some("UP")),
        ("new%20at%20a", Some("UP")),
        ("new%20at%20b", Some("UP")),
    ] {
        all_see(&[&a, &b], id, expected).await;
    }
    a.stop().await.unwrap();
    b.stop().await.unwrap();
}

/// Answers as a Java server that knows one instance, in a document that ends with this many spaces; reports each request.
async fn java_server(length: usize) -> (SocketAddr, UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut info: Value = serde_json::from_str(&instance("OF-JAVA", "j-1")).unwrap();
    let info = info["instance"].take();
    let applications = json!({ "applications": { "application": [{ "name": "OF-JAVA", "instance": [info] }] } });
    let document = applications.to_string() + &" ".repeat(length);
    let (asked, receiver) = unbounded_channel();
    tokio::task::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (document, asked) = (document.clone(), asked.clone());
            tokio::task::spawn(async move {
                let mut request = Vec::new();
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let is_asked = request.starts_with(b"GET /eureka/apps/ ");
                let body = if is_asked { document.as_str() } else { "" };
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                let _refused = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await;
                if is_asked {
                    let _over = asked.send(());
                }
            });
        }
    });
    (address, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_java_servers_registry_is_copied_as_far_as_there_is_memory() {
    for (memory_mib, patience, expected) in [(64, DEADLINE, 200), (16, Duration::from_secs(1), 404)] {
        let (java, mut asked) = java_server(4 << 20).await;
        let server = TestServer::with(move |settings: &mut Settings| {
            settings.limits.memory = memory_mib << 20;
            settings.replication.service_urls = vec![ServiceUrl::parse(&format!("http://{java}/eureka/")).unwrap()];
            settings.replication.register_with_eureka = Some(false);
            settings.replication.registry_sync_timeout = patience;
        })
        .await;
        tokio::time::timeout(DEADLINE, asked.recv()).await.expect("it is asked in time");
        let status = server.send("GET", "/eureka/apps/OF-JAVA/j-1", &[], b"").await.status;
        assert_eq!(status, expected, "with {memory_mib} MiB");
        server.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_password_of_a_peers_url_are_sent_and_not_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = listener.local_addr().unwrap();
    let asked = tokio::task::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0);
        }
        String::from_utf8(request).unwrap()
    });
    let server = TestServer::with(move |settings: &mut Settings| {
        settings.replication.service_urls =
            vec![ServiceUrl::parse(&format!("http://user:p%40ss@{peer}/eureka/")).unwrap()];
        settings.replication.registry_sync_timeout = Duration::ZERO;
    })
    .await;
    let request = tokio::time::timeout(DEADLINE, asked).await.unwrap().unwrap();
    assert!(request.to_lowercase().contains("authorization: basic dxnlcjpwqhnz"), "{request}");
    let status = server.get_json("/eureka/status").await.to_string();
    assert!(status.contains(&peer.to_string()) && !status.contains("p%40ss"), "{status}");
    server.stop().await.unwrap();
}

/// A peer receives all changes and the password for peers.
#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn only_a_name_under_the_service_can_announce_itself() {
    let port = ReservedPort::new();
    let names = Service::start(&port).await;
    names.add(0);
    let server = names.replica(0).await;
    let port = port.number;
    let under = |pod: &str| format!("http://{pod}:{port}/eureka/");
    let wanted = [under("registry-7.registry"), under(&format!("registry-8.registry{DOMAIN}"))];
    let others = [
        under("registry-1.registry.evil.example"),
        under("evil.example"),
        format!("http://registry-1.registry:secret@evil.example:{port}/eureka/"),
        format!("http://evil.example:{port}/eureka/?registry-1.registry:1/eureka/"),
        format!("http://registry-1.registry:{port}/elsewhere/eureka/"),
        format!("https://registry-1.registry:{port}/eureka/"),
        format!("http://registry-1.registry:{port}@evil.example/eureka/"),
        format!("http://registry-1.registry\\.evil.example:{port}/eureka/"),
    ];
    // The domain of the Service is known after the first lookup.
    until("those under the Service are peers", async || {
        for url in others.iter().chain(&wanted) {
            let newcomer = [("X-Eureka-Registry-Newcomer", url.as_str())];
            assert_eq!(server.send("HEAD", "/eureka/apps/delta", &newcomer, b"").await.status, 200);
        }
        let peers = server.get_json("/eureka/status").await.to_string();
        let is_peer = |url: &String| peers.contains(&url[..url.len() - "eureka/".len()]);
        assert!(!others.iter().any(is_peer) && !peers.contains("evil"), "{peers}");
        wanted.iter().all(is_peer)
    })
    .await;
    server.stop().await.unwrap();
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn discovered_peers_are_called_by_the_password_for_peers() {
    let port = ReservedPort::new();
    let names = Service::start(&port).await;
    let with_users = |settings: &mut Settings| {
        let password = "p@ss:w/rd";
        let user = User { name: "peers".to_owned(), password: password.parse().unwrap(), roles: Vec::new() };
        settings.http.security.users = vec![user];
        settings.http.security.open_paths = vec!["/eureka/apps/ORDERS/**".to_owned()];
        settings.replication.discovery_credentials =
            Credentials { username: "peers".to_owned(), password: password.to_owned() };
    };
    names.add(0);
    names.add(1);
    let replicas = [names.replica_with(0, with_users).await, names.replica_with(1, with_users).await];
    replicas[0].register("ORDERS", "o-1").await;
    until("the change is replicated to the peer", async || {
        replicas[1].send("GET", "/eureka/apps/ORDERS/o-1", &[], b"").await.status == 200
    })
    .await;
    assert_eq!(replicas[1].send("GET", "/eureka/apps", &[], b"").await.status, 401, "a password is needed");
    for replica in replicas {
        replica.stop().await.unwrap();
    }
}

/// A replica that opened without a copy cannot know whether it is new. A client that asks for a delta has a list.
#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn a_registry_that_lost_its_memory_refuses_fetches_and_says_so() {
    let port = ReservedPort::new();
    let names = Service::start(&port).await;
    let server = names.replica(0).await;
    assert_eq!(
        server.send("GET", "/eureka/apps/delta", &[], b"").await.status,
        403,
        "a client that asks for it has a list"
    );
    assert_eq!(server.send("GET", "/eureka/apps", &[], b"").await.status, 403);
    server.register("ORDERS", "o-1").await;
    assert_eq!(server.send("PUT", "/eureka/apps/ORDERS/o-1", &[], b"").await.status, 200, "renewals are taken");
    let health = server.get_json("/actuator/health").await;
    let details = &health["components"]["registry"]["details"];
    assert_eq!(details["memory"], "lost");
    let (since, until) = (&details["fetchesRefusedSince"], &details["fetchesRefusedUntil"]);
    assert_eq!(until.as_i64().unwrap() - since.as_i64().unwrap(), 45_000);
    let metrics = server.send("GET", "/actuator/prometheus", &[], b"").await.text();
    assert!(metrics.contains("\neureka_registry_memory_lost 1.0\n"), "{metrics}");
    let overview = server.get_json("/api/v1/overview").await;
    let reason = overview["health"]["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("This registry has lost its memory (a client asked for a delta"), "{reason}");
    server.stop().await.unwrap();
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn a_new_registry_of_a_cluster_refuses_nothing() {
    let port = ReservedPort::new();
    let names = Service::start(&port).await;
    let server = names.replica(0).await;
    for path in ["/eureka/apps", "/eureka/apps/delta", "/eureka/apps"] {
        assert_eq!(server.send("GET", path, &[], b"").await.status, 200, "{path}");
    }
    server.register("ORDERS", "o-1").await;
    assert_eq!(server.send("DELETE", "/eureka/apps/ORDERS/o-1", &[], b"").await.status, 200);
    assert_eq!(server.send("PUT", "/eureka/apps/ORDERS/o-1", &[], b"").await.status, 404);
    assert_eq!(server.send("GET", "/eureka/apps", &[], b"").await.status, 200, "what was here and left is no sign");
    server.stop().await.unwrap();
}
