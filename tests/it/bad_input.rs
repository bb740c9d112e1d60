//! Bad requests: each gets its documented answer, and other clients do not notice.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::support::{Client, NEVER, TestServer, instance, until};

const JSON_BODY: (&str, &str) = ("Content-Type", "application/json");
const XML_BODY: (&str, &str) = ("Content-Type", "application/xml");

/// A server with small limits.
async fn strict() -> TestServer {
    TestServer::with(|settings| {
        settings.http.max_body_bytes = 64 * 1024;
        settings.registry.eviction_interval = NEVER;
    })
    .await
}

/// A server with short deadlines. Only who is to miss them calls it: on a busy machine anybody may.
async fn hasty() -> TestServer {
    TestServer::with(|settings| {
        settings.server.request_header_timeout = Duration::from_millis(200);
        settings.server.request_body_timeout = Duration::from_millis(200);
    })
    .await
}

fn json(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut body: serde_json::Value = serde_json::from_str(&instance("ORDERS", "a")).unwrap();
    change(&mut body["instance"]);
    body.to_string()
}

/// What is wrong with the request, its method, path, headers and body, and the status of the answer.
type BadRequest = (&'static str, &'static str, &'static str, Vec<(&'static str, &'static str)>, Vec<u8>, u16);

/// Complete requests.
fn bad_requests() -> Vec<BadRequest> {
    let app = "/eureka/apps/ORDERS";
    let deep = format!("{{\"instance\":{}{}}}", "{\"a\":".repeat(5000), "}".repeat(5000));
    let laughs = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><instance><app>&b;</app></instance>";
    let entity = "<instance><app>ORDERS</app><hostName>&passwd;</hostName></instance>";
    let nested = format!("{}{}", "<instance>".repeat(3000), "</instance>".repeat(3000));
    let bomb = eureka_registry::codec::gzip(&vec![b' '; 50_000_000]);
    let gzip = ("Content-Encoding", "gzip");
    let batch = "/eureka/peerreplication/batch/";
    let too_many = |list: &str, element: &str, count: usize| {
        eureka_registry::codec::gzip(list.replace('_', &vec![element; count].join(",")).as_bytes())
    };
    let cancel = r#"{"action":"Cancel","appName":"","id":""}"#;
    let (heard, records) = ("/eureka/peerreplication/heard", "/eureka/peerreplication/records");
    let (to, zipped) = ("POST", vec![JSON_BODY, ("Content-Encoding", "gzip")]);
    let addresses = |count: usize| json(|i| i["vipAddress"] = vec!["a"; count].join(",").into()).into_bytes();
    let digest: Vec<_> = (0..=200_000).map(|app| format!("\"{app}\":\"1\"")).collect();
    let digest = format!("{{\"clock\":1,\"total\":\"1\",\"applications\":{{{}}}}}", digest.join(","));
    let digest = eureka_registry::codec::gzip(digest.as_bytes());
    vec![
        ("a batch of too many", to, batch, zipped.clone(), too_many("{\"replicationList\":[_]}", cancel, 2501), 413),
        ("too many keys", to, heard, zipped.clone(), too_many("[_]", "\"\"", 5001), 400),
        ("too many names", to, records, zipped.clone(), too_many("{\"applications\":[_]}", "\"\"", 501), 400),
        ("a digest of too many", to, "/eureka/peerreplication/digests", zipped, digest, 413),
        ("too many virtual addresses", to, app, vec![JSON_BODY], addresses(101), 400),
        ("no JSON", "POST", app, vec![JSON_BODY], b"hello".to_vec(), 400),
        ("an empty body", "POST", app, vec![JSON_BODY], Vec::new(), 400),
        ("JSON without an instance", "POST", app, vec![JSON_BODY], b"{\"x\":1}".to_vec(), 400),
        ("JSON that ends too early", "POST", app, vec![JSON_BODY], b"{\"instance\":{\"app\":\"OR".to_vec(), 400),
        ("JSON that goes on", "POST", app, vec![JSON_BODY], b"{\"instance\":{\"app\":\"ORDERS\"}} x".to_vec(), 400),
        ("JSON nested deeply", "POST", app, vec![JSON_BODY], deep.into_bytes(), 400),
        ("bytes that are no text", "POST", app, vec![JSON_BODY], vec![b'"', 0xff, 0xfe, b'"'], 400),
        ("no host name", "POST", app, vec![JSON_BODY], json(|i| i["hostName"] = "".into()).into_bytes(), 400),
        (
            "another application",
            "POST",
            "/eureka/apps/OTHER",
            vec![JSON_BODY],
            instance("ORDERS", "a").into_bytes(),
            400,
        ),
        ("a port that is no object", "POST", app, vec![JSON_BODY], json(|i| i["port"] = 8080.into()).into_bytes(), 400),
        (
            "nested metadata",
            "POST",
            app,
            vec![JSON_BODY],
            json(|i| i["metadata"] = serde_json::json!({"a": {"b": 1}})).into_bytes(),
            400,
        ),
        (
            "no data center",
            "POST",
            app,
            vec![JSON_BODY],
            json(|i| i["dataCenterInfo"] = serde_json::Value::Null).into_bytes(),
            400,
        ),
        ("no XML", "POST", app, vec![XML_BODY], b"<instance><app>".to_vec(), 400),
        ("XML with entities that multiply", "POST", app, vec![XML_BODY], laughs.into(), 400),
        ("XML with an entity of its own", "POST", app, vec![XML_BODY], entity.into(), 400),
        ("XML nested deeply", "POST", app, vec![XML_BODY], nested.into_bytes(), 400),
        ("another content type", "POST", app, vec![("Content-Type", "text/plain")], b"x".to_vec(), 415),
        ("no content type", "POST", app, Vec::new(), b"x".to_vec(), 415),
        ("nothing acceptable", "GET", "/eureka/apps", vec![("Accept", "text/html")], Vec::new(), 406),
        ("another method", "PATCH", "/eureka/apps/ORDERS/good", Vec::new(), Vec::new(), 405),
        ("a body beyond the limit", "POST", app, vec![JSON_BODY], vec![b' '; 70_000], 413),
        ("a body that inflates beyond the limit", "POST", app, vec![JSON_BODY, gzip], bomb, 413),
        ("a body that is no gzip", "POST", app, vec![JSON_BODY, gzip], b"x".to_vec(), 400),
        ("a path that is no text", "GET", "/eureka/apps/A/%FF%FE", Vec::new(), Vec::new(), 400),
        (
            "a timestamp that is no number",
            "PUT",
            "/eureka/apps/ORDERS/good?lastDirtyTimestamp=1e99",
            Vec::new(),
            Vec::new(),
            400,
        ),
        ("a status that is none", "PUT", "/eureka/apps/ORDERS/good/status?value=SIDEWAYS", Vec::new(), Vec::new(), 400),
        ("a batch without its list", "POST", "/eureka/peerreplication/batch/", vec![JSON_BODY], b"{}".to_vec(), 400),
        (
            "a batch with an unknown action",
            "POST",
            "/eureka/peerreplication/batch/",
            vec![JSON_BODY],
            b"{\"replicationList\":[{\"appName\":\"A\",\"id\":\"b\",\"action\":\"Explode\"}]}".to_vec(),
            400,
        ),
    ]
}

#[tokio::test]
async fn bad_requests_get_their_answers_while_good_ones_see_no_error() {
    // Before there is a lease: making them holds this thread, and with it the heartbeats.
    let bad_requests = bad_requests();
    let server = strict().await;
    server.register("orders", "good").await;
    let address = server.address;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let good = tokio::task::spawn(async move {
        let (mut client, mut answered) = (Client::connect(address).await, 0);
        tokio::pin!(stopped);
        while futures_util::FutureExt::now_or_never(&mut stopped).is_none() {
            assert_eq!(client.send("PUT", "/eureka/apps/ORDERS/good?status=UP", &[], b"").await.status, 200);
            assert_eq!(client.send("GET", "/eureka/apps/ORDERS/good", &[], b"").await.status, 200);
            answered += 2;
        }
        answered
    });
    for (what, method, path, headers, body, status) in bad_requests {
        let answer = server.send(method, path, &headers, &body).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(answer.body.len() < 400, "{what}: one short line");
        if status == 405 {
            assert!(answer.header("allow").is_some_and(|allow| allow.contains("PUT")), "{what}");
        }
    }
    let only_good = server.get_json("/eureka/apps").await;
    assert_eq!(only_good["applications"]["apps__hashcode"], "UP_1_", "nothing bad was stored");
    drop(stop);
    assert!(good.await.unwrap() > 0);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn odd_numbers_are_stored_as_the_java_server_stores_them() {
    let server = strict().await;
    let body = json(|instance| {
        instance["port"]["$"] = "99999999999999".into();
        instance["countryId"] = "x".into();
        instance["leaseInfo"] = serde_json::json!({"renewalIntervalInSecs": -5, "durationInSecs": 0});
        instance["lastDirtyTimestamp"] = "9223372036854775807".into();
    });
    assert_eq!(server.send("POST", "/eureka/apps/ORDERS", &[JSON_BODY], body.as_bytes()).await.status, 204);
    let stored = server.get_json("/eureka/apps/ORDERS/a").await["instance"].clone();
    assert_eq!(stored["port"]["$"], 0);
    assert_eq!(
        (&stored["leaseInfo"]["renewalIntervalInSecs"], &stored["leaseInfo"]["durationInSecs"]),
        (&30.into(), &90.into())
    );
    let longest = json(|instance| instance["leaseInfo"] = serde_json::json!({"durationInSecs": i32::MAX}));
    assert_eq!(server.send("POST", "/eureka/apps/ORDERS", &[JSON_BODY], longest.as_bytes()).await.status, 204);
    assert_eq!(server.send("PUT", "/eureka/apps/ORDERS/a", &[], b"").await.status, 200);
    server.stop().await.unwrap();
}

/// Sends text that is not a complete request.
async fn raw(server: &TestServer, text: &[u8]) -> Client {
    let mut client = Client::connect(server.address).await;
    let _sent = client.stream.write_all(text).await;
    client
}

#[tokio::test]
async fn half_a_request_is_closed_at_a_deadline() {
    let server = hasty().await;
    for half in [
        "G",
        "GET /eureka/apps HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "POST /eureka/apps/ORDERS HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"ins",
        "POST /eureka/apps/ORDERS HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"in",
    ] {
        assert!(raw(&server, half.as_bytes()).await.is_closed().await, "{half:?}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let server = strict().await;
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(100_000));
    for headers in [many, long] {
        let mut client =
            raw(&server, format!("GET /eureka/apps HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).await;
        assert_eq!(client.answer(false).await.status, 431);
        assert!(client.is_closed().await);
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_not_http_is_answered_400_and_closed() {
    let server = strict().await;
    for nonsense in
        ["\0\0\0\0\r\n\r\n", "HELLO\r\n\r\n", "GET /eureka/apps HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n"]
    {
        let mut client = raw(&server, nonsense.as_bytes()).await;
        assert_eq!(client.answer(false).await.status, 400, "{nonsense:?}");
        assert!(client.is_closed().await);
    }
    let mut client = raw(&server, b"GET /eureka/apps HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer(false).await.status, 200);
    assert!(client.is_closed().await, "HTTP/1.0 keeps no connection");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let server = strict().await;
    server.register("orders", "a").await;
    let get = "GET /eureka/apps/ORDERS/a HTTP/1.1\r\nHost: x\r\n\r\n";
    let put = "PUT /eureka/apps/ORDERS/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    let mut client = raw(&server, format!("{get}{put}{get}").as_bytes()).await;
    let answers =
        [client.answer(false).await.status, client.answer(false).await.status, client.answer(false).await.status];
    assert_eq!(answers, [200, 404, 200]);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_slow_sender_is_closed_too() {
    let server = hasty().await;
    let head = "POST /eureka/apps/ORDERS HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n";
    let mut drips = raw(&server, head.as_bytes()).await;
    until("it is closed", async || {
        // A reset shows only when the client sends again.
        drips.is_closed_now() || drips.stream.write_all(b" ").await.is_err()
    })
    .await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_with_no_host_or_two_is_refused() {
    let server = strict().await;
    for (hosts, status) in [("", 400), ("Host: x\r\n", 200), ("Host: x\r\nHost: x\r\n", 400)] {
        for path in ["/eureka/apps", "/actuator/health", "/api/v1/overview", "/"] {
            let request = format!("GET {path} HTTP/1.1\r\n{hosts}\r\n");
            assert_eq!(raw(&server, request.as_bytes()).await.answer(false).await.status, status, "{request}");
        }
    }
    server.stop().await.unwrap();
}

/// The value of a counter in a scrape.
async fn counted(client: &mut Client, sample: &str) -> f64 {
    let text = client.send("GET", "/actuator/prometheus", &[], b"").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(sample)).map(|value| value.trim().to_owned());
    line.expect("a sample of that name").parse().unwrap()
}

/// Half requests take places of busy connections, up to the maximum.
#[tokio::test]
async fn half_requests_give_way_to_whole_ones() {
    let server = TestServer::with(|settings| {
        settings.server.request_header_timeout = NEVER;
        settings.limits.memory = 0;
    })
    .await;
    let mut good = Client::connect(server.address).await;
    let mut crowd = Vec::new();
    // With so little memory 32 connections may be busy, and there are 64.
    for _ in 0..60 {
        let mut half = connect_from([127, 0, 0, 2], &server).await;
        half.stream.write_all(b"GET /eureka/apps HTTP/1.1\r\nHo").await.unwrap();
        crowd.push(half);
    }
    until("half requests give way", async || {
        counted(&mut good, "eureka_connections_closed_total{reason=\"memory\"}").await >= 28.0
    })
    .await;
    assert!(counted(&mut good, "eureka_connections_busy").await <= 32.0);
    assert_eq!(good.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    assert!(crowd[0].is_closed().await, "the oldest goes first");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn silent_connections_take_no_place_of_busy_ones() {
    let server = TestServer::with(|settings| settings.server.request_header_timeout = NEVER).await;
    let mut good = Client::connect(server.address).await;
    // As many at once as a task may do without a pause.
    let silent = join_all((0..300).map(|_| connect_from([127, 0, 0, 2], &server))).await;
    until("they are accepted", async || counted(&mut good, "eureka_connections ").await >= 301.0).await;
    assert_eq!(counted(&mut good, "eureka_connections_busy").await, 1.0, "the one that asks");
    drop(silent);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = hasty().await;
    assert!(raw(&server, b"").await.is_closed().await);
    server.stop().await.unwrap();
}

/// A connection from another loopback address.
async fn connect_from(address: [u8; 4], server: &TestServer) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    Client::over(socket.connect(server.address).await.unwrap())
}

#[tokio::test]
async fn an_address_with_all_connections_locks_no_other_out() {
    let server = TestServer::with(|settings| settings.server.max_connections = Some(4)).await;
    let mut good = Client::connect(server.address).await;
    assert_eq!(good.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(connect_from([127, 0, 0, 2], &server).await);
    }
    // Of 20 silent connections beside the good one there is place for 3.
    until("those beyond the limit to go", async || {
        crowd.iter_mut().map(Client::is_closed_now).filter(|closed| *closed).count() == 17
    })
    .await;
    assert_eq!(good.send("GET", "/eureka/apps", &[], b"").await.status, 200, "it keeps its connection");
    assert_eq!(server.send("GET", "/eureka/apps", &[], b"").await.status, 200, "and others get theirs");
    server.stop().await.unwrap();
}

/// An answer grows with what there is, not with how often something is requested.
#[tokio::test]
async fn small_requests_get_no_huge_answers() {
    let server = TestServer::start().await;
    server.register("ORDERS", "a").await;
    let item = "{\"appName\":\"ORDERS\",\"id\":\"a\",\"action\":\"Heartbeat\",\"lastDirtyTimestamp\":1}";
    let batch = format!("{{\"replicationList\":[{}]}}", vec![item; 1000].join(","));
    let names = format!("{{\"applications\":[{}]}}", vec!["\"ORDERS\""; 500].join(","));
    for (resource, body) in [("batch/", batch), ("records", names)] {
        let path = format!("/eureka/peerreplication/{resource}");
        let answer = server.send("POST", &path, &[JSON_BODY], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{resource}: {}", answer.text());
        assert_eq!(answer.text().matches("10.0.0.1").count(), 1, "{resource}: the instance is there once");
        assert!(answer.body.len() < 4 * body.len(), "{resource}: {} bytes for {}", answer.body.len(), body.len());
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_full_registry_refuses_new_instances_and_nothing_else() {
    let server = TestServer::with(|settings| settings.limits.memory = 1 << 20).await;
    let register = async |id: &str| {
        let body = instance("ORDERS", id);
        server.send("POST", "/eureka/apps/ORDERS", &[JSON_BODY], body.as_bytes()).await
    };
    let mut registered = 0;
    let refused = loop {
        let answer = register(&registered.to_string()).await;
        if answer.status != 204 {
            break answer;
        }
        registered += 1;
        assert!(registered < 1000, "it has no end");
    };
    assert_eq!(refused.status, 507);
    assert!(refused.text().starts_with("the registry is full: its instances take "), "{}", refused.text());
    assert_eq!(register("0").await.status, 204, "a known instance may register again");
    for (method, path) in [
        ("PUT", "/eureka/apps/ORDERS/0"),
        ("PUT", "/eureka/apps/ORDERS/0/status?value=DOWN"),
        ("PUT", "/eureka/apps/ORDERS/0/metadata?a=b"),
        ("GET", "/eureka/apps"),
        ("DELETE", "/eureka/apps/ORDERS/0"),
    ] {
        assert_eq!(server.send(method, path, &[], b"").await.status, 200, "{method} {path}");
    }
    let scrape = server.send("GET", "/actuator/prometheus", &[], b"").await;
    assert!(scrape.text().contains("eureka_registry_refused_total{source=\"client\"} 1.0"), "{}", scrape.text());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_instance_does_not_grow_without_end() {
    let server = TestServer::start().await;
    server.register("ORDERS", "a").await;
    let value = "v".repeat(25_000);
    let add = async |name: &str| {
        let path = format!("/eureka/apps/ORDERS/a/metadata?{name}={value}");
        server.send("PUT", &path, &[], b"").await
    };
    assert_eq!((add("a").await.status, add("b").await.status), (200, 200));
    let refused = add("c").await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().ends_with("at most 65536 are accepted"), "{}", refused.text());
    let kept = server.send("GET", "/eureka/apps/ORDERS/a", &[("Accept", "application/json")], b"").await;
    assert_eq!(kept.text().matches(&value).count(), 2, "nothing of it is stored");
    server.stop().await.unwrap();
}
