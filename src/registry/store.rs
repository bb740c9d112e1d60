//! The maps behind the registry: leases by key and applications by name. The only file that names `DashMap`.
//!
//! A guard of such a map that is held over an await, or taken twice by one thread, is a deadlock; so no guard leaves this file.
//! An iteration is no consistent view: consistent reads go through [`super::pages`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::AcqRel};

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
    /// Runs `read` on the lease of `key`, which may be borrowed from a request's path. `read` runs under the lock of a shard,
    /// shared with other readers: it must be short and must not come back here.
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

    /// How many `wanted` picks.
    pub(super) fn count(&self, wanted: impl Fn(&Lease) -> bool) -> usize {
        self.0.iter().filter(|entry| wanted(entry.value())).count()
    }

    /// Those that `wanted` picks, in no order.
    pub(super) fn select(&self, wanted: impl Fn(&Lease) -> bool) -> Vec<Arc<Lease>> {
        self.0.iter().filter(|entry| wanted(entry.value())).map(|entry| Arc::clone(entry.value())).collect()
    }
}

/// The encoded answers of one application.
#[derive(Debug, Default)]
pub(super) struct ApplicationAnswers {
    /// Counts the changes of any of its instances.
    pub(super) version: AtomicU64,
    /// The answer in each form.
    pub(super) encoded: [ArcSwapOption<Encoded>; Form::COUNT],
}

/// An answer that is kept.
#[derive(Debug)]
pub(super) struct Encoded {
    /// The version it was encoded of.
    pub(super) version: u64,
    pub(super) body: Bytes,
    kept_bytes: Arc<AtomicUsize>,
}

impl Drop for Encoded {
    fn drop(&mut self) {
        self.kept_bytes.fetch_sub(self.body.len(), AcqRel);
    }
}

/// Applications by name.
#[derive(Debug)]
pub(super) struct ApplicationIndex {
    by_name: DashMap<AppName, Arc<ApplicationAnswers>>,
    /// The bytes of the kept answers, and their limit: without one, a client that requests every application in every form would
    /// make the registry four times as large.
    kept_bytes: Arc<AtomicUsize>,
    most_bytes: usize,
}

impl ApplicationIndex {
    /// Keeps answers of at most `most_bytes`.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { by_name: DashMap::new(), kept_bytes: Arc::default(), most_bytes }
    }

    /// Keeps an answer of an application, if there is room for it.
    pub(super) fn keep(&self, slot: &ArcSwapOption<Encoded>, version: u64, body: &Bytes) {
        // The answer that it replaces makes room for it.
        slot.store(None);
        if self.kept_bytes.fetch_add(body.len(), AcqRel).saturating_add(body.len()) > self.most_bytes {
            self.kept_bytes.fetch_sub(body.len(), AcqRel);
            return;
        }
        slot.store(Some(Arc::new(Encoded { version, body: body.clone(), kept_bytes: Arc::clone(&self.kept_bytes) })));
    }

    pub(super) fn get(&self, app: &str) -> Option<Arc<ApplicationAnswers>> {
        self.by_name.get(app).map(|answers| Arc::clone(&answers))
    }

    /// The kept text of this name, if an application has it; otherwise the name itself.
    pub(super) fn name_of(&self, app: &AppName) -> AppName {
        self.by_name.get(app).map_or_else(|| app.clone(), |kept| kept.key().clone())
    }

    /// The number of applications.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Notes that an instance of `app` changed.
    pub(super) fn changed(&self, app: &AppName) {
        if let Some(answers) = self.by_name.get(app) {
            answers.version.fetch_add(1, AcqRel);
            return;
        }
        self.by_name.entry(app.clone()).or_default().version.fetch_add(1, AcqRel);
    }

    /// Notes that `app` has no instance left.
    pub(super) fn removed(&self, app: &str) {
        self.by_name.remove(app);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn answers_are_kept_while_there_is_room() {
        let index = ApplicationIndex::new(100);
        let apps = ["A", "B"].map(AppName::new);
        apps.iter().for_each(|app| index.changed(app));
        let [a, b] = apps.each_ref().map(|app| index.get(app.as_str()).unwrap());
        let body = |len: usize| Bytes::from(vec![b'a'; len]);
        let kept = |answers: &ApplicationAnswers| answers.encoded[0].load().as_ref().map(|encoded| encoded.body.len());
        index.keep(&a.encoded[0], 1, &body(60));
        index.keep(&b.encoded[0], 1, &body(41));
        assert_eq!((kept(&a), kept(&b)), (Some(60), None));
        index.keep(&a.encoded[0], 2, &body(59));
        index.keep(&b.encoded[0], 2, &body(41));
        assert_eq!((kept(&a), kept(&b)), (Some(59), Some(41)));
        index.removed("A");
        drop(a);
        assert_eq!(index.kept_bytes.load(Relaxed), 41);
    }
}
