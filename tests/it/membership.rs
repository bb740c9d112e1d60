//! Who becomes a peer, by what name servers say: over real sockets and a name server that says what a test wants.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use eureka_registry::replication::ServiceUrl;
use eureka_registry::server::Settings;
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::{DEADLINE, TestServer};

const A: u16 = 1;
const SRV: u16 = 33;

/// What the name server says.
#[derive(Clone, Debug, Default)]
struct Zone {
    records: BTreeMap<(String, u16), Vec<Vec<u8>>>,
    /// The address of every name that has no other.
    wildcard: Option<Ipv4Addr>,
    asked: Vec<String>,
}

impl Zone {
    fn address(&mut self, name: &str, host: u8) {
        let address = Ipv4Addr::new(127, 0, 0, host).octets().to_vec();
        self.records.insert((name.to_owned(), A), vec![address]);
    }

    fn service(&mut self, targets: &[&str], port: u16) {
        let record = |target: &&str| {
            let mut data = [&[0, 0, 0, 50][..], &port.to_be_bytes()].concat();
            for label in target.split('.') {
                data.push(u8::try_from(label.len()).unwrap());
                data.extend_from_slice(label.as_bytes());
            }
            data.push(0);
            data
        };
        self.records.insert(("registry".to_owned(), SRV), targets.iter().map(record).collect());
    }

