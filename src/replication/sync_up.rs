//! The copy at the start (`PeerAwareInstanceRegistryImpl.syncUp`): the driver of [`Start`], which decides.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tracing::{error, info, warn};

use super::membership::Identity;
use super::peer_eureka_node::{PeerEurekaNode, Surroundings};
use super::protocol::complaint;
use super::start::{Answer, Names, Opening, Start, Step};
use super::transport::{Call, PeerError, PeerTransport, Reply};
use super::{Options, PeerEurekaNodes, ServiceUrl, WaitsFor};
use crate::codec;
use crate::registry::{InstanceRegistry, PeerMemory, Reason, Source};
use crate::time::{Clock, Timestamp};

/// How long a peer may take to answer an announcement.
const ANNOUNCEMENT_TIMEOUT: Duration = Duration::from_secs(8);
/// How long to wait for the other peers once one has answered: as long as an answer from 600 ms away takes.
const GRACE: Duration = Duration::from_secs(3);

/// Copies the registry of a peer, and waits for one while a peer is known or likely; `remembered` are those of a snapshot.
/// Returns the result.
pub async fn sync_up(
    nodes: &PeerEurekaNodes,
    transport: Arc<dyn PeerTransport>,
    options: &Options,
    remembered: Vec<ServiceUrl>,
) -> Opening {
    let around = Surroundings { transport, ..nodes.around().clone() };
    let clock = around.clock;
    let begun = clock.now();
    let deadline = begun + options.registry_sync_timeout;
    let believed = remembered.into_iter().filter(|url| nodes.believes(url));
    let mut start = Start::new(nodes.own_service_url(), nodes.started_before(), deadline).remembering(believed);
    let mut joining = Joining { nodes, around, ours: BTreeSet::new(), waits_for: None };
    loop {
        start.named(joining.names().await, clock.now(), |one, other| nodes.is_same_replica(one, other));
        loop {
            match start.next(clock.now()) {
                Step::Announce(peers) => joining.announce(&mut start, peers).await,
                Step::Copy(peer) => {
                    nodes.now_waits_for(Some(WaitsFor::Copy(peer.clone())));
                    let answer = joining.copy_of(&peer).await;
                    start.answered(&peer, answer);
                }
                Step::Again(pause, line) => {
                    if let Some(line) = line.clone().or_else(|| start.said().map(str::to_owned)) {
                        joining.waits_for = Some(short_line(&line));
                        nodes.now_waits_for(Some(WaitsFor::Peers(line)));
                    }
                    if let Some(line) = line {
                        let at_most_secs = deadline.since(clock.now()).as_secs();
                        info!(why = line, at_most_secs, "the port stays closed until a peer's registry is copied");
                    }
                    tokio::time::sleep(pause).await;
                    break;
                }
                Step::Open(opening) => {
                    nodes.now_waits_for(None);
                    joining.say(&opening, begun);
                    return opening;
                }
            }
        }
    }
}

/// What a start needs.
struct Joining<'a> {
    nodes: &'a PeerEurekaNodes,
    around: Surroundings,
    /// The replicas of ours that have answered.
    ours: BTreeSet<ServiceUrl>,
    /// What this replica waits for, for them.
    waits_for: Option<String>,
}

/// The longest part of a line that may be sent in a header.
fn short_line(line: &str) -> String {
    line.chars().filter(|one| matches!(one, ' '..='~')).take(Reason::MOST).collect()
}

