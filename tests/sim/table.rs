//! The state of all processes as a table for people.

use std::fmt::Write as _;

use crate::script::CLIENTS;
use crate::view::id;
use crate::world::State;

/// The state of each process, and its record of each instance.
pub(crate) fn of(state: &State, now: u64) -> String {
    let mut out = String::new();
    for (process, slot) in state.slots.iter().enumerate() {
        let is = match (slot.is_taken(), slot.opened) {
            (false, _) => "is not there".to_owned(),
            (true, None) => format!("has been starting since {}", slot.began),
            (true, Some(opened)) => format!("has answered since {opened}"),
        };
        writeln!(out, "process {process} {is}; its clock is {} ms ahead", slot.ahead).unwrap();
    }
    for client in 0..CLIENTS {
        let known = &state.clients[client];
        let touched = now.saturating_sub(state.oracle.touched[client]);
        writeln!(out, "{}: {known:?}, heard of {touched} ms ago", id(client)).unwrap();
        for (process, slot) in state.slots.iter().enumerate() {
            let Some(view) = &slot.view else { continue };
            match view.get(&id(client)) {
                Some(held) => {
                    let age = i64::try_from(now).unwrap() - slot.real(held.heard());
                    writeln!(out, "    at {process}: {:?}, heard {age} ms ago", held.seen).unwrap();
                }
                None => writeln!(out, "    at {process}: nothing").unwrap(),
            }
        }
        for event in state.oracle.events.iter().filter(|event| event.client == client) {
            let (value, place, applied) = (event.value, event.place, event.applied);
            writeln!(out, "    {applied} {value:?} at {place}; known to {:?}", event.holders).unwrap();
        }
    }
    out
}
