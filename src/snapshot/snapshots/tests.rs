//! Snapshots in a real directory.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::model::{AppName, InstanceInfo, InstanceStatus};
use crate::registry::{Options as RegistryOptions, Source};
use crate::snapshot::Options;
use crate::snapshot::directory::Directory;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const CLUSTER: &str = "registry.default.svc.cluster.local";
/// As the first release wrote it: later ones have to read it.
const VERSION_1: &[u8] = include_bytes!("version-1.json.gz");

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("eureka-registry-snapshot-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("snapshot.json.gz")
    }

    /// The names of all files but the lock.
    fn names(&self) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(&self.0).unwrap().map(name).filter(|name| name != "lock").collect();
        names.sort_unstable();
        names
    }

    /// Puts lines there as a snapshot.
    fn put(&self, lines: &[&str]) {
        let mut out = GzEncoder::new(File::create(self.file()).unwrap(), Compression::fast());
        lines.iter().for_each(|line| writeln!(out, "{line}").unwrap());
        out.finish().unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn registry(node: u64, clock: Clock) -> Arc<InstanceRegistry> {
    let registry = InstanceRegistry::new(RegistryOptions::default(), node, clock.now());
    registry.open_for_traffic(0, clock.now());
    Arc::new(registry)
}

fn snapshots(path: &Path, registry: &Arc<InstanceRegistry>, clock: Clock) -> Snapshots {
    let options = Options { directory: Some(path.to_owned()), ..Options::default() };
    Snapshots::new(options.disk().unwrap(), options.interval, registry, clock)
}

fn register(registry: &InstanceRegistry, id: &str, now: Timestamp) {
    let mut info = InstanceInfo::new(AppName::new("A"), id, "10.0.0.1", now);
    info.instance_id = Some(id.into());
    registry.register(info, Source::Client, now);
}

/// What a registry knows with two instances, of which one has an override, and a cancellation.
fn written(place: &Place, clock: Clock) {
    let registry = registry(1, clock);
    ["one", "two", "three"].iter().for_each(|id| register(&registry, id, clock.now()));
    registry.cancel("A/three", Source::Client, clock.now());
    registry.status_update("A/two", InstanceStatus::OutOfService, None, Source::Client, clock.now());
    let peers = vec!["http://registry-1.registry:8761/eureka/".to_owned()];
    snapshots(&place.0, &registry, clock).write(Some(CLUSTER.to_owned()), peers);
}

/// What a replica finds that starts there.
fn found(place: &Place, clock: Clock) -> Option<(Header, Repaired, Arc<InstanceRegistry>)> {
    let registry = registry(2, clock);
    let snapshots = snapshots(&place.0, &registry, clock);
    let header = snapshots.look(|cluster| cluster != CLUSTER, || false)?;
    let restored = snapshots.restore(&header, Restore::Alone);
    registry.check();
    Some((header, restored, registry))
}

fn check_found(place: &Place, clock: Clock) {
    let (header, restored, registry) = found(place, clock).unwrap();
    assert_eq!((header.instances, header.cancelled), (2, 1));
    assert_eq!(header.peers, ["http://registry-1.registry:8761/eureka/"]);
    assert_eq!(restored, Repaired { registered: 2, cancelled: 1 });
    let two = registry.instance("A/two", clock.now()).unwrap();
    assert_eq!((two.info().status, registry.restored()), (InstanceStatus::OutOfService, 2));
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_found() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    written(&place, clock);
    assert_eq!(place.names(), ["snapshot.json.gz"]);
    let mode = fs::metadata(place.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "instances may have passwords in their metadata");
    tokio::time::advance(Duration::from_secs(1)).await;
    check_found(&place, clock);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_the_first_release_is_read() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    fs::write(place.file(), VERSION_1).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    check_found(&place, clock);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_is_kept_aside() {
    let clock = Clock::starting_at(NOW);
    let whole = {
        let place = Place::new();
        written(&place, clock);
        fs::read(place.file()).unwrap()
    };
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 0x10;
    let contents = [&whole[..whole.len() - 9], &whole[..10], &changed, b"", b"{}", &[0; 4096]];
    for content in contents {
        let place = Place::new();
        fs::write(place.file(), content).unwrap();
        assert!(found(&place, clock).is_none(), "{} bytes", content.len());
        assert_eq!(place.names(), [format!("snapshot.refused-{NOW}.json.gz")]);
        assert_eq!(fs::read(place.0.join(&place.names()[0])).unwrap(), content);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_newer_foreign_or_of_another_cluster_is_kept_aside() {
    let clock = Clock::starting_at(NOW);
    let header = |format: &str, version: u32, cluster: &str| {
        format!(
            r#"{{"format":"{format}","version":{version},"cluster":"{cluster}","written":1,"clock":1,"instances":0,"cancelled":0}}"#
        )
    };
    let ours = "eureka-registry snapshot";
    let place = Place::new();
    place.put(&[&header(ours, 1, CLUSTER)]);
    assert!(found(&place, clock).is_some());
    for line in [header(ours, 2, CLUSTER), header("x", 1, CLUSTER), header(ours, 1, "other"), "[]".to_owned()] {
        let place = Place::new();
        place.put(&[&line]);
        assert!(found(&place, clock).is_none(), "{line}");
        assert_eq!(place.names().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_last_refused_ones_are_kept() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    for number in 0..5_u8 {
        fs::write(place.file(), [number]).unwrap();
        assert!(found(&place, clock).is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let kept: Vec<_> = place.names().iter().map(|name| fs::read(place.0.join(name)).unwrap()).collect();
    assert_eq!(kept, [[2], [3], [4]]);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_due_after_a_pause_and_nothing_new_after_a_minute() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    let registry = registry(1, clock);
    let snapshots = snapshots(&place.0, &registry, clock);
    assert!(snapshots.is_due(), "the first one");
    snapshots.write(None, Vec::new());
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(!snapshots.is_due(), "nothing changed");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(snapshots.is_due());
    snapshots.write(None, Vec::new());
    register(&registry, "one", clock.now());
    assert!(!snapshots.is_due(), "one was written just now");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(snapshots.is_due());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_is_tried_again_and_the_last_snapshot_stays() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    let registry = registry(1, clock);
    let snapshots = snapshots(&place.0, &registry, clock);
    snapshots.write(None, Vec::new());
    let before = fs::read(place.file()).unwrap();
    // Where the part is written there is a directory.
    let part = place.0.join("snapshot.json.gz.part");
    fs::create_dir(&part).unwrap();
    register(&registry, "one", clock.now());
    snapshots.write(None, Vec::new());
    let Status { failing, succeeded, failed, .. } = snapshots.status();
    assert_eq!((failing.unwrap().since, succeeded, failed), (clock.now(), 1, 1));
    assert_eq!(fs::read(place.file()).unwrap(), before);
    assert!(!snapshots.is_due());
    tokio::time::advance(RETRY).await;
    assert!(snapshots.is_due());
    fs::remove_dir(&part).unwrap();
    snapshots.write(None, Vec::new());
    let status = snapshots.status();
    assert_eq!((status.failing, status.succeeded), (None, 2));
    assert_eq!(status.written.unwrap().instances, 1);
}

#[test]
fn a_full_disk_leaves_no_part_behind() {
    let place = Place::new();
    let directory = Directory::new(place.0.clone());
    directory.take().unwrap();
    let full = directory.write(&|file| {
        file.write_all(b"begun")?;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    });
    assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(place.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_processes_do_not_share_a_directory() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    let first = snapshots(&place.0, &registry(1, clock), clock);
    first.write(None, Vec::new());
    let second = snapshots(&place.0, &registry(2, clock), clock);
    assert_eq!(second.look(|_| false, || false), None);
    second.write(None, Vec::new());
    let failing = second.status().failing.unwrap();
    assert_eq!(failing.why, "another process uses this directory");
    drop(first);
    second.write(None, Vec::new());
    assert_eq!(second.status().failing, None);
}

#[tokio::test(start_paused = true)]
async fn who_starts_while_the_process_before_it_is_ending_waits_for_the_snapshot() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    written(&place, clock);
    let mut ending = Some(snapshots(&place.0, &registry(1, clock), clock));
    ending.as_ref().unwrap().look(|_| false, || false).unwrap();
    let next = snapshots(&place.0, &registry(2, clock), clock);
    let found = next.look(|_| false, || ending.take().is_some());
    assert_eq!(found.unwrap().instances, 2);
    assert_eq!(next.status().failing, None);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_counts_as_failing() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    let snapshots = snapshots(&place.0, &registry(1, clock), clock);
    snapshots.note_failure("the disk does not answer");
    assert_eq!(snapshots.status().failing.unwrap().why, "the disk does not answer");
    snapshots.write(None, Vec::new());
    assert_eq!(snapshots.status().failing, None);
}

#[test]
fn no_directory_no_snapshots() {
    assert!(Options::default().disk().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_since_makes_nobody_unknown() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    written(&place, clock);
    let set_back = Clock::starting_at(NOW - Duration::from_secs(3600));
    let (_, restored, registry) = found(&place, set_back).unwrap();
    assert_eq!(restored, Repaired { registered: 2, cancelled: 1 });
    let one = registry.lease("A/one").unwrap();
    assert!(one.last_heard() <= set_back.now(), "nobody is heard in the future");
}

#[tokio::test(start_paused = true)]
async fn beside_a_copy_who_was_heard_in_the_future_is_not_taken() {
    let (place, clock) = (Place::new(), Clock::starting_at(NOW));
    written(&place, clock);
    let set_back = Clock::starting_at(NOW - Duration::from_secs(3600));
    let registry = registry(2, set_back);
    let snapshots = snapshots(&place.0, &registry, set_back);
    let header = snapshots.look(|_| false, || false).unwrap();
    snapshots.restore(&header, Restore::BesideCopy);
    assert!(registry.is_empty(), "nobody knows how long they have been silent, and the peer would know them");
}
