//! [`Lease`]: the lease of one instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::model::{Heard, InstanceInfo, InstanceKey, InstanceStatus, LeaseInfo, Record};
use crate::time::{Timestamp, millis};

/// The registry's lease of one instance: its record, and until when its silence is tolerated.
///
/// A heartbeat writes one atomic and takes no lock. Everything else is changed only under the registry's lock, by
/// [`super::InstanceRegistry`].
#[derive(Debug)]
pub struct Lease {
    key: InstanceKey,
    record: ArcSwap<Record>,
    duration_ms: i64,
    registration: Timestamp,
    /// When it was restored from a snapshot; `NEVER` if a client or a peer brought it.
    restored_ms: AtomicI64,
    /// When its client last registered or renewed, at this replica or another one.
    heard_ms: AtomicI64,
    /// Whether it renewed since it registered.
    renewed: AtomicBool,
    eviction_ms: AtomicI64,
    service_up_ms: AtomicI64,
}

impl Lease {
    /// The lease of an instance that registers here, or that was heard at another replica.
    pub(super) fn new(
        key: InstanceKey,
        record: Arc<Record>,
        service_up: Timestamp,
        heard: Heard,
        now: Timestamp,
    ) -> Self {
        let duration = Duration::from_secs(u64::try_from(record.info.lease.duration_secs).unwrap_or_default());
        Self {
            key,
            record: ArcSwap::new(record),
            duration_ms: millis(duration),
            registration: now,
            restored_ms: AtomicI64::new(Timestamp::NEVER.0),
            heard_ms: AtomicI64::new(heard.at.0),
            renewed: AtomicBool::new(heard.renewed),
            eviction_ms: AtomicI64::new(0),
            service_up_ms: AtomicI64::new(service_up.0),
        }
    }

    /// Notes that it was restored from a snapshot, here or at the peer that it was copied from: its client gets one duration to
    /// renew, however long ago it was heard. When it was heard stays true, since peers compare that.
    pub(super) fn restore(&self, now: Timestamp) {
        self.restored_ms.store(now.0, Relaxed);
    }

    /// When it was restored; [`Timestamp::NEVER`] if it was not.
    pub(super) fn restored(&self) -> Timestamp {
        Timestamp(self.restored_ms.load(Relaxed))
    }

    /// Whether it was restored from a snapshot, and its client was not heard since, by any replica.
    pub fn is_restored(&self) -> bool {
        self.restored() > self.last_heard()
    }

    /// What it is found by.
    pub fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// What is known of the instance now.
    pub fn record(&self) -> Arc<Record> {
        self.record.load_full()
    }

