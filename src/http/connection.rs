//! [`Connection`]: what is known of a request before it is read.

use std::net::IpAddr;

/// The connection that a request came by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection {
    /// The address of its other end; `None` where there is no socket.
    pub address: Option<IpAddr>,
    /// Whether its client showed a certificate that is trusted.
    pub certified: bool,
    /// Whether that certificate is a peer's: it has one of the names in `registry.security.peer-names`, if there are any.
    pub is_peer: bool,
}
