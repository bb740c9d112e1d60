//! What a replica and its peer know differently.

use eureka_registry::replication::ServiceUrl;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::contract::Contract;
use super::*;
use crate::support::ReservedPort;

/// Registers an instance with a version of its data and with metadata.
async fn register_with(server: &TestServer, id: &str, dirty: &str, metadata: Value) {
    let mut body: Value = serde_json::from_str(&instance("ORDERS", id)).unwrap();
    body["instance"]["lastDirtyTimestamp"] = json!(dirty);
    body["instance"]["metadata"] = metadata;
    let answer = server.send("POST", "/eureka/apps/ORDERS", &[JSON], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
}

/// A replica that knows one peer, at a port of this machine.
async fn knowing(port: u16) -> (TestServer, String) {
    let peer = ServiceUrl::new("http", "127.0.0.1", port, "/eureka/");
    let path = format!("/api/v1/differences?peer={peer}");
    let server = TestServer::with(|settings| {
        settings.replication.service_urls = vec![peer];
        settings.replication.register_with_eureka = Some(false);
        settings.replication.registry_sync_timeout = Duration::ZERO;
    });
    (server.await, path)
}

async fn peer_is(server: &TestServer, what: &str, holds: impl Fn(&Value) -> bool) {
    until(what, async || holds(&server.get_json("/api/v1/overview").await["peers"][0])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_from_a_peer_is_shown_from_both_sides() {
    let port = ReservedPort::new();
    let (server, path) = knowing(port.number).await;
    let not_reached = server.get_json(&path).await;
    assert!(not_reached["problem"].as_str().is_some_and(|why| why.contains("not been reached")), "{not_reached}");
    let other = async || TestServer::with(|settings| settings.server.port = port.number).await;
    let first = other().await;
    peer_is(&server, "the peer to be identified", |peer| peer["available"] == true).await;
    register_with(&server, "o-1", "2000", json!({ "team": "new", "same": "1" })).await;
    register_with(&server, "o-2", "2000", json!({})).await;
    until("both to be replicated", async || first.get_json("/api/v1/instances").await["total"] == 2).await;
    peer_is(&server, "an empty queue", |peer| peer["queue"] == 0).await;
    first.stop().await.unwrap();
    // The peer has lost what it knew, and knows nobody from whom to take it.
    let other = other().await;
    register_with(&other, "o-1", "1000", json!({ "team": "old", "same": "1" })).await;
    peer_is(&server, "a difference", |peer| peer["differingApplications"] == 1).await;

    // The difference may be one of the first process, which was asked while it did not have all; then the second is not known yet.
    let found = wait_for("the second process to be known", async || {
        let found = server.get_json(&path).await;
        found["problem"].is_null().then_some(found)
    })
    .await;
    let contract = Contract::read();
    contract.check(contract.schema("Differences"), &found).unwrap();
    assert_eq!(
        (&found["problem"], &found["complete"], &found["applications"]),
        (&json!(null), &json!(true), &json!(1))
    );
    assert_eq!(found["names"], json!(["ORDERS"]));
    let [both, only_here] = &found["instances"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!((&both["instanceId"], &only_here["instanceId"]), (&json!("o-1"), &json!("o-2")));
    assert_eq!((&both["here"]["version"], &both["there"]["version"]), (&json!(2000), &json!(1000)));
    assert_eq!(both["metadata"], json!([{ "name": "team", "here": "new", "there": "old" }]));
    let differs = both["differs"].as_array().unwrap();
    assert!(differs.contains(&json!("metadata")) && !differs.contains(&json!("status")), "{both}");
    assert!(both["there"]["lastRenewalAt"].as_i64() > Some(0), "{both}");
    assert_eq!(both["what"], "Both have it. The record of this replica is later. The peer takes it when it compares.");
    assert_eq!(only_here["there"], json!(null));
    assert!(only_here["what"].as_str().unwrap().starts_with("Only this replica has it."), "{only_here}");

    other.stop().await.unwrap();
    let stopped = server.get_json(&path).await;
    assert!(stopped["problem"].as_str().is_some_and(|why| why.contains("could not be asked")), "{stopped}");
    assert_eq!(stopped["instances"], json!([]));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn another_eureka_server_has_no_records_to_compare() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut read = [0; 4096];
                while stream.read(&mut read).await.is_ok_and(|length| length > 0) {
                    let _answered = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                }
            });
        }
    });
    let (server, path) = knowing(port).await;
    peer_is(&server, "the peer to be identified", |peer| peer["kind"] == "eureka").await;
    let found = server.get_json(&path).await;
    assert!(found["problem"].as_str().is_some_and(|why| why.contains("another Eureka server")), "{found}");
    server.stop().await.unwrap();
    answering.abort();
}
