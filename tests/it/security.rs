//! Users, certificates, and refused requests.

mod authorities;
mod authority;
mod identity;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use eureka_registry::http::security::User;
use eureka_registry::replication::ServiceUrl;
use eureka_registry::replication::options::Credentials;
use eureka_registry::server::Settings;
use eureka_registry::tls::{self, ClientAuth};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{HandshakeKind, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) use authority::Authority;

use crate::support::{DEADLINE, ReservedPort, TestServer, instance, until};

const JSON: (&str, &str) = ("Content-Type", "application/json");
/// `eureka:secret`, `reader:reads` and `eureka:wrong`.
pub(crate) const EUREKA: (&str, &str) = ("Authorization", "Basic ZXVyZWthOnNlY3JldA==");
pub(crate) const READER: (&str, &str) = ("Authorization", "Basic cmVhZGVyOnJlYWRz");
pub(crate) const WRONG: (&str, &str) = ("Authorization", "Basic ZXVyZWthOndyb25n");

fn user(name: &str, password: &str, roles: &[&str]) -> User {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    User { name: name.to_owned(), password: password.parse().unwrap(), roles }
}

pub(crate) fn with_users(settings: &mut Settings) {
    let hash = bcrypt::hash("reads", 4).unwrap();
    settings.http.security.users =
        vec![user("eureka", "{noop}secret", &[]), user("reader", &format!("{{bcrypt}}{hash}"), &["READ_ONLY"])];
}

