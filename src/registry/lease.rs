//! [`Lease`]: the registry's hold on one instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::model::{InstanceInfo, InstanceKey, InstanceStatus, LeaseInfo};
use crate::time::{Timestamp, millis};

/// The registry's hold on one instance: who it is, and until when its silence is borne.
///
/// A heartbeat writes one atomic and takes no lock. Everything else is changed only under the registry's lock, by
/// [`super::InstanceRegistry`].
#[derive(Debug)]
pub struct Lease {
    key: InstanceKey,
    holder: ArcSwap<InstanceInfo>,
    duration_ms: i64,
    registration: Timestamp,
    last_update_ms: AtomicI64,
    eviction_ms: AtomicI64,
    service_up_ms: AtomicI64,
    /// The status an operator set: 0 for none, else the status plus one. Not the same as the instance's
    /// `overriddenStatus`: an override to UNKNOWN is one, too.
    status_override: AtomicU8,
    /// When an operator last set a status or took it back; zero for never.
    override_changed_ms: AtomicI64,
}

impl Lease {
    /// A lease that starts now.
    pub(super) fn new(
        key: InstanceKey,
        holder: Arc<InstanceInfo>,
        duration: Duration,
        service_up: Timestamp,
        status_override: Option<InstanceStatus>,
        now: Timestamp,
    ) -> Self {
        Self {
            key,
            holder: ArcSwap::new(holder),
            duration_ms: millis(duration),
            registration: now,
            last_update_ms: AtomicI64::new(now.0),
            eviction_ms: AtomicI64::new(0),
            service_up_ms: AtomicI64::new(service_up.0),
            status_override: AtomicU8::new(encode(status_override)),
            override_changed_ms: AtomicI64::new(0),
        }
    }

    /// What it is found by.
    pub fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// The instance, as it is now.
    pub fn holder(&self) -> Arc<InstanceInfo> {
        self.holder.load_full()
    }

    /// Runs `read` on the instance as it is now, without sharing it.
    pub fn with_holder<T>(&self, read: impl FnOnce(&InstanceInfo) -> T) -> T {
        read(&self.holder.load())
    }

    /// The status an operator set, if any.
    pub fn status_override(&self) -> Option<InstanceStatus> {
        decode(self.status_override.load(Relaxed))
    }

    /// Renews. The Java server sets the time one duration ahead, so a lease that was ever renewed is borne for two
    /// durations; operators and mixed clusters count on it (protocol.md 3.1, quirk 1).
    pub(super) fn renew(&self, now: Timestamp) {
        self.last_update_ms.store(now.0.saturating_add(self.duration_ms), Relaxed);
    }

    /// Whether it was given up, or its client was silent for too long; `compensation` is time in which the server
    /// could not have heard it.
    pub fn is_expired(&self, compensation: Duration, now: Timestamp) -> bool {
        let borne_until = self.last_update_ms.load(Relaxed).saturating_add(self.duration_ms);
        self.is_cancelled() || now.0 > borne_until.saturating_add(millis(compensation))
    }

    /// Whether it was given up: cancelled or evicted.
    pub fn is_cancelled(&self) -> bool {
        self.eviction_ms.load(Relaxed) > 0
    }

