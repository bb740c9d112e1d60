//! [`Turns`]: a number of places, for which addresses wait in turn.
//!
//! One queue would be as long as a crowd of one address makes it. Here each address has its own, and a place that becomes free goes
//! to the next address. Addresses that used their last place well go before the others, and some places are for them alone: however many
//! addresses a crowd has, clients that were there before it do not wait for it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// So many places go to known addresses while others wait, then the next goes to one of the others: known addresses that never stop
/// asking lock nobody out.
const KNOWN_IN_A_ROW: usize = 3;
/// This part of the places is for known addresses alone.
const PART_OF_KNOWN: usize = 8;
/// Maximum number of each half of the known addresses.
const KNOWN: usize = 8192;

/// The places.
#[derive(Debug)]
pub(super) struct Turns(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    free: usize,
    /// How many places others than known addresses have, and may have.
    of_others: usize,
    most_of_others: usize,
    known: Known,
    /// The queues of known addresses, and of the others.
    known_ones: Queues,
    others: Queues,
    /// How many known addresses were given a place since the last other one that had to wait.
    in_a_row: usize,
}

/// Those who wait, by address.
#[derive(Debug, Default)]
struct Queues {
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<Turn>>>,
    /// The addresses that wait, each once.
    order: VecDeque<IpAddr>,
}

/// The addresses that used their last place well, the newer ones and the older: of too many, those are forgotten that did it longest ago.
#[derive(Debug, Default)]
struct Known {
    newer: HashSet<IpAddr>,
    older: HashSet<IpAddr>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Option<Arc<Turns>>,
    is_of_known: bool,
}

impl Turns {
    pub(super) fn new(places: usize) -> Arc<Self> {
        let most_of_others = places - places / PART_OF_KNOWN;
        Arc::new(Self(Mutex::new(State { free: places, most_of_others, ..State::default() })))
    }

    /// A free place, or where to wait until it is this address's turn.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Turn, oneshot::Receiver<Turn>> {
        let mut state = self.0.lock();
        let is_of_known = state.known.contains(address);
        if state.free > 0 && (is_of_known || state.may_have_others()) {
            state.free -= 1;
            state.of_others += usize::from(!is_of_known);
            return Ok(Turn { turns: Some(Arc::clone(self)), is_of_known });
        }
        let (sender, receiver) = oneshot::channel();
        let queues = if is_of_known { &mut state.known_ones } else { &mut state.others };
        queues.push(address, sender);
        Err(receiver)
    }

    /// Notes whether an address used a place well: its request was answered, rather than given up or waited for in vain.
    pub(super) fn used(&self, address: IpAddr, well: bool) {
        let known = &mut self.0.lock().known;
        if well { known.insert(address) } else { known.remove(address) }
    }

    /// Takes a place back, and says who is next, and whether it is of a known address. If it is nobody's turn, the place is free.
    fn next(&self, was_of_known: bool) -> Option<(oneshot::Sender<Turn>, bool)> {
        let mut state = self.0.lock();
        state.of_others -= usize::from(!was_of_known);
        let next = state.next();
        match &next {
            Some((_, is_of_known)) => state.of_others += usize::from(!is_of_known),
            None => state.free += 1,
        }
        next
    }
}

impl State {
    fn may_have_others(&self) -> bool {
        self.of_others < self.most_of_others
    }

    fn next(&mut self) -> Option<(oneshot::Sender<Turn>, bool)> {
        let are_others_due = self.in_a_row >= KNOWN_IN_A_ROW && self.may_have_others();
        if !are_others_due && let Some(next) = self.known_ones.pop() {
            self.in_a_row += usize::from(!self.others.order.is_empty());
            return Some((next, true));
        }
        if self.may_have_others()
            && let Some(next) = self.others.pop()
        {
            self.in_a_row = 0;
            return Some((next, false));
        }
        self.known_ones.pop().map(|next| (next, true))
    }
}

impl Queues {
    fn push(&mut self, address: IpAddr, sender: oneshot::Sender<Turn>) {
        let queue = self.waiting.entry(address).or_default();
        if queue.is_empty() {
            self.order.push_back(address);
        } else if queue.len().is_power_of_two() {
            // Entries of those that stopped waiting are removed before they outnumber the others.
            queue.retain(|sender| !sender.is_closed());
        }
        queue.push_back(sender);
    }

