//! [`Driver`]: looks up the names of peers, identifies the process behind each, and runs the tasks of identified peers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::PeerEurekaNodes;
use crate::replication::ServiceUrl;
use crate::replication::discovery::LookupError;
use crate::replication::membership::{Identity, NameKey, PeerId};
use crate::replication::peer_eureka_node::Ended;
use crate::replication::protocol;
use crate::replication::reachability::{PeerHealth, Say};
use crate::replication::transport::{Call, PeerError, Reply};
use crate::time::Timestamp;

/// The first pause before a name that did not answer is identified again; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Minimum time between two lookups, however many replicas announce themselves.
const SHORTEST_BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What a task has done, and its outcome.
enum Done {
    Looked(Result<(), LookupError>),
    Asked(Box<(NameKey, ServiceUrl)>, Result<Asked, Unknown>),
    Ran(PeerId, Ended),
}

/// The process that answered; the answer; and the times of the question and of the answer.
pub(in crate::replication) struct Asked {
    pub(in crate::replication) identity: Identity,
    answer: Option<(Timestamp, Reply, Timestamp)>,
}

/// Why a name did not say who answers there.
struct Unknown {
    reason: String,
    /// Whether the name servers failed. That says nothing of the name: connections that were made by it may be open.
    is_unresolved: bool,
}

impl Unknown {
    fn because(reason: String) -> Self {
        Self { reason, is_unresolved: false }
    }
}

/// One name that is asked who it is.
struct Asking {
    due: Timestamp,
    pause: Duration,
    under_way: bool,
    health: PeerHealth,
}

struct Driver {
    nodes: Arc<PeerEurekaNodes>,
    rng: SmallRng,
    next_look: Timestamp,
    looking: bool,
    /// Why the last lookup failed, if it did and that was logged.
    complaint: Option<LookupError>,
    asking: BTreeMap<NameKey, Asking>,
    running: BTreeMap<PeerId, CancellationToken>,
    calls: JoinSet<Done>,
    runs: JoinSet<Done>,
}

