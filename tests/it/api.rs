//! `/api/v1`, compared with the document that describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use eureka_registry::http::Connection;
use eureka_registry::model::{AppName, InstanceInfo};
use eureka_registry::registry::Source;
use eureka_registry::server::{Node, Settings};
use eureka_registry::time::Clock;
use futures_util::future::join_all;
use http::{HeaderValue, Request};
use http_body_util::BodyExt;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::security::{EUREKA, READER, with_users};
use eureka_registry::registry::SelfPreservationMode;

use crate::support::{Answer, Client, DEADLINE, NEVER, TestServer, instance, until, wait_for};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The document, and the described answers that were seen.
struct Contract {
    document: Value,
    seen: BTreeSet<(String, u16)>,
}

impl Contract {
    fn read() -> Self {
        let document = serde_norway::from_str(include_str!("../../src/http/api/openapi.yaml")).unwrap();
        Self { document, seen: BTreeSet::new() }
    }

    /// Every path that is described.
    fn paths(&self) -> Vec<String> {
        self.document["paths"].as_object().unwrap().keys().cloned().collect()
    }

    /// Every answer that is described.
    fn documented(&self) -> BTreeSet<(String, u16)> {
        let answers = self.paths().into_iter().flat_map(|path| {
            let responses = self.document["paths"][&path]["get"]["responses"].as_object().unwrap().clone();
            responses.into_iter().map(move |(status, _)| (path.clone(), status.parse().unwrap()))
        });
        answers.collect()
    }

    /// Compares an answer with its description.
    fn hold(&mut self, path: &str, answer: &Answer) {
        let responses = &self.document["paths"][path]["get"]["responses"];
        let response = self.resolve(&responses[answer.status.to_string()]);
        assert!(response.is_object(), "{path} is not described to answer {}: {}", answer.status, answer.text());
        let content_type = answer.header("content-type").unwrap_or_default().split(';').next().unwrap();
        let schema = &response["content"][content_type]["schema"];
        assert!(schema.is_object(), "{path} {} is not described to be {content_type}", answer.status);
        for header in response["headers"].as_object().into_iter().flatten().map(|(name, _)| name.to_lowercase()) {
            assert!(answer.header(&header).is_some(), "{path} {} lacks {header}", answer.status);
        }
        if content_type == "application/json" {
            let body = serde_json::from_slice(&answer.body).unwrap();
            let held = self.check(schema, &body);
            assert!(held.is_ok(), "{path} {}: {held:?} in {body:#}", answer.status);
        }
        self.seen.insert((path.to_owned(), answer.status));
    }

    fn resolve<'a>(&'a self, described: &'a Value) -> &'a Value {
        match described["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
            None => described,
        }
    }

    fn schema(&self, name: &str) -> &Value {
        &self.document["components"]["schemas"][name]
    }

    /// Checks a value by a schema. Only the part of JSON Schema that the document uses is supported.
    fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolve(schema);
        for (keyword, said) in schema.as_object().ok_or("no schema")? {
            let fits = match keyword.as_str() {
                "description" | "default" => true,
                "type" => match said.as_array() {
                    Some(types) => types.iter().any(|name| is_of_type(name, value)),
                    None => is_of_type(said, value),
                },
                "enum" => said.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|number| number >= said.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= said.as_f64().unwrap()),
                "maxLength" => value.as_str().is_none_or(|text| text.len() as u64 <= said.as_u64().unwrap()),
                "oneOf" => said.as_array().unwrap().iter().filter(|one| self.check(one, value).is_ok()).count() == 1,
                "required" => {
                    let missing =
                        said.as_array().unwrap().iter().find(|name| value.get(name.as_str().unwrap()).is_none());
                    value.is_null() || missing.is_none()
                }
                "properties" => {
                    for (name, schema) in said.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            self.check(schema, value).map_err(|error| format!("{name}: {error}"))?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    assert_eq!(said, &json!(false), "no other value is understood here");
                    let known = schema["properties"].as_object().unwrap();
                    let names = value.as_object().into_iter().flatten().map(|(name, _)| name);
                    names.into_iter().all(|name| known.contains_key(name))
                }
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.check(said, item)?;
                    }
                    true
                }
                other => return Err(format!("`{other}` is not understood here")),
            };
            if !fits {
                return Err(format!("{value} does not fit {keyword}: {said}"));
            }
        }
        Ok(())
    }
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        _ => false,
    }
}

