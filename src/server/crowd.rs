//! [`Crowd`]: who is connected, and who goes when places are short.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::connection::Activity;

/// How often it is said that places are short.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// The connections that there are, by the address that they come from.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Members>);

#[derive(Debug, Default)]
struct Members {
    by_address: HashMap<IpAddr, HashMap<u64, Arc<Activity>>>,
    entered: u64,
    said: Option<Instant>,
}

/// One of the crowd, until it is dropped.
#[derive(Debug)]
pub(super) struct Member {
    crowd: Arc<Crowd>,
    address: IpAddr,
    number: u64,
}

impl Crowd {
    /// Counts a connection in.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, activity: &Arc<Activity>) -> Member {
        let address = network(address);
        let mut members = self.0.lock();
        members.entered += 1;
        let number = members.entered;
        members.by_address.entry(address).or_default().insert(number, Arc::clone(activity));
        Member { crowd: Arc::clone(self), address, number }
    }

    /// Closes the connection that is to be missed least of the address that has the most.
    pub(super) fn make_room(&self) {
        let mut members = self.0.lock();
        let mut crowds: Vec<_> = members.by_address.iter().collect();
        crowds.sort_unstable_by_key(|(_, connections)| std::cmp::Reverse(connections.len()));
        let least = crowds.iter().find_map(|(address, connections)| {
            let ranked = connections.iter().filter_map(|(number, activity)| Some((activity.rank()?, *number)));
            Some((**address, connections.len(), ranked.min()?.1))
        });
        let Some((address, connections, number)) = least else { return };
        // It is gone at once as far as this counts, so that the next who comes does not displace it again.
        if let Some(activity) = members.remove(address, number) {
            activity.displace();
        }
        let now = Instant::now();
        if members.said.is_none_or(|said| now.saturating_duration_since(said) > SAID_EVERY) {
            members.said = Some(now);
            warn!(%address, connections, "all places for connections are taken; closing some of this address");
        }
    }
}

impl Members {
    fn remove(&mut self, address: IpAddr, number: u64) -> Option<Arc<Activity>> {
        let connections = self.by_address.get_mut(&address)?;
        let removed = connections.remove(&number);
        if connections.is_empty() {
            self.by_address.remove(&address);
        }
        removed
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _displaced_before = self.crowd.0.lock().remove(self.address, self.number);
    }
}

/// Whose an address is: of IPv6 everybody has at least 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn of_the_address_with_the_most_connections_the_oldest_goes() {
        let crowd = Arc::new(Crowd::default());
        let enter = |address: &str| {
            let activity = Activity::new();
            (crowd.enter(address.parse().unwrap(), &activity), activity)
        };
        let good = enter("10.0.0.1");
        // Addresses of one network.
        let crowded = ["2001:db8::3", "2001:db8::1", "2001:db8::2"].map(enter);
        let goes = |(_, activity): &(Member, Arc<Activity>)| activity.displaced().now_or_never().is_some();
        crowd.make_room();
        assert_eq!((goes(&good), crowded.each_ref().map(goes)), (false, [true, false, false]));
        crowd.make_room();
        assert_eq!((goes(&good), crowded.each_ref().map(goes)), (false, [false, true, false]), "nobody goes twice");
    }

    #[test]
    fn nobody_is_left_when_all_have_gone() {
        let crowd = Arc::new(Crowd::default());
        drop(crowd.enter("10.0.0.1".parse().unwrap(), &Activity::new()));
        assert!(crowd.0.lock().by_address.is_empty());
        crowd.make_room();
    }
}
