//! [`Caller`]: who sent a request, from where, and why; [`Reason`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::Source;

/// Who sent a request. Cheap to clone: all requests of a user share the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of the user whose credentials the request had; `None` if it had or needed none.
    pub user: Option<Arc<str>>,
    /// The name of the user who made the change at the replica that replicates it, if the request is one of our own replicas'.
    pub on_behalf_of: Option<Arc<str>>,
    /// The address from which the request came, if it is known: that of the connection, or the one that a proxy names
    /// (`server.forward-headers-strategy`).
    pub address: Option<IpAddr>,
    /// Whether the client of the connection showed a trusted certificate.
    pub certified: bool,
    /// Whether it is a client, a peer or Kubernetes.
    pub source: Source,
    /// Why, in the caller's own words; `None` if it gave no reason. Only calls that an operator makes are asked for one.
    pub reason: Option<Reason>,
}

/// Why somebody changed something: a line for people, of at most [`Reason::MOST`] characters and without control characters. Cheap to
/// clone: all changes of one act share the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(Arc<str>);

impl Reason {
    /// Maximum number of characters.
    pub const MOST: usize = 200;

    /// Reads a reason; spaces around it are left out. `Ok(None)` if nothing remains.
    ///
    /// # Errors
    /// If it is too long, or has a control character: it is shown in logs and on pages.
    pub fn parse(text: &str) -> Result<Option<Self>, WrongReason> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(WrongReason::Control);
        }
        // Most of what is too long is refused without counting it.
        if text.len() > 4 * Self::MOST || text.chars().count() > Self::MOST {
            return Err(WrongReason::TooLong);
        }
        Ok((!text.is_empty()).then(|| Self(text.into())))
    }

    /// The reason as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a reason is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongReason {
    /// It has more than [`Reason::MOST`] characters.
    #[error("a reason has at most {} characters", Reason::MOST)]
    TooLong,
    /// It has a line break or another control character.
    #[error("a reason has no line breaks and no other control characters")]
    Control,
}

impl Caller {
    /// The name of the user who made the change, wherever; `None` if there was none.
    pub fn acting_user(&self) -> Option<&str> {
        self.on_behalf_of.as_deref().or(self.user.as_deref())
    }

    /// The same peer, for a change that this user made at it for this reason. What is no short line is left out.
    #[must_use]
    pub fn for_user(&self, user: Option<&str>, reason: Option<&str>) -> Self {
        let short = |text: Option<&str>| text.and_then(|text| Reason::parse(text).ok().flatten());
        let on_behalf_of = short(user).map(|user| user.0);
        Self { on_behalf_of, reason: short(reason), ..self.clone() }
    }

    /// The caller in words that can begin a sentence, without the address.
    pub fn name(&self) -> &str {
        match (self.source, &self.user) {
            // Peers are users, too, all of them the same one.
            (Source::Peer, _) => "a peer",
            (Source::Kubernetes, _) => "Kubernetes",
            (Source::Client, Some(user)) => user,
            (Source::Client, None) => "a client",
        }
    }
}

impl From<Source> for Caller {
    /// A caller of which nothing else is known: this process itself, or a test.
    fn from(source: Source) -> Self {
        Self { user: None, on_behalf_of: None, address: None, certified: false, source, reason: None }
    }
}

impl From<&Self> for Caller {
    fn from(caller: &Self) -> Self {
        caller.clone()
    }
}

/// In words that can begin a sentence: `admin from 10.0.0.7`, `a client from 10.0.0.7`, `a peer`, `admin through a peer from 10.0.0.8`.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.on_behalf_of {
            write!(f, "{user} through ")?;
        }
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
            Caller { user: user.map(Arc::from), address, ..Caller::from(source) }.to_string()
        };
        assert_eq!(said(Some("admin"), Source::Client), "admin from 10.0.0.7");
        assert_eq!(said(None, Source::Client), "a client from 10.0.0.7");
        assert_eq!(said(Some("eureka"), Source::Peer), "a peer from 10.0.0.7");
        assert_eq!(Caller::from(Source::Peer).to_string(), "a peer");
        let peer = Caller { user: Some("eureka".into()), ..Caller::from(Source::Peer) };
        assert_eq!(peer.acting_user(), Some("eureka"));
        let replicated = peer.for_user(Some("admin"), Some("disk"));
        assert_eq!(
            (replicated.to_string().as_str(), replicated.acting_user()),
            ("admin through a peer", Some("admin"))
        );
        assert_eq!(replicated.reason.as_ref().map(Reason::as_str), Some("disk"));
        assert_eq!(peer.for_user(Some("a\nb"), Some(&"x".repeat(201))), peer);
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let parse = |text: &str| Reason::parse(text).map(|reason| reason.map(|reason| reason.as_str().to_owned()));
        assert_eq!(parse(" deploy of 2.4 "), Ok(Some("deploy of 2.4".to_owned())));
        assert_eq!(parse("  "), Ok(None));
        assert_eq!(parse(&"ü".repeat(200)), Ok(Some("ü".repeat(200))));
        for long in ["ü".repeat(201), "a".repeat(201), "a".repeat(10_000)] {
            assert_eq!(parse(&long), Err(WrongReason::TooLong));
        }
        for control in ["a\nb", "\u{1b}[2J", "a\u{9b}b", "a\tb"] {
            assert_eq!(parse(control), Err(WrongReason::Control), "{control:?}");
        }
    }
}
