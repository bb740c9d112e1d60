//! The network between processes: which processes exist, which calls arrive, and where names lead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use eureka_registry::http::Service;
use eureka_registry::replication::ServiceUrl;
use eureka_registry::replication::discovery::{Endpoint, Found, LookingUp, LookupError, PeerDiscovery};
use eureka_registry::replication::transport::{Call, Calling, PeerError, PeerTransport, Reply};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use crate::script::Shape;
use crate::trace::Trace;
use crate::wire;
use crate::world::World;

/// How long a replica waits for a peer's answer, and how long while it starts.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
pub(crate) const PATIENCE_AT_START: Duration = Duration::from_secs(3);
/// A link that loses nothing and delays no more than this is in order.
const ORDERLY_DELAY: u64 = 100;

/// The effects of links on calls, and the processes.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) shape: Shape,
    pub(crate) trace: Trace,
    pub(crate) world: OnceLock<Weak<World>>,
    /// Wakes what waits for a frozen process. (A `watch` channel wakes in random order.)
    thawed: Vec<Notify>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rng: SmallRng,
    services: BTreeMap<usize, Arc<Service>>,
    cut: BTreeSet<(usize, usize)>,
    /// Of a hundred calls: requests lost, answers lost after the request was applied.
    lost: (u8, u8),
    longest_delay: u64,
    /// Whether the name server answers, and the replicas that it lists.
    names_answer: bool,
    named: BTreeSet<usize>,
    wrong_names: BTreeMap<usize, Option<usize>>,
    /// Which of the processes at a place listens there, by number.
    listeners: BTreeMap<usize, u64>,
    /// Connections that are kept, for which no name is asked: by who has it and the name that it was made by, to whom it leads.
    connections: BTreeMap<(usize, usize), (usize, u64)>,
    frozen: BTreeSet<usize>,
    batches: u64,
}

impl State {
    /// To whom a name that is right leads a caller, if to anybody.
    fn named(&self, shape: &Shape, name: usize) -> Option<usize> {
        (self.names_answer && (self.named.contains(&name) || name == shape.replicas)).then_some(name)
    }

    /// To whom a caller has a connection by this name.
    fn connected(&self, from: usize, name: usize) -> Option<usize> {
        let (to, listener) = self.connections.get(&(from, name)).copied()?;
        (self.listeners.get(&to) == Some(&listener)).then_some(to)
    }
}

/// The outcome of one call.
struct Fate {
    /// The name by which its connection is kept.
    name: Option<usize>,
    /// Where it leads; `None` if there is no such name, or nobody says.
    to: Option<usize>,
    is_cut: bool,
    loses_request: bool,
    loses_answer: bool,
    delays: (Duration, Duration),
}

impl Net {
    pub(crate) fn new(seed: u64, shape: &Shape, trace: Trace) -> Arc<Self> {
        let state = State {
            rng: SmallRng::seed_from_u64(seed),
            services: BTreeMap::new(),
            cut: BTreeSet::new(),
            lost: (0, 0),
            longest_delay: 2,
            names_answer: true,
            named: BTreeSet::new(),
            wrong_names: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            frozen: BTreeSet::new(),
            batches: 0,
        };
        let thawed = (0..shape.processes()).map(|_| Notify::new()).collect();
        Arc::new(Self { shape: shape.clone(), trace, world: OnceLock::new(), thawed, state: Mutex::new(state) })
    }

    /// From now on `process` listens, or no longer.
    pub(crate) fn listens(&self, process: usize, service: Option<Arc<Service>>) {
        let mut state = self.state.lock();
        match service {
            Some(service) => {
                *state.listeners.entry(process).or_default() += 1;
                drop(state.services.insert(process, service));
            }
            None => drop(state.services.remove(&process)),
        }
    }

    pub(crate) fn service(&self, process: usize) -> Option<Arc<Service>> {
        self.state.lock().services.get(&process).cloned()
    }

    pub(crate) fn name(&self, replica: usize, named: bool) {
        let mut state = self.state.lock();
        if named {
            state.named.insert(replica);
        } else {
            state.named.remove(&replica);
        }
    }

    pub(crate) fn is_named(&self, replica: usize) -> bool {
        let state = self.state.lock();
        state.names_answer && (state.named.contains(&replica) || replica >= self.shape.replicas)
    }

    /// Whether name servers list it, or do not answer, so that it may exist.
    pub(crate) fn is_named_or_silent(&self, replica: usize) -> bool {
        let state = self.state.lock();
        !state.names_answer || state.named.contains(&replica)
    }

