//! Replicas on loopback addresses behind a name server that answers like a headless Service.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use eureka_registry::http::security::User;
use eureka_registry::replication::ServiceUrl;
use eureka_registry::replication::options::Credentials;
use eureka_registry::server::Settings;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::{DEADLINE, TestServer};

/// A name server for `registry`: SRV of the Service, addresses of its pods, NXDOMAIN for everything else.
struct NameServer {
    address: SocketAddr,
    pods: Arc<parking_lot::Mutex<BTreeMap<String, Ipv4Addr>>>,
    port: u16,
    serving: JoinHandle<()>,
}

impl NameServer {
    async fn start(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let pods = Arc::new(parking_lot::Mutex::new(BTreeMap::new()));
        let known = Arc::clone(&pods);
        let serving = tokio::task::spawn(async move {
            let mut query = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut query).await {
                let answer = answer(&query[..len], &known.lock().clone(), port);
                let _sent = socket.send_to(&answer, from).await;
            }
        });
        Self { address, pods, port, serving }
    }

    fn add(&self, pod: u8) {
        self.pods.lock().insert(format!("registry-{pod}.registry"), Ipv4Addr::new(127, 0, 0, 11 + pod));
    }

    fn remove(&self, pod: u8) {
        self.pods.lock().remove(&format!("registry-{pod}.registry"));
    }

    /// A replica as the pod of this number.
    async fn replica(&self, pod: u8) -> TestServer {
        self.replica_with(pod, |_| {}).await
    }

    async fn replica_with(&self, pod: u8, change: impl FnOnce(&mut Settings)) -> TestServer {
        let (address, port, nameserver) = (Ipv4Addr::new(127, 0, 0, 11 + pod), self.port, self.address);
        TestServer::with(move |settings: &mut Settings| {
            settings.server.address = Some(IpAddr::V4(address));
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

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What Kubernetes adds to the names in SRV records, though a pod calls itself by the short one.
const DOMAIN: &str = ".default.svc.cluster.local";

/// Answers one query in the wire format of RFC 1035.
fn answer(query: &[u8], pods: &BTreeMap<String, Ipv4Addr>, port: u16) -> Vec<u8> {
    const A: u16 = 1;
    const SRV: u16 = 33;
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let len = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + len]).to_lowercase());
        at += len + 1;
    }
    let name = labels.join(".").trim_end_matches(DOMAIN).to_owned();
    let (kind, end) = (u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5);
    let records: Vec<Vec<u8>> = match kind {
        A if name == "registry" => pods.values().map(|address| address.octets().to_vec()).collect(),
        A => pods.get(&name).map(|address| address.octets().to_vec()).into_iter().collect(),
        SRV if name == "registry" => pods.keys().map(|pod| srv(&format!("{pod}{DOMAIN}"), port)).collect(),
        _ => Vec::new(),
    };
    let exists = name == "registry" || pods.contains_key(&name);
    let mut answer = query[..end].to_vec();
    answer[2..4].copy_from_slice(&(if exists { 0x8580_u16 } else { 0x8583 }).to_be_bytes());
    answer[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    answer[8..12].fill(0);
    for record in records {
        answer.extend_from_slice(&[0xc0, 12]); // the name asked for
        answer.extend_from_slice(&kind.to_be_bytes());
        answer.extend_from_slice(&[0, 1, 0, 0, 0, 5]); // IN, five seconds
        answer.extend_from_slice(&u16::try_from(record.len()).unwrap().to_be_bytes());
        answer.extend_from_slice(&record);
    }
    answer
}

fn srv(pod: &str, port: u16) -> Vec<u8> {
    let mut data = vec![0, 0, 0, 50];
    data.extend_from_slice(&port.to_be_bytes());
    for label in pod.split('.') {
        data.push(u8::try_from(label.len()).unwrap());
        data.extend_from_slice(label.as_bytes());
    }
    data.push(0);
    data
}

/// A port that is free on all loopback addresses used here.
async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn status(server: &TestServer, id: &str) -> Option<String> {
    let answer = server.send("GET", &format!("/eureka/apps/ORDERS/{id}"), &[("Accept", "application/json")], b"").await;
    let body: serde_json::Value = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200)?;
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

