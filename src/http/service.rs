//! [`Service`]: the steps of a request, from its headers to the headers of its answer.
//!
//! `serve` has all steps in one list: count the request, give it an id, parse its path, admit its caller, dispatch it, observe
//! its metrics, log why it failed, add the headers of the answer, write the access log.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode, Uri};
use tokio::time::Instant;
use tower_service::Service as _;
use tracing::{Instrument, debug, error, field};

use super::access_log::AccessLog;
use super::api::respond::Problem;
use super::connection::Connection;
use super::error::{ApiError, Why};
use super::operation::Operation;
use super::resource::PathError;
use super::security::Refusal;
use super::state::{self, AppState};
use super::target::{Paths, Target, names_its_host};
use super::{actuator, clusters, eureka, pages};
use crate::model::Printable;
use crate::registry::Caller;
use crate::time::Timestamp;

/// The HTTP surface.
#[derive(Debug)]
pub struct Service {
    state: Arc<AppState>,
    pages: Router<()>,
    paths: Paths,
    /// The paths of the management port, without the context path, as in Spring.
    management_paths: Paths,
    access_log: AccessLog,
}

/// An answer, with its caller and operation for the metrics and logs.
struct Answered {
    caller: Caller,
    operation: Operation,
    response: Response,
}

impl Service {
    /// The surface of these parts.
    pub fn new(parts: state::Parts) -> Self {
        let state = Arc::new(AppState::new(parts));
        let options = &state.options;
        let paths = |context_path: &str, answers_actuator| Paths {
            context_path: context_path.to_owned(),
            actuator: options.actuator.base_path.clone(),
            endpoints: options.actuator.endpoints().map(|(_, path)| path.to_owned()).collect(),
            answers_actuator,
        };
        Self {
            pages: pages::routes(options).with_state(Arc::clone(&state)),
            paths: paths(&options.context_path, options.actuator.on_main_port),
            management_paths: paths(&options.actuator.management_base_path, true),
            access_log: AccessLog::new(options.access_log, &state.node_id),
            state,
        }
    }

    /// Takes a sample of the metrics that pages show of the last minutes; to be called every
    /// [`SAMPLE_INTERVAL`](crate::console::SAMPLE_INTERVAL).
    pub fn sample(&self) {
        self.state.console.sample();
        self.state.metrics.sample();
        self.state.addresses.forget(self.state.now());
    }

    /// Answers a request. The actuator is not answered where it has a port of its own, or none.
    pub fn handle(&self, connection: Connection, request: Request<Body>) -> impl Future<Output = Response> {
        // Before the future is made, which would else have room for the request and for its parts.
        let (parts, body) = request.into_parts();
        async move { self.serve(&self.paths, connection, &parts, body).await }
    }

    /// Answers a request on the management port: for the actuator, and nothing else. Users are asked there as everywhere; the
    /// context path may be there.
    pub async fn handle_management(&self, connection: Connection, mut request: Request<Body>) -> Response {
        let is_actuator = |paths: &&Paths| matches!(Target::of(request.uri(), paths), Target::Actuator(_));
        let Some(paths) = [&self.management_paths, &self.paths].into_iter().find(is_actuator) else {
            return ApiError::NotFound("this port serves only the actuator").into_response();
        };
        request.extensions_mut().insert(actuator::WithoutTls);
        let (parts, body) = request.into_parts();
        self.serve(paths, connection, &parts, body).await
    }

    /// The whole stack, in its order.
    async fn serve(&self, paths: &Paths, connection: Connection, parts: &Parts, body: Body) -> Response {
        let begun = Instant::now();
        let _in_flight = self.state.metrics.begin();
        let entry = self.access_log.begin(&parts.headers, begun);
        let target = Target::of(&parts.uri, paths);
        // Pinned, so that a pointer to it is wrapped: wrapped by value it was copied, some kilobytes for each request.
        let work = pin!(self.admit_and_answer(parts, &target, connection, body, self.state.clock.at(begun)));
        let work = caught(work);
        let answered = match &entry {
            Some(entry) => work.instrument(entry.span().clone()).await,
            None => work.await,
        };
        let Answered { caller, operation, mut response } =
            answered.unwrap_or_else(|panic| self.failed(parts, &target, connection, panic));
        self.state.metrics.answered(operation, response.status(), begun.elapsed());
        let why = response.extensions_mut().remove::<Why>();
        if let Some(why) = &why {
            log_why(parts, &caller, response.status(), why);
        }
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        clusters::add_headers(&self.state, parts, &caller, response.headers_mut());
        if let Some(entry) = entry {
            entry.finish(parts, &caller, why.as_ref(), &mut response);
        }
        response
    }

    /// Admits a request and answers it, or refuses it.
    async fn admit_and_answer(
        &self,
        request: &Parts,
        target: &Target<'_>,
        connection: Connection,
        body: Body,
        begun: Timestamp,
    ) -> Answered {
        let app = &self.state;
        // A call within the process has no socket, and no `Host`.
        if connection.address.is_some() && !names_its_host(request) {
            let caller = app.security.caller(request, connection);
            let error = ApiError::BadParameter("a request needs one Host header".to_owned());
            let response = refused(error, target, &request.headers);
            return Answered { caller, operation: Operation::of_refused(target), response };
        }
        // Before any refusal: this process may have called itself with credentials that it does not accept.
        clusters::note_token(app, request);
        let caller = match app.security.admit(target, request, connection, || clusters::own_names(app), begun).await {
            Ok(caller) => caller,
            Err(refusal) => return self.refuse(request, target, connection, refusal),
        };
        if let Err(error) = clusters::admit(app, request, &caller, connection) {
            let response = refused(error, target, &request.headers);
            return Answered { caller, operation: Operation::of_refused(target), response };
        }
        let response = match target {
            Target::Eureka(_, Ok(resource)) => eureka::answer(app, resource, request, &caller, body).await,
            Target::Eureka(_, Err(PathError::NotFound)) => ApiError::NotFound("no such resource").into_response(),
            Target::Eureka(_, Err(PathError::NotText)) => {
                ApiError::BadParameter("the path is not UTF-8".to_owned()).into_response()
            }
            Target::Api(path) | Target::Actuator(path) | Target::Page(path) => {
                // In a box, so that heartbeats do not carry the room for it.
                Box::pin(self.page(path, request, connection, &caller, body)).await
            }
            Target::Outside => ApiError::NotFound("no such page").into_response(),
        };
        Answered { caller, operation: Operation::of(target, &request.method), response }
    }

