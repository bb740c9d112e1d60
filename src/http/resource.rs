//! [`Resource`]: what a path below `/eureka` names, and the methods it has.
//!
//! Clients write Eureka's paths with `v2` and without, with a slash at the end and without, with doubled slashes, with matrix
//! parameters, and with ids that are percent-encoded or not (src/PROTOCOL.md, section 1.1). Clients follow no redirect, so all of these are
//! accepted. A router with patterns would need many patterns for each path. Nearly all requests are heartbeats, and a
//! heartbeat finds its key here without a copy.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

/// One of the Eureka resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    /// `apps`
    Applications,
    /// `apps/delta`
    Delta,
    /// `apps/{app}`: its name in upper case
    Application(Cow<'a, str>),
    /// `apps/{app}/{id}`: the registration's key
    Instance(Cow<'a, str>),
    /// `apps/{app}/{id}/status`
    InstanceStatus(Cow<'a, str>),
    /// `apps/{app}/{id}/metadata`
    InstanceMetadata(Cow<'a, str>),
    /// `instances/{id}`
    InstanceById(Cow<'a, str>),
    /// `vips/{vip}`
    Vip(Cow<'a, str>),
    /// `svips/{vip}`
    SecureVip(Cow<'a, str>),
    /// `peerreplication/batch`
    PeerReplication,
    /// `peerreplication/digests`: between our own replicas
    PeerDigests,
    /// `peerreplication/records`: between our own replicas
    PeerRecords,
    /// `peerreplication/heard`: between our own replicas
    PeerHeard,
    /// `peerreplication/readers`: between our own replicas
    PeerReaders,
    /// `status`
    ServerStatus,
    /// `asg/{name}/status`
    AutoScalingGroup,
}

/// Why a path names no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathError {
    /// No resource has this path.
    NotFound,
    /// Its percent-encoding is not text.
    NotText,
}

impl<'a> Resource<'a> {
    /// The resource of a path below `/eureka`; `path` is without that prefix.
    pub(super) fn parse(path: &'a str) -> Result<Self, PathError> {
        let mut segments = [""; 5];
        let mut count = 0;
        for segment in path.split('/').map(without_parameters).filter(|segment| !segment.is_empty()) {
            if count == segments.len() {
                return Err(PathError::NotFound);
            }
            segments[count] = segment;
            count += 1;
        }
        let segments = match &segments[..count] {
            ["v2", rest @ ..] => rest,
            all => all,
        };
        Ok(match *segments {
            ["apps"] => Self::Applications,
            ["apps", "delta"] => Self::Delta,
            ["apps", app] => Self::Application(app_name(app)?),
            ["apps", app, id] => Self::Instance(key(path, app, id)?),
            ["apps", app, id, "status"] => Self::InstanceStatus(key(path, app, id)?),
            ["apps", app, id, "metadata"] => Self::InstanceMetadata(key(path, app, id)?),
            ["instances", id] => Self::InstanceById(decoded(id)?),
            ["vips", vip] => Self::Vip(decoded(vip)?),
            ["svips", vip] => Self::SecureVip(decoded(vip)?),
            ["peerreplication", "batch"] => Self::PeerReplication,
            ["peerreplication", "digests"] => Self::PeerDigests,
            ["peerreplication", "records"] => Self::PeerRecords,
            ["peerreplication", "heard"] => Self::PeerHeard,
            ["peerreplication", "readers"] => Self::PeerReaders,
            ["status"] => Self::ServerStatus,
            ["asg", _, "status"] => Self::AutoScalingGroup,
            _ => return Err(PathError::NotFound),
        })
    }

    /// Its path, with the names of its variables.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Applications => "/eureka/apps",
            Self::Delta => "/eureka/apps/delta",
            Self::Application(_) => "/eureka/apps/{app}",
            Self::Instance(_) => "/eureka/apps/{app}/{id}",
            Self::InstanceStatus(_) => "/eureka/apps/{app}/{id}/status",
            Self::InstanceMetadata(_) => "/eureka/apps/{app}/{id}/metadata",
            Self::InstanceById(_) => "/eureka/instances/{id}",
            Self::Vip(_) => "/eureka/vips/{vip}",
            Self::SecureVip(_) => "/eureka/svips/{vip}",
            Self::PeerReplication => "/eureka/peerreplication/batch",
            Self::PeerDigests => "/eureka/peerreplication/digests",
            Self::PeerRecords => "/eureka/peerreplication/records",
            Self::PeerHeard => "/eureka/peerreplication/heard",
            Self::PeerReaders => "/eureka/peerreplication/readers",
            Self::ServerStatus => "/eureka/status",
            Self::AutoScalingGroup => "/eureka/asg/{name}/status",
        }
    }

    /// Whether only peers may call it.
    pub(super) fn is_of_peers(&self) -> bool {
        matches!(
            self,
            Self::PeerReplication | Self::PeerDigests | Self::PeerRecords | Self::PeerHeard | Self::PeerReaders
        )
    }

    /// The methods it has, in the Java server's order (src/PROTOCOL.md, section 1.3).
    pub(super) fn methods(&self) -> &'static [Method] {
        match self {
            Self::Application(_) => &[Method::POST, Method::GET],
            Self::Instance(_) => &[Method::DELETE, Method::GET, Method::PUT],
            Self::InstanceStatus(_) => &[Method::DELETE, Method::PUT],
            Self::InstanceMetadata(_) | Self::AutoScalingGroup => &[Method::PUT],
            Self::PeerReplication | Self::PeerDigests | Self::PeerRecords | Self::PeerHeard | Self::PeerReaders => {
                &[Method::POST]
            }
            Self::Applications
            | Self::Delta
            | Self::InstanceById(_)
            | Self::Vip(_)
            | Self::SecureVip(_)
            | Self::ServerStatus => &[Method::GET],
        }
    }
}

/// A segment of a path without its matrix parameters, as JAX-RS drops them: `ORDERS` of `ORDERS;a=b`.
pub(super) fn without_parameters(segment: &str) -> &str {
    segment.split_once(';').map_or(segment, |(name, _parameters)| name)
}

/// `APP/id`, borrowed from the path if possible.
fn key<'a>(path: &'a str, app: &'a str, id: &'a str) -> Result<Cow<'a, str>, PathError> {
    if is_plain(app) && !id.contains('%') && id.as_ptr() == app.as_ptr().wrapping_add(app.len() + 1) {
        let start = app.as_ptr().addr() - path.as_ptr().addr();
        return Ok(Cow::Borrowed(&path[start..start + app.len() + 1 + id.len()]));
    }
    let (app, id) = (app_name(app)?, decoded(id)?);
    if app.contains('/') {
        return Err(PathError::NotFound); // no application has such a name, and the key would be another's
    }
    Ok(Cow::Owned(format!("{app}/{id}")))
}

