//! [`PeerEurekaNodes`]: which peers there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::discovery::{Endpoint, LookupError, PeerDiscovery};
use super::peer_eureka_node::{Ended, PeerEurekaNode, Peers, Surroundings, shown};
use super::transport::PeerTransport;
use super::{Options, PeerAwareInstanceRegistry, eviction, start};
use crate::time::{Clock, Timestamp};

/// So many answers in a row have to lack a name before its peer is forgotten.
const ANSWERS_WITHOUT: u32 = 2;
/// No more replicas than these start at a time; each has a queue.
const MOST_NEWCOMERS: usize = 100;
/// So long a newcomer that announced itself is kept though no name confirms it.
const NEWCOMER_KEPT: std::time::Duration = std::time::Duration::from_secs(60);

/// Keeps the set of peers as the names say, and a task for each.
///
/// A name is a peer from the moment it is seen: what changes from then on waits in its queue. Whether it is this process
/// itself only its answer tells, by the node id; names are not compared. A failed or empty answer to a query removes nobody.
#[derive(Debug)]
pub struct PeerEurekaNodes {
    options: Options,
    place: Place,
    discovery: Arc<dyn PeerDiscovery>,
    around: Surroundings,
    peers: Arc<Peers>,
    /// Starting replicas that announced themselves, by service URL. Each has its queue from that moment; the task that
    /// empties it follows with the next look.
    announced: Mutex<BTreeMap<String, Newcomer>>,
    /// The domains of the names that name servers gave: whole ones, where the Service is called by a short one.
    domains: Mutex<BTreeSet<String>>,
    look: Notify,
    looks: [AtomicU64; Look::ALL.len()],
}

/// Where replicas serve: all of a cluster alike, but for their hosts.
#[derive(Clone, Debug)]
pub struct Place {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The port, for those whose port nobody says.
    pub port: u16,
    /// What stands before `/eureka`.
    pub context_path: String,
}

/// What came of a look at the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// There are names.
    Found,
    /// There is none: an answer, but not one that takes anybody out.
    Empty,
    /// The name servers did not answer.
    Failed,
}

impl Look {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Found, Self::Empty, Self::Failed];

    /// In a word, for figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Empty => "empty",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug)]
struct Newcomer {
    node: Arc<PeerEurekaNode>,
    at: Timestamp,
}

#[derive(Debug)]
struct Known {
    node: Arc<PeerEurekaNode>,
    stop: CancellationToken,
    missed: u32,
}

impl PeerEurekaNodes {
    /// The peers of a replica that is called `own_node` and serves at `place`, as they do.
    pub fn new(
        options: Options,
        place: Place,
        peer_aware: &PeerAwareInstanceRegistry,
        (discovery, transport): (Arc<dyn PeerDiscovery>, Arc<dyn PeerTransport>),
        clock: Clock,
        own_node: String,
    ) -> Self {
        let registry = Arc::clone(peer_aware.registry());
        let around = Surroundings { registry, transport, clock, own_node };
        Self {
            options,
            place,
            discovery,
            around,
            peers: Arc::clone(peer_aware.peers()),
            announced: Mutex::default(),
            domains: Mutex::default(),
            look: Notify::new(),
            looks: Default::default(),
        }
    }

    /// This replica's own service URL, if it knows what it is called.
    pub fn own_service_url(&self) -> Option<String> {
        let host = self.options.hostname.as_ref()?;
        Some(self.service_url(&Endpoint { host: host.clone(), port: self.place.port }))
    }

    fn service_url(&self, endpoint: &Endpoint) -> String {
        let Place { scheme, context_path, .. } = &self.place;
        format!("{scheme}://{}:{}{context_path}/eureka/", endpoint.host, endpoint.port)
    }

    /// A starting replica asked for a copy, and says that it will serve at this URL. Anybody can say so, and what is told to a peer
    /// are all changes, and the password for peers: only a name under the discovered Service is believed, or a fixed peer's.
    pub fn announced(&self, service_url: &str) {
        let believed = host_of(service_url, &self.place).is_some_and(|host| self.is_known_to_be_under_service(host))
            || self.options.service_urls.iter().any(|url| url == service_url);
        if believed && self.announced.lock().len() < MOST_NEWCOMERS {
            self.announce(service_url);
        }
    }

    fn is_known_to_be_under_service(&self, host: &str) -> bool {
        let domain = |host: &'_ str| -> Option<String> { Some(host.split_once('.')?.1.to_ascii_lowercase()) };
        let (Some(service), Some(of_newcomer)) = (&self.options.discovery_service, domain(host)) else { return false };
        let service = service.trim_end_matches('.');
        let own = self.options.hostname.as_deref().and_then(domain);
        // Whoever calls the Service by a longer name than it has itself is believed where name servers do so, too.
        of_newcomer == service
            || service.strip_prefix(&*of_newcomer).is_some_and(|rest| rest.starts_with('.'))
            || own.is_some_and(|own| own == of_newcomer)
            || self.domains.lock().contains(&of_newcomer)
    }

