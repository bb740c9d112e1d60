//! [`PeerEurekaNodes`]: the peers that [`Membership`] says there are, each with its queue.

mod driver;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::field::display;
use tracing::{info, warn};

use super::discovery::{Found, LookupError, PeerDiscovery};
use super::membership::{Change, Membership, NameKey, PeerId};
use super::peer_eureka_node::{PeerEurekaNode, Surroundings};
use super::self_check::SelfCheck;
use super::start::{self, Names};
use super::transport::PeerTransport;
use super::{Options, PeerAwareInstanceRegistry, Place, ServiceUrl};
use crate::time::Clock;

/// Maximum callers of other clusters that are remembered, so that each is logged once.
const MOST_STRANGERS: usize = 100;

/// Keeps a queue for each peer, and a task that sends it as soon as the peer is identified.
#[derive(Debug)]
pub struct PeerEurekaNodes {
    options: Options,
    place: Place,
    discovery: Arc<dyn PeerDiscovery>,
    around: Surroundings,
    state: Mutex<State>,
    self_check: SelfCheck,
    /// Callers of other clusters, and the cluster that each named.
    strangers: Mutex<BTreeMap<String, String>>,
    changed: Notify,
    looks: [AtomicU64; Look::ALL.len()],
    /// What the start of this replica waits for; `None` before the first answer of a peer, and after the start.
    waits_for: Mutex<Option<WaitsFor>>,
    /// The name of the cluster that the snapshot has.
    remembered_cluster: OnceLock<String>,
}

/// What a starting replica waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// The copy of this peer's registry, which is under way.
    Copy(ServiceUrl),
    /// Answers that settle whether there is a registry to copy; with those that do not, in words.
    Peers(String),
}

#[derive(Debug)]
struct State {
    membership: Membership,
    nodes: BTreeMap<PeerId, Arc<PeerEurekaNode>>,
    /// Names whose process has to be identified at once.
    ask: BTreeSet<NameKey>,
}

/// The outcome of a lookup of the peers' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Name servers list replicas.
    Found,
    /// Name servers list no replica. That is an answer, but it removes no peer.
    Empty,
    /// The name servers did not answer.
    Failed,
}

impl Look {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Found, Self::Empty, Self::Failed];

    /// In a word, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Empty => "empty",
            Self::Failed => "failed",
        }
    }
}

impl PeerEurekaNodes {
    /// The peers of a replica that serves at `place`, as its peers do on their hosts.
    pub fn new(
        options: Options,
        place: Place,
        peer_aware: &PeerAwareInstanceRegistry,
        (discovery, transport): (Arc<dyn PeerDiscovery>, Arc<dyn PeerTransport>),
        clock: Clock,
    ) -> Self {
        if let Some(cluster) = &options.cluster_name {
            transport.belongs_to(cluster);
        }
        let (registry, peers) = (Arc::clone(peer_aware.registry()), Arc::clone(peer_aware.peers()));
        let (membership, changes) = Membership::new(
            place.clone(),
            options.hostname.as_deref(),
            options.discovery_service.as_deref(),
            &options.service_urls,
        );
        let nodes = Self {
            options,
            place,
            discovery,
            around: Surroundings { registry, peers, transport, clock },
            state: Mutex::new(State { membership, nodes: BTreeMap::new(), ask: BTreeSet::new() }),
            self_check: SelfCheck::default(),
            strangers: Mutex::default(),
            changed: Notify::new(),
            looks: Default::default(),
            waits_for: Mutex::default(),
            remembered_cluster: OnceLock::new(),
        };
        nodes.update(|_| changes);
        nodes
    }

    /// This replica's own service URL, if it knows its own name.
    pub fn own_service_url(&self) -> Option<ServiceUrl> {
        let host = self.options.hostname.as_ref()?;
        Some(self.place.service_url(host, self.place.port))
    }