fn app_name(segment: &str) -> Result<Cow<'_, str>, PathError> {
    if is_plain(segment) {
        return Ok(Cow::Borrowed(segment));
    }
    Ok(Cow::Owned(decoded(segment)?.to_uppercase()))
}

/// Whether decoding and upper-casing would not change the segment.
fn is_plain(segment: &str) -> bool {
    segment.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase() && byte != b'%')
}

fn decoded(segment: &str) -> Result<Cow<'_, str>, PathError> {
    percent_decode_str(segment).decode_utf8().map_err(|_not_utf8| PathError::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Result<Resource<'_>, PathError> {
        Resource::parse(path)
    }

    #[test]
    fn every_spelling_of_a_path_is_understood() {
        for path in ["/apps", "/apps/", "/v2/apps", "/v2/apps/", "//apps//"] {
            assert_eq!(parse(path), Ok(Resource::Applications), "{path}");
        }
        for path in ["/apps/ORDERS/a:1", "/v2/apps/orders/a:1/", "/apps//Orders//a%3A1"] {
            assert_eq!(parse(path), Ok(Resource::Instance("ORDERS/a:1".into())), "{path}");
        }
        for path in [
            "/apps;a=b/orders;c/a:1;d=e;f",
            "/;x/v2;y/apps/ORDERS/a:1;",
            "/apps/ORDERS;c/a:1",
            "/apps/ORDERS/a%3A1;d=%FF",
        ] {
            assert_eq!(parse(path), Ok(Resource::Instance("ORDERS/a:1".into())), "{path}");
        }
        assert_eq!(parse("/apps/;ORDERS"), Ok(Resource::Applications));
        assert_eq!(
            parse("/apps/ORDERS/a%3Bb"),
            Ok(Resource::Instance("ORDERS/a;b".into())),
            "an encoded semicolon is part of the id"
        );
        assert_eq!(parse("/apps/ORDERS/a;b/status;c"), Ok(Resource::InstanceStatus("ORDERS/a".into())));
        assert_eq!(parse("/apps/delta"), Ok(Resource::Delta));
        assert_eq!(parse("/apps/DELTA"), Ok(Resource::Application("DELTA".into())));
        assert_eq!(parse("/vips/a%2Cb"), Ok(Resource::Vip("a,b".into())));
        assert_eq!(parse("/peerreplication/batch/"), Ok(Resource::PeerReplication));
    }

    #[test]
    fn a_plain_key_is_not_copied() {
        assert!(matches!(parse("/apps/ORDERS/a:1"), Ok(Resource::Instance(Cow::Borrowed("ORDERS/a:1")))));
        assert!(matches!(parse("/v2/apps/ORDERS/a/status"), Ok(Resource::InstanceStatus(Cow::Borrowed("ORDERS/a")))));
    }

    #[test]
    fn wrong_paths_are_refused() {
        for path in
            ["", "/", "/nothing", "/v1/apps", "/instances", "/vips", "/apps/A/b/c", "/apps/A/b/status/x", "/Apps"]
        {
            assert_eq!(parse(path), Err(PathError::NotFound), "{path}");
        }
        assert_eq!(parse("/apps/A%2FB/c"), Err(PathError::NotFound));
        assert_eq!(parse("/apps/A/%FF"), Err(PathError::NotText));
        assert_eq!(parse("/apps/A/b%2Fc"), Ok(Resource::Instance("A/b/c".into())));
    }
}
