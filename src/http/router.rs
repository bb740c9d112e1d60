//! Who answers what.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, Method, Request, StatusCode, request};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tower_service::Service;

use super::api::overview::Console;
use super::body::Bodies;
use super::error::{allow, empty};
use super::metrics::{Operation, RequestMetrics};
use super::resource::{PathError, Resource};
use super::security::{self, Security};
use super::status::StatusInfo;
use super::{
    ApiError, Options, Readiness, access_log, actuator, api, clusters, instance, pages, peer_replication, reads, status,
};
use crate::codec::Form;
use crate::model::{InstanceInfo, LeaseInfo};
use crate::registry::{InstanceRegistry, PeerMemory, Scope};
use crate::replication::protocol::{CLUSTER_HEADER, MEMORY_HEADER, NODE_HEADER};
use crate::replication::{PeerAwareInstanceRegistry, PeerEurekaNode, PeerEurekaNodes, ServiceUrl};
use crate::time::{Clock, Timestamp};

/// What the HTTP surface is made of.
#[derive(Debug)]
pub struct Parts {
    /// The registry.
    pub peer_aware: Arc<PeerAwareInstanceRegistry>,
    /// The time.
    pub clock: Clock,
    /// The settings.
    pub options: Options,
    /// This process's random name.
    pub node_id: String,
    /// The server as an instance of itself.
    pub own_instance: InstanceInfo,
    /// Whether probes are told to send clients.
    pub readiness: Readiness,
    /// The peers, if there can be any.
    pub nodes: Option<Arc<PeerEurekaNodes>>,
}

/// The HTTP surface.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Arc<Parts>,
    node_id: HeaderValue,
    building: [Mutex<()>; 4 * Form::COUNT],
    metrics: Arc<RequestMetrics>,
    security: Arc<Security>,
    console: Arc<Console>,
    bodies: Arc<Bodies>,
    pages: Router<()>,
}

impl App {
    /// The surface of these parts.
    pub fn new(parts: Parts) -> Self {
        let node_id = HeaderValue::from_str(&parts.node_id).unwrap_or_else(|_not_ascii| HeaderValue::from_static(""));
        let (parts, metrics) = (Arc::new(parts), Arc::new(RequestMetrics::default()));
        let security = Arc::new(Security::new(&parts.options.security));
        let console = Arc::new(Console::default());
        let bodies = Arc::new(Bodies::new(parts.options.max_body_bytes));
        // The router's handlers hold the parts through an `App` of their own, which has no pages.
        let without_pages = |parts| Inner {
            parts,
            node_id: node_id.clone(),
            building: Default::default(),
            metrics: Arc::clone(&metrics),
            security: Arc::clone(&security),
            console: Arc::clone(&console),
            bodies: Arc::clone(&bodies),
            pages: Router::new(),
        };
        let pages = pages::routes(&parts.options).with_state(Self(Arc::new(without_pages(Arc::clone(&parts)))));
        Self(Arc::new(Inner { pages, ..without_pages(parts) }))
    }

    pub(super) fn peer_aware(&self) -> &PeerAwareInstanceRegistry {
        &self.0.parts.peer_aware
    }

    pub(super) fn registry(&self) -> &InstanceRegistry {
        self.0.parts.peer_aware.registry()
    }

    pub(super) fn registry_handle(&self) -> Arc<InstanceRegistry> {
        Arc::clone(self.0.parts.peer_aware.registry())
    }