    pub(crate) fn name_leads(&self, replica: usize, wrong: Option<Option<usize>>) {
        let mut state = self.state.lock();
        match wrong {
            Some(to) => drop(state.wrong_names.insert(replica, to)),
            None => drop(state.wrong_names.remove(&replica)),
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

    pub(crate) fn lose(&self, requests: u8, answers: u8, longest_delay: u64) {
        let mut state = self.state.lock();
        (state.lost, state.longest_delay) = ((requests, answers), longest_delay);
    }

    pub(crate) fn heal(&self) {
        let mut state = self.state.lock();
        state.cut.clear();
        state.wrong_names.clear();
        (state.lost, state.longest_delay, state.names_answer) = ((0, 0), 2, true);
    }

    pub(crate) fn freeze(&self, process: usize, frozen: bool) {
        if frozen {
            self.state.lock().frozen.insert(process);
        } else {
            self.state.lock().frozen.remove(&process);
            self.thawed[process].notify_waiters();
        }
    }

    /// Returns when the process runs.
    pub(crate) async fn runs(&self, process: usize) {
        loop {
            let thawed = self.thawed[process].notified();
            if !self.state.lock().frozen.contains(&process) {
                return;
            }
            thawed.await;
        }
    }

    /// Whether both are open, and calls from one to the other arrive in time.
    pub(crate) fn is_orderly(&self, from: usize, to: usize) -> bool {
        let is_found = {
            let state = self.state.lock();
            let both_listen = state.services.contains_key(&from) && state.services.contains_key(&to);
            both_listen && state.named(&self.shape, to).or_else(|| state.connected(from, to)) == Some(to)
        };
        is_found && self.is_way_clear(from, to)
    }

    /// Whether calls from one to the other are neither lost nor late.
    pub(crate) fn is_way_clear(&self, from: usize, to: usize) -> bool {
        let state = self.state.lock();
        !state.frozen.contains(&from)
            && !state.frozen.contains(&to)
            && !state.cut.contains(&(from, to))
            && !state.wrong_names.contains_key(&to)
            // Who is told another name for it, may take the two for one, or for two.
            && !state.wrong_names.values().any(|leads| *leads == Some(to))
            && state.lost == (0, 0)
            && state.longest_delay <= ORDERLY_DELAY
    }

    pub(crate) fn leads_right(&self, replica: usize) -> bool {
        !self.state.lock().wrong_names.contains_key(&replica)
    }

    /// How many batches our replicas sent.
    pub(crate) fn batches(&self) -> u64 {
        self.state.lock().batches
    }

    fn fate(&self, from: usize, service_url: &ServiceUrl, call: &Call) -> Fate {
        let name = self.process_of(service_url);
        let keeps_connections = !matches!(call, Call::Identify { .. });
        let mut state = self.state.lock();
        state.batches += u64::from(matches!(call, Call::Batch(_)));
        let to = name.and_then(|name| {
            let by_connection = || state.connected(from, name).filter(|_| keeps_connections);
            let found = state.named(&self.shape, name).or_else(by_connection);
            // A Java server cannot tell clusters apart: where it is led astray, so are all.
            let is_led = state.names_answer && Some(from) != self.shape.java();
            let wrong = state.wrong_names.get(&name).filter(|_| is_led);
            wrong.copied().unwrap_or(found)
        });
        let (requests, answers) = state.lost;
        let longest = state.longest_delay;
        let of_a_hundred: u8 = state.rng.random_range(0..100);
        let mut delay = || Duration::from_millis(state.rng.random_range(1..=longest.max(1)));
        let delays = (delay(), delay());
        Fate {
            name: name.filter(|_| keeps_connections),
            to,
            is_cut: to.is_some_and(|to| state.cut.contains(&(from, to))),
            loses_request: of_a_hundred < requests,
            loses_answer: of_a_hundred >= 100 - answers,
            delays,
        }
    }

    /// Forgets a caller's connections.
    fn disconnect(&self, from: usize) {
        self.state.lock().connections.retain(|(caller, _), _| *caller != from);
    }

    fn process_of(&self, service_url: &ServiceUrl) -> Option<usize> {
        (0..self.shape.processes()).find(|process| host(&self.shape, *process) == service_url.host())
    }

    async fn call(
        self: Arc<Self>,
        (from, patience, cluster): (usize, Duration, Option<String>),
        service_url: &ServiceUrl,
        call: Call,
    ) -> Result<Reply, PeerError> {
        self.runs(from).await;
        let kind = wire::kind(&call);
        let fate = self.fate(from, service_url, &call);
        let result = timeout(patience, Arc::clone(&self).carry(from, fate, call, cluster))
            .await
            .unwrap_or(Err(PeerError::Timeout));
        self.runs(from).await;
        self.trace.say(format_args!("{from} calls {service_url} {kind}: {}", wire::shown(&result)));
        result
    }

    async fn carry(
        self: Arc<Self>,
        from: usize,
        fate: Fate,
        call: Call,
        cluster: Option<String>,
    ) -> Result<Reply, PeerError> {
        let Some(to) = fate.to else {
            let says_nothing = || PeerError::Unresolved("the name server does not answer".to_owned());
            return Err(if self.state.lock().names_answer { PeerError::NoSuchName } else { says_nothing() });
        };
        sleep(fate.delays.0).await;
        if fate.is_cut || fate.loses_request {
            std::future::pending::<()>().await;
        }
        if self.service(to).is_none() {
            return Err(PeerError::Refused);
        }
        if let Some(name) = fate.name {
            let mut state = self.state.lock();
            let listener = state.listeners.get(&to).copied().unwrap_or_default();
            state.connections.insert((from, name), (to, listener));
        }
        let (answer, answered) = oneshot::channel();
        let net = Arc::clone(&self);
        // A call that arrived is worked on even if the caller no longer waits.
        tokio::spawn(async move {
            net.runs(to).await;
            let Some(service) = net.service(to) else { return };
            let between_ours = net.shape.java().is_none_or(|java| java != from && java != to);
            let reply = wire::deliver(&service, call, cluster, between_ours).await;
            net.applied(to);
            let _caller_is_gone = answer.send(reply);
        });
        let broken = || PeerError::Broken("the connection was lost".to_owned());
        let reply = answered.await.map_err(|_crashed| broken())?;
        sleep(fate.delays.1).await;
        self.applied(from);
        if fate.loses_answer {
            return Err(broken());
        }
        if let Some(world) = self.world.get().and_then(Weak::upgrade) {
            world.state.lock().was_answered(from, to, world.now());
        }
        Ok(reply)
    }

    /// Something was done at `process`: checks the invariants.
    pub(crate) fn applied(&self, process: usize) {
        if let Some(world) = self.world.get().and_then(Weak::upgrade) {
            world.inspect(process);
        }
    }
}

/// One process's way to the others.
#[derive(Debug)]
pub(crate) struct From {
    pub(crate) net: Arc<Net>,
    pub(crate) process: usize,
    pub(crate) patience: Duration,
    pub(crate) cluster: Mutex<Option<String>>,
}

impl PeerTransport for From {
    fn call<'a>(&'a self, service_url: &'a ServiceUrl, call: Call) -> Calling<'a> {
        let cluster = self.cluster.lock().clone();
        Box::pin(Arc::clone(&self.net).call((self.process, self.patience, cluster), service_url, call))
    }

    fn belongs_to(&self, cluster: &str) {
        *self.cluster.lock() = Some(cluster.to_owned());
    }

    fn moved(&self, _service_url: &ServiceUrl) {
        self.net.disconnect(self.process);
    }
}

impl PeerDiscovery for From {
    fn endpoints<'a>(&'a self, service: &'a str, port: u16) -> LookingUp<'a> {
        Box::pin(async move {
            self.net.runs(self.process).await;
            let state = self.net.state.lock();
            if !state.names_answer {
                return Err(LookupError::NoAnswer("the name server is gone".to_owned()));
            }
            let stranger = self.net.shape.stranger();
            let named = state.named.iter().copied().filter(|named| (*named == stranger) == (service == "other"));
            let endpoints: BTreeSet<Endpoint> =
                named.map(|replica| Endpoint { host: host(&self.net.shape, replica), port }).collect();
            if endpoints.is_empty() {
                Err(LookupError::NoRecords)
            } else {
                Ok(Found { service: service.to_owned(), endpoints })
            }
        })
    }
}

/// What a process is called.
pub(crate) fn host(shape: &Shape, process: usize) -> String {
    match process {
        java if java == shape.replicas => format!("java-{java}.local"),
        stranger if stranger == shape.stranger() => format!("other-{}.other", stranger - shape.stranger()),
        replica => format!("registry-{replica}.registry"),
    }
}
