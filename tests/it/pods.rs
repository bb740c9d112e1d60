//! Instances go with their pods, as an API server tells of them.

use std::collections::BTreeMap;

use eureka_registry::kubernetes::Policy;
use eureka_registry::replication::ServiceUrl;
use eureka_registry::server::Settings;
use serde_json::{Value, json};

use crate::support::api_server::{ApiServer, Mode};
use crate::support::{DataDir, TestServer, instance, until};

/// Makes a server watch the pods of the namespace `shop`.
fn watch(settings: &mut Settings, kubernetes: &ApiServer) {
    settings.kubernetes.pods = true;
    settings.kubernetes.api_server = Some(format!("http://{}", kubernetes.address));
    settings.kubernetes.namespaces = vec!["shop".to_owned()];
}

async fn watching(kubernetes: &ApiServer) -> TestServer {
    let server = TestServer::with(|settings| watch(settings, kubernetes)).await;
    until("the watch is open", async || is_watching(&server).await).await;
    server
}

async fn register(server: &TestServer, id: &str, address: &str) {
    let body = instance("ORDERS", id).replace("10.0.0.1", address);
    let headers = [("Content-Type", "application/json")];
    assert_eq!(server.send("POST", "/eureka/apps/ORDERS", &headers, body.as_bytes()).await.status, 204);
}

async fn metric(server: &TestServer, name: &str) -> f64 {
    let text = server.send("GET", "/actuator/prometheus", &[], b"").await.text();
    let samples: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    samples.get(name).map_or(f64::NAN, |value| value.parse().unwrap())
}

