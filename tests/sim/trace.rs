//! [`Trace`]: the history as lines for people, or as one number to compare.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The history so far.
#[derive(Debug)]
pub(crate) struct Trace {
    started: Instant,
    aloud: bool,
    lines: Mutex<DefaultHasher>,
}

impl Trace {
    pub(crate) fn new(aloud: bool) -> Self {
        Self { started: Instant::now(), aloud, lines: Mutex::default() }
    }

    /// Milliseconds since the start of the history.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    pub(crate) fn say(&self, what: fmt::Arguments<'_>) {
        let line = format!("{:>9.3} s  {what}", self.now() as f64 / 1000.0);
        line.hash(&mut *self.lines.lock());
        if self.aloud {
            println!("{line}");
        }
    }

    /// A number that differs if a line differs.
    pub(crate) fn sum(&self) -> u64 {
        self.lines.lock().finish()
    }
}
