//! Calls between replicas: whether one comes from this process itself, or from another cluster.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::ApiError;
use super::connection::Connection;
use super::state::AppState;
use crate::replication::protocol::{CLUSTER_HEADER, TIME_HEADER, TOKEN_HEADER};

/// The methods of replicas' own calls. A heartbeat is none of them and is not looked at for their headers.
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
pub(super) fn admit(app: &AppState, request: &Parts, connection: Connection) -> Result<(), ApiError> {
    let Some((nodes, cluster)) = app.nodes.as_ref().zip(cluster(&request.method, &request.headers)) else {
        return Ok(());
    };
    let caller = connection.address.map_or_else(|| cluster.to_owned(), |address| address.to_string());
    if nodes.is_of_another_cluster(&caller, cluster) {
        let own = nodes.cluster().unwrap_or_default();
        return Err(ApiError::OtherCluster(format!("this replica belongs to cluster {own}")));
    }
    Ok(())
}

/// The name of this replica's cluster, to be told to another replica: one that names its own, or does not know it yet.
pub(super) fn named(app: &AppState, request: &Parts) -> Option<HeaderValue> {
    let is_replica = |headers: &HeaderMap| headers.contains_key(CLUSTER_HEADER) || headers.contains_key(TIME_HEADER);
    if !may_be_of_a_replica(&request.method) || !is_replica(&request.headers) {
        return None;
    }
    HeaderValue::try_from(app.nodes.as_ref()?.cluster()?).ok()
}

fn cluster<'a>(method: &Method, headers: &'a HeaderMap) -> Option<&'a str> {
    if may_be_of_a_replica(method) { headers.get(CLUSTER_HEADER)?.to_str().ok() } else { None }
}
