//! [`Target`]: the part of the surface that a request's path names. A path is parsed here, and only once.

use http::header::HOST;
use http::request::Parts;
use http::{Uri, Version};

use super::resource::{PathError, Resource, without_parameters};

/// The paths of the parts of the surface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paths {
    /// The prefix of every path: empty, or with a leading slash.
    pub(super) context_path: String,
    /// The actuator's path below it.
    pub(super) actuator: String,
    /// The paths of its endpoints below that.
    pub(super) endpoints: Vec<String>,
    /// Whether this port answers the actuator.
    pub(super) answers_actuator: bool,
}

/// What a path names, each with the path below the context path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// `/eureka/…`: one of Eureka's resources, or why the path names none.
    Eureka(&'a str, Result<Resource<'a>, PathError>),
    /// `/api/…`.
    Api(&'a str),
    /// The actuator, whatever its path is.
    Actuator(&'a str),
    /// Any other path: a page, or nothing.
    Page(&'a str),
    /// A path that is not below the context path, or is answered on another port.
    Outside,
}

impl<'a> Target<'a> {
    pub(super) fn of(uri: &'a Uri, paths: &Paths) -> Self {
        let Some(path) = uri.path().strip_prefix(paths.context_path.as_str()) else { return Self::Outside };
        if !path.is_empty() && !path.starts_with('/') {
            return Self::Outside;
        }
        if let Some(below) = below_eureka(path) {
            Self::Eureka(path, Resource::parse(below))
        } else if path.starts_with("/api/") {
            Self::Api(path)
        } else if is_actuator(path, paths) {
            if paths.answers_actuator { Self::Actuator(path) } else { Self::Outside }
        } else {
            Self::Page(path)
        }
    }

    /// The path below the context path; `None` for one outside.
    pub(super) fn path(&self) -> Option<&'a str> {
        match self {
            Self::Eureka(path, _) | Self::Api(path) | Self::Actuator(path) | Self::Page(path) => Some(path),
            Self::Outside => None,
        }
    }

    /// The named Eureka resource.
    pub(super) fn resource(&self) -> Option<&Resource<'a>> {
        match self {
            Self::Eureka(_, Ok(resource)) => Some(resource),
            Self::Eureka(_, Err(_)) | Self::Api(_) | Self::Actuator(_) | Self::Page(_) | Self::Outside => None,
        }
    }
}

/// Whether a request names its host as RFC 9112 (3.2) demands: with one `Host` header, which only HTTP/1.0 may leave out. Of two
/// headers, a proxy may use one and a server the other.
pub(super) fn names_its_host(request: &Parts) -> bool {
    match request.headers.get_all(HOST).iter().count() {
        0 => request.version < Version::HTTP_11,
        1 => true,
        _ => false,
    }
}

/// The path below `/eureka`, if it is one. Hand-written URLs double slashes.
fn below_eureka(path: &str) -> Option<&str> {
    let rest = path.trim_start_matches('/').strip_prefix("eureka")?;
    let end = rest.find('/').unwrap_or(rest.len());
    without_parameters(&rest[..end]).is_empty().then_some(&rest[end..])
}

fn is_actuator(path: &str, paths: &Paths) -> bool {
    let Some(rest) = path.strip_prefix(paths.actuator.as_str()) else { return false };
    let is_below = |rest: &str, endpoint: &str| {
        rest.strip_prefix(endpoint).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_endpoint = |rest: &str| paths.endpoints.iter().any(|endpoint| is_below(rest, endpoint));
    (rest.is_empty() && !path.is_empty()) || rest.strip_prefix('/').is_some_and(is_endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(context_path: &str, actuator: &str) -> Paths {
        let endpoints = ["health", "info", "prometheus"].map(str::to_owned).to_vec();
        Paths {
            context_path: context_path.to_owned(),
            actuator: actuator.to_owned(),
            endpoints,
            answers_actuator: true,
        }
    }

    fn check(paths: &Paths, path: &str, expected: &Target<'_>) {
        let uri = Uri::builder().path_and_query(path).build().unwrap();
        assert_eq!(Target::of(&uri, paths), *expected, "{path}");
    }

    #[test]
    fn a_path_is_read_once_for_all() {
        let paths = paths("", "/actuator");
        for path in ["/eureka/apps?x", "/eureka/apps", "//eureka/apps", "/eureka;x=y/apps;z"] {
            let below = path.split('?').next().unwrap();
            check(&paths, path, &Target::Eureka(below, Ok(Resource::Applications)));
        }
        check(&paths, "/eureka", &Target::Eureka("/eureka", Err(PathError::NotFound)));
        check(&paths, "/eureka/apps/%FF", &Target::Eureka("/eureka/apps/%FF", Err(PathError::NotText)));
        check(&paths, "/api/v1/overview", &Target::Api("/api/v1/overview"));
        for page in ["/", "/eurekas", "/lastn", "/api", "/dashboard/api.js"] {
            check(&paths, page, &Target::Page(page));
        }
    }

    #[test]
    fn a_request_has_one_host_unless_it_is_old() {
        let cases = [
            (Version::HTTP_11, 0, false),
            (Version::HTTP_11, 1, true),
            (Version::HTTP_11, 2, false),
            (Version::HTTP_10, 0, true),
        ];
        for (version, hosts, good) in cases {
            let request = http::Request::builder().version(version);
            let request = (0..hosts).fold(request, |request, _| request.header(HOST, "registry"));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(names_its_host(&parts), good, "{version:?} with {hosts}");
        }
    }

    #[test]
    fn a_context_path_is_taken_off() {
        let paths = paths("/registry", "/actuator");
        let apps = Target::Eureka("/eureka/apps", Ok(Resource::Applications));
        check(&paths, "/registry/eureka/apps", &apps);
        check(&paths, "/registry/actuator/health", &Target::Actuator("/actuator/health"));
        check(&paths, "/registry", &Target::Page(""));
        for outside in ["/", "/eureka/apps", "/registrys/eureka/apps", "/actuator/health"] {
            check(&paths, outside, &Target::Outside);
        }
    }

    #[test]
    fn the_actuator_is_not_on_a_port_that_does_not_answer_it() {
        let elsewhere = Paths { answers_actuator: false, ..paths("", "/actuator") };
        check(&elsewhere, "/actuator/health", &Target::Outside);
        check(&elsewhere, "/eureka/apps", &Target::Eureka("/eureka/apps", Ok(Resource::Applications)));
    }

    #[test]
    fn the_actuator_is_where_it_was_put() {
        for path in ["/actuator", "/actuator/health", "/actuator/health/liveness", "/actuator/prometheus"] {
            assert!(is_actuator(path, &paths("", "/actuator")), "{path}");
        }
        for path in ["", "/", "/actuators", "/actuator/nothing", "/actuatorhealth", "/health", "/eureka/apps"] {
            assert!(!is_actuator(path, &paths("", "/actuator")), "{path}");
        }
        assert!(is_actuator("/health/readiness", &paths("", "")));
        assert!(
            !is_actuator("", &paths("", ""))
                && !is_actuator("/", &paths("", ""))
                && !is_actuator("/eureka/apps", &paths("", ""))
        );
    }
}
