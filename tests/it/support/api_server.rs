//! An API server of Kubernetes that knows pods: lists in pages, watches, bookmarks, versions that are no longer known, and its faults.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Well,
    Forbidden,
    /// It takes calls and says nothing.
    Silent,
    /// It takes no calls, and drops those that it has.
    Away,
    /// It ends each watch at once, and says nothing in it.
    Brief,
    /// It says in each watch that it no longer knows what happened.
    Forgetful,
    /// Its pages are as large as they may be; otherwise it sends one pod a page.
    Generous,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    pods: BTreeMap<String, Value>,
    /// The zones of nodes.
    zones: BTreeMap<String, String>,
    version: u64,
    /// What happened, with the version after it.
    events: Vec<(u64, String)>,
    /// What happened until here is no longer known.
    forgotten: u64,
    /// The heads of the calls.
    calls: Vec<String>,
}

/// The server, gone when it is dropped.
pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

impl ApiServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            mode: Mode::Well,
            pods: BTreeMap::new(),
            zones: BTreeMap::new(),
            version: 1,
            events: Vec::new(),
            forgotten: 0,
            calls: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let (of_all, mut serving) = (Arc::clone(&state), JoinSet::new());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if of_all.lock().mode != Mode::Away {
                    connections.spawn(answer(stream, Arc::clone(&of_all)));
                }
            }
        });
        Self { address, state, _serving: serving }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.lock().mode = mode;
    }

    /// The heads of all calls.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.lock().calls.clone()
    }

    /// Makes a pod, or changes it.
    pub(crate) fn put(&self, name: &str, address: &str, change: impl FnOnce(&mut Value)) {
        let mut pod = json!({
            "metadata": {"uid": format!("uid-{name}"), "name": name, "namespace": "shop", "labels": {"app": "orders"}},
            "spec": {"nodeName": "node-1"},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        });
        change(&mut pod);
        let mut state = self.state.lock();
        let kind = if state.pods.contains_key(name) { "MODIFIED" } else { "ADDED" };
        state.happens(kind, pod.clone());
        state.pods.insert(name.to_owned(), pod);
    }

    /// Makes a node in a zone.
    pub(crate) fn put_node(&self, name: &str, zone: &str) {
        self.state.lock().zones.insert(name.to_owned(), zone.to_owned());
    }

    /// Deletes a pod, as by force.
    pub(crate) fn delete(&self, name: &str) {
        let mut state = self.state.lock();
        let pod = state.pods.remove(name).unwrap();
        state.happens("DELETED", pod);
    }

    /// Forgets what happened until now.
    pub(crate) fn compact(&self) {
        let mut state = self.state.lock();
        state.version += 1;
        state.forgotten = state.version;
        state.events.clear();
    }
}

impl State {
    fn happens(&mut self, kind: &str, mut pod: Value) {
        self.version += 1;
        pod["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.events.push((self.version, format!("{}\n", json!({"type": kind, "object": pod}))));
    }

    fn node(&self, name: &str) -> (u16, Value) {
        let Some(zone) = self.zones.get(name) else { return (404, json!({"kind": "Status", "code": 404})) };
        (200, json!({"kind": "PartialObjectMetadata", "metadata": {"labels": {"topology.kubernetes.io/zone": zone}}}))
    }

    /// One page of pods.
    fn page(&self, from: usize, limit: usize) -> Value {
        let end = from + if self.mode == Mode::Generous { limit } else { 1 };
        let next = if end < self.pods.len() { end.to_string() } else { String::new() };
        let items: Vec<&Value> = self.pods.values().take(end).skip(from).collect();
        json!({"kind": "PodList", "metadata": {"resourceVersion": self.version.to_string(), "continue": next}, "items": items})
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        state.lock().calls.push(head.clone());
        let target = head.split(' ').nth(1).unwrap();
        let query = |key: &str| target.split(['?', '&']).find_map(|part| part.strip_prefix(&format!("{key}=")));
        while state.lock().mode == Mode::Silent {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (status, body) = {
            let state = state.lock();
            match state.mode {
                Mode::Away => return,
                Mode::Forbidden => (403, json!({"kind": "Status", "code": 403, "message": "pods is forbidden"})),
                _ if target.starts_with("/api/v1/nodes/") => state.node(target.rsplit('/').next().unwrap()),
                _ if query("watch").is_none() => {
                    let number = |key| query(key).unwrap().parse().unwrap_or(0);
                    (200, state.page(number("continue"), number("limit")))
                }
                _ => (0, Value::Null),
            }
        };
        if status == 0 {
            return watch(stream, query("resourceVersion").unwrap().parse().unwrap(), &state).await;
        }
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn watch(mut stream: TcpStream, mut version: u64, state: &Mutex<State>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut text = head.to_owned();
    let chunk = |line: &str| format!("{:x}\r\n{line}\r\n", line.len());
    loop {
        let ends = {
            let state = state.lock();
            if state.mode == Mode::Brief {
                text.push_str("0\r\n\r\n");
            } else if !matches!(state.mode, Mode::Well | Mode::Forgetful | Mode::Generous) {
                return;
            }
            let is_gone = version < state.forgotten || state.mode == Mode::Forgetful;
            if is_gone {
                text.push_str(&chunk(&format!(
                    "{}\n",
                    json!({"type": "ERROR", "object": {"code": 410, "message": "too old"}})
                )));
            }
            let known = version;
            for (at, line) in state.events.iter().filter(|(at, _)| *at > known) {
                version = *at;
                // In two parts, as they may arrive.
                let (begin, end) = line.split_at(line.len() / 2);
                text.push_str(&chunk(begin));
                text.push_str(&chunk(end));
            }
            is_gone || state.mode == Mode::Brief
        };
        if !text.is_empty() && stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
        if ends {
            return;
        }
        text.clear();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
