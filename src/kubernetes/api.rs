//! [`Api`]: the calls that a watch makes at the API server.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Response};
use serde::Deserialize;

use super::pod::{NodeObject, PodList, PodObject};
use crate::replication::transport::reqwest as transport;

const JSON: &str = "application/json";
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a page of a list, or the beginning of a watch, may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a machine may be silent before it is asked whether it is there; it is given up after three questions without an answer.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Maximum number of pods of a page. With what Kubernetes keeps about its fields, one takes some ten kilobytes.
const PAGE: usize = 100;
/// Maximum bytes of a page.
const MOST_PAGE_BYTES: usize = 16 << 20;
/// Maximum bytes of an event: an object of Kubernetes has at most one and a half megabytes.
const MOST_EVENT_BYTES: usize = 2 << 20;
/// Maximum bytes of a refusal that are read.
const MOST_REFUSAL_BYTES: usize = 64 << 10;
/// A watch that says nothing for so long is asked for again: an API server says at least once a minute that nothing happened.
const SILENCE: Duration = Duration::from_secs(75);
/// How much longer than it was asked to a watch may stay open.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// Nobody knows any more what happened since the version that was asked for.
    #[error("what happened since the last event is no longer known")]
    Gone,
    #[error("{0}")]
    Forbidden(String),
    #[error("the API server answered {0}: {1}")]
    Refused(u16, String),
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Account(String),
    #[error("the API server sent more than {0} bytes at once")]
    TooLarge(usize),
    #[error("the API server sent what is no {0}")]
    Garbled(&'static str),
}

impl ApiError {
    /// What an operator can do about it where a node was to be read.
    pub(super) fn advice_on_nodes(&self) -> &'static str {
        if matches!(self, Self::Forbidden(_)) {
            return "give the service account a ClusterRole for get of nodes (chart: kubernetesAware.zones)";
        }
        self.advice()
    }

    /// What an operator can do about it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => {
                "give the service account a Role for get, list and watch of pods there (chart: kubernetesAware.enabled)"
            }
            Self::Account(_) => "mount the service account's token into this pod (chart: kubernetesAware.enabled)",
            Self::Gone | Self::Refused(..) | Self::Failed(_) | Self::TooLarge(_) | Self::Garbled(_) => {
                "see whether the API server answers, and whether a NetworkPolicy lets this pod reach it"
            }
        }
    }
}

/// The API server, and who calls it.
#[derive(Debug)]
pub(super) struct Api {
    base: String,
    service_account: PathBuf,
    /// The client, and the authorities that it was made with: they change while a cluster gets new ones.
    client: Mutex<Option<(Vec<u8>, Client)>>,
}

/// An event of a watch.
#[derive(Debug)]
pub(super) enum Event {
    /// A pod is new or changed.
    Put(Box<PodObject>),
    Deleted(Box<PodObject>),
    /// Nothing happened until this version.
    Bookmark(String),
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    object: &'a serde_json::value::RawValue,
}

/// What the API server says when it refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: u16,
    message: String,
}

impl Api {
    pub(super) fn new(base: String, service_account: PathBuf) -> Self {
        // It fails where one is installed already, which then is as good.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        Self { base, service_account, client: Mutex::default() }
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, ApiError> {
        let path = self.service_account.join(file);
        fs::read(&path).map_err(|error| ApiError::Account(format!("cannot read {}: {error}", path.display())))
    }

    fn client(&self) -> Result<Client, ApiError> {
        let is_tls = self.base.starts_with("https://");
        let authorities = if is_tls { self.read("ca.crt")? } else { Vec::new() };
        let mut kept = self.client.lock();
        if let Some((_, client)) = kept.as_ref().filter(|(of, _)| *of == authorities) {
            return Ok(client.clone());
        }
        let unusable =
            |error: reqwest::Error| ApiError::Account(format!("ca.crt cannot be used: {}", transport::root(&error)));
        let certificates = Certificate::from_pem_bundle(&authorities).map_err(unusable)?;
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(KEEPALIVE)
            .tcp_keepalive_interval(KEEPALIVE)
            .tcp_keepalive_retries(3)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("eureka-registry/", env!("CARGO_PKG_VERSION")))
            .tls_certs_only(certificates)
            .build()
            .map_err(unusable)?;
        *kept = Some((authorities, client.clone()));
        Ok(client)
    }

