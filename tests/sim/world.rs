//! One history: what happens, and what has to hold afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use eureka_registry::http::{App, handle};
use eureka_registry::model::InstanceStatus;
use eureka_registry::server::{Node, PeerAccess, Settings};
use eureka_registry::time::{Clock, Timestamp};
use eureka_registry::{registry, replication};
use http::Method;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::net::{From, Net, host, request};

const REPLICAS: usize = 3;
const CLIENTS: usize = 6;
/// Clients renew this often and are borne three times as long; everything else is in proportion.
const RENEWAL: Duration = Duration::from_secs(3);
const CHAOS: Duration = Duration::from_secs(40);
/// Longer than a lease can last after the last word of its client: twice its duration, and an eviction.
const QUIET: Duration = Duration::from_secs(40);

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Op {
    Cut(usize, usize),
    Mend(usize, usize),
    Lose { requests: u8, answers: u8, longest_delay_ms: u64 },
    Crash(usize),
    Start(usize),
    NamesFail,
    NamesAnswer,
    Leave(usize),
    Join(usize),
    Change(usize),
    SetStatus(usize, InstanceStatus),
    TakeStatusBack(usize),
    Wait(u64),
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Op {
    fn random(rng: &mut SmallRng) -> Self {
        let (replica, other, client) =
            (rng.random_range(0..REPLICAS), rng.random_range(0..REPLICAS), rng.random_range(0..CLIENTS));
        match rng.random_range(0..20) {
            0 | 1 => Self::Cut(replica, other),
            2 | 3 => Self::Mend(replica, other),
            4 => Self::Lose {
                requests: rng.random_range(0..40),
                answers: rng.random_range(0..40),
                longest_delay_ms: rng.random_range(1..900),
            },
            5 => Self::Crash(replica),
            6 | 7 => Self::Start(replica),
            8 => Self::NamesFail,
            9 => Self::NamesAnswer,
            10 => Self::Leave(client),
            11 | 12 => Self::Join(client),
            13 => Self::Change(client),
            14 => Self::SetStatus(client, InstanceStatus::OutOfService),
            15 => Self::TakeStatusBack(client),
            _ => Self::Wait(rng.random_range(50..4000)),
        }
    }
}

/// A running replica.
struct Replica {
    node: Node,
    /// The newest version of each instance's data seen here.
    seen: BTreeMap<String, Timestamp>,
}

/// A client's side of an instance.
#[derive(Clone, Copy, Debug, Default)]
struct Client {
    lives: bool,
    last_dirty: i64,
    replica: usize,
}

struct World {
    net: Arc<Net>,
    clock: Clock,
    rng: SmallRng,
    replicas: Vec<Option<Replica>>,
    clients: Arc<Mutex<Vec<Client>>>,
    aloud: bool,
    started: Instant,
}

/// Plays the history of one seed.
pub(crate) async fn history(seed: u64, aloud: bool) {
    let mut world = World {
        net: Net::new(seed),
        clock: Clock::starting_at(Timestamp(1_700_000_000_000)),
        rng: SmallRng::seed_from_u64(seed.wrapping_mul(31)),
        replicas: (0..REPLICAS).map(|_| None).collect(),
        clients: Arc::new(Mutex::new(vec![Client::default(); CLIENTS])),
        aloud,
        started: Instant::now(),
    };
    for replica in 0..REPLICAS {
        world.start(replica).await;
    }
    let mut renewing = JoinSet::new();
    for client in 0..CLIENTS {
        let (clients, net) = (Arc::clone(&world.clients), Arc::clone(&world.net));
        renewing.spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                renew(&clients, &net, client).await;
            }
        });
    }
    let end = Instant::now() + CHAOS;
    while Instant::now() < end {
        let op = Op::random(&mut world.rng);
        world.apply(op).await;
        world.data_never_goes_back();
    }
    world.say("healed");
    world.net.heal();
    for replica in 0..REPLICAS {
        world.start(replica).await;
    }
    let batches = world.net.batches();
    tokio::time::sleep(QUIET).await;
    world.everybody_agrees();
    // Each heartbeat goes to two peers at most, in a batch of its own at worst; what was passed on would multiply.
    let renewals = (QUIET.as_secs() / RENEWAL.as_secs() + 1) * CLIENTS as u64;
    let sent = world.net.batches() - batches;
    assert!(
        sent <= renewals * 2 * (REPLICAS as u64 - 1),
        "{sent} batches for {renewals} renewals: something is passed on"
    );
    renewing.shutdown().await;
}

impl World {
    fn say(&self, what: impl fmt::Display) {
        if self.aloud {
            println!("{:>8.3} s  {what}", self.started.elapsed().as_secs_f64());
        }
    }

