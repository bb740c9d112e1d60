//! Self-preservation: whether an expired lease means a dead instance, or a fault of the network.
//!
//! By default instances are looked at, each by its own lease ([`Silence`]); with [`SelfPreservationMode::Java`], renewals are
//! counted as the Java server does. While the network is at fault, no lease is evicted. The same state knows when the registry
//! opened and when it evicted last, and what follows from that.

mod judgement;
mod silence;
mod start;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::measured_rate::MeasuredRate;
use super::options::{Options, SelfPreservationMode};
use crate::model::AppName;
use crate::time::Timestamp;

pub use judgement::{Keeping, Switch};
pub use silence::{Cause, Short, Silence};

use judgement::{Judgement, News, Terms};
use start::StartWait;

/// How many applications a line of the log names.
const NAMES_IN_LINE: usize = 5;

/// Whether expired leases are evicted, and the numbers that decide it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfPreservation {
    /// Whether it is switched on.
    pub enabled: bool,
    /// The renewals of the last completed minute.
    pub renews_last_minute: u64,
    /// The number that they have to exceed.
    pub renews_per_minute_threshold: u32,
    /// The number of clients that are expected to renew.
    pub expected_clients: u32,
    /// Whether expired leases are evicted now.
    pub lease_expiration_enabled: bool,
    /// Whether the registry should report missing renewals: they are below the threshold, and the start is over.
    pub below_threshold: bool,
    /// By what it decides.
    pub mode: SelfPreservationMode,
    /// Since when and why expired leases are kept, when the eviction ran last.
    pub keeping: Option<Keeping>,
    /// Who was silent then.
    pub silence: Silence,
    /// What an operator decided, while it holds.
    pub switch: Option<Switch>,
}

impl SelfPreservation {
    /// Whether expired leases are kept because the network seems to be at fault.
    pub fn is_active(&self, now: Timestamp) -> bool {
        let is_kept = match self.mode {
            SelfPreservationMode::PerApplication => self.keeping.is_some_and(|keeping| !keeping.is_exceeded(now)),
            SelfPreservationMode::Java => self.below_threshold,
        };
        self.enabled && self.switch.is_none() && is_kept
    }
}

/// The state by which self-preservation decides. A heartbeat is counted without a lock.
#[derive(Debug)]
pub(super) struct SelfPreservationState {
    /// The registry's, shared with it.
    options: Arc<Options>,
    renews_last_minute: MeasuredRate,
    /// Renewals since the start.
    renewals: AtomicU64,
    /// The number that the renewals of the last minute have to exceed.
    renews_per_minute_threshold: AtomicU64,
    /// When the registry opened for traffic; [`Timestamp::NEVER`] before.
    opened: AtomicI64,
    /// Whether the start had no copy and no clients are expected (`default-open-for-traffic-count` 0).
    empty_on_startup: AtomicBool,
    start_wait: Mutex<StartWait>,
    /// When the eviction last ran; [`Timestamp::NEVER`] before.
    last_eviction: AtomicI64,
    /// The expired leases that the last run of the eviction kept, because of self-preservation or of its limit.
    kept_by_self_preservation: AtomicU64,
    kept_by_limit: AtomicU64,
    judgement: Mutex<Judgement>,
    /// Whether there are peers, and none of them answers.
    no_peer_answers: AtomicBool,
}

impl SelfPreservationState {
    /// The state of a registry that has not opened yet. `threshold` is in renewals per minute.
    pub(super) fn new(options: Arc<Options>, threshold: u32, now: Timestamp) -> Self {
        Self {
            options,
            renews_last_minute: MeasuredRate::new(Duration::from_secs(60), now),
            renewals: AtomicU64::new(0),
            renews_per_minute_threshold: AtomicU64::new(threshold.into()),
            opened: AtomicI64::new(Timestamp::NEVER.0),
            empty_on_startup: AtomicBool::new(true),
            start_wait: Mutex::default(),
            last_eviction: AtomicI64::new(Timestamp::NEVER.0),
            kept_by_self_preservation: AtomicU64::new(0),
            kept_by_limit: AtomicU64::new(0),
            judgement: Mutex::default(),
            no_peer_answers: AtomicBool::new(false),
        }
    }

