//! [`Streams`]: how many event streams are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The maximum number of open streams.
const MOST_STREAMS: usize = 100;

/// How many streams there are.
#[derive(Debug, Default)]
pub(super) struct Streams(AtomicUsize);

impl Streams {
    /// How many there are.
    pub(super) fn open(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// A place for one more, until it is dropped; `None` if all places are taken.
    pub(super) fn take_place(self: &Arc<Self>) -> Option<Place> {
        let one_more = |open: usize| (open < MOST_STREAMS).then_some(open + 1);
        self.0.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(Place(Arc::clone(self)))
    }
}

/// The place of one stream.
#[derive(Debug)]
pub(super) struct Place(Arc<Streams>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}