    /// From now on the replica with this service URL is told what changes, until the names confirm it: one that stands under
    /// the discovered Service, or among the fixed peers.
    pub fn announce(&self, service_url: &str) {
        if !self.is_under_service(service_url) && !self.options.service_urls.iter().any(|url| url == service_url) {
            return;
        }
        let at = self.around.clock.now();
        let mut announced = self.announced.lock();
        let all = self.peers.all();
        let known = all.iter().find(|peer| self.is_same_replica(peer.service_url(), service_url));
        let node = known.cloned().unwrap_or_else(|| self.node(service_url));
        if known.is_none() {
            self.peers.set(all.iter().cloned().chain([Arc::clone(&node)]).collect());
        }
        announced.insert(service_url.to_owned(), Newcomer { node, at });
        self.look.notify_one();
    }

    /// The peers that a newcomer should announce itself to: those under the Service. Fixed ones it has from its own settings,
    /// and their URLs may hold passwords.
    pub fn service_urls_for(&self, newcomer: &str) -> Vec<String> {
        let all = self.peers.all();
        let urls = all.iter().map(|peer| peer.service_url());
        urls.filter(|url| *url != newcomer && self.is_under_service(url)).map(str::to_owned).collect()
    }

    fn is_under_service(&self, service_url: &str) -> bool {
        self.options.discovery_service.as_ref().is_some_and(|service| {
            host_of(service_url, &self.place)
                .and_then(|host| host.split_once('.'))
                .is_some_and(|(_, domain)| domain.split('.').next() == service.split('.').next())
        })
    }

    /// The service URLs of the replicas that must have been started before this one: those with lower ordinals.
    pub(super) fn started_before(&self) -> Vec<String> {
        let own = self.own_service_url().filter(|url| self.is_under_service(url));
        let hosts = own.and(self.options.hostname.as_deref()).map(start::started_before).unwrap_or_default();
        hosts.into_iter().map(|host| self.service_url(&Endpoint { host, port: self.place.port })).collect()
    }

    /// Whether two service URLs are of one pod: it calls itself by a short name, where an SRV record has the whole one.
    pub(super) fn is_same_replica(&self, one: &str, other: &str) -> bool {
        let pod = |url: &'_ str| -> Option<String> { Some(host_of(url, &self.place)?.split_once('.')?.0.to_owned()) };
        one == other || (self.is_under_service(one) && self.is_under_service(other) && pod(one) == pod(other))
    }

    fn node(&self, service_url: &str) -> Arc<PeerEurekaNode> {
        let most = self.options.max_elements_in_peer_replication_pool;
        Arc::new(PeerEurekaNode::new(service_url.to_owned(), most))
    }

    /// The service URLs that the names give now, fixed ones among them; this replica's own may be one.
    ///
    /// # Errors
    /// If the name servers do not answer.
    pub async fn service_urls(&self) -> Result<BTreeSet<String>, LookupError> {
        let mut urls: BTreeSet<String> = self.options.service_urls.iter().cloned().collect();
        if let Some(service) = &self.options.discovery_service {
            let found = self.discovery.endpoints(service, self.place.port).await?;
            let domains = found.iter().filter_map(|endpoint| endpoint.host.split_once('.'));
            *self.domains.lock() = domains.map(|(_, domain)| domain.to_ascii_lowercase()).collect();
            urls.extend(found.iter().map(|endpoint| self.service_url(endpoint)));
        }
        Ok(urls)
    }

    /// What the tasks of peers work with.
    pub(super) fn around(&self) -> &Surroundings {
        &self.around
    }

    /// Asks the peers whether they have heard of the instances that are about to be evicted.
    pub async fn ask_before_eviction(&self) {
        eviction::ask_peers(&self.peers.all(), &self.around).await;
    }

    /// How often the names were looked at, by what came of it.
    pub fn looks(&self) -> [(Look, u64); Look::ALL.len()] {
        Look::ALL.map(|look| (look, self.looks[look as usize].load(Relaxed)))
    }

    fn count(&self, look: Look) {
        self.looks[look as usize].fetch_add(1, Relaxed);
    }

