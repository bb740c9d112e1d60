//! Which callers are peers, which logins are accepted while others guess, and under which host names pages are answered.

use std::path::Path;

use eureka_registry::config::{self, Command};

use super::*;

/// The users `client:writes`, which may write, and `peer:replicates`, which has the role of peers.
const CLIENT: (&str, &str) = ("Authorization", "Basic Y2xpZW50OndyaXRlcw==");
const PEER: (&str, &str) = ("Authorization", "Basic cGVlcjpyZXBsaWNhdGVz");
const REPLICATION: (&str, &str) = ("X-Netflix-Discovery-Replication", "true");

fn with_peer(settings: &mut Settings) {
    with_users(settings);
    let users = &mut settings.http.security.users;
    users.extend([user("client", "writes", &[]), user("peer", "replicates", &["PEER"])]);
}

#[tokio::test]
async fn a_user_that_may_write_is_not_a_peer_for_that() {
    let server = TestServer::with(with_peer).await;
    let body = instance("ORDERS", "o-1");
    let registered = server.send("POST", "/eureka/apps/ORDERS", &[JSON, CLIENT], body.as_bytes()).await;
    assert_eq!(registered.status, 204);
    let batch = "/eureka/peerreplication/batch/";
    let newcomer = ("X-Eureka-Registry-Newcomer", "http://registry-1.registry:8761/eureka/");
    for (method, path, header, of_client, of_peer) in [
        ("POST", batch, JSON, 403, 200),
        ("POST", "/eureka/peerreplication/digests", JSON, 403, 400),
        ("PUT", "/eureka/apps/ORDERS/o-1", REPLICATION, 403, 200),
        ("PUT", "/eureka/apps/ORDERS/o-1", JSON, 200, 200),
        ("GET", "/eureka/apps", newcomer, 403, 200),
        ("GET", "/eureka/apps", REPLICATION, 200, 200),
        ("DELETE", "/eureka/apps/ORDERS/o-1", REPLICATION, 403, 200),
    ] {
        let body: &[u8] = if path == batch { b"{\"replicationList\":[]}" } else { b"" };
        for (who, status) in
            [(CLIENT, of_client), (READER, if method == "GET" { of_client } else { 403 }), (PEER, of_peer)]
        {
            let answer = server.send(method, path, &[who, header], body).await;
            assert_eq!(answer.status, status, "{method} {path} {header:?} {who:?}: {}", answer.text());
        }
        assert_eq!(server.send(method, path, &[header], body).await.status, 401);
    }
    let time = ("X-Eureka-Registry-Time", "?");
    for (who, is_told) in [(CLIENT, false), (PEER, true)] {
        let answer = server.send("OPTIONS", "/eureka/apps", &[who, time], b"").await;
        assert_eq!(answer.header("x-eureka-registry-time").is_some(), is_told, "{who:?}");
    }
    server.stop().await.unwrap();
}

/// With one user for everything, which is a peer by its name alone.
#[tokio::test]
async fn the_user_as_whom_peers_are_called_is_a_peer() {
    for named_by_url in [true, false] {
        let server = TestServer::with(|settings| {
            with_users(settings);
            settings.http.security.users.push(user("client", "writes", &[]));
            let replication = &mut settings.replication;
            let url =
                if named_by_url { "http://eureka:secret@127.0.0.9:1/eureka/" } else { "http://127.0.0.9:1/eureka/" };
            replication.service_urls = vec![ServiceUrl::parse(url).unwrap()];
            replication.registry_sync_timeout = Duration::ZERO;
            if !named_by_url {
                replication.discovery_credentials =
                    Credentials { username: "eureka".to_owned(), password: "secret".to_owned() };
            }
        })
        .await;
        for (who, status) in [(EUREKA, 200), (CLIENT, 403)] {
            let path = "/eureka/peerreplication/batch/";
            let batch = server.send("POST", path, &[JSON, who], b"{\"replicationList\":[]}").await;
            assert_eq!(batch.status, status, "{who:?}, by a URL: {named_by_url}");
        }
        server.stop().await.unwrap();
    }
}

