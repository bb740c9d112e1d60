//! The changes that clients and peers make in a registry: register, renew, cancel, set and remove an override, add metadata.

use std::sync::Arc;

use super::edit::{Done, Edit};
use super::instance_registry::{InstanceRegistry, Registration};
use super::journal::ChangeKind;
use super::{Caller, Lease, Source, override_rule};
use crate::model::{
    ActionType, DataStamp, Heard, InstanceInfo, InstanceStatus, Record, Stamp, StatusOverride, Tombstone,
};
use crate::time::Timestamp;

/// The outcome of a renewal.
#[derive(Clone, Debug)]
pub enum Renewal {
    /// There is no such lease, or its status is UNKNOWN: the client has to register again.
    NotFound,
    /// Renewed.
    Renewed(Arc<Lease>),
}

impl InstanceRegistry {
    /// Registers an instance, for the first time or again (`register`). If a newer version of it is known, that one stays. The
    /// lease starts anew in any case.
    pub fn register(&self, sent: InstanceInfo, caller: impl Into<Caller>, now: Timestamp) -> Done<Registration> {
        let caller = caller.into();
        let (source, last_dirty) = (caller.source, sent.last_dirty);
        let mut edit = self.edit(Some(caller), now);
        let registered = self.put_registration(&mut edit, sent, source, now, |_| None);
        if registered.info().last_dirty > last_dirty {
            edit.kept_newer(registered.lease.key());
        }
        edit.done(registered)
    }

    /// Puts a registration into the registry. `registered` returns the stamp of the known registration if this one must not count
    /// as newer than registrations elsewhere.
    fn put_registration(
        &self,
        edit: &mut Edit<'_>,
        sent: InstanceInfo,
        source: Source,
        now: Timestamp,
        registered: impl FnOnce(&Record) -> Option<Stamp>,
    ) -> Registration {
        let key = sent.key();
        let existing = self.leases.get(key.as_str());
        let known = existing.as_ref().map(|lease| lease.record());
        // Uses the texts that are kept already, not equal new ones: a thousand instances share one application name, and repeated
        // registrations allocate nothing.
        let key = existing.as_ref().map_or(key, |lease| lease.key().clone());
        let stamp = edit.clock.tick(now);
        let (mut info, sent_status) = match &known {
            Some(known) if known.info.last_dirty > sent.last_dirty => (known.info.clone(), known.own_status()),
            Some(known) => {
                let app = known.info.app.clone();
                let status = override_rule::sent_status(sent.status, known.status_override.status, Some(known), source);
                (InstanceInfo { app, ..sent }, status)
            }
            None => {
                let (app, status) = (self.applications.name_of(&sent.app), sent.status);
                (InstanceInfo { app, ..sent }, status)
            }
        };
        let (earlier, cancelled, mut status_override) = match (&known, edit.tombstone(key.as_str())) {
            (Some(known), _) => (Some(known.data.version), known.cancelled, known.status_override),
            (None, Some(gone)) => (Some(gone.data.version), gone.cancelled, gone.status_override),
            (None, None) => (edit.evicted.version(key.as_str()), Stamp::NEVER, StatusOverride::default()),
        };
        if status_override.status.is_none() && info.overridden_status != InstanceStatus::Unknown {
            status_override = StatusOverride { status: Some(info.overridden_status), stamp };
        }
        info.action_type = Some(ActionType::Added);
        info.is_coordinating_discovery_server = false;
        info.last_updated = now;
        let registered = known.as_ref().and_then(|known| registered(known)).unwrap_or(stamp);
        // It replaces the known data, however new that is.
        let version = earlier.map_or(info.last_dirty, |earlier| earlier.max(info.last_dirty));
        let data = DataStamp { version, registered, changed: stamp };
        let mut record = Record { info, sent_status, data, cancelled, status_override };
        record.show();
        let service_up = existing.as_ref().map_or(Timestamp::NEVER, |lease| lease.service_up());
        let heard = Heard { at: now, renewed: false };
        let lease = Arc::new(Lease::new(key, Arc::new(record), service_up, heard, now));
        edit.put_lease(&lease, known);
        Registration::of(lease)
    }

    /// Renews a lease (`renew`).
    pub fn renew(&self, key: &str, now: Timestamp) -> Renewal {
        let found = self.leases.with(key, |lease| (lease.with_record(|record| record.info.status), Arc::clone(lease)));
        match found {
            Some((status, lease)) if status != InstanceStatus::Unknown => {
                self.self_preservation.count_renewal(now);
                lease.renew(now);
                Renewal::Renewed(lease)
            }
            Some(_) | None => Renewal::NotFound,
        }
    }

