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
    /// Certificates. With them, the server serves HTTPS only.
    pub tls: Option<tls::Options>,
    /// A port of its own, without TLS, for `/actuator` (`management.server.port`).
    pub management_port: Option<u16>,
    /// The address of that port; `None` for all (`management.server.address`).
    pub management_address: Option<IpAddr>,
    /// Maximum open connections; `None` for as many as memory and open files allow.
    pub max_connections: Option<usize>,
    /// How long a connection may be idle between two requests.
    pub keep_alive_timeout: Duration,
    /// How long the headers of a request may take to arrive, and the first request of a new connection to begin.
    pub request_header_timeout: Duration,
    /// Close a request or an answer that transfers less than 500 bytes per second for this long.
    pub request_body_timeout: Duration,
    /// Maximum age of a connection, plus or minus a tenth. The answer after that is its last.
    pub connection_max_age: Duration,
    /// How long a replica still answers after it was asked to stop, until clients no longer send to it.
    pub lame_duck: Duration,
    /// How long open connections may take to finish afterwards.
    pub drain_timeout: Duration,
    /// How long sending the replication queues may take afterwards.
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
