//! How connections end: by age, by their limit, and when the server stops.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::support::{Client, TestServer};

const PATH: &str = "/eureka/apps/ORDERS/a";

#[tokio::test]
async fn idle_and_silent_connections_do_not_hold_up_a_stop() {
    let server = TestServer::start().await;
    let mut idle = Client::connect(server.address).await;
    assert_eq!(idle.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    let mut silent = Client::connect(server.address).await;
    let started = Instant::now();
    server.stop().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "it waited for those who say nothing");
    assert!(idle.is_closed().await && silent.is_closed().await);
}

#[tokio::test]
async fn half_a_head_and_a_slow_reader_are_ended_by_the_deadline() {
    let server = TestServer::with(|settings| settings.server.drain_timeout = Duration::from_millis(300)).await;
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
    let started = Instant::now();
    server.stop().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "a deadline is a deadline");
    assert!(half.is_closed().await);
}

#[tokio::test]
async fn while_it_stops_answers_are_whole_and_say_that_they_are_the_last() {
    let server = TestServer::with(|settings| settings.server.lame_duck = Duration::from_secs(2)).await;
    server.register("orders", "a").await;
    let address = server.address;
    let mut client = Client::connect(address).await;
    assert_eq!(client.send("GET", PATH, &[], b"").await.header("connection"), None);
    let stopping = tokio::task::spawn(server.stop());
    // Until it was told, answers say nothing; from then on each is the last of its connection.
    let last = loop {
        let answer = client.send("GET", PATH, &[], b"").await;
        assert_eq!(answer.status, 200);
        if answer.header("connection").is_some() {
            break answer;
        }
    };
    assert_eq!(last.header("connection"), Some("close"));
    assert!(client.is_closed().await);
    let mut late = Client::connect(address).await;
    assert_eq!(late.send("PUT", PATH, &[], b"").await.status, 200, "who still comes is served");
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_that_grew_old_is_closed_with_an_answer() {
    let server = TestServer::with(|settings| settings.server.connection_max_age = Duration::from_millis(100)).await;
    server.register("orders", "a").await;
    let mut client = Client::connect(server.address).await;
    let started = Instant::now();
    loop {
        let answer = client.send("GET", PATH, &[], b"").await;
        assert_eq!(answer.status, 200, "never closed between two answers");
        if answer.header("connection") == Some("close") {
            break;
        }
        assert!(started.elapsed() < crate::support::DEADLINE, "it never grows old");
    }
    assert!(started.elapsed() >= Duration::from_millis(90));
    assert!(client.is_closed().await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_its_time_and_then_closed() {
    let server = TestServer::with(|settings| settings.server.keep_alive_timeout = Duration::from_millis(200)).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    let started = Instant::now();
    assert!(client.is_closed().await);
    assert!(started.elapsed() >= Duration::from_millis(200));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_connection_beyond_the_limit_takes_the_place_of_an_idle_one() {
    let server = TestServer::with(|settings| settings.server.max_connections = 1).await;
    let mut first = Client::connect(server.address).await;
    assert_eq!(first.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    let mut second = Client::connect(server.address).await;
    assert_eq!(second.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    assert!(first.is_closed().await);
    server.stop().await.unwrap();
}
