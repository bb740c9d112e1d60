//! Calls between replicas: whether one comes from this process itself, or from another cluster.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::ApiError;
use super::connection::Connection;
use super::state::AppState;
use crate::registry::{Caller, PeerMemory};
use crate::replication::protocol::{CLUSTER_HEADER, MEMORY_HEADER, NODE_HEADER, TIME_HEADER, TOKEN_HEADER};

/// The methods of replicas' own calls. A heartbeat is none of them, so its headers are not searched for theirs.
fn may_be_of_a_replica(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::POST)
}

/// Takes note of the token by which a replica finds out whether it has called itself.
pub(super) fn note_token(app: &AppState, request: &Parts) {
    if request.method == Method::OPTIONS
        && let (Some(token), Some(nodes)) = (request.headers.get(TOKEN_HEADER), app.nodes.as_ref())
    {
        nodes.self_check().received(token.as_bytes());
    }
}

/// Refuses a replica of another cluster: an address that was used again, or a stale name, must not merge two registries.
pub(super) fn admit(app: &AppState, request: &Parts, caller: &Caller, connection: Connection) -> Result<(), ApiError> {
    let Some(nodes) = &app.nodes else { return Ok(()) };
    let Some(cluster) = cluster(&request.method, &request.headers) else { return Ok(()) };
    if !app.security.may_replicate(caller) {
        return Ok(());
    }
    let caller = connection.address.map_or_else(|| cluster.to_owned(), |address| address.to_string());
    if nodes.is_of_another_cluster(&caller, cluster) {
        let own = nodes.cluster().unwrap_or_default();
        return Err(ApiError::OtherCluster(format!("this replica belongs to cluster {own}")));
    }
    Ok(())
}

/// Tells another of our replicas who answers, for which cluster, and what its memory lacks. Nobody else reads these headers, and a
/// heartbeat's answer would be half as long again.
pub(super) fn add_headers(app: &AppState, request: &Parts, caller: &Caller, response: &mut HeaderMap) {
    if !is_of_a_replica(request) {
        return;
    }
    if let Ok(node) = HeaderValue::from_str(&app.node_id) {
        response.insert(NODE_HEADER, node);
    }
    if app.security.may_replicate(caller)
        && let Some(Ok(cluster)) = app.nodes.as_ref().and_then(|nodes| nodes.cluster()).map(HeaderValue::try_from)
    {
        response.insert(CLUSTER_HEADER, cluster);
    }
    let memory = app.registry.memory(app.now());
    if memory != PeerMemory::Whole {
        response.insert(MEMORY_HEADER, HeaderValue::from_static(memory.name()));
    }
}

/// Whether one of our replicas sends a request: each of its calls asks for the time, and names the cluster if that is known.
fn is_of_a_replica(request: &Parts) -> bool {
    let headers = &request.headers;
    may_be_of_a_replica(&request.method) && (headers.contains_key(TIME_HEADER) || headers.contains_key(CLUSTER_HEADER))
}

/// The names by which this replica calls itself, its peers and its Service.
pub(super) fn own_names(app: &AppState) -> Vec<String> {
    let of_peers = app.nodes.as_ref().map(|nodes| nodes.host_names());
    of_peers.into_iter().flatten().chain([app.own_instance.host_name.to_string()]).collect()
}

fn cluster<'a>(method: &Method, headers: &'a HeaderMap) -> Option<&'a str> {
    if may_be_of_a_replica(method) { headers.get(CLUSTER_HEADER)?.to_str().ok() } else { None }
}