impl Driver {
    fn new(nodes: Arc<PeerEurekaNodes>, seed: u64) -> Self {
        Self {
            next_look: nodes.around.clock.now(),
            nodes,
            rng: SmallRng::seed_from_u64(seed),
            looking: false,
            complaint: None,
            asking: BTreeMap::new(),
            running: BTreeMap::new(),
            calls: JoinSet::new(),
            runs: JoinSet::new(),
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        let nodes = Arc::clone(&self.nodes);
        loop {
            self.start_what_is_due();
            let pause = self.next_due().since(nodes.around.clock.now()).max(Duration::from_millis(1));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = self.runs.join_next() => self.done(done),
                Some(done) = self.calls.join_next() => self.done(done),
                () = nodes.changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.calls.shutdown().await;
        self.running.values().for_each(CancellationToken::cancel);
        while self.runs.join_next().await.is_some() {}
    }

    fn next_due(&self) -> Timestamp {
        let asked = self.asking.values().filter(|asking| !asking.under_way).map(|asking| asking.due);
        let looked = if self.looking { Timestamp(i64::MAX) } else { self.next_look };
        asked.chain([looked]).min().unwrap_or(looked)
    }

    /// Starts lookups, identifications and tasks of peers that are due; stops the tasks of those that are no longer peers.
    fn start_what_is_due(&mut self) {
        let now = self.nodes.around.clock.now();
        if !self.looking && now >= self.next_look {
            self.looking = true;
            let nodes = Arc::clone(&self.nodes);
            self.calls.spawn(async move { Done::Looked(nodes.look().await) });
        }
        let mut state = self.nodes.state.lock();
        let at_once = std::mem::take(&mut state.ask);
        let names: BTreeMap<NameKey, ServiceUrl> =
            state.membership.names().map(|(key, url)| (key.clone(), url.clone())).collect();
        let peers: Vec<_> = state.membership.peers().map(|(id, _, identity)| (id, identity.cloned())).collect();
        let nodes = state.nodes.clone();
        drop(state);
        self.ask_names(&names, &at_once, now);
        let is_peer = |id: &PeerId| nodes.contains_key(id);
        self.running.iter().filter(|(id, _)| !is_peer(id)).for_each(|(_, stop)| stop.cancel());
        for (id, identity) in peers {
            let (Some(identity), Some(node)) = (identity, nodes.get(&id)) else { continue };
            if self.running.contains_key(&id) {
                continue;
            }
            node.identified(identity, now);
            let (node, around, stop) = (Arc::clone(node), self.nodes.around.clone(), CancellationToken::new());
            self.running.insert(id, stop.clone());
            let seed = self.rng.random();
            self.runs.spawn(async move { Done::Ran(id, node.run(&around, seed, &stop).await) });
        }
    }

    fn ask_names(&mut self, names: &BTreeMap<NameKey, ServiceUrl>, at_once: &BTreeSet<NameKey>, now: Timestamp) {
        self.asking.retain(|key, asking| asking.under_way || names.contains_key(key));
        for (key, url) in names {
            let new = || Asking { due: now, pause: FIRST_PAUSE, under_way: false, health: PeerHealth::default() };
            let asking = self.asking.entry(key.clone()).or_insert_with(new);
            if at_once.contains(key) {
                asking.due = now;
                asking.pause = FIRST_PAUSE;
                self.next_look = self.next_look.min(now + SHORTEST_BETWEEN_LOOKS);
            }
            if asking.under_way || asking.due > now {
                continue;
            }
            asking.under_way = true;
            let token = format!("{:032x}", self.rng.random::<u128>());
            let (nodes, key, url) = (Arc::clone(&self.nodes), key.clone(), url.clone());
            self.calls.spawn(async move {
                let who = nodes.ask(&url, token).await;
                Done::Asked(Box::new((key, url)), who)
            });
        }
    }

    fn done(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Looked(outcome)) => self.looked(outcome),
            Ok(Done::Asked(name, who)) => self.asked(&name.0, &name.1, who),
            Ok(Done::Ran(id, ended)) => self.ran(id, ended),
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }

    /// Every name is identified again: its address may belong to another process by now.
    fn looked(&mut self, outcome: Result<(), LookupError>) {
        let now = self.nodes.around.clock.now();
        self.looking = false;
        let interval = self.nodes.options.discovery_refresh_interval.mul_f64(self.rng.random_range(0.8..1.2));
        self.next_look = now + interval.max(SHORTEST_BETWEEN_LOOKS);
        self.asking.values_mut().for_each(|asking| asking.due = asking.due.min(now));
        match outcome {
            Ok(()) if self.complaint.take().is_some() => info!("name servers list peers again"),
            Ok(()) => {}
            Err(error) => {
                let service = self.nodes.options.discovery_service.as_deref().unwrap_or_default();
                if self.complaint.as_ref().is_none_or(|said| !is_same_kind(said, &error)) {
                    warn!(service, %error, "looking up peers failed; keeping the known ones");
                }
                self.complaint = Some(error);
            }
        }
    }

    fn asked(&mut self, key: &NameKey, url: &ServiceUrl, who: Result<Asked, Unknown>) {
        let now = self.nodes.around.clock.now();
        let Some(asking) = self.asking.get_mut(key) else { return };
        asking.under_way = false;
        match who {
            Ok(who) => {
                asking.due = Timestamp(i64::MAX);
                asking.pause = FIRST_PAUSE;
                let say = asking.health.answered(now);
                if let Some(Say::Back { after }) = say {
                    info!(peer.url = %url, unreachable_secs = after.as_secs(), "peer is up again");
                }
                self.nodes.identified(key, url, &who);
            }
            Err(unknown) => {
                asking.due = now + asking.pause;
                asking.pause = (asking.pause * 2).min(LONGEST_PAUSE);
                if self.nodes.unanswered(key, &unknown, now) {
                    // The peer's own task says how it fares.
                    asking.due = Timestamp(i64::MAX);
                } else if let Some(Say::Unreachable { reason }) = asking.health.failed(&unknown.reason, now) {
                    warn!(peer.url = %url, reason, "peer is unreachable");
                }
            }
        }
    }

    fn ran(&mut self, id: PeerId, ended: Ended) {
        self.running.remove(&id);
        if ended == Ended::AnotherProcess {
            let now = self.nodes.around.clock.now();
            for key in self.nodes.unidentified(id) {
                if let Some(asking) = self.asking.get_mut(&key) {
                    asking.due = asking.due.min(now + FIRST_PAUSE);
                }
            }
        }
    }
}

/// Whether two failures differ only in details such as times and ports.
fn is_same_kind(one: &LookupError, other: &LookupError) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

impl PeerEurekaNodes {
    /// Follows the names until `stop`; then empties the queues.
    pub async fn run(self: Arc<Self>, seed: u64, stop: CancellationToken) {
        Driver::new(self, seed).run(stop).await;
    }

