//! Shrinks a script to the events that break the same invariant.

use crate::script::Script;

/// Maximum number of runs until a script is small enough.
const PLAYS: usize = 400;

/// The script without the steps that are not needed for `fails`.
pub(crate) fn shrink(script: &Script, fails: impl Fn(&Script) -> bool) -> Script {
    let mut smallest = script.clone();
    let mut plays = 0;
    let mut chunk = smallest.steps.len().div_ceil(2);
    while chunk > 0 {
        let mut start = 0;
        let mut has_shrunk = false;
        while start < smallest.steps.len() && plays < PLAYS {
            let mut shorter = smallest.clone();
            shorter.steps.drain(start..(start + chunk).min(smallest.steps.len()));
            plays += 1;
            if fails(&shorter) {
                smallest = shorter;
                has_shrunk = true;
            } else {
                start += chunk;
            }
        }
        if plays >= PLAYS {
            break;
        }
        if chunk == 1 && !has_shrunk {
            break;
        }
        chunk = if chunk == 1 { 1 } else { chunk / 2 };
    }
    smallest
}
