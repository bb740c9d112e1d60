//! [`Edit`]: a change of the registry, from taking its lock to logging it.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::MutexGuard;
use smol_str::format_smolstr;
use tracing::{debug, field, info};

use super::content::Content;
use super::journal::ChangeKind;
use super::room::{self, Admission};
use super::{Caller, InstanceRegistry, Lease, Reason, Source};
use crate::model::{ActionType, InstanceKey, InstanceStatus, Printable, Record};
use crate::time::Timestamp;

/// A change under way. When it ends, readers see what was changed, the lock is released, and then the log line is written: that
/// takes longer than most of what is done under the lock.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    registry: &'a InstanceRegistry,
    content: Option<MutexGuard<'a, Content>>,
    lines: Lines,
    /// The caller of the change; `None` is the registry itself.
    caller: Option<Caller>,
    now: Timestamp,
}

/// The result of a change. Its log lines are written when this value is dropped or taken apart: a caller with a lock of its own
/// keeps it until that lock is released.
#[derive(Debug)]
pub struct Done<T> {
    result: T,
    lines: Lines,
}

impl<T> Done<T> {
    /// Writes the log lines, and gives the result.
    pub fn into_result(self) -> T {
        let Self { result, lines } = self;
        drop(lines);
        result
    }
}

impl<T> Deref for Done<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.result
    }
}

/// What there is to log, written when this is dropped.
#[derive(Debug, Default)]
struct Lines {
    happened: Option<Happened>,
    /// The version in the registry was newer than the one that was sent.
    kept_newer: Option<InstanceKey>,
    room: Option<room::News>,
}

/// What was done to an instance.
#[derive(Debug)]
struct Happened {
    kind: ChangeKind,
    lease: Arc<Lease>,
    before: Option<Arc<Record>>,
    /// Who asked for it; `None` is the registry itself.
    caller: Option<Caller>,
    at: Timestamp,
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(news) = self.room.take() {
            news.log();
        }
        if let Some(happened) = self.happened.take() {
            happened.log();
        }
        if let Some(key) = self.kept_newer.take() {
            debug!(app.name = key.app(), instance.id = key.id(), "kept the newer registration that was known already");
        }
    }
}

impl InstanceRegistry {
    /// Takes the lock for a change that this caller requested; `None` is the registry itself.
    pub(super) fn edit(&self, caller: Option<Caller>, now: Timestamp) -> Edit<'_> {
        Edit { registry: self, content: Some(self.content.lock()), lines: Lines::default(), caller, now }
    }
}

impl Edit<'_> {
    /// Ends the change. Its log lines are written when the result is dropped.
    pub(super) fn done<T>(mut self, result: T) -> Done<T> {
        Done { result, lines: mem::take(&mut self.lines) }
    }

    /// Notes that the registry had a newer registration than the one that was sent.
    pub(super) fn kept_newer(&mut self, key: &InstanceKey) {
        self.lines.kept_newer = Some(key.clone());
    }

    /// Whether there is memory for an instance that a peer knows; see [`Room::admit`](room::Room::admit).
    pub(super) fn admits(&mut self, before: Option<usize>, weight: usize) -> bool {
        let Admission { result, news } = self.registry.room.admit(Source::Peer, || before, weight);
        self.lines.room = self.lines.room.take().or(news);
        result.is_ok()
    }

    /// Puts in a new lease, and replaces the one with the same key.
    pub(super) fn put_lease(&mut self, lease: &Arc<Lease>, before: Option<Arc<Record>>) {
        if before.is_none() {
            self.threshold.client_added();
        }
        self.registry.leases.insert(Arc::clone(lease));
        let kind = if lease.is_restored() { ChangeKind::Restored } else { ChangeKind::Registered };
        self.put(kind, lease, before);
    }

    /// Replaces the record of an instance, and shows it to readers as `MODIFIED`. If only stamps changed, readers see no change.
    pub(super) fn put_record(&mut self, kind: ChangeKind, lease: &Arc<Lease>, mut record: Record) {
        let before = lease.record();
        record.show();
        if before.info == record.info {
            let record = Arc::new(record);
            lease.set_record(Arc::clone(&record));
            self.restamp(lease, &record);
            return;
        }
        record.info.action_type = Some(ActionType::Modified);
        record.info.last_updated = self.now;
        lease.set_record(Arc::new(record));
        self.put(kind, lease, Some(before));
    }

    fn put(&mut self, kind: ChangeKind, lease: &Arc<Lease>, before: Option<Arc<Record>>) {
        let (record, now, caller) = (lease.record(), self.now, self.caller.clone());
        if record.info.status == InstanceStatus::Up {
            lease.note_service_up(now);
        }
        Content::put(self, lease, &record, now);
        let statuses = (before.as_ref().map(|before| before.info.status), record.info.status);
        self.note(kind, lease.key(), statuses, caller, now);
        self.registry.applications.changed(&record.info.app);
        self.happened(kind, lease, before);
    }

    /// Removes an instance. Returns its lease; `None` if there is no such instance.
    pub(super) fn take_out(&mut self, kind: ChangeKind, key: &str) -> Option<Arc<Lease>> {
        let lease = self.registry.leases.remove(key)?;
        let (now, caller) = (self.now, self.caller.clone());
        lease.cancel(now);
        let mut last = Record::clone(&lease.record());
        last.info.action_type = Some(ActionType::Deleted);
        last.info.last_updated = now;
        let (app, status) = (last.info.app.clone(), last.info.status);
        self.take(&lease, &Arc::new(last), now);
        self.note(kind, lease.key(), (Some(status), status), caller, now);
        self.threshold.client_removed();
        if self.all.application(app.as_str()).next().is_none() {
            self.registry.applications.removed(app.as_str());
        } else {
            self.registry.applications.changed(&app);
        }
        self.happened(kind, &lease, None);
        Some(lease)
    }

    fn happened(&mut self, kind: ChangeKind, lease: &Arc<Lease>, before: Option<Arc<Record>>) {
        let (caller, at) = (self.caller.clone(), self.now);
        self.lines.happened = Some(Happened { kind, lease: Arc::clone(lease), before, caller, at });
    }
}