    pub(super) fn options(&self) -> &Options {
        &self.0.parts.options
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    /// A starting replica will want to be told what changes from now on: from here it is. The service URLs of the peers
    /// that it may not know yet, separated by commas.
    pub(super) fn announce(&self, service_url: &str) -> String {
        let Some(nodes) = &self.0.parts.nodes else { return String::new() };
        let Ok(service_url) = ServiceUrl::parse(service_url) else { return String::new() };
        nodes.announced(&service_url);
        let peers: Vec<String> = nodes.service_urls_for(&service_url).iter().map(ServiceUrl::to_string).collect();
        peers.join(",")
    }

    pub(super) fn metrics(&self) -> &RequestMetrics {
        &self.0.metrics
    }

    pub(super) fn security(&self) -> &Security {
        &self.0.security
    }

    pub(super) fn bodies(&self) -> &Bodies {
        &self.0.bodies
    }

    pub(super) fn nodes(&self) -> Option<&PeerEurekaNodes> {
        self.0.parts.nodes.as_deref()
    }

    pub(super) fn readiness(&self) -> &Readiness {
        &self.0.parts.readiness
    }

    pub(super) fn node_id(&self) -> &str {
        &self.0.parts.node_id
    }

    pub(super) fn console(&self) -> &Console {
        &self.0.console
    }

    /// Takes a sample of the figures that pages show of the last minutes; to be called every
    /// [`SAMPLE_INTERVAL`](super::SAMPLE_INTERVAL).
    pub fn sample(&self) {
        self.console().sample(self);
    }

    /// What the server calls itself.
    pub(super) fn host_name(&self) -> &str {
        &self.0.parts.own_instance.host_name
    }

    pub(super) fn started_at(&self) -> Timestamp {
        self.0.parts.clock.started_at()
    }

    pub(super) fn uptime(&self) -> Duration {
        self.now().since(self.started_at())
    }

    /// Held by the one who builds this answer.
    pub(super) fn building(&self, scope: Scope, form: Form, gzip: bool) -> &Mutex<()> {
        let scope = match scope {
            Scope::All => 0,
            Scope::Delta => 1,
        };
        &self.0.building[(form.index() * 2 + scope) * 2 + usize::from(gzip)]
    }

    pub(super) fn own_instance(&self) -> (InstanceInfo, LeaseInfo) {
        let info = self.0.parts.own_instance.clone();
        let started = self.0.parts.clock.started_at();
        let lease = LeaseInfo {
            durations: info.lease,
            registration: started,
            last_renewal: started,
            eviction: Timestamp::NEVER,
            service_up: started,
        };
        (info, lease)
    }

    /// Which peers there are, and which of them answer (`StatusUtil`, which asks the registry instead and is wrong
    /// wherever names differ).
    fn replicas(&self) -> Vec<(&'static str, String)> {
        let peers = self.peer_aware().peers().all();
        let registered: Vec<String> = peers.iter().map(|peer| peer.shown_url()).collect();
        let available = |wanted: bool| listed(peers.iter().filter(|peer| peer.is_available() == wanted));
        vec![
            ("registered-replicas", registered.join(", ")),
            ("available-replicas", available(true)),
            ("unavailable-replicas", available(false)),
        ]
    }

    pub(super) fn status_info(&self) -> StatusInfo {
        let uptime = self.uptime().as_secs();
        let (days, hours, minutes) = (uptime / 86_400, uptime / 3_600 % 24, uptime / 60 % 60);
        let days = match days {
            0 => String::new(),
            1 => "1 day ".to_owned(),
            more => format!("{more} days "),
        };
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        StatusInfo {
            general_stats: vec![
                ("num-of-cpus", cpus.to_string()),
                ("server-uptime", format!("{days}{hours:02}:{minutes:02}")),
            ],
            application_stats: self.replicas(),
        }
    }
}

/// The service URLs of these peers, each with a comma behind it as the Java server writes them.
fn listed<'a>(peers: impl Iterator<Item = &'a Arc<PeerEurekaNode>>) -> String {
    peers.map(|peer| format!("{},", peer.shown_url())).collect()
}