    /// The names of the users as whom peers are called: all replicas of a cluster use the same.
    pub fn user_names(&self) -> Vec<String> {
        let of_urls = self.options.service_urls.iter().filter_map(ServiceUrl::credentials);
        let names = of_urls.chain([&self.options.discovery_credentials]).map(|user| user.username.clone());
        names.filter(|name| !name.is_empty()).collect()
    }

    /// The names of this replica, of its Service and of the fixed peers.
    pub fn host_names(&self) -> Vec<String> {
        let resolved = self.state.lock().membership.resolved_service().map(str::to_owned);
        let fixed = self.options.service_urls.iter().map(|url| url.host().to_owned());
        let Options { hostname, discovery_service, .. } = &self.options;
        fixed.chain(resolved).chain(hostname.clone()).chain(discovery_service.clone()).collect()
    }

    /// The name of the cluster, if it has one: the configured one, else the full name of the Service, which until it is resolved is the
    /// remembered one.
    pub fn cluster(&self) -> Option<String> {
        let configured = self.options.cluster_name.clone();
        let resolved = || self.state.lock().membership.resolved_service().map(str::to_owned);
        configured.or_else(resolved).or_else(|| self.remembered_cluster.get().cloned())
    }

    /// Takes the name of the cluster that the snapshot has, which is of this cluster, until the Service's name is resolved: while name
    /// servers do not answer, a name from the snapshot may lead to another cluster, and calls without a name are taken there.
    pub fn remember_cluster(&self, name: &str) {
        if self.options.discovery_service.is_some() && self.cluster().is_none() {
            self.remembered_cluster.get_or_init(|| name.to_owned());
            self.around.transport.belongs_to(name);
        }
    }

    /// Whether a cluster's name is another one than this cluster's. Until the Service's name has been resolved in full, the
    /// Service in any domain counts as this cluster.
    pub fn is_another_cluster(&self, name: &str) -> bool {
        let (name, own) = (name.to_ascii_lowercase(), self.cluster());
        let is_in = |short: &str, long: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.'));
        match (own, &self.options.discovery_service) {
            (Some(own), _) => !own.eq_ignore_ascii_case(&name),
            (None, Some(service)) => {
                let service = service.trim_end_matches('.').to_ascii_lowercase();
                service != name && !is_in(&service, &name) && !is_in(&name, &service)
            }
            (None, None) => false,
        }
    }

    /// Whether a caller that names its cluster belongs to another one than this. That is logged once for each caller, until the
    /// caller names another cluster.
    pub fn is_of_another_cluster(&self, caller: &str, cluster: &str) -> bool {
        let is_other = self.is_another_cluster(cluster);
        let own = self.cluster();
        let mut strangers = self.strangers.lock();
        if !is_other {
            strangers.remove(caller);
            return false;
        }
        let is_new = strangers.get(caller).is_none_or(|known| known != cluster);
        let say = is_new && (strangers.len() < MOST_STRANGERS || strangers.contains_key(caller));
        if say {
            strangers.insert(caller.to_owned(), cluster.to_owned());
        }
        drop(strangers);
        if say {
            warn!(
                peer.address = caller,
                peer.cluster = cluster,
                own.cluster = own.unwrap_or_default(),
                "refusing the calls from {caller}: that replica belongs to the cluster {cluster:?}"
            );
        }
        true
    }

    /// Where this process's own server notes the tokens that it receives.
    pub fn self_check(&self) -> &SelfCheck {
        &self.self_check
    }

    /// The replica at this URL is starting, and wants every change from now on. Anybody could send this, and a peer receives all
    /// changes and the peers' password. So only a name under the Service, or a fixed peer's, is accepted.
    pub fn announced(&self, service_url: &ServiceUrl) {
        let now = self.around.clock.now();
        self.update(|state| {
            let changes = state.membership.announced(service_url, now);
            let known = state.membership.names().filter(|(_, url)| *url == service_url).map(|(key, _)| key.clone());
            state.ask.extend(known.collect::<Vec<_>>());
            changes
        });
    }