    /// Refuses a request. The caller gets the name of the attempted user.
    fn refuse(&self, request: &Parts, target: &Target<'_>, connection: Connection, refusal: Refusal) -> Answered {
        let mut caller = self.state.security.caller(request, connection);
        match &refusal {
            Refusal::Unauthorized { tried } => {
                self.state.metrics.unauthorized(tried.is_some());
                caller.user = tried.as_deref().map(Arc::from);
            }
            Refusal::TooManyLogins { tried, .. } => {
                self.state.metrics.refused_login();
                caller.user = tried.as_deref().map(Arc::from);
            }
            Refusal::ReadOnly { user } | Refusal::NotAPeer { user } => caller.user = Some(Arc::clone(user)),
            Refusal::CrossSite | Refusal::UnknownHost { .. } | Refusal::NeedsCertificate | Refusal::TooManyFetches => {}
        }
        let response = refused(refusal.into(), target, &request.headers);
        Answered { caller, operation: Operation::of_refused(target), response }
    }

    /// Answers a request whose handler panicked.
    fn failed(&self, request: &Parts, target: &Target<'_>, connection: Connection, panic: Panic) -> Answered {
        let caller = self.state.security.caller(request, connection);
        let response = refused(ApiError::internal(panic), target, &request.headers);
        Answered { caller, operation: Operation::of(target, &request.method), response }
    }

    /// Answers a request for one of the pages beside Eureka's API, at this path below the context path.
    async fn page(&self, path: &str, request: &Parts, connection: Connection, caller: &Caller, body: Body) -> Response {
        let forwarded = self.state.security.forwarded(request, connection);
        let query = request.uri.query().map_or_else(String::new, |query| format!("?{query}"));
        if path.is_empty() && !self.paths.context_path.is_empty() {
            // The page's links are relative, so it has to be asked for with the slash (Tomcat does the same).
            let location = format!("{}/{query}", forwarded.prefix.as_ref().unwrap_or(&self.paths.context_path));
            return (StatusCode::FOUND, [(LOCATION, location)]).into_response();
        }
        let mut inside = Request::from_parts(request.clone(), body);
        if path != request.uri.path() {
            let Ok(uri) = format!("{path}{query}").parse::<Uri>() else {
                return ApiError::NotFound("no such page").into_response();
            };
            *inside.uri_mut() = uri;
        }
        inside.extensions_mut().insert(caller.clone());
        inside.extensions_mut().insert(forwarded);
        let Ok(mut response) = self.pages.clone().call(inside).await;
        self.state.security.add_page_headers(&mut response);
        response
    }
}

/// A handler panicked: a fault of this server, which affects only this request.
#[derive(Debug, thiserror::Error)]
#[error("the handler panicked: {0}")]
struct Panic(String);

/// The result of `work`, or the message of its panic. Without this, the client would see a closed connection, and neither the
/// metrics nor the access log would have the request.
fn caught<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, Panic>> {
    AssertUnwindSafe(work).catch_unwind().map(|done| {
        done.map_err(|payload| {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            Panic(text.unwrap_or("it gave no reason").to_owned())
        })
    })
}

/// The answer to a refused request. People get a line of text. A client that accepts only JSON or XML gets no body: with text, a
/// Java client would report "no suitable converter" instead of the status.
fn refused(error: ApiError, target: &Target<'_>, headers: &HeaderMap) -> Response {
    if matches!(target, Target::Api(_)) {
        return Problem(error).into_response();
    }
    let mut response = error.into_response();
    let accepts =
        |part| headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|text| text.contains(part)));
    if headers.contains_key(ACCEPT) && !accepts("*/*") && !accepts("text/") {
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// Logs why a request was refused, or what made it fail. The fields are those of the access log.
fn log_why(request: &Parts, caller: &Caller, status: StatusCode, why: &Why) {
    let (method, path, status) = (&request.method, Printable(request.uri.path()), status.as_u16());
    let (address, user) = (caller.address.map(field::display), caller.user.as_deref());
    match why {
        Why::Refused(why) => debug!(
            http.request.method = %method,
            url.path = request.uri.path(),
            http.response.status_code = status,
            client.address = address,
            user.name = user,
            why,
            "refused {method} {path} of {caller}"
        ),
        Why::Failed(cause) => error!(
            http.request.method = %method,
            url.path = request.uri.path(),
            http.response.status_code = status,
            client.address = address,
            user.name = user,
            why = %cause,
            "cannot answer {method} {path} of {caller}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_with_its_reason() {
        let panics = |reason: &'static str| caught(async move { assert!(reason.is_empty(), "{reason}") });
        assert_eq!(panics("").await.map_err(|panic| panic.to_string()), Ok(()));
        let panic = panics("index out of bounds").await.unwrap_err();
        assert_eq!(panic.to_string(), "the handler panicked: index out of bounds");
        let response = refused(ApiError::internal(panic), &Target::Outside, &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(matches!(response.extensions().get::<Why>(), Some(Why::Failed(_))), "the log says why");
    }
}