    /// Answers one query in the wire format of RFC 1035.
    fn answer(&mut self, query: &[u8]) -> Vec<u8> {
        let mut labels = Vec::new();
        let mut at = 12;
        while query[at] != 0 {
            let len = usize::from(query[at]);
            labels.push(String::from_utf8_lossy(&query[at + 1..=at + len]).to_lowercase());
            at += len + 1;
        }
        let (name, kind, end) = (labels.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5);
        self.asked.push(name.clone());
        let mut records = self.records.get(&(name.clone(), kind)).cloned().unwrap_or_default();
        if let (true, A, Some(address)) = (records.is_empty(), kind, self.wildcard) {
            records.push(address.octets().to_vec());
        }
        let exists = self.wildcard.is_some() || self.records.keys().any(|(known, _)| *known == name);
        let mut answer = query[..end].to_vec();
        answer[2..4].copy_from_slice(&(if exists { 0x8580_u16 } else { 0x8583 }).to_be_bytes());
        answer[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
        answer[8..12].fill(0);
        for record in records {
            answer.extend_from_slice(&[0xc0, 12]);
            answer.extend_from_slice(&kind.to_be_bytes());
            answer.extend_from_slice(&[0, 1, 0, 0, 0, 5]);
            answer.extend_from_slice(&u16::try_from(record.len()).unwrap().to_be_bytes());
            answer.extend_from_slice(&record);
        }
        answer
    }
}

struct Names {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    port: u16,
    serving: JoinHandle<()>,
}

impl Names {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let asked = Arc::clone(&zone);
        let serving = tokio::task::spawn(async move {
            let mut query = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut query).await {
                let answer = asked.lock().answer(&query[..len]);
                let _sent = socket.send_to(&answer, from).await;
            }
        });
        Self { address, zone, port, serving }
    }

    async fn replica(&self, host: u8, change: impl FnOnce(&mut Settings)) -> TestServer {
        let (port, nameserver) = (self.port, self.address);
        TestServer::with(move |settings: &mut Settings| {
            settings.server.address = Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)));
            settings.server.port = port;
            settings.replication.discovery_service = Some("registry".to_owned());
            settings.replication.discovery_refresh_interval = Duration::from_millis(100);
            settings.replication.discovery_nameservers = vec![nameserver];
            settings.replication.registry_sync_timeout = Duration::ZERO;
            change(settings);
        })
        .await
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Waits until a server has exactly these peers: each host, and whether it is available.
async fn has_peers(server: &TestServer, expected: &[(&str, bool)]) {
    let started = Instant::now();
    loop {
        let overview = server.get_json("/api/v1/overview").await;
        let peers = overview["peers"].as_array().unwrap().iter().map(|peer| {
            let url = ServiceUrl::parse(peer["url"].as_str().unwrap()).unwrap();
            (url.host().to_owned(), peer["available"].as_bool().unwrap())
        });
        let mut peers: Vec<(String, bool)> = peers.collect();
        peers.sort();
        if peers.iter().map(|(host, available)| (host.as_str(), *available)).eq(expected.iter().copied()) {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "{expected:?} in vain: {}", overview["peers"]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn stop(servers: impl IntoIterator<Item = TestServer>) {
    for server in servers {
        server.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_addresses_alone_has_peers() {
    let names = Names::start().await;
    let addresses = [51, 52].map(|host| Ipv4Addr::new(127, 0, 0, host).octets().to_vec());
    names.zone.lock().records.insert(("registry".to_owned(), A), addresses.to_vec());
    let (a, b) = tokio::join!(names.replica(51, |_| {}), names.replica(52, |_| {}));
    has_peers(&a, &[("127.0.0.52", true)]).await;
    has_peers(&b, &[("127.0.0.51", true)]).await;
    stop([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_answers_every_name_names_nobody() {
    let names = Names::start().await;
    names.zone.lock().wildcard = Some(Ipv4Addr::new(127, 0, 0, 99));
    let server = names.replica(53, |settings| settings.replication.discovery_refresh_interval = DEADLINE).await;
    has_peers(&server, &[]).await;
    let questions = names.zone.lock().asked.len();
    assert!(questions < 50, "{questions} questions for a few looks");
    stop([server]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_does_not_make_name_servers_remember_that_it_is_not_there() {
    let names = Names::start().await;
    let own = |settings: &mut Settings| settings.replication.hostname = Some("registry-1.registry".to_owned());
    let server = names.replica(63, own).await;
    has_peers(&server, &[]).await;
    let asked = names.zone.lock().asked.clone();
    assert!(asked.iter().any(|name| name == "registry-2.registry"), "the other ordinals are tried: {asked:?}");
    assert!(!asked.iter().any(|name| name == "registry-1.registry"), "{asked:?}");
    stop([server]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_outside_the_service_is_no_peer_and_two_names_of_one_process_are_one() {
    let names = Names::start().await;
    {
        let mut zone = names.zone.lock();
        zone.service(&["registry-1.registry", "registry-2.registry", "evil.example"], names.port);
        zone.address("registry-1.registry", 55);
        zone.address("registry-2.registry", 55);
        zone.address("evil.example", 56);
    }
    let other = names.replica(55, |_| {}).await;
    let server = names.replica(54, |_| {}).await;
    has_peers(&server, &[("registry-1.registry", true)]).await;
    // One of the names moves to another process: it is a peer of its own.
    let third = names.replica(56, |_| {}).await;
    names.zone.lock().address("registry-2.registry", 56);
    has_peers(&server, &[("registry-1.registry", true), ("registry-2.registry", true)]).await;
    server.register("orders", "o-1").await;
    let started = Instant::now();
    while third.send("GET", "/eureka/apps/ORDERS/o-1", &[], b"").await.status != 200 {
        assert!(started.elapsed() < DEADLINE, "the other process is replicated to");
    }
    stop([server, other, third]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_led_here_and_moves_is_a_peer() {
    let names = Names::start().await;
    {
        let mut zone = names.zone.lock();
        zone.service(&["registry-0.registry", "registry-1.registry"], names.port);
        zone.address("registry-0.registry", 57);
        zone.address("registry-1.registry", 57);
    }
    let server = names.replica(57, |_| {}).await;
    has_peers(&server, &[]).await;
    let other = names.replica(58, |_| {}).await;
    names.zone.lock().address("registry-1.registry", 58);
    has_peers(&server, &[("registry-1.registry", true)]).await;
    has_peers(&other, &[("registry-0.registry", true)]).await;
    stop([server, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_name_servers_say_of_an_announced_port_holds() {
    let names = Names::start().await;
    names.zone.lock().service(&["registry-0.registry"], names.port);
    names.zone.lock().address("registry-0.registry", 59);
    names.zone.lock().address("registry-1.registry", 60);
    let (server, other) = tokio::join!(names.replica(59, |_| {}), names.replica(60, |_| {}));
    let wrong = [("X-Eureka-Registry-Newcomer", "http://registry-1.registry:1/eureka/")];
    assert_eq!(server.send("HEAD", "/eureka/apps/delta", &wrong, b"").await.status, 200);
    has_peers(&server, &[("registry-1.registry", false)]).await;
    names.zone.lock().service(&["registry-0.registry", "registry-1.registry"], names.port);
    has_peers(&server, &[("registry-1.registry", true)]).await;
    stop([server, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_stay_two() {
    let names = Names::start().await;
    {
        let mut zone = names.zone.lock();
        zone.service(&["registry-0.registry", "registry-1.registry"], names.port);
        zone.address("registry-0.registry", 61);
        zone.address("registry-1.registry", 62);
    }
    let named =
        |name: &'static str| move |settings: &mut Settings| settings.replication.cluster_name = Some(name.to_owned());
    let (blue, green) = tokio::join!(names.replica(61, named("blue")), names.replica(62, named("green")));
    blue.register("orders", "o-1").await;
    has_peers(&blue, &[("registry-1.registry", false)]).await;
    let started = Instant::now();
    while !blue.get_json("/api/v1/overview").await.to_string().contains("belongs to cluster green") {
        assert!(started.elapsed() < DEADLINE, "the peer's cluster is said");
    }
    for (path, headers) in [
        (
            "/eureka/peerreplication/batch/",
            &[("X-Eureka-Registry-Cluster", "blue"), ("Content-Type", "application/json")][..],
        ),
        ("/eureka/peerreplication/digest", &[("X-Eureka-Registry-Cluster", "blue")][..]),
    ] {
        let answer = green.send("POST", path, headers, br#"{"replicationList":[]}"#).await;
        assert_eq!((answer.status, answer.header("x-eureka-registry-cluster")), (409, Some("green")), "{path}");
        assert!(answer.text().contains("cluster green"), "{}", answer.text());
    }
    assert_eq!(green.send("GET", "/eureka/apps/ORDERS/o-1", &[], b"").await.status, 404);
    stop([blue, green]).await;
}
