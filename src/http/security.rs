//! What callers may do. Users are authenticated by HTTP basic authentication, as in Spring Security, and peers by certificate.
//! Pages of other sites may do nothing.
//!
//! All of this is decided before a request reaches a resource. Without users everybody may do everything, which is how most
//! Eureka servers are run; but a page of another site cannot make a browser change anything.

mod forwarded;
mod guesses;
mod hasher;
mod hosts;
mod job;
mod password;
mod peers;
mod proofs;
pub mod rate_limit;
mod user;
mod users;
mod waiting;

use std::sync::Arc;

use axum::body::Body;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{Method, Response};

pub use forwarded::ForwardHeaders;
pub(super) use forwarded::Forwarded;
pub use hosts::AllowedHosts;
pub use password::Password;
pub use user::User;

use hosts::Hosts;
use peers::PeerUsers;
use users::{Users, Wrong};

use super::connection::Connection;
use super::target::Target;
use crate::registry::{Caller, Source};
use crate::replication::protocol::NEWCOMER_HEADER;
use crate::time::Timestamp;
use rate_limit::RateLimiter;

/// Settings of security.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The users; without any, everybody may do everything.
    pub users: Vec<User>,
    /// The paths that are open to everybody, below the context path: whole ones, or with `/**` at the end.
    pub open_paths: Vec<String>,
    /// Whether only a peer with a certificate may replicate (`registry.security.peers-need-certificate`, and where
    /// `registry.security.peer-names` says which).
    pub peers_need_certificate: bool,
    /// The host names under which pages and the API are answered.
    pub allowed_hosts: AllowedHosts,
    /// Whether pages are served by TLS, and browsers are to insist on it.
    pub strict_transport: bool,
    /// Which headers say where a request comes from (`server.forward-headers-strategy`).
    pub forward_headers: ForwardHeaders,
    /// Netflix's rate limiter.
    pub rate_limit: rate_limit::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            open_paths: vec!["/actuator/health/**".to_owned()],
            peers_need_certificate: false,
            allowed_hosts: AllowedHosts::default(),
            strict_transport: false,
            forward_headers: ForwardHeaders::default(),
            rate_limit: rate_limit::Options::default(),
        }
    }
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The value of the header that a replica sends with every request to another replica.
const REPLICATION: HeaderName = HeaderName::from_static("x-netflix-discovery-replication");

/// Why a request is refused before it reaches a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It would change something, and a page of another site made a browser send it.
    CrossSite,
    /// It asks for a page or the API under a host name that is not known to be this server's.
    UnknownHost {
        /// The name.
        name: String,
    },
    /// Only a peer with a certificate may do this.
    NeedsCertificate,
    /// Only a peer may do this, and its user is not a peer.
    NotAPeer {
        /// The user's name.
        user: Arc<str>,
    },
    /// It has no credentials, or wrong ones.
    Unauthorized {
        /// The name of the user that was tried; `None` without credentials.
        tried: Option<String>,
    },
    /// It would change something, and its user may only read.
    ReadOnly {
        /// The user's name.
        user: Arc<str>,
    },
    /// Too many logins of its address, or of its user, failed.
    TooManyLogins {
        /// The name of the user that was tried.
        tried: Option<String>,
        /// After how many seconds it may be tried again.
        retry_after: i64,
    },
    /// The rate limiter refuses it.
    TooManyFetches,
}

/// The path by which peers replicate: open to everybody only if it is one of the open paths.
const PEERS_PATH: &str = "/eureka/peerreplication/batch/";

/// Decides what callers may do.
#[derive(Debug)]
pub(super) struct Security {
    options: Options,
    users: Users,
    peers: PeerUsers,
    hosts: Hosts,
    limiter: RateLimiter,
}

impl Security {
    /// `called_as` are the names of the users as whom this replica calls its peers; `busy` is the maximum number of busy
    /// connections.
    pub(super) fn new(options: &Options, called_as: Vec<String>, busy: usize) -> Self {
        let (users, limiter) = (Users::new(options.users.clone(), busy), RateLimiter::new(options.rate_limit.clone()));
        let hosts = Hosts::new(&options.allowed_hosts, users.is_empty());
        let peers = PeerUsers::new(&options.users, called_as);
        Self { options: options.clone(), users, peers, hosts, limiter }
    }

