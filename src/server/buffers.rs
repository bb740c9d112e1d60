//! [`Buffers`]: which connections are busy, at most so many at a time.
//!
//! Only a busy connection has buffers, and an HTTP connection of hyper's. Where all places are taken, a connection that needs one waits
//! for the turn of its address, and those who hold one for nothing go: connections between two requests give their buffers
//! back, and of half requests, slow senders and slow readers the oldest is closed, of the address that has the most.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::activity::{Event, Rank};
use super::crowd::{Crowd, Member};
use super::turns::{Turn, Turns};
use super::watch::Watch;
use crate::http::network;
use crate::metrics::connections::{Connections, Counted, Why};

/// How long half a request, or a handshake, is given before its place is taken. Else those who all connect at once, as clients do after
/// a restart, would close each other's connections before any is answered.
const GRACE: Duration = Duration::from_millis(500);

/// How often it is looked who can give way while somebody waits.
const RELIEF_INTERVAL: Duration = Duration::from_millis(50);

/// The places of connections that are busy.
#[derive(Debug)]
pub(super) struct Buffers {
    places: Arc<Turns>,
    waiting: AtomicI64,
    /// When it was looked last who can give way.
    relieved: Mutex<Option<Instant>>,
    busy: Arc<Crowd>,
    counted: Arc<Connections>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    watch: Arc<Watch>,
    _counted: Counted<'a>,
    _member: Member,
    turn: Mutex<Option<Turn>>,
}

impl Place<'_> {
    /// Lets others have it. A stream of events would keep it for as long as it lasts; how many of those there may be is bounded elsewhere.
    pub(super) fn give_up(&self) {
        drop(self.turn.lock().take());
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.watch.on(Event::Rested);
    }
}

impl Buffers {
    pub(super) fn new(places: usize, counted: Arc<Connections>) -> Self {
        let (places, waiting, relieved) = (Turns::new(places), AtomicI64::new(0), Mutex::default());
        Self { places, waiting, relieved, busy: Arc::default(), counted }
    }

    /// Waits for a place.
    pub(super) async fn enter(&self, address: IpAddr, watch: &Arc<Watch>) -> Place<'_> {
        let mut turn = self.places.enter(network(address));
        let _waiting = turn.is_err().then(|| Counted::one_of(&self.waiting));
        let turn = loop {
            match turn {
                Ok(turn) => break turn,
                Err(mut coming) => {
                    self.relieve();
                    turn = tokio::select! {
                        biased;
                        // It is sent to everybody who waits.
                        come = &mut coming => come.map_err(|_never| coming),
                        () = tokio::time::sleep(RELIEF_INTERVAL) => Err(coming),
                    };
                }
            }
        };
        watch.on(Event::Woke);
        let (counted, member) = (self.counted.busy(), self.busy.enter(address, watch));
        Place { watch: Arc::clone(watch), _counted: counted, _member: member, turn: Mutex::new(Some(turn)) }
    }

    /// Lets as many give way as wait, if there are any who can.
    fn relieve(&self) {
        let now = Instant::now();
        {
            let mut relieved = self.relieved.lock();
            if relieved.is_some_and(|last| now.saturating_duration_since(last) < RELIEF_INTERVAL) {
                return;
            }
            *relieved = Some(now);
        }
        for _ in 0..self.waiting.load(Relaxed) {
            if !self.busy.let_one_rest() && !self.busy.make_room(Rank::Slow, now.checked_sub(GRACE), Why::NoMemory) {
                return;
            }
        }
    }

    /// Whether somebody waits for a place.
    pub(super) fn are_short(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }
}
