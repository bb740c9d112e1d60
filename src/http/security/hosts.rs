//! [`Hosts`]: the host names under which the pages and the API are answered.
//!
//! A page of another site can point its own name to this server's address ("DNS rebinding"). To the browser the two are one site
//! then, and the page can read all that its visitor can reach. But the browser still sends that name. So a name is trusted only
//! if nobody can register it on the Internet, or if the configuration lists it.

use std::net::IpAddr;

use http::header::HOST;
use http::request::Parts;

/// The settings of this list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    /// `registry.security.allowed-hosts`: names, with `*.` at the beginning for all below, or `*` for any. `None` if it is not
    /// set: then names are checked only if there are no users, since another site's page knows no password.
    pub listed: Option<Vec<String>>,
}

/// Domains that nobody can register: those of local networks, and `svc`, in which a cluster has its Services.
const UNREGISTRABLE: [&str; 7] = ["localhost", "local", "internal", "svc", "test", "home.arpa", "invalid"];
/// Maximum number of characters of a name in an answer.
const LONGEST: usize = 253;

/// The trusted names.
#[derive(Debug)]
pub(super) struct Hosts {
    listed: Vec<String>,
    is_limited: bool,
}

impl Hosts {
    pub(super) fn new(options: &AllowedHosts, is_open: bool) -> Self {
        let listed: Vec<_> =
            options.listed.iter().flatten().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect();
        let is_limited = (is_open || options.listed.is_some()) && !listed.iter().any(|name| name == "*");
        Self { listed, is_limited }
    }

    /// The host name of a request, if it is not one of this server's. `own` gives the names by which this server calls itself.
    pub(super) fn stranger(&self, request: &Parts, own: impl FnOnce() -> Vec<String>) -> Option<String> {
        if !self.is_limited {
            return None;
        }
        let host = match request.uri.authority() {
            Some(authority) => authority.as_str(),
            None => request.headers.get(HOST)?.to_str().ok()?,
        };
        let name = name(host).to_ascii_lowercase();
        let is_known = is_local(&name) || self.is_listed(&name) || own().iter().any(|own| is_own(&name, own));
        (!is_known).then(|| name.chars().take(LONGEST).collect())
    }

    fn is_listed(&self, name: &str) -> bool {
        self.listed.iter().any(|listed| match listed.strip_prefix('*') {
            Some(below) => name.ends_with(below) && name.len() > below.len(),
            None => listed == name,
        })
    }
}

/// The name or address of a `Host`, without its port.
fn name(host: &str) -> &str {
    let host = host.rsplit_once('@').map_or(host, |(_user, host)| host);
    if let Some((address, _port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    name.trim_end_matches('.')
}

/// Whether nobody on the Internet can point this name here: it is an address, has no dot, or belongs to a local domain.
fn is_local(name: &str) -> bool {
    let is_below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    name.parse::<IpAddr>().is_ok() || !name.contains('.') || UNREGISTRABLE.iter().any(|domain| is_below(domain))
}

/// Whether the server calls itself by this name, or the name belongs to its Service: in its short form, of one of its pods, or of
/// another Service of the same namespace.
fn is_own(name: &str, own: &str) -> bool {
    let own = own.trim_end_matches('.').to_ascii_lowercase();
    let is_below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let mut labels = own.splitn(3, '.');
    let of_namespace = match (labels.next(), labels.next(), labels.next()) {
        (Some(service), Some(namespace), Some(rest)) if rest == "svc" || rest.starts_with("svc.") => {
            name == format!("{service}.{namespace}") || is_below(&format!("{namespace}.{rest}"))
        }
        _ => false,
    };
    name == own || of_namespace
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(hosts: &Hosts, host: &str) -> Option<String> {
        let request = http::Request::get("/").header(HOST, host).body(()).unwrap().into_parts().0;
        hosts.stranger(&request, || {
            vec!["registry.team.svc.corp.example".to_owned(), "Eureka-1.corp.example".to_owned()]
        })
    }

    fn limited(listed: &[&str]) -> Hosts {
        let listed = listed.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(&AllowedHosts { listed: Some(listed) }, false)
    }

    #[test]
    fn local_names_and_own_ones_are_trusted() {
        for hosts in [Hosts::new(&AllowedHosts::default(), true), limited(&[])] {
            for host in [
                "127.0.0.1:8761",
                "[::1]:8761",
                "[2001:db8::1]",
                "10.1.2.3:30761",
                "localhost:18761",
                "registry:8761",
                "registry-0.registry.team.svc.cluster.local:8761",
                "registry.team.svc",
                "registry.team",
                "registry.team.svc.corp.example",
                "registry-0.registry.team.svc.corp.example",
                "registry-http.team.svc.corp.example",
                "eureka-1.corp.example:8761",
                "EUREKA-1.CORP.EXAMPLE.",
                "laptop.local",
            ] {
                assert_eq!(stranger(&hosts, host), None, "{host}");
            }
            for host in [
                "evil.example:8761",
                "registry.evil.example",
                "registry.other",
                "team.svc.corp.example.evil.example",
                "svc.corp.example",
                "eureka-2.corp.example",
                "xlocal.example",
                "127.0.0.1.evil.example",
                "127.0.0.1@evil.example",
            ] {
                assert!(stranger(&hosts, host).is_some_and(|name| host.contains(&name)), "{host}");
            }
        }
    }

    #[test]
    fn listed_names_are_believed_beside_those() {
        let hosts = limited(&["registry.example.com", "*.apps.example.com"]);
        for host in [
            "registry.example.com",
            "Registry.Example.com:443",
            "a.apps.example.com",
            "a.b.apps.example.com",
            "127.0.0.1",
        ] {
            assert_eq!(stranger(&hosts, host), None, "{host}");
        }
        for host in ["apps.example.com", ".apps.example.com", "evilapps.example.com", "example.com"] {
            assert!(stranger(&hosts, host).is_some(), "{host}");
        }
    }

    #[test]
    fn names_are_not_looked_at_with_users_or_if_any_is_listed() {
        for hosts in [Hosts::new(&AllowedHosts::default(), false), limited(&["*"])] {
            assert_eq!(stranger(&hosts, "evil.example"), None);
        }
    }

    #[test]
    fn a_whole_url_counts_more_than_the_header() {
        let hosts = limited(&[]);
        let request = http::Request::get("http://evil.example/").header(HOST, "localhost").body(()).unwrap();
        assert_eq!(hosts.stranger(&request.into_parts().0, Vec::new), Some("evil.example".to_owned()));
    }
}
