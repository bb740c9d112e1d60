//! [`Buffers`]: which connections are busy, at most so many at a time.
//!
//! Only a busy connection has buffers, and an HTTP connection of hyper's. Where all places are taken, who needs one waits for its turn,
//! and those who hold one for nothing go: a connection between two requests gives its buffers back, and of half requests, slow
//! senders and slow readers one is closed.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::activity::{Event, Rank};
use super::crowd::{Crowd, Member};
use super::watch::Watch;
use crate::metrics::connections::{Connections, Counted, Why};

/// The places of connections that are busy.
#[derive(Debug)]
pub(super) struct Buffers {
    places: Semaphore,
    waiting: AtomicUsize,
    busy: Arc<Crowd>,
    counted: Arc<Connections>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    watch: Arc<Watch>,
    _counted: Counted<'a>,
    _member: Member,
    _place: Option<SemaphorePermit<'a>>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.watch.on(Event::Rested);
    }
}

impl Buffers {
    pub(super) fn new(places: usize, counted: Arc<Connections>) -> Self {
        let places = Semaphore::new(places.min(Semaphore::MAX_PERMITS));
        Self { places, waiting: AtomicUsize::new(0), busy: Arc::default(), counted }
    }

    /// Waits for a place.
    pub(super) async fn enter(&self, address: IpAddr, watch: &Arc<Watch>) -> Place<'_> {
        let place = match self.places.try_acquire() {
            Ok(place) => Some(place),
            Err(_all_taken) => {
                let _waiting = Waiting::one_more(&self.waiting);
                if !self.busy.let_one_rest() {
                    self.busy.make_room(Rank::Slow, Why::NoMemory);
                }
                // Nobody closes it.
                self.places.acquire().await.ok()
            }
        };
        watch.on(Event::Woke);
        let (counted, member) = (self.counted.busy(), self.busy.enter(address, watch));
        Place { watch: Arc::clone(watch), _counted: counted, _member: member, _place: place }
    }

    /// Whether somebody waits for a place.
    pub(super) fn are_short(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
