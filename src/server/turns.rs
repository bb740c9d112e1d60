//! [`Turns`]: a number of places, for which addresses wait in turn.
//!
//! In a single queue, everybody would wait behind a crowd of one address. Here each address has its own queue, and a free place
//! goes to the next address.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The places.
#[derive(Debug)]
pub(super) struct Turns(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    free: usize,
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<Turn>>>,
    /// The addresses that wait, each once.
    order: VecDeque<IpAddr>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Turns>>);

impl Turns {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free: places, ..State::default() })))
    }

    /// A free place, or where to wait until it is this address's turn.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Turn, oneshot::Receiver<Turn>> {
        let mut state = self.0.lock();
        if let Some(left) = state.free.checked_sub(1) {
            state.free = left;
            return Ok(Turn(Some(Arc::clone(self))));
        }
        let (sender, receiver) = oneshot::channel();
        let State { waiting, order, .. } = &mut *state;
        let queue = waiting.entry(address).or_default();
        if queue.is_empty() {
            order.push_back(address);
        } else if queue.len().is_power_of_two() {
            // Entries of those that stopped waiting are removed before they outnumber the others.
            queue.retain(|sender| !sender.is_closed());
        }
        queue.push_back(sender);
        Err(receiver)
    }

    /// Gives the place to the next one that waits; if none does, the place is free.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut state = self.0.lock();
        loop {
            let Some(address) = state.order.pop_front() else {
                state.free += 1;
                return None;
            };
            let Some(mut queue) = state.waiting.remove(&address) else { continue };
            let next = queue.pop_front();
            if !queue.is_empty() {
                state.waiting.insert(address, queue);
                state.order.push_back(address);
            }
            if next.is_some() {
                return next;
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(mut turns) = self.0.take() else { return };
        while let Some(next) = turns.next() {
            // One that no longer waits gives the place back, and the next one has its turn.
            match next.send(Self(Some(turns))).map_err(|mut unwanted| unwanted.0.take()) {
                Err(Some(back)) => turns = back,
                Ok(()) | Err(None) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn addresses_take_turns() {
        let turns = Turns::new(1);
        let mut place = turns.enter(address(1)).unwrap();
        // A crowd, and two who come after it.
        let mut waiting: Vec<_> =
            [1, 1, 1, 1, 2, 3, 2].map(|last| (last, turns.enter(address(last)).unwrap_err())).into();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(place);
            let next = waiting.iter_mut().position(|(_, receiver)| !receiver.is_empty()).unwrap();
            let (last, mut receiver) = waiting.remove(next);
            order.push(last);
            place = receiver.try_recv().unwrap();
        }
        assert_eq!(order, [1, 2, 3, 1, 2, 1, 1]);
        drop(place);
        assert!(turns.enter(address(1)).is_ok(), "nobody waits, so it is free");
    }

    #[test]
    fn who_left_takes_nobodys_turn() {
        let turns = Turns::new(1);
        let place = turns.enter(address(1)).unwrap();
        let mut left: Vec<_> = (0..100).map(|_| turns.enter(address(1)).unwrap_err()).collect();
        let mut last = left.pop().unwrap();
        drop(left);
        drop(turns.enter(address(2)));
        drop(place);
        let place = last.try_recv().unwrap();
        drop((place, last));
        let given = turns.enter(address(3)).unwrap();
        let unread = turns.enter(address(3)).unwrap_err();
        drop(given);
        // It was given a place, and left without taking it.
        drop(unread);
        assert!(turns.enter(address(3)).is_ok());
    }

    #[test]
    fn those_who_left_are_forgotten_while_nobody_goes() {
        let turns = Turns::new(0);
        for _ in 0..10_000 {
            drop(turns.enter(address(1)));
        }
        assert!(turns.0.lock().waiting[&address(1)].len() <= 2);
    }
}
