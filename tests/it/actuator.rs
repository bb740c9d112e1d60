//! What probes, scrapers and Spring Boot Admin look for.

use eureka_registry::http::actuator::{Loggers, ShowDetails};
use eureka_registry::http::security::ForwardHeaders;
use serde_json::{Value, json};

use crate::security::{EUREKA, READER, WRONG, with_users};
use crate::support::{Answer, Client, ReservedPort, TestServer};

const ACTUATOR_TYPE: &str = "application/vnd.spring-boot.actuator.v3+json";

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// Spring Boot Admin asks for the list, takes each link that is no template, and asks there.
#[tokio::test]
async fn every_link_of_the_list_leads_somewhere() {
    for (context_path, base_path) in [("", "/actuator"), ("/registry", "/actuator"), ("/registry", "/manage/it")] {
        let server = TestServer::with(|settings| {
            settings.http.context_path = context_path.to_owned();
            settings.http.actuator.base_path = base_path.to_owned();
        })
        .await;
        let list = server.send("GET", &format!("{context_path}{base_path}"), &[], b"").await;
        assert_eq!((list.status, list.header("content-type")), (200, Some(ACTUATOR_TYPE)));
        let list = body(&list);
        let links = list["_links"].as_object().unwrap();
        assert!(["self", "health", "info", "prometheus"].iter().all(|name| links.contains_key(*name)), "{links:?}");
        for (name, link) in links {
            let path =
                link["href"].as_str().unwrap().strip_prefix("http://localhost").expect("the host that was asked");
            if link["templated"] == false {
                assert_eq!(server.send("GET", path, &[], b"").await.status, 200, "{name}: {path}");
            }
        }
        if base_path != "/actuator" {
            assert_eq!(server.send("GET", &format!("{context_path}/actuator/health"), &[], b"").await.status, 404);
        }
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn links_and_redirects_are_those_of_a_trusted_proxy() {
    let proxied =
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "example.com"), ("X-Forwarded-Prefix", "/registry/")];
    for (strategy, link, redirect) in [
        (ForwardHeaders::None, "http://localhost/eureka-1/actuator/health", "/eureka-1/?q=a"),
        (ForwardHeaders::Native, "https://example.com/eureka-1/actuator/health", "/eureka-1/?q=a"),
        (ForwardHeaders::Framework, "https://example.com/registry/actuator/health", "/registry/?q=a"),
    ] {
        let server = TestServer::with(|settings| {
            settings.http.security.forward_headers = strategy;
            settings.http.context_path = "/eureka-1".to_owned();
            settings.http.dashboard.path = "/ui".to_owned();
        })
        .await;
        let list = body(&server.send("GET", "/eureka-1/actuator", &proxied, b"").await);
        assert_eq!(list["_links"]["health"]["href"], link, "{strategy:?}");
        let redirected = server.send("GET", "/eureka-1?q=a", &proxied, b"").await;
        assert_eq!((redirected.status, redirected.header("location")), (302, Some(redirect)), "{strategy:?}");
        let redirected = server.send("GET", "/eureka-1/ui", &proxied, b"").await;
        let to_the_page = redirect.replace("?q=a", "ui/");
        assert_eq!(redirected.header("location"), Some(to_the_page.as_str()), "{strategy:?}");
        // A page behind the proxy may change the registry, as one without a proxy may.
        let origin = [proxied[0], proxied[1], ("Origin", "https://example.com")];
        let switched = server.send("DELETE", "/eureka-1/api/v1/self-preservation", &origin, b"").await;
        let expected = if strategy == ForwardHeaders::None { 403 } else { 200 };
        assert_eq!(switched.status, expected, "{strategy:?}: {}", switched.text());
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn the_actuator_can_stand_at_the_root() {
    let reserved = ReservedPort::new();
    let port = reserved.number;
    let server = TestServer::with(|settings| {
        settings.http.actuator.base_path = String::new();
        settings.server.management_port = Some(port);
    })
    .await;
    for (path, content_type) in
        [("/health", ACTUATOR_TYPE), ("/health/readiness", ACTUATOR_TYPE), ("/", "text/html; charset=utf-8")]
    {
        let answer = server.send("GET", path, &[], b"").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{path}");
    }
    let metrics = server.send("GET", "/prometheus", &[], b"").await.text();
    assert!(
        metrics.contains(r#"eureka_http_requests_total{method="GET",uri="/actuator/**",status="200"} 2"#),
        "{metrics}"
    );
    for (path, status) in [("/health/liveness", 200), ("/", 404), ("/eureka/apps", 404), ("/api/v1/overview", 404)] {
        let mut client = Client::connect(([127, 0, 0, 1], port).into()).await;
        assert_eq!(client.send("GET", path, &[], b"").await.status, status, "{path}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn details_are_for_whom_they_are_shown() {
    for (shown, to_nobody, to_user) in [
        (ShowDetails::Never, false, false),
        (ShowDetails::WhenAuthorized, false, true),
        (ShowDetails::Always, true, true),
    ] {
        let server = TestServer::with(|settings| {
            with_users(settings);
            settings.http.actuator.show_details = shown;
        })
        .await;
        for (who, sees) in [(None, to_nobody), (Some(WRONG), to_nobody), (Some(EUREKA), to_user)] {
            let headers: Vec<_> = who.into_iter().collect();
            let health = server.send("GET", "/actuator/health", &headers, b"").await;
            assert_eq!((health.status, &body(&health)["status"]), (200, &json!("UP")));
            assert_eq!(body(&health)["components"].is_object(), sees, "{shown:?} {who:?}");
            assert_eq!(body(&health)["groups"], json!(["liveness", "readiness"]));
            let status = server.send("GET", "/actuator/health/registry", &headers, b"").await.status;
            assert_eq!(status, if sees { 200 } else { 404 }, "{shown:?} {who:?}");
            assert_eq!(server.send("GET", "/actuator/health/readiness", &headers, b"").await.status, 200);
        }
        server.stop().await.unwrap();
    }
    let server = TestServer::start().await;
    let health = server.get_json("/actuator/health").await;
    assert_eq!(health["components"]["registry"]["details"]["instances"], 0, "without users nobody is kept out");
    assert_eq!(server.send("GET", "/actuator/health/nothing", &[], b"").await.status, 404);
    server.stop().await.unwrap();
}

/// The levels are those of the process, so no other test sets any.
#[tokio::test]
async fn levels_of_the_log_are_set_by_who_may_write() {
    const NAME: &str = "/actuator/loggers/eureka_registry::replication";
    let server = TestServer::with(|settings| {
        with_users(settings);
        settings.http.actuator.loggers = Some(Loggers { path: "loggers".to_owned(), read_only: false });
        settings.http.security.open_paths.push("/actuator/**".to_owned());
    })
    .await;
    let all = body(&server.send("GET", "/actuator/loggers", &[EUREKA], b"").await);
    assert_eq!(all["levels"], json!(["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"]));
    assert_eq!((&all["loggers"]["ROOT"]["effectiveLevel"], &all["groups"]), (&json!("INFO"), &json!({})));
    for (who, path, sent, status) in [
        (None, NAME, r#"{"configuredLevel": "DEBUG"}"#, 401),
        (Some(READER), NAME, r#"{"configuredLevel": "DEBUG"}"#, 403),
        (Some(EUREKA), NAME, r#"{"configuredLevel": "LOUD"}"#, 400),
        (Some(EUREKA), NAME, "DEBUG", 400),
        (Some(EUREKA), "/actuator/loggers/com.netflix", r#"{"configuredLevel": "DEBUG"}"#, 404),
    ] {
        let headers: Vec<_> = who.into_iter().collect();
        assert_eq!(server.send("POST", path, &headers, sent.as_bytes()).await.status, status, "{who:?} {path} {sent}");
        assert_eq!(body(&server.send("GET", NAME, &[EUREKA], b"").await), json!({ "effectiveLevel": "INFO" }));
    }
    let debug = json!({ "configuredLevel": "DEBUG", "effectiveLevel": "DEBUG" });
    for (sent, shown) in [(r#"{"configuredLevel": "debug"}"#, debug), ("{}", json!({ "effectiveLevel": "INFO" }))] {
        assert_eq!(server.send("POST", NAME, &[EUREKA], sent.as_bytes()).await.status, 204);
        let one = server.send("GET", NAME, &[EUREKA], b"").await;
        assert_eq!((one.header("content-type"), body(&one)), (Some(ACTUATOR_TYPE), shown));
    }
    let large = format!(r#"{{"configuredLevel": "{}"}}"#, "x".repeat(2000));
    assert_eq!(server.send("POST", NAME, &[EUREKA], large.as_bytes()).await.status, 413);
    server.stop().await.unwrap();
    let server = TestServer::start().await;
    assert_eq!(server.send("GET", "/actuator/loggers", &[], b"").await.status, 404, "not exposed");
    server.stop().await.unwrap();
    let server = TestServer::with(|settings| {
        settings.http.actuator.loggers = Some(Loggers { path: "loggers".to_owned(), read_only: true });
    })
    .await;
    assert_eq!(server.send("POST", NAME, &[], br#"{"configuredLevel": "DEBUG"}"#).await.status, 405);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn info_says_what_runs_and_of_which_commit() {
    let server = TestServer::start().await;
    let info = server.get_json("/actuator/info").await;
    assert_eq!(info["build"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(info["process"]["uptime"].is_u64());
    let overview = server.get_json("/api/v1/overview").await;
    let commit = json!(option_env!("GIT_COMMIT"));
    assert_eq!((&info["git"]["commit"]["id"], &overview["server"]["commit"]), (&commit, &commit));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_registers_where_it_can_be_asked() {
    let server = TestServer::with(|settings| {
        settings.replication.register_with_eureka = Some(true);
        settings.http.context_path = "/registry".to_owned();
        settings.http.actuator.base_path = "/manage".to_owned();
    })
    .await;
    let own = server.get_json("/registry/api/v1/instances").await["instances"][0].clone();
    let root = format!("http://localhost:{}/registry", server.address.port());
    assert_eq!(own["homePageUrl"], format!("{root}/"));
    assert_eq!(own["statusPageUrl"], format!("{root}/manage/info"));
    assert_eq!(own["healthCheckUrl"], format!("{root}/manage/health"));
    server.stop().await.unwrap();
}
