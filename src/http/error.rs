//! [`ApiError`]: every error that a request may lead to. Only here, errors become status codes.
//!
//! The layers below return their own errors (`CodecError`, `RegistrationError`, `ReadError`), which know no HTTP. Handlers
//! return an [`ApiError`]. A client gets one line that says what is wrong with its request. The cause of a 500 is not sent:
//! it goes to the log, by [`Why`] in the extensions of the answer. `service.rs` writes that line, once.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};

use super::security::Refusal;
use crate::codec::{CodecError, Media};
use crate::model::RegistrationError;
use crate::registry::{NoRoom, ReadError};
use crate::replication::Refused;

/// An error that a request is answered.
#[derive(Debug)]
pub enum ApiError {
    /// The path leads to nothing; with a line for people: 404.
    NotFound(&'static str),
    /// No such lease: 404 without a body, since Netflix's Jersey 2 and 3 clients read any body of a heartbeat's answer
    /// as an instance and then never register again (src/PROTOCOL.md, quirk 5).
    LeaseNotFound,
    /// The path has other methods: 405 with these.
    MethodNotAllowed(Vec<Method>),
    /// Neither JSON nor XML is accepted: 406.
    NotAcceptable,
    /// The body is neither JSON nor XML, or is compressed in an unknown way: 415.
    UnsupportedMediaType,
    /// The body is larger than the limit: 413.
    BodyTooLarge(usize),
    /// The body did not arrive whole: 400.
    BodyBroken,
    /// The body did not arrive in time, or it is large and had to wait too long for others: 408.
    BodyLate,
    /// The body is not understood: 400 in the words of the Java server (`DiscoveryJerseyProvider.createErrorReply`).
    Unparsable(Media, CodecError),
    /// A registration lacks something: 400 in the words of the Java server.
    Registration(RegistrationError),
    /// The registry is full, so it takes no new instance: 507.
    NoRoom(NoRoom),
    /// A parameter is missing or wrong: 400.
    BadParameter(String),
    /// This caller may not do this: 403.
    Forbidden(&'static str),
    /// The registry is not to be read now: 403, which clients answer by trying another replica.
    NotReadable(ReadError),
    /// The caller is a replica of another cluster: 409.
    OtherCluster(String),
    /// There are no valid credentials: 401.
    Unauthorized,
    /// The rate limiter refuses: 503 without a body (src/PROTOCOL.md, section 1.11).
    TooManyFetches,
    /// Too many logins of this address, or of this user, failed: 429 with the seconds after which it may be tried again. A Java
    /// client treats it like 401 and tries the next server; the text tells a person that the password may not even have been
    /// checked.
    TooManyLogins(i64),
    /// A page is requested under a host name that is not known to be this server's: 421 with the name.
    UnknownHost(String),
    /// The server is busy, later it may not be: 503. Only people and pages get this, no client of Eureka's.
    Busy(&'static str),
    /// An internal error: 500. Its cause is only for the log.
    Internal(Arc<dyn Error + Send + Sync>),
}

/// Why a request was refused, or what made it fail: an extension of its answer, for the log.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// What is wrong with the request.
    Refused(String),
    /// What went wrong here.
    Failed(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Failed(cause) => cause.fmt(f),
        }
    }
}

impl From<CodecError> for ApiError {
    fn from(error: CodecError) -> Self {
        let media = if matches!(error, CodecError::Xml(_)) { Media::Xml } else { Media::Json };
        Self::Unparsable(media, error)
    }
}

impl From<RegistrationError> for ApiError {
    fn from(error: RegistrationError) -> Self {
        Self::Registration(error)
    }
}

impl From<NoRoom> for ApiError {
    fn from(error: NoRoom) -> Self {
        Self::NoRoom(error)
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLarge(error) => Self::Registration(error.into()),
            Refused::NoRoom(error) => Self::NoRoom(error),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::NotReadable(error)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::CrossSite => Self::Forbidden("pages of other sites may not change the registry"),
            Refusal::NeedsCertificate => Self::Forbidden("replication needs a client certificate"),
            Refusal::Unauthorized { .. } => Self::Unauthorized,
            Refusal::ReadOnly { .. } => Self::Forbidden("this user is read-only"),
            Refusal::UnknownHost { name } => Self::UnknownHost(name),
            Refusal::NotAPeer { .. } => Self::Forbidden("replication needs a user with the role PEER"),
            Refusal::TooManyLogins { retry_after, .. } => Self::TooManyLogins(retry_after),
            Refusal::TooManyFetches => Self::TooManyFetches,
        }
    }
}

