//! The settings of replication.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::service_url::ServiceUrl;

pub use super::credentials::Credentials;

/// Settings of replication.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Fixed peers (`eureka.client.service-url.*`).
    pub service_urls: Vec<ServiceUrl>,
    /// The headless Service whose names are peers, short or with a domain.
    pub discovery_service: Option<String>,
    /// The interval of lookups, plus or minus a fifth.
    pub discovery_refresh_interval: Duration,
    /// The name servers; empty for the system's.
    pub discovery_nameservers: Vec<SocketAddr>,
    /// Timeout for connecting to a peer.
    pub peer_node_connect_timeout: Duration,
    /// Timeout for the answer of a peer.
    pub peer_node_read_timeout: Duration,
    /// Maximum age of an undelivered change. A registration or a heartbeat is given up after its renewal interval.
    pub max_time_for_replication: Duration,
    /// Maximum length of the queue for one peer.
    pub max_elements_in_peer_replication_pool: usize,
    /// How long a start waits for the copy of a known or likely peer before it opens without one.
    pub registry_sync_timeout: Duration,
    /// The user as whom peers are called, and its password (`registry.discovery.username`, else `spring.security.user`). A user
    /// in a peer's URL takes precedence.
    pub discovery_credentials: Credentials,
    /// The cluster's name (`registry.cluster.name`); `None` for the full name of the Service, as it resolves.
    pub cluster_name: Option<String>,
    /// Maximum length of an answer that is read from a peer, in bytes.
    pub max_answer_bytes: usize,
    /// The name by which peers call this replica (`eureka.instance.hostname`).
    pub hostname: Option<String>,
    /// The application that servers are instances of (`spring.application.name`).
    pub application_name: String,
    /// How this replica describes itself (`eureka.instance.*`).
    pub own_instance: OwnInstance,
    /// Whether this replica registers itself (`eureka.client.register-with-eureka`); `None` for "if it has fixed peers".
    pub register_with_eureka: Option<bool>,
}

impl Options {
    /// Whether this replica registers itself with its peers, as Java servers do.
    pub fn registers_itself(&self) -> bool {
        self.register_with_eureka.unwrap_or(!self.service_urls.is_empty())
    }

    /// Whether there can be any peers.
    pub fn is_clustered(&self) -> bool {
        !self.service_urls.is_empty() || self.discovery_service.is_some()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            service_urls: Vec::new(),
            discovery_service: None,
            discovery_refresh_interval: Duration::from_secs(5),
            discovery_nameservers: Vec::new(),
            peer_node_connect_timeout: Duration::from_secs(1),
            peer_node_read_timeout: Duration::from_secs(5),
            max_time_for_replication: Duration::from_secs(30),
            max_elements_in_peer_replication_pool: 10_000,
            registry_sync_timeout: Duration::from_secs(60),
            discovery_credentials: Credentials::default(),
            cluster_name: None,
            max_answer_bytes: 256 << 20,
            hostname: None,
            application_name: "eureka".to_owned(),
            own_instance: OwnInstance::default(),
            register_with_eureka: None,
        }
    }
}

/// How a replica describes itself as an instance (`eureka.instance.*`). Unset values follow from its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnInstance {
    /// The application (`appname`); `None` for `spring.application.name`.
    pub app_name: Option<String>,
    /// The instance's id (`instance-id`).
    pub instance_id: Option<String>,
    /// The address (`ip-address`).
    pub ip_address: Option<IpAddr>,
    /// Whether the address is the host name, too (`prefer-ip-address`), unless a host name is set.
    pub prefer_ip_address: bool,
    /// The virtual address (`virtual-host-name`).
    pub virtual_host_name: Option<String>,
    /// The virtual address of HTTPS (`secure-virtual-host-name`).
    pub secure_virtual_host_name: Option<String>,
    /// How often it renews (`lease-renewal-interval-in-seconds`).
    pub renewal_interval: Duration,
    /// How long a renewal holds (`lease-expiration-duration-in-seconds`).
    pub lease_duration: Duration,
    /// Its metadata (`metadata-map.*`).
    pub metadata: BTreeMap<String, String>,
    /// The group of the application (`app-group-name`).
    pub app_group_name: Option<String>,
    /// The port (`non-secure-port`), if that is not the one it listens on.
    pub non_secure_port: Option<u16>,
    /// The port of HTTPS (`secure-port`).
    pub secure_port: Option<u16>,
    /// The page for people (`home-page-url`, `home-page-url-path`).
    pub home_page: OwnUrl,
    /// The status page (`status-page-url`, `status-page-url-path`).
    pub status_page: OwnUrl,
    /// The health check (`health-check-url`, `health-check-url-path`).
    pub health_check: OwnUrl,
    /// The health check by HTTPS (`secure-health-check-url`).
    pub secure_health_check_url: Option<String>,
}

/// A URL by which a replica describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnUrl {
    /// The whole URL.
    pub whole: Option<String>,
    /// Only its path below the context path, with a leading slash.
    pub path: Option<String>,
}

impl Default for OwnInstance {
    fn default() -> Self {
        Self {
            app_name: None,
            instance_id: None,
            ip_address: None,
            prefer_ip_address: false,
            virtual_host_name: None,
            secure_virtual_host_name: None,
            renewal_interval: Duration::from_secs(30),
            lease_duration: Duration::from_secs(90),
            metadata: BTreeMap::new(),
            app_group_name: None,
            non_secure_port: None,
            secure_port: None,
            home_page: OwnUrl::default(),
            status_page: OwnUrl::default(),
            health_check: OwnUrl::default(),
            secure_health_check_url: None,
        }
    }
}