    /// Whether there are no users, so that everybody may do everything.
    pub(super) fn is_open(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether this caller may change something.
    pub(super) fn may_change(&self, caller: &Caller) -> bool {
        self.is_open() || caller.user.as_ref().is_some_and(|name| self.users.may_change(name))
    }

    /// Whether this caller's requests count as those of a peer.
    pub(super) fn may_replicate(&self, caller: &Caller) -> bool {
        let has_certificate = caller.certified || !self.options.peers_need_certificate;
        let is_open = self.is_open() || self.is_open_to_all(PEERS_PATH);
        has_certificate && (is_open || caller.user.as_ref().is_some_and(|name| self.peers.contains(name)))
    }

    /// Whether a user has one of these roles; true if no roles are given.
    pub(super) fn has_role(&self, user: &str, roles: &[String]) -> bool {
        roles.is_empty() || self.users.has_role(user, roles)
    }

    /// The caller of a request, as far as it is known without credentials.
    pub(super) fn caller(&self, request: &Parts, connection: Connection) -> Caller {
        let is_peer = request.headers.get(REPLICATION).is_some_and(|value| value.as_bytes() == b"true");
        let source = if is_peer { Source::Peer } else { Source::Client };
        let address = self.options.forward_headers.address(&request.headers, connection.address);
        Caller { address, certified: connection.certified, ..Caller::from(source) }
    }

    /// How the client of a request calls this server, as far as a trusted proxy says so.
    pub(super) fn forwarded(&self, request: &Parts, connection: Connection) -> Forwarded {
        self.options.forward_headers.origin(&request.headers, connection.address)
    }

    /// Admits a request and returns its caller, or returns why it is refused. `own_names` returns the names by which this server
    /// calls itself.
    pub(super) async fn admit(
        &self,
        target: &Target<'_>,
        request: &Parts,
        connection: Connection,
        own_names: impl FnOnce() -> Vec<String>,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let mut caller = self.caller(request, connection);
        // Announcing a replica makes this one send it every change, so it needs a peer even when it is sent with GET.
        let announces = request.headers.contains_key(NEWCOMER_HEADER);
        let changes = announces || !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let replicates = announces || (changes && is_replication(target, &caller));
        self.check_origin(target, request, connection, changes, own_names)?;
        if replicates && self.options.peers_need_certificate && !connection.is_peer {
            return Err(Refusal::NeedsCertificate);
        }
        if !self.is_open() {
            let is_open = !announces && self.is_open_path(target) && (!replicates || self.is_open_to_all(PEERS_PATH));
            caller.user = self.authenticate(target, request, connection, is_open, now).await?;
            if let Some(user) = caller.user.as_ref().filter(|_| !is_open) {
                self.check_role(user, changes, replicates)?;
            }
            if caller.source == Source::Peer && !self.may_replicate(&caller) {
                caller.source = Source::Client;
            }
        }
        if self.limiter.is_over_limit(target, request, now) {
            return Err(Refusal::TooManyFetches);
        }
        Ok(caller)
    }

    /// Refuses a request that a page of another site made a browser send. It shows by the site that the browser names as its
    /// origin, or by the host name that it uses for this server. Eureka's clients may use any host name; only browsers name an
    /// origin.
    fn check_origin(
        &self,
        target: &Target<'_>,
        request: &Parts,
        connection: Connection,
        changes: bool,
        own_names: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Refusal> {
        if changes && is_cross_site(&request.headers, || self.forwarded(request, connection).host) {
            return Err(Refusal::CrossSite);
        }
        let is_page = matches!(target, Target::Page(_) | Target::Api(_));
        if (is_page || (changes && request.headers.contains_key(ORIGIN)))
            && let Some(name) = self.hosts.stranger(request, own_names)
        {
            return Err(Refusal::UnknownHost { name });
        }
        Ok(())
    }

    fn check_role(&self, user: &Arc<str>, changes: bool, replicates: bool) -> Result<(), Refusal> {
        if changes && !self.users.may_change(user) {
            return Err(Refusal::ReadOnly { user: Arc::clone(user) });
        }
        if replicates && !self.peers.contains(user) {
            self.peers.say_refused(user);
            return Err(Refusal::NotAPeer { user: Arc::clone(user) });
        }
        Ok(())
    }

    /// The user of a request. On an open path nobody is refused, but pages show more to a user.
    async fn authenticate(
        &self,
        target: &Target<'_>,
        request: &Parts,
        connection: Connection,
        is_open: bool,
        now: Timestamp,
    ) -> Result<Option<Arc<str>>, Refusal> {
        if is_open && matches!(target, Target::Eureka(..)) {
            return Ok(None);
        }
        match self.users.authenticate(&request.headers, connection.address, now).await {
            Ok(user) => Ok(Some(user)),
            Err(_) if is_open => Ok(None),
            Err(Wrong::Credentials) => Err(Refusal::Unauthorized { tried: users::tried(&request.headers) }),
            Err(Wrong::TooMany { retry_after }) => {
                Err(Refusal::TooManyLogins { tried: users::tried(&request.headers), retry_after })
            }
        }
    }

    fn is_open_path(&self, target: &Target<'_>) -> bool {
        target.path().is_some_and(|path| self.is_open_to_all(path))
    }

    fn is_open_to_all(&self, path: &str) -> bool {
        self.options.open_paths.iter().any(|open| match open.strip_suffix("/**") {
            Some(above) => path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            None => path == open,
        })
    }

    /// Adds the headers of a page, beside those of every answer: browsers load nothing from other origins, and no site may frame
    /// it.
    pub(super) fn add_page_headers(&self, response: &mut Response<Body>) {
        const HEADERS: [(&str, &str); 3] = [
            (
                "content-security-policy",
                "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
            ),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
        ];
        for (name, value) in HEADERS {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if self.options.strict_transport {
            let value = HeaderValue::from_static("max-age=31536000");
            response.headers_mut().insert(http::header::STRICT_TRANSPORT_SECURITY, value);
        }
    }
}

/// Whether only a peer sends such a request: one to a resource for peers, or one with the header of replicas.
fn is_replication(target: &Target<'_>, caller: &Caller) -> bool {
    caller.source == Source::Peer || target.resource().is_some_and(|resource| resource.is_of_peers())
}

/// Whether a browser sends this for a page of another site. Clients other than browsers send neither header.
///
/// `forwarded` is the host by which the browser calls this server, if a trusted proxy says so. A page of another site cannot set the
/// header that says it, since a browser asks the server first.
fn is_cross_site(headers: &HeaderMap, forwarded: impl FnOnce() -> Option<String>) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, origin)| origin);
    origin.is_none() || (origin != host && origin != forwarded().as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_believed_where_the_page_is_ours() {
        let cross_site = |headers: &[(&'static str, &'static str)]| {
            let headers =
                headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_cross_site(&headers.collect(), || Some("behind.a.proxy".to_owned()))
        };
        assert!(!cross_site(&[("host", "registry:8761"), ("origin", "https://behind.a.proxy")]));
        assert!(!cross_site(&[("host", "registry:8761")]));
        assert!(!cross_site(&[("host", "registry:8761"), ("origin", "http://registry:8761")]));
        assert!(cross_site(&[("host", "registry:8761"), ("origin", "http://evil.example")]));
        assert!(cross_site(&[("host", "registry:8761"), ("origin", "null")]));
        assert!(cross_site(&[("host", "registry:8761"), ("sec-fetch-site", "cross-site")]));
        assert!(cross_site(&[("sec-fetch-site", "same-site")]));
        assert!(!cross_site(&[("sec-fetch-site", "same-origin"), ("origin", "http://behind.a.proxy")]));
    }

    #[test]
    fn open_paths_are_whole_or_end_in_stars() {
        let options =
            Options { open_paths: vec!["/actuator/health/**".to_owned(), "/".to_owned()], ..Options::default() };
        let security = Security::new(&options, Vec::new(), 1);
        for open in ["/actuator/health", "/actuator/health/liveness", "/"] {
            assert!(security.is_open_path(&Target::Page(open)), "{open}");
        }
        for closed in ["/actuator/healthy", "/actuator", "/eureka/apps", "//", ""] {
            assert!(!security.is_open_path(&Target::Page(closed)), "{closed}");
        }
        assert!(!security.is_open_path(&Target::Outside));
    }
}
