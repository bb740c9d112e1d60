//! [`Hasher`]: the thread that hashes passwords.
//!
//! It does not belong to the runtime: while it hashes, connections are accepted, names are looked up and files are read as
//! before. There is only one, since each hash takes a processor for a tenth of a second, on purpose, and heartbeats need a
//! processor, too.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::time::Instant;
use tracing::error;

use super::guesses::{Guess, Rank};
use super::job::{Job, Verdict};
use super::proofs::Proofs;
use super::waiting::{Next, Place, Waiting};

/// Hashes passwords on a thread of its own, which runs from the first password on until this is dropped.
#[derive(Debug)]
pub(super) struct Hasher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    proofs: Arc<Proofs>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: Waiting,
    is_running: bool,
    is_stopped: bool,
}

impl Hasher {
    /// `busy` is the maximum number of busy connections, including those whose passwords wait here.
    pub(super) fn new(proofs: &Arc<Proofs>, busy: usize) -> Self {
        let state = State { waiting: Waiting::new(busy), is_running: false, is_stopped: false };
        let shared = Shared { proofs: Arc::clone(proofs), state: Mutex::new(state), changed: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Lets a password wait for its turn. `ranks` has its rank and those of the passwords that wait already, which have changed
    /// if the guess `is_counted`.
    pub(super) fn enter<R>(&self, job: Job, guess: Guess, is_counted: bool, ranks: impl FnOnce() -> R) -> Place
    where
        R: Fn(&Guess) -> Rank,
    {
        let (place, lost) = {
            let mut state = self.shared.state.lock();
            // Another request may have found out meanwhile.
            if self.shared.proofs.is_wrong(&job.tag) {
                return Place::of(Verdict::Wrong);
            }
            if !state.is_running {
                state.is_running = self.start();
            }
            state.waiting.enter(job, guess, is_counted, ranks())
        };
        self.shared.changed.notify_one();
        if let Some(lost) = lost {
            lost.tell(Verdict::Refused);
        }
        place
    }

    /// Starts the thread. If that fails, the password waits until the next one arrives, and the start is tried again.
    fn start(&self) -> bool {
        let shared = Arc::clone(&self.shared);
        let started = std::thread::Builder::new().name("passwords".to_owned()).spawn(move || shared.run());
        if let Err(error) = &started {
            error!(%error, "cannot start the thread that checks passwords");
        }
        started.is_ok()
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.shared.state.lock().is_stopped = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.is_stopped {
            match state.waiting.next(Instant::now()) {
                Next::Nothing => self.changed.wait(&mut state),
                Next::Rest(rest) => {
                    let _timed_out = self.changed.wait_for(&mut state, rest);
                }
                Next::Hash(job) => {
                    drop(state);
                    let begun = Instant::now();
                    let verdict = job.check(&self.proofs);
                    let ended = Instant::now();
                    state = self.state.lock();
                    if let Some(entry) = state.waiting.hashed(ended - begun, ended) {
                        entry.tell(verdict);
                    }
                }
            }
        }
    }
}
