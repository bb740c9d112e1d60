//! The server's settings.

use std::net::IpAddr;
use std::time::Duration;

use crate::tls;

/// Settings of the listening server.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The address; `None` for all, IPv4 and IPv6.
    pub address: Option<IpAddr>,
    /// Certificates: with them it serves HTTPS, and nothing but HTTPS.
    pub tls: Option<tls::Options>,
    /// A port of its own, without TLS, for `/actuator` (`management.server.port`).
    pub management_port: Option<u16>,
    /// The address of that port; `None` for all (`management.server.address`).
    pub management_address: Option<IpAddr>,
    /// The most connections at a time; `None` for as many as memory and open files allow.
    pub max_connections: Option<usize>,
    /// How long a connection may be idle between two requests.
    pub keep_alive_timeout: Duration,
    /// How long a request's head may take to arrive; and a new connection's first one, to begin.
    pub request_header_timeout: Duration,
    /// How long nothing, or next to nothing, may move while a request's body arrives, or an answer is taken.
    pub request_body_timeout: Duration,
    /// How old a connection may become before it is closed with an answer, give or take a tenth.
    pub connection_max_age: Duration,
    /// How long a replica that is told to stop answers as before, so that nobody still sends to it.
    pub lame_duck: Duration,
    /// How long connections may take to finish afterwards.
    pub drain_timeout: Duration,
    /// How long the replication queues may take to empty.
    pub flush_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 8761,
            address: None,
            tls: None,
            management_port: None,
            management_address: None,
            max_connections: None,
            keep_alive_timeout: Duration::from_secs(120),
            request_header_timeout: Duration::from_secs(10),
            request_body_timeout: Duration::from_secs(20),
            connection_max_age: Duration::from_secs(10 * 60),
            lame_duck: Duration::from_secs(3),
            drain_timeout: Duration::from_secs(10),
            flush_timeout: Duration::from_secs(5),
        }
    }
}
