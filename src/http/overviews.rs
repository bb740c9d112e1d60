//! [`Overviews`]: the last overview, shared by all requests within the same second.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::blocking::aside;
use super::readiness::Readiness;
use crate::console::Console;
use crate::console::overview::Overview;
use crate::time::{Clock, Timestamp};

/// The maximum age of an overview if nothing has changed since.
const KEPT: Duration = Duration::from_secs(1);

/// Makes overviews. One serves all requests that arrive meanwhile.
#[derive(Debug)]
pub(super) struct Overviews {
    console: Arc<Console>,
    readiness: Readiness,
    clock: Clock,
    last: Mutex<Option<Arc<Encoded>>>,
}

/// An overview, as itself and as JSON.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) overview: Overview,
    pub(super) json: Bytes,
    /// The registry's version that it shows.
    pub(super) version: u64,
}

impl Overviews {
    pub(super) fn new(console: &Arc<Console>, readiness: &Readiness, clock: Clock) -> Self {
        Self { console: Arc::clone(console), readiness: readiness.clone(), clock, last: Mutex::default() }
    }

    /// An overview that is no older than the last change.
    pub(super) async fn current(&self) -> Arc<Encoded> {
        let version = self.console.version();
        self.get(|last| last.version == version).await
    }

    /// An overview of the last second, shared by all event streams.
    pub(super) async fn recent(&self) -> Arc<Encoded> {
        self.get(|_| true).await
    }

    /// Forgets the last overview: something has changed that the registry's version does not show.
    pub(super) async fn forget(&self) {
        *self.last.lock().await = None;
    }

    async fn get(&self, may_be: impl Fn(&Encoded) -> bool) -> Arc<Encoded> {
        // One request makes it; the others wait for it.
        let mut last = self.last.lock().await;
        if let Some(last) = &*last
            && self.clock.now().since(Timestamp(last.overview.now)) < KEPT
            && may_be(last)
        {
            return Arc::clone(last);
        }
        let (console, ready) = (Arc::clone(&self.console), self.readiness.is_accepting_traffic());
        let made = aside(move || {
            let version = console.version();
            let overview = console.overview(ready);
            let json = serde_json::to_vec(&overview).unwrap_or_default().into();
            Arc::new(Encoded { overview, json, version })
        });
        let made = made.await;
        *last = Some(Arc::clone(&made));
        made
    }
}
