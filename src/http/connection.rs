//! [`Connection`]: the connection of a request, as handlers see it.

use std::net::{IpAddr, Ipv6Addr};

/// The connection on which a request arrived.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection {
    /// The client's address; `None` if there is no socket.
    pub address: Option<IpAddr>,
    /// Whether the client showed a trusted certificate.
    pub certified: bool,
    /// Whether that certificate is a peer's: it has one of the names in `registry.security.peer-names`, if there are any.
    pub is_peer: bool,
}

/// The network of a client's address: with IPv6, one client has 64 bits of addresses.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}
