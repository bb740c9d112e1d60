//! Each endpoint on a real socket: what the recordings do not show, and the headers of all answers.

use crate::support::{Answer, Client, NEVER, TestServer, instance, until};

const JSON: (&str, &str) = ("Accept", "application/json");
const JSON_BODY: (&str, &str) = ("Content-Type", "application/json");
const PEER: (&str, &str) = ("x-netflix-discovery-replication", "true");

/// The headers that an answer may have. Another one is a leak.
const HEADERS: [&str; 7] =
    ["content-type", "content-length", "content-encoding", "date", "allow", "connection", "x-content-type-options"];
/// And those of what stands beside Eureka's API.
const PAGE_HEADERS: [&str; 3] = ["content-security-policy", "x-frame-options", "referrer-policy"];

async fn check(
    server: &TestServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    status: u16,
) -> Answer {
    let answer = server.send(method, path, headers, body.as_bytes()).await;
    assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
    for (name, _) in &answer.headers {
        let name = name.as_str();
        let of_a_page = !path.contains("/eureka/") && PAGE_HEADERS.contains(&name);
        assert!(HEADERS.contains(&name) || of_a_page, "{method} {path} answers with a header {name}");
    }
    answer
}

#[tokio::test]
async fn every_spelling_of_a_path_reaches_its_resource() {
    let server = TestServer::start().await;
    server.register("orders", "host:orders:1").await;
    for path in [
        "/eureka/apps/ORDERS/host:orders:1",
        "/eureka/apps/orders/host:orders:1/",
        "/eureka/v2/apps/Orders/host%3Aorders%3A1",
        "/eureka//apps//ORDERS/host:orders:1",
        "//eureka/apps/ORDERS/host:orders:1",
        "/eureka/instances/host:orders:1",
    ] {
        check(&server, "GET", path, &[JSON], "", 200).await;
    }
    for path in ["/eureka/apps/ORDERS/HOST:orders:1", "/eureka/Apps", "/eurekaapps", "/apps", "/eureka/v1/apps"] {
        check(&server, "GET", path, &[JSON], "", 404).await;
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_heartbeat_for_nobody_is_404_without_a_body_whatever_is_accepted() {
    let server = TestServer::start().await;
    for accept in ["application/json", "application/xml", "text/html", "*/*"] {
        let answer = check(&server, "PUT", "/eureka/apps/A/b?status=UP", &[("Accept", accept)], "", 404).await;
        assert_eq!((answer.body.len(), answer.header("content-length")), (0, Some("0")));
        assert_eq!(answer.header("content-type"), None);
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn answers_without_a_body_say_so() {
    let server = TestServer::start().await;
    let path = "/eureka/apps/ORDERS";
    let answer = check(&server, "POST", path, &[JSON_BODY], &instance("ORDERS", "a"), 204).await;
    assert_eq!((answer.header("content-length"), answer.header("content-type")), (None, None));
    let answer = check(&server, "PUT", "/eureka/apps/ORDERS/a", &[], "", 200).await;
    assert_eq!((answer.header("content-length"), answer.header("content-type")), (Some("0"), None));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn only_a_replica_is_told_which_process_answers() {
    let server = TestServer::start().await;
    server.register("orders", "a").await;
    let time = ("X-Eureka-Registry-Time", "?");
    for (method, path, is_told) in [
        ("GET", "/eureka/apps/", true),
        ("HEAD", "/eureka/apps/delta", true),
        ("OPTIONS", "/eureka/apps", true),
        ("POST", "/eureka/peerreplication/batch/", true),
        // No call of a replica's: a heartbeat is not looked at.
        ("PUT", "/eureka/apps/ORDERS/a", false),
    ] {
        let body = br#"{"replicationList":[]}"#;
        let told = server.send(method, path, &[JSON_BODY, time], body).await;
        assert_eq!((told.status, told.header("x-eureka-registry-node").is_some()), (200, is_told), "{method} {path}");
        let untold = server.send(method, path, &[JSON_BODY], body).await;
        assert_eq!((untold.status, untold.header("x-eureka-registry-node")), (200, None), "{method} {path}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_jersey_heartbeat_with_a_body_keeps_its_connection() {
    let server = TestServer::start().await;
    server.register("orders", "a").await;
    let mut client = Client::connect(server.address).await;
    for _ in 0..3 {
        let answer = client.send("PUT", "/eureka/apps/ORDERS/a?status=UP", &[JSON_BODY], b"{}").await;
        assert_eq!((answer.status, answer.header("connection")), (200, None));
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_change_is_read_at_once_in_every_form() {
    let server = TestServer::start().await;
    for number in 0..5 {
        server.register("orders", &format!("id-{number}")).await;
        for path in
            ["/eureka/apps", "/eureka/apps/delta", "/eureka/apps/ORDERS", "/eureka/vips/orders", "/eureka/svips/orders"]
        {
            for accept in ["application/json", "application/xml"] {
                for detail in ["full", "compact"] {
                    let headers = [("Accept", accept), ("X-Eureka-Accept", detail)];
                    let answer = check(&server, "GET", path, &headers, "", 200).await;
                    assert!(answer.text().contains(&format!("id-{number}")), "{path} {accept} {detail}");
                    assert_eq!(answer.header("content-type"), Some(accept));
                }
            }
        }
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_may_be_compressed() {
    let server = TestServer::start().await;
    let body = eureka_registry::codec::gzip(instance("ORDERS", "a").as_bytes());
    let headers = [JSON_BODY, ("Content-Encoding", "gzip")];
    let answer = server.send("POST", "/eureka/apps/ORDERS", &headers, &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let headers = [JSON_BODY, ("Content-Encoding", "br")];
    assert_eq!(server.send("POST", "/eureka/apps/ORDERS", &headers, &body).await.status, 415);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_override_in_a_peers_heartbeat_is_kept() {
    let server = TestServer::start().await;
    server.register("orders", "a").await;
    let path = "/eureka/apps/ORDERS/a?lastDirtyTimestamp=1800000000000&overriddenstatus=OUT_OF_SERVICE";
    check(&server, "PUT", path, &[], "", 404).await;
    assert_eq!(server.get_json("/eureka/apps/ORDERS/a").await["instance"]["overriddenStatus"], "UNKNOWN");
    check(&server, "PUT", path, &[PEER], "", 404).await;
    check(&server, "PUT", "/eureka/apps/ORDERS/a", &[], "", 200).await;
    assert_eq!(server.get_json("/eureka/apps/ORDERS/a").await["instance"]["status"], "OUT_OF_SERVICE");
    // Not exactly `true`, so this is a client: its overriddenstatus is not read, and it gets no 409.
    let loud = ("x-netflix-discovery-replication", "TRUE");
    check(&server, "PUT", "/eureka/apps/ORDERS/a?lastDirtyTimestamp=1", &[loud], "", 200).await;
    check(&server, "PUT", "/eureka/apps/ORDERS/a?lastDirtyTimestamp=1", &[PEER, JSON], "", 409).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_is_answered_item_by_item() {
    let server = TestServer::start().await;
    let register = |app: &str, path_app: &str| {
        let body: serde_json::Value = serde_json::from_str(&instance(app, "a")).unwrap();
        serde_json::json!({"appName": path_app, "id": "a", "action": "Register", "instanceInfo": body["instance"]})
    };
    let item =
        |action: &str, id: &str| serde_json::json!({"appName": "ORDERS", "id": id, "action": action, "status": "UP"});
    let batch = serde_json::json!({"replicationList": [
        register("ORDERS", "ORDERS"), register("ORDERS", "OTHER"), item("Register", "b"), item("Heartbeat", "a"),
        item("Heartbeat", "b"), item("StatusUpdate", "a"), item("DeleteStatusOverride", "a"), item("Cancel", "a"), item("Cancel", "a"),
    ]});
    let answer =
        check(&server, "POST", "/eureka/peerreplication/batch/", &[JSON_BODY, JSON], &batch.to_string(), 200).await;
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let codes: Vec<i64> =
        answer["responseList"].as_array().unwrap().iter().map(|item| item["statusCode"].as_i64().unwrap()).collect();
    assert_eq!(codes, [200, 200, 500, 200, 404, 200, 500, 200, 404]);
    check(&server, "GET", "/eureka/apps/OTHER", &[JSON], "", 404).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn one_clients_odd_metadata_spoils_no_answer() {
    let server = TestServer::start().await;
    let mut body: serde_json::Value = serde_json::from_str(&instance("ODD", "odd")).unwrap();
    body["instance"]["metadata"] = serde_json::json!({
        "has space": "1", "1num": "2", "a/b": "3", "x$y": "4", "a:b": "5", "<&>": "]]><x>", "": "empty", "😀": "😀",
        "control": "a\u{1}b\u{0}c\u{fffe}", "xmlns": "6"
    });
    check(&server, "POST", "/eureka/apps/ODD", &[JSON_BODY], &body.to_string(), 204).await;
    server.register("plain", "plain").await;
    let json = server.get_json("/eureka/apps").await;
    assert_eq!(json["applications"]["application"][0]["instance"][0]["metadata"], body["instance"]["metadata"]);
    for path in ["/eureka/apps", "/eureka/apps/ODD", "/eureka/apps/ODD/odd", "/eureka/apps/delta", "/eureka/vips/odd"] {
        let answer = check(&server, "GET", path, &[("Accept", "application/xml")], "", 200).await;
        let mut reader = quick_xml::Reader::from_str(std::str::from_utf8(&answer.body).unwrap());
        let mut elements = 0;
        loop {
            match reader.read_event().unwrap_or_else(|error| panic!("{path}: {error}")) {
                quick_xml::events::Event::Eof => break,
                quick_xml::events::Event::Start(_) => elements += 1,
                quick_xml::events::Event::Text(text) => {
                    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{path} has what XML cannot carry");
                }
                _ => {}
            }
        }
        assert!(elements > 20);
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let server = TestServer::start().await;
    let json = server.get_json("/eureka/status").await;
    assert!(json["generalStats"]["num-of-cpus"].is_string(), "{json}");
    assert_eq!(json["instanceInfo"]["status"], "UP");
    let xml = check(&server, "GET", "/eureka/status", &[("Accept", "application/xml")], "", 200).await.text();
    assert!(
        xml.starts_with("<com.netflix.eureka.util.StatusInfo>") && xml.contains("<server-uptime>00:00</server-uptime>"),
        "{xml}"
    );
    server.stop().await.unwrap();
}

#[tokio::test]
async fn silent_instances_are_evicted() {
    let server = TestServer::with(|settings| {
        settings.registry.enable_self_preservation = false;
        settings.registry.eviction_interval = std::time::Duration::from_millis(20);
    })
    .await;
    let mut body: serde_json::Value = serde_json::from_str(&instance("ORDERS", "a")).unwrap();
    body["instance"]["leaseInfo"] = serde_json::json!({"renewalIntervalInSecs": 1, "durationInSecs": 1});
    check(&server, "POST", "/eureka/apps/ORDERS", &[JSON_BODY], &body.to_string(), 204).await;
    until("it is evicted", async || server.send("GET", "/eureka/apps/ORDERS", &[JSON], b"").await.status == 404).await;
    let delta = server.get_json("/eureka/apps/delta").await;
    assert_eq!(delta["applications"]["application"][0]["instance"][0]["actionType"], "DELETED");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn probes_find_what_they_look_for() {
    let mut server = TestServer::with(|settings| settings.server.lame_duck = NEVER).await;
    for path in ["/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness"] {
        let answer = check(&server, "GET", path, &[], "", 200).await;
        assert!(answer.text().contains("\"status\":\"UP\""), "{path}: {}", answer.text());
    }
    assert_eq!(server.get_json("/actuator/info").await["build"]["version"], env!("CARGO_PKG_VERSION"));
    check(&server, "GET", "/actuator/nothing", &[], "", 404).await;
    check(&server, "GET", "/nothing", &[], "", 404).await;
    let address = server.address;
    server.begin_to_stop();
    let ready = async |path: &str| Client::connect(address).await.send("GET", path, &[], b"").await.status;
    until("clients are to go elsewhere", async || ready("/actuator/health/readiness").await == 503).await;
    assert_eq!(ready("/actuator/health/liveness").await, 200, "nobody is to restart it");
}

#[tokio::test]
async fn everything_can_stand_below_a_context_path() {
    let server = TestServer::with(|settings| settings.http.context_path = "/registry".to_owned()).await;
    for path in ["/registry/eureka/apps", "/registry/eureka/v2/apps/", "/registry/actuator/health"] {
        check(&server, "GET", path, &[JSON], "", 200).await;
    }
    check(&server, "GET", "/eureka/apps", &[JSON], "", 404).await;
    server.stop().await.unwrap();
}
