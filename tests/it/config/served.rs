//! What a configuration opens and closes, as a client sees it.

use eureka_registry::server::Server;
use eureka_registry::time::Clock;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::settings;
use crate::support::{ReservedPort, TestServer};

async fn server(arguments: &[&str]) -> TestServer {
    let http = settings(&[], arguments, &[]).http;
    TestServer::with(|settings| settings.http = http).await
}

async fn check(arguments: &[&str], expected: &[(&str, u16)]) {
    let server = server(arguments).await;
    for (path, status) in expected {
        assert_eq!(server.send("GET", path, &[], b"").await.status, *status, "{arguments:?} {path}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_dashboard_that_is_switched_off_or_moved_is_not_at_the_root() {
    let open = [("/", 200), ("/lastn", 200), ("/dashboard/api.js", 200), ("/eureka/apps", 200)];
    check(&[], &open).await;
    let closed = [("/", 404), ("/lastn", 404), ("/dashboard/api.js", 404), ("/eureka/apps", 200)];
    check(&["--eureka.dashboard.enabled=false"], &closed).await;
    let moved = [
        ("/", 404),
        ("/lastn", 404),
        ("/page", 302),
        ("/page/", 200),
        ("/page/lastn", 200),
        ("/page/dashboard/api.js", 200),
    ];
    check(&["--eureka.dashboard.path=/page"], &moved).await;
    let server = server(&["--eureka.dashboard.path=/page"]).await;
    let page = server.send("GET", "/page/", &[], b"").await.text();
    assert!(page.contains("data-root=\"../\"") && page.contains("href=\"../actuator/health\""), "{page}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn endpoints_that_are_closed_or_moved_are_not_there() {
    let closed =
        [("/actuator/health", 200), ("/actuator/prometheus", 404), ("/actuator/info", 404), ("/actuator", 200)];
    check(&["--management.endpoints.web.exposure.include=health"], &closed).await;
    let moved = [("/actuator/healthz/readiness", 200), ("/actuator/health", 404), ("/livez", 200), ("/readyz", 200)];
    let arguments = [
        "--management.endpoints.web.path-mapping.health=healthz",
        "--management.endpoint.health.probes.add-additional-paths=true",
    ];
    check(&arguments, &moved).await;
    check(&["--management.endpoints.web.discovery.enabled=false"], &[("/actuator", 404), ("/actuator/info", 200)])
        .await;
    let nowhere = [("/actuator/health", 404), ("/actuator", 404), ("/eureka/apps", 200)];
    check(&["--management.server.port=-1"], &nowhere).await;
    check(&["--management.server.port=9999"], &nowhere).await;
}

#[tokio::test]
async fn an_empty_password_is_refused() {
    let arguments = ["--spring.security.user.name=admin", "--spring.security.user.password="];
    let server = server(&arguments).await;
    // `admin:`
    let answer = server.send("GET", "/eureka/apps", &[("Authorization", "Basic YWRtaW46")], b"").await;
    assert_eq!(answer.status, 401);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_that_is_in_use_says_what_to_do() {
    let port = ReservedPort::new();
    let number = port.number;
    let first = TestServer::with(|settings| settings.server.port = number).await;
    let arguments = ["--server.address=127.0.0.1", &format!("--server.port={number}")];
    let second = Server::start(settings(&[], &arguments, &[]), Clock::system(), SmallRng::seed_from_u64(1)).await;
    let error = second.map(|_| ()).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("Port {number} is already in use: ")) && error.contains("--server.port="),
        "{error}"
    );
    first.stop().await.unwrap();
}
