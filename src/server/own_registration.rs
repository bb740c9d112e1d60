//! The server as an instance of itself, as Java servers are of each other.
//!
//! A Java server calls a replica available if its own registry holds an instance of its own application whose host name is that
//! of the replica's URL (src/PROTOCOL.md, section 1.10). So a replica that is one of a Java cluster's fixed peers registers
//! itself and renews. A replica that finds its peers by discovery need not.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::http;
use crate::model::{AppName, InstanceInfo, Port};
use crate::registry::Source;
use crate::replication::options::OwnUrl;
use crate::replication::{Heartbeat, HeartbeatOutcome, Options, PeerAwareInstanceRegistry};
use crate::tasks::Tasks;
use crate::time::Clock;

/// The server, described as its clients describe themselves.
pub(super) fn describe(
    options: &Options,
    http: &http::Options,
    address: SocketAddr,
    secure: bool,
    clock: Clock,
) -> InstanceInfo {
    let own = &options.own_instance;
    let ip = own.ip_address.unwrap_or_else(|| address.ip());
    let unspecified = ip.is_unspecified() || ip.is_loopback();
    let host_name = match &options.hostname {
        Some(name) => name.clone(),
        None if unspecified && !own.prefer_ip_address => "localhost".to_owned(),
        None => ip.to_string(),
    };
    let ip_addr = own.ip_address.or_else(|| host_name.parse::<IpAddr>().ok()).unwrap_or(ip).to_string();
    // As in Spring, `appname` sets only the application's name; the other names follow `spring.application.name`.
    let name = options.application_name.to_lowercase();
    let app = own.app_name.as_deref().unwrap_or(&name);
    let mut info = InstanceInfo::new(AppName::new(app), &host_name, &ip_addr, clock.now());
    let id = own.instance_id.clone().unwrap_or_else(|| format!("{host_name}:{name}:{}", address.port()));
    info.instance_id = Some(id.into());
    info.metadata = info.metadata.with(own.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    info.lease.renewal_interval_secs = seconds(own.renewal_interval);
    info.lease.duration_secs = seconds(own.lease_duration);
    let listening = address.port();
    let by_default = if secure { listening } else { 443 };
    let (port, secure_port) = (own.non_secure_port.unwrap_or(listening), own.secure_port.unwrap_or(by_default));
    info.port = Port { number: port.into(), enabled: !secure };
    info.secure_port = Port { number: secure_port.into(), enabled: secure };
    let (scheme, shown_port) = if secure { ("https", secure_port) } else { ("http", port) };
    let root = format!("{scheme}://{host_name}:{shown_port}{}", http.context_path);
    let actuator = &http.actuator.base_path;
    let url = |own: &OwnUrl, default: String| {
        let whole = own.whole.as_ref().map(|url| url.replace("${eureka.hostname}", &host_name));
        whole.unwrap_or_else(|| format!("{root}{}", own.path.clone().unwrap_or(default)))
    };
    info.home_page_url = Some(url(&own.home_page, "/".to_owned()).into());
    info.status_page_url = Some(url(&own.status_page, format!("{actuator}/info")).into());
    info.health_check_url = Some(url(&own.health_check, format!("{actuator}/health")).into());
    info.secure_health_check_url = own.secure_health_check_url.clone().map(Into::into);
    info.app_group_name = own.app_group_name.as_ref().map(|group| group.to_uppercase().into());
    info.vip_address = Some(own.virtual_host_name.clone().unwrap_or_else(|| name.clone()).into());
    info.secure_vip_address = Some(own.secure_virtual_host_name.clone().unwrap_or(name).into());
    info
}

/// Registers the server and keeps renewing.
pub(super) fn start(tasks: &mut Tasks, peer_aware: &Arc<PeerAwareInstanceRegistry>, own: InstanceInfo, clock: Clock) {
    peer_aware.register(own.clone(), &Source::Client.into(), clock.now());
    let (peer_aware, key) = (Arc::clone(peer_aware), own.key());
    let interval = Duration::from_secs(u64::try_from(own.lease.renewal_interval_secs).unwrap_or(0).max(1));
    tasks.every("own-registration", interval, move || {
        let heartbeat = Heartbeat { last_dirty: Some(own.last_dirty), overridden_status: None };
        let outcome = peer_aware.renew(key.as_str(), heartbeat, Source::Client, clock.now());
        if matches!(outcome, HeartbeatOutcome::NotFound) {
            peer_aware.register(own.clone(), &Source::Client.into(), clock.now());
        }
    });
}

/// Seconds as Eureka writes them.
fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::options::OwnInstance;
    use crate::time::Timestamp;

    fn described(hostname: Option<&str>, own_instance: OwnInstance) -> InstanceInfo {
        let options = Options {
            hostname: hostname.map(str::to_owned),
            application_name: "eureka".to_owned(),
            own_instance,
            ..Options::default()
        };
        let address = SocketAddr::from(([0, 0, 0, 0], 8761));
        describe(&options, &http::Options::default(), address, false, Clock::starting_at(Timestamp(1)))
    }

    #[tokio::test]
    async fn what_an_operator_sets_is_registered_as_spring_does() {
        let address: IpAddr = [10, 0, 0, 7].into();
        let own = described(
            None,
            OwnInstance {
                app_name: Some("registries".to_owned()),
                instance_id: Some("one".to_owned()),
                ip_address: Some(address),
                prefer_ip_address: true,
                metadata: [("zone".to_owned(), "a".to_owned())].into(),
                app_group_name: Some("core".to_owned()),
                non_secure_port: Some(80),
                home_page: OwnUrl { whole: Some("https://${eureka.hostname}/x".to_owned()), path: None },
                status_page: OwnUrl { whole: None, path: Some("/manage/info".to_owned()) },
                renewal_interval: Duration::from_secs(5),
                ..OwnInstance::default()
            },
        );
        assert_eq!((own.app.as_str(), own.id(), own.host_name.as_str()), ("REGISTRIES", "one", "10.0.0.7"));
        assert_eq!((own.ip_addr.as_str(), own.metadata.get("zone")), ("10.0.0.7", Some("a")));
        assert_eq!((own.vip_address.as_deref(), own.lease.renewal_interval_secs), (Some("eureka"), 5));
        assert_eq!((own.app_group_name.as_deref(), own.port.number), (Some("CORE"), 80));
        assert_eq!(own.home_page_url.as_deref(), Some("https://10.0.0.7/x"));
        assert_eq!(own.status_page_url.as_deref(), Some("http://10.0.0.7:80/manage/info"));
        assert_eq!(own.health_check_url.as_deref(), Some("http://10.0.0.7:80/actuator/health"));
    }

    #[tokio::test]
    async fn unset_values_follow_from_the_address() {
        let own = described(Some("peer1"), OwnInstance { prefer_ip_address: true, ..OwnInstance::default() });
        assert_eq!((own.app.as_str(), own.id(), own.host_name.as_str()), ("EUREKA", "peer1:eureka:8761", "peer1"));
        assert_eq!((own.vip_address.as_deref(), own.lease.duration_secs), (Some("eureka"), 90));
        assert_eq!(described(None, OwnInstance::default()).host_name.as_str(), "localhost");
    }
}