async fn is_watching(server: &TestServer) -> bool {
    metric(server, r#"eureka_kubernetes_watching{watched_namespace="shop"}"#).await == 1.0
}

async fn is_there(server: &TestServer, id: &str) -> bool {
    server.send("GET", &format!("/eureka/apps/ORDERS/{id}"), &[], b"").await.status == 200
}

async fn details(server: &TestServer, id: &str) -> Value {
    server.get_json(&format!("/api/v1/applications/ORDERS/instances/{id}")).await
}

#[tokio::test]
async fn an_instance_goes_with_its_pod_from_every_replica() {
    let kubernetes = ApiServer::start().await;
    kubernetes.put("orders-1", "10.1.0.1", |_| {});
    kubernetes.put("orders-2", "10.1.0.2", |_| {});
    // It does not watch.
    let other = TestServer::start().await;
    let url = format!("http://{}/eureka/", other.address);
    let server = TestServer::with(|settings| {
        watch(settings, &kubernetes);
        settings.replication.service_urls = vec![ServiceUrl::parse(&url).unwrap()];
        settings.replication.register_with_eureka = Some(false);
    })
    .await;
    until("the watch is open", async || is_watching(&server).await).await;
    for (id, address) in [("o-1", "10.1.0.1"), ("o-2", "10.1.0.2"), ("elsewhere", "10.2.0.1")] {
        register(&server, id, address).await;
        until("the other replica has it", async || is_there(&other, id).await).await;
    }
    assert_eq!(details(&server, "o-1").await["pod"]["name"], "orders-1");
    assert_eq!(details(&server, "elsewhere").await["pod"], Value::Null);
    let expected = metric(&server, "eureka_expected_clients").await;
    kubernetes.delete("orders-1");
    until("the instance is gone", async || !is_there(&server, "o-1").await).await;
    until("the other replica knows", async || !is_there(&other, "o-1").await).await;
    assert_eq!(metric(&server, "eureka_expected_clients").await, expected - 1.0);
    kubernetes.put("orders-2", "10.1.0.2", |pod| pod["status"]["phase"] = "Failed".into());
    until("the next one is gone", async || !is_there(&server, "o-2").await).await;
    assert!(is_there(&server, "elsewhere").await, "no pod of it is known");
    let last = &details(&server, "o-1").await["history"][0];
    assert_eq!(
        (&last["kind"], &last["source"], &last["reason"]),
        (&json!("evicted"), &json!("kubernetes"), &json!("pod shop/orders-1 ended"))
    );
    assert_eq!(details(&other, "o-1").await["history"][0]["reason"], "pod shop/orders-1 ended");
    assert_eq!(metric(&server, r#"eureka_kubernetes_acts_total{act="evicted"}"#).await, 2.0);
}

#[tokio::test]
async fn a_list_after_a_gap_shows_which_pods_vanished() {
    let kubernetes = ApiServer::start().await;
    for (name, address) in [("orders-1", "10.1.0.1"), ("orders-2", "10.1.0.2"), ("orders-3", "10.1.0.3")] {
        kubernetes.put(name, address, |_| {});
    }
    let server = watching(&kubernetes).await;
    // The last one's pod was never seen: a first list ends nothing.
    for (id, address) in [("o-1", "10.1.0.1"), ("o-2", "10.1.0.2"), ("o-4", "10.1.0.4")] {
        register(&server, id, address).await;
    }
    // A sign of life, so that the registrations are older than the last contact.
    kubernetes.put("orders-5", "10.1.0.5", |_| {});
    let pods = r#"eureka_kubernetes_pods{watched_namespace="shop"}"#;
    until("the sign is seen", async || metric(&server, pods).await == 4.0).await;
    kubernetes.set(Mode::Away);
    until("the watch is broken", async || !is_watching(&server).await).await;
    kubernetes.delete("orders-1");
    kubernetes.compact();
    assert!(is_there(&server, "o-1").await, "nothing is known of its pod now");
    kubernetes.set(Mode::Well);
    until("the instance is gone", async || !is_there(&server, "o-1").await).await;
    assert!(is_there(&server, "o-2").await, "its pod lives");
    assert!(is_there(&server, "o-4").await, "no pod of it was ever known");
    kubernetes.delete("orders-2");
    until("the new watch works", async || !is_there(&server, "o-2").await).await;
    assert!(metric(&server, r#"eureka_kubernetes_failures_total{watched_namespace="shop"}"#).await > 0.0);
}

#[tokio::test]
async fn pods_too_large_for_a_page_are_asked_for_in_smaller_ones() {
    let kubernetes = ApiServer::start().await;
    kubernetes.set(Mode::Generous);
    for number in 0..24 {
        let annotation = "x".repeat(800_000);
        kubernetes.put(&format!("orders-{number}"), &format!("10.1.0.{number}"), |pod| {
            pod["metadata"]["annotations"] = json!({ "large": annotation });
        });
    }
    let server = watching(&kubernetes).await;
    assert_eq!(metric(&server, r#"eureka_kubernetes_pods{watched_namespace="shop"}"#).await, 24.0);
    assert_eq!(metric(&server, r#"eureka_kubernetes_failures_total{watched_namespace="shop"}"#).await, 0.0);
}

#[tokio::test]
async fn a_watch_that_is_forbidden_changes_nothing_until_it_is_allowed() {
    let kubernetes = ApiServer::start().await;
    kubernetes.set(Mode::Forbidden);
    kubernetes.put("orders-1", "10.1.0.1", |_| {});
    let server = TestServer::with(|settings| watch(settings, &kubernetes)).await;
    register(&server, "o-1", "10.1.0.1").await;
    let failures = r#"eureka_kubernetes_failures_total{watched_namespace="shop"}"#;
    until("it is refused twice", async || metric(&server, failures).await >= 2.0).await;
    assert!(!is_watching(&server).await && is_there(&server, "o-1").await);
    kubernetes.set(Mode::Well);
    until("the watch is open", async || is_watching(&server).await).await;
    assert_eq!(metric(&server, r#"eureka_kubernetes_pods{watched_namespace="shop"}"#).await, 1.0);
    assert!(is_there(&server, "o-1").await);
}

#[tokio::test]
async fn a_watch_that_never_works_is_a_failure_and_asked_for_less_and_less_often() {
    let never_works = async |mode| {
        let kubernetes = ApiServer::start().await;
        kubernetes.set(mode);
        let server = TestServer::with(|settings| watch(settings, &kubernetes)).await;
        let failures = r#"eureka_kubernetes_failures_total{watched_namespace="shop"}"#;
        until("it has failed twice", async || metric(&server, failures).await >= 2.0).await;
        let calls = kubernetes.calls().len();
        assert!(calls <= 8, "{mode:?}: {calls} calls, of which each watch had a pause twice as long");
        kubernetes.put("orders-1", "10.1.0.1", |_| {});
        kubernetes.set(Mode::Well);
        let pods = r#"eureka_kubernetes_pods{watched_namespace="shop"}"#;
        until("it watches", async || metric(&server, pods).await == 1.0 && is_watching(&server).await).await;
    };
    tokio::join!(never_works(Mode::Brief), never_works(Mode::Forgetful));
}

#[tokio::test]
async fn an_api_server_that_says_nothing_delays_nothing() {
    let kubernetes = ApiServer::start().await;
    kubernetes.set(Mode::Silent);
    let server = TestServer::with(|settings| watch(settings, &kubernetes)).await;
    register(&server, "o-1", "10.1.0.1").await;
    until("it is asked", async || !kubernetes.calls().is_empty()).await;
    assert!(is_there(&server, "o-1").await && !is_watching(&server).await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_pod_that_is_not_well_takes_its_instance_out_of_service_where_that_is_wanted() {
    let kubernetes = ApiServer::start().await;
    let not_ready = |pod: &mut Value| pod["status"]["conditions"][0]["status"] = "False".into();
    for (name, address) in [("orders-1", "10.1.0.1"), ("orders-2", "10.1.0.2")] {
        kubernetes.put(name, address, |_| {});
    }
    let server = TestServer::with(|settings| {
        watch(settings, &kubernetes);
        settings.kubernetes.terminating = Policy::OutOfService;
        settings.kubernetes.not_ready = Policy::OutOfService;
    })
    .await;
    until("the watch is open", async || is_watching(&server).await).await;
    register(&server, "o-1", "10.1.0.1").await;
    register(&server, "o-2", "10.1.0.2").await;
    let status = async |id: &str| details(&server, id).await["instance"]["status"].as_str().unwrap().to_owned();
    kubernetes.put("orders-1", "10.1.0.1", |pod| pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into());
    kubernetes.put("orders-2", "10.1.0.2", not_ready);
    until("the first is out of service", async || status("o-1").await == "OUT_OF_SERVICE").await;
    until("the second, too", async || status("o-2").await == "OUT_OF_SERVICE").await;
    assert_eq!(details(&server, "o-1").await["history"][0]["reason"], "pod shop/orders-1 is terminating");
    kubernetes.put("orders-2", "10.1.0.2", |_| {});
    until("it is back", async || status("o-2").await == "UP").await;
    assert_eq!(status("o-1").await, "OUT_OF_SERVICE");
}

#[tokio::test]
async fn an_instance_without_a_zone_is_given_that_of_its_pods_node_where_that_is_wanted() {
    let kubernetes = ApiServer::start().await;
    kubernetes.put_node("node1", "zone-1");
    let on = |node: &'static str| move |pod: &mut Value| pod["spec"]["nodeName"] = node.into();
    kubernetes.put("orders-1", "10.1.0.1", on("node1"));
    kubernetes.put("orders-2", "10.1.0.2", on("node1"));
    kubernetes.put("orders-3", "10.1.0.3", on("node2"));
    let server = TestServer::with(|settings| {
        watch(settings, &kubernetes);
        settings.kubernetes.zones = true;
    })
    .await;
    let with_zone = instance("ORDERS", "o-2").replace("10.0.0.1", "10.1.0.2");
    let mut with_zone: Value = serde_json::from_str(&with_zone).unwrap();
    with_zone["instance"]["metadata"] = json!({"zone": "its-own"});
    let headers = [("Content-Type", "application/json")];
    server.send("POST", "/eureka/apps/ORDERS", &headers, with_zone.to_string().as_bytes()).await;
    register(&server, "o-3", "10.1.0.3").await;
    register(&server, "o-1", "10.1.0.1").await;
    let zone = async |id: &str| details(&server, id).await["instance"]["zone"].clone();
    until("it has the zone", async || zone("o-1").await == "zone-1").await;
    assert_eq!(details(&server, "o-1").await["history"][0]["reason"], "zone of node node1");
    assert_eq!(
        (zone("o-2").await, zone("o-3").await),
        (json!("its-own"), Value::Null),
        "its own stays, and no node, no zone"
    );
    assert_eq!(metric(&server, r#"eureka_kubernetes_acts_total{act="zone"}"#).await, 1.0);
    register(&server, "o-1", "10.1.0.1").await;
    until("it has it again", async || zone("o-1").await == "zone-1").await;
}

#[tokio::test]
async fn the_token_is_read_for_each_call_and_the_namespace_is_that_of_the_account() {
    let (kubernetes, account) = (ApiServer::start().await, DataDir::new("account"));
    std::fs::create_dir_all(&account.path).unwrap();
    std::fs::write(account.path.join("namespace"), "shop").unwrap();
    std::fs::write(account.path.join("token"), "first\n").unwrap();
    let server = TestServer::with(|settings| {
        watch(settings, &kubernetes);
        settings.kubernetes.namespaces.clear();
        settings.kubernetes.service_account.clone_from(&account.path);
    })
    .await;
    until("the watch is open", async || is_watching(&server).await).await;
    std::fs::write(account.path.join("token"), "second\n").unwrap();
    kubernetes.set(Mode::Away);
    until("the watch is broken", async || !is_watching(&server).await).await;
    kubernetes.set(Mode::Well);
    until("the watch is open again", async || is_watching(&server).await).await;
    let calls = kubernetes.calls();
    let bearer =
        |head: &String| head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ").map(str::to_owned));
    assert_eq!(bearer(calls.first().unwrap()).as_deref(), Some("first"));
    assert_eq!(bearer(calls.last().unwrap()).as_deref(), Some("second"));
    assert!(calls.iter().all(|head| head.starts_with("GET /api/v1/namespaces/shop/pods?")), "{calls:?}");
}
