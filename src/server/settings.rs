//! [`Settings`]: all that a server is made with.

use super::options::Options;
use crate::limits::Limits;
use crate::{http, registry, replication, telemetry};

/// All that a server is made with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What the process may use.
    pub limits: Limits,
    /// The listening server.
    pub server: Options,
    /// The HTTP surface.
    pub http: http::Options,
    /// The registry.
    pub registry: registry::Options,
    /// Replication.
    pub replication: replication::Options,
    /// The logs.
    pub logs: telemetry::Options,
}
