//! The maps behind the registry: leases by key and applications by name. The only file that names `DashMap`.
//!
//! A guard of such a map held over an await, or taken twice by one thread, is a deadlock; none leaves this file.
//! Iteration is not a consistent cut and is used for none: consistent reads go through [`super::pages`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use dashmap::DashMap;

use crate::codec::Form;
use crate::model::{AppName, InstanceKey};

use super::Lease;

/// Leases by key.
#[derive(Debug, Default)]
pub(super) struct Leases(DashMap<InstanceKey, Arc<Lease>>);

impl Leases {
    /// Runs `read` on the lease of `key`, which may be a request's path as it came. `read` runs under the lock of a
    /// shard, shared with other readers: it must be short and must not come back here.
    pub(super) fn with<T>(&self, key: &str, read: impl FnOnce(&Arc<Lease>) -> T) -> Option<T> {
        self.0.get(key).map(|lease| read(&lease))
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Lease>> {
        self.with(key, Arc::clone)
    }

    pub(super) fn insert(&self, lease: Arc<Lease>) {
        self.0.insert(lease.key().clone(), lease);
    }

    pub(super) fn remove(&self, key: &str) -> Option<Arc<Lease>> {
        self.0.remove(key).map(|(_, lease)| lease)
    }

    /// Those that `wanted` picks, in no order.
    pub(super) fn select(&self, wanted: impl Fn(&Lease) -> bool) -> Vec<Arc<Lease>> {
        self.0.iter().filter(|entry| wanted(entry.value())).map(|entry| Arc::clone(entry.value())).collect()
    }
}

/// What is known of one application beside its instances: the answers that were encoded of it.
#[derive(Debug, Default)]
pub(super) struct ApplicationAnswers {
    /// Counts the changes of any of its instances.
    pub(super) version: AtomicU64,
    /// The answer in each form and the version it was encoded of.
    pub(super) encoded: [ArcSwapOption<(u64, Bytes)>; Form::COUNT],
}

/// Applications by name.
#[derive(Debug, Default)]
pub(super) struct ApplicationIndex(DashMap<AppName, Arc<ApplicationAnswers>>);

impl ApplicationIndex {
    pub(super) fn get(&self, app: &str) -> Option<Arc<ApplicationAnswers>> {
        self.0.get(app).map(|answers| Arc::clone(&answers))
    }

    /// This name as it is kept here, if an application has it.
    pub(super) fn name_of(&self, app: &AppName) -> AppName {
        self.0.get(app).map_or_else(|| app.clone(), |kept| kept.key().clone())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Notes that an instance of `app` changed.
    pub(super) fn changed(&self, app: &AppName) {
        if let Some(answers) = self.0.get(app) {
            answers.version.fetch_add(1, AcqRel);
            return;
        }
        self.0.entry(app.clone()).or_default().version.fetch_add(1, AcqRel);
    }

    /// Notes that `app` has no instance left.
    pub(super) fn removed(&self, app: &str) {
        self.0.remove(app);
    }
}