/// While authentication is turned on in running replicas, all paths are open (deploy/README.md). Opening the paths of clients
/// opens none of peers.
#[tokio::test]
async fn replication_is_open_where_its_own_paths_are() {
    for (open, status) in [("/**", 200), ("/eureka/apps/**", 401)] {
        let server = TestServer::with(|settings| {
            with_peer(settings);
            settings.http.security.open_paths = vec![open.to_owned()];
        })
        .await;
        let body = instance("ORDERS", "o-1");
        assert_eq!(server.send("POST", "/eureka/apps/ORDERS", &[JSON], body.as_bytes()).await.status, 204);
        let renewal = server.send("PUT", "/eureka/apps/ORDERS/o-1", &[REPLICATION], b"").await;
        assert_eq!(renewal.status, status, "{open}");
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn guesses_are_answered_429_and_good_logins_as_ever() {
    let server = TestServer::with(with_users).await;
    let fetch = async |who: (&str, &str)| server.send("GET", "/eureka/apps", &[who], b"").await;
    let guess = |user: &str, number: u32| format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{number}")));
    let mut statuses = [0; 2];
    for number in 0..40 {
        let answer = fetch(("Authorization", &guess(["reader", "nobody"][number as usize % 2], number))).await;
        match answer.status {
            401 => statuses[0] += 1,
            429 => {
                statuses[1] += 1;
                let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
                assert_eq!(answer.text(), format!("too many failed logins: try again in {seconds} seconds"));
            }
            status => panic!("{status}"),
        }
        if number == 20 {
            assert_eq!(fetch(READER).await.status, 200, "the first login of this user, from the address that guesses");
        }
    }
    assert!(statuses[0] >= 10 && statuses[1] >= 20, "{statuses:?}");
    for who in [EUREKA, READER] {
        assert_eq!(fetch(who).await.status, 200);
    }
    let metrics = server.send("GET", "/actuator/prometheus", &[EUREKA], b"").await.text();
    assert!(metrics.contains(&format!("eureka_http_refused_logins_total {}", statuses[1])), "{metrics}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn pages_are_shown_by_no_name_of_another_site() {
    let server = TestServer::start().await;
    for (path, status) in [
        ("http://evil.example:8761/", 421),
        ("http://evil.example/api/v1/instances", 421),
        ("http://evil.example/eureka/apps", 200),
        ("http://evil.example/actuator/health", 200),
        ("http://registry:8761/", 200),
        ("http://10.0.0.1:30761/api/v1/instances", 200),
        ("/", 200),
    ] {
        let answer = server.send("GET", path, &[], b"").await;
        assert_eq!(answer.status, status, "{path}");
        if status == 421 {
            assert!(answer.text().contains("evil.example"), "{}", answer.text());
            assert!(answer.text().contains("registry.security.allowed-hosts"), "{}", answer.text());
        }
    }
    // The request that a page of that name would make its visitor's browser send.
    let path = "http://evil.example:8761/eureka/apps/ORDERS/o-1/status?value=DOWN";
    let headers = [("Origin", "http://evil.example:8761"), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(server.send("PUT", path, &headers, b"").await.status, 421);
    assert_eq!(server.send("PUT", path, &[], b"").await.status, 404, "a client may use any name");
    server.stop().await.unwrap();

    let server = TestServer::with(with_users).await;
    assert_eq!(
        server.send("GET", "http://evil.example/", &[EUREKA], b"").await.status,
        200,
        "its page knows no password"
    );
    server.stop().await.unwrap();
}

#[test]
fn names_of_peers_imply_that_peers_need_certificates() {
    let parse = |arguments: &[&str]| {
        let arguments = arguments.iter().map(Into::into);
        config::parse(arguments, [], Path::new("nowhere"))
    };
    let tls = ["--server.ssl.certificate=tls.crt", "--server.ssl.certificate-private-key=tls.key"];
    let ours = [
        "--server.ssl.client-auth=want",
        "--registry.security.peer-names=registry-0.registry, registry-1.registry",
        "--registry.security.certificate-revocation-list=ca.crl",
        "--registry.security.allowed-hosts=registry.example.com,*.example.org",
    ];
    let Ok(Command::Serve(loaded)) = parse(&[&tls[..], &ours].concat()) else { panic!("it is understood") };
    assert!(loaded.notices.is_empty() && loaded.settings.http.security.peers_need_certificate);
    let options = loaded.settings.server.tls.unwrap();
    assert_eq!(options.peer_names, ["registry-0.registry", "registry-1.registry"]);
    assert_eq!(options.revoked, Some(PathBuf::from("ca.crl")));
    let listed = loaded.settings.http.security.allowed_hosts.listed.unwrap();
    assert_eq!(listed, ["registry.example.com", "*.example.org"]);
    assert!(
        parse(&[&tls[..], &ours[1..2]].concat()).is_err(),
        "without server.ssl.client-auth nobody shows a certificate"
    );
}
