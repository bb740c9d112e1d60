//! [`Directory`]: where the snapshot is kept, and how it gets there whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::time::Timestamp;

/// The snapshot.
const NAME: &str = "snapshot.json.gz";
/// The snapshot while it is written.
const WRITTEN: &str = "snapshot.json.gz.part";
/// What the names of snapshots that were refused begin with.
const REFUSED: &str = "snapshot.refused-";
/// How many of those are kept.
const REFUSED_KEPT: usize = 3;
/// The file that the process locks which uses the directory.
const LOCK: &str = "lock";

/// The directory of one replica.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held for as long as the process lives.
    lock: Mutex<Option<File>>,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, lock: Mutex::new(None) }
    }

    /// As it is called.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that the directory is there, and that no other process uses it: two that write the same file would each bring back
    /// what the other one had cancelled.
    pub(super) fn take(&self) -> io::Result<()> {
        let mut lock = self.lock.lock();
        if lock.is_some() {
            return Ok(());
        }
        fs::create_dir_all(&self.path)?;
        let path = self.path.join(LOCK);
        OpenOptions::new().create(true).append(true).open(&path)?;
        // Not held open for writing: an operator may have to make the disk read-only.
        let file = File::open(path)?;
        match file.try_lock() {
            Ok(()) => {
                *lock = Some(file);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process uses this directory"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The same; but while another process uses the directory, it is tried again for as long as `wait` says so.
    pub(super) fn take_over(&self, mut wait: impl FnMut() -> bool) -> io::Result<()> {
        loop {
            match self.take() {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && wait() => {}
                done => return done,
            }
        }
    }

    /// Opens the snapshot, if there is one.
    pub(super) fn read(&self) -> io::Result<Option<BufReader<File>>> {
        match File::open(self.path.join(NAME)) {
            Ok(file) => Ok(Some(BufReader::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a new snapshot in the place of the old one, which stays until the new one is whole and on the disk. Gives back how many
    /// bytes it has.
    pub(super) fn write(&self, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<u64> {
        let written = self.path.join(WRITTEN);
        // Instances may have passwords in their metadata.
        let private = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&written);
        let whole = private.and_then(|file| {
            write(&file)?;
            file.sync_all()?;
            file.metadata()
        });
        let replaced = whole.and_then(|whole| {
            fs::rename(&written, self.path.join(NAME))?;
            // The name is as lasting as the content only then.
            File::open(&self.path)?.sync_all()?;
            Ok(whole.len())
        });
        if replaced.is_err() {
            // On a full disk it takes the room that the next one needs. If it cannot be removed, why it was not written says more.
            fs::remove_file(&written).ok();
        }
        replaced
    }

    /// Puts a snapshot aside that cannot be used, so that a person can look at it and the next one has its place. Returns its new
    /// path. The last few are kept.
    pub(super) fn put_aside(&self, now: Timestamp) -> io::Result<PathBuf> {
        let to = self.path.join(format!("{REFUSED}{now}.json.gz"));
        fs::rename(self.path.join(NAME), &to)?;
        let mut aside: Vec<PathBuf> = fs::read_dir(&self.path)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| {
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(REFUSED))
            })
            .collect();
        aside.sort_unstable();
        for old in aside.iter().rev().skip(REFUSED_KEPT) {
            fs::remove_file(old)?;
        }
        Ok(to)
    }
}
