//! A server for one test, a client that shows the bytes on the wire, a name server, and waiting with a deadline.

pub(crate) mod api_server;
pub(crate) mod name_server;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eureka_registry::server::{Server, Settings, Stop};
use eureka_registry::time::Clock;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// No answer in a test takes this long, also where all tests share one slow core; a test that would hang fails instead.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A different seed for each server, from which its node id follows.
static SEED: AtomicU64 = AtomicU64::new(1);

/// Longer than any test waits: a setting with this value has no effect on a test.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

/// Asks again and again until there is an answer, and fails at [`DEADLINE`].
pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Asks again and again until a condition holds, and fails at [`DEADLINE`].
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    wait_for(what, async || holds().await.then_some(())).await;
}

/// A port for servers that have to know it before they start, or that all have the same at different loopback addresses.
///
/// A socket that never listens reserves it: the system gives the port to no other process, but a server that binds it by number
/// and with `SO_REUSEADDR` may listen there.
pub(crate) struct ReservedPort {
    pub(crate) number: u16,
    _held: TcpSocket,
}

impl ReservedPort {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
        Self { number: socket.local_addr().unwrap().port(), _held: socket }
    }
}

/// A directory for snapshots, removed with the test.
pub(crate) struct DataDir {
    pub(crate) path: PathBuf,
}

impl DataDir {
    pub(crate) fn new(test: &str) -> Self {
        Self { path: std::env::temp_dir().join(format!("eureka-registry-data-{test}-{}", std::process::id())) }
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).unwrap();
    }
}

/// A running server, stopped when it is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    shutdown: Option<oneshot::Sender<()>>,
    running: JoinHandle<anyhow::Result<()>>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server on a port of 127.0.0.1 that the system chooses, its settings changed by `change`.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.server.port = 0;
        settings.server.address = Some([127, 0, 0, 1].into());
        settings.server.lame_duck = Duration::ZERO;
        change(&mut settings);
        let server =
            Server::start(settings, Clock::system(), SmallRng::seed_from_u64(SEED.fetch_add(1, Ordering::Relaxed)))
                .await
                .unwrap();
        let address = server.address();
        let (shutdown, told) = oneshot::channel();
        let running = tokio::task::spawn(server.run(async {
            let _ended = told.await;
            Stop::LameDuck
        }));
        Self { address, shutdown: Some(shutdown), running }
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut client = Client::connect(self.address).await;
        client.send(method, path, headers, body).await
    }

    pub(crate) async fn get_json(&self, path: &str) -> serde_json::Value {
        let answer = self.send("GET", path, &[("Accept", "application/json")], b"").await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Registers an instance with only the required fields.
    pub(crate) async fn register(&self, app: &str, id: &str) {
        let answer = self
            .send(
                "POST",
                &format!("/eureka/apps/{app}"),
                &[("Content-Type", "application/json")],
                instance(app, id).as_bytes(),
            )
            .await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Asks it to stop.
    pub(crate) fn begin_to_stop(&mut self) {
        drop(self.shutdown.take());
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.begin_to_stop();
        tokio::time::timeout(DEADLINE, &mut self.running).await.expect("the server stops").unwrap()
    }
}

/// The body of a registration.
pub(crate) fn instance(app: &str, id: &str) -> String {
    serde_json::json!({"instance": {
        "instanceId": id, "hostName": "h.local", "app": app, "ipAddr": "10.0.0.1", "status": "UP",
        "port": {"$": 8080, "@enabled": "true"}, "vipAddress": app.to_lowercase(), "secureVipAddress": app.to_lowercase(),
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "lastDirtyTimestamp": "1700000000000"
    }})
    .to_string()
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new() }
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT") {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        // A server that refuses a body may close before it is all sent.
        let _sent = self.stream.write_all(body).await;
        self.answer(method == "HEAD").await
    }

    /// Reads the next answer.
    pub(crate) async fn answer(&mut self, head: bool) -> Answer {
        tokio::time::timeout(DEADLINE, self.read_answer(head)).await.expect("an answer arrives")
    }

    async fn read_answer(&mut self, head: bool) -> Answer {
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(
                self.fill().await > 0,
                "closed before an answer; got {:?}",
                String::from_utf8_lossy(&self.received)
            );
        };
        let head_text = String::from_utf8(self.received.drain(..end).collect()).unwrap();
        let mut lines = head_text.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        if !head {
            while self.received.len() < length {
                assert!(self.fill().await > 0, "closed within a body");
            }
            answer.body = self.received.drain(..length).collect();
        }
        answer
    }

    async fn fill(&mut self) -> usize {
        self.stream.read_buf(&mut self.received).await.unwrap()
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_closed_now(&mut self) -> bool {
        let read = self.stream.try_read_buf(&mut self.received);
        !matches!(read, Ok(1..)) && !matches!(&read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Whether the server closes the connection, without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.received)).await;
        matches!(read.expect("closed in time"), Ok(0) | Err(_))
    }
}

/// An answer as it was received.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
