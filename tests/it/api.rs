//! `/api/v1`: what its answers say.

mod acts;
mod contract;
mod differences;
mod drain;
mod events;
mod find;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use eureka_registry::http::Connection;
use eureka_registry::model::{AppName, InstanceInfo};
use eureka_registry::registry::{SelfPreservationMode, Source};
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
use crate::support::{Answer, Client, DEADLINE, NEVER, TestServer, instance, until, wait_for};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Registers an instance with zone, version and URLs.
async fn register(server: &TestServer, app: &str, id: &str, status: &str, zone: &str, version: &str) {
    let mut body: Value = serde_json::from_str(&instance(app, id)).unwrap();
    body["instance"]["status"] = json!(status);
    body["instance"]["metadata"] = json!({ "zone": zone, "version": version });
    body["instance"]["homePageUrl"] = json!("http://h.local:8080/");
    let answer = server.send("POST", &format!("/eureka/apps/{app}"), &[JSON], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
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
    let health = json!({ "state": "healthy", "summary": "No instance is registered.", "reasons": [], "findings": [] });
    assert_eq!(overview["health"], health);
    assert_eq!(overview["selfPreservation"]["state"], "inactive");
    assert_eq!(overview["history"].as_array().unwrap().len(), 1, "the start is a sample");
    register(&server, "ORDERS", "o-1", "UP", "eu-1", "1").await;
    register(&server, "ORDERS", "o-2", "DOWN", "eu-1", "1").await;
    register(&server, "BILLING", "b-1", "DOWN", "", "").await;
    let overview = server.get_json("/api/v1/overview").await;
    assert_eq!(overview["instances"]["total"], 3);
    assert_eq!(overview["instances"]["byStatus"]["DOWN"], 2);
    let applications = json!({ "total": 2, "withoutUp": 1, "namesWithoutUp": ["BILLING"], "flapping": 0 });
    assert_eq!(overview["applications"], applications);
    let zone = |number: usize| {
        let zone = &overview["zones"][number];
        [&zone["name"], &zone["instances"], &zone["up"], &zone["byStatus"]["DOWN"]].map(Clone::clone)
    };
    assert_eq!(zone(0), [json!("eu-1"), json!(2), json!(1), json!(1)]);
    assert_eq!(zone(1), [json!("-"), json!(1), json!(0), json!(1)]);
    let reasons = json!(["1 application has no instance that is UP: BILLING."]);
    assert_eq!((&overview["health"]["state"], &overview["health"]["reasons"]), (&json!("critical"), &reasons));
    let finding = &overview["health"]["findings"][0];
    assert_eq!((&finding["grade"], &finding["link"]), (&json!("critical"), &json!("?trouble=none_up")));
    assert_eq!(finding["consequence"], "Clients of it find no instance to call.");
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
    let health = &overview["health"];
    assert_eq!((&health["state"], health["findings"].as_array().unwrap().len()), (&json!("degraded"), 1), "said once");
    assert_eq!(health["findings"][0]["consequence"], "Clients still get 1 address whose lease has expired.");
    assert_eq!(health["findings"][0]["link"], "?view=instances&expired=true");
    assert_eq!(server.get_json("/api/v1/instances?expired=true").await["total"], 1);
    assert_eq!(server.get_json("/api/v1/instances?restored=true").await["total"], 0);
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
    let shown = async || server.get_json("/api/v1/overview").await["selfPreservation"]["state"].clone();
    assert_eq!(shown().await, "switched");
    assert_eq!(server.send("DELETE", path, &[], b"").await.status, 200);
    assert_ne!(shown().await, "switched", "the overview is no older than the decision");
    // The run that evicts the last silent instance still saw it; the next one ends self-preservation.
    wait_for("self-preservation to end", async || (shown().await == "inactive").then_some(())).await;
    assert_eq!(server.get_json(path).await["switch"], json!(null));
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
