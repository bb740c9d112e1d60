//! The snapshot: what a replica knows, kept on a disk (`registry.data-dir`), so that a cluster whose replicas all stopped at
//! once opens with what it knew.
//!
//! [`Snapshots`] decides when to write and what becomes of what is read; [`mod@file`] is what stands in the file. A [`Disk`] is where it
//! is kept: [`mod@directory`] is how it gets there whole. A disk that is full, slow or gone never keeps a replica from answering: it
//! is a warning, a metric and a reason to try again.

mod directory;
mod disk;
mod file;
mod snapshots;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use directory::Directory;

pub use disk::{Content, Disk, Job};
pub use file::Header;
pub use snapshots::{Failing, Snapshots, Status, Written};

/// Where and how often snapshots are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The directory; `None` keeps none.
    pub directory: Option<PathBuf>,
    /// The shortest pause between two snapshots. A registry that does not change is written once a minute.
    pub interval: Duration,
}

impl Options {
    /// The directory as a disk; `None` where no snapshots are kept.
    pub fn disk(&self) -> Option<Arc<dyn Disk>> {
        Some(Arc::new(Directory::new(self.directory.clone()?)))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { directory: None, interval: Duration::from_secs(1) }
    }
}