    /// Follows the names until told to stop; then empties the queues.
    pub async fn run(self: Arc<Self>, seed: u64, stop: CancellationToken) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        let mut selves: BTreeSet<String> = BTreeSet::new();
        let mut tasks: JoinSet<(String, Ended)> = JoinSet::new();
        let mut complained = false;
        loop {
            match self.service_urls().await {
                Ok(urls) => {
                    self.count(if urls.is_empty() { Look::Empty } else { Look::Found });
                    complained = false;
                    self.follow(&urls, &mut known, &selves, &mut tasks, &mut rng);
                }
                Err(error) => {
                    self.count(Look::Failed);
                    if !std::mem::replace(&mut complained, true) {
                        warn!(%error, "cannot look peers up; keeping those that are known");
                    }
                }
            }
            let pause = self.options.discovery_refresh_interval.mul_f64(rng.random_range(0.8..1.2));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(Ok((url, Ended::IsSelf))) = tasks.join_next(), if !tasks.is_empty() => {
                    info!(peer.url = shown(&url), "this is the replica itself, no peer");
                    known.remove(&url);
                    selves.insert(url);
                    self.publish(&known);
                }
                () = self.look.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        known.values().for_each(|peer| peer.stop.cancel());
        while tasks.join_next().await.is_some() {}
    }

    fn follow(
        &self,
        urls: &BTreeSet<String>,
        known: &mut BTreeMap<String, Known>,
        selves: &BTreeSet<String>,
        tasks: &mut JoinSet<(String, Ended)>,
        rng: &mut SmallRng,
    ) {
        let now = self.around.clock.now();
        let mut announced = self.announced.lock();
        let confirmed = |newcomer: &str| urls.iter().any(|url| self.is_same_replica(url, newcomer));
        let followed =
            |url: &str, known: &BTreeMap<String, Known>| known.keys().any(|known| self.is_same_replica(known, url));
        announced.retain(|url, newcomer| {
            let keep = !confirmed(url) && now.since(newcomer.at) < NEWCOMER_KEPT;
            keep || !followed(url, known)
        });
        // A newcomer that is not confirmed yet stands for itself.
        let unconfirmed = announced.keys().filter(|url| !confirmed(url));
        let wanted: BTreeSet<&String> = urls.iter().chain(unconfirmed).filter(|url| !selves.contains(*url)).collect();
        // What waits for a replica goes on waiting when the names call it otherwise than it does.
        for url in wanted.iter().filter(|url| !known.contains_key(**url)).collect::<Vec<_>>() {
            let renamed = known.keys().find(|old| self.is_same_replica(old, url) && !wanted.contains(old)).cloned();
            if let Some(peer) = renamed.and_then(|old| known.remove(&old)) {
                known.insert((*url).clone(), peer);
            }
        }
        let before = known.len();
        for url in wanted.iter().filter(|url| !known.contains_key(**url)).collect::<Vec<_>>() {
            info!(peer.url = shown(url), "peer found");
            let newcomer = announced.iter().find(|(newcomer, _)| self.is_same_replica(newcomer, url));
            let node = newcomer.map_or_else(|| self.node(url), |(_, newcomer)| Arc::clone(&newcomer.node));
            let stop = CancellationToken::new();
            let (running, around, told, seed, name) =
                (Arc::clone(&node), self.around.clone(), stop.clone(), rng.random(), (*url).clone());
            tasks.spawn(async move { (name, running.run(&around, seed, &told).await) });
            known.insert((*url).clone(), Known { node, stop, missed: 0 });
        }
        let mut changed = known.len() != before;
        known.retain(|url, peer| {
            peer.missed = if wanted.contains(url) || urls.is_empty() { 0 } else { peer.missed + 1 };
            let gone = peer.missed >= ANSWERS_WITHOUT;
            if gone {
                info!(peer.url = shown(url), "peer is gone");
                peer.stop.cancel();
                changed = true;
            }
            !gone
        });
        if changed {
            self.peers.set(known.values().map(|peer| Arc::clone(&peer.node)).collect());
        }
    }

    /// Those known, and the newcomers that are not yet.
    fn publish(&self, known: &BTreeMap<String, Known>) {
        let announced = self.announced.lock();
        let is_known = |url: &str| known.keys().any(|known| self.is_same_replica(known, url));
        let newcomers = announced.iter().filter(|(url, _)| !is_known(url)).map(|(_, newcomer)| &newcomer.node);
        self.peers.set(known.values().map(|peer| &peer.node).chain(newcomers).map(Arc::clone).collect());
    }
}

/// The host of a service URL that is written as replicas that serve at `place` write theirs, and has nothing else in it that might
/// lead somewhere else.
fn host_of<'a>(service_url: &'a str, place: &Place) -> Option<&'a str> {
    let rest = service_url.strip_prefix(place.scheme)?.strip_prefix("://")?;
    let (host, port) = rest.strip_suffix("/eureka/")?.strip_suffix(&*place.context_path)?.split_once(':')?;
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_port = port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && host.bytes().all(of_a_name)).then_some(host)
}
