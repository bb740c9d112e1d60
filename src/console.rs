//! The state of a replica for people: its instances, its health, and the metrics of the last minutes.
//!
//! Each answer is a value of one moment, made from the registry's pages and the states of the peers. This module knows no
//! HTTP: `http` reads a query, calls this module, and writes JSON or a page.

pub(crate) mod acts;
pub(crate) mod applications;
pub(crate) mod by_status;
pub(crate) mod completions;
pub(crate) mod csv;
pub(crate) mod differences;
pub(crate) mod duration;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod instances;
pub(crate) mod overview;
pub(crate) mod peer;
pub(crate) mod replica;
mod search;
pub(crate) mod self_preservation;
pub(crate) mod snapshot;
mod verdict;

pub(crate) use history::SAMPLE_INTERVAL;
pub(crate) use replica::Replica;
pub(crate) use search::Term;
pub(crate) use snapshot::Snapshot;

use applications::Applications;
use completions::Completions;
use history::History;
use instances::{Found, Query};
use overview::Overview;

/// The console of one replica.
#[derive(Debug)]
pub(crate) struct Console {
    replica: Replica,
    history: History,
}

impl Console {
    /// The console of a replica, with no samples yet.
    pub(crate) fn new(replica: Replica) -> Self {
        Self { replica, history: History::default() }
    }

    /// The registry's version: an overview of this version is still current.
    pub(crate) fn version(&self) -> u64 {
        self.replica.registry.version()
    }

    /// The registry at a glance. `ready` is whether this replica is ready for clients. Its time grows with the number of
    /// instances.
    pub(crate) fn overview(&self, ready: bool) -> Overview {
        let mut overview = Overview::of(&self.replica, self.history.samples(), ready);
        overview.health = verdict::of(&overview);
        overview
    }

    /// The instances that match a query. Its time grows with the number of instances.
    pub(crate) fn find(&self, query: &Query) -> Found {
        Found::of(&self.replica.registry.view(), query, self.replica.clock.now())
    }

    /// The words that the last word of a search may become, at most `most`. Its time grows with the number of instances.
    pub(crate) fn complete(&self, search: &str, most: usize) -> Completions {
        Completions::of(&self.replica.registry.view(), search, most, self.replica.clock.now())
    }

    /// The applications that match a query. Its time grows with the number of instances.
    pub(crate) fn applications(&self, query: &applications::Query) -> Applications {
        let (registry, now) = (&self.replica.registry, self.replica.clock.now());
        let flips = registry.flips(now - applications::FLAPPING_FOR);
        Applications::of(&registry.view(), query, &flips, now)
    }

    /// Takes a sample for the chart of the last minutes; to be called every [`SAMPLE_INTERVAL`].
    pub(crate) fn sample(&self) {
        self.history.sample(&self.replica.registry, self.replica.clock.now());
    }
}