    /// Notes that the registry opens for traffic and expects this many clients.
    pub(super) fn opened(&self, expected_clients: u32, now: Timestamp) {
        self.opened.store(now.0, Relaxed);
        self.empty_on_startup.store(expected_clients == 0, Relaxed);
        *self.start_wait.lock() = StartWait::new(self.options.wait_time_when_sync_empty, now);
    }

    /// Counts the time since the start. To be called about once a second.
    pub(super) fn tick(&self, now: Timestamp) {
        self.start_wait.lock().look(now);
    }

    /// When the registry opened for traffic.
    pub(super) fn opened_at(&self) -> Option<Timestamp> {
        Some(Timestamp(self.opened.load(Relaxed))).filter(|opened| *opened != Timestamp::NEVER)
    }

    /// Whether reads are refused because the start had no copy, and clients may still be about to register.
    pub(super) fn waits_for_clients(&self, now: Timestamp) -> bool {
        self.empty_on_startup.load(Relaxed) && !self.is_past_start(now)
    }

    fn is_past_start(&self, now: Timestamp) -> bool {
        self.start_wait.lock().is_over(now)
    }

    /// Counts a heartbeat.
    pub(super) fn count_renewal(&self, now: Timestamp) {
        self.renews_last_minute.increment(now);
        self.renewals.fetch_add(1, Relaxed);
    }

    /// Sets the number that the renewals of the last minute have to exceed.
    pub(super) fn set_threshold(&self, renews_per_minute: u32) {
        self.renews_per_minute_threshold.store(renews_per_minute.into(), Relaxed);
    }

    /// Whether expired leases are evicted (`isLeaseExpirationEnabled`).
    pub(super) fn lease_expiration_enabled(&self, now: Timestamp) -> bool {
        let judgement = self.judgement.lock();
        if let Some(switch) = judgement.switch(now) {
            return switch.evict;
        }
        if !self.options.enable_self_preservation {
            return true;
        }
        match self.options.self_preservation_mode {
            SelfPreservationMode::PerApplication => judgement.keeping().is_none_or(|keeping| keeping.is_exceeded(now)),
            SelfPreservationMode::Java => self.enough_renewals(now),
        }
    }

    fn enough_renewals(&self, now: Timestamp) -> bool {
        let threshold = self.renews_per_minute_threshold.load(Relaxed);
        threshold > 0 && self.renews_last_minute.count(now) > threshold
    }

    /// The share of instances that may be silent without a fault of the network.
    fn tolerated(&self) -> f64 {
        1.0 - self.options.renewal_percent_threshold
    }

    /// Looks at all instances, in the order of their applications, each with whether it is silent, and decides whether expired
    /// leases are kept from now on. Beginning and end are logged.
    pub(super) fn judge<'a>(&self, instances: impl Iterator<Item = (&'a AppName, bool)>, now: Timestamp) {
        let silence = Silence::count(instances, self.tolerated());
        let mut terms = Terms { longest: None, calm: Duration::ZERO };
        let cause = match self.options.self_preservation_mode {
            _ if !self.options.enable_self_preservation => None,
            SelfPreservationMode::PerApplication => {
                let (longest, calm) =
                    (self.options.self_preservation_max_duration, self.options.expected_client_renewal_interval);
                terms = Terms { longest, calm };
                silence.cause(self.tolerated(), self.no_peer_answers.load(Relaxed))
            }
            SelfPreservationMode::Java => {
                let missing = !self.enough_renewals(now) && silence.silent > 0;
                missing.then_some(Cause::FewRenewals)
            }
        };
        let news = self.judgement.lock().judge(silence, cause, terms, now);
        if let Some(news) = news {
            say(&news, now);
        }
    }

    /// Notes whether there are peers, and none of them answers.
    pub(super) fn note_reachability(&self, no_peer_answers: bool) {
        self.no_peer_answers.store(no_peer_answers, Relaxed);
    }

    /// Takes an operator's decision, or takes it back.
    pub(super) fn set_switch(&self, switch: Option<Switch>, now: Timestamp) -> Option<Switch> {
        self.judgement.lock().set_switch(switch, now)
    }

    /// Its state for operators.
    pub(super) fn report(&self, expected_clients: u32, now: Timestamp) -> SelfPreservation {
        let renews_last_minute = self.renews_last_minute.count(now);
        let threshold = self.renews_per_minute_threshold.load(Relaxed);
        let (keeping, silence, switch) = {
            let judgement = self.judgement.lock();
            (judgement.keeping(), judgement.silence().clone(), judgement.switch(now).cloned())
        };
        SelfPreservation {
            enabled: self.options.enable_self_preservation,
            renews_last_minute,
            renews_per_minute_threshold: u32::try_from(threshold).unwrap_or(u32::MAX),
            expected_clients,
            lease_expiration_enabled: self.lease_expiration_enabled(now),
            below_threshold: renews_last_minute <= threshold && self.opened_at().is_some() && self.is_past_start(now),
            mode: self.options.self_preservation_mode,
            keeping,
            silence,
            switch,
        }
    }

    /// Notes that the eviction runs.
    pub(super) fn eviction_begins(&self, now: Timestamp) {
        self.last_eviction.store(now.0, Relaxed);
    }

    /// The time in which this replica could not hear clients: the delay of the present eviction run.
    pub(super) fn compensation(&self, now: Timestamp) -> Duration {
        match Timestamp(self.last_eviction.load(Relaxed)) {
            Timestamp::NEVER => Duration::ZERO,
            last => now.since(last).saturating_sub(self.options.eviction_interval),
        }
    }

    /// The number of renewals since the start.
    pub(super) fn renewals(&self) -> u64 {
        self.renewals.load(Relaxed)
    }

    /// Notes the number of expired leases that an eviction run kept, by reason.
    pub(super) fn kept(&self, by_self_preservation: usize, by_limit: usize) {
        self.kept_by_self_preservation.store(by_self_preservation as u64, Relaxed);
        self.kept_by_limit.store(by_limit as u64, Relaxed);
    }

    /// The number of expired leases that the last eviction run kept: because of self-preservation, and because of its limit.
    pub(super) fn expired_kept(&self) -> (u64, u64) {
        (self.kept_by_self_preservation.load(Relaxed), self.kept_by_limit.load(Relaxed))
    }
}