    fn pop(&mut self) -> Option<oneshot::Sender<Turn>> {
        loop {
            let address = self.order.pop_front()?;
            let Some(mut queue) = self.waiting.remove(&address) else { continue };
            let next = queue.pop_front();
            if !queue.is_empty() {
                self.waiting.insert(address, queue);
                self.order.push_back(address);
            }
            if next.is_some() {
                return next;
            }
        }
    }
}

impl Known {
    fn contains(&self, address: IpAddr) -> bool {
        self.newer.contains(&address) || self.older.contains(&address)
    }

    fn insert(&mut self, address: IpAddr) {
        if self.newer.len() >= KNOWN && !self.newer.contains(&address) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(address);
    }

    fn remove(&mut self, address: IpAddr) {
        self.newer.remove(&address);
        self.older.remove(&address);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (Some(mut turns), mut was_of_known) = (self.turns.take(), self.is_of_known) else { return };
        while let Some((next, is_of_known)) = turns.next(was_of_known) {
            // One that no longer waits gives the place back, and the next one has its turn.
            match next.send(Self { turns: Some(turns), is_of_known }).map_err(|mut unwanted| unwanted.turns.take()) {
                Err(Some(back)) => (turns, was_of_known) = (back, is_of_known),
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

    /// Lets these addresses wait for the only place, and says in which order they are given it.
    fn order(turns: &Arc<Turns>, waiting: &[u8]) -> Vec<u8> {
        let mut place = turns.enter(address(100)).unwrap();
        let mut waiting: Vec<_> =
            waiting.iter().map(|last| (*last, turns.enter(address(*last)).unwrap_err())).collect();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(place);
            let next = waiting.iter_mut().position(|(_, receiver)| !receiver.is_empty()).unwrap();
            let (last, mut receiver) = waiting.remove(next);
            order.push(last);
            place = receiver.try_recv().unwrap();
        }
        order
    }

    #[test]
    fn addresses_take_turns() {
        let turns = Turns::new(1);
        // A crowd, and two who come after it.
        assert_eq!(order(&turns, &[1, 1, 1, 1, 2, 3, 2]), [1, 2, 3, 1, 2, 1, 1]);
        assert!(turns.enter(address(1)).is_ok(), "nobody waits, so it is free");
    }

    #[test]
    fn who_used_a_place_well_goes_first() {
        let turns = Turns::new(1);
        [8, 9, 7].iter().for_each(|last| turns.used(address(*last), true));
        turns.used(address(7), false);
        assert_eq!(order(&turns, &[1, 2, 7, 9, 9, 8]), [9, 8, 9, 1, 2, 7]);
    }

    #[test]
    fn known_addresses_that_never_stop_asking_lock_nobody_out() {
        let turns = Turns::new(1);
        turns.used(address(9), true);
        assert_eq!(order(&turns, &[9, 9, 9, 9, 9, 9, 9, 1, 2, 3]), [9, 9, 9, 1, 9, 9, 9, 2, 9, 3]);
        assert_eq!(order(&turns, &[9, 9, 9, 9, 9, 1]), [9, 9, 9, 1, 9, 9]);
    }

    #[test]
    fn some_places_are_for_known_addresses_alone() {
        let turns = Turns::new(16);
        turns.used(address(9), true);
        let taken: Vec<_> = (0..14).map(|_| turns.enter(address(1)).unwrap()).collect();
        let mut waiting = turns.enter(address(2)).unwrap_err();
        let known = [(); 2].map(|()| turns.enter(address(9)).unwrap());
        let mut also_known = turns.enter(address(9)).unwrap_err();
        drop(known);
        assert!(also_known.try_recv().is_ok(), "a known address takes what another one gives back");
        assert!(waiting.try_recv().is_err(), "and others have as much as they may");
        drop(taken);
        assert!(waiting.try_recv().is_ok());
        let state = turns.0.lock();
        assert_eq!((state.free, state.of_others), (16, 0));
    }

    #[test]
    fn known_addresses_are_bounded_and_the_last_ones_stay_known() {
        let mut known = Known::default();
        let address = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        for number in 0..10 * KNOWN {
            known.insert(address(number));
            assert!(known.newer.len() + known.older.len() <= 2 * KNOWN);
        }
        assert!((9 * KNOWN..10 * KNOWN).all(|number| known.contains(address(number))));
        assert!(!known.contains(address(7 * KNOWN)));
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
    fn clients_that_left_are_forgotten_without_a_free_place() {
        let turns = Turns::new(0);
        for _ in 0..10_000 {
            drop(turns.enter(address(1)));
        }
        assert!(turns.0.lock().others.waiting[&address(1)].len() <= 2);
    }
}