    /// One page of the pods of a namespace, after the one that said `next`.
    pub(super) async fn list(&self, namespace: &str, next: &str) -> Result<PodList, ApiError> {
        let next = utf8_percent_encode(next, NON_ALPHANUMERIC);
        let path = format!("namespaces/{namespace}/pods?limit={PAGE}&continue={next}");
        let listing = async {
            let response = self.get(&path, JSON).await?;
            read(response, MOST_PAGE_BYTES).await
        };
        let body =
            tokio::time::timeout(ANSWER_TIMEOUT, listing).await.map_err(|_elapsed| too_slow("list of pods"))??;
        serde_json::from_slice(&body).map_err(|_no_list| ApiError::Garbled("list of pods"))
    }

    /// What happens to the pods of a namespace after a version, for so long.
    pub(super) async fn watch(&self, namespace: &str, version: &str, time: Duration) -> Result<Events, ApiError> {
        let version = utf8_percent_encode(version, NON_ALPHANUMERIC);
        let seconds = time.as_secs();
        let query = format!("watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}");
        let path = format!("namespaces/{namespace}/pods?{query}");
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, self.get(&path, JSON)).await;
        let response = asked.map_err(|_elapsed| too_slow("watch of pods"))??;
        let ends = tokio::time::Instant::now() + time + PATIENCE;
        Ok(Events { response, buffer: BytesMut::new(), searched: 0, ends })
    }

    /// The zone of a node; `None` if it has none, or there is no such node.
    pub(super) async fn zone(&self, node: &str) -> Result<Option<Box<str>>, ApiError> {
        // Without its status, which names all of its images.
        const ONLY_METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        let path = format!("nodes/{}", utf8_percent_encode(node, NON_ALPHANUMERIC));
        let reading = async { read(self.get(&path, ONLY_METADATA).await?, MOST_EVENT_BYTES).await };
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, reading).await.map_err(|_elapsed| too_slow("node"))?;
        let body = match answer {
            Err(ApiError::Refused(404, _)) => return Ok(None),
            answer => answer?,
        };
        let node: NodeObject = serde_json::from_slice(&body).map_err(|_no_node| ApiError::Garbled("node"))?;
        Ok(node.metadata.labels.zone)
    }

    async fn get(&self, path: &str, accept: &str) -> Result<Response, ApiError> {
        // The kubelet replaces it every hour.
        let token = if self.base.starts_with("https://") {
            self.read("token")?
        } else {
            self.read("token").unwrap_or_default()
        };
        let url = format!("{}/api/v1/{path}", self.base);
        let request = self.client()?.get(url).header("Accept", accept);
        let request = request.bearer_auth(String::from_utf8_lossy(&token).trim());
        let response = request.send().await.map_err(|error| failed(&error))?;
        match response.status().as_u16() {
            200 => Ok(response),
            status => Err(refused(status, &read(response, MOST_REFUSAL_BYTES).await.unwrap_or_default())),
        }
    }
}

fn refused(status: u16, body: &[u8]) -> ApiError {
    let said = serde_json::from_slice::<Refusal>(body).unwrap_or_default().message;
    let said: String = said.chars().filter(|one| !one.is_control()).take(300).collect();
    match status {
        410 => ApiError::Gone,
        401 | 403 => ApiError::Forbidden(format!("the API server answered {status}: {said}")),
        status => ApiError::Refused(status, said),
    }
}

fn too_slow(what: &str) -> ApiError {
    ApiError::Failed(format!("the API server did not answer with a {what} within {} s", ANSWER_TIMEOUT.as_secs()))
}

fn failed(error: &reqwest::Error) -> ApiError {
    ApiError::Failed(format!("the API server cannot be reached: {}", transport::root(error)))
}

