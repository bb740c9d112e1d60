//! [`ByStatus`]: the number of instances by status.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::model::InstanceStatus;

/// The number of instances by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByStatus([u32; InstanceStatus::ALL.len()]);

impl ByStatus {
    /// From the count of each status, in the order of [`InstanceStatus::ALL`].
    pub(crate) fn new(counts: [u32; InstanceStatus::ALL.len()]) -> Self {
        Self(counts)
    }

    /// Counts one more instance.
    pub(crate) fn add(&mut self, status: InstanceStatus) {
        self.0[status as usize] += 1;
    }

    /// The number of instances with this status.
    pub(crate) fn count(&self, status: InstanceStatus) -> u32 {
        self.0[status as usize]
    }

    /// The number of instances that take traffic.
    pub(crate) fn up(&self) -> u32 {
        self.count(InstanceStatus::Up)
    }

    /// The number of all instances.
    pub(crate) fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Each status that occurs, with its number of instances; those that take no traffic first.
    pub(crate) fn occurring(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let all = InstanceStatus::ALL.map(|status| (status.name(), self.count(status)));
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

impl Serialize for ByStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(InstanceStatus::ALL.len()))?;
        for status in InstanceStatus::ALL {
            map.serialize_entry(status.name(), &self.count(status))?;
        }
        map.end()
    }
}
