use std::net::Ipv4Addr;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::activity::Phase;
use super::*;

const DEADLINE: Duration = Duration::from_secs(20);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// A connection that is served, and its client's end.
struct Served {
    client: TcpStream,
    one: One,
    task: JoinSet<Ended>,
}

impl Served {
    /// Answers every request with the length of its body; `/refused` at once without reading it, `/events` without end.
    async fn start(places: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        let counted = Arc::<Connections>::default();
        let buffers = Buffers::new(places, Arc::clone(&counted));
        let common = Common { options: Arc::default(), stopping: Stopping::default(), buffers, counted };
        let watch = Watch::new(Instant::now());
        let max_age = Duration::from_secs(3600);
        let one = One { common: Arc::new(common), watch, address: address.ip(), max_age };
        let serving = one.clone();
        let mut task = JoinSet::new();
        task.spawn(async move { serving.serve(stream, false, answer).await });
        Self { client, one, task }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    /// The body of the next answer.
    async fn answer(&mut self) -> String {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && head.to_lowercase().contains(&format!("content-length: {}", body.len()))
            {
                return body.to_owned();
            }
            let mut byte = [0];
            let taken =
                tokio::time::timeout(DEADLINE, self.client.read(&mut byte)).await.expect("an answer in time").unwrap();
            assert_ne!(taken, 0, "closed after {text:?}");
            read.push(byte[0]);
        }
    }

    async fn ended(&mut self) -> Ended {
        tokio::time::timeout(DEADLINE, self.task.join_next()).await.expect("it ends in time").unwrap().unwrap()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Watch) -> bool) {
        let wait = async {
            while !holds(&self.one.watch) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_late| panic!("waited in vain: {what}"));
    }

    /// Lets the connection give its buffers back, and waits until it has.
    async fn rest(&self) {
        self.until("it may rest", Watch::rest).await;
        self.until("it rests", |watch| !watch.activity().has_buffers()).await;
    }
}

async fn answer(request: Request<Body>) -> Response {
    if request.uri().path() == "/events" {
        let never = futures_util::stream::pending::<Result<bytes::Bytes, Infallible>>();
        let mut response = Response::new(Body::from_stream(never));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        return response;
    }
    if request.uri().path() == "/refused" {
        return Response::new(Body::from("no"));
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes().len());
    Response::new(Body::from(body.unwrap_or_default().to_string()))
}

#[tokio::test]
async fn a_connection_that_rested_goes_on() {
    let mut served = Served::start(1).await;
    for _ in 0..3 {
        served.send(GET).await;
        assert_eq!(served.answer().await, "0");
        served.rest().await;
        assert_eq!(served.one.watch.activity().phase(), Phase::Idle);
    }
    served.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(served.answer().await, "3");
}

#[tokio::test]
async fn half_a_request_that_was_read_already_is_not_lost() {
    let mut served = Served::start(1).await;
    let (begun, rest) = GET.split_at(10);
    served.send(&[GET, begun].concat()).await;
    assert_eq!(served.answer().await, "0");
    // hyper holds the beginning of the second request, which nobody else has seen.
    served.until("it may rest", Watch::rest).await;
    served.until("it is within a request", |watch| watch.activity().phase() == Phase::Headers).await;
    served.send(rest).await;
    assert_eq!(served.answer().await, "0");
}

#[tokio::test]
async fn a_client_that_sends_ahead_gives_its_place_to_others() {
    let mut served = Served::start(1).await;
    let (mut taking, mut sending) = served.client.into_split();
    let mut clients = JoinSet::new();
    clients.spawn(async move { while sending.write_all(&GET.repeat(100)).await.is_ok() {} });
    clients.spawn(async move { while taking.read(&mut [0; 4096]).await.is_ok_and(|taken| taken > 0) {} });
    let other = One { watch: Watch::new(Instant::now()), ..served.one.clone() };
    let busy = tokio::time::timeout(DEADLINE, async {
        while served.one.watch.activity().phase() == Phase::New {
            tokio::task::yield_now().await;
        }
    });
    busy.await.expect("it is busy in time");
    // A client that is held up by other load pauses, and then its connection rests instead of ending: the place is asked for again.
    let ended = tokio::time::timeout(DEADLINE, async {
        loop {
            let place = tokio::time::timeout(DEADLINE, other.wake()).await.expect("a place in time");
            assert!(place.is_ok());
            drop(place);
            if let Ok(ended) = tokio::time::timeout(Duration::from_millis(50), served.task.join_next()).await {
                break ended;
            }
        }
    });
    let ended = ended.await.expect("it ends in time");
    assert_eq!(ended.unwrap().unwrap(), None, "its last answer said so");
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_no_request() {
    let mut served = Served::start(1).await;
    served.send(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n").await;
    assert_eq!(served.answer().await, "no");
    // Whether it is asked to rest now or not, what follows is a body and must not be answered.
    let _asked = served.one.watch.rest();
    let _closed_already = served.client.write_all(GET).await;
    let mut taken = Vec::new();
    let _reset = tokio::time::timeout(DEADLINE, served.client.read_to_end(&mut taken)).await.expect("closed in time");
    assert_eq!(String::from_utf8_lossy(&taken), "");
    assert_eq!(served.ended().await, None);
}

#[tokio::test]
async fn a_waiting_connection_gets_the_place_of_a_resting_one() {
    let mut served = Served::start(1).await;
    served.send(GET).await;
    assert_eq!(served.answer().await, "0");
    served.until("it is idle", Watch::is_idle).await;
    let other = One { watch: Watch::new(Instant::now()), ..served.one.clone() };
    let place = tokio::time::timeout(DEADLINE, other.wake()).await.expect("a place in time").unwrap();
    assert!(served.one.watch.closing().is_none(), "it only rests");
    served.send(GET).await;
    drop(place);
    assert_eq!(served.answer().await, "0");
}

#[tokio::test]
async fn half_a_request_gives_way_to_a_waiting_connection() {
    let mut served = Served::start(1).await;
    served.send(b"GET / HT").await;
    served.until("it is within a request", |watch| watch.activity().phase() == Phase::Headers).await;
    let other = One { watch: Watch::new(Instant::now()), ..served.one.clone() };
    let _place = tokio::time::timeout(DEADLINE, other.wake()).await.expect("a place in time").unwrap();
    assert_eq!(served.ended().await, Some(Why::NoMemory));
}

#[tokio::test]
async fn a_stream_of_events_keeps_no_place() {
    let mut served = Served::start(1).await;
    served.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    served.until("it is answered", |watch| watch.activity().phase() == Phase::Exchange).await;
    let other = One { watch: Watch::new(Instant::now()), ..served.one.clone() };
    let place = tokio::time::timeout(DEADLINE, other.wake()).await.expect("a place in time");
    assert!(place.is_ok() && served.one.watch.closing().is_none());
}

#[tokio::test]
async fn a_client_that_leaves_while_its_connection_sleeps_is_noticed() {
    let mut served = Served::start(1).await;
    served.send(GET).await;
    assert_eq!(served.answer().await, "0");
    served.rest().await;
    served.client.shutdown().await.unwrap();
    assert_eq!(served.ended().await, None);
}

#[tokio::test]
async fn a_sleeping_connection_ends_when_the_server_drains() {
    let mut served = Served::start(1).await;
    served.send(GET).await;
    assert_eq!(served.answer().await, "0");
    served.rest().await;
    served.one.common.stopping.draining.cancel();
    assert_eq!(served.ended().await, None);
    assert_eq!(served.client.read(&mut [0]).await.unwrap(), 0);
}
