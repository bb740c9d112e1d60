//! [`Settings`]: everything that a server is made from.

use super::options::Options;
use crate::limits::Limits;
use crate::{http, kubernetes, registry, replication, snapshot, telemetry};

/// Everything that a server is made from.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The memory and open files that the process may use.
    pub limits: Limits,
    /// The listening server.
    pub server: Options,
    /// The HTTP surface.
    pub http: http::Options,
    /// The registry.
    pub registry: registry::Options,
    /// Replication.
    pub replication: replication::Options,
    /// The watch of pods.
    pub kubernetes: kubernetes::Options,
    /// Snapshots.
    pub snapshot: snapshot::Options,
    /// The logs.
    pub logs: telemetry::Options,
}