impl Deref for Edit<'_> {
    type Target = Content;

    #[expect(clippy::expect_used, reason = "only `drop` takes it")]
    fn deref(&self) -> &Content {
        self.content.as_deref().expect("it is locked while the edit lives")
    }
}

impl DerefMut for Edit<'_> {
    #[expect(clippy::expect_used, reason = "only `drop` takes it")]
    fn deref_mut(&mut self) -> &mut Content {
        self.content.as_deref_mut().expect("it is locked while the edit lives")
    }
}

impl Drop for Edit<'_> {
    fn drop(&mut self) {
        if let Some(content) = self.content.take() {
            self.registry.publish(&content);
        }
    }
}

impl Happened {
    /// Logs what happened and who asked for it: as a sentence that can be read alone, and as fields to search for.
    fn log(&self) {
        let (key, record, caller) = (self.lease.key(), self.lease.record(), self.caller.as_ref());
        // Formatted once for the sentence and the field: formatting an address takes longer than the rest of a short sentence.
        let address = caller.and_then(|caller| caller.address).map(|address| format_smolstr!("{address}"));
        let words = Words { happened: self, address: address.as_deref(), status: record.info.status };
        let (app, id, source) = (key.app(), key.id(), Source::name(caller.map(|caller| caller.source)));
        let user = caller.and_then(Caller::acting_user);
        let address = address.as_deref().map(field::display);
        let certified = caller.is_some_and(|caller| caller.certified).then_some(true);
        let reason = caller.and_then(|caller| caller.reason.as_ref()).map(Reason::as_str);
        let status = record.info.status.name();
        // A client that registers again without a change, as after a 404, is logged at `debug`.
        let is_no_news = self.kind == ChangeKind::Registered
            && self.before.as_ref().is_some_and(|before| {
                before.info.last_dirty == record.info.last_dirty && before.info.status == record.info.status
            });
        if is_no_news {
            debug!(
                app.name = app,
                instance.id = id,
                instance.status = status,
                source,
                user.name = user,
                client.address = address,
                client.certified = certified,
                "{words} again"
            );
            return;
        }
        // The caller of a restore logs the number of instances in one line.
        if self.kind == ChangeKind::Restored {
            debug!(app.name = app, instance.id = id, instance.status = status, source, "{words} from its snapshot");
            return;
        }
        let before = self.before.as_ref().map(|before| before.info.status.name());
        let status_override = record.status_override.status.map(InstanceStatus::name);
        let silent_secs = (self.kind == ChangeKind::Evicted).then(|| self.at.since(self.lease.last_heard()).as_secs());
        info!(
            app.name = app,
            instance.id = id,
            instance.status = status,
            instance.previous_status = before,
            instance.override = status_override,
            silent_secs,
            source,
            user.name = user,
            client.address = address,
            client.certified = certified,
            reason,
            "{words}"
        );
    }
}

/// What happened, as a sentence: `admin from 10.0.0.7 set ORDERS/o-1 to OUT_OF_SERVICE`.
struct Words<'a> {
    happened: &'a Happened,
    /// The caller's address.
    address: Option<&'a str>,
    status: InstanceStatus,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.happened.caller {
            Some(caller) => {
                if let Some(user) = &caller.on_behalf_of {
                    write!(f, "{user} through ")?;
                }
                f.write_str(caller.name())?;
            }
            None => f.write_str("the registry")?,
        }
        if let Some(address) = self.address {
            f.write_str(" from ")?;
            f.write_str(address)?;
        }
        let (before, after) = match self.happened.kind {
            ChangeKind::Registered => (" registered ", ""),
            ChangeKind::Restored => (" restored ", ""),
            ChangeKind::StatusChanged => (" set ", " to "),
            ChangeKind::OverrideRemoved => (" removed the override of ", ", whose status is now "),
            ChangeKind::Cancelled => (" cancelled ", ""),
            ChangeKind::Evicted => (" evicted ", ""),
        };
        f.write_str(before)?;
        write!(f, "{}", Printable(self.happened.lease.key().as_str()))?;
        f.write_str(after)?;
        if !after.is_empty() {
            f.write_str(self.status.name())?;
        }
        match self.happened.caller.as_ref().and_then(|caller| caller.reason.as_ref()) {
            Some(reason) => write!(f, " (reason: {})", Printable(reason.as_str())),
            None => Ok(()),
        }
    }
}
