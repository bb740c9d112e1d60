//! [`ForwardHeaders`]: which headers are trusted for the address of a client behind a proxy.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Which headers say where a request comes from (`server.forward-headers-strategy`). The address is for logs and histories;
/// access does not depend on it.
///
/// Spring's default is `none`, except on a cloud platform, to which Kubernetes belongs: there it is `native`. Ours is `none`
/// everywhere. In Kubernetes clients reach a registry directly, and each of them has a private address, which `native` believes:
/// any pod could write another one's address into the history. An operator who puts a proxy in front of the registry has to
/// configure this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardHeaders {
    /// None: a request comes from the other end of its connection.
    #[default]
    None,
    /// `X-Forwarded-For`, as Tomcat reads it (`RemoteIpValve` with Spring's `internal-proxies`): only where the connection comes from a
    /// private address; from right to left, the first address that is not private.
    Native,
    /// `Forwarded`, or else `X-Forwarded-For`, as Spring reads them (`ForwardedHeaderFilter`): the first address, from any
    /// sender.
    Framework,
}

impl ForwardHeaders {
    /// Where a request comes from, whose connection comes from `connection`.
    pub(super) fn address(self, headers: &HeaderMap, connection: Option<IpAddr>) -> Option<IpAddr> {
        let forwarded = match self {
            Self::None => None,
            Self::Native => connection.filter(is_private).and_then(|_proxy| behind_private_proxies(headers)),
            Self::Framework => first_forwarded(headers).or_else(|| first_x_forwarded_for(headers)),
        };
        forwarded.or(connection)
    }
}

/// Spring's default for `server.tomcat.remoteip.internal-proxies`.
fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// The address nearest to here that is not private; if all are, the farthest.
fn behind_private_proxies(headers: &HeaderMap) -> Option<IpAddr> {
    let mut farthest = None;
    for text in x_forwarded_for(headers).collect::<Vec<_>>().into_iter().rev() {
        let address = parse(text)?;
        if !is_private(&address) {
            return Some(address);
        }
        farthest = Some(address);
    }
    farthest
}

fn first_x_forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    parse(x_forwarded_for(headers).next()?)
}

fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(','))
}

/// The `for` of the first element of `Forwarded` (RFC 7239).
fn first_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let first = headers.get(FORWARDED)?.to_str().ok()?.split(',').next()?;
    let mut pairs = first.split(';').filter_map(|pair| pair.split_once('='));
    let (_, client) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    parse(client)
}

/// An address with or without a port, in quotes or without; `None` for a name that hides one.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.1.1.1";
    const PUBLIC: &str = "198.51.100.9";

    fn check(strategy: ForwardHeaders, connection: &str, headers: &[(HeaderName, &'static str)], expected: &str) {
        let sent = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let found = strategy.address(&sent, Some(connection.parse().unwrap()));
        assert_eq!(found, Some(expected.parse().unwrap()), "{strategy:?} {connection} {headers:?}");
    }

    #[test]
    fn no_header_is_trusted_by_default() {
        let headers = [(X_FORWARDED_FOR, "203.0.113.5"), (FORWARDED, "for=203.0.113.6")];
        check(ForwardHeaders::None, PROXY, &headers, PROXY);
    }

    #[test]
    fn natively_proxies_with_private_addresses_are_believed() {
        let check = |connection, value, expected| {
            check(ForwardHeaders::Native, connection, &[(X_FORWARDED_FOR, value)], expected);
        };
        check(PROXY, "203.0.113.5", "203.0.113.5");
        check(PROXY, "1.1.1.1, 203.0.113.5, 10.0.0.3, 100.64.0.1", "203.0.113.5");
        check(PROXY, "10.0.0.9, 10.0.0.3", "10.0.0.9");
        check(PUBLIC, "203.0.113.5", PUBLIC);
        check(PROXY, "unknown", PROXY);
        check(PROXY, "", PROXY);
    }

    #[test]
    fn natively_forwarded_is_not_read() {
        check(ForwardHeaders::Native, PROXY, &[(FORWARDED, "for=203.0.113.6")], PROXY);
    }

    #[test]
    fn by_the_framework_the_first_address_is_believed() {
        let check = |headers: &[_], expected| check(ForwardHeaders::Framework, PUBLIC, headers, expected);
        check(&[(X_FORWARDED_FOR, "203.0.113.5, 10.0.0.3")], "203.0.113.5");
        check(&[(X_FORWARDED_FOR, "203.0.113.5:4711")], "203.0.113.5");
        check(&[(FORWARDED, "proto=http; For=\"[2001:db8::1]:4711\", for=10.0.0.3")], "2001:db8::1");
        check(&[(FORWARDED, "for=203.0.113.6"), (X_FORWARDED_FOR, "203.0.113.5")], "203.0.113.6");
        check(&[(FORWARDED, "for=_hidden"), (X_FORWARDED_FOR, "203.0.113.5")], "203.0.113.5");
        check(&[(FORWARDED, "proto=http")], PUBLIC);
    }
}