    /// Whether its client has been silent for longer than it meant to be at most. That is no expiry yet: a lease that was
    /// renewed is borne for two durations.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        now.since(self.last_heard()) > self.duration()
    }

    /// When the client last registered or renewed, the future that [`Lease::renew`] writes taken back.
    pub fn last_heard(&self) -> Timestamp {
        let written = self.last_update_ms.load(Relaxed);
        Timestamp(if written > self.registration.0 { written.saturating_sub(self.duration_ms) } else { written })
    }

    /// The lease as answers show it.
    pub fn info(&self, holder: &InstanceInfo) -> LeaseInfo {
        LeaseInfo {
            durations: holder.lease,
            registration: self.registration,
            last_renewal: Timestamp(self.last_update_ms.load(Relaxed)),
            eviction: Timestamp(self.eviction_ms.load(Relaxed)),
            service_up: self.service_up(),
        }
    }

    pub(super) fn service_up(&self) -> Timestamp {
        Timestamp(self.service_up_ms.load(Relaxed))
    }

    /// Notes the first time it was UP.
    pub(super) fn note_service_up(&self, now: Timestamp) {
        if self.service_up() == Timestamp::NEVER {
            self.service_up_ms.store(now.0, Relaxed);
        }
    }

    /// Notes when it was given up.
    pub(super) fn cancel(&self, now: Timestamp) {
        if self.eviction_ms.load(Relaxed) <= 0 {
            self.eviction_ms.store(now.0, Relaxed);
        }
    }

    pub(super) fn set_status_override(&self, status: Option<InstanceStatus>, changed: Timestamp) {
        self.status_override.store(encode(status), Relaxed);
        self.override_changed_ms.store(changed.0, Relaxed);
    }

    /// When an operator last set a status or took it back; `None` for never.
    pub(super) fn override_changed(&self) -> Option<Timestamp> {
        Some(Timestamp(self.override_changed_ms.load(Relaxed))).filter(|changed| *changed != Timestamp::NEVER)
    }

    /// Keeps when that was, for a lease that takes the place of another.
    pub(super) fn keep_override_changed(&self, changed: Timestamp) {
        self.override_changed_ms.store(changed.0, Relaxed);
    }

    /// Notes that the client was last heard at `at`, by whomever: the lease lasts as long as it does there.
    pub(super) fn set_last_heard(&self, at: Timestamp) {
        let ahead = at.0.saturating_add(self.duration_ms);
        // `last_heard` takes what lies after the registration for a renewal, which lies a duration ahead.
        self.last_update_ms.store(if ahead > self.registration.0 { ahead } else { at.0 }, Relaxed);
    }

    /// How long the client means to be silent at most.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.duration_ms).unwrap_or(0))
    }

    pub(super) fn set_holder(&self, holder: Arc<InstanceInfo>) {
        self.holder.store(holder);
    }
}

fn encode(status: Option<InstanceStatus>) -> u8 {
    status.map_or(0, |status| status as u8 + 1)
}

fn decode(stored: u8) -> Option<InstanceStatus> {
    InstanceStatus::ALL.into_iter().find(|status| *status as u8 + 1 == stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AppName;

    fn lease(now: Timestamp) -> Lease {
        let holder = Arc::new(InstanceInfo::new(AppName::new("a"), "h", "1.2.3.4", now));
        Lease::new(holder.key(), holder, Duration::from_secs(2), Timestamp::NEVER, None, now)
    }

    #[test]
    fn a_lease_never_renewed_lasts_once_its_duration_and_a_renewed_one_twice() {
        let start = Timestamp(1_000_000);
        let never = lease(start);
        assert!(!never.is_expired(Duration::ZERO, start + Duration::from_secs(2)));
        assert!(never.is_expired(Duration::ZERO, start + Duration::from_millis(2001)));

        let renewed = lease(start);
        renewed.renew(start);
        assert!(!renewed.is_expired(Duration::ZERO, start + Duration::from_secs(4)));
        assert!(renewed.is_expired(Duration::ZERO, start + Duration::from_millis(4001)));
        assert!(!renewed.is_expired(Duration::from_secs(1), start + Duration::from_millis(4001)));
        assert_eq!(renewed.last_heard(), start);
    }

    #[test]
    fn a_cancelled_lease_has_expired() {
        let cancelled = lease(Timestamp(5));
        cancelled.cancel(Timestamp(6));
        assert!(cancelled.is_expired(Duration::from_secs(99), Timestamp(6)));
    }

    #[test]
    fn an_override_to_unknown_is_an_override() {
        let overridden = lease(Timestamp(5));
        assert_eq!(overridden.status_override(), None);
        overridden.set_status_override(Some(InstanceStatus::Unknown), Timestamp(6));
        assert_eq!(overridden.status_override(), Some(InstanceStatus::Unknown));
    }
}
