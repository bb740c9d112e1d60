//! What peers send each other: Eureka's replication batch.

use smol_str::SmolStr;

use super::{AppName, InstanceInfo, InstanceStatus, LeaseInfo, Record, Tombstone, TooLarge};
use crate::time::Timestamp;

/// What a replicated item does (`PeerAwareInstanceRegistryImpl.Action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A registration.
    Register,
    /// A renewal.
    Heartbeat,
    /// A cancellation.
    Cancel,
    /// An override.
    StatusUpdate,
    /// The removal of an override.
    DeleteStatusOverride,
}

impl Action {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "Register",
            Self::Heartbeat => "Heartbeat",
            Self::Cancel => "Cancel",
            Self::StatusUpdate => "StatusUpdate",
            Self::DeleteStatusOverride => "DeleteStatusOverride",
        }
    }

    /// The action of exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Register, Self::Heartbeat, Self::Cancel, Self::StatusUpdate, Self::DeleteStatusOverride];
        all.into_iter().find(|action| action.name() == name)
    }
}

/// One item of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationInstance {
    /// What to do.
    pub action: Action,
    /// The application.
    pub app_name: AppName,
    /// The instance's id.
    pub id: SmolStr,
    /// The version of the instance's data at the sender.
    pub last_dirty: Option<Timestamp>,
    /// The override at the sender, in a heartbeat. `None` if not sent or no status.
    pub overridden_status: Option<InstanceStatus>,
    /// The instance's status at the sender. `None` if not sent or no status.
    pub status: Option<InstanceStatus>,
    /// The instance, in a registration. `None` where [`ReplicationInstance::known`] has it.
    pub instance_info: Option<Box<InstanceInfo>>,
    /// What only our own replicas send.
    pub known: Option<Known>,
    /// Who made the change, as one of our own replicas says.
    pub by: Option<Box<By>>,
    /// The limit that the instance exceeds. Then it is neither in `instance_info` nor in `known`.
    pub too_large: Option<TooLarge>,
}

/// Who made a change at the replica that sends it, and why: not checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// The name of the user.
    pub user: Option<String>,
    /// The reason.
    pub reason: Option<String>,
}

/// What one of our own replicas knows of an instance. It is merged; what a Java server sends is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is registered.
    Registered(Box<Record>, Heard),
    /// It was cancelled.
    Cancelled(Tombstone),
    /// It renewed, at this time by the clock of the receiver.
    Renewed(Timestamp),
}

/// When any replica last heard the client of an instance. Between replicas, times are by the clock of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The last renewal or registration.
    pub at: Timestamp,
    /// Whether it renewed since it registered. If it did, its lease lasts two durations, otherwise one (src/PROTOCOL.md, section
    /// 5.1).
    pub renewed: bool,
}

/// A batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicationList {
    /// Its items, in the order to apply.
    pub replication_list: Vec<ReplicationInstance>,
}

/// The outcome of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationInstanceResponse {
    /// The status code that the item would get as a call of its own.
    pub status_code: u16,
    /// The receiver's instance, if that is newer (409).
    pub response_entity: Option<(Box<InstanceInfo>, LeaseInfo)>,
}
