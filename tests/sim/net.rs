//! The network between replicas, and the names they find each other by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use eureka_registry::http::{App, handle};
use eureka_registry::registry::PeerMemory;
use eureka_registry::replication::ServiceUrl;
use eureka_registry::replication::discovery::{Endpoint, Found, LookingUp, LookupError, PeerDiscovery};
use eureka_registry::replication::protocol;
use eureka_registry::replication::transport::{Call, Calling, PeerError, PeerTransport, Reply};
use eureka_registry::time::Timestamp;
use http::{Method, Request};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// What a link does to calls, and who is there.
#[derive(Debug)]
pub(crate) struct Net {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rng: SmallRng,
    apps: BTreeMap<usize, App>,
    cut: BTreeSet<(usize, usize)>,
    /// Of a hundred calls: requests lost, answers lost after the request was applied.
    lost: (u8, u8),
    longest_delay_ms: u64,
    /// Whether the name server answers, and whom it names.
    names_answer: bool,
    named: BTreeSet<usize>,
    batches: u64,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let state = State {
            rng: SmallRng::seed_from_u64(seed),
            apps: BTreeMap::new(),
            cut: BTreeSet::new(),
            lost: (0, 0),
            longest_delay_ms: 1,
            names_answer: true,
            named: BTreeSet::new(),
            batches: 0,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// From now on `replica` listens, or no longer.
    pub(crate) fn listens(&self, replica: usize, app: Option<App>) {
        let mut state = self.state.lock();
        match app {
            Some(app) => drop(state.apps.insert(replica, app)),
            None => drop(state.apps.remove(&replica)),
        }
    }

    pub(crate) fn app(&self, replica: usize) -> Option<App> {
        self.state.lock().apps.get(&replica).cloned()
    }

    pub(crate) fn name(&self, replica: usize, named: bool) {
        let mut state = self.state.lock();
        if named {
            state.named.insert(replica);
        } else {
            state.named.remove(&replica);
        }
    }

    pub(crate) fn names_answer(&self, answer: bool) {
        self.state.lock().names_answer = answer;
    }

    pub(crate) fn cut(&self, from: usize, to: usize, cut: bool) {
        let mut state = self.state.lock();
        if cut {
            state.cut.insert((from, to));
        } else {
            state.cut.remove(&(from, to));
        }
    }

    pub(crate) fn lose(&self, requests: u8, answers: u8, longest_delay_ms: u64) {
        let mut state = self.state.lock();
        state.lost = (requests, answers);
        state.longest_delay_ms = longest_delay_ms;
    }

    pub(crate) fn heal(&self) {
        let mut state = self.state.lock();
        state.cut.clear();
        state.lost = (0, 0);
        state.longest_delay_ms = 1;
        state.names_answer = true;
    }

    /// How many batches were sent.
    pub(crate) fn batches(&self) -> u64 {
        self.state.lock().batches
    }
}

/// One replica's way to the others.
#[derive(Debug)]
pub(crate) struct From {
    pub(crate) net: Arc<Net>,
    pub(crate) replica: usize,
}

impl PeerTransport for From {
    fn call<'a>(&'a self, service_url: &'a ServiceUrl, call: Call) -> Calling<'a> {
        Box::pin(async move {
            let to = replica_of(service_url);
            let (app, cut, lost_request, lost_answer, delay) = {
                let mut state = self.net.state.lock();
                state.batches += u64::from(matches!(call, Call::Batch(_)));
                let dice: u8 = state.rng.random_range(0..100);
                let (requests, answers) = state.lost;
                let longest = state.longest_delay_ms;
                let delay = state.rng.random_range(0..=longest);
                let cut = state.cut.contains(&(self.replica, to));
                (state.apps.get(&to).cloned(), cut, dice < requests, dice >= 100 - answers, delay)
            };
            tokio::time::sleep(Duration::from_millis(delay)).await;
            if cut || lost_request {
                tokio::time::sleep(Duration::from_secs(1)).await;
                return Err(PeerError::Timeout);
            }
            let Some(app) = app else { return Err(PeerError::Refused) };
            let reply = deliver(app, call).await;
            if lost_answer {
                return Err(PeerError::Broken("the connection was lost".to_owned()));
            }
            Ok(reply)
        })
    }
}

async fn deliver(app: App, call: Call) -> Reply {
    let post = |what: &str, body: Bytes| request(Method::POST, &format!("/eureka/peerreplication/{what}"), body);
    let request = match call {
        Call::Identify { token } => {
            let mut request = request(Method::OPTIONS, "/eureka/apps", Bytes::new());
            request.headers_mut().insert(protocol::TOKEN_HEADER, token.parse().unwrap());
            request
        }
        Call::Batch(body) => post("batch/", body),
        Call::Digests(body) => post("digests", body),
        Call::Records(body) => post("records", body),
        Call::Heard(body) => post("heard", body),
        Call::Applications { newcomer } => {
            let mut request = request(Method::GET, "/eureka/apps/", Bytes::new());
            let header = protocol::NEWCOMER_HEADER;
            if let Some(url) = newcomer {
                request.headers_mut().insert(header, url.to_string().parse().unwrap());
            }
            request
        }
        Call::Announce { newcomer } => {
            let mut request = request(Method::HEAD, "/eureka/apps/delta", Bytes::new());
            let header = protocol::NEWCOMER_HEADER;
            request.headers_mut().insert(header, newcomer.to_string().parse().unwrap());
            request
        }
    };
    let mut request = request;
    request.headers_mut().insert(protocol::TIME_HEADER, "?".parse().unwrap());
    let response = handle(app, request).await;
    let node = response.headers().get("x-eureka-registry-node").map(|id| id.to_str().unwrap().to_owned());
    let time = response.headers().get(protocol::TIME_HEADER);
    let time = time.map(|millis| millis.to_str().unwrap().parse().unwrap());
    let status = response.status().as_u16();
    let peers = response.headers().get(protocol::PEERS_HEADER);
    let peers = peers.map(|urls| protocol::listed(urls.to_str().unwrap()));
    let peers = peers.unwrap_or_default();
    let memory = response.headers().get(protocol::MEMORY_HEADER);
    let memory = memory.map_or(PeerMemory::Whole, |word| PeerMemory::named(word.to_str().unwrap()));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let time = time.map(Timestamp);
    Reply { status, node, time, peers, memory, cluster: None, body }
}

pub(crate) fn request(method: Method, path: &str, body: Bytes) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let json = "application/json";
    request.header("Accept", json).header("Content-Type", json).body(Body::from(body)).unwrap()
}

impl PeerDiscovery for From {
    fn endpoints<'a>(&'a self, _service: &'a str, port: u16) -> LookingUp<'a> {
        Box::pin(async move {
            let state = self.net.state.lock();
            if !state.names_answer {
                return Err(LookupError::NoAnswer("the name server is gone".to_owned()));
            }
            if state.named.is_empty() {
                return Err(LookupError::NoRecords);
            }
            let endpoints = state.named.iter().map(|replica| Endpoint { host: host(*replica), port }).collect();
            Ok(Found { service: "registry".to_owned(), endpoints })
        })
    }
}

pub(crate) fn host(replica: usize) -> String {
    format!("registry-{replica}.registry")
}

fn replica_of(service_url: &ServiceUrl) -> usize {
    let number = service_url.host().split(['-', '.']).nth(1);
    number.and_then(|number| number.parse().ok()).unwrap()
}
