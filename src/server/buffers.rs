//! [`Buffers`]: the places of busy connections, which are limited.
//!
//! Only a busy connection has buffers and an HTTP connection of hyper's. When all places are taken, a connection that needs
//! one waits for the turn of its address; addresses whose last connection here was answered go before the others.
//! Meanwhile, connections between two requests give their buffers back; and of half requests, slow senders and slow
//! readers, the oldest one of the address that has the most is closed.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::activity::{Activity, Event, Phase, Rank};
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
    places: &'a Turns,
    network: IpAddr,
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
        if let Some(well) = used_well(&self.watch.activity()) {
            self.places.used(self.network, well);
        }
    }
}

/// Whether a place that ends now was used well; `None` where that cannot be said: after a handshake, and while the client waits for the
/// server.
fn used_well(activity: &Activity) -> Option<bool> {
    match activity.phase() {
        Phase::Idle => Some(true),
        Phase::New => None,
        Phase::Handshake | Phase::Headers | Phase::Exchange => activity.rank().map(|_waits_for_client| false),
    }
}

impl Buffers {
    pub(super) fn new(places: usize, counted: Arc<Connections>) -> Self {
        let (places, waiting, relieved) = (Turns::new(places), AtomicI64::new(0), Mutex::default());
        Self { places, waiting, relieved, busy: Arc::default(), counted }
    }

    /// Waits for a place.
    pub(super) async fn enter(&self, address: IpAddr, watch: &Arc<Watch>) -> Place<'_> {
        let network = network(address);
        let mut turn = self.places.enter(network);
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
        let (watch, places, turn) = (Arc::clone(watch), &*self.places, Mutex::new(Some(turn)));
        Place { watch, places, network, _counted: counted, _member: member, turn }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection of an address, and what happens on it while it has a place.
    async fn uses(buffers: &Buffers, address: IpAddr, events: &[Event]) {
        let watch = Watch::new(Instant::now());
        let _place = buffers.enter(address, &watch).await;
        events.iter().for_each(|event| watch.on(*event));
    }

    /// Whether one address is given the only place before another one that asked earlier.
    async fn goes_first(buffers: &Buffers, one: IpAddr, other: IpAddr) -> bool {
        let watches = [(); 3].map(|()| Watch::new(Instant::now()));
        let taken = buffers.enter(IpAddr::from([10, 0, 0, 99]), &watches[0]).await;
        let (mut earlier, mut later) =
            (Box::pin(buffers.enter(other, &watches[1])), Box::pin(buffers.enter(one, &watches[2])));
        assert!(futures_util::poll!(&mut earlier).is_pending() && futures_util::poll!(&mut later).is_pending());
        drop(taken);
        futures_util::poll!(&mut later).is_ready()
    }

    #[tokio::test]
    async fn an_address_that_was_answered_goes_first_until_it_holds_a_place_for_nothing() {
        let buffers = Buffers::new(1, Arc::default());
        let (client, stranger): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let request = [Event::Read(9), Event::Request { has_body: false }];
        let answered = [request.as_slice(), &[Event::Answered, Event::Flushed]].concat();
        let sends_half = [request[0], Event::Request { has_body: true }, Event::Read(1)];
        let takes_nothing = [request.as_slice(), &[Event::Answered, Event::Blocked]].concat();
        assert!(!goes_first(&buffers, client, stranger).await, "nobody is known, so the first to ask is the first");
        for held_up in [&request[..1], &[Event::HandshakeBegan], &sends_half, &takes_nothing] {
            uses(&buffers, client, &answered).await;
            for tells_nothing in [request.as_slice(), &[], &[Event::HandshakeBegan, Event::HandshakeEnded]] {
                uses(&buffers, client, tells_nothing).await;
                assert!(goes_first(&buffers, client, stranger).await, "it was answered");
            }
            uses(&buffers, client, held_up).await;
            assert!(!goes_first(&buffers, client, stranger).await, "{held_up:?}");
        }
    }
}
