//! A call between peers as it is on the wire, and without the parts that a Java server does not have.

use axum::body::Body;
use bytes::Bytes;
use eureka_registry::http::{Connection, Service};
use eureka_registry::registry::PeerMemory;
use eureka_registry::replication::protocol::{
    CLUSTER_HEADER, MEMORY_HEADER, NEWCOMER_HEADER, NODE_HEADER, PEERS_HEADER, TIME_HEADER, TOKEN_HEADER,
    WAITS_FOR_HEADER, listed,
};
use eureka_registry::replication::transport::{Call, PeerError, Reply};
use eureka_registry::time::Timestamp;
use http::{HeaderName, Method, Request, Response};
use http_body_util::BodyExt;

pub(crate) fn request(method: Method, path: &str, body: Bytes) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let json = "application/json";
    request.header("Accept", json).header("Content-Type", json).body(Body::from(body)).unwrap()
}

/// Delivers a call to a process. If one of the two is a Java server, the call has none of our headers, and there are no digests
/// and records.
pub(crate) async fn deliver(service: &Service, call: Call, cluster: Option<String>, between_ours: bool) -> Reply {
    let post = |what: &str, body: Bytes| request(Method::POST, &format!("/eureka/peerreplication/{what}"), body);
    let mut ours = vec![(TIME_HEADER, "?".to_owned())];
    ours.extend(cluster.map(|cluster| (CLUSTER_HEADER, cluster)));
    let mut request = match call {
        Call::Identify { token } => {
            ours.push((TOKEN_HEADER, token));
            request(Method::OPTIONS, "/eureka/apps", Bytes::new())
        }
        Call::Batch(body) => post("batch/", body),
        Call::Digests(_) | Call::Records(_) | Call::Heard(_) | Call::Readers(_) if !between_ours => {
            return nothing_of_the_kind();
        }
        Call::Digests(body) => post("digests", body),
        Call::Records(body) => post("records", body),
        Call::Heard(body) => post("heard", body),
        Call::Readers(body) => post("readers", body),
        Call::Applications { newcomer } => {
            ours.extend(newcomer.map(|url| (NEWCOMER_HEADER, url.to_string())));
            request(Method::GET, "/eureka/apps/", Bytes::new())
        }
        Call::Announce { newcomer, waits_for } => {
            ours.push((NEWCOMER_HEADER, newcomer.to_string()));
            ours.extend(waits_for.map(|line| (WAITS_FOR_HEADER, line)));
            request(Method::HEAD, "/eureka/apps/delta", Bytes::new())
        }
    };
    if between_ours {
        for (name, value) in ours {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    let mut response = service.handle(Connection::default(), request).await;
    if !between_ours {
        response.headers_mut().clear();
    }
    let [node, time, peers, memory, cluster] =
        [NODE_HEADER, TIME_HEADER, PEERS_HEADER, MEMORY_HEADER, CLUSTER_HEADER].map(|name| text(&response, &name));
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Reply {
        status,
        node,
        time: time.map(|millis| Timestamp(millis.parse().unwrap())),
        peers: peers.map_or_else(Vec::new, |urls| listed(&urls)),
        memory: memory.map_or(PeerMemory::Whole, |word| PeerMemory::named(&word)),
        cluster,
        body,
    }
}

fn text<T>(response: &Response<T>, name: &HeaderName) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

fn nothing_of_the_kind() -> Reply {
    let memory = PeerMemory::Whole;
    Reply { status: 404, node: None, time: None, peers: Vec::new(), memory, cluster: None, body: Bytes::new() }
}

/// What a call is called in the trace.
pub(crate) fn kind(call: &Call) -> String {
    match call {
        Call::Identify { .. } => "identify".to_owned(),
        Call::Batch(body) => format!("batch of {} bytes", body.len()),
        Call::Digests(body) => format!("digests {}", String::from_utf8_lossy(body)),
        Call::Records(body) => format!("records {}", String::from_utf8_lossy(body)),
        Call::Heard(body) => format!("heard {}", String::from_utf8_lossy(body)),
        Call::Readers(body) => format!("readers {}", String::from_utf8_lossy(body)),
        Call::Applications { .. } => "apps".to_owned(),
        Call::Announce { newcomer, .. } => format!("announce {newcomer}"),
    }
}

pub(crate) fn shown(result: &Result<Reply, PeerError>) -> String {
    match result {
        Ok(reply) => format!("{}, {} bytes", reply.status, reply.body.len()),
        Err(error) => error.to_string(),
    }
}
