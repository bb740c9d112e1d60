//! The event stream of `/api/v1`, as a browser reads it.

use super::contract::Contract;
use super::*;

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
