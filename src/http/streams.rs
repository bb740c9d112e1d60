//! [`Streams`]: which event streams are open.
//!
//! A stream holds a place until it ends, at the latest at its maximum age. One address has only a part of the places. If all are
//! taken, a new stream replaces the oldest one of the address that has the most, if that has more than the new one's address. Of IPv6, all
//! addresses of a network of 64 bits are one client's.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::connection::network;

/// Maximum memory of a stream: the events that wait for its reader.
const STREAM_BYTES: usize = 24 * 1024;
/// One address may have this part of all streams.
const PART_OF_ADDRESS: usize = 5;
/// The age at which a stream ends. A browser connects again by itself.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// The places of event streams.
#[derive(Debug)]
pub(super) struct Streams {
    most: usize,
    open: Mutex<Vec<Open>>,
}

/// An open stream. The oldest is first.
#[derive(Debug)]
struct Open {
    address: Option<IpAddr>,
    ended: Arc<AtomicBool>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// This address has as many streams as one may have.
    Address,
    /// All places are taken, and no address has more than this one.
    All,
}

impl Streams {
    /// As many streams as fit into `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        Self { most: (bytes / STREAM_BYTES).clamp(PART_OF_ADDRESS, 1000), open: Mutex::default() }
    }

    /// The number of open streams.
    pub(super) fn open(&self) -> usize {
        self.open.lock().len()
    }

    /// A place for one more, until it is dropped.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn take_place(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Full> {
        let address = address.map(network);
        let mut open = self.open.lock();
        let of = |open: &[Open], address: Option<IpAddr>| open.iter().filter(|one| one.address == address).count();
        let own = of(&open, address);
        if own >= self.most / PART_OF_ADDRESS {
            return Err(Full::Address);
        }
        if open.len() >= self.most {
            let most = open.iter().map(|one| of(&open, one.address)).max().unwrap_or_default();
            let oldest = open.iter().position(|one| of(&open, one.address) == most).filter(|_| most > own + 1);
            let displaced = open.remove(oldest.ok_or(Full::All)?);
            displaced.ended.store(true, Relaxed);
        }
        let ended = Arc::<AtomicBool>::default();
        open.push(Open { address, ended: Arc::clone(&ended) });
        Ok(Place { streams: Arc::clone(self), ended, until: Instant::now() + MAX_AGE })
    }
}

/// The place of one stream.
#[derive(Debug)]
pub(super) struct Place {
    streams: Arc<Streams>,
    ended: Arc<AtomicBool>,
    until: Instant,
}

impl Place {
    /// Whether the stream has to end: it is too old, or another one has its place.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed) || Instant::now() >= self.until
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.open.lock().retain(|one| !Arc::ptr_eq(&one.ended, &self.ended));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_has_a_part_and_gives_way_to_others() {
        let streams = Arc::new(Streams::new(20 * STREAM_BYTES));
        let take = |last: u8| streams.take_place(address(last));
        let of_one: Vec<Place> = (0..4).map(|_| take(1).unwrap()).collect();
        assert_eq!(take(1).unwrap_err(), Full::Address);
        let others: Vec<Place> = (0..16).map(|number| take(2 + number / 4).unwrap()).collect();
        assert_eq!(streams.open(), 20);
        let newcomer = take(9).unwrap();
        assert!(of_one[0].has_ended(), "the oldest of those that have the most");
        assert_eq!((of_one.iter().chain(&others).filter(|place| place.has_ended()).count(), streams.open()), (1, 20));
        drop(of_one);
        assert_eq!(streams.open(), 17, "a place that was taken over is not given back twice");
        tokio::time::advance(MAX_AGE).await;
        assert!(newcomer.has_ended());
    }

    #[tokio::test(start_paused = true)]
    async fn one_network_of_ipv6_is_one_client() {
        let streams = Arc::new(Streams::new(20 * STREAM_BYTES));
        let take = |address: String| streams.take_place(Some(address.parse().unwrap()));
        let _of_one: Vec<Place> = (0..4).map(|host| take(format!("2001:db8::{host}")).unwrap()).collect();
        assert_eq!(take("2001:db8::ffff:0:0:1".to_owned()).unwrap_err(), Full::Address);
        assert!(take("2001:db8:0:1::1".to_owned()).is_ok(), "another network");
        let _of_another: Vec<Place> = (0..4).map(|_| take("::ffff:10.0.0.1".to_owned()).unwrap()).collect();
        assert_eq!(take("10.0.0.1".to_owned()).unwrap_err(), Full::Address);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_has_more_a_newcomer_is_refused() {
        let streams = Arc::new(Streams::new(5 * STREAM_BYTES));
        let _all: Vec<Place> = (0..5).map(|last| streams.take_place(address(last)).unwrap()).collect();
        assert_eq!(streams.take_place(address(9)).unwrap_err(), Full::All);
    }
}