impl Joining<'_> {
    async fn names(&self) -> Names {
        let names = self.nodes.listed().await;
        if let Some(cluster) = self.nodes.cluster() {
            self.around.transport.belongs_to(&cluster);
        }
        names
    }

    /// Announces this replica to peers, so that what any of them accepts from now on reaches it. One that does not answer
    /// delays the start only a little.
    async fn announce(&mut self, start: &mut Start, peers: Vec<ServiceUrl>) {
        let ours = self.announce_to(start, peers).await;
        self.ours.extend(ours);
    }

    /// Returns the replicas of ours among those that answered.
    async fn announce_to(&self, start: &mut Start, peers: Vec<ServiceUrl>) -> Vec<ServiceUrl> {
        let mut ours = Vec::new();
        let mut left = peers.clone();
        let mut calls: FuturesUnordered<_> =
            peers.into_iter().map(|peer| async { (self.announced(&peer).await, peer) }).collect();
        let mut longest = ANNOUNCEMENT_TIMEOUT;
        while let Ok(Some((answer, peer))) = tokio::time::timeout(longest, calls.next()).await {
            if let Answer::Up { is_ours, .. } = &answer {
                ours.extend(is_ours.then(|| peer.clone()));
                longest = GRACE;
                // Its queue exists before the port opens, so that every acknowledged change reaches the peer.
                self.nodes.announced(&peer);
            }
            left.retain(|other| *other != peer);
            start.answered(&peer, answer);
        }
        left.iter().for_each(|peer| start.answered(peer, Answer::Open("no answer in time".to_owned())));
        ours
    }

    async fn announced(&self, peer: &ServiceUrl) -> Answer {
        let call = match self.nodes.own_service_url() {
            Some(newcomer) => {
                // A Java server is told nothing of ours.
                let waits_for = self.waits_for.clone().filter(|_| self.ours.contains(peer));
                Call::Announce { newcomer, waits_for }
            }
            None => identify(),
        };
        match self.around.transport.call(peer, call).await {
            Ok(reply) if self.is_of_another_cluster(&reply) => Answer::NoPeer,
            // A server that refuses deltas (403) refuses this request, too, but has noted the announcement.
            Ok(reply) if (200..300).contains(&reply.status) || reply.status == 403 => {
                let peers = reply.peers.into_iter().filter(|url| self.nodes.believes(url)).collect();
                Answer::Up { peers, is_ours: reply.node.is_some() }
            }
            Ok(reply) => Answer::Open(complaint(reply.status)),
            Err(error) => failed(&error),
        }
    }

    fn is_of_another_cluster(&self, reply: &Reply) -> bool {
        reply.cluster.as_ref().is_some_and(|theirs| self.nodes.is_another_cluster(theirs))
    }

    /// Copies the registry of a peer. From a replica of ours, a comparison of the empty registry takes over all records, with
    /// their stamps and ages. From a Java server, a full fetch is taken.
    async fn copy_of(&self, peer: &ServiceUrl) -> Answer {
        let clock = self.around.clock;
        let sent = clock.now();
        let reply = match self.around.transport.call(peer, identify()).await {
            Ok(reply) if self.is_of_another_cluster(&reply) => return Answer::NoPeer,
            Ok(reply) if (200..300).contains(&reply.status) => reply,
            Ok(reply) => return Answer::Open(complaint(reply.status)),
            Err(error) => return failed(&error),
        };
        let (Some(node), Some(time)) = (reply.node.clone(), reply.time) else {
            return self.copy_of_java_server(peer).await;
        };
        // If the copy fails, and this replica opens without one, its stamps are later than those that the peer has made.
        self.around.registry.meet(u64::try_from(time.0).unwrap_or_default(), clock.now());
        // It has a queue of its own: this peer exists only while the copy is made.
        let peer = PeerEurekaNode::new(peer.clone(), 1);
        peer.identified(Identity::Ours(node), clock.now());
        peer.observe_clock(&self.around, sent, &reply, clock.now());
        match peer.compare(&self.around).await {
            Ok(_) if reply.memory == PeerMemory::Lost => Answer::Forgetful,
            Ok(_) => {
                let instances = u32::try_from(self.around.registry.len()).unwrap_or(u32::MAX);
                Answer::Copied { instances, memory: reply.memory }
            }
            Err(error) => Answer::Open(error),
        }
    }

    async fn copy_of_java_server(&self, peer: &ServiceUrl) -> Answer {
        let call = Call::Applications { newcomer: self.nodes.own_service_url() };
        match self.around.transport.call(peer, call).await {
            Ok(reply) if reply.status == 200 => match copy(&self.around.registry, &reply.body, self.around.clock) {
                Ok(instances) => Answer::Copied { instances, memory: PeerMemory::Whole },
                Err(error) => Answer::Open(error),
            },
            Ok(reply) => Answer::Open(complaint(reply.status)),
            Err(error) => failed(&error),
        }
    }

    fn say(&self, opening: &Opening, begun: Timestamp) {
        let after_ms = self.around.clock.now().since(begun).as_millis();
        match opening {
            Opening::Copied { from, instances, memory } => {
                info!(peer.url = %from, instances, memory = memory.name(), after_ms, "copied the registry of a peer");
            }
            Opening::Nobody => info!(after_ms, "found no peer to copy from"),
            Opening::GaveUp(why) => error!(
                why,
                after_ms,
                "opening without a copy: no peer's registry could be copied within registry.sync.timeout. Look at the peers' \
                 names and the network; what a peer knows arrives when it can be reached"
            ),
        }
    }
}