/// Registers an instance with zone, version and URLs.
async fn register(server: &TestServer, app: &str, id: &str, status: &str, zone: &str, version: &str) {
    let mut body: Value = serde_json::from_str(&instance(app, id)).unwrap();
    body["instance"]["status"] = json!(status);
    body["instance"]["metadata"] = json!({ "zone": zone, "version": version });
    body["instance"]["homePageUrl"] = json!("http://h.local:8080/");
    let answer = server.send("POST", &format!("/eureka/apps/{app}"), &[JSON], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
}

/// Opens a stream, and reads only the response headers.
async fn open_stream(server: &TestServer) -> (Client, Answer) {
    let mut client = Client::connect(server.address).await;
    client.stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let head = client.answer(true).await;
    (client, head)
}

/// Guesses a password, each number another one.
async fn guess(server: &TestServer, path: &str, number: usize) -> Answer {
    let guessed = format!("Basic {}", BASE64_STANDARD.encode(format!("eureka:{number}")));
    server.send("GET", path, &[("Authorization", &guessed)], b"").await
}

/// The answers of a replica whose memory for pages is held by a reader that takes nothing. It has no sockets, so that nobody makes the
/// reader give way, and that a wait of seconds takes no time.
async fn refused_as_busy() -> Vec<(&'static str, Answer)> {
    let mut settings = Settings::default();
    settings.limits.memory = 0;
    let (clock, rng) = (Clock::system(), SmallRng::seed_from_u64(0));
    let mut node = Node::build(&settings, ([127, 0, 0, 1], 8761).into(), None, clock, rng);
    node.join().await;
    for number in 0..100 {
        let info = InstanceInfo::new(AppName::new("ORDERS"), &format!("o-{number}"), "10.0.0.1", clock.now());
        node.registry().register(info, Source::Client, clock.now());
    }
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        node.service().handle(Connection::default(), request).await
    };
    let held = get("/api/v1/instances").await;
    assert_eq!(held.status(), 200);
    let one = "/api/v1/applications/{application}/instances/{instanceId}";
    let paths = ["/api/v1/instances", "/api/v1/applications", one, "/api/v1/changes"];
    let answers = join_all(paths.map(get)).await;
    drop(held);
    let mut refused = Vec::new();
    for (path, response) in paths.into_iter().zip(answers) {
        let (parts, body) = response.into_parts();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        refused.push((path, Answer { status: parts.status.as_u16(), headers, body }));
    }
    refused
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let mut contract = Contract::read();
    let server = TestServer::start().await;
    register(&server, "ORDERS", "o-1", "UP", "eu-1", "1.0").await;
    register(&server, "ORDERS", "o-2", "DOWN", "eu-2", "1.1").await;
    register(&server, "BILLING", "b/1", "STARTING", "", "").await;
    server.send("PUT", "/eureka/apps/ORDERS/o-2/status?value=OUT_OF_SERVICE", &[], b"").await;
    server.send("DELETE", "/eureka/apps/ORDERS/o-2/status?value=UP", &[], b"").await;
    server.register("GONE", "g-1").await;
    server.send("DELETE", "/eureka/apps/GONE/g-1", &[], b"").await;
    let one = "/api/v1/applications/{application}/instances/{instanceId}";
    for (described, path) in [
        ("/api/v1/overview", "/api/v1/overview"),
        ("/api/v1/self-preservation", "/api/v1/self-preservation"),
        ("/api/v1/user", "/api/v1/user"),
        ("/api/v1/applications", "/api/v1/applications"),
        ("/api/v1/instances", "/api/v1/instances"),
        (
            "/api/v1/instances",
            "/api/v1/instances?q=o-&status=UP&zone=eu-1&version=1.0&overdue=false&sort=-registered&limit=1",
        ),
        ("/api/v1/instances", "/api/v1/instances?limit=many"),
        ("/api/v1/instances", "/api/v1/instances?limit=1001"),
        ("/api/v1/instances", "/api/v1/instances?sort=colour"),
        (one, "/api/v1/applications/orders/instances/o-1"),
        (one, "/api/v1/applications/BILLING/instances/b%2F1"),
        (one, "/api/v1/applications/GONE/instances/g-1"),
        (one, "/api/v1/applications/ORDERS/instances/nobody"),
        ("/api/v1/changes", "/api/v1/changes"),
        ("/api/v1/changes", "/api/v1/changes?after=1&limit=2"),
        ("/api/v1/changes", "/api/v1/changes?after=-1"),
        ("/api/v1/openapi.yaml", "/api/v1/openapi.yaml"),
    ] {
        contract.hold(described, &server.send("GET", path, &[], b"").await);
    }
    contract.hold("/api/v1/events", &open_stream(&server).await.1);
    let mut streams = Vec::new();
    let refused = loop {
        let (client, head) = open_stream(&server).await;
        if head.status != 200 {
            break head;
        }
        streams.push(client);
        assert!(streams.len() < 1000, "no limit to streams");
    };
    assert_eq!(refused.status, 503);
    let refused = server.send("GET", "/api/v1/events", &[], b"").await;
    contract.hold("/api/v1/events", &refused);
    drop(streams);
    until("a stream that ended makes room", async || open_stream(&server).await.1.status == 200).await;
    for path in contract.paths() {
        for (hosts, status) in
            [("", 400), ("Host: a.example\r\nHost: localhost\r\n", 400), ("Host: a.example\r\n", 421)]
        {
            let mut client = Client::connect(server.address).await;
            client.stream.write_all(format!("GET {path} HTTP/1.1\r\n{hosts}\r\n").as_bytes()).await.unwrap();
            let refused = client.answer(false).await;
            assert_eq!(refused.status, status, "{path} {hosts}");
            contract.hold(&path, &refused);
        }
    }
    server.stop().await.unwrap();

    let server = TestServer::with(with_users).await;
    for path in contract.paths() {
        contract.hold(&path, &server.send("GET", &path, &[], b"").await);
    }
    for number in 0..20 {
        guess(&server, "/api/v1/user", number).await;
    }
    for (number, path) in contract.paths().iter().enumerate() {
        let refused = guess(&server, path, 20 + number).await;
        assert_eq!(refused.status, 429);
        contract.hold(path, &refused);
    }
    server.stop().await.unwrap();
    tokio::time::pause();
    for (path, refused) in refused_as_busy().await {
        assert_eq!(refused.status, 503, "{path}");
        contract.hold(path, &refused);
    }
    assert_eq!(contract.seen, contract.documented(), "every answer that is described was given");
}

