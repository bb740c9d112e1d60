//! [`Operation`]: the method and path by which requests are counted.

use http::Method;

use super::resource::Resource;
use super::target::Target;

/// A method and a path with its variables, as Spring's `uri` label has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// The heartbeat, which nearly all requests are.
    Renew,
    Applications,
    Delta,
    Application,
    Register,
    Instance,
    Cancel,
    StatusUpdate,
    DeleteStatusOverride,
    UpdateMetadata,
    InstanceById,
    Vip,
    SecureVip,
    PeerBatch,
    PeerDigests,
    PeerRecords,
    PeerHeard,
    PeerReaders,
    ServerStatus,
    /// A request below `/eureka` that has no operation of its own: an unknown path, or a method it has not.
    OtherEureka,
    /// A page that has no operation of its own.
    OtherPage,
    /// The actuator, whatever its path is.
    Actuator,
    Api,
    ApiEvents,
    /// It waits as long as clients take to fetch, so it is no sign of a slow registry.
    ApiDrain,
    Dashboard,
    LastN,
    DashboardFile,
}

impl Operation {
    /// Every operation, in the order of its number.
    pub(super) const ALL: [Self; 28] = [
        Self::Renew,
        Self::Applications,
        Self::Delta,
        Self::Application,
        Self::Register,
        Self::Instance,
        Self::Cancel,
        Self::StatusUpdate,
        Self::DeleteStatusOverride,
        Self::UpdateMetadata,
        Self::InstanceById,
        Self::Vip,
        Self::SecureVip,
        Self::PeerBatch,
        Self::PeerDigests,
        Self::PeerRecords,
        Self::PeerHeard,
        Self::PeerReaders,
        Self::ServerStatus,
        Self::OtherEureka,
        Self::OtherPage,
        Self::Actuator,
        Self::Api,
        Self::ApiEvents,
        Self::ApiDrain,
        Self::Dashboard,
        Self::LastN,
        Self::DashboardFile,
    ];

    /// Its labels: the method, and the path with the names of its variables.
    pub(super) fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Renew => ("PUT", "/eureka/apps/{app}/{id}"),
            Self::Applications => ("GET", "/eureka/apps"),
            Self::Delta => ("GET", "/eureka/apps/delta"),
            Self::Application => ("GET", "/eureka/apps/{app}"),
            Self::Register => ("POST", "/eureka/apps/{app}"),
            Self::Instance => ("GET", "/eureka/apps/{app}/{id}"),
            Self::Cancel => ("DELETE", "/eureka/apps/{app}/{id}"),
            Self::StatusUpdate => ("PUT", "/eureka/apps/{app}/{id}/status"),
            Self::DeleteStatusOverride => ("DELETE", "/eureka/apps/{app}/{id}/status"),
            Self::UpdateMetadata => ("PUT", "/eureka/apps/{app}/{id}/metadata"),
            Self::InstanceById => ("GET", "/eureka/instances/{id}"),
            Self::Vip => ("GET", "/eureka/vips/{vip}"),
            Self::SecureVip => ("GET", "/eureka/svips/{vip}"),
            Self::PeerBatch => ("POST", "/eureka/peerreplication/batch"),
            Self::PeerDigests => ("POST", "/eureka/peerreplication/digests"),
            Self::PeerRecords => ("POST", "/eureka/peerreplication/records"),
            Self::PeerHeard => ("POST", "/eureka/peerreplication/heard"),
            Self::PeerReaders => ("POST", "/eureka/peerreplication/readers"),
            Self::ServerStatus => ("GET", "/eureka/status"),
            Self::OtherEureka => ("OTHER", "/eureka/**"),
            Self::OtherPage => ("OTHER", "/**"),
            Self::Actuator => ("GET", "/actuator/**"),
            Self::Api => ("GET", "/api/**"),
            Self::ApiEvents => ("GET", "/api/v1/events"),
            Self::ApiDrain => ("POST", "/api/v1/applications/{application}/instances/{instanceId}/drain"),
            Self::Dashboard => ("GET", "/"),
            Self::LastN => ("GET", "/lastn"),
            Self::DashboardFile => ("GET", "/dashboard/**"),
        }
    }

    /// The operation of a request. A `HEAD` counts as the `GET` it stands for.
    pub(super) fn of(target: &Target<'_>, method: &Method) -> Self {
        match target {
            Target::Eureka(_, Ok(resource)) => Self::of_resource(resource, method),
            Target::Eureka(_, Err(_)) => Self::OtherEureka,
            Target::Actuator(_) => Self::Actuator,
            Target::Api("/api/v1/events") => Self::ApiEvents,
            Target::Api(path) if method == Method::POST && path.ends_with("/drain") => Self::ApiDrain,
            Target::Api(_) | Target::Page("/api") => Self::Api,
            Target::Page("" | "/") => Self::Dashboard,
            Target::Page("/lastn") => Self::LastN,
            Target::Page("/dashboard") => Self::DashboardFile,
            Target::Page(path) if path.starts_with("/dashboard/") => Self::DashboardFile,
            Target::Page(_) | Target::Outside => Self::OtherPage,
        }
    }

    fn of_resource(resource: &Resource<'_>, method: &Method) -> Self {
        let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
        let wanted = (method, resource.template());
        Self::ALL.into_iter().find(|operation| operation.labels() == wanted).unwrap_or(Self::OtherEureka)
    }

    /// The operation of a request that was refused before its path was looked at in detail.
    pub(super) fn of_refused(target: &Target<'_>) -> Self {
        if matches!(target, Target::Eureka(..)) { Self::OtherEureka } else { Self::OtherPage }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_numbered_in_the_order_of_their_list() {
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, number, "{operation:?}");
        }
    }

    #[test]
    fn a_request_is_counted_under_its_method_and_path() {
        let of = |path, method: &Method| Operation::of(&Target::Eureka("", Resource::parse(path)), method);
        assert_eq!(of("/apps/A/a", &Method::PUT), Operation::Renew);
        assert_eq!(of("/apps", &Method::HEAD), Operation::Applications);
        assert_eq!(of("/apps", &Method::POST), Operation::OtherEureka);
        assert_eq!(of("/nothing", &Method::GET), Operation::OtherEureka);
        assert_eq!(Operation::of(&Target::Page("/dashboard/api.js"), &Method::GET), Operation::DashboardFile);
    }
}
