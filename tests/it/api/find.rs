//! Finding instances by what they sent, as JSON and as CSV; and finding who fetches the registry.

use super::*;

/// Registers an instance with metadata.
async fn register_with(server: &TestServer, app: &str, id: &str, metadata: Value) {
    let mut body: Value = serde_json::from_str(&instance(app, id)).unwrap();
    body["instance"]["metadata"] = metadata;
    let answer = server.send("POST", &format!("/eureka/apps/{app}"), &[JSON], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
}

async fn total(server: &TestServer, query: &str) -> Value {
    server.get_json(&format!("/api/v1/instances?{query}")).await["total"].clone()
}

#[tokio::test]
async fn instances_are_found_by_their_metadata_and_state() {
    let server = TestServer::start().await;
    register_with(&server, "ORDERS", "o-1", json!({ "team": "payments", "zone": "eu-1a" })).await;
    register_with(&server, "ORDERS", "o-2", json!({ "team": "payments", "zone": "eu-1b" })).await;
    register_with(&server, "BILLING", "b-1", json!({ "team": "billing" })).await;
    server.send("PUT", "/eureka/apps/ORDERS/o-2/status?value=DOWN", &[], b"").await;
    for (query, found) in [
        ("q=team%3Dpayments", 2),
        ("q=team%3Dpayments+zone%3Deu-1b", 1),
        ("q=TEAM%3Dpay*", 2),
        ("q=team%3Dpay", 0),
        ("q=eu-1", 2),
        ("up=false", 1),
        ("up=true", 2),
        ("overridden=true", 1),
        ("expired=true", 0),
        ("expired=false&q=team%3D", 3),
    ] {
        assert_eq!(total(&server, query).await, found, "{query}");
    }
    let long = server.send("GET", &format!("/api/v1/instances?q={}", "a".repeat(201)), &[], b"").await;
    assert_eq!((long.status, long.text().contains("q: at most 200 characters")), (400, true));

    let completed = async |query: &str| {
        let answer = server.get_json(&format!("/api/v1/completions?q={query}")).await;
        let all = answer["completions"].as_array().unwrap().iter();
        all.map(|one| (one["text"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())).collect::<Vec<_>>()
    };
    let pairs =
        |expected: &[(&str, u64)]| expected.iter().map(|(text, n)| ((*text).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(completed("te").await, pairs(&[("team=", 3)]));
    assert_eq!(
        completed("zone%3Deu-1a+team%3D").await,
        pairs(&[("team=payments", 1)]),
        "of those that are found so far"
    );
    assert_eq!(completed("orders+").await, pairs(&[("ORDERS", 2), ("team=", 2), ("zone=", 2)]));
    assert_eq!(completed("pay&limit=1").await, pairs(&[("team=payments", 2)]));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn instances_are_a_table_without_formulas() {
    let server = TestServer::start().await;
    register_with(&server, "ORDERS", "=HYPERLINK(\"http://evil.example\")", json!({ "zone": "a,b", "version": "-1" }))
        .await;
    register_with(&server, "ORDERS", "o-1", json!({ "zone": "c" })).await;
    let answers = [
        server.send("GET", "/api/v1/instances?format=csv&q=", &[], b"").await,
        server.send("GET", "/api/v1/instances", &[("Accept", "text/csv")], b"").await,
    ];
    for answer in answers {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
        let text = answer.text();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with("application,instanceId,status,"), "{text}");
        let guarded = "ORDERS,\"'=HYPERLINK(\"\"http://evil.example\"\")\",UP,,h.local,10.0.0.1,8080,,\"a,b\",\"'-1\",";
        assert!(lines[1].starts_with(guarded), "{text}");
        assert!(lines[2].starts_with("ORDERS,o-1,UP,,h.local,10.0.0.1,8080,,c,,"), "{text}");
    }
    let json = server.send("GET", "/api/v1/instances?format=json", &[("Accept", "text/csv")], b"").await;
    assert_eq!(json.header("content-type"), Some("application/json"), "the parameter counts");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_table_has_more_rows_than_a_page() {
    let server = TestServer::start().await;
    fill(&server, 2000).await;
    let rows = async |query: &str| server.send("GET", query, &[], b"").await.text().lines().count() - 1;
    assert_eq!(rows("/api/v1/instances?format=csv").await, 2000);
    assert_eq!(rows("/api/v1/instances?format=csv&limit=1500&offset=1000").await, 1000);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn who_fetches_the_registry_is_listed() {
    let server = TestServer::start().await;
    let mut body: Value = serde_json::from_str(&instance("ORDERS", "o-1")).unwrap();
    body["instance"]["ipAddr"] = json!("127.0.0.1");
    server.send("POST", "/eureka/apps/ORDERS", &[JSON], body.to_string().as_bytes()).await;
    let agent = ("User-Agent", "Java-EurekaClient/v2.0.4");
    for path in
        ["/eureka/apps", "/eureka/apps/delta", "/eureka/apps/delta", "/eureka/apps/ORDERS", "/eureka/vips/orders"]
    {
        assert_eq!(server.send("GET", path, &[agent], b"").await.status, 200);
    }
    // Neither a heartbeat, nor a page, nor a peer is a subscriber.
    server.send("PUT", "/eureka/apps/ORDERS/o-1", &[("User-Agent", "other")], b"").await;
    server.send("GET", "/", &[("User-Agent", "browser")], b"").await;
    server.send("GET", "/eureka/apps", &[("X-Netflix-Discovery-Replication", "true")], b"").await;
    let all = server.get_json("/api/v1/subscribers").await;
    assert_eq!((&all["total"], &all["forgotten"]), (&json!(1), &json!(0)));
    let one = &all["subscribers"][0];
    assert_eq!((&one["address"], &one["userAgent"]), (&json!("127.0.0.1"), &json!("Java-EurekaClient/v2.0.4")));
    assert_eq!([&one["full"], &one["delta"], &one["part"]], [1, 2, 2]);
    assert_eq!((&one["applications"], &one["lastFetch"]), (&json!(["ORDERS"]), &json!("part")));
    // Who fetches in the same millisecond is no later.
    until("the clock to go on", async || {
        server.get_json("/api/v1/overview").await["now"].as_i64().unwrap() > one["lastAt"].as_i64().unwrap()
    })
    .await;
    server.send("GET", "/eureka/apps", &[], b"").await;
    for (query, found) in [("", 2), ("q=java", 1), ("q=orders+127", 2), ("q=nobody", 0), ("limit=0", 2)] {
        assert_eq!(server.get_json(&format!("/api/v1/subscribers?{query}")).await["total"], found, "{query}");
    }
    let unnamed = &server.get_json("/api/v1/subscribers").await["subscribers"][0];
    assert_eq!((&unnamed["userAgent"], &unnamed["intervalMillis"]), (&Value::Null, &Value::Null), "the latest first");
    server.stop().await.unwrap();
}
