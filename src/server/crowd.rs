//! [`Crowd`]: the open connections by address, and which of them is closed at the limit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::activity::{Activity, Rank};
use super::watch::Watch;
use crate::http::network;
use crate::metrics::connections::Why;

/// How often the log says that the limit is reached.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// The open connections, by client address.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Members>);

#[derive(Debug, Default)]
struct Members {
    by_address: HashMap<IpAddr, HashMap<u64, Arc<Watch>>>,
    entered: u64,
    said: Option<Instant>,
}

/// One of the connections, until it is dropped.
#[derive(Debug)]
pub(super) struct Member {
    crowd: Arc<Crowd>,
    address: IpAddr,
    number: u64,
}

impl Crowd {
    /// Adds a connection.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, watch: &Arc<Watch>) -> Member {
        let address = network(address);
        let mut members = self.0.lock();
        members.entered += 1;
        let number = members.entered;
        members.by_address.entry(address).or_default().insert(number, Arc::clone(watch));
        Member { crowd: Arc::clone(self), address, number }
    }

    /// Closes one connection of the address that has the most: the one with the lowest rank, if that is at most `most` and the
    /// connection has had it since `before`. Returns whether there was one.
    pub(super) fn make_room(&self, most: Rank, before: Option<Instant>, why: Why) -> bool {
        let mut members = self.0.lock();
        let mut crowds: Vec<_> = members.by_address.iter().collect();
        crowds.sort_unstable_by_key(|(_, connections)| std::cmp::Reverse(connections.len()));
        let least = crowds.iter().find_map(|(address, connections)| {
            let ranked = connections.iter().filter_map(|(number, watch)| Some((watch.rank()?, *number)));
            let may_go = |(rank, since): (Rank, Instant)| rank <= most && before.is_none_or(|before| since <= before);
            let (_, number) = ranked.filter(|(rank, _)| may_go(*rank)).min()?;
            Some((**address, connections.len(), number))
        });
        let Some((address, connections, number)) = least else { return false };
        // It no longer counts from now on, so that the next new connection does not choose it again.
        if let Some(watch) = members.remove(address, number) {
            watch.close(why);
        }
        let now = Instant::now();
        let is_news = members.said.is_none_or(|said| now.saturating_duration_since(said) > SAID_EVERY);
        if is_news {
            members.said = Some(now);
        }
        drop(members);
        if is_news {
            warn!(client.address = %address, connections, reason = why.name(), "too many connections; closing some of {address}");
        }
        true
    }

    /// Lets one connection that needs no buffers now give them back. Returns whether there was one.
    pub(super) fn let_one_rest(&self) -> bool {
        let members = self.0.lock();
        members.by_address.values().flat_map(HashMap::values).any(|watch| watch.rest())
    }

    /// The number of connections, and the oldest one with its address.
    pub(super) fn oldest(&self) -> (usize, Option<(IpAddr, Activity)>) {
        let members = self.0.lock();
        let all = members.by_address.iter();
        let all = all.flat_map(|(address, of_address)| of_address.values().map(|watch| (*address, watch.activity())));
        let oldest = all.min_by_key(|(_, activity)| activity.began());
        (members.by_address.values().map(HashMap::len).sum(), oldest)
    }
}

impl Members {
    fn remove(&mut self, address: IpAddr, number: u64) -> Option<Arc<Watch>> {
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

#[cfg(test)]
mod tests {
    use super::super::activity::Event;
    use super::*;

    fn enter(crowd: &Arc<Crowd>, address: &str, events: &[Event]) -> (Member, Arc<Watch>) {
        let watch = Watch::new(Instant::now());
        events.iter().for_each(|event| watch.on(*event));
        (crowd.enter(address.parse().unwrap(), &watch), watch)
    }

    fn goes((_, watch): &(Member, Arc<Watch>)) -> bool {
        watch.closing().is_some()
    }

    #[test]
    fn of_the_address_with_the_most_connections_the_oldest_goes() {
        let crowd = Arc::new(Crowd::default());
        let good = enter(&crowd, "10.0.0.1", &[]);
        // Addresses of one network.
        let crowded = ["2001:db8::3", "2001:db8::1", "2001:db8::2"].map(|address| enter(&crowd, address, &[]));
        let (connections, oldest) = crowd.oldest();
        assert_eq!((connections, oldest.map(|(address, _)| address)), (4, Some("10.0.0.1".parse().unwrap())));
        crowd.make_room(Rank::Idle, None, Why::NoPlace);
        assert_eq!((goes(&good), crowded.each_ref().map(goes)), (false, [true, false, false]));
        crowd.make_room(Rank::Idle, None, Why::NoPlace);
        assert_eq!((goes(&good), crowded.each_ref().map(goes)), (false, [true, true, false]), "nobody goes twice");
    }

    #[test]
    fn an_idle_connection_gives_its_buffers_back_and_half_a_request_is_closed() {
        let crowd = Arc::new(Crowd::default());
        let request = Event::Request { has_body: false };
        let idle = [Event::Woke, Event::Read(9), request, Event::Answered, Event::Flushed];
        let busy = enter(&crowd, "10.0.0.1", &[Event::Woke, Event::Read(9), request]);
        let half = enter(&crowd, "10.0.0.2", &[Event::Woke, Event::Read(9)]);
        let idle = [enter(&crowd, "10.0.0.3", &idle), enter(&crowd, "10.0.0.3", &idle)];
        assert_eq!([(); 3].map(|()| crowd.let_one_rest()), [true, true, false], "each is asked once");
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        assert!(!crowd.make_room(Rank::Slow, Some(now - second), Why::NoMemory), "nobody has had his time");
        assert!(crowd.make_room(Rank::Slow, Some(now), Why::NoMemory));
        assert_eq!((goes(&busy), goes(&half), idle.each_ref().map(goes)), (false, true, [false, false]));
        assert!(!crowd.make_room(Rank::Slow, Some(now), Why::NoMemory), "no connection is left that may be closed");
    }

    #[test]
    fn nothing_waits_when_all_have_left() {
        let crowd = Arc::new(Crowd::default());
        drop(enter(&crowd, "10.0.0.1", &[]));
        assert!(crowd.0.lock().by_address.is_empty());
        crowd.make_room(Rank::Idle, None, Why::NoPlace);
        assert!(crowd.oldest().1.is_none());
    }
}
