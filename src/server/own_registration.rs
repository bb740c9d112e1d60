//! The server as an instance of itself, as Java servers are of each other.
//!
//! A Java server calls a replica available if its own registry holds an instance of its own application whose host name
//! is that of the replica's URL (protocol.md 2.12). So a replica that is one of a Java cluster's fixed peers registers
//! itself and renews; one that finds its peers by discovery has no need to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::http;
use crate::model::{AppName, InstanceInfo, Port};
use crate::registry::Source;
use crate::replication::{Heartbeat, HeartbeatOutcome, Options, PeerAwareInstanceRegistry};
use crate::tasks::Tasks;
use crate::time::Clock;

/// How often it renews: Eureka's default.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);

/// The server, described as its clients describe themselves.
pub(super) fn describe(
    options: &Options,
    http: &http::Options,
    address: SocketAddr,
    secure: bool,
    clock: Clock,
) -> InstanceInfo {
    let ip = address.ip();
    let unspecified = ip.is_unspecified() || ip.is_loopback();
    let host_name = match &options.hostname {
        Some(name) => name.clone(),
        None if unspecified => "localhost".to_owned(),
        None => ip.to_string(),
    };
    let ip_addr = host_name.parse::<IpAddr>().unwrap_or(ip).to_string();
    let name = options.application_name.to_lowercase();
    let mut info = InstanceInfo::new(AppName::new(&name), &host_name, &ip_addr, clock.now());
    info.instance_id = Some(format!("{host_name}:{name}:{}", address.port()).into());
    info.port = Port { number: address.port().into(), enabled: !secure };
    info.secure_port = Port { number: if secure { address.port().into() } else { 443 }, enabled: secure };
    let scheme = if secure { "https" } else { "http" };
    let root = format!("{scheme}://{host_name}:{}{}", address.port(), http.context_path);
    let actuator = format!("{root}{}", http.actuator.base_path);
    info.home_page_url = Some(format!("{root}/").into());
    info.status_page_url = Some(format!("{actuator}/info").into());
    info.health_check_url = Some(format!("{actuator}/health").into());
    info.vip_address = Some(name.clone().into());
    info.secure_vip_address = Some(name.into());
    info
}

/// Registers the server and keeps renewing.
pub(super) fn start(tasks: &mut Tasks, peer_aware: &Arc<PeerAwareInstanceRegistry>, own: InstanceInfo, clock: Clock) {
    peer_aware.register(own.clone(), Source::Client, clock.now());
    let (peer_aware, key) = (Arc::clone(peer_aware), own.key());
    tasks.every("own-registration", RENEWAL_INTERVAL, move || {
        let heartbeat = Heartbeat { last_dirty: Some(own.last_dirty), overridden_status: None };
        let outcome = peer_aware.renew(key.as_str(), heartbeat, Source::Client, clock.now());
        if matches!(outcome, HeartbeatOutcome::NotFound) {
            peer_aware.register(own.clone(), Source::Client, clock.now());
        }
    });
}
