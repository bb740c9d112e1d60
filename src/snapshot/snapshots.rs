//! [`Snapshots`]: when a snapshot is written, and what becomes of one that is read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::disk::Disk;
use super::file::{self, Header, Reader, Refused, Unread};
use crate::registry::{InstanceRegistry, Repaired, Restore};
use crate::time::{Clock, Timestamp};

/// How often a registry is written that does not change: instances are heard all the time, and a disk that fails is noticed.
const UNCHANGED_INTERVAL: Duration = Duration::from_secs(60);
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The pause is this many times as long as writing took, so that a large registry that changes all the time takes a twentieth of a
/// core and of the disk.
const TIMES_AS_LONG: u32 = 20;
/// But it is no longer than this, since what changes in it may be lost.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Writes and reads the snapshots of one replica.
#[derive(Debug)]
pub struct Snapshots {
    disk: Arc<dyn Disk>,
    registry: Arc<InstanceRegistry>,
    interval: Duration,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The hash of what was written last.
    digest: Option<u64>,
    /// How long that took.
    took: Duration,
    /// When it was tried last.
    tried: Option<Timestamp>,
    status: Status,
}

/// How snapshots are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The last one that was written.
    pub written: Option<Written>,
    /// Why none can be written now, if so.
    pub failing: Option<Failing>,
    /// How many were written since the start.
    pub succeeded: u64,
    /// How many could not be written since the start.
    pub failed: u64,
}

/// A snapshot on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// When its writing began.
    pub at: Timestamp,
    /// How many bytes the file has.
    pub bytes: u64,
    /// How many instances are in it.
    pub instances: usize,
}

/// Why no snapshot can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// What the system says.
    pub why: String,
}

impl Snapshots {
    /// The snapshots of a registry, on this disk, with at least this pause between two.
    pub fn new(disk: Arc<dyn Disk>, interval: Duration, registry: &Arc<InstanceRegistry>, clock: Clock) -> Self {
        Self { disk, registry: Arc::clone(registry), interval, clock, state: Mutex::default() }
    }

    /// Where they are kept.
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Reads the snapshot that there is, whole, and says what it says about itself; `None` if there is none that can be used. One that
    /// is damaged, foreign, newer or of another cluster is put aside, with a line in the log; the start goes on without it. `wait` is
    /// called while another process uses the directory, and says whether to try again: who is replaced by force may still be ending.
    pub fn look(&self, is_other_cluster: impl Fn(&str) -> bool, wait: impl FnMut() -> bool) -> Option<Header> {
        if let Err(error) = self.take_over(wait) {
            self.failed(&error, self.clock.now());
            return None;
        }
        let found = self.disk.read().map_err(Unread::Failed).transpose()?;
        let header = found.and_then(|file| Reader::open(file)?.check()).and_then(|header| match &header.cluster {
            Some(name) if is_other_cluster(name) => Err(Unread::Refused(Refused::OtherCluster(name.clone()))),
            Some(_) | None => Ok(header),
        });
        header.map_err(|why| self.unread(&why)).ok()
    }

    /// Makes sure that nobody else uses the disk. While another process does, it is tried again for as long as `wait` says so.
    fn take_over(&self, mut wait: impl FnMut() -> bool) -> io::Result<()> {
        loop {
            match self.disk.take() {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && wait() => {}
                done => return done,
            }
        }
    }

    fn unread(&self, why: &Unread) {
        let path = self.disk.path().display();
        match why {
            Unread::Failed(error) => {
                warn!(%path, %error, "cannot read the snapshot: the start goes on without it");
            }
            Unread::Refused(why) => match self.disk.put_aside(self.clock.now()) {
                Ok(aside) => {
                    let aside = aside.display();
                    warn!(%path, %aside, "not using the snapshot: {why}. It is kept aside, and the start goes on without it");
                }
                Err(error) => warn!(%path, %error, "not using the snapshot: {why}. It could not be kept aside"),
            },
        }
    }

    /// Takes what the snapshot has that [`Snapshots::look`] found. Says what that changed.
    pub fn restore(&self, header: &Header, how: Restore) -> Repaired {
        let mut restored = Repaired::default();
        let now = self.clock.now();
        self.registry.meet(header.clock, now);
        if let Err(why) = self.restore_parts(header, how, now, &mut restored) {
            self.unread(&why);
        }
        let Repaired { registered: instances, cancelled } = restored;
        let age_secs = now.since(Timestamp(header.written)).as_secs();
        match how {
            Restore::Alone => info!(
                instances,
                cancelled,
                age_secs,
                "restored the registry from the snapshot: each instance has one lease duration to renew"
            ),
            Restore::BesideCopy => {
                info!(instances, cancelled, age_secs, "took from the snapshot what the peer's registry lacked");
            }
        }
        restored
    }