    /// Cancels an instance (`cancel`). Returns its lease; `None` if there is no such instance.
    pub fn cancel(&self, key: &str, caller: impl Into<Caller>, now: Timestamp) -> Done<Option<Arc<Lease>>> {
        let mut edit = self.edit(Some(caller.into()), now);
        let Some(lease) = edit.take_out(ChangeKind::Cancelled, key) else { return edit.done(None) };
        let cancelled = edit.clock.tick(now);
        let tombstone = lease.with_record(|record| Tombstone::new(lease.key().clone(), record, cancelled));
        edit.bury(tombstone, now);
        edit.done(Some(lease))
    }

    /// Overrides an instance's status, as an operator does (`statusUpdate`). The status that it has already is not stored as an
    /// override (quirk 13), but wins over an earlier command at another replica. The lease is renewed in any case. Returns the
    /// lease; `None` if there is no such instance.
    pub fn status_update(
        &self,
        key: &str,
        status: InstanceStatus,
        last_dirty: Option<Timestamp>,
        caller: impl Into<Caller>,
        now: Timestamp,
    ) -> Done<Option<Arc<Lease>>> {
        self.command(key, ChangeKind::StatusChanged, caller.into(), now, |record, of_data| {
            let overridden = record.status_override.status;
            if record.info.status != status {
                record.status_override.status = Some(status);
                raise_last_dirty(record, last_dirty, of_data);
            } else if overridden.is_some_and(|overridden| overridden != status) {
                // The instance reported another status after it was overridden, and keeps it.
                record.data.changed = record.status_override.stamp;
            }
        })
    }

    /// Removes an override (`deleteStatusOverride`). The status becomes `status` until the instance sends its own. Without an
    /// override readers see no change, but one that was set earlier at another replica does not come back. Returns the lease;
    /// `None` if there is no such instance.
    pub fn delete_status_override(
        &self,
        key: &str,
        status: InstanceStatus,
        last_dirty: Option<Timestamp>,
        caller: impl Into<Caller>,
        now: Timestamp,
    ) -> Done<Option<Arc<Lease>>> {
        self.command(key, ChangeKind::OverrideRemoved, caller.into(), now, |record, of_data| {
            if record.status_override.status.take().is_some() {
                record.sent_status = status;
                record.data.changed = of_data;
                raise_last_dirty(record, last_dirty, of_data);
            }
        })
    }

    /// Carries out an operator's command. The last one at any replica wins.
    fn command(
        &self,
        key: &str,
        kind: ChangeKind,
        caller: Caller,
        now: Timestamp,
        change: impl FnOnce(&mut Record, Stamp),
    ) -> Done<Option<Arc<Lease>>> {
        let mut edit = self.edit(Some(caller), now);
        let Some(lease) = self.leases.get(key) else { return edit.done(None) };
        lease.renew(now);
        let mut record = Record::clone(&lease.record());
        // The change of the data gets an earlier stamp than the override, which applies on top of it.
        let of_data = edit.clock.tick(now);
        record.status_override.stamp = edit.clock.tick(now);
        change(&mut record, of_data);
        edit.put_record(kind, &lease, record);
        edit.done(Some(lease))
    }

    /// Takes over an override of a Java server (`storeOverriddenStatusIfRequired`).
    pub fn store_overridden_status_if_required(&self, key: &str, status: InstanceStatus, now: Timestamp) {
        let mut edit = self.edit(Some(Source::Peer.into()), now);
        let Some(lease) = self.leases.get(key) else { return };
        let mut record = Record::clone(&lease.record());
        if record.status_override.status == Some(status) {
            return;
        }
        record.status_override = StatusOverride { status: Some(status), stamp: edit.clock.tick(now) };
        edit.put_record(ChangeKind::StatusChanged, &lease, record);
    }

    /// Adds to an instance's metadata. To readers that looks like a new registration (`InstanceResource.updateMetadata`). For the
    /// merge it is a change of the registered data, so a later registration of the instance wins. `None` if there is no such
    /// instance.
    pub fn update_metadata<'a>(
        &self,
        key: &str,
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
        caller: impl Into<Caller>,
        now: Timestamp,
    ) -> Done<Option<Registration>> {
        let mut edit = self.edit(Some(caller.into()), now);
        let Some(lease) = self.leases.get(key) else { return edit.done(None) };
        let known = lease.record();
        let mut info = InstanceInfo { status: known.own_status(), ..known.info.clone() };
        info.metadata = info.metadata.with(entries);
        let of_known = |known: &Record| Some(known.data.registered);
        let registered = self.put_registration(&mut edit, info, Source::Client, now, of_known);
        edit.done(Some(registered))
    }
}

/// A command that names a newer version raises the version of the data.
fn raise_last_dirty(record: &mut Record, last_dirty: Option<Timestamp>, stamp: Stamp) {
    if let Some(sent) = last_dirty.filter(|sent| *sent > record.info.last_dirty) {
        record.info.last_dirty = sent;
        record.data.version = record.data.version.max(sent);
        record.data.changed = stamp;
    }
}
