//! How connections end: by age, by their limit, and when the server stops.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Client, DEADLINE, NEVER, TestServer, until, wait_for};

const PATH: &str = "/eureka/apps/ORDERS/a";

#[tokio::test]
async fn idle_and_silent_connections_do_not_hold_up_a_stop() {
    // A server that waited for them would take longer to stop than this test waits.
    let server = TestServer::with(|settings| settings.server.drain_timeout = NEVER).await;
    let mut idle = Client::connect(server.address).await;
    assert_eq!(idle.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    let mut silent = Client::connect(server.address).await;
    server.stop().await.unwrap();
    assert!(idle.is_closed().await && silent.is_closed().await);
}

#[tokio::test]
async fn half_a_head_and_a_slow_reader_are_ended_by_the_drain_timeout() {
    // Only the stop ends them.
    let server = TestServer::with(|settings| {
        settings.server.drain_timeout = Duration::from_millis(300);
        settings.server.request_header_timeout = NEVER;
        settings.server.request_body_timeout = NEVER;
    })
    .await;
    for id in 0..3000 {
        server.register("orders", &format!("{id}")).await;
    }
    let mut half = Client::connect(server.address).await;
    half.stream.write_all(b"GET /eureka/apps HTTP/1.1\r\nHo").await.unwrap();
    let mut slow = Client::connect(server.address).await;
    for _ in 0..20 {
        slow.stream
            .write_all(b"GET /eureka/apps HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n")
            .await
            .unwrap();
    }
    server.stop().await.unwrap();
    assert!(half.is_closed().await);
    let mut taken = Vec::new();
    let end = tokio::time::timeout(DEADLINE, slow.stream.read_to_end(&mut taken)).await.expect("closed in time");
    let answers = String::from_utf8_lossy(&taken).matches("HTTP/1.1 200").count();
    assert!(answers < 20, "it did not read slowly: {end:?}, {answers} answers");
}

#[tokio::test]
async fn while_it_stops_answers_are_whole_and_say_that_they_are_the_last() {
    let mut server = TestServer::with(|settings| settings.server.lame_duck = NEVER).await;
    server.register("orders", "a").await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.send("GET", PATH, &[], b"").await.header("connection"), None);
    server.begin_to_stop();
    // Before the stop, answers keep their connections; from then on each is the last of its connection.
    let last = wait_for("an answer that is the last", async || {
        let answer = client.send("GET", PATH, &[], b"").await;
        assert_eq!(answer.status, 200);
        answer.header("connection").map(str::to_owned)
    })
    .await;
    assert_eq!(last, "close");
    assert!(client.is_closed().await);
    let mut late = Client::connect(server.address).await;
    assert_eq!(late.send("PUT", PATH, &[], b"").await.status, 200, "who still comes is served");
}

#[tokio::test]
async fn a_connection_that_grew_old_is_closed_with_an_answer() {
    let server = TestServer::with(|settings| settings.server.connection_max_age = Duration::from_millis(100)).await;
    server.register("orders", "a").await;
    let mut client = Client::connect(server.address).await;
    until("it grows old", async || {
        let answer = client.send("GET", PATH, &[], b"").await;
        assert_eq!(answer.status, 200, "never closed between two answers");
        answer.header("connection") == Some("close")
    })
    .await;
    assert!(client.is_closed().await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_kept_longer_than_one_that_never_asked() {
    let server = TestServer::with(|settings| {
        settings.server.keep_alive_timeout = NEVER;
        settings.server.request_header_timeout = Duration::from_secs(1);
    })
    .await;
    let mut idle = Client::connect(server.address).await;
    assert_eq!(idle.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    let mut silent = Client::connect(server.address).await;
    assert!(silent.is_closed().await);
    assert_eq!(idle.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let server = TestServer::with(|settings| settings.server.keep_alive_timeout = Duration::from_millis(200)).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    assert!(client.is_closed().await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_connection_beyond_the_limit_takes_the_place_of_an_idle_one() {
    let server = TestServer::with(|settings| settings.server.max_connections = Some(1)).await;
    let mut first = Client::connect(server.address).await;
    assert_eq!(first.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    let mut second = Client::connect(server.address).await;
    assert_eq!(second.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    assert!(first.is_closed().await);
    server.stop().await.unwrap();
}