/// Answers a request.
pub async fn handle(app: App, request: Request<Body>) -> Response {
    let begun = Instant::now();
    let _in_flight = app.metrics().begin();
    let cluster = clusters::named(&app, &request);
    let (operation, mut response) = match access_log::request_id(&app, request.headers()) {
        Some(id) => access_log::answer(&app, id, request).await,
        None => answer(&app, request).await,
    };
    app.metrics().answered(operation, response.status(), begun.elapsed());
    response.headers_mut().insert(HeaderName::from_static(NODE_HEADER), app.0.node_id.clone());
    if let Some(cluster) = cluster {
        response.headers_mut().insert(HeaderName::from_static(CLUSTER_HEADER), cluster);
    }
    let memory = app.registry().memory(app.now());
    if memory != PeerMemory::Whole {
        response.headers_mut().insert(HeaderName::from_static(MEMORY_HEADER), HeaderValue::from_static(memory.name()));
    }
    response
}

/// Answers a request on the management port: for the actuator, and nothing else. Users are asked there as everywhere; the context
/// path is not part of its paths (Spring's neither), but may be there.
pub async fn handle_management(app: App, mut request: Request<Body>) -> Response {
    let is_actuator = |path: &str| actuator::is_below(&app.options().actuator, path);
    let (path, context_path) = (request.uri().path(), app.options().context_path.as_str());
    if is_actuator(path) && !context_path.is_empty() {
        let whole = request.uri().path_and_query().and_then(|path| format!("{context_path}{path}").parse().ok());
        let Some(uri) = whole else { return ApiError::NotFound("no such page").into_response() };
        *request.uri_mut() = uri;
    } else if !path.strip_prefix(context_path).is_some_and(is_actuator) {
        return ApiError::NotFound("only the actuator is answered on this port").into_response();
    }
    request.extensions_mut().insert(actuator::WithoutTls);
    handle(app, request).await
}

/// Answers a request, and says what it was counted as.
pub(super) async fn answer(app: &App, request: Request<Body>) -> (Operation, Response) {
    let (parts, body) = request.into_parts();
    let below_eureka = below_eureka(parts.uri.path(), &app.options().context_path);
    // Before anybody is refused: this process may have called itself as somebody whom it does not let in.
    clusters::note_token(app, &parts);
    if let Err(refused) = security::admit(app, &parts).await.and_then(|()| clusters::admit(app, &parts)) {
        let inside = parts.uri.path().strip_prefix(app.options().context_path.as_str()).unwrap_or_default();
        let refusal = if inside.starts_with(api::PREFIX) {
            api::Problem(refused).into_response()
        } else {
            security::refusal(refused, &parts.headers)
        };
        return (if below_eureka.is_some() { Operation::OTHER } else { Operation::PAGE }, refusal);
    }
    match below_eureka {
        Some(start) => eureka(app, &parts, body, start).await,
        None => page(app, Request::from_parts(parts, body)).await,
    }
}

/// Answers a request for one of the pages beside Eureka's API.
async fn page(app: &App, mut request: Request<Body>) -> (Operation, Response) {
    let context_path = &app.options().context_path;
    if !context_path.is_empty() {
        let inside = request.uri().path_and_query().and_then(|all| all.as_str().strip_prefix(context_path.as_str()));
        if inside.is_some_and(|inside| inside.is_empty() || inside.starts_with('?')) {
            // The page's links are relative, so it has to be asked for with the slash (Tomcat does the same).
            let location = format!("{context_path}/{}", inside.unwrap_or_default());
            return (Operation::of_page("/"), (StatusCode::FOUND, [(LOCATION, location)]).into_response());
        }
        let Some(uri) = inside.and_then(|inside| inside.parse().ok()) else {
            return (Operation::PAGE, ApiError::NotFound("no such page").into_response());
        };
        *request.uri_mut() = uri;
    }
    let path = request.uri().path();
    let is_actuator = actuator::is_below(&app.options().actuator, path);
    let operation = if is_actuator { Operation::ACTUATOR } else { Operation::of_page(path) };
    let Ok(mut response) = app.0.pages.clone().call(request).await;
    security::add_page_headers(&app.options().security, &mut response);
    (operation, response)
}