    /// The replica at this URL, which announced itself, is still starting; it may say what it waits for, in one short line.
    pub fn starting(&self, service_url: &ServiceUrl, waits_for: Option<&str>) {
        let now = self.around.clock.now();
        let state = self.state.lock();
        let peer = state.membership.peer_at(service_url).and_then(|id| state.nodes.get(&id)).cloned();
        drop(state);
        if let Some(peer) = peer {
            peer.starting(waits_for, now);
        }
    }

    /// What the start of this replica waits for; `None` before the first answer of a peer, and after the start.
    pub fn waits_for(&self) -> Option<WaitsFor> {
        self.waits_for.lock().clone()
    }

    pub(super) fn now_waits_for(&self, what: Option<WaitsFor>) {
        *self.waits_for.lock() = what;
    }

    /// Whether a URL that a peer sent may be called.
    pub fn believes(&self, service_url: &ServiceUrl) -> bool {
        self.state.lock().membership.believes(service_url)
    }

    /// The peers to which a newcomer should announce itself: those under the Service. It has fixed ones in its own settings.
    pub fn service_urls_for(&self, newcomer: &ServiceUrl) -> Vec<ServiceUrl> {
        let state = self.state.lock();
        let urls = state.membership.peers().map(|(_, url, _)| url.without_credentials());
        urls.filter(|url| url != newcomer && state.membership.is_under_service(url)).collect()
    }

    /// Looks up the names. New ones are peers from now on.
    ///
    /// # Errors If there is no replica behind the Service, or the name servers do not answer.
    pub async fn look(&self) -> Result<(), LookupError> {
        let Some(service) = &self.options.discovery_service else {
            let known = self.state.lock().membership.names().next().is_some();
            self.count(if known { Look::Found } else { Look::Empty });
            return Ok(());
        };
        match self.discovery.endpoints(service, self.place.port).await {
            Ok(found) => {
                self.count(if found.endpoints.is_empty() { Look::Empty } else { Look::Found });
                self.observe(&found);
                Ok(())
            }
            Err(error) => {
                let is_answer = matches!(error, LookupError::NoSuchName | LookupError::NoRecords);
                self.count(if is_answer { Look::Empty } else { Look::Failed });
                Err(error)
            }
        }
    }

    fn observe(&self, found: &Found) {
        let (now, before) = (self.around.clock.now(), self.cluster());
        self.update(|state| state.membership.observe(found, now));
        if let Some(cluster) = self.cluster().filter(|cluster| before.as_ref() != Some(cluster)) {
            self.around.transport.belongs_to(&cluster);
        }
    }

    /// Looks up the names, and returns the service URLs of those that are known, including fixed ones. This replica's own may be one
    /// of them.
    pub(super) async fn listed(&self) -> Names {
        let looked = self.look().await;
        if let Err(error @ LookupError::NoAnswer(_)) = looked {
            return Names::Unknown(error.to_string());
        }
        let state = self.state.lock();
        let known = state.membership.names().map(|(_, url)| url.clone()).collect();
        if looked.is_ok() {
            return Names::Listed(known);
        }
        let fixed: BTreeSet<ServiceUrl> = state.membership.fixed().cloned().collect();
        Names::Nobody { before: &known - &fixed, fixed }
    }

    /// The service URLs of the replicas that must have been started before this one: those with lower ordinals.
    pub(super) fn started_before(&self) -> Vec<ServiceUrl> {
        let own = self.own_service_url().filter(|url| self.state.lock().membership.is_under_service(url));
        let hosts = own.and(self.options.hostname.as_deref()).map(start::started_before).unwrap_or_default();
        hosts.iter().map(|host| self.place.service_url(host, self.place.port)).collect()
    }

