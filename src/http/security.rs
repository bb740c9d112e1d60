//! Who may do what: users by HTTP basic authentication as Spring Security has it, peers by certificate, and pages of other
//! sites not at all.
//!
//! Everything is decided before a request reaches a resource. Without users everybody may do everything, which is how Eureka
//! servers are mostly run, but for a browser that another site's page sends here.

mod password;
pub mod rate_limit;
mod users;

use std::net::IpAddr;

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{Method, Response};

pub use password::Password;
use users::Refused;
pub use users::User;
pub(super) use users::Users;

use super::resource::Resource;
use super::{ApiError, App, instance, router};
use crate::registry::Source;
use crate::replication::protocol::NEWCOMER_HEADER;
use rate_limit::RateLimiter;

/// Settings of security.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Who may come in; without any, everybody.
    pub users: Vec<User>,
    /// The paths that are open to everybody, below the context path: whole ones, or with `/**` at the end.
    pub open_paths: Vec<String>,
    /// Whether only a peer with a certificate may replicate (`registry.security.peers-need-certificate`).
    pub peers_need_certificate: bool,
    /// Whether pages are served by TLS, and browsers are to insist on it.
    pub strict_transport: bool,
    /// Netflix's rate limiter.
    pub rate_limit: rate_limit::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            open_paths: vec!["/actuator/health/**".to_owned()],
            peers_need_certificate: false,
            strict_transport: false,
            rate_limit: rate_limit::Options::default(),
        }
    }
}

/// On a request that came by a connection whose client showed a certificate that is believed.
#[derive(Clone, Copy, Debug)]
pub struct Certified;

/// On a request that shows credentials: where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Decides.
#[derive(Debug)]
pub(super) struct Security {
    users: Users,
    limiter: RateLimiter,
}

impl Security {
    pub(super) fn new(options: &Options) -> Self {
        Self { users: Users::new(options.users.clone()), limiter: RateLimiter::new(options.rate_limit.clone()) }
    }

    /// Whether nobody has to be a user.
    pub(super) fn is_open(&self) -> bool {
        self.users.is_empty()
    }
}

/// Lets a request in, or says why not.
pub(super) async fn admit(app: &App, request: &Parts) -> Result<(), ApiError> {
    let (options, security) = (&app.options().security, app.security());
    // Who announces a replica has this one call it, and tell it everything, from now on: that is a change, however it is asked.
    let announces = request.headers.contains_key(NEWCOMER_HEADER);
    let changes = announces || !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && is_cross_site(&request.headers) {
        return Err(ApiError::Forbidden("pages of other sites change nothing here"));
    }
    let (path, context_path) = (request.uri.path(), &app.options().context_path);
    if options.peers_need_certificate
        && request.extensions.get::<Certified>().is_none()
        && (announces || (changes && is_replication(request, context_path)))
    {
        return Err(ApiError::Forbidden("replication needs a client certificate"));
    }
    if !security.users.is_empty() && (announces || !is_open(options, path, context_path)) {
        let user = authenticate(app, request).await.map_err(|refused| match refused {
            Refused::Unknown => ApiError::Unauthorized,
            Refused::TooMany => ApiError::TooManyFetches,
        })?;
        if changes && user.is_read_only() {
            return Err(ApiError::Forbidden("this user may only read"));
        }
    }
    if security.limiter.is_over_limit(request, app.now()) {
        return Err(ApiError::TooManyFetches);
    }
    Ok(())
}

/// What somebody is answered who is not let in. To a person in words; a Java client that accepts JSON or XML alone makes "no suitable
/// converter" of them where without a body it says the status.
pub(super) fn refusal(refused: ApiError, headers: &HeaderMap) -> Response<Body> {
    let mut response = refused.into_response();
    let accepts =
        |part| headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|text| text.contains(part)));
    if headers.contains_key(ACCEPT) && !accepts("*/*") && !accepts("text/") {
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// The user who sent a request, if it was one; also where nobody has to be one.
pub(super) async fn user<'a>(app: &'a App, request: &Parts) -> Option<&'a User> {
    authenticate(app, request).await.ok()
}

async fn authenticate<'a>(app: &'a App, request: &Parts) -> Result<&'a User, Refused> {
    let address = request.extensions.get().map(|ClientAddress(address)| *address);
    app.security().users.authenticate(&request.headers, address).await
}

/// Whether a request is what only peers send: to a resource of theirs, or as one of them to another.
fn is_replication(request: &Parts, context_path: &str) -> bool {
    let path = request.uri.path();
    let resource = router::below_eureka(path, context_path).and_then(|start| Resource::parse(&path[start..]).ok());
    instance::source(&request.headers) == Source::Peer || resource.is_some_and(|resource| resource.is_of_peers())
}

/// Whether a browser sends this because of another site's page. Clients that are no browsers send neither header.
fn is_cross_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, origin)| origin);
    origin.is_none() || origin != host
}

fn is_open(options: &Options, path: &str, context_path: &str) -> bool {
    let Some(path) = path.strip_prefix(context_path) else { return false };
    options.open_paths.iter().any(|open| match open.strip_suffix("/**") {
        Some(above) => path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        None => path == open,
    })
}

/// What a page says to browsers: nothing of other origins is loaded, nobody frames it, nothing is guessed.
pub(super) fn add_page_headers(options: &Options, response: &mut Response<Body>) {
    const HEADERS: [(&str, &str); 4] = [
        ("content-security-policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if options.strict_transport {
        let value = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(http::header::STRICT_TRANSPORT_SECURITY, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_believed_where_the_page_is_ours() {
        let cross_site = |headers: &[(&'static str, &'static str)]| {
            let headers =
                headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_cross_site(&headers.collect())
        };
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
        for open in ["/actuator/health", "/actuator/health/liveness", "/"] {
            assert!(is_open(&options, open, ""), "{open}");
        }
        for closed in ["/actuator/healthy", "/actuator", "/eureka/apps", "//", ""] {
            assert!(!is_open(&options, closed, ""), "{closed}");
        }
        assert!(is_open(&options, "/registry/actuator/health", "/registry"));
        assert!(!is_open(&options, "/actuator/health", "/registry"));
    }
}