/// Says in the log what changed.
fn say(news: &News, now: Timestamp) {
    let figures = |silence: &Silence| {
        let names = silence.short.iter().take(NAMES_IN_LINE).map(|short| short.application.as_str());
        (
            silence.silent,
            silence.instances,
            silence.short.len(),
            silence.applications,
            names.collect::<Vec<_>>().join(", "),
        )
    };
    match news {
        News::Began(keeping, silence) => {
            let (silent, instances, short, applications, names) = figures(silence);
            warn!(
                cause = ?keeping.cause,
                silent,
                instances,
                short,
                applications,
                names,
                "self-preservation keeps expired leases from now on: that many are silent at once looks like a fault of the network"
            );
        }
        News::Exceeded(keeping, silence) => {
            let (silent, instances, short, applications, names) = figures(silence);
            let after_secs = now.since(keeping.since).as_secs();
            warn!(
                after_secs,
                silent,
                instances,
                short,
                applications,
                names,
                "self-preservation has lasted for registry.self-preservation.max-duration: expired leases are evicted from now on"
            );
        }
        News::Ended(keeping) => {
            let after_secs = now.since(keeping.since).as_secs();
            info!(after_secs, "self-preservation is over: expired leases are evicted again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    fn after(secs: u64) -> Timestamp {
        START + Duration::from_secs(secs)
    }

    fn by_renewals() -> Options {
        Options { self_preservation_mode: SelfPreservationMode::Java, ..Options::default() }
    }

    fn state(options: Options, threshold: u32) -> SelfPreservationState {
        SelfPreservationState::new(Arc::new(options), threshold, START)
    }

    #[test]
    fn leases_expire_only_while_more_renewals_arrive_than_the_threshold() {
        let state = state(by_renewals(), 3);
        (0..3).for_each(|_| state.count_renewal(after(1)));
        (0..4).for_each(|_| state.count_renewal(after(61)));
        assert!(!state.lease_expiration_enabled(after(60)), "three renewals do not exceed three");
        assert!(state.lease_expiration_enabled(after(120)), "four do");
        assert!(!state.lease_expiration_enabled(after(180)), "a minute without any does not");
        assert_eq!(state.renewals(), 7);
    }

    #[test]
    fn a_threshold_of_zero_keeps_every_lease_and_the_switch_none() {
        let none_expected = state(by_renewals(), 0);
        none_expected.count_renewal(after(1));
        assert!(!none_expected.lease_expiration_enabled(after(60)));
        let off = Options { enable_self_preservation: false, ..by_renewals() };
        assert!(state(off, 0).lease_expiration_enabled(START));
    }

    #[test]
    fn missing_renewals_are_reported_once_the_start_is_over() {
        let state = state(by_renewals(), 3);
        assert!(!state.report(2, after(301)).below_threshold, "it has not opened");
        state.opened(1, START);
        (1..=300).for_each(|secs| state.tick(after(secs)));
        assert!(!state.report(2, after(300)).below_threshold, "clients may still be about to register");
        let expected = SelfPreservation {
            enabled: true,
            renews_last_minute: 0,
            renews_per_minute_threshold: 3,
            expected_clients: 2,
            lease_expiration_enabled: false,
            below_threshold: true,
            mode: SelfPreservationMode::Java,
            keeping: None,
            silence: Silence::default(),
            switch: None,
        };
        assert_eq!(state.report(2, after(301)), expected);
        state.set_threshold(0);
        state.count_renewal(after(310));
        assert!(!state.report(2, after(360)).below_threshold);
    }

    #[test]
    fn reads_wait_after_an_empty_start_until_the_wait_is_over() {
        let state = state(by_renewals(), 0);
        assert!(!state.waits_for_clients(START), "it has not opened");
        state.opened(0, START);
        (1..=300).for_each(|secs| state.tick(after(secs)));
        assert!(state.waits_for_clients(after(300)));
        assert!(!state.waits_for_clients(after(301)));
        state.opened(1, START);
        assert!(!state.waits_for_clients(START), "clients are expected without a copy");
    }

    /// A clock that leaps by an hour, either way, neither ends the wait before its time nor makes it longer.
    #[test]
    fn a_leap_of_the_clock_is_no_time_to_register() {
        for leap in [3_600, -3_600] {
            let state = state(by_renewals(), 3);
            state.opened(0, START);
            let after = |secs: i64| Timestamp(START.0 + secs * 1_000);
            (1..=100).for_each(|secs| state.tick(after(secs)));
            let waits = |secs| (state.waits_for_clients(after(secs)), state.report(1, after(secs)).below_threshold);
            assert_eq!(waits(100 + leap), (true, false), "leapt by {leap} s");
            (100..=297).for_each(|secs| state.tick(after(secs + leap)));
            assert_eq!(waits(297 + leap), (true, false), "leapt by {leap} s");
            (298..=303).for_each(|secs| state.tick(after(secs + leap)));
            assert_eq!(waits(303 + leap), (false, true), "leapt by {leap} s");
            state.tick(after(303));
            assert_eq!(waits(303), (false, true), "it is over for good");
        }
    }

    #[test]
    fn only_an_eviction_that_runs_late_is_compensated_for() {
        let state = state(by_renewals(), 0);
        assert_eq!(state.compensation(after(1_000)), Duration::ZERO, "it has not run yet");
        state.eviction_begins(START);
        assert_eq!(state.compensation(after(60)), Duration::ZERO);
        assert_eq!(state.compensation(after(75)), Duration::from_secs(15));
    }

    #[test]
    fn many_silent_applications_keep_leases_until_that_has_lasted_too_long() {
        let state = state(Options::default(), 3);
        let names: Vec<AppName> = (0..12).map(|number| AppName::new(&number.to_string())).collect();
        let judge = |silent: bool, secs| state.judge(names.iter().map(|name| (name, silent)), after(secs));
        judge(true, 60);
        assert!(!state.lease_expiration_enabled(after(60)) && state.report(12, after(60)).is_active(after(60)));
        judge(true, 1860);
        assert!(state.lease_expiration_enabled(after(1860)), "thirty minutes are enough");
        judge(false, 1920);
        judge(true, 1980);
        assert!(!state.lease_expiration_enabled(after(1980)), "it is another time");
    }

    #[test]
    fn an_operator_decides_for_a_while() {
        let kept = state(Options::default(), 3);
        let switch = |evict| Switch {
            evict,
            reason: "a drill".to_owned(),
            caller: crate::registry::Caller::from(crate::registry::Source::Client),
            since: START,
            until: after(60),
        };
        kept.set_switch(Some(switch(false)), START);
        assert!(!kept.lease_expiration_enabled(after(59)));
        assert!(kept.lease_expiration_enabled(after(60)), "the decision is over");
        let off = state(Options { enable_self_preservation: false, ..Options::default() }, 3);
        off.set_switch(Some(switch(false)), START);
        assert!(!off.lease_expiration_enabled(START), "also where self-preservation is off");
    }
}