async fn read(response: Response, most: usize) -> Result<Bytes, ApiError> {
    let body = transport::read(response, most).await.map_err(|_too_large| ApiError::TooLarge(most))?;
    body.map_err(|error| failed(&error))
}

/// What a watch does next.
#[derive(Debug)]
pub(super) enum Next {
    Events(Vec<Event>),
    /// It has ended as it should.
    End,
    /// It is open and says nothing.
    Silence,
}

/// The events of a watch: one a line.
#[derive(Debug)]
pub(super) struct Events {
    response: Response,
    buffer: BytesMut,
    /// How much of the buffer has no line's end.
    searched: usize,
    ends: tokio::time::Instant,
}

impl Events {
    /// Waits for the next events.
    pub(super) async fn next(&mut self) -> Result<Next, ApiError> {
        loop {
            let until = self.ends.min(tokio::time::Instant::now() + SILENCE);
            let chunk = match tokio::time::timeout_at(until, self.response.chunk()).await {
                Err(_elapsed) => return Ok(Next::Silence),
                Ok(Err(error)) => return Err(failed(&error)),
                Ok(Ok(None)) => return Ok(Next::End),
                Ok(Ok(Some(chunk))) => chunk,
            };
            self.buffer.extend_from_slice(&chunk);
            let mut events = Vec::new();
            while let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end + 1);
                self.searched = 0;
                events.extend(event(&line)?);
            }
            self.searched = self.buffer.len();
            if self.searched > MOST_EVENT_BYTES {
                return Err(ApiError::TooLarge(MOST_EVENT_BYTES));
            }
            if !events.is_empty() {
                return Ok(Next::Events(events));
            }
        }
    }
}

fn event(line: &[u8]) -> Result<Option<Event>, ApiError> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let garbled = |_: serde_json::Error| ApiError::Garbled("event");
    let raw: RawEvent<'_> = serde_json::from_slice(line).map_err(garbled)?;
    let pod = || serde_json::from_str::<PodObject>(raw.object.get()).map(Box::new).map_err(garbled);
    Ok(Some(match &*raw.kind {
        "ADDED" | "MODIFIED" => Event::Put(pod()?),
        "DELETED" => Event::Deleted(pod()?),
        "BOOKMARK" => Event::Bookmark(pod()?.metadata.resource_version),
        "ERROR" => {
            let refusal: Refusal = serde_json::from_str(raw.object.get()).unwrap_or_default();
            return Err(refused(refusal.code, raw.object.get().as_bytes()));
        }
        // One that a later Kubernetes may add says nothing that is understood here.
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_an_error_says_what_it_is() {
        let read = |line: &str| event(line.as_bytes());
        assert!(matches!(read("\n"), Ok(None)));
        assert!(matches!(read(r#"{"type":"ADDED","object":{}}"#), Ok(Some(Event::Put(_)))));
        assert!(matches!(read(r#"{"type":"DELETED","object":{}}"#), Ok(Some(Event::Deleted(_)))));
        assert!(matches!(read(r#"{"type":"NEWER","object":{}}"#), Ok(None)));
        let bookmark = read(r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7"}}}"#);
        assert!(matches!(bookmark, Ok(Some(Event::Bookmark(version))) if version == "7"));
        let gone = read(r#"{"type":"ERROR","object":{"code":410,"reason":"Expired"}}"#);
        assert!(matches!(gone, Err(ApiError::Gone)));
        let error = read(r#"{"type":"ERROR","object":{"code":500,"message":"etcd\nfailed"}}"#).unwrap_err();
        assert_eq!(error.to_string(), "the API server answered 500: etcdfailed");
        assert!(matches!(read("{"), Err(ApiError::Garbled("event"))));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let error = refused(403, br#"{"message":"pods is forbidden"}"#);
        assert_eq!(error.to_string(), "the API server answered 403: pods is forbidden");
        assert!(error.advice().contains("Role"));
        assert!(matches!(refused(410, b""), ApiError::Gone));
        assert_eq!(refused(500, b"oops").to_string(), "the API server answered 500: ");
    }
}