impl ApiError {
    /// An internal error with this cause.
    pub(super) fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(cause))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) | Self::LeaseNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyBroken | Self::Unparsable(..) | Self::Registration(_) | Self::BadParameter(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyLate => StatusCode::REQUEST_TIMEOUT,
            Self::Forbidden(_) | Self::NotReadable(_) => StatusCode::FORBIDDEN,
            Self::OtherCluster(_) => StatusCode::CONFLICT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooManyFetches | Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyLogins(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::UnknownHost(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoRoom(_) => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// What is wrong, in one line for people; empty where clients want no body.
    pub(super) fn line(&self) -> String {
        match self {
            Self::NotFound(what) | Self::Forbidden(what) | Self::Busy(what) => (*what).to_owned(),
            Self::NotReadable(ReadError::NotYetAllowed) => {
                "the registry started empty and waits for its clients".to_owned()
            }
            Self::NotReadable(ReadError::DeltaDisabled) => "deltas are disabled".to_owned(),
            Self::LeaseNotFound | Self::TooManyFetches => String::new(),
            Self::TooManyLogins(seconds) => format!("too many failed logins: try again in {seconds} seconds"),
            Self::UnknownHost(name) => format!(
                "this registry does not know that it is called {name:?}: if it is, add that name to registry.security.allowed-hosts"
            ),
            Self::MethodNotAllowed(_) => "method not allowed".to_owned(),
            Self::NotAcceptable => "only application/json and application/xml are answered".to_owned(),
            Self::UnsupportedMediaType => {
                "the body must be application/json or application/xml, plain or gzip".to_owned()
            }
            Self::BodyTooLarge(limit) => format!("the body is larger than {limit} bytes"),
            Self::BodyBroken => "the body did not arrive whole".to_owned(),
            Self::BodyLate => "the body took too long to arrive".to_owned(),
            Self::Unparsable(_, error) => error.to_string(),
            Self::Registration(error) => error.to_string(),
            Self::NoRoom(error) => error.to_string(),
            Self::BadParameter(text) | Self::OtherCluster(text) => text.clone(),
            Self::Unauthorized => "a user name and a password are required".to_owned(),
            Self::Internal(_) => "the registry cannot answer this; its log says why".to_owned(),
        }
    }

    /// The reason for the log, if the error is logged. A 404 is not: it is an ordinary answer.
    fn why(&self) -> Option<Why> {
        match self {
            Self::Internal(cause) => Some(Why::Failed(Arc::clone(cause))),
            Self::TooManyFetches => Some(Why::Refused("too many fetches".to_owned())),
            Self::NotFound(_) | Self::LeaseNotFound | Self::MethodNotAllowed(_) => None,
            Self::NotAcceptable
            | Self::UnsupportedMediaType
            | Self::BodyTooLarge(_)
            | Self::BodyBroken
            | Self::BodyLate
            | Self::Unparsable(..)
            | Self::Registration(_)
            | Self::NoRoom(_)
            | Self::BadParameter(_)
            | Self::Forbidden(_)
            | Self::NotReadable(_)
            | Self::OtherCluster(_)
            | Self::Unauthorized
            | Self::TooManyLogins(_)
            | Self::UnknownHost(_)
            | Self::Busy(_) => Some(Why::Refused(self.line())),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, text, why) = (self.status(), self.line(), self.why());
        let mut response = self.answer(status, text);
        if let Some(why) = why {
            response.extensions_mut().insert(why);
        }
        response
    }
}

impl ApiError {
    fn answer(self, status: StatusCode, text: String) -> Response {
        match self {
            Self::LeaseNotFound | Self::TooManyFetches => empty(status),
            Self::Unparsable(media, _) => unparsable(media, text),
            Self::MethodNotAllowed(methods) => {
                let mut response = line(status, text);
                response.headers_mut().insert(ALLOW, allow(&methods));
                response
            }
            Self::Unauthorized => {
                let mut response = line(status, text);
                // In Spring Security's words.
                let challenge = HeaderValue::from_static("Basic realm=\"Realm\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                response
            }
            Self::TooManyLogins(seconds) => {
                let mut response = line(status, text);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Self::NotFound(_)
            | Self::NotAcceptable
            | Self::UnsupportedMediaType
            | Self::BodyTooLarge(_)
            | Self::BodyBroken
            | Self::BodyLate
            | Self::Registration(_)
            | Self::NoRoom(_)
            | Self::UnknownHost(_)
            | Self::BadParameter(_)
            | Self::OtherCluster(_)
            | Self::Forbidden(_)
            | Self::NotReadable(_)
            | Self::Busy(_)
            | Self::Internal(_) => line(status, text),
        }
    }
}

/// An answer of a status alone.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn line(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    response
}

fn unparsable(media: Media, detail: String) -> Response {
    let body = match media {
        Media::Json => {
            format!("{{\"error\": \"cannot parse request body\", \"detail\": {}}}", serde_json::Value::String(detail))
        }
        Media::Xml => format!(
            "<error><message>cannot parse request body</message><detail>{}</detail></error>",
            quick_xml::escape::escape(detail.as_str())
        ),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    response
}

/// `Allow` with these methods, and `OPTIONS`, which every resource has.
pub(super) fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).chain(["OPTIONS"]).collect();
    HeaderValue::from_str(&names.join(",")).unwrap_or_else(|_not_ascii| HeaderValue::from_static("OPTIONS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_logged_and_not_sent_to_the_client() {
        let response = ApiError::internal(fmt::Error).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(matches!(response.extensions().get(), Some(Why::Failed(cause)) if cause.is::<fmt::Error>()));
    }

    #[test]
    fn an_unknown_lease_is_an_answer_like_another() {
        for error in [ApiError::LeaseNotFound, ApiError::NotFound("no such page")] {
            assert!(error.into_response().extensions().get::<Why>().is_none());
        }
    }
}
