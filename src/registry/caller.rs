//! [`Caller`]: who asks for something, and where from.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::Source;

/// Who asks for a change. Cheap to clone: a user's name is shared by all that this user does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of the user whose credentials the request had; `None` where nobody has to show any.
    pub user: Option<Arc<str>>,
    /// Where the request came from, as far as that is known: the connection's other end, or what a proxy says it is
    /// (`server.forward-headers-strategy`).
    pub address: Option<IpAddr>,
    /// Whether the connection's client showed a certificate that is trusted.
    pub certified: bool,
    /// Whether it is a client or a peer.
    pub source: Source,
}

impl Caller {
    /// Who it is, in words that can begin a sentence, without the address.
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
    /// A caller of whom nothing else is known: this process itself, or a test.
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