#[test]
fn every_field_that_is_described_is_always_there() {
    let contract = Contract::read();
    let mut schemas: Vec<&Value> = contract.document["components"]["schemas"].as_object().unwrap().values().collect();
    let mut objects = 0;
    while let Some(schema) = schemas.pop() {
        let Some(properties) = schema["properties"].as_object() else {
            schemas.extend(schema.get("items"));
            continue;
        };
        let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut required: Vec<&str> =
            schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        names.sort_unstable();
        required.sort_unstable();
        assert_eq!(names, required);
        assert_eq!(schema["additionalProperties"], false, "{names:?}");
        schemas.extend(properties.values());
        objects += 1;
    }
    assert!(objects > 15, "{objects}");
    let unfit = json!({ "status": 404, "error": "no", "more": 1 });
    assert!(contract.check(contract.schema("Error"), &unfit).is_err(), "and no other is");
}

#[tokio::test]
async fn read_only_resources_are_changed_by_no_method() {
    let server = TestServer::start().await;
    for (method, path, status) in [
        ("POST", "/api/v1/overview", 405),
        ("DELETE", "/api/v1/applications/ORDERS/instances/o-1", 405),
        ("HEAD", "/api/v1/overview", 200),
        ("OPTIONS", "/api/v1/overview", 200),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/", 404),
    ] {
        let answer = server.send(method, path, &[], b"").await;
        assert_eq!(answer.status, status, "{method} {path}");
        if status == 405 {
            assert_eq!(answer.header("allow"), Some("GET,HEAD,OPTIONS"));
        }
        if status >= 400 {
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["status"], status, "{body}");
            assert!(body["error"].as_str().is_some_and(|line| !line.is_empty() && !line.contains('\n')), "{body}");
        }
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_overview_shows_what_was_acknowledged() {
    let server = TestServer::start().await;
    let overview = server.get_json("/api/v1/overview").await;
    assert_eq!(overview["health"], json!({ "state": "healthy", "reasons": [] }));
    assert_eq!(overview["selfPreservation"]["state"], "inactive");
    assert_eq!(overview["history"].as_array().unwrap().len(), 1, "the start is a sample");
    register(&server, "ORDERS", "o-1", "UP", "eu-1", "1").await;
    register(&server, "ORDERS", "o-2", "DOWN", "eu-1", "1").await;
    register(&server, "BILLING", "b-1", "DOWN", "", "").await;
    let overview = server.get_json("/api/v1/overview").await;
    assert_eq!(overview["instances"]["total"], 3);
    assert_eq!(overview["instances"]["byStatus"]["DOWN"], 2);
    let applications = json!({ "total": 2, "withoutUp": 1, "namesWithoutUp": ["BILLING"] });
    assert_eq!(overview["applications"], applications);
    let zones = json!([{ "name": "eu-1", "instances": 2, "up": 1 }, { "name": "-", "instances": 1, "up": 0 }]);
    assert_eq!(overview["zones"], zones);
    let reasons = json!(["1 application has no instance that is UP: BILLING."]);
    assert_eq!(overview["health"], json!({ "state": "attention", "reasons": reasons }));
    assert_eq!(overview["selfPreservation"]["expectedClients"], 4);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn self_preservation_and_overdue_leases_are_said_with_their_numbers() {
    let server = TestServer::with(|settings| {
        settings.registry.self_preservation_mode = SelfPreservationMode::Java;
        settings.registry.eviction_interval = Duration::from_millis(20);
        settings.registry.wait_time_when_sync_empty = Duration::ZERO;
    })
    .await;
    let short = instance("ORDERS", "o-1")
        .replace("\"app\"", "\"leaseInfo\":{\"renewalIntervalInSecs\":1,\"durationInSecs\":1},\"app\"");
    assert_eq!(server.send("POST", "/eureka/apps/ORDERS", &[JSON], short.as_bytes()).await.status, 204);
    let overview = wait_for("the lease to expire and be kept", async || {
        let overview = server.get_json("/api/v1/overview").await;
        (overview["leases"]["keptBySelfPreservation"] == 1).then_some(overview)
    })
    .await;
    assert_eq!(
        overview["leases"],
        json!({
            "overdue": 1, "expired": 1, "restored": 0, "keptBySelfPreservation": 1, "keptByEvictionLimit": 0
        })
    );
    let state = &overview["selfPreservation"];
    assert_eq!(state["state"], "active");
    let reason = "Self-preservation keeps expired leases: 0 renewals arrived in the last minute, but more than 3 are needed \
                  (85 % of what 2 clients send). 1 of 1 instance is silent; 1 of 1 application is short (ORDERS lacks 1 of 1). 1 \
                  expired lease is kept.";
    assert_eq!(state["reason"], reason);
    assert_eq!(overview["health"]["reasons"][0], reason);
    let rows = server.get_json("/api/v1/instances?overdue=true").await;
    assert_eq!((&rows["total"], &rows["instances"][0]["expired"]), (&json!(1), &json!(true)));
    assert_eq!(server.get_json("/api/v1/instances?overdue=false").await["total"], 0);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn many_silent_applications_are_kept_until_an_operator_decides() {
    let server = TestServer::with(|settings| settings.registry.eviction_interval = Duration::from_millis(20)).await;
    let mut client = Client::connect(server.address).await;
    for number in 0..12 {
        let app = format!("APP-{number}");
        // Silent after two seconds, expired after five: all are known to be silent before the first one expires.
        let short = instance(&app, "1")
            .replace("\"app\"", "\"leaseInfo\":{\"renewalIntervalInSecs\":1,\"durationInSecs\":5},\"app\"");
        assert_eq!(client.send("POST", &format!("/eureka/apps/{app}"), &[JSON], short.as_bytes()).await.status, 204);
    }
    let path = "/api/v1/self-preservation";
    wait_for("all leases to expire and be kept", async || {
        (server.get_json("/api/v1/overview").await["leases"]["keptBySelfPreservation"] == 12).then_some(())
    })
    .await;
    let state = server.get_json(path).await;
    assert_eq!((&state["state"], &state["mode"]), (&json!("active"), &json!("per-application")));
    assert_eq!((&state["silent"], &state["shortApplications"]), (&json!(12), &json!(12)));
    assert_eq!(state["shortestApplications"][0], json!({"name": "APP-0", "instances": 1, "silent": 1}));
    let reason = state["reason"].as_str().unwrap();
    assert!(
        reason.contains("12 of 12 instances are silent; 12 of 12 applications are short (APP-0 lacks 1 of 1,"),
        "{reason}"
    );

    for wrong in ["", "?evict=maybe&reason=x", "?evict=true", "?reason=x", "?evict=true&reason=x&seconds=86401"] {
        assert_eq!(server.send("PUT", &format!("{path}{wrong}"), &[], b"").await.status, 400, "{wrong}");
    }
    let switched = server.send("PUT", &format!("{path}?evict=true&reason=zone+b+is+gone&seconds=60"), &[], b"").await;
    assert_eq!(switched.status, 200);
    let switched: Value = serde_json::from_slice(&switched.body).unwrap();
    assert_eq!((&switched["state"], &switched["switch"]["reason"]), (&json!("switched"), &json!("zone b is gone")));
    wait_for("all to be evicted", async || {
        (server.get_json("/api/v1/overview").await["instances"]["total"] == 0).then_some(())
    })
    .await;
    assert_eq!(server.send("DELETE", path, &[], b"").await.status, 200);
    let state = server.get_json(path).await;
    assert_eq!((&state["state"], &state["switch"]), (&json!("inactive"), &json!(null)));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_named_without_its_password() {
    let server = TestServer::with(|settings| {
        settings.replication.service_urls =
            vec![eureka_registry::replication::ServiceUrl::parse("http://eureka:secret@127.0.0.1:1/eureka/").unwrap()];
        settings.replication.registry_sync_timeout = Duration::ZERO;
    })
    .await;
    let overview = wait_for("the peer to be asked", async || {
        let overview = server.get_json("/api/v1/overview").await;
        overview["peers"][0]["lastError"].is_string().then_some(overview)
    })
    .await;
    let peer = &overview["peers"][0];
    assert_eq!((&peer["kind"], &peer["available"]), (&json!("unknown"), &json!(false)));
    assert_eq!(peer["url"], "http://127.0.0.1:1/eureka/");
    let reason = overview["health"]["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("The peer http://127.0.0.1:1/eureka/ is unreachable"), "{reason}");
    assert!(!overview.to_string().contains("secret"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_instance_has_all_that_it_sent_and_its_history() {
    let server = TestServer::start().await;
    register(&server, "ORDERS", "o-1", "UP", "eu-1", "1").await;
    server.send("PUT", "/eureka/apps/ORDERS/o-1/status?value=OUT_OF_SERVICE", &[], b"").await;
    server.register("ORDERS", "o-2").await;
    let path = "/api/v1/applications/orders/instances/o-1";
    let details = server.get_json(path).await;
    assert_eq!(details["instance"]["overriddenStatus"], "OUT_OF_SERVICE");
    let eureka = server.get_json("/eureka/apps/ORDERS/o-1").await;
    assert_eq!(details["eureka"], eureka["instance"]);
    let history = |details: &Value| -> Vec<(Value, Value, Value)> {
        let changes = details["history"].as_array().unwrap().iter();
        changes
            .map(|change| (change["kind"].clone(), change["previousStatus"].clone(), change["status"].clone()))
            .collect()
    };
    let (set, came) = (
        (json!("status_changed"), json!("UP"), json!("OUT_OF_SERVICE")),
        (json!("registered"), Value::Null, json!("UP")),
    );
    assert_eq!(history(&details), [set.clone(), came.clone()]);
    server.send("DELETE", "/eureka/apps/ORDERS/o-1", &[], b"").await;
    let details = server.get_json(path).await;
    assert_eq!((&details["instance"], &details["eureka"]), (&Value::Null, &Value::Null));
    let went = (json!("cancelled"), json!("OUT_OF_SERVICE"), json!("OUT_OF_SERVICE"));
    assert_eq!(history(&details), [went, set, came]);
    assert!(details["history"].as_array().unwrap().iter().all(|change| change["source"] == "client"));
    server.stop().await.unwrap();
}

/// Registers many instances quickly: in batches, as a peer sends them.
async fn fill(server: &TestServer, count: usize) {
    let numbers: Vec<usize> = (0..count).collect();
    for numbers in numbers.chunks(1000) {
        let list: Vec<Value> = numbers
            .iter()
            .map(|number| {
                let (app, id) = (format!("APP-{:03}", number % 200), format!("i-{number:05}"));
                let mut sent: Value = serde_json::from_str(&instance(&app, &id)).unwrap();
                let mut info = sent["instance"].take();
                info["status"] = json!(if number % 10 == 0 { "DOWN" } else { "UP" });
                info["metadata"] = json!({ "zone": format!("z-{}", number % 3), "version": format!("v-{}", number % 5) });
                info["hostName"] = json!(format!("Host-{number:05}.local"));
                json!({ "appName": app, "id": id, "lastDirtyTimestamp": 1, "status": "UP", "instanceInfo": info, "action": "Register" })
            })
            .collect();
        let body = json!({ "replicationList": list }).to_string();
        let answer = server.send("POST", "/eureka/peerreplication/batch/", &[JSON], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn ten_thousand_instances_are_found_page_by_page() {
    let server = TestServer::start().await;
    fill(&server, 10_000).await;
    let mut keys = Vec::new();
    while keys.len() < 10_000 {
        let page = server.get_json(&format!("/api/v1/instances?limit=1000&offset={}", keys.len())).await;
        assert_eq!((&page["total"], &page["offset"]), (&json!(10_000), &json!(keys.len())));
        let rows = page["instances"].as_array().unwrap();
        assert_eq!(rows.len(), 1000);
        keys.extend(rows.iter().map(|row| (row["application"].to_string(), row["instanceId"].to_string())));
    }
    assert!(keys.is_sorted());
    keys.dedup();
    assert_eq!(keys.len(), 10_000, "each once");
    assert_eq!(server.get_json("/api/v1/instances?offset=10000").await["instances"], json!([]));

    for (query, total) in [
        ("q=i-00042", 1),
        ("q=HOST-00042.LOCAL", 1),
        ("q=app-007", 50),
        ("q=app-007%20i-00", 5),
        ("q=10.0.0.1", 10_000),
        ("q=nobody", 0),
        ("application=app-007", 50),
        ("status=DOWN", 1000),
        ("zone=z-0", 3334),
        ("zone=-", 0),
        ("version=v-1", 2000),
        ("status=DOWN&zone=z-0", 334),
        ("status=DOWN&version=v-1", 0),
        ("q=&status=&zone=&version=&application=&overdue=", 10_000),
    ] {
        assert_eq!(server.get_json(&format!("/api/v1/instances?{query}")).await["total"], total, "{query}");
    }

    let counts = |facet: &Value| -> BTreeMap<String, u64> {
        let values = facet.as_array().unwrap().iter();
        values.map(|of| (of["value"].as_str().unwrap().to_owned(), of["count"].as_u64().unwrap())).collect()
    };
    let found = server.get_json("/api/v1/instances?status=DOWN&limit=0").await;
    let status = BTreeMap::from([("DOWN".to_owned(), 1000), ("UP".to_owned(), 9000)]);
    assert_eq!(counts(&found["facets"]["status"]), status, "what else could be chosen");
    assert_eq!(counts(&found["facets"]["zone"]).values().sum::<u64>(), 1000);
    assert_eq!(counts(&found["facets"]["version"]), BTreeMap::from([("v-0".to_owned(), 1000)]));

    for (sort, first, last) in [
        ("instanceId", "i-00000", "i-00999"),
        ("-instanceId", "i-09999", "i-09000"),
        ("-application", "i-00199", "i-09980"), // of each application 50, by their ids
    ] {
        let page = server.get_json(&format!("/api/v1/instances?sort={sort}&limit=1000")).await;
        let rows = page["instances"].as_array().unwrap();
        assert_eq!((&rows[0]["instanceId"], &rows[999]["instanceId"]), (&json!(first), &json!(last)), "{sort}");
    }
    let sorted = server.get_json("/api/v1/instances?sort=status&limit=1000").await;
    assert!(sorted["instances"].as_array().unwrap().iter().all(|row| row["status"] == "DOWN"));

    let applications = server.get_json("/api/v1/applications").await;
    let applications = applications["applications"].as_array().unwrap();
    assert_eq!(applications.len(), 200);
    assert_eq!(applications[7]["zones"], json!(["z-0", "z-1", "z-2"]));
    let without_up = server.get_json("/api/v1/overview").await;
    assert_eq!(without_up["applications"]["withoutUp"], 20, "every tenth is DOWN");
    server.stop().await.unwrap();
}

/// A stream as a browser reads it.
struct Events {
    response: reqwest::Response,
    received: String,
}

#[derive(Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Events {
    async fn open(server: &TestServer, last_event_id: Option<&str>) -> Self {
        // reqwest needs a provider even without TLS.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.get(format!("http://{}/api/v1/events", server.address));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, received: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((text, rest)) = self.received.split_once("\n\n") {
                let (text, rest) = (text.to_owned(), rest.to_owned());
                self.received = rest;
                let field = |name: &str| {
                    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
                };
                let data = serde_json::from_str(&field("data").unwrap()).unwrap();
                return Some(Event { name: field("event").unwrap(), id: field("id"), data });
            }
            let chunk = tokio::time::timeout(DEADLINE, self.response.chunk()).await.expect("something arrives in time");
            self.received.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    /// The next event that is no overview.
    async fn next_news(&mut self) -> Event {
        wait_for("an event that is no overview", async || {
            Some(self.next().await.expect("the stream goes on")).filter(|event| event.name != "overview")
        })
        .await
    }
}

#[tokio::test]
async fn changes_are_streamed_as_they_happen_and_from_where_a_reader_left_off() {
    let contract = Contract::read();
    let hold = |event: &Event| {
        let schema = match event.name.as_str() {
            "overview" => "Overview",
            "change" => "Change",
            _ => "Missed",
        };
        contract.check(contract.schema(schema), &event.data).unwrap();
    };
    let server = TestServer::start().await;
    server.register("ORDERS", "before").await;
    let mut events = Events::open(&server, None).await;
    let first = events.next().await.unwrap();
    assert_eq!(first.name, "overview");
    hold(&first);
    server.register("ORDERS", "o-1").await;
    let change = events.next_news().await;
    hold(&change);
    assert_eq!((&change.data["instanceId"], &change.data["kind"]), (&json!("o-1"), &json!("registered")));
    wait_for("an overview with both", async || {
        let event = events.next().await.unwrap();
        (event.name == "overview" && event.data["instances"]["total"] == 2).then_some(())
    })
    .await;
    drop(events);

    server.register("ORDERS", "o-2").await;
    server.send("DELETE", "/eureka/apps/ORDERS/o-2", &[], b"").await;
    let seen = change.id.unwrap();
    let mut events = Events::open(&server, Some(&seen)).await;
    for kind in ["registered", "cancelled"] {
        let change = events.next_news().await;
        assert_eq!((&change.data["instanceId"], &change.data["kind"]), (&json!("o-2"), &json!(kind)));
    }

    for elsewhere in ["0000000000000000.1", "nonsense"] {
        let mut events = Events::open(&server, Some(elsewhere)).await;
        let missed = events.next_news().await;
        assert_eq!(missed.name, "missed", "another replica's number means nothing here");
        hold(&missed);
    }
    fill(&server, 10_001).await;
    let mut events = Events::open(&server, Some(&seen)).await;
    assert_eq!(events.next_news().await.name, "missed", "more than is kept");
    let missed = server.get_json("/api/v1/changes?after=1").await;
    assert_eq!(missed["missed"], true);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_idle_event_stream_is_not_a_slow_reader() {
    let server = TestServer::with(|settings| settings.server.request_body_timeout = Duration::from_secs(1)).await;
    let mut events = Events::open(&server, None).await;
    for _at_once_and_seconds_later in 0..2 {
        assert_eq!(events.next().await.expect("the stream goes on").name, "overview");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    // A stream that did not end would keep the server for longer than this test waits.
    let server = TestServer::with(|settings| settings.server.drain_timeout = NEVER).await;
    let mut events = Events::open(&server, None).await;
    assert!(events.next().await.is_some());
    let (stopped, ()) = tokio::join!(server.stop(), async { while events.next().await.is_some() {} });
    stopped.unwrap();
}

#[tokio::test]
async fn a_user_can_ask_for_its_name_and_rights() {
    let server = TestServer::with(with_users).await;
    for (who, name, access) in [(EUREKA, "eureka", "all"), (READER, "reader", "read")] {
        let answer = server.send("GET", "/api/v1/user", &[who], b"").await;
        let user: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(user, json!({ "name": name, "access": access, "open": false }));
        for path in ["/", "/lastn", "/dashboard/dashboard.css", "/api/v1/overview", "/api/v1/openapi.yaml"] {
            assert_eq!(server.send("GET", path, &[who], b"").await.status, 200, "{path}");
        }
    }
    for path in ["/", "/lastn", "/dashboard/dashboard.css", "/api/v1/events"] {
        assert_eq!(server.send("GET", path, &[], b"").await.status, 401, "{path}");
    }
    server.stop().await.unwrap();
    let server = TestServer::start().await;
    assert_eq!(server.get_json("/api/v1/user").await, json!({ "name": null, "access": "all", "open": true }));
    server.stop().await.unwrap();
    let server = TestServer::with(|settings| {
        with_users(settings);
        settings.http.security.open_paths.push("/api/**".to_owned());
    })
    .await;
    assert_eq!(server.get_json("/api/v1/user").await, json!({ "name": null, "access": "read", "open": false }));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn everything_stands_below_the_context_path() {
    let server = TestServer::with(|settings| settings.http.context_path = "/registry".to_owned()).await;
    for (path, status) in [
        ("/registry/", 200),
        ("/registry/lastn", 200),
        ("/registry/dashboard/dashboard.js", 200),
        ("/registry/api/v1/overview", 200),
        ("/registry/api/v1/nothing", 404),
        ("/", 404),
        ("/api/v1/overview", 404),
    ] {
        assert_eq!(server.send("GET", path, &[], b"").await.status, status, "{path}");
    }
    let redirected = server.send("GET", "/registry?q=a", &[], b"").await;
    assert_eq!((redirected.status, redirected.header("location")), (302, Some("/registry/?q=a")));
    server.stop().await.unwrap();
}
