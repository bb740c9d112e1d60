//! The invariants of a [`Membership`], which hold after every call.

use super::{Identity, MOST_NAMES, Membership, NameKey, Origin};

impl Membership {
    /// The first invariant that does not hold, by its name and what is wrong.
    ///
    /// # Errors
    /// If one does not: that is a fault of this program.
    pub fn check(&self) -> Result<(), String> {
        self.names_are_bounded()?;
        self.names_are_believed()?;
        self.name_servers_are_right()?;
        self.names_and_peers_fit()?;
        self.processes_are_one_peer()
    }

    fn names_are_bounded(&self) -> Result<(), String> {
        let count = self.names.len();
        if count > MOST_NAMES { Err(format!("names are bounded: {count}")) } else { Ok(()) }
    }

    /// A name that is neither configured nor an address is under the Service, and its URL has no password.
    fn names_are_believed(&self) -> Result<(), String> {
        for (key, name) in &self.names {
            let is_ours = match key {
                NameKey::Pod(pod, port) => {
                    self.domains.pod(name.url.host()) == Some(pod)
                        && name.url == self.place.service_url(name.url.host(), *port)
                }
                NameKey::Url(url) => {
                    *url == name.url.without_credentials()
                        && (name.origin == Origin::Fixed || name.url.address().is_some())
                }
            };
            if !is_ours {
                return Err(format!("names are believed: {key:?} is {}", name.url));
            }
        }
        Ok(())
    }

    /// If name servers list a pod, no announced name of it is called.
    fn name_servers_are_right(&self) -> Result<(), String> {
        let is_listed = |pod: &str| {
            self.names.iter().any(|(key, name)| key.is_of(pod) && matches!(name.origin, Origin::Listed { .. }))
        };
        let mut announced = self.names.iter().filter(|(_, name)| matches!(name.origin, Origin::Announced { .. }));
        match announced.find(|(key, _)| matches!(key, NameKey::Pod(pod, _) if is_listed(pod))) {
            Some((key, _)) => Err(format!("what name servers say holds: {key:?} was announced")),
            None => Ok(()),
        }
    }

    /// Each peer has a name and is called by one of its names; the peer of each name exists.
    fn names_and_peers_fit(&self) -> Result<(), String> {
        for (id, peer) in &self.peers {
            if !self.names.values().any(|name| name.peer == Some(*id) && name.url == peer.url) {
                return Err(format!("names and peers fit: nothing is called {} of {id:?}", peer.url));
            }
        }
        let lost = self.names.iter().find(|(_, name)| name.peer.is_some_and(|id| !self.peers.contains_key(&id)));
        lost.map_or(Ok(()), |(key, _)| Err(format!("names and peers fit: {key:?} leads to no peer")))
    }

    /// A process has one queue, and this process has none.
    fn processes_are_one_peer(&self) -> Result<(), String> {
        let mut seen = Vec::new();
        for (id, peer) in &self.peers {
            match &peer.identity {
                Some(Identity::Itself) => return Err(format!("processes are one peer: {id:?} is this process")),
                Some(Identity::Ours(node)) if seen.contains(&node) => {
                    return Err(format!("processes are one peer: {node} has two"));
                }
                Some(Identity::Ours(node)) => seen.push(node),
                Some(Identity::Another) | None => {}
            }
        }
        Ok(())
    }
}
