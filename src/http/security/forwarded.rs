//! [`ForwardHeaders`]: which headers of a proxy are trusted, for the address of a client and for links.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HOST, HeaderMap, HeaderName};
use http::uri::Authority;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_SSL: HeaderName = HeaderName::from_static("x-forwarded-ssl");
/// Maximum bytes of a prefix.
const LONGEST_PREFIX: usize = 200;

/// How a client calls this server, as far as a trusted proxy says so. Links begin with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Forwarded {
    /// `http` or `https`.
    pub(in crate::http) scheme: Option<&'static str>,
    /// The host name, with the port if it is not the scheme's own.
    pub(in crate::http) host: Option<String>,
    /// What stands before every path in place of the context path: empty, or with a leading slash and none at the end.
    pub(in crate::http) prefix: Option<String>,
}

/// Which headers of a proxy are trusted (`server.forward-headers-strategy`).
///
/// They say where a request comes from, for logs and histories, and by which address clients call this server, for links. Access
/// does not depend on either.
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
    /// private address; from right to left, the first address that is not private. From there, `X-Forwarded-Proto`, `-Host` and
    /// `-Port` are read, too. Tomcat knows no prefix.
    Native,
    /// `Forwarded`, or else `X-Forwarded-For`, as Spring reads them (`ForwardedHeaderFilter`): the first address, from any
    /// sender. Likewise `X-Forwarded-Proto`, `-Host`, `-Port`, and `-Prefix`, which takes the place of the context path.
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

impl ForwardHeaders {
    /// How the client calls this server. What is no host, scheme or path is ignored: it would become part of links.
    pub(in crate::http) fn origin(self, headers: &HeaderMap, connection: Option<IpAddr>) -> Forwarded {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let first = |name: &HeaderName| text(name).and_then(|value| value.split(',').next()).map(str::trim);
        let (scheme, host, port) = match self {
            Self::None => return Forwarded::default(),
            Self::Native if !connection.is_some_and(|address| is_private(&address)) => return Forwarded::default(),
            Self::Native => {
                // Of several proxies all must have been called by TLS.
                let proto = text(&X_FORWARDED_PROTO).filter(|proto| !proto.is_empty());
                let secure = proto.map(|proto| proto.split(',').all(|one| one.trim().eq_ignore_ascii_case("https")));
                let scheme = secure.map(|secure| if secure { "https" } else { "http" });
                // As in Tomcat, a port alone says nothing.
                let port =
                    first(&X_FORWARDED_PORT).filter(|_| scheme.is_some() || headers.contains_key(X_FORWARDED_HOST));
                (scheme, first(&X_FORWARDED_HOST), port)
            }
            Self::Framework => {
                // As in Spring, who sends `Forwarded` is believed in nothing else but the prefix, and that it has TLS.
                let is_standard = text(&FORWARDED).is_some_and(|value| !value.is_empty());
                let other = |name: &HeaderName| if is_standard { None } else { first(name) };
                let proto = forwarded_part(headers, "proto").or_else(|| other(&X_FORWARDED_PROTO));
                let proto = proto.or_else(|| first(&X_FORWARDED_SSL).filter(|value| *value == "on").map(|_on| "https"));
                let scheme =
                    proto.and_then(|proto| ["http", "https"].into_iter().find(|one| one.eq_ignore_ascii_case(proto)));
                let host = forwarded_part(headers, "host").or_else(|| other(&X_FORWARDED_HOST));
                (scheme, host, other(&X_FORWARDED_PORT))
            }
        };
        // Without a host of its own, a proxy that names a port has passed on the client's.
        let host = host.or_else(|| port.and_then(|_| text(&HOST)));
        let prefix = if self == Self::Framework { text(&X_FORWARDED_PREFIX).and_then(prefix) } else { None };
        Forwarded { scheme, host: host.and_then(|host| authority(host, port, scheme)), prefix }
    }
}

