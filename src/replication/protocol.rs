//! The headers that our replicas send in addition to Eureka's protocol. A Java server ignores them and sends none.

use http::HeaderName;

use super::ServiceUrl;
use super::membership::MOST_NAMES;

/// Names the process: in every answer to one of our replicas, the one that answers.
pub const NODE_HEADER: HeaderName = HeaderName::from_static("x-eureka-registry-node");

/// The URL at which a starting replica wants every change from now on.
pub const NEWCOMER_HEADER: HeaderName = HeaderName::from_static("x-eureka-registry-newcomer");

/// What a newcomer waits for, in one line of at most [`crate::registry::Reason::MOST`] characters. It is sent only to a replica of ours
/// that has answered this start before.
pub const WAITS_FOR_HEADER: HeaderName = HeaderName::from_static("x-eureka-registry-waits-for");

/// The peers of the replica that answers a newcomer, separated by commas.
pub const PEERS_HEADER: HeaderName = HeaderName::from_static("x-eureka-registry-peers");

/// A random token made for one call: the caller called itself if its own server received it.
pub const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-eureka-registry-token");

/// The cluster's name: in calls between our replicas, and in the answers to them.
pub const CLUSTER_HEADER: HeaderName = HeaderName::from_static("x-eureka-registry-cluster");

/// Whether the replica that answers may lack what clients know ([`crate::registry::PeerMemory`]); none where it does not.
pub const MEMORY_HEADER: HeaderName = HeaderName::from_static("x-eureka-registry-memory");

/// Asks what the clock of the replica that answers reads; in its answer, that in milliseconds.
pub const TIME_HEADER: HeaderName = HeaderName::from_static("x-eureka-registry-time");

/// The meaning of a peer's answer other than success, in words.
pub(super) fn complaint(status: u16) -> String {
    match status {
        401 => "401: wrong user or password".to_owned(),
        403 => "403: the peer refuses this replica".to_owned(),
        404 => "404: no Eureka server at this path".to_owned(),
        status => format!("it answered {status}"),
    }
}

/// The service URLs of a list in a header: at most as many as there can be peers, and none with a user.
pub fn listed(urls: &str) -> Vec<ServiceUrl> {
    let urls = urls.split(',').filter_map(|url| ServiceUrl::parse(url).ok());
    urls.filter(|url| url.credentials().is_none()).take(MOST_NAMES).collect()
}
