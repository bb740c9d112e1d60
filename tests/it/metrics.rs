//! `/actuator/prometheus`: the values of metrics.

use std::collections::BTreeMap;

use eureka_registry::registry::SelfPreservationMode;

use crate::support::{TestServer, instance, until};

/// The samples of a scrape, by name and labels.
async fn scrape(server: &TestServer) -> BTreeMap<String, f64> {
    let answer = server.send("GET", "/actuator/prometheus", &[], b"").await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    });
    samples.collect()
}

#[tokio::test]
async fn requests_of_clients_are_counted() {
    let server = TestServer::with(|settings| settings.http.metrics_by_application = true).await;
    server.register("ORDERS", "o-1").await;
    server.register("ORDERS", "o-2").await;
    for (method, path, status) in [
        ("PUT", "/eureka/apps/ORDERS/o-1", 200),
        ("PUT", "/eureka/apps/ORDERS/nobody", 404),
        ("PUT", "/eureka/v2/apps/ORDERS/o-1/status?value=OUT_OF_SERVICE", 200),
        ("DELETE", "/eureka/apps/ORDERS/o-2", 200),
        ("GET", "/eureka/apps", 200),
        ("GET", "/eureka/apps/", 200),
        ("PATCH", "/eureka/apps", 405),
        ("GET", "/nothing", 404),
    ] {
        assert_eq!(server.send(method, path, &[], b"").await.status, status, "{method} {path}");
    }
    let samples = scrape(&server).await;
    for (name, value) in [
        (r#"eureka_http_requests_total{method="PUT",uri="/eureka/apps/{app}/{id}",status="200"}"#, 1.0),
        (r#"eureka_http_requests_total{method="PUT",uri="/eureka/apps/{app}/{id}",status="404"}"#, 1.0),
        (r#"eureka_http_requests_total{method="POST",uri="/eureka/apps/{app}",status="204"}"#, 2.0),
        (r#"eureka_http_requests_total{method="OTHER",uri="/eureka/**",status="405"}"#, 1.0),
        (r#"eureka_http_requests_total{method="OTHER",uri="/**",status="404"}"#, 1.0),
        (r#"eureka_http_request_duration_seconds_count{method="GET",uri="/eureka/apps"}"#, 2.0),
        (
            r#"http_server_requests_seconds_count{error="none",exception="none",method="PUT",outcome="SUCCESS",status="200",uri="/eureka/apps/{app}/{id}"}"#,
            1.0,
        ),
        (
            r#"http_server_requests_seconds_count{error="none",exception="none",method="PUT",outcome="CLIENT_ERROR",status="404",uri="/eureka/apps/{app}/{id}"}"#,
            1.0,
        ),
        (
            r#"http_server_requests_seconds_bucket{le="+Inf",error="none",exception="none",method="GET",outcome="SUCCESS",status="200",uri="/eureka/apps"}"#,
            2.0,
        ),
        (r#"eureka_response_cache_requests_total{cache="all",result="hit"}"#, 1.0),
        (r#"eureka_response_cache_requests_total{cache="all",result="miss"}"#, 1.0),
        ("eureka_http_requests_in_flight", 1.0),
        (r#"eureka_registry_instances{status="OUT_OF_SERVICE"}"#, 1.0),
        (r#"eureka_registry_instances{status="UP"}"#, 0.0),
        ("eureka_registry_applications", 1.0),
        ("eureka_registry_applications_without_up", 1.0),
        ("eureka_memory_limit_bytes", 134_217_728.0),
        ("eureka_tls_certificate_expires_timestamp_seconds", 0.0),
        ("eureka_registry_renewals_total", 1.0),
        (r#"eureka_registry_changes_total{kind="registered",source="client"}"#, 2.0),
        (r#"eureka_registry_changes_total{kind="status_changed",source="client"}"#, 1.0),
        (r#"eureka_registry_changes_total{kind="cancelled",source="client"}"#, 1.0),
        (r#"eureka_registry_changes_total{kind="evicted",source="registry"}"#, 0.0),
        (r#"eureka_server_instances{application="ORDERS",status="OUT_OF_SERVICE"}"#, 1.0),
        ("eureka_self_preservation_enabled", 1.0),
        ("eureka_peers", 0.0),
        ("eureka_ready", 1.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} in {samples:#?}");
    }
    // The sums are the same time, and the longest is one of those that it was added from.
    let of = |name: &str| samples.iter().filter(|(key, _)| key.starts_with(name)).map(|(_, value)| *value).sum::<f64>();
    let (ours, springs) = (of("eureka_http_request_duration_seconds_sum{"), of("http_server_requests_seconds_sum{"));
    assert!((ours - springs).abs() < 1e-9 && ours > 0.0, "{ours} and {springs}");
    let longest = r#"{error="none",exception="none",method="DELETE",outcome="SUCCESS",status="200",uri="/eureka/apps/{app}/{id}"}"#;
    let (sum, longest) = (
        of(&format!("http_server_requests_seconds_sum{longest}")),
        of(&format!("http_server_requests_seconds_max{longest}")),
    );
    assert_eq!(sum, longest, "there was one");
    for positive in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] {
        let is_there = samples.get(positive).is_some_and(|value| *value > 0.0);
        assert_eq!(is_there, cfg!(target_os = "linux"), "{positive}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn no_label_grows_with_what_clients_send() {
    let server = TestServer::start().await;
    let before = scrape(&server).await.len();
    server.register("FIRST", "one").await;
    let after_one = scrape(&server).await.len();
    for number in 0..50 {
        let app = format!("APP-{number}");
        server.register(&app, &format!("i-{number}")).await;
        server.send("GET", &format!("/eureka/apps/{app}/i-{number}/none-{number}"), &[], b"").await;
        server.send("GET", &format!("/page-{number}"), &[], b"").await;
    }
    let after = scrape(&server).await;
    assert!(after_one > before);
    assert!(after.len() < after_one + 80, "{} samples, {after_one} before", after.len());
    assert!(!after.keys().any(|name| name.contains("APP-") || name.contains("page-")));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn expired_leases_that_stay_are_counted_with_the_reason() {
    let server = TestServer::with(|settings| {
        settings.registry.self_preservation_mode = SelfPreservationMode::Java;
        settings.registry.eviction_interval = std::time::Duration::from_millis(20);
    })
    .await;
    let short = instance("ORDERS", "o-1")
        .replace("\"app\"", "\"leaseInfo\":{\"renewalIntervalInSecs\":1,\"durationInSecs\":1},\"app\"");
    let json = [("Content-Type", "application/json")];
    assert_eq!(server.send("POST", "/eureka/apps/ORDERS", &json, short.as_bytes()).await.status, 204);
    let kept = r#"eureka_registry_expired_leases_kept{reason="self_preservation"}"#;
    until("the expired lease is counted", async || scrape(&server).await[kept] == 1.0).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_scraper_gets_the_format_it_prefers() {
    let server = TestServer::start().await;
    for (accept, content_type) in [
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
            "application/openmetrics-text",
        ),
        ("text/plain", "text/plain; version=0.0.4"),
    ] {
        let answer = server.send("GET", "/actuator/prometheus", &[("Accept", accept)], b"").await;
        let given = answer.header("content-type").unwrap_or_default();
        assert!(given.starts_with(content_type), "{given}");
        let (text, openmetrics) = (answer.text(), content_type.contains("openmetrics"));
        let family = if openmetrics { "eureka_http_requests" } else { "eureka_http_requests_total" };
        assert!(text.contains(&format!("# TYPE {family} counter\n")), "{text}");
        assert_eq!(text.ends_with("# EOF\n"), openmetrics);
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with() {
    let server = TestServer::start().await;
    let answer = server.send("GET", "/eureka/apps", &[("X-Request-Id", "abc-1")], b"").await;
    assert_eq!(answer.header("x-request-id"), Some("abc-1"));
    let answer = server.send("GET", "/eureka/apps", &[("X-Request-Id", "a b\"c")], b"").await;
    assert_eq!(answer.header("x-request-id"), None, "not one that could forge a log");
    server.stop().await.unwrap();
    let server = TestServer::with(|settings| settings.http.access_log = true).await;
    assert!(server.send("GET", "/eureka/apps", &[], b"").await.header("x-request-id").is_some());
    server.stop().await.unwrap();
}