    /// Whether two URLs belong to one replica.
    pub(super) fn is_same_replica(&self, one: &ServiceUrl, other: &ServiceUrl) -> bool {
        self.state.lock().membership.is_same_replica(one, other)
    }

    /// What the tasks of peers need.
    pub(super) fn around(&self) -> &Surroundings {
        &self.around
    }

    /// The peers.
    pub(super) fn peers(&self) -> Arc<Vec<Arc<PeerEurekaNode>>> {
        self.around.peers.all()
    }

    /// Finds out whether this replica's own clock stood still, as that of a suspended machine does, and corrects what depends on it.
    /// To be called about once a second.
    pub fn check_own_clock(&self) {
        self.around.check_own_clock(self.around.clock.now());
    }

    /// The number of lookups by outcome.
    pub fn looks(&self) -> [(Look, u64); Look::ALL.len()] {
        Look::ALL.map(|look| (look, self.looks[look as usize].load(Relaxed)))
    }

    fn count(&self, look: Look) {
        self.looks[look as usize].fetch_add(1, Relaxed);
    }

    /// Checks the invariants of the peers.
    ///
    /// # Errors
    /// The name of the first invariant that does not hold, and what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let state = self.state.lock();
        state.membership.check()?;
        let (peers, nodes) = (state.membership.peers().count(), state.nodes.len());
        if peers != nodes || self.around.peers.all().len() != nodes {
            return Err(format!("a queue for each peer: {peers} peers, {nodes} queues"));
        }
        Ok(())
    }

    /// Changes the membership, and the queues with it, in one step: changes that are accepted afterwards reach every new peer.
    fn update(&self, change: impl FnOnce(&mut State) -> Vec<Change>) {
        let mut state = self.state.lock();
        let changes = change(&mut state);
        let is_changed = !changes.is_empty();
        // A change names peers by their ids. For the log: the URL of the one that goes, and of the one that stays.
        let mut lines = Vec::with_capacity(changes.len());
        for change in changes {
            let (mut gone, mut stays) = (None, None);
            match &change {
                Change::Added(id, url) => {
                    let most = self.options.max_elements_in_peer_replication_pool;
                    state.nodes.insert(*id, Arc::new(PeerEurekaNode::new(url.clone(), most)));
                }
                Change::Renamed(id, url) => {
                    if let Some(node) = state.nodes.get(id) {
                        node.set_service_url(url.clone());
                    }
                }
                Change::Merged(id, into) => {
                    gone = state.nodes.remove(id).map(|node| node.service_url());
                    stays = state.nodes.get(into).map(|node| node.service_url());
                }
                Change::Removed(id) => gone = state.nodes.remove(id).map(|node| node.service_url()),
                Change::IsSelf(_) | Change::Refused(..) => {}
            }
            lines.push((change, gone, stays));
        }
        debug_assert_eq!(state.membership.check(), Ok(()));
        if is_changed {
            self.around.peers.set(state.nodes.values().cloned().collect());
        }
        drop(state);
        lines.iter().for_each(|(change, gone, stays)| say(change, gone.as_deref(), stays.as_deref()));
        self.changed.notify_one();
    }
}

fn say(change: &Change, gone: Option<&ServiceUrl>, stays: Option<&ServiceUrl>) {
    let (gone, stays) = (gone.map(display), stays.map(display));
    match change {
        Change::Added(_, url) => info!(peer.url = %url, "found a peer"),
        Change::Renamed(_, url) => info!(peer.url = %url, "calling a peer by another of its names"),
        Change::Merged(..) => info!(peer.url = stays, other.url = gone, "two service URLs lead to the same peer"),
        Change::Removed(_) => info!(peer.url = gone, "a peer is gone: no name leads to it any more"),
        Change::IsSelf(url) => info!(peer.url = %url, "ignoring own address"),
        Change::Refused(name, why) => warn!(name, %why, "refusing a name as a peer's"),
    }
}