/// A host with its port, which is left out if it is the scheme's own; `None` for what is none.
fn authority(host: &str, port: Option<&str>, scheme: Option<&str>) -> Option<String> {
    let authority: Authority = host.parse().ok().filter(|authority: &Authority| !authority.as_str().contains('@'))?;
    let port = port.and_then(|port| port.parse().ok()).or_else(|| authority.port_u16());
    let own = match scheme {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    let name = authority.host();
    Some(port.filter(|port: &u16| Some(*port) != own).map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")))
}

/// The prefixes of several proxies, joined as Spring joins them; `None` for what is no path.
fn prefix(text: &str) -> Option<String> {
    let joined: String = text.split(',').map(|one| one.trim().trim_end_matches('/')).collect();
    // Neither two slashes, which would begin a host name, nor anything that ends a path.
    let is_path = joined.is_empty() || (joined.starts_with('/') && !joined.contains("//") && !joined.contains("/."));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    (is_path && joined.len() <= LONGEST_PREFIX && joined.bytes().all(is_plain)).then_some(joined)
}

/// A part of the first element of `Forwarded` (RFC 7239), such as `host`.
fn forwarded_part<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let first = headers.get(FORWARDED)?.to_str().ok()?.split(',').next()?;
    let mut pairs = first.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
    Some(value.trim().trim_matches('"'))
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
    parse(forwarded_part(headers, "for")?)
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

    fn origin(
        strategy: ForwardHeaders,
        connection: &str,
        headers: &[(HeaderName, &'static str)],
    ) -> (String, String, String) {
        let sent = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let Forwarded { scheme, host, prefix } = strategy.origin(&sent, Some(connection.parse().unwrap()));
        let said = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        (said(scheme.map(str::to_owned)), said(host), said(prefix))
    }

    fn found(scheme: &str, host: &str, prefix: &str) -> (String, String, String) {
        (scheme.to_owned(), host.to_owned(), prefix.to_owned())
    }

    #[test]
    fn links_begin_as_the_proxy_says_where_it_is_trusted() {
        let proxied = [
            (X_FORWARDED_PROTO, "https"),
            (X_FORWARDED_HOST, "registry.example.com"),
            (X_FORWARDED_PORT, "443"),
            (X_FORWARDED_PREFIX, "/registry/"),
        ];
        assert_eq!(origin(ForwardHeaders::None, PROXY, &proxied), found("none", "none", "none"));
        assert_eq!(origin(ForwardHeaders::Native, PUBLIC, &proxied), found("none", "none", "none"));
        assert_eq!(origin(ForwardHeaders::Native, PROXY, &proxied), found("https", "registry.example.com", "none"));
        let all = found("https", "registry.example.com", "/registry");
        assert_eq!(origin(ForwardHeaders::Framework, PUBLIC, &proxied), all);
    }

    #[test]
    fn several_proxies_are_read_as_spring_and_tomcat_read_them() {
        let several = [
            (X_FORWARDED_PROTO, "https, http"),
            (X_FORWARDED_HOST, "outer.example, inner.example:81"),
            (X_FORWARDED_PREFIX, "/outer,/inner/"),
        ];
        let natively = origin(ForwardHeaders::Native, PROXY, &several);
        assert_eq!(natively, found("http", "outer.example", "none"), "one of them was called without TLS");
        let framework = origin(ForwardHeaders::Framework, PROXY, &several);
        assert_eq!(framework, found("https", "outer.example", "/outer/inner"));
        let standard =
            [(FORWARDED, "proto=https;host=\"a.example:8443\", host=b.example"), (X_FORWARDED_HOST, "c.example")];
        assert_eq!(origin(ForwardHeaders::Framework, PROXY, &standard), found("https", "a.example:8443", "none"));
        let ported = [(X_FORWARDED_HOST, "[2001:db8::1]:9"), (X_FORWARDED_PORT, "8443")];
        assert_eq!(origin(ForwardHeaders::Framework, PROXY, &ported), found("none", "[2001:db8::1]:8443", "none"));
    }

    /// What a Spring Cloud Eureka Server of Spring Boot 3.5.6 answered to these.
    #[test]
    fn headers_that_are_sent_alone_count_as_in_spring_and_tomcat() {
        let port = [(HOST, "registry.example"), (X_FORWARDED_PORT, "9999")];
        assert_eq!(origin(ForwardHeaders::Framework, PROXY, &port), found("none", "registry.example:9999", "none"));
        assert_eq!(origin(ForwardHeaders::Native, PROXY, &port), found("none", "none", "none"));
        let balancer = [(HOST, "registry.example:80"), (X_FORWARDED_PORT, "8443"), (X_FORWARDED_PROTO, "https")];
        for strategy in [ForwardHeaders::Framework, ForwardHeaders::Native] {
            assert_eq!(origin(strategy, PROXY, &balancer), found("https", "registry.example:8443", "none"));
        }
        let ssl = [(X_FORWARDED_SSL, "on")];
        assert_eq!(origin(ForwardHeaders::Framework, PROXY, &ssl), found("https", "none", "none"));
        assert_eq!(origin(ForwardHeaders::Native, PROXY, &ssl), found("none", "none", "none"));
        let both = [(FORWARDED, "for=203.0.113.6"), (X_FORWARDED_HOST, "a.example"), (X_FORWARDED_PROTO, "https")];
        assert_eq!(origin(ForwardHeaders::Framework, PROXY, &both), found("none", "none", "none"));
    }

    #[test]
    fn what_would_break_a_link_is_ignored() {
        for evil in ["//evil.example", "/a b", "/a\"b", "a", "/a?b", "/a#b", "/%0d", "/../a", "/a,//b", "javascript:x"]
        {
            let found_ = origin(ForwardHeaders::Framework, PROXY, &[(X_FORWARDED_PREFIX, evil)]);
            assert_eq!(found_, found("none", "none", "none"), "{evil}");
        }
        for evil in ["a b", "user@evil.example", "a/b", "\"", ""] {
            let found_ =
                origin(ForwardHeaders::Framework, PROXY, &[(X_FORWARDED_HOST, evil), (X_FORWARDED_PROTO, "ftp")]);
            assert_eq!(found_, found("none", "none", "none"), "{evil}");
        }
        assert_eq!(origin(ForwardHeaders::Framework, PROXY, &[(X_FORWARDED_PREFIX, "/")]).2, "");
    }
}
