//! [`Buffers`]: the places of busy connections, which are limited.
//!
//! Only a busy connection has buffers and an HTTP connection of hyper's. When all places are taken, a connection that needs one
//! waits for the turn of its address. Meanwhile, connections between two requests give their buffers back; and of half requests,
//! slow senders and slow readers, the oldest one of the address that has the most is closed.

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

/// The minimum age of half a request, or of a handshake, before its place is taken. Otherwise clients that all connect at once,
/// as after a restart, would displace each other before any is answered.
const GRACE: Duration = Duration::from_millis(500);

/// How often connections are asked to give way while others wait.
const RELIEF_INTERVAL: Duration = Duration::from_millis(50);

/// The places of busy connections.
#[derive(Debug)]
pub(super) struct Buffers {
    places: Arc<Turns>,
    waiting: AtomicI64,
    /// When connections were last asked to give way.
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
    /// Frees the place. A stream of events would hold it for its whole life; the number of streams is bounded elsewhere.
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
                        // All waiting connections hear it.
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

    /// Lets as many connections give way as wait, if that many can.
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

    /// Whether a connection waits for a place.
    pub(super) fn are_short(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }
}
