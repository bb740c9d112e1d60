//! [`PeerUsers`]: which users are peers. A user that may write is not a peer for that reason.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::warn;

use super::user::User;

/// The users that may replicate: those with the role `PEER`, and those as whom this replica calls its peers, since peers of one
/// cluster call each other alike. If there is none of these, the only user that may write.
#[derive(Debug)]
pub(super) struct PeerUsers {
    names: BTreeSet<String>,
    /// Users that tried to replicate and are no peers: each is logged once. There are no more of them than users.
    refused: Mutex<BTreeSet<Arc<str>>>,
}

impl PeerUsers {
    /// `called_as` are the names of the users as whom this replica calls its peers.
    pub(super) fn new(users: &[User], called_as: Vec<String>) -> Self {
        let mut names: BTreeSet<String> = called_as.into_iter().collect();
        names.extend(users.iter().filter(|user| user.has_role_of_peers()).map(|user| user.name.clone()));
        let mut writers = users.iter().filter(|user| !user.is_read_only());
        if let (true, Some(only), None) = (names.is_empty(), writers.next(), writers.next()) {
            names.insert(only.name.clone());
        }
        Self { names, refused: Mutex::default() }
    }

    /// Whether the user of this name is a peer.
    pub(super) fn contains(&self, user: &str) -> bool {
        self.names.contains(user)
    }

    /// Logs once that a user tries to replicate and may not: it may be a peer with an incomplete configuration.
    pub(super) fn say_refused(&self, user: &Arc<str>) {
        if self.refused.lock().insert(Arc::clone(user)) {
            warn!(
                user.name = &**user,
                "user {user} is no peer and tried to replicate: if it is one, give it the role PEER \
                 (registry.security.users[n].roles)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(users: &[(&str, &str)], called_as: &[&str], peers: &[&str]) {
        let all: Vec<User> = users
            .iter()
            .map(|(name, role)| User {
                name: (*name).to_owned(),
                password: "p".parse().unwrap(),
                roles: vec![(*role).to_owned()],
            })
            .collect();
        let found = PeerUsers::new(&all, called_as.iter().map(|name| (*name).to_owned()).collect());
        let found: Vec<_> = users.iter().map(|(name, _)| *name).filter(|name| found.contains(name)).collect();
        assert_eq!(found, peers, "{users:?} {called_as:?}");
    }

    #[test]
    fn a_user_that_may_write_is_not_a_peer_for_that() {
        let (reader, writer, peer) = (("reader", "READ_ONLY"), ("writer", ""), ("peer", "ROLE_PEER"));
        check(&[writer, reader], &[], &["writer"]);
        check(&[writer], &["writer"], &["writer"]);
        check(&[writer, ("other", "ADMIN")], &[], &[]);
        check(&[writer, ("other", "ADMIN")], &["other"], &["other"]);
        check(&[writer, peer], &[], &["peer"]);
        check(&[writer, peer], &["writer"], &["writer", "peer"]);
        check(&[reader], &[], &[]);
    }
}
