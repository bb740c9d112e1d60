//! Stopping.

use super::key::{Group, Key};
use crate::config::values::{put, time};

/// Stopping.
pub(super) const GROUP: Group = Group {
    title: "Stopping",
    keys: &[
        Key {
            name: "registry.shutdown.lame-duck",
            default: "3s",
            meaning: "How long a stopping replica still answers requests, while it is not ready.",
            set: |draft, value| put(&mut draft.settings.server.lame_duck, time(value)),
        },
        Key {
            name: "registry.shutdown.drain-timeout",
            default: "10s",
            meaning: "Maximum time after that for connections to finish.",
            set: |draft, value| put(&mut draft.settings.server.drain_timeout, time(value)),
        },
        Key {
            name: "registry.shutdown.flush-timeout",
            default: "5s",
            meaning: "Maximum time after that for background work to end, and for changes to reach the peers.",
            set: |draft, value| put(&mut draft.settings.server.flush_timeout, time(value)),
        },
    ],
};