/// Identifies a peer. It cannot be this replica itself, whose port is not open yet.
fn identify() -> Call {
    Call::Identify { token: String::new() }
}

fn failed(error: &PeerError) -> Answer {
    match error {
        PeerError::Refused => Answer::Refused,
        PeerError::NoSuchName => Answer::NoSuchName,
        PeerError::Connect(_)
        | PeerError::Unresolved(_)
        | PeerError::Certificate(_)
        | PeerError::TooLarge(_)
        | PeerError::Timeout
        | PeerError::Broken(_) => Answer::Open(error.to_string()),
    }
}

fn copy(registry: &InstanceRegistry, body: &[u8], clock: Clock) -> Result<u32, String> {
    let now = clock.now();
    let (applications, errors) = codec::decode_applications(body, now).map_err(|error| error.to_string())?;
    for error in &errors {
        warn!(%error, "skipping an instance of a peer that cannot be decoded");
    }
    let mut copied = 0;
    for application in applications.applications {
        for mut info in application.instances {
            match info.validate(application.name.as_str()) {
                Ok(()) => {
                    registry.register(info, Source::Peer, now);
                    copied += 1;
                }
                Err(error) => warn!(%error, "skipping an instance of a peer that is not valid"),
            }
        }
    }
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;
    use crate::model::{AppName, InstanceInfo};
    use crate::registry;
    use crate::replication::discovery::{Endpoint, Found, LookingUp, LookupError, PeerDiscovery};
    use crate::replication::transport::Calling;
    use crate::replication::{PeerAwareInstanceRegistry, Place};

    const START: Timestamp = Timestamp(1_700_000_000_000);
    const AHEAD: Duration = Duration::from_secs(12 * 60);

    /// A peer whose clock is ahead. It says who it is, but no answer to a comparison arrives.
    #[derive(Debug)]
    struct Peer(Clock);

    impl PeerTransport for Peer {
        fn call<'a>(&'a self, _service_url: &'a ServiceUrl, call: Call) -> Calling<'a> {
            let reply = Reply {
                status: 200,
                node: Some("peer".to_owned()),
                time: matches!(call, Call::Identify { .. }).then(|| self.0.now()),
                memory: PeerMemory::Whole,
                peers: Vec::new(),
                cluster: None,
                body: bytes::Bytes::new(),
            };
            let is_lost = matches!(call, Call::Digests(_));
            Box::pin(async move { if is_lost { Err(PeerError::Timeout) } else { Ok(reply) } })
        }
    }

    impl PeerDiscovery for Peer {
        fn endpoints<'a>(&'a self, _service: &'a str, _port: u16) -> LookingUp<'a> {
            Box::pin(std::future::pending())
        }
    }

    /// A cluster whose replicas were all killed: name servers list one for a moment, and nobody answers.
    #[derive(Debug, Default)]
    struct Killed(AtomicBool);

    impl PeerTransport for Killed {
        fn call<'a>(&'a self, _service_url: &'a ServiceUrl, _call: Call) -> Calling<'a> {
            Box::pin(std::future::ready(Err(PeerError::NoSuchName)))
        }
    }

    impl PeerDiscovery for Killed {
        fn endpoints<'a>(&'a self, service: &'a str, port: u16) -> LookingUp<'a> {
            let endpoints = [Endpoint { host: format!("registry-1.{service}"), port }].into();
            let found = Found { service: service.to_owned(), endpoints };
            let forgotten = self.0.swap(true, Relaxed);
            Box::pin(std::future::ready(if forgotten { Err(LookupError::NoSuchName) } else { Ok(found) }))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_replica_after_all_were_killed_opens_before_its_time_is_over() {
        let clock = Clock::starting_at(START);
        let registry = Arc::new(InstanceRegistry::new(registry::Options::default(), 1, START));
        let options = Options {
            hostname: Some("registry-0.registry".to_owned()),
            discovery_service: Some("registry".to_owned()),
            ..Options::default()
        };
        let peer_aware = PeerAwareInstanceRegistry::new(registry, &options);
        let place = Place { scheme: "http", port: 8761, context_path: String::new() };
        let killed = Arc::new(Killed::default());
        let by = (Arc::clone(&killed) as Arc<dyn PeerDiscovery>, Arc::clone(&killed) as Arc<dyn PeerTransport>);
        let nodes = PeerEurekaNodes::new(options.clone(), place, &peer_aware, by, clock);
        assert_eq!(sync_up(&nodes, killed, &options, Vec::new()).await, Opening::Nobody);
        assert!(clock.now().since(START) < options.registry_sync_timeout);
    }

    #[test]
    fn a_call_that_failed_settles_nothing_but_a_refusal_and_a_name_that_does_not_exist() {
        assert_eq!(failed(&PeerError::Refused), Answer::Refused);
        assert_eq!(failed(&PeerError::NoSuchName), Answer::NoSuchName);
        let why = || "why".to_owned();
        let (unresolved, certificate) = (PeerError::Unresolved(why()), PeerError::Certificate(why()));
        let (no_route, broken) = (PeerError::Connect(why()), PeerError::Broken(why()));
        for error in [PeerError::Timeout, PeerError::TooLarge(1), unresolved, certificate, no_route, broken] {
            assert_eq!(failed(&error), Answer::Open(error.to_string()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_registers_is_queued_for_a_newcomer_that_announced_itself() {
        let clock = Clock::starting_at(START);
        let registry = Arc::new(InstanceRegistry::new(registry::Options::default(), 1, START));
        let options = Options { discovery_service: Some("registry".to_owned()), ..Options::default() };
        let peer_aware = PeerAwareInstanceRegistry::new(registry, &options);
        let place = Place { scheme: "http", port: 8761, context_path: String::new() };
        let peer = Arc::new(Peer(clock));
        let by = (Arc::clone(&peer) as Arc<dyn PeerDiscovery>, peer as Arc<dyn PeerTransport>);
        let nodes = PeerEurekaNodes::new(options, place, &peer_aware, by, clock);
        let newcomer = ServiceUrl::new("http", "registry-1.registry", 8761, "/eureka/");
        nodes.announced(&newcomer);
        let info = InstanceInfo::new(AppName::new("a"), "h", "10.0.0.1", START);
        peer_aware.register(info, &Source::Client.into(), START);
        let queues: Vec<_> =
            peer_aware.peers().all().iter().map(|peer| (peer.service_url().to_string(), peer.state().queue)).collect();
        assert_eq!(queues, [(newcomer.to_string(), 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_opens_without_a_copy_stamps_no_earlier_than_a_peer_that_it_identified() {
        let clock = Clock::starting_at(START);
        let registry = Arc::new(InstanceRegistry::new(registry::Options::default(), 1, START));
        let options = Options {
            service_urls: vec![ServiceUrl::new("http", "peer", 8761, "/eureka/")],
            registry_sync_timeout: Duration::from_secs(1),
            ..Options::default()
        };
        let peer_aware = PeerAwareInstanceRegistry::new(Arc::clone(&registry), &options);
        let place = Place { scheme: "http", port: 8761, context_path: String::new() };
        let peer = Arc::new(Peer(Clock::starting_at(START + AHEAD)));
        let by = (Arc::clone(&peer) as Arc<dyn PeerDiscovery>, Arc::clone(&peer) as Arc<dyn PeerTransport>);
        let nodes = PeerEurekaNodes::new(options.clone(), place, &peer_aware, by, clock);
        let opening = sync_up(&nodes, Arc::clone(&peer) as Arc<dyn PeerTransport>, &options, Vec::new()).await;
        assert!(matches!(opening, Opening::GaveUp(_)), "{opening:?}");
        let stamped_at = registry.digest(clock.now()).clock;
        assert_eq!(i64::try_from(stamped_at).unwrap(), peer.0.now().0, "a command at the peer was earlier");
    }
}
