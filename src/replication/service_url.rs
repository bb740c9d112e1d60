//! [`ServiceUrl`]: the URL of a peer, parsed once; [`Place`]: what the URLs of all replicas have in common.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use percent_encoding::percent_decode_str;

use super::credentials::Credentials;

/// A peer's service URL, `http://registry-0.registry:8761/eureka/`.
///
/// Neither `Display` nor `Debug` shows the credentials, so a URL can stand in a log, a metric or a header as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceUrl {
    scheme: &'static str,
    host: String,
    port: u16,
    path: String,
    credentials: Option<Credentials>,
}

/// What the service URLs of all replicas of a cluster have in common: all but the host.
#[derive(Clone, Debug)]
pub struct Place {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The port, for replicas without an SRV record.
    pub port: u16,
    /// The path before `/eureka`.
    pub context_path: String,
}

impl Place {
    /// The service URL of the replica on a host.
    pub fn service_url(&self, host: &str, port: u16) -> ServiceUrl {
        ServiceUrl::new(self.scheme, host, port, &format!("{}/eureka/", self.context_path))
    }
}

/// Why a text is not a service URL.
const EXPECTED: &str = "a URL such as http://registry-0.registry:8761/eureka/";

impl ServiceUrl {
    /// The URL of a host, without credentials. `path` begins and ends with a slash.
    pub fn new(scheme: &'static str, host: &str, port: u16, path: &str) -> Self {
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        Self { scheme, host, port, path: path.to_owned(), credentials: None }
    }

    /// Reads a URL. The user and the password may be percent-encoded; an `@` or a comma in them may also stand as it is.
    ///
    /// # Errors
    /// If it is not an `http` or `https` URL, or has a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = match text.trim().split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            Some(_) | None => return Err(EXPECTED),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        let (host, port) = host_and_port(address, scheme)?;
        let path = match path.trim_matches('/') {
            "" => "/".to_owned(),
            path => format!("/{path}/"),
        };
        if !path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#,\"<>\\^`{|}".contains(&byte)) {
            return Err(EXPECTED);
        }
        Ok(Self { scheme, host, port, path, credentials: user.map(credentials).transpose()? })
    }

    /// Reads several URLs separated by commas. A comma that is not followed by a URL belongs to a password.
    ///
    /// # Errors
    /// If one of them is not a service URL.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, &'static str> {
        let mut urls: Vec<String> = Vec::new();
        for part in text.split(',') {
            let begins =
                |scheme: &str| part.trim_start().get(..scheme.len()).is_some_and(|p| p.eq_ignore_ascii_case(scheme));
            match urls.last_mut() {
                Some(last) if !begins("http://") && !begins("https://") => {
                    last.push(',');
                    last.push_str(part);
                }
                Some(_) | None => urls.push(part.to_owned()),
            }
        }
        let urls = urls.iter().map(|url| url.trim_matches([',', ' ', '\t', '\r', '\n']));
        urls.filter(|url| !url.is_empty()).map(Self::parse).collect()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The host in lower case: a name without a dot at its end, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host's address, if the URL has one instead of a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path, with a slash at its beginning and its end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The user in the URL, and the password.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The same URL without credentials.
    #[must_use]
    pub fn without_credentials(&self) -> Self {
        Self { credentials: None, ..self.clone() }
    }
}

fn credentials(user: &str) -> Result<Credentials, &'static str> {
    let decoded = |text: &str| {
        percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_unreadable| EXPECTED)
    };
    let (username, password) = user.split_once(':').unwrap_or((user, ""));
    Ok(Credentials { username: decoded(username)?, password: decoded(password)? })
}

fn host_and_port(address: &str, scheme: &str) -> Result<(String, u16), &'static str> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(EXPECTED)?;
        let host: Ipv6Addr = host.parse().map_err(|_unreadable| EXPECTED)?;
        (host.to_string(), port)
    } else {
        let end = address.find(':').unwrap_or(address.len());
        let host = address[..end].trim_end_matches('.').to_ascii_lowercase();
        let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !host.bytes().all(of_a_name) {
            return Err(EXPECTED);
        }
        (host, &address[end..])
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => {
            if scheme == "https" {
                443
            } else {
                80
            }
        }
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_unreadable| EXPECTED)?
        }
        Some(_) | None => return Err(EXPECTED),
    };
    if port == 0 { Err(EXPECTED) } else { Ok((host, port)) }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, path, .. } = self;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}{path}")
        } else {
            write!(f, "{scheme}://{host}:{port}{path}")
        }
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ServiceUrl {
        ServiceUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_url_is_read_in_its_parts() {
        let read = url("HTTP://Registry-0.Registry.:8761/base/eureka");
        assert_eq!(
            (read.scheme(), read.host(), read.port(), read.path()),
            ("http", "registry-0.registry", 8761, "/base/eureka/")
        );
        assert_eq!(read, ServiceUrl::new("http", "registry-0.registry", 8761, "/base/eureka/"));
        assert_eq!(url("https://registry//").to_string(), "https://registry:443/");
        assert_eq!(url("http://[::1]/eureka/").to_string(), "http://[::1]:80/eureka/");
        assert_eq!(url("http://[::1]:8761/eureka/").address(), Some(Ipv6Addr::LOCALHOST.into()));
    }

    #[test]
    fn passwords_may_hold_what_separates_parts() {
        for (text, password) in [
            ("http://peer:p%40s%2Cs%2Fw%3Ard@h:1/eureka/", "p@s,s/w:rd"),
            ("http://peer:p@s,s:w@h:1/eureka/", "p@s,s:w"),
            ("http://peer:100%@h:1/eureka/", "100%"),
            ("http://peer@h:1/eureka/", ""),
        ] {
            let read = url(text);
            let expected = Credentials { username: "peer".to_owned(), password: password.to_owned() };
            assert_eq!((read.credentials(), read.host()), (Some(&expected), "h"), "{text}");
            assert_eq!(url(&format!("{read}")), read.without_credentials());
        }
    }

    #[test]
    fn nothing_shows_a_password() {
        let read = url("http://peer:secret@h:1/eureka/");
        let shown = format!("{read} {read:?} {:?}", read.credentials());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_comma_separates_urls_where_one_follows() {
        let read = ServiceUrl::parse_list(" http://a:p,w@one:1/eureka/, https://b:x,@two:2/eureka ,,").unwrap();
        let shown: Vec<String> = read.iter().map(ServiceUrl::to_string).collect();
        assert_eq!(shown, ["http://one:1/eureka/", "https://two:2/eureka/"]);
        let passwords: Vec<&str> = read.iter().map(|url| url.credentials().unwrap().password.as_str()).collect();
        assert_eq!(passwords, ["p,w", "x,"]);
        assert_eq!(ServiceUrl::parse_list(""), Ok(Vec::new()));
        assert!(ServiceUrl::parse_list("http://one:1/eureka/,two").is_err());
    }

    #[test]
    fn urls_that_might_lead_elsewhere_are_refused() {
        for wrong in [
            "",
            "registry:8761",
            "ftp://h/",
            "http://",
            "http://:1/",
            "http://h:/",
            "http://h:x/",
            "http://h:0/",
            "http://h:65536/",
            "http://h:1/eureka/?q",
            "http://h:1/eureka/#f",
            "http://h\\e:1/",
            "http://h e:1/",
            "http://h:1:2/",
            "http://[::1/",
            "http://[h]:1/",
            "http://u:p/w@h:1/eureka/",
            "http://h:+1/",
        ] {
            assert!(ServiceUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
