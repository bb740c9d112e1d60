//! The subject of a registry: instances, their applications, and what peers send each other about them.
//!
//! The types are Netflix's, by name. They know no wire format: no type here derives serde; the spelling of each
//! field on the wire is in [`crate::codec`].

mod application;
mod data_center_info;
mod instance_info;
mod lease_info;
mod metadata;
mod names;
mod printable;
mod record;
mod replication;
pub mod size;
mod stamp;
mod status;

pub use application::{Application, Applications, AppsHashCode};
pub use data_center_info::DataCenterInfo;
pub use instance_info::{InstanceInfo, Port, RegistrationError, parse_address, virtual_addresses};
pub use lease_info::{LeaseDurations, LeaseInfo};
pub use metadata::Metadata;
pub use names::{AppName, InstanceKey};
pub use printable::Printable;
pub use record::{DataStamp, Fact, Parts, Record, StatusOverride, Tombstone};
pub use replication::{Action, By, Heard, Known, ReplicationInstance, ReplicationInstanceResponse, ReplicationList};
pub use size::TooLarge;
pub use stamp::{Stamp, StampClock};
pub use status::{ActionType, InstanceStatus};