#[tokio::test]
async fn everybody_has_to_be_a_user_and_readers_only_read() {
    let server = TestServer::with(with_users).await;
    let body = instance("ORDERS", "o-1");
    let body = body.as_bytes();
    for (method, path, who, status) in [
        ("GET", "/eureka/apps", None, 401),
        ("GET", "/eureka/apps", Some(WRONG), 401),
        ("POST", "/eureka/apps/ORDERS", None, 401),
        ("POST", "/eureka/apps/ORDERS", Some(READER), 403),
        ("POST", "/eureka/apps/ORDERS", Some(EUREKA), 204),
        ("GET", "/eureka/apps/ORDERS", Some(READER), 200),
        ("PUT", "/eureka/apps/ORDERS/o-1", Some(READER), 403),
        ("PUT", "/eureka/apps/ORDERS/o-1", Some(EUREKA), 200),
        ("PUT", "//eureka/v2/apps/ORDERS/o-1", None, 401),
        ("DELETE", "/eureka/apps/ORDERS/o-1", Some(READER), 403),
        ("POST", "/eureka/peerreplication/batch/", Some(READER), 403),
        ("POST", "/eureka/peerreplication/batch/", None, 401),
        ("GET", "/", None, 401),
        ("GET", "/actuator/prometheus", None, 401),
        ("GET", "/actuator/prometheus", Some(READER), 200),
        ("GET", "/actuator/health", None, 200),
        ("GET", "/actuator/health/liveness", None, 200),
        ("GET", "/actuator/health/../prometheus", None, 404),
        ("GET", "/nothing", None, 401),
    ] {
        let headers: Vec<_> = who.into_iter().chain([JSON]).collect();
        let answer = server.send(method, path, &headers, if method == "POST" { body } else { b"" }).await;
        assert_eq!(answer.status, status, "{method} {path} {who:?}: {}", answer.text());
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"Realm\""));
        }
    }
    for (accept, has_text) in [("*/*", true), ("application/json, application/*+json", false)] {
        let answer = server.send("GET", "/eureka/apps", &[("Accept", accept)], b"").await;
        assert_eq!((answer.status, !answer.body.is_empty()), (401, has_text), "{accept}");
        assert_eq!(answer.header("content-type").is_some(), has_text);
    }
    assert_eq!(server.send("GET", "/eureka/apps/ORDERS/o-1", &[EUREKA], b"").await.status, 200, "it stayed");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    let path = "/eureka/apps/ORDERS/o-1/status?value=OUT_OF_SERVICE";
    for (header, status) in [
        (("Origin", "http://evil.example"), 403),
        (("Origin", "http://\u{e9}vil.example"), 403),
        (("Sec-Fetch-Site", "cross-site"), 403),
        (("Origin", "http://localhost"), 200),
        (("Sec-Fetch-Site", "same-origin"), 200),
    ] {
        assert_eq!(server.send("PUT", path, &[header], b"").await.status, status, "{header:?}");
        assert_eq!(server.send("GET", "/eureka/apps", &[header], b"").await.status, 200, "reading is allowed");
    }
    let page = server.send("GET", "/actuator/health", &[], b"").await;
    for (header, part) in [
        ("content-security-policy", "default-src 'self'"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert!(page.header(header).is_some_and(|value| value.contains(part)), "{header}");
    }
    assert_eq!(page.header("strict-transport-security"), None, "not where there is no TLS");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn fetches_beyond_the_rate_are_503() {
    let server = TestServer::with(|settings| {
        let limit = &mut settings.http.security.rate_limit;
        (limit.enabled, limit.burst_size, limit.full_fetch_average_rate) = (true, 1, 1);
    })
    .await;
    server.register("ORDERS", "o-1").await;
    assert_eq!(server.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    until("a fetch to be refused", async || {
        let fetched = server.send("GET", "/eureka/apps", &[], b"").await.status;
        assert_eq!(server.send("PUT", "/eureka/apps/ORDERS/o-1", &[], b"").await.status, 200);
        fetched == 503
    })
    .await;
    let privileged = [("DiscoveryIdentity-Name", "DefaultClient")];
    assert_eq!(server.send("GET", "/eureka/apps", &privileged, b"").await.status, 200);
    server.stop().await.unwrap();
}

async fn secured(authority: &Authority, client_auth: ClientAuth) -> (TestServer, String) {
    authority.write(false);
    let options = authority.options(client_auth);
    let server = TestServer::with(|settings| settings.server.tls = Some(options)).await;
    let url = format!("https://{}/eureka/apps", server.address);
    (server, url)
}

#[tokio::test]
async fn https_is_served_to_a_client_that_trusts_its_authority() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (server, url) = secured(&authority, ClientAuth::None).await;
    let answer = authority.client(None).get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(other.client(None).get(&url).send().await.is_err(), "another authority's client does not believe it");
    let plain = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
    assert!(plain.get(url.replace("https", "http")).send().await.is_err(), "there is no HTTP beside it");
    server.stop().await.unwrap();
}

/// One request over a connection of its own, and the kind of its handshake.
async fn shake(server: &TestServer, config: &Arc<rustls::ClientConfig>) -> Option<HandshakeKind> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::from(server.address.ip());
    let mut stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.unwrap();
    stream.write_all(b"GET /actuator/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("closed in time").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    stream.get_ref().1.handshake_kind()
}

#[tokio::test]
async fn a_session_is_resumed_however_many_others_there_were() {
    let authority = Authority::new();
    let (server, _) = secured(&authority, ClientAuth::None).await;
    let [first, other] = [(); 2].map(|()| Arc::new(authority.client_config(None)));
    assert_eq!(shake(&server, &first).await, Some(HandshakeKind::Full));
    let mut forgetful = rustls::ClientConfig::clone(&other);
    forgetful.resumption = rustls::client::Resumption::disabled();
    let forgetful = Arc::new(forgetful);
    // As many as rustls remembers by itself, two for each handshake.
    for _ in 0..130 {
        assert_eq!(shake(&server, &forgetful).await, Some(HandshakeKind::Full));
    }
    assert_eq!(shake(&server, &first).await, Some(HandshakeKind::Resumed));
    let scrape = authority.client(None).get(format!("https://{}/actuator/prometheus", server.address));
    let text = scrape.send().await.unwrap().text().await.unwrap();
    for sample in ["{outcome=\"full\"} 132.0", "{outcome=\"resumed\"} 1.0", "{outcome=\"failed\"} 0.0"] {
        assert!(text.contains(&format!("eureka_tls_handshakes_total{sample}\n")), "no {sample} in {text}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_handshake_that_fails_is_counted_and_harms_nobody() {
    let authority = Authority::new();
    let (server, _) = secured(&authority, ClientAuth::None).await;
    let hello = [&[22, 3, 1, 0xff, 0xff][..], &[1, 0, 0xff, 0xf0], &[0; 64 * 1024]].concat();
    for sent in [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(), hello.as_slice()] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _closed_meanwhile = stream.write_all(sent).await;
        let _reset = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await.expect("closed in time");
    }
    let scrape = authority.client(None).get(format!("https://{}/actuator/prometheus", server.address));
    let text = scrape.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("eureka_tls_handshakes_total{outcome=\"failed\"} 2.0\n"), "{text}");
    assert!(text.contains("eureka_tls_certificate_expires_timestamp_seconds 67090118400.0\n"), "in 4096: {text}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn client_certificates_are_asked_for_and_checked() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (server, url) = secured(&authority, ClientAuth::Need).await;
    assert_eq!(authority.client(Some((&authority, false))).get(&url).send().await.unwrap().status(), 200);
    for (client, why) in [
        (authority.client(None), "none"),
        (authority.client(Some((&other, false))), "of another authority"),
        (authority.client(Some((&authority, true))), "expired"),
    ] {
        assert!(client.get(&url).send().await.is_err(), "{why}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn only_peers_with_a_certificate_replicate() {
    let authority = Authority::new();
    authority.write(false);
    let options = authority.options(ClientAuth::Want);
    let server = TestServer::with(|settings| {
        settings.server.tls = Some(options);
        settings.http.security.peers_need_certificate = true;
    })
    .await;
    let (apps, batch): (String, String) =
        ["apps", "peerreplication/batch/"].map(|path| format!("https://{}/eureka/{path}", server.address)).into();
    let (without, with) = (authority.client(None), authority.client(Some((&authority, false))));
    assert_eq!(without.get(&apps).send().await.unwrap().status(), 200, "clients need none");
    for (client, status) in [(&without, 403), (&with, 200)] {
        let list = client.post(&batch).header("Content-Type", "application/json").body("{\"replicationList\":[]}");
        assert_eq!(list.send().await.unwrap().status(), status);
    }
    for client in [&without, &with] {
        let registration = client.post(format!("{apps}/ORDERS")).header("Content-Type", "application/json");
        registration.body(instance("ORDERS", "o-1")).send().await.unwrap();
    }
    let changes =
        with.get(apps.replace("/eureka/apps", "/api/v1/changes")).send().await.unwrap().bytes().await.unwrap();
    let changes: serde_json::Value = serde_json::from_slice(&changes).unwrap();
    assert_eq!([&changes["changes"][0]["certified"], &changes["changes"][1]["certified"]], [false, true]);
    server.stop().await.unwrap();
}

/// Peers have other calls than the batch, and a header that says that they are peers.
#[tokio::test]
async fn a_peer_needs_a_certificate() {
    let server = TestServer::with(|settings| settings.http.security.peers_need_certificate = true).await;
    server.register("ORDERS", "o-1").await;
    server.register("PEERREPLICATION", "an-application-may-be-called-so").await;
    let (peer, newcomer) = (
        ("X-Netflix-Discovery-Replication", "true"),
        ("X-Eureka-Registry-Newcomer", "http://registry-1.registry:8761/eureka/"),
    );
    for (method, path, header, status) in [
        ("PUT", "/eureka/apps/ORDERS/o-1", Some(peer), 403),
        ("DELETE", "/eureka/apps/ORDERS/o-1", Some(peer), 403),
        ("POST", "/eureka/apps/ORDERS", Some(peer), 403),
        ("POST", "/eureka//v2/peerreplication//batch/", None, 403),
        ("POST", "/eureka/peerreplication/digests", None, 403),
        ("POST", "/eureka/peerreplication/records", None, 403),
        ("POST", "/eureka/peerreplication/heard", None, 403),
        ("POST", "/eureka/%70eerreplication/batch/", None, 404),
        ("GET", "/eureka/apps", Some(newcomer), 403),
        ("HEAD", "/eureka/apps/delta", Some(newcomer), 403),
        ("GET", "/eureka/apps", Some(peer), 200),
        ("PUT", "/eureka/apps/PEERREPLICATION/an-application-may-be-called-so", None, 200),
        ("PUT", "/eureka/apps/ORDERS/o-1", None, 200),
    ] {
        let headers: Vec<_> = header.into_iter().collect();
        let answer = server.send(method, path, &headers, b"").await;
        assert_eq!(answer.status, status, "{method} {path} {header:?}: {}", answer.text());
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_read_only_user_cannot_announce_a_replica() {
    let server = TestServer::with(|settings| {
        with_users(settings);
        settings.http.security.open_paths = vec!["/eureka/apps/**".to_owned()];
    })
    .await;
    let newcomer = ("X-Eureka-Registry-Newcomer", "http://registry-1.registry:8761/eureka/");
    for (who, status) in [(None, 401), (Some(READER), 403), (Some(EUREKA), 200)] {
        let headers: Vec<_> = who.into_iter().chain([newcomer]).collect();
        assert_eq!(server.send("GET", "/eureka/apps", &headers, b"").await.status, status, "{who:?}");
        assert_eq!(server.send("GET", "/eureka/apps", &headers[..headers.len() - 1], b"").await.status, 200);
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn certificates_are_read_again_when_they_change() {
    let authority = Authority::new();
    authority.write(false);
    let tls = tls::Tls::load(authority.options(ClientAuth::None)).unwrap();
    let first = tls.server();
    tls.refresh();
    assert!(Arc::ptr_eq(&first, &tls.server()), "nothing changed");
    fs::write(authority.directory.join("tls.crt"), "half a certif").unwrap();
    tls.refresh();
    assert!(Arc::ptr_eq(&first, &tls.server()), "what cannot be used is not used");
    authority.write(false);
    tls.refresh();
    assert!(!Arc::ptr_eq(&first, &tls.server()));
    assert_eq!(tls.generation(), 1);
    fs::remove_file(authority.directory.join("tls.key")).unwrap();
    let error = tls::Tls::load(authority.options(ClientAuth::None)).unwrap_err();
    assert!(format!("{error:#}").contains("tls.key"), "{error:#}");
    authority.write(false);
    fs::remove_file(authority.directory.join("ca.crt")).unwrap();
    assert!(tls::Tls::load(authority.options(ClientAuth::None)).is_ok(), "a Secret need not have an authority");
    assert!(
        tls::Tls::load(authority.options(ClientAuth::Need)).is_err(),
        "but asking clients for certificates needs one"
    );
}

#[tokio::test]
async fn an_expired_certificate_is_trusted_by_no_client() {
    let authority = Authority::new();
    authority.write(true);
    let options = authority.options(ClientAuth::None);
    let server = TestServer::with(|settings| settings.server.tls = Some(options)).await;
    let url = format!("https://{}/eureka/apps", server.address);
    let refused = format!("{:?}", authority.client(None).get(&url).send().await.unwrap_err());
    assert!(refused.contains("Expired"), "{refused}");
    server.stop().await.unwrap();
}

/// Two replicas with the same settings, each the other's fixed peer.
async fn pair(change: impl Fn(&mut Settings, &str)) -> [TestServer; 2] {
    let reserved = ReservedPort::new();
    let port = reserved.number;
    let start = async |own: u8, other: u8| {
        TestServer::with(|settings| {
            settings.server.address = Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, own)));
            settings.server.port = port;
            change(settings, &format!("127.0.0.{other}:{port}/eureka/"));
        })
        .await
    };
    [start(41, 42).await, start(42, 41).await]
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn peers_speak_tls_with_certificates_and_passwords() {
    let authority = Authority::new();
    authority.write(false);
    let servers = pair(|settings, other| {
        with_users(settings);
        settings.server.tls = Some(authority.options(ClientAuth::Want));
        settings.http.security.peers_need_certificate = true;
        settings.replication.service_urls = vec![ServiceUrl::parse(&format!("https://eureka:secret@{other}")).unwrap()];
    })
    .await;
    let client = authority.client(None);
    let apps = |server: &TestServer| format!("https://{}/eureka/apps/ORDERS", server.address);
    let registered = client
        .post(apps(&servers[0]))
        .basic_auth("eureka", Some("secret"))
        .header("Content-Type", "application/json")
        .body(instance("ORDERS", "o-1"))
        .send()
        .await
        .unwrap();
    assert_eq!(registered.status(), 204);
    let seen =
        async || client.get(apps(&servers[1])).basic_auth("reader", Some("reads")).send().await.unwrap().status();
    until("the change is replicated to the peer", async || seen().await == 200).await;
    for server in servers {
        server.stop().await.unwrap();
    }
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs several loopback addresses")]
async fn nothing_is_replicated_to_a_peer_without_the_password() {
    let servers = pair(|settings, other| {
        with_users(settings);
        settings.replication.service_urls = vec![ServiceUrl::parse(&format!("http://eureka:wrong@{other}")).unwrap()];
        settings.replication.registry_sync_timeout = Duration::ZERO;
    })
    .await;
    let body = instance("ORDERS", "o-1");
    assert_eq!(servers[0].send("POST", "/eureka/apps/ORDERS", &[JSON, EUREKA], body.as_bytes()).await.status, 204);
    until("the refusal is seen", async || {
        let overview = servers[0].send("GET", "/api/v1/overview", &[EUREKA], b"").await.text();
        overview.contains("401: wrong user or password")
    })
    .await;
    assert_eq!(servers[1].send("GET", "/eureka/apps/ORDERS", &[EUREKA], b"").await.status, 404);
    for server in servers {
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_port_of_its_own_has_the_actuator_and_nothing_else() {
    let authority = Authority::new();
    authority.write(false);
    let reserved = ReservedPort::new();
    let port = reserved.number;
    let options = authority.options(ClientAuth::Need);
    let server = TestServer::with(|settings| {
        settings.server.tls = Some(options);
        settings.server.management_port = Some(port);
        settings.http.context_path = "/registry".to_owned();
    })
    .await;
    let plain = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
    for (path, status) in [
        ("actuator/health/readiness", 200),
        ("registry/actuator/health/readiness", 200),
        ("actuator/../registry/eureka/apps", 404),
        ("registry/eureka/apps", 404),
        ("eureka/apps", 404),
        ("", 404),
    ] {
        let answer = plain.get(format!("http://127.0.0.1:{port}/{path}")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    server.stop().await.unwrap();
}
