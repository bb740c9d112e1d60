//! Snapshots, from one process to the next.

use eureka_registry::replication::ServiceUrl;

use crate::support::{DataDir, ReservedPort, TestServer, until};

/// A replica that keeps its snapshot there, and has these peers.
async fn start(data: &DataDir, peers: Vec<ServiceUrl>) -> TestServer {
    TestServer::with(|settings| {
        settings.snapshot.directory = Some(data.path.clone());
        settings.replication.register_with_eureka = Some(false);
        settings.replication.service_urls = peers;
    })
    .await
}

#[tokio::test]
async fn a_replica_opens_with_what_it_knew_when_it_stopped() {
    let data = DataDir::new("stop");
    let server = start(&data, Vec::new()).await;
    server.register("orders", "one").await;
    server.stop().await.unwrap();

    let server = start(&data, Vec::new()).await;
    let overview = server.get_json("/api/v1/overview").await;
    assert_eq!((&overview["instances"]["total"], &overview["leases"]["restored"]), (&1.into(), &1.into()));
    let reason = "1 instance was restored from the snapshot and has not renewed since.";
    assert_eq!(overview["health"]["reasons"], serde_json::json!([reason]));
    let found = server.get_json("/api/v1/instances").await;
    assert_eq!(found["instances"][0]["restored"], true);
    let changes = server.get_json("/api/v1/changes").await;
    assert_eq!(changes["changes"][0]["kind"], "restored");

    assert_eq!(server.send("PUT", "/eureka/apps/ORDERS/one", &[], b"").await.status, 200);
    let found = server.get_json("/api/v1/instances").await;
    assert_eq!(found["instances"][0]["restored"], false);
}

#[tokio::test]
async fn a_cluster_that_was_down_answers_a_client_that_knew_it() {
    let data = DataDir::new("cluster");
    let port = ReservedPort::new();
    let down = || vec![ServiceUrl::parse(&format!("http://127.0.0.1:{}/eureka/", port.number)).unwrap()];
    let server = start(&data, down()).await;
    server.register("orders", "one").await;
    server.stop().await.unwrap();

    let server = start(&data, down()).await;
    // Without a snapshot both would be refused: a client that asks for a delta holds a list.
    for path in ["/eureka/apps/delta", "/eureka/apps"] {
        let answer = server.send("GET", path, &[], b"").await;
        assert!(
            answer.status == 200 && answer.text().contains("ORDERS"),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    // Instances that registered after the snapshot was written are missing, so clients know more.
    assert_eq!(server.send("PUT", "/eureka/apps/ORDERS/two", &[], b"").await.status, 404);
    assert_eq!(server.send("GET", "/eureka/apps", &[], b"").await.status, 403);
}

#[tokio::test]
async fn a_change_is_on_the_disk_soon() {
    let data = DataDir::new("soon");
    let server = start(&data, Vec::new()).await;
    server.register("orders", "one").await;
    until("the snapshot has the instance", async || {
        server.get_json("/api/v1/overview").await["snapshot"]["instances"] == 1
    })
    .await;
    let metrics = server.send("GET", "/actuator/prometheus", &[], b"").await.text();
    assert!(metrics.contains("\neureka_snapshot_failing 0.0\n"), "{metrics}");
}

#[tokio::test]
async fn a_disk_that_fails_is_said_and_stops_nobody() {
    let data = DataDir::new("fails");
    // A file stands where the directory should be.
    std::fs::create_dir_all(&data.path).unwrap();
    let file = data.path.join("file");
    std::fs::write(&file, "").unwrap();
    let server = TestServer::with(|settings| settings.snapshot.directory = Some(file.join("data"))).await;
    server.register("orders", "one").await;
    let overview = server.get_json("/api/v1/overview").await;
    assert!(overview["snapshot"]["failingSince"].is_i64(), "{overview}");
    let reasons = overview["health"]["reasons"].to_string();
    assert!(reasons.contains("Snapshots cannot be written for"), "{reasons}");
    let metrics = server.send("GET", "/actuator/prometheus", &[], b"").await.text();
    assert!(metrics.contains("\neureka_snapshot_failing 1.0\n"), "{metrics}");
    let health = server.get_json("/actuator/health").await;
    assert_eq!(health["status"], "UP");
}

#[tokio::test]
async fn no_directory_no_snapshots() {
    let server = TestServer::start().await;
    assert!(server.get_json("/api/v1/overview").await["snapshot"].is_null());
    assert!(!server.send("GET", "/actuator/prometheus", &[], b"").await.text().contains("eureka_snapshot"));
}
