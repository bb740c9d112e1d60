//! [`Connection`]: what is known of a request before it is read.

use std::net::{IpAddr, Ipv6Addr};

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

/// Whose an address is: of IPv6, one client has a network of 64 bits, and with it as many addresses as it likes.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}
