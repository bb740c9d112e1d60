//! Which replicas become peers, by the answers of a name server that a test controls; over real sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use eureka_registry::replication::ServiceUrl;
use eureka_registry::server::Settings;
use parking_lot::Mutex;

use crate::callers::{capture_log, logged};
use crate::support::name_server::{NameServer, Zone};
use crate::support::{DEADLINE, ReservedPort, TestServer, until};

/// The service whose members are the peers.
const SERVICE: &str = "registry";

/// A name server, and the port of all replicas that it names.
struct Names {
    server: NameServer,
    zone: Arc<Mutex<Zone>>,
    port: ReservedPort,
}

impl Names {
    async fn start() -> Self {
        let server = NameServer::start().await;
        Self { zone: Arc::clone(&server.zone), server, port: ReservedPort::new() }
    }

    /// Sets the names of the service's members.
    fn members(&self, targets: &[&str]) {
        self.zone.lock().service(SERVICE, targets, self.port.number);
    }

    fn address(&self, name: &str, host: u8) {
        self.zone.lock().address(name, host);
    }

    async fn replica(&self, host: u8, change: impl FnOnce(&mut Settings)) -> TestServer {
        let (port, nameserver) = (self.port.number, self.server.address);
        TestServer::with(move |settings: &mut Settings| {
            settings.server.address = Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)));
            settings.server.port = port;
            settings.replication.discovery_service = Some(SERVICE.to_owned());
            settings.replication.discovery_refresh_interval = Duration::from_millis(100);
            settings.replication.discovery_nameservers = vec![nameserver];
            settings.replication.registry_sync_timeout = Duration::ZERO;
            change(settings);
        })
        .await
    }
}

/// Waits until a server has exactly these peers: each host, and whether it is available.
async fn has_peers(server: &TestServer, expected: &[(&str, bool)]) {
    until(&format!("{} to have the peers {expected:?}", server.address), async || {
        let overview = server.get_json("/api/v1/overview").await;
        let peers = overview["peers"].as_array().unwrap().iter().map(|peer| {
            let url = ServiceUrl::parse(peer["url"].as_str().unwrap()).unwrap();
            (url.host().to_owned(), peer["available"].as_bool().unwrap())
        });
        let mut peers: Vec<(String, bool)> = peers.collect();
        peers.sort();
        peers.iter().map(|(host, available)| (host.as_str(), *available)).eq(expected.iter().copied())
    })
    .await;
}

async fn stop(servers: impl IntoIterator<Item = TestServer>) {
    for server in servers {
        server.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn a_service_with_addresses_alone_has_peers() {
    let names = Names::start().await;
    names.zone.lock().addresses(SERVICE, [51, 52].map(|host| Ipv4Addr::new(127, 0, 0, host)));
    let (a, b) = tokio::join!(names.replica(51, |_| {}), names.replica(52, |_| {}));
    has_peers(&a, &[("127.0.0.52", true)]).await;
    has_peers(&b, &[("127.0.0.51", true)]).await;
    stop([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
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
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
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
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn a_target_outside_the_service_is_no_peer_and_two_names_of_one_process_are_one() {
    let names = Names::start().await;
    names.members(&["registry-1.registry", "registry-2.registry", "evil.example"]);
    names.address("registry-1.registry", 55);
    names.address("registry-2.registry", 55);
    names.address("evil.example", 56);
    let other = names.replica(55, |_| {}).await;
    let server = names.replica(54, |_| {}).await;
    has_peers(&server, &[("registry-1.registry", true)]).await;
    // One of the names moves to another process: it is a peer of its own.
    let third = names.replica(56, |_| {}).await;
    names.address("registry-2.registry", 56);
    has_peers(&server, &[("registry-1.registry", true), ("registry-2.registry", true)]).await;
    server.register("orders", "o-1").await;
    until("the other process is replicated to", async || {
        third.send("GET", "/eureka/apps/ORDERS/o-1", &[], b"").await.status == 200
    })
    .await;
    stop([server, other, third]).await;
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn the_log_names_the_peer_that_is_gone_and_the_two_that_are_one() {
    capture_log();
    let names = Names::start().await;
    names.members(&["registry-0.registry", "registry-1.registry", "registry-2.registry"]);
    names.address("registry-0.registry", 60);
    names.address("registry-1.registry", 61);
    names.address("registry-2.registry", 61);
    let other = names.replica(61, |_| {}).await;
    let server = names.replica(60, |_| {}).await;
    has_peers(&server, &[("registry-1.registry", true)]).await;
    let url = |pod: u8| format!("http://registry-{pod}.registry:{}/eureka/", names.port.number);
    let merged = logged("two service URLs lead to the same peer");
    assert_eq!((&merged["peer.url"], &merged["other.url"]), (&url(1).into(), &url(2).into()));

    names.members(&["registry-0.registry"]);
    has_peers(&server, &[]).await;
    assert_eq!(logged("a peer is gone: no name leads to it any more")["peer.url"], url(1));
    stop([server, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn a_name_that_led_here_and_moves_is_a_peer() {
    let names = Names::start().await;
    names.members(&["registry-0.registry", "registry-1.registry"]);
    names.address("registry-0.registry", 57);
    names.address("registry-1.registry", 57);
    let server = names.replica(57, |_| {}).await;
    has_peers(&server, &[]).await;
    let other = names.replica(58, |_| {}).await;
    names.address("registry-1.registry", 58);
    has_peers(&server, &[("registry-1.registry", true)]).await;
    has_peers(&other, &[("registry-0.registry", true)]).await;
    stop([server, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn name_servers_decide_the_port_of_an_announced_name() {
    let names = Names::start().await;
    names.members(&["registry-0.registry"]);
    names.address("registry-0.registry", 59);
    names.address("registry-1.registry", 60);
    let (server, other) = tokio::join!(names.replica(59, |_| {}), names.replica(60, |_| {}));
    let wrong = [("X-Eureka-Registry-Newcomer", "http://registry-1.registry:1/eureka/")];
    assert_eq!(server.send("HEAD", "/eureka/apps/delta", &wrong, b"").await.status, 200);
    has_peers(&server, &[("registry-1.registry", false)]).await;
    names.members(&["registry-0.registry", "registry-1.registry"]);
    has_peers(&server, &[("registry-1.registry", true)]).await;
    stop([server, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn two_clusters_stay_two() {
    let names = Names::start().await;
    names.members(&["registry-0.registry", "registry-1.registry"]);
    names.address("registry-0.registry", 61);
    names.address("registry-1.registry", 62);
    let named =
        |name: &'static str| move |settings: &mut Settings| settings.replication.cluster_name = Some(name.to_owned());
    let (blue, green) = tokio::join!(names.replica(61, named("blue")), names.replica(62, named("green")));
    blue.register("orders", "o-1").await;
    has_peers(&blue, &[("registry-1.registry", false)]).await;
    until("the peer's cluster is said", async || {
        blue.get_json("/api/v1/overview").await.to_string().contains("belongs to cluster green")
    })
    .await;
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
