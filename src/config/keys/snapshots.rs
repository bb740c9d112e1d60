//! Snapshots.

use super::key::{Group, Key};
use crate::config::values::{put, some_time};

/// Snapshots.
pub(super) const GROUP: Group = Group {
    title: "Snapshots",
    keys: &[
        Key {
            name: "registry.data-dir",
            default: "",
            meaning: "A directory of this replica alone, in which a snapshot of the registry is kept. A start that finds no peer to copy from restores it. Empty: no snapshots.",
            set: |draft, value| {
                draft.settings.snapshot.directory = (!value.is_empty()).then(|| value.into());
                Ok(())
            },
        },
        Key {
            name: "registry.snapshot.interval",
            default: "1s",
            meaning: "Shortest pause between two snapshots of a registry that changes. It is longer where writing takes long, and a minute where nothing changes.",
            set: |draft, value| put(&mut draft.settings.snapshot.interval, some_time(value)),
        },
    ],
};