/// Where the path below `/eureka` begins, if it is one.
pub(super) fn below_eureka(path: &str, context_path: &str) -> Option<usize> {
    let rest = path.strip_prefix(context_path)?.strip_prefix('/')?.trim_start_matches('/').strip_prefix("eureka")?;
    (rest.is_empty() || rest.starts_with('/')).then(|| path.len() - rest.len())
}

/// Answers a request for one of Eureka's resources; `start` is where the path below `/eureka` begins.
async fn eureka(app: &App, parts: &request::Parts, body: Body, start: usize) -> (Operation, Response) {
    let resource = match Resource::parse(&parts.uri.path()[start..]) {
        Ok(resource) => resource,
        Err(PathError::NotFound) => {
            return (Operation::OTHER, ApiError::NotFound("no such resource").into_response());
        }
        Err(PathError::NotText) => {
            let error = ApiError::BadParameter("the path is not UTF-8".to_owned());
            return (Operation::OTHER, error.into_response());
        }
    };
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
    let operation = Operation::of(&resource, &method);
    let query = parts.uri.query().unwrap_or_default();
    let answer = resource_method(app, resource, method, query, &parts.headers, body).await;
    (operation, answer.unwrap_or_else(IntoResponse::into_response))
}

async fn resource_method(
    app: &App,
    resource: Resource<'_>,
    method: Method,
    query: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    match (&resource, method) {
        (Resource::Instance(key), Method::PUT) => instance::renew(app, key, query, headers, body).await,
        (Resource::Applications, Method::GET) => reads::applications(app, Scope::All, headers).await,
        (Resource::Delta, Method::GET) => reads::applications(app, Scope::Delta, headers).await,
        (Resource::Application(name), Method::GET) => reads::application(app, name, headers),
        (Resource::Application(name), Method::POST) => instance::register(app, name, headers, body).await,
        (Resource::Instance(key), Method::GET) => reads::instance(app, key, headers),
        (Resource::Instance(key), Method::DELETE) => instance::cancel(app, key, headers),
        (Resource::InstanceStatus(key), Method::PUT) => instance::status_update(app, key, query, headers, body).await,
        (Resource::InstanceStatus(key), Method::DELETE) => instance::delete_status_override(app, key, query, headers),
        (Resource::InstanceMetadata(key), Method::PUT) => instance::update_metadata(app, key, query, body).await,
        (Resource::InstanceById(id), Method::GET) => reads::instance_by_id(app, id, headers),
        (Resource::Vip(vip), Method::GET) => reads::vip(app, vip, false, headers),
        (Resource::SecureVip(vip), Method::GET) => reads::vip(app, vip, true, headers),
        (Resource::PeerReplication, Method::POST) => peer_replication::batch(app, headers, body).await,
        (Resource::PeerDigests, Method::POST) => peer_replication::digests(app, headers, body).await,
        (Resource::PeerRecords, Method::POST) => peer_replication::records(app, headers, body).await,
        (Resource::PeerHeard, Method::POST) => peer_replication::heard(app, headers, body).await,
        (Resource::ServerStatus, Method::GET) => status::status(app, headers),
        // What the Java server answers wherever it is not on AWS.
        (Resource::AutoScalingGroup, Method::PUT) => {
            Err(ApiError::BadParameter("this registry manages no AWS auto-scaling groups".to_owned()))
        }
        (resource, Method::OPTIONS) => Ok(peer_replication::with_time(app, headers, options(resource))),
        (resource, _) => Err(ApiError::MethodNotAllowed(resource.methods().to_vec())),
    }
}

fn options(resource: &Resource<'_>) -> Response {
    let get = resource.methods().contains(&Method::GET);
    let head = if get { &[Method::HEAD][..] } else { &[] };
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(ALLOW, allow(&[head, resource.methods()].concat()));
    response
}
