//! [`Api`]: the calls that a watch makes at the API server.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, Response};
use serde::Deserialize;

use super::pod::{NodeObject, PodList, PodObject};
use crate::replication::transport::reqwest as transport;
use crate::tls;

const JSON: &str = "application/json";
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a page of a list, or the beginning of a watch, may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a machine may be silent before it is asked whether it is there; it is given up after three questions without an answer.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// The longest time for which the API server may ask to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Maximum number of pods of a page. With what Kubernetes keeps about its fields, one takes some ten kilobytes.
pub(super) const PAGE: usize = 100;
/// Maximum number of pods of a page after one that had too many bytes. So many fit, whatever they hold.
pub(super) const SMALL_PAGE: usize = 10;
/// Maximum bytes of a page: as many as ten objects of the largest size that Kubernetes takes.
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
    /// It does not know who calls.
    #[error("the API server answered 401: {0}")]
    Unauthorized(String),
    #[error("the API server answered 403: {0}")]
    Forbidden(String),
    #[error("the API server answered {0}: {1}")]
    Refused(u16, String),
    /// It has too much to do, and says how long to wait.
    #[error("the API server answered {0} and asks to wait for {secs} s: {1}", secs = .2.as_secs())]
    Busy(u16, String, Duration),
    /// Its certificate is not accepted.
    #[error("{0}")]
    Certificate(String),
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
            Self::Unauthorized(_) => {
                "see whether the token of registry.kubernetes.service-account is one of this cluster, and has not expired"
            }
            Self::Certificate(_) => {
                "see whether ca.crt of registry.kubernetes.service-account is that of the authority of the API server"
            }
            Self::Gone | Self::Busy(..) => "see whether the API server has too much to do",
            Self::TooLarge(_) | Self::Garbled(_) => {
                "see whether registry.kubernetes.api-server is an API server of Kubernetes, and what the pod is that it sends"
            }
            Self::Refused(..) | Self::Failed(_) => {
                "see whether the API server answers, and whether a NetworkPolicy lets this pod reach it"
            }
        }
    }

    /// How long the API server asks to wait; zero if it does not.
    pub(super) fn wait(&self) -> Duration {
        if let Self::Busy(_, _, wait) = self { *wait } else { Duration::ZERO }
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
        tls::install_provider();
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

    /// One page of the pods of a namespace, with at most `limit` of them, after the one that said `next`.
    pub(super) async fn list(&self, namespace: &str, limit: usize, next: &str) -> Result<PodList, ApiError> {
        let next = utf8_percent_encode(next, NON_ALPHANUMERIC);
        let path = format!("namespaces/{namespace}/pods?limit={limit}&continue={next}");
        let listing = async { read(self.get(&path, JSON).await?, MOST_PAGE_BYTES).await };
        let body = in_time("list of pods", listing).await?;
        serde_json::from_slice(&body).map_err(|_no_list| ApiError::Garbled("list of pods"))
    }

    /// What happens to the pods of a namespace after a version, for so long.
    pub(super) async fn watch(&self, namespace: &str, version: &str, time: Duration) -> Result<Events, ApiError> {
        let version = utf8_percent_encode(version, NON_ALPHANUMERIC);
        let seconds = time.as_secs();
        let query = format!("watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}");
        let path = format!("namespaces/{namespace}/pods?{query}");
        let response = in_time("watch of pods", self.get(&path, JSON)).await?;
        let ends = tokio::time::Instant::now() + time + PATIENCE;
        Ok(Events { response, buffer: BytesMut::new(), searched: 0, ends })
    }

    /// The zone of a node; `None` if it has none, or there is no such node.
    pub(super) async fn zone(&self, node: &str) -> Result<Option<Box<str>>, ApiError> {
        // Without its status, which names all of its images.
        const ONLY_METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        let path = format!("nodes/{}", utf8_percent_encode(node, NON_ALPHANUMERIC));
        let reading = async { read(self.get(&path, ONLY_METADATA).await?, MOST_EVENT_BYTES).await };
        let body = match in_time("node", reading).await {
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
            status => {
                let wait = wait(response.headers());
                Err(refused(status, wait, &read(response, MOST_REFUSAL_BYTES).await.unwrap_or_default()))
            }
        }
    }
}

/// How long a refusal asks to wait, in seconds: an API server writes no date.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let secs = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(secs).min(LONGEST_WAIT))
}

fn refused(status: u16, wait: Option<Duration>, body: &[u8]) -> ApiError {
    let said = serde_json::from_slice::<Refusal>(body).unwrap_or_default().message;
    let said: String = said.chars().filter(|one| !one.is_control()).take(300).collect();
    match (status, wait) {
        (410, _) => ApiError::Gone,
        (401, _) => ApiError::Unauthorized(said),
        (403, _) => ApiError::Forbidden(said),
        (status, Some(wait)) => ApiError::Busy(status, said, wait),
        (status, None) => ApiError::Refused(status, said),
    }
}

/// Waits for an answer for as long as one may take.
async fn in_time<T>(what: &str, call: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    tokio::time::timeout(ANSWER_TIMEOUT, call).await.unwrap_or_else(|_elapsed| {
        let secs = ANSWER_TIMEOUT.as_secs();
        Err(ApiError::Failed(format!("the API server did not answer with a {what} within {secs} s")))
    })
}

fn failed(error: &reqwest::Error) -> ApiError {
    if let Some(rustls::Error::InvalidCertificate(why)) = transport::cause::<rustls::Error>(error) {
        return ApiError::Certificate(transport::not_accepted(why, "the API server"));
    }
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
            return Err(refused(refusal.code, None, raw.object.get().as_bytes()));
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
        let error = refused(403, None, br#"{"message":"pods is forbidden"}"#);
        assert_eq!(error.to_string(), "the API server answered 403: pods is forbidden");
        assert!(error.advice().contains("Role") && error.advice_on_nodes().contains("ClusterRole"));
        let error = refused(401, None, br#"{"message":"Unauthorized"}"#);
        assert_eq!(error.to_string(), "the API server answered 401: Unauthorized");
        assert!(error.advice().contains("token") && error.advice_on_nodes() == error.advice(), "no Role helps");
        assert!(matches!(refused(410, None, b""), ApiError::Gone));
        assert_eq!(refused(500, None, b"oops").to_string(), "the API server answered 500: ");
    }

    #[test]
    fn a_busy_api_server_says_how_long_to_wait() {
        let asks = |value: &str| wait(&[(RETRY_AFTER, value.parse().unwrap())].into_iter().collect());
        assert_eq!(asks("3"), Some(Duration::from_secs(3)));
        assert_eq!(asks("100000000000"), Some(LONGEST_WAIT));
        assert_eq!((asks("Fri, 27 Nov 2026 17:00:00 GMT"), asks("-1"), wait(&HeaderMap::new())), (None, None, None));
        let error = refused(429, asks("3"), br#"{"message":"too many requests"}"#);
        assert_eq!(error.to_string(), "the API server answered 429 and asks to wait for 3 s: too many requests");
        assert_eq!((error.wait(), refused(429, None, b"").wait()), (Duration::from_secs(3), Duration::ZERO));
    }
}
