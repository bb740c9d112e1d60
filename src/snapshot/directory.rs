//! [`Directory`]: the disk of a real replica, and how the snapshot gets there whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use parking_lot::Mutex;

use super::disk::{Content, Disk, Job};
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
}

impl Disk for Directory {
    fn path(&self) -> &Path {
        &self.path
    }

    /// Two processes that write the same file would each bring back what the other one had cancelled.
    fn take(&self) -> io::Result<()> {
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

    fn read(&self) -> io::Result<Option<Box<dyn BufRead>>> {
        match File::open(self.path.join(NAME)) {
            Ok(file) => Ok(Some(Box::new(BufReader::new(file)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, content: &Content<'_>) -> io::Result<u64> {
        let written = self.path.join(WRITTEN);
        // Instances may have passwords in their metadata.
        let private = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&written);
        let whole = private.and_then(|mut file| {
            content(&mut file)?;
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

    /// A person can look at it, and the next one has its place. The last few are kept.
    fn put_aside(&self, now: Timestamp) -> io::Result<PathBuf> {
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

    /// A thread of its own: neither the threads that answer requests may wait for a disk, nor the few that make large answers.
    fn work(&self, job: Job) -> io::Result<()> {
        thread::Builder::new().name("snapshot".to_owned()).spawn(job).map(drop)
    }
}