    /// Asks who answers at a URL: this process if its own server receives the token, whatever the answer says.
    async fn ask(&self, url: &ServiceUrl, token: String) -> Result<Asked, Unknown> {
        self.self_check.begin(token.clone());
        let sent = self.around.clock.now();
        let outcome = self.around.transport.call(url, Call::Identify { token: token.clone() }).await;
        let received = self.around.clock.now();
        if self.self_check.end(&token) {
            return Ok(Asked { identity: Identity::Itself, answer: None });
        }
        let reply = outcome.map_err(|error| self.unknown(&error))?;
        match self.complaint(&reply) {
            Some(complaint) => Err(Unknown::because(complaint)),
            None => {
                let identity = reply.node.clone().map_or(Identity::Another, Identity::Ours);
                Ok(Asked { identity, answer: Some((sent, reply, received)) })
            }
        }
    }

    fn unknown(&self, error: &PeerError) -> Unknown {
        if matches!(error, PeerError::Timeout) {
            let patience = self.options.peer_node_read_timeout.as_secs_f64();
            return Unknown::because(format!("no answer within {patience} s"));
        }
        Unknown { reason: error.to_string(), is_unresolved: matches!(error, PeerError::Unresolved(_)) }
    }

    /// Why an answer does not identify a peer.
    fn complaint(&self, reply: &Reply) -> Option<String> {
        if let Some(theirs) = reply.cluster.as_ref().filter(|theirs| self.is_another_cluster(theirs)) {
            return Some(format!("belongs to cluster {theirs}"));
        }
        matches!(reply.status, 401 | 403 | 404 | 409 | 500..).then(|| protocol::complaint(reply.status))
    }

    fn identified(&self, key: &NameKey, url: &ServiceUrl, Asked { identity, answer }: &Asked) {
        let mut is_another = false;
        let mut is_first = false;
        self.update(|state| {
            let before = state.membership.peer_of(key).and_then(|peer| state.membership.identity(peer)).cloned();
            is_another = before.as_ref().is_some_and(|before| before != identity);
            is_first = before.is_none() && *identity != Identity::Itself;
            state.membership.identified(key, identity)
        });
        // Only now: the name may have been one of another peer, and this one has just become one.
        let state = self.state.lock();
        let node = state.membership.peer_of(key).and_then(|peer| state.nodes.get(&peer)).cloned();
        drop(state);
        if let (Some(node), Some((sent, reply, received))) = (node, answer) {
            node.observe_clock(&self.around, *sent, reply, *received);
        }
        if is_another {
            self.around.transport.moved(url);
        }
        if is_first {
            let kind = if *identity == Identity::Another { "another Eureka server" } else { "eureka-registry" };
            info!(peer.url = %url, kind, "peer is up");
        }
    }

    /// Notes that a name did not answer. Returns whether its process was identified before.
    fn unanswered(&self, key: &NameKey, unknown: &Unknown, now: Timestamp) -> bool {
        let mut is_known = false;
        self.update(|state| {
            let changes = if unknown.is_unresolved { Vec::new() } else { state.membership.unanswered(key) };
            let peer = state.membership.peer_of(key);
            is_known = peer.is_none_or(|peer| state.membership.identity(peer).is_some());
            if let (false, Some(node)) = (is_known, peer.and_then(|peer| state.nodes.get(&peer))) {
                node.unidentified(&unknown.reason, now);
            }
            changes
        });
        is_known
    }