/// Waits until a server knows so many peers that answer.
async fn knows_peers(server: &TestServer, count: usize) {
    until(&format!("{} to know {count} peers", server.address), async || {
        let status = server.get_json("/eureka/status").await;
        let available = status["applicationStats"]["available-replicas"].as_str().unwrap();
        available.matches("http://").count() == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_find_each_other_and_tell_each_other_everything() {
    let names = NameServer::start(free_port().await).await;
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

    // A fourth takes part within one look at the names, with all there is from its first answer on.
    names.add(3);
    let d = names.replica(3).await;
    assert_eq!(status(&d, "1").await.as_deref(), Some("UP"), "whole before it answers");
    for replica in [&a, &b, &c, &d] {
        knows_peers(replica, 3).await;
    }
    d.register("orders", "4").await;
    all_see(&[&a, &b, &c, &d], "4", Some("UP")).await;

    // One leaves: the others forget it, and nothing else happens.
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
async fn a_replica_that_comes_back_has_all_and_misses_nothing() {
    let names = NameServer::start(free_port().await).await;
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
    // What is told on leaving arrives.
    b.register("orders", "last").await;
    b.stop().await.unwrap();
    all_see(&[&a], "last", Some("UP")).await;
    a.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fixed_peers_may_name_the_replica_itself() {
    let port = free_port().await;
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
async fn replicas_that_were_cut_off_from_each_other_agree_again() {
    let port = free_port().await;
    // Each has a name server of its own: what it does not name is out of reach.
    let (names_of_a, names_of_b) = (NameServer::start(port).await, NameServer::start(port).await);
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
    let healed = Instant::now();
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
    println!("agreed {} ms after the names were back", healed.elapsed().as_millis());
    a.stop().await.unwrap();
    b.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_password_of_a_peers_url_are_sent_and_not_shown() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = listener.local_addr().unwrap();
    let asked = tokio::task::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            assert!(tokio::io::AsyncReadExt::read_buf(&mut stream, &mut request).await.unwrap() > 0);
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

/// Whoever is a peer is told all changes, and shown the password for peers.
#[tokio::test]
async fn only_a_name_under_the_service_can_announce_itself() {
    let names = NameServer::start(free_port().await).await;
    names.add(0);
    let server = names.replica(0).await;
    let port = names.port;
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
    let deadline = Instant::now() + DEADLINE;
    // Which domains name servers use is known when they have been asked.
    loop {
        for url in others.iter().chain(&wanted) {
            let newcomer = [("X-Eureka-Registry-Newcomer", url.as_str())];
            assert_eq!(server.send("HEAD", "/eureka/apps/delta", &newcomer, b"").await.status, 200);
        }
        let peers = server.get_json("/eureka/status").await.to_string();
        let is_peer = |url: &String| peers.contains(&url[..url.len() - "eureka/".len()]);
        assert!(!others.iter().any(is_peer) && !peers.contains("evil"), "{peers}");
        if wanted.iter().all(is_peer) {
            break;
        }
        assert!(Instant::now() < deadline, "{peers}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn discovered_peers_are_called_by_the_password_for_peers() {
    let names = NameServer::start(free_port().await).await;
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
    let deadline = Instant::now() + DEADLINE;
    while replicas[1].send("GET", "/eureka/apps/ORDERS/o-1", &[], b"").await.status != 200 {
        assert!(Instant::now() < deadline, "the peer is told");
    }
    assert_eq!(replicas[1].send("GET", "/eureka/apps", &[], b"").await.status, 401, "a password is needed");
    for replica in replicas {
        replica.stop().await.unwrap();
    }
}

/// A replica that opened without a copy cannot know whether it is new. A client that asks for a delta holds a list.
#[tokio::test]
async fn a_registry_that_lost_its_memory_refuses_fetches_and_says_so() {
    let names = NameServer::start(free_port().await).await;
    let server = names.replica(0).await;
    assert_eq!(
        server.send("GET", "/eureka/apps/delta", &[], b"").await.status,
        403,
        "whoever asks for it holds a list"
    );
    assert_eq!(server.send("GET", "/eureka/apps", &[], b"").await.status, 403);
    server.register("ORDERS", "o-1").await;
    assert_eq!(server.send("PUT", "/eureka/apps/ORDERS/o-1", &[], b"").await.status, 200, "renewals are taken");
    let health = server.get_json("/actuator/health").await;
    let details = &health["components"]["registry"]["details"];
    assert_eq!(details["memory"], "lost");
    let (since, until) = (&details["fetchesRefusedSince"], &details["fetchesRefusedUntil"]);
    assert_eq!(until.as_i64().unwrap() - since.as_i64().unwrap(), 30_000);
    let overview = server.get_json("/api/v1/overview").await;
    let reason = overview["health"]["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("This registry has lost its memory (a client asked for a delta"), "{reason}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_new_registry_of_a_cluster_refuses_nothing() {
    let names = NameServer::start(free_port().await).await;
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
