//! The copy at the start (`PeerAwareInstanceRegistryImpl.syncUp`).

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::discovery::LookupError;
use super::peer_eureka_node::shown;
use super::transport::{Call, PeerError, PeerTransport};
use super::{Options, PeerEurekaNodes};
use crate::codec;
use crate::registry::{InstanceRegistry, Source};
use crate::time::Clock;

/// Copies the registry of the first peer that answers. Says how many instances that brought: none if there is nobody to
/// copy from.
///
/// Where every name refuses or does not exist there is nobody, and the start goes on at once: replicas that all start do
/// not wait for each other. A name server that does not answer, or a peer that does not answer in time, is asked again.
pub async fn sync_up(
    nodes: &PeerEurekaNodes,
    transport: &dyn PeerTransport,
    registry: &InstanceRegistry,
    own_node: &str,
    options: &Options,
    clock: Clock,
) -> u32 {
    let deadline = Instant::now() + options.registry_sync_timeout;
    loop {
        match attempt(nodes, transport, registry, own_node, clock).await {
            Attempt::Copied(copied) => return copied,
            Attempt::Nobody => {
                info!("no peer to copy from: starting empty");
                return 0;
            }
            Attempt::Unknown(why) if Instant::now() >= deadline => {
                warn!(why, "found no peer to copy from in time: starting empty");
                return 0;
            }
            Attempt::Unknown(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

enum Attempt {
    Copied(u32),
    Nobody,
    Unknown(String),
}

async fn attempt(
    nodes: &PeerEurekaNodes,
    transport: &dyn PeerTransport,
    registry: &InstanceRegistry,
    own_node: &str,
    clock: Clock,
) -> Attempt {
    let mut urls = match nodes.service_urls().await {
        Ok(urls) => urls,
        Err(error @ (LookupError::NoSuchName | LookupError::NoAnswer(_))) => {
            return Attempt::Unknown(error.to_string());
        }
    };
    announce(nodes, transport, own_node, &mut urls).await;
    let mut unknown = None;
    for url in urls {
        let call = Call::Applications { newcomer: nodes.own_service_url() };
        match transport.call(&url, call).await {
            Ok(reply) if reply.node.as_deref() == Some(own_node) => {}
            Ok(reply) if reply.status == 200 => match copy(registry, &reply.body, clock) {
                Ok(copied) => {
                    info!(peer.url = shown(&url), instances = copied, "copied the registry of a peer");
                    return Attempt::Copied(copied);
                }
                Err(error) => unknown = Some(error),
            },
            Ok(reply) => unknown = Some(format!("it answered {}", reply.status)),
            Err(PeerError::Connect(_)) => {}
            Err(error @ (PeerError::Timeout | PeerError::Broken(_))) => unknown = Some(error.to_string()),
        }
    }
    unknown.map_or(Attempt::Nobody, Attempt::Unknown)
}

/// Announces this replica to all peers before it copies from one, so that what any of them accepts from now on reaches it.
/// A peer knows others that the names do not show yet: they are told too. All are peers of this replica from now on.
async fn announce(nodes: &PeerEurekaNodes, transport: &dyn PeerTransport, own_node: &str, urls: &mut BTreeSet<String>) {
    let Some(newcomer) = nodes.own_service_url() else { return };
    let mut told = BTreeSet::from([newcomer.clone()]);
    loop {
        let next: Vec<String> = urls.difference(&told).cloned().collect();
        if next.is_empty() {
            break;
        }
        let calls = next.iter().map(|url| transport.call(url, Call::Announce { newcomer: newcomer.clone() }));
        let replies = futures_util::future::join_all(calls).await;
        for reply in replies.into_iter().flatten().filter(|reply| reply.node.as_deref() != Some(own_node)) {
            urls.extend(reply.peers.into_iter().filter(|url| *url != newcomer));
        }
        told.extend(next);
    }
    // Their queues are there before the port opens: what this replica acknowledges from its first moment reaches them.
    urls.iter().for_each(|url| nodes.announce(url));
}

fn copy(registry: &InstanceRegistry, body: &[u8], clock: Clock) -> Result<u32, String> {
    let now = clock.now();
    let (applications, errors) = codec::decode_applications(body, now).map_err(|error| error.to_string())?;
    for error in &errors {
        warn!(%error, "an instance of the peer was not understood and is left out");
    }
    let mut copied = 0;
    for application in applications.applications {
        for mut info in application.instances {
            match info.validate(application.name.as_str()) {
                Ok(()) => {
                    registry.register(info, Source::Peer, now);
                    copied += 1;
                }
                Err(error) => warn!(%error, "an instance of the peer is left out"),
            }
        }
    }
    Ok(copied)
}
