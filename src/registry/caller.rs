//! [`Caller`]: who sent a request, and from where.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::Source;

/// Who sent a request. Cheap to clone: all requests of a user share the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of the user whose credentials the request had; `None` if it had or needed none.
    pub user: Option<Arc<str>>,
    /// The address from which the request came, if it is known: that of the connection, or the one that a proxy names
    /// (`server.forward-headers-strategy`).
    pub address: Option<IpAddr>,
    /// Whether the client of the connection showed a trusted certificate.
    pub certified: bool,
    /// Whether it is a client or a peer.
    pub source: Source,
}

impl Caller {
    /// The caller in words that can begin a sentence, without the address.
    pub fn name(&self) -> &str {
        match (self.source, &self.user) {
            // Peers are users, too, all of them the same one.
            (Source::Peer, _) => "a peer",
            (Source::Client, Some(user)) => user,
            (Source::Client, None) => "a client",
        }
    }
}

impl From<Source> for Caller {
    /// A caller of which nothing else is known: this process itself, or a test.
    fn from(source: Source) -> Self {
        Self { user: None, address: None, certified: false, source }
    }
}

impl From<&Self> for Caller {
    fn from(caller: &Self) -> Self {
        caller.clone()
    }
}

/// In words that can begin a sentence: `admin from 10.0.0.7`, `a client from 10.0.0.7`, `a peer`.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.address.map_or(Ok(()), |address| write!(f, " from {address}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_said_in_words() {
        let said = |user: Option<&str>, source| {
            let address = Some(IpAddr::from([10, 0, 0, 7]));
            Caller { user: user.map(Arc::from), address, certified: false, source }.to_string()
        };
        assert_eq!(said(Some("admin"), Source::Client), "admin from 10.0.0.7");
        assert_eq!(said(None, Source::Client), "a client from 10.0.0.7");
        assert_eq!(said(Some("eureka"), Source::Peer), "a peer from 10.0.0.7");
        assert_eq!(Caller::from(Source::Peer).to_string(), "a peer");
    }
}