    /// Runs `read` on the current record, without taking a reference to it.
    pub fn with_record<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        read(&self.record.load())
    }

    /// The status an operator set, if any.
    pub fn status_override(&self) -> Option<InstanceStatus> {
        self.with_record(|record| record.status_override.status)
    }

    /// Renews the lease.
    pub(super) fn renew(&self, now: Timestamp) {
        self.heard_ms.store(now.0, Relaxed);
        if !self.renewed.load(Relaxed) {
            self.renewed.store(true, Relaxed);
        }
    }

    /// Notes that its client was heard at another replica; the later time counts.
    pub(super) fn hear(&self, heard: Heard) {
        self.heard_ms.fetch_max(heard.at.0, Relaxed);
        if heard.renewed {
            self.renewed.store(true, Relaxed);
        }
    }

    /// Notes that its client was heard so much longer ago than the clock made it seem.
    pub(super) fn age(&self, by: Duration) {
        self.heard_ms.fetch_sub(millis(by), Relaxed);
    }

    /// When its client was last heard, by any replica.
    pub fn heard(&self) -> Heard {
        Heard { at: self.last_heard(), renewed: self.renewed.load(Relaxed) }
    }

    /// When its client last registered or renewed.
    pub fn last_heard(&self) -> Timestamp {
        Timestamp(self.heard_ms.load(Relaxed))
    }

    /// Whether it was cancelled or evicted, or its client was silent for too long; `compensation` is time in which the server
    /// could not have heard it. The Java server writes a renewal one duration ahead, so a lease that was ever renewed
    /// lasts two durations; operators and mixed clusters count on it (src/PROTOCOL.md, section 5.1). One that was restored
    /// lasts one duration from then on.
    pub fn is_expired(&self, compensation: Duration, now: Timestamp) -> bool {
        let until = self.last_renewal().max(self.restored()).0.saturating_add(self.duration_ms);
        self.is_cancelled() || now.0 > until.saturating_add(millis(compensation))
    }

    /// The last renewal as the Java server shows it: one duration ahead. A registration is shown as it is.
    fn last_renewal(&self) -> Timestamp {
        let Heard { at, renewed } = self.heard();
        if renewed { Timestamp(at.0.saturating_add(self.duration_ms)) } else { at }
    }

    /// Whether it was cancelled or evicted.
    pub fn is_cancelled(&self) -> bool {
        self.eviction_ms.load(Relaxed) > 0
    }

    /// Whether its client has been silent for longer than the lease's duration. That is not yet expiry: a lease that was renewed
    /// lasts two durations.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        now.since(self.last_heard()) > self.duration()
    }

    /// Whether its client has missed two renewals, by its own interval, or its lease is over. One that was restored has time to
    /// renew first.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        let interval = self.with_record(|record| u64::try_from(record.info.lease.renewal_interval_secs).unwrap_or(0));
        let silent = now.since(self.last_heard().max(self.restored()));
        silent > self.duration() || (interval > 0 && silent > Duration::from_secs(interval) * 2)
    }

    /// Whether its client has been silent for longer than half the duration: a client that renews three times within it has
    /// missed a heartbeat, or was heard by another replica.
    pub(super) fn is_quiet(&self, now: Timestamp) -> bool {
        now.since(self.last_heard()) > self.duration() / 2
    }

    /// The lease as answers show it.
    pub fn info(&self, info: &InstanceInfo) -> LeaseInfo {
        LeaseInfo {
            durations: info.lease,
            registration: self.registration,
            last_renewal: self.last_renewal(),
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

    /// Notes when it was cancelled or evicted.
    pub(super) fn cancel(&self, now: Timestamp) {
        if self.eviction_ms.load(Relaxed) <= 0 {
            self.eviction_ms.store(now.0, Relaxed);
        }
    }

    /// The maximum silence that the client announced.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.duration_ms).unwrap_or(0))
    }

    pub(super) fn set_record(&self, record: Arc<Record>) {
        self.record.store(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppName, DataStamp, Stamp, StatusOverride};

    fn lease(at: Timestamp) -> Lease {
        lease_of(2, 30, at)
    }

    fn lease_of(duration_secs: i32, renewal_interval_secs: i32, at: Timestamp) -> Lease {
        let mut info = InstanceInfo::new(AppName::new("a"), "h", "1.2.3.4", at);
        (info.lease.duration_secs, info.lease.renewal_interval_secs) = (duration_secs, renewal_interval_secs);
        let (key, sent_status) = (info.key(), info.status);
        let (data, cancelled, status_override) = (DataStamp::default(), Stamp::NEVER, StatusOverride::default());
        let record = Record { info, sent_status, data, cancelled, status_override };
        Lease::new(key, Arc::new(record), Timestamp::NEVER, Heard { at, renewed: false }, at)
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
    fn a_renewal_elsewhere_only_makes_it_younger() {
        let start = Timestamp(1_000_000);
        let lease = lease(start);
        lease.hear(Heard { at: start + Duration::from_secs(1), renewed: true });
        lease.hear(Heard { at: start, renewed: false });
        assert_eq!(lease.heard(), Heard { at: start + Duration::from_secs(1), renewed: true });
        let info = lease.with_record(|record| lease.info(&record.info));
        assert_eq!(info.last_renewal, start + Duration::from_secs(3), "shown one duration ahead");
    }

    #[test]
    fn a_silence_is_overdue_after_the_duration_and_quiet_after_half_of_it() {
        let start = Timestamp(1_000_000);
        let after = |millis| start + Duration::from_millis(millis);
        let (never, renewed) = (lease(start), lease(start));
        renewed.renew(start);
        for lease in [never, renewed] {
            assert_eq!([1000, 1001].map(|millis| lease.is_quiet(after(millis))), [false, true]);
            assert_eq!([2000, 2001].map(|millis| lease.is_overdue(after(millis))), [false, true]);
        }
    }

    #[test]
    fn a_client_is_silent_when_two_renewals_are_missing_or_its_lease_is_over() {
        let (start, second) = (Timestamp(1_000_000), Duration::from_secs(1));
        for (duration, interval, silent_after) in [(10, 3, 6), (4, 3, 4), (10, 0, 10)] {
            let lease = lease_of(duration, interval, start);
            let is_silent =
                |since| [0, 1].map(|more| lease.is_silent(since + second * silent_after + second * more / 1000));
            assert_eq!(is_silent(start), [false, true], "{duration} s, every {interval} s");
            lease.restore(start + second * 100);
            assert_eq!(is_silent(start + second * 100), [false, true], "it has time to renew first");
        }
    }

    #[test]
    fn who_was_heard_in_the_moment_of_the_restore_or_later_is_not_restored() {
        let start = Timestamp(1_000_000);
        let lease = lease(start);
        assert!(!lease.is_restored(), "nobody restored it");
        lease.restore(start);
        assert!(!lease.is_restored());
        lease.restore(start + Duration::from_millis(1));
        assert!(lease.is_restored());
        lease.renew(start + Duration::from_millis(2));
        assert!(!lease.is_restored());
    }

    #[test]
    fn a_cancelled_lease_has_expired() {
        let cancelled = lease(Timestamp(5));
        cancelled.cancel(Timestamp(6));
        assert!(cancelled.is_expired(Duration::from_secs(99), Timestamp(6)));
    }
}
