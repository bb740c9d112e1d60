//! What a replica shows of each instance. Only this module reads a replica's registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use eureka_registry::model::InstanceStatus;
use eureka_registry::registry::{InstanceRegistry, Lease};
use eureka_registry::time::Timestamp;

/// What readers see of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: InstanceStatus,
    pub(crate) overridden: Option<InstanceStatus>,
    /// The version of the client's data.
    pub(crate) last_dirty: i64,
    /// The last metadata that an operator set.
    pub(crate) tag: Option<u32>,
}

/// A replica's record of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) seen: Seen,
    lease: Arc<Lease>,
}

impl Held {
    /// When the client was last heard, by the clock of the replica.
    pub(crate) fn heard(&self) -> i64 {
        self.lease.last_heard().0
    }

    /// Whether it was restored from a snapshot, and nobody has heard it since.
    pub(crate) fn is_restored(&self) -> bool {
        self.lease.is_restored()
    }

    /// Whether the last command also changed the data: a removed override leaves a status there.
    pub(crate) fn command_changed_data(&self) -> bool {
        let stamps = self.lease.with_record(|record| (record.data.changed, record.status_override.stamp));
        stamps.0.time() + 1 >= stamps.1.time()
    }
}

/// All records of a replica, by the instances' ids.
pub(crate) type View = BTreeMap<String, Held>;

pub(crate) fn view(registry: &InstanceRegistry) -> View {
    let held = registry.snapshot().into_iter().map(|held| {
        let seen = Seen {
            status: held.info().status,
            overridden: held.lease.status_override(),
            last_dirty: held.info().last_dirty.0,
            tag: held.info().metadata.get(TAG).and_then(|value| value.parse().ok()),
        };
        (held.info().id().to_owned(), Held { seen, lease: held.lease })
    });
    held.collect()
}

/// The stamp clock of a replica whose own clock reads `now`, in milliseconds.
pub(crate) fn stamp_clock(registry: &InstanceRegistry, now: Timestamp) -> i64 {
    i64::try_from(registry.digest(now).clock).unwrap()
}

/// The metadata that operators set.
pub(crate) const TAG: &str = "tag";

pub(crate) fn id(client: usize) -> String {
    format!("client-{client}")
}

/// The client of an instance; `None` for one of another cluster.
pub(crate) fn client_of(id: &str) -> Option<usize> {
    id.strip_prefix("client-")?.parse().ok()
}