    async fn apply(&mut self, op: Op) {
        self.say(op);
        let at = |replica: usize| self.net.app(replica);
        match op {
            Op::Cut(from, to) => self.net.cut(from, to, true),
            Op::Mend(from, to) => self.net.cut(from, to, false),
            Op::Lose { requests, answers, longest_delay_ms } => self.net.lose(requests, answers, longest_delay_ms),
            Op::Crash(replica) => self.crash(replica),
            Op::Start(replica) => self.start(replica).await,
            Op::NamesFail => self.net.names_answer(false),
            Op::NamesAnswer => self.net.names_answer(true),
            Op::Join(client) => {
                {
                    let mut clients = self.clients.lock();
                    clients[client].lives = true;
                    clients[client].last_dirty += 1;
                }
                register(&self.clients, &self.net, client).await;
            }
            Op::Change(client) => {
                let lives = {
                    let mut clients = self.clients.lock();
                    clients[client].last_dirty += i64::from(clients[client].lives);
                    clients[client].lives
                };
                if lives {
                    register(&self.clients, &self.net, client).await;
                }
            }
            Op::Leave(client) => {
                let replica = {
                    let mut clients = self.clients.lock();
                    clients[client].lives = false;
                    clients[client].replica
                };
                if let Some(app) = at(replica) {
                    call(app, Method::DELETE, &path(client)).await;
                }
            }
            Op::SetStatus(client, status) => {
                let replica = self.rng.random_range(0..REPLICAS);
                if let Some(app) = at(replica) {
                    call(app, Method::PUT, &format!("{}/status?value={status}", path(client))).await;
                }
            }
            Op::TakeStatusBack(client) => {
                let replica = self.rng.random_range(0..REPLICAS);
                if let Some(app) = at(replica) {
                    call(app, Method::DELETE, &format!("{}/status?value=UP", path(client))).await;
                }
            }
            Op::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
    }

    /// SIGKILL.
    fn crash(&mut self, replica: usize) {
        self.net.listens(replica, None);
        self.net.name(replica, false);
        drop(self.replicas[replica].take());
    }

    async fn start(&mut self, replica: usize) {
        if self.replicas[replica].is_some() {
            return;
        }
        let settings = Settings {
            registry: registry::Options {
                enable_self_preservation: false,
                eviction_interval: Duration::from_secs(2),
                ..registry::Options::default()
            },
            replication: replication::Options {
                discovery_service: Some("registry".to_owned()),
                discovery_refresh_interval: Duration::from_secs(1),
                registry_sync_timeout: Duration::from_secs(5),
                hostname: Some(host(replica)),
                ..replication::Options::default()
            },
            ..Settings::default()
        };
        let from = || Arc::new(From { net: Arc::clone(&self.net), replica });
        let access = PeerAccess { discovery: from(), transport: from(), joining: from() };
        let rng = SmallRng::seed_from_u64(self.rng.random());
        let mut node = Node::build(&settings, ([10, 0, 0, 1], 8761).into(), Some(access), self.clock, rng);
        self.net.name(replica, true);
        node.join().await;
        node.accept_traffic();
        self.say(format_args!("registry-{replica} starts with {}", node.registry().len()));
        self.net.listens(replica, Some(node.app().clone()));
        self.replicas[replica] = Some(Replica { node, seen: BTreeMap::new() });
    }

    /// While a replica runs and holds an instance, the version of its data does not go back.
    fn data_never_goes_back(&mut self) {
        for replica in self.replicas.iter_mut().flatten() {
            let held: BTreeMap<String, Timestamp> = replica
                .node
                .registry()
                .snapshot()
                .into_iter()
                .map(|held| (held.info().id().to_owned(), held.info().last_dirty))
                .collect();
            for (id, last_dirty) in &held {
                let before = replica.seen.get(id).copied().unwrap_or(Timestamp::NEVER);
                assert!(*last_dirty >= before, "{id} went back from {before} to {last_dirty}");
            }
            replica.seen = held;
        }
    }

    /// Everybody knows the same; who lives is known, who left is not.
    fn everybody_agrees(&self) {
        let known = |replica: &Replica| -> BTreeMap<String, String> {
            let held = replica.node.registry().snapshot().into_iter();
            held.map(|held| {
                let (info, status_override) = (held.info(), held.lease.status_override());
                let text = format!("{} {status_override:?} {}", info.status, info.last_dirty);
                (info.id().to_owned(), text)
            })
            .collect()
        };
        let all: Vec<BTreeMap<String, String>> = self.replicas.iter().flatten().map(known).collect();
        assert_eq!(all.len(), REPLICAS);
        for (number, other) in all.iter().enumerate() {
            assert_eq!(all[0], *other, "registry-0 and registry-{number} know different things");
        }
        for (number, client) in self.clients.lock().iter().enumerate() {
            let known = all[0].contains_key(&id(number));
            assert_eq!(known, client.lives, "client {number} {client:?}");
        }
    }
}

fn id(client: usize) -> String {
    format!("client-{client}")
}

fn path(client: usize) -> String {
    format!("/eureka/apps/A/{}", id(client))
}

/// A heartbeat as clients send it: to the replica that answered last, else to the next.
async fn renew(clients: &Mutex<Vec<Client>>, net: &Net, number: usize) {
    let client = clients.lock()[number];
    if !client.lives {
        return;
    }
    let Some((replica, app)) = reachable(net, client.replica) else { return };
    clients.lock()[number].replica = replica;
    let heartbeat = format!("{}?status=UP&lastDirtyTimestamp={}", path(number), client.last_dirty);
    if call(app, Method::PUT, &heartbeat).await.status() == 404 {
        register(clients, net, number).await;
    }
}

async fn register(clients: &Mutex<Vec<Client>>, net: &Net, number: usize) {
    let client = clients.lock()[number];
    let Some((replica, app)) = reachable(net, client.replica) else { return };
    clients.lock()[number].replica = replica;
    let body = serde_json::json!({"instance": {
        "instanceId": id(number), "hostName": "h", "app": "A", "ipAddr": "10.0.0.1",
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "leaseInfo": {"renewalIntervalInSecs": RENEWAL.as_secs(), "durationInSecs": RENEWAL.as_secs() * 3},
        "lastDirtyTimestamp": client.last_dirty,
    }});
    let response = handle(app, request(Method::POST, "/eureka/apps/A", body.to_string().into())).await;
    assert_eq!(response.status(), 204);
}

fn reachable(net: &Net, first: usize) -> Option<(usize, App)> {
    (0..REPLICAS).map(|next| (first + next) % REPLICAS).find_map(|replica| Some((replica, net.app(replica)?)))
}

async fn call(app: App, method: Method, path: &str) -> Response {
    handle(app, request(method, path, bytes::Bytes::new())).await
}