    /// Notes that another process answers for a peer, whose names have to be identified again.
    fn unidentified(&self, id: PeerId) -> Vec<NameKey> {
        let mut keys = Vec::new();
        let mut url = None;
        self.update(|state| {
            state.membership.unidentified(id);
            keys = state.membership.names_of(id).cloned().collect();
            url = state.nodes.get(&id).map(|node| node.service_url());
            Vec::new()
        });
        if let Some(url) = url {
            self.around.transport.moved(&url);
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{self, InstanceRegistry, PeerMemory};
    use crate::replication::discovery::{Endpoint, Found};
    use crate::replication::nobody::Nobody;
    use crate::replication::{Options, PeerAwareInstanceRegistry, Place};
    use crate::time::Clock;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn answer(node: &str) -> Asked {
        let (node, body) = (Some(node.to_owned()), Vec::new().into());
        let (time, memory, peers) = (Some(NOW), PeerMemory::Whole, Vec::new());
        let reply = Reply { status: 200, node: node.clone(), time, memory, peers, cluster: None, body };
        Asked { identity: Identity::Ours(node.unwrap_or_default()), answer: Some((NOW, reply, NOW)) }
    }

    fn nodes(options: Options) -> PeerEurekaNodes {
        let registry = Arc::new(InstanceRegistry::new(registry::Options::default(), 1, NOW));
        let peer_aware = PeerAwareInstanceRegistry::new(registry, &options);
        let place = Place { scheme: "http", port: 8761, context_path: String::new() };
        let (discovery, transport) = (Arc::new(Nobody), Arc::new(Nobody));
        PeerEurekaNodes::new(options, place, &peer_aware, (discovery, transport), Clock::starting_at(NOW))
    }

    /// Two URLs, where anybody may answer.
    fn two() -> ([ServiceUrl; 2], [NameKey; 2], PeerEurekaNodes) {
        let urls = ["one", "two"].map(|host| ServiceUrl::new("http", host, 8761, "/eureka/"));
        let nodes = nodes(Options { service_urls: urls.to_vec(), ..Options::default() });
        let names = urls.clone().map(NameKey::Url);
        (urls, names, nodes)
    }

    /// A peer whose clock is unknown is sent what a Java server is sent, without the times of renewals.
    #[tokio::test(start_paused = true)]
    async fn the_clock_of_a_peer_is_known_from_its_first_answer_on() {
        let (urls, [one, two], nodes) = two();
        let known = || nodes.peers().iter().map(|peer| peer.is_ours()).collect::<Vec<_>>();
        assert_eq!(known(), [false, false]);
        nodes.identified(&one, &urls[0], &answer("a"));
        assert_eq!(known(), [true, false]);
        nodes.identified(&two, &urls[1], &answer("a"));
        assert_eq!(known(), [true], "both names lead to one peer");
        nodes.identified(&two, &urls[1], &answer("b"));
        assert_eq!(known(), [true, true], "one of them moves to another, which becomes a peer by that");
    }

    /// A peer is called by a name that answers; where the name servers fail, by the one to which it has connections.
    #[tokio::test(start_paused = true)]
    async fn name_servers_that_fail_make_nobody_change_the_name_of_a_peer() {
        let (urls, [one, two], nodes) = two();
        for (name, url) in [(&one, &urls[0]), (&two, &urls[1])] {
            nodes.identified(name, url, &answer("a"));
        }
        let called = || nodes.peers().iter().map(|peer| peer.shown_url()).collect::<Vec<_>>();
        let unresolved = nodes.unknown(&PeerError::Unresolved("no name server answers".to_owned()));
        assert!(nodes.unanswered(&one, &unresolved, NOW), "who it is, is known from before");
        assert_eq!(called(), [urls[0].to_string()]);
        nodes.unanswered(&one, &nodes.unknown(&PeerError::NoSuchName), NOW);
        assert_eq!(called(), [urls[1].to_string()], "that is an answer");
    }

    #[tokio::test(start_paused = true)]
    async fn the_cluster_of_the_snapshot_counts_until_the_service_is_resolved() {
        let by_service = || Options { discovery_service: Some("registry".to_owned()), ..Options::default() };
        let remembering = |options| {
            let nodes = nodes(options);
            nodes.remember_cluster("registry.default.svc");
            nodes
        };
        let by_snapshot = remembering(by_service());
        assert_eq!(by_snapshot.cluster().as_deref(), Some("registry.default.svc"));
        assert!(by_snapshot.is_another_cluster("registry.test.svc"), "without the snapshot it may be the same Service");
        assert!(!nodes(by_service()).is_another_cluster("registry.test.svc"));
        let listed = Endpoint { host: "registry-1.registry.moved.svc".to_owned(), port: 8761 };
        by_snapshot.observe(&Found { service: "registry.moved.svc".to_owned(), endpoints: [listed].into() });
        assert_eq!(by_snapshot.cluster().as_deref(), Some("registry.moved.svc"));
        let named = Options { cluster_name: Some("shop".to_owned()), ..by_service() };
        assert_eq!(remembering(named).cluster().as_deref(), Some("shop"));
        assert_eq!(remembering(Options::default()).cluster(), None, "the peers are named by their URLs");
    }
}