    fn restore_parts(
        &self,
        header: &Header,
        how: Restore,
        now: Timestamp,
        restored: &mut Repaired,
    ) -> Result<(), Unread> {
        // If the clock was set back since, instances were heard in the future by it, and nobody would be known. They have been silent
        // for at least as long as when it was written. Beside a copy that is too little to call one alive that the peer lacks.
        let set_back = match how {
            Restore::Alone => Timestamp(header.written).since(now),
            Restore::BesideCopy => Duration::ZERO,
        };
        let Some(file) = self.disk.read()? else { return Ok(()) };
        let mut reader = Reader::open(file)?;
        while let Some(mut records) = reader.next(now)? {
            if let (skipped @ 1.., why) = std::mem::take(&mut records.skipped) {
                warn!(skipped, why, "skipping instances of the snapshot that cannot be decoded");
            }
            records.registered.iter_mut().for_each(|(_, heard)| heard.at = heard.at - set_back);
            *restored += self.registry.restore(records, how, now);
        }
        Ok(())
    }

    /// Whether it is time to write one: the registry has changed, or a minute has passed.
    pub fn is_due(&self) -> bool {
        let now = self.clock.now();
        let digest = self.registry.digest(now).total;
        let state = self.state.lock();
        let Some(tried) = state.tried else { return true };
        let (since, pause) = (now.since(tried), self.interval.max(LONGEST_PAUSE.min(state.took * TIMES_AS_LONG)));
        match &state.status.failing {
            Some(_) => since >= RETRY,
            None if state.digest == Some(digest) => since >= UNCHANGED_INTERVAL,
            None => since >= pause,
        }
    }

    /// Writes one now, as one of this cluster that knows these peers. It waits for the disk, and holds no lock meanwhile.
    pub fn write(&self, cluster: Option<String>, peers: Vec<String>) {
        let begun = self.clock.now();
        self.state.lock().tried = Some(begun);
        let knowledge = self.registry.knowledge(begun);
        let header = Header::new(&knowledge, cluster, peers, begun);
        let written = self.disk.take().and_then(|()| self.disk.write(&|to| file::write(&header, &knowledge, to)));
        let now = self.clock.now();
        match written {
            Ok(bytes) => {
                let written = Written { at: begun, bytes, instances: header.instances };
                self.succeeded(knowledge.digest, written, now);
            }
            Err(error) => self.failed(&error, now),
        }
    }

    fn succeeded(&self, digest: u64, written: Written, now: Timestamp) {
        let recovered = {
            let mut state = self.state.lock();
            state.digest = Some(digest);
            state.took = now.since(written.at);
            state.status.written = Some(written);
            state.status.succeeded += 1;
            state.status.failing.take()
        };
        if let Some(Failing { since, .. }) = recovered {
            let after_secs = now.since(since).as_secs();
            info!(path = %self.disk.path().display(), after_secs, "snapshots are written again");
        }
    }

    fn failed(&self, error: &io::Error, now: Timestamp) {
        let why = error.to_string();
        let is_new = {
            let mut state = self.state.lock();
            state.tried = Some(now);
            state.status.failed += 1;
            let since = state.status.failing.as_ref().map_or(now, |failing| failing.since);
            let before = state.status.failing.replace(Failing { since, why: why.clone() });
            before.is_none_or(|before| before.why != why)
        };
        if is_new {
            warn!(
                path = %self.disk.path().display(),
                why,
                "cannot write the snapshot: if all replicas stop now, this one opens with an older registry. Look at the disk; it is \
                 tried again every {} seconds",
                RETRY.as_secs()
            );
        }
    }

    /// Notes that no snapshot was written, or not yet, for this reason. It counts as a failure until one is written.
    pub fn note_failure(&self, why: &'static str) {
        self.failed(&io::Error::other(why), self.clock.now());
    }

    /// How snapshots are doing.
    pub fn status(&self) -> Status {
        self.state.lock().status.clone()
    }
}

#[cfg(test)]
mod tests;
