//! Replicas, clients and faults under simulated time.
//!
//! Replicas run their real code, the product's own start and stop, over a network that cuts links, delays calls, loses requests,
//! and loses answers after the request was applied. They crash, stop, freeze, are suspended, and come back with other clocks; names
//! are late or wrong. In some histories replicas keep snapshots on disks that are full, slow, lost, damaged or put back from a backup,
//! and all replicas are killed at once. Clients register, renew, change and leave, operators send commands, readers follow deltas. Meanwhile the
//! invariants are checked ([`checks`]) against a log of all changes ([`oracle`]).
//!
//! One seed is one history, a script that can be cut down:
//!
//! - `cargo test --test sim` plays 250 seeds;
//! - `SIM_SEEDS=0..20000 cargo test --profile sim --test sim` plays others, and counts which invariants they break;
//! - `SIM_BRIEF=1` shrinks nothing;
//! - `tests/sim/faults.py` breaks the product on purpose, fault by fault, and prints which invariant or test noticed;
//! - `SIM_SEED=17 cargo test --test sim` prints one history; if it breaks an invariant, its script is shrunk and printed with the
//!   states of all processes.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking and owns its tasks")]
#![expect(clippy::print_stdout, reason = "a history that failed is printed")]

mod checks;
mod clients;
mod disks;
mod links;
mod net;
mod oracle;
mod readers;
mod replicas;
mod restored;
mod script;
mod shrink;
mod table;
mod trace;
mod view;
mod volumes;
mod wire;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::script::Script;
use crate::world::Violation;

/// How many histories are played.
const SEEDS: Range<u64> = 0..250;

thread_local! {
    /// The panics of this thread: a task that panics ends no other task.
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Plays a script. Returns its history as one number.
fn play(script: &Script, aloud: bool) -> Result<u64, Violation> {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        std::panic::set_hook(Box::new(|panic| PANICKED.set(Some(panic.to_string()))));
    });
    PANICKED.set(None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let played = catch_unwind(AssertUnwindSafe(|| runtime.block_on(world::play(script, aloud))));
    if let Some(what) = PANICKED.take() {
        return Err(Violation { invariant: "nothing panics", at: 0, what, states: String::new() });
    }
    played.unwrap()
}

/// Shrinks the script of a seed, and prints the rest.
fn explain(seed: u64, violation: &Violation, aloud: bool) -> String {
    if std::env::var("SIM_BRIEF").is_ok() {
        return violation.to_string();
    }
    let script = Script::of(seed);
    let breaks = |script: &Script| play(script, false).is_err_and(|other| other.invariant == violation.invariant);
    let shrunk = shrink::shrink(&script, breaks);
    let violation = play(&shrunk, aloud).unwrap_err();
    format!("{shrunk}{violation}\nreplay it: SIM_SEED={seed} cargo test --test sim")
}

fn alone(seed: u64) -> Result<(), String> {
    let script = Script::of(seed);
    println!("{script}");
    play(&script, true).map(drop).map_err(|violation| format!("{violation}\n{}", explain(seed, &violation, true)))
}

/// Plays many seeds on a few threads; returns those that failed, and why.
fn play_all(seeds: Range<u64>) -> BTreeMap<u64, Violation> {
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(BTreeMap::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds.end {
                return;
            }
            if let Err(violation) = play(&Script::of(seed), false) {
                failed.lock().insert(seed, violation);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner()
}

fn chosen_seeds() -> Range<u64> {
    let Ok(chosen) = std::env::var("SIM_SEEDS") else { return SEEDS };
    let range = chosen.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    assert!(
        range.as_ref().is_some_and(|range| !range.is_empty()),
        "SIM_SEEDS is a range such as 0..1000, not {chosen}"
    );
    range.unwrap()
}

#[test]
fn invariants_hold_whatever_happens() -> Result<(), Told> {
    if let Ok(seed) = std::env::var("SIM_SEED") {
        return alone(seed.parse().unwrap()).map_err(Told);
    }
    let failed = play_all(chosen_seeds());
    let mut by_invariant: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    failed.iter().for_each(|(seed, violation)| by_invariant.entry(violation.invariant).or_default().push(*seed));
    match failed.first_key_value() {
        Some((seed, violation)) => {
            Err(Told(format!("broken, by seeds: {by_invariant:?}\n{}", explain(*seed, violation, false))))
        }
        None => Ok(()),
    }
}

#[test]
fn one_seed_is_one_history() -> Result<(), Told> {
    for seed in 0..24 {
        let script = Script::of(seed);
        let played = || play(&script, false).map_err(|violation| violation.to_string());
        let (once, again) = (played(), played());
        if once != again {
            return Err(Told(format!("seed {seed}: {once:?}, and {again:?}")));
        }
    }
    Ok(())
}

/// Prints why a test failed. (A panic would not be printed: the hook collects the panics of histories.)
struct Told(String);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
