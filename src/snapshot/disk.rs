//! [`Disk`]: where a snapshot is kept.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use crate::time::Timestamp;

/// Writes the content of a snapshot to where it is given.
pub type Content<'a> = dyn Fn(&mut dyn Write) -> io::Result<()> + 'a;

/// Work that waits for a disk.
pub type Job = Box<dyn FnOnce() + Send>;

/// Where a replica keeps its snapshot: a directory, or what the simulation has instead. Errors are those of the system.
pub trait Disk: fmt::Debug + Send + Sync {
    /// What it is called in log lines.
    fn path(&self) -> &Path;

    /// Makes sure that it is there, and that no other process uses it.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] while another process uses it.
    fn take(&self) -> io::Result<()>;

    /// Opens the snapshot, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&self) -> io::Result<Option<Box<dyn BufRead>>>;

    /// Puts a new snapshot in the place of the old one, which stays until the new one is whole and on the disk. Gives back how many
    /// bytes it has.
    ///
    /// # Errors
    /// The first one of `content`, or why it cannot be put there.
    fn write(&self, content: &Content<'_>) -> io::Result<u64>;

    /// Puts a snapshot aside that cannot be used. Gives back where it is now.
    ///
    /// # Errors
    /// If it cannot be moved.
    fn put_aside(&self, now: Timestamp) -> io::Result<PathBuf>;

    /// Does work that may wait for the disk, apart from the threads that answer requests.
    ///
    /// # Errors
    /// If it cannot begin.
    fn work(&self, job: Job) -> io::Result<()>;
}
