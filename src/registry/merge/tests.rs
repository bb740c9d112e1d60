//! Replicas that exchange records in the form in which peers send them.

mod histories;
mod records;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::codec::exchange::{decode_heard, decode_records, encode_heard};
use crate::model::{AppName, InstanceInfo, InstanceStatus};
use crate::registry::Options;

const START: Timestamp = Timestamp(1_700_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// Replicas whose clocks differ by an hour each.
struct Cluster {
    replicas: Vec<InstanceRegistry>,
    secs: u64,
}

impl Cluster {
    fn new(count: usize) -> Self {
        let opened = |replica| Self::opened_at(replica, clock(replica, START - Duration::from_secs(60)));
        Self { replicas: (0..count).map(opened).collect(), secs: 0 }
    }

    fn opened_at(replica: usize, opened: Timestamp) -> InstanceRegistry {
        let options = Options { enable_self_preservation: false, ..Options::default() };
        let registry = InstanceRegistry::new(options, replica as u64 + 1, opened);
        registry.open_for_traffic(0, opened);
        registry
    }

    /// Opens one more replica now, without a copy.
    fn start_another(&mut self) {
        let replica = self.replicas.len();
        self.replicas.push(Self::opened_at(replica, self.now(replica)));
    }

    fn at(&mut self, secs: u64) -> &Self {
        self.secs = secs;
        self
    }

    fn now(&self, replica: usize) -> Timestamp {
        clock(replica, START + Duration::from_secs(self.secs))
    }

    fn register(&self, replica: usize, id: &str, last_dirty: i64) {
        self.replicas[replica].register(instance(id, last_dirty), Source::Client, self.now(replica));
    }

    fn renew(&self, replica: usize, id: &str) -> bool {
        let renewed = self.replicas[replica].renew(&key(id), self.now(replica));
        matches!(renewed, crate::registry::Renewal::Renewed(_))
    }

    fn cancel(&self, replica: usize, id: &str) -> bool {
        self.replicas[replica].cancel(&key(id), Source::Client, self.now(replica)).is_some()
    }

    fn set(&self, replica: usize, id: &str, status: InstanceStatus) -> bool {
        self.replicas[replica].status_update(&key(id), status, None, Source::Client, self.now(replica)).is_some()
    }

    fn remove_override(&self, replica: usize, id: &str) -> bool {
        let (up, now) = (InstanceStatus::Up, self.now(replica));
        self.replicas[replica].delete_status_override(&key(id), up, None, Source::Client, now).is_some()
    }

    /// The stamp of the registration that a replica knows.
    fn registration(&self, replica: usize, id: &str) -> Option<crate::model::Stamp> {
        self.replicas[replica].lease(&key(id)).map(|lease| lease.with_record(|record| record.data.registered))
    }

    /// Whether an instance is about to be overdue or expired at some replica.
    fn is_on_the_edge(&self) -> bool {
        let edge = |silent: Duration| [90, 180].iter().any(|edge| (edge - 4..edge + 4).contains(&silent.as_secs()));
        (0..self.replicas.len()).any(|replica| {
            let held = self.replicas[replica].snapshot();
            held.iter().any(|one| edge(self.now(replica).since(one.lease.last_heard())))
        })
    }

    fn evict(&self, replica: usize) -> usize {
        self.replicas[replica].evict(&mut SmallRng::seed_from_u64(1), self.now(replica))
    }

    /// `to` compares with `from`, as replicas do every two seconds.
    fn compare(&self, to: usize, from: usize) -> Repaired {
        let (ours, theirs) = (&self.replicas[to], &self.replicas[from]);
        let (mine, other) = (ours.digests(self.now(to)), theirs.digests(self.now(from)));
        ours.meet(other.clock, self.now(to));
        theirs.meet(mine.clock, self.now(from));
        let differs = |app: &&String| mine.applications.get(*app) != other.applications.get(*app);
        let mut request =
            RecordsRequest { applications: other.applications.keys().filter(differs).cloned().collect(), after: None };
        let mut repaired = Repaired::default();
        for page in 0.. {
            assert!(page < 100, "the records have no end");
            let mut body = Vec::new();
            theirs.encode_records(&request, &mut body);
            let mut records = decode_records(&body, self.now(to)).unwrap();
            for (_, heard) in &mut records.registered {
                heard.at = translated(heard.at, from, to);
            }
            request.after = records.next.take();
            repaired += ours.merge(records, self.now(to));
            if request.after.is_none() {
                break;
            }
        }
        repaired.cancelled += self.ask(to, from);
        ours.check();
        repaired
    }

    /// `to` asks `from` for the last renewals of the instances that have missed a heartbeat at `to`.
    fn ask(&self, to: usize, from: usize) -> usize {
        let quiet = self.replicas[to].quiet(None, 100, self.now(to));
        let keys: Vec<String> = quiet.iter().map(ToString::to_string).collect();
        let mut body = Vec::new();
        encode_heard(&self.replicas[from].when_heard(&keys, self.now(from)), &mut body);
        let mut answer = decode_heard(&body).unwrap();
        for heard in answer.heard.iter_mut().flatten() {
            heard.at = translated(heard.at, from, to);
        }
        self.replicas[to].take_heard(&quiet, &answer, self.now(to))
    }

    fn compare_all(&self) {
        let count = self.replicas.len();
        for _ in 0..count {
            for to in 0..count {
                (0..count).filter(|from| *from != to).for_each(|from| _ = self.compare(to, from));
            }
        }
    }

    /// What readers see at a replica: status, override, version and metadata.
    fn seen(&self, replica: usize) -> BTreeMap<String, String> {
        let held = self.replicas[replica].snapshot();
        let text = |info: &InstanceInfo| {
            let metadata: Vec<_> = info.metadata.iter().collect();
            format!("{} {} {} {metadata:?}", info.status, info.overridden_status, info.last_dirty)
        };
        held.iter().map(|one| (one.info().id().to_owned(), text(one.info()))).collect()
    }

    /// All replicas know the same, and a comparison finds no difference.
    fn agree(&self) -> BTreeMap<String, String> {
        self.compare_all();
        for replica in 1..self.replicas.len() {
            assert_eq!(self.seen(0), self.seen(replica), "registry-0 and registry-{replica}");
            let digest = |replica: usize| self.replicas[replica].digest(self.now(replica)).total;
            assert_eq!(digest(0), digest(replica));
            assert!(
                self.compare(0, replica).is_none() && self.compare(replica, 0).is_none(),
                "nothing is left to repair"
            );
        }
        self.seen(0)
    }

    fn status(&self, id: &str) -> String {
        self.agree()[id].split(' ').next().unwrap().to_owned()
    }
}

fn clock(replica: usize, now: Timestamp) -> Timestamp {
    now + HOUR * u32::try_from(replica).unwrap()
}

/// A time as the clock of another replica reads, half a second older, as a slow call makes it.
fn translated(at: Timestamp, from: usize, to: usize) -> Timestamp {
    clock(to, at) - HOUR * u32::try_from(from).unwrap() - Duration::from_millis(500)
}

fn key(id: &str) -> String {
    format!("A/{id}")
}

fn instance(id: &str, last_dirty: i64) -> InstanceInfo {
    let mut info = InstanceInfo::new(AppName::new("a"), "h", "1.2.3.4", START);
    info.instance_id = Some(id.into());
    info.last_dirty = Timestamp(last_dirty);
    info
}

#[test]
fn a_registration_that_never_arrived_is_taken_over_with_its_age() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.at(30).agree();
    let lease = cluster.replicas[1].lease("A/1").unwrap();
    assert_eq!(lease.last_heard(), clock(1, START) - Duration::from_millis(500), "never younger than it is");
    assert!(
        lease.is_expired(Duration::ZERO, clock(1, START + Duration::from_secs(91))),
        "it lasts no longer than there"
    );
}

#[test]
fn what_is_told_again_keeps_its_age() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.agree();
    cluster.at(1).set(0, "1", InstanceStatus::Down);
    cluster.at(60).compare(1, 0);
    let lease = cluster.replicas[1].lease("A/1").unwrap();
    assert_eq!(lease.status_override(), Some(InstanceStatus::Down));
    assert_eq!(lease.last_heard(), clock(1, START) + Duration::from_millis(500), "not when it was told of");
}

#[test]
fn an_evicted_instance_comes_back_from_no_replica() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.agree();
    cluster.at(91);
    assert_eq!(cluster.evict(0), 1);
    assert!(cluster.compare(0, 1).is_none(), "the other has it still");
    assert_eq!(cluster.compare(1, 0).cancelled, 1, "which gives it up, since nobody has heard it");
    assert!(cluster.agree().is_empty());
}

#[test]
fn an_evicted_instance_comes_back_when_it_was_heard_elsewhere_since() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.agree();
    assert!(cluster.at(60).renew(1, "1"));
    assert_eq!(cluster.at(95).evict(0), 1, "nobody was asked");
    assert_eq!(cluster.agree().len(), 1);
    cluster.at(120);
    assert_eq!(cluster.replicas[0].expired(cluster.now(0)).len(), 0, "and lasts as long as there");
}

/// Only the first can call the one where the client renews; the second can call the first.
#[test]
fn an_instance_that_is_heard_only_through_a_third_replica_is_not_evicted() {
    let mut cluster = Cluster::new(3);
    cluster.register(2, "1", 1);
    cluster.agree();
    for secs in [30, 60] {
        assert!(cluster.at(secs).renew(2, "1"));
        cluster.at(secs + 18).compare(0, 2);
    }
    cluster.at(93).ask(1, 0);
    assert_eq!(cluster.evict(1), 0, "the first has asked before");
}

#[test]
fn a_replica_that_just_started_takes_over_overdue_instances_and_calls_none_dead() {
    let mut cluster = Cluster::new(1);
    cluster.register(0, "1", 1);
    cluster.renew(0, "1");
    cluster.at(100);
    cluster.start_another();
    assert!(cluster.compare(0, 1).is_none(), "it lacks the instance because it is new");
    assert_eq!(cluster.agree().len(), 1);
    cluster.at(181);
    assert_eq!((cluster.evict(0), cluster.evict(1)), (1, 1), "with the age that it has");
    assert!(cluster.agree().is_empty());
}

#[test]
fn only_a_copy_at_the_start_takes_over_an_instance_whose_lease_has_expired() {
    let mut cluster = Cluster::new(1);
    cluster.register(0, "1", 1);
    cluster.renew(0, "1");
    cluster.at(150);
    cluster.start_another();
    assert!(cluster.at(181).compare(1, 0).is_none(), "the first was frozen, and has not evicted it yet");
    let starting = InstanceRegistry::new(Options::default(), 3, cluster.now(2));
    cluster.replicas.push(starting);
    assert_eq!(cluster.compare(2, 0).registered, 1, "the first may keep it in self-preservation");
}

#[test]
fn a_cancellation_is_carried_out_however_late_it_is_found() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.agree();
    assert!(cluster.at(10).cancel(0, "1"));
    assert!(cluster.at(20).renew(1, "1"), "a heartbeat is no registration");
    cluster.at(3_000);
    assert_eq!(cluster.compare(1, 0).cancelled, 1);
    assert!(cluster.agree().is_empty());
}

#[test]
fn a_cancellation_that_was_forgotten_is_found_out_once_the_instance_is_overdue() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.agree();
    cluster.at(10).cancel(0, "1");
    cluster.at(11_000);
    cluster.replicas[0].digest(cluster.now(0));
    assert_eq!(cluster.replicas[0].content.lock().tombstones().count(), 0, "three hours are over");
    assert_eq!(cluster.replicas[1].len(), 1);
    assert!(cluster.agree().is_empty());
}

/// The stamp clock of the first leaps by an hour, so the cancellation seems an hour old.
#[test]
fn a_cancellation_holds_though_a_replica_comes_whose_clock_is_ahead() {
    let mut cluster = Cluster::new(3);
    cluster.register(0, "1", 1);
    cluster.compare(1, 0);
    cluster.compare(2, 1);
    cluster.at(10).cancel(0, "1");
    cluster.at(20).compare(0, 2);
    assert!(cluster.agree().is_empty());
}

#[test]
fn an_evicted_instance_does_not_come_back_by_a_heartbeat_that_only_seems_later() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.agree();
    cluster.secs = 50;
    cluster.start_another();
    cluster.compare(2, 1);
    assert_eq!(cluster.at(91).evict(2), 1);
    assert!(cluster.compare(2, 0).is_none(), "by way of the second it seemed half a second older");
}

#[test]
fn an_evicted_instance_does_not_come_back_by_a_time_from_when_ages_were_too_low() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.agree();
    assert_eq!(cluster.at(91).evict(0), 1);
    cluster.at(92);
    cluster.replicas[0].ages_were_too_low(cluster.now(0));
    // A machine that was suspended is back, and its replica takes what it heard for new.
    assert!(cluster.at(91).renew(1, "1"));
    assert!(cluster.at(93).compare(0, 1).is_none(), "it may have been heard long ago");
    assert!(cluster.renew(1, "1"));
    assert_eq!(cluster.at(95).compare(0, 1).registered, 1, "it was heard since");
}

#[test]
fn a_cancellation_is_known_also_where_the_instance_never_was() {
    let mut cluster = Cluster::new(3);
    cluster.register(2, "1", 1);
    cluster.compare(0, 2);
    cluster.at(10).cancel(0, "1");
    cluster.compare(1, 0);
    assert!(cluster.at(20).compare(1, 2).is_none(), "who missed the cancellation brings nothing back");
    assert!(cluster.agree().is_empty());
}

#[test]
fn an_instance_that_registered_again_after_a_cancellation_stays() {
    let mut cluster = Cluster::new(2);
    cluster.register(1, "1", 1);
    cluster.agree();
    cluster.at(10).cancel(0, "1");
    cluster.at(20).register(1, "1", 2);
    assert_eq!(cluster.at(25).agree().len(), 1);
}

#[test]
fn the_override_changed_last_holds_though_the_other_was_not_known() {
    use InstanceStatus::{Down, OutOfService};
    for (first, second) in [(0, 1), (1, 0)] {
        let mut cluster = Cluster::new(2);
        cluster.register(0, "1", 1);
        cluster.set(0, "1", OutOfService);
        cluster.agree();
        cluster.at(10).remove_override(first, "1");
        cluster.at(11).set(second, "1", Down);
        assert_eq!(cluster.status("1"), "DOWN", "removed at {first}, then set at {second}");

        cluster.at(20).set(first, "1", OutOfService);
        cluster.at(21).remove_override(second, "1");
        assert_eq!(cluster.status("1"), "UP", "set at {first}, then removed at {second}");
    }
}

#[test]
fn a_command_that_changes_nothing_here_holds_against_an_earlier_one_elsewhere() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.agree();
    cluster.at(10).set(1, "1", InstanceStatus::Down);
    assert!(cluster.at(11).set(0, "1", InstanceStatus::Up), "it is UP here");
    assert_eq!(cluster.status("1"), "UP");
    cluster.at(20).set(1, "1", InstanceStatus::Down);
    assert!(cluster.at(21).remove_override(0, "1"), "there is no override here");
    assert_eq!(cluster.status("1"), "UP");
}

#[test]
fn metadata_changed_on_both_sides_becomes_the_later() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.agree();
    cluster.at(10);
    for replica in [1, 0] {
        cluster.secs += 1;
        let value = format!("{replica}");
        cluster.replicas[replica]
            .update_metadata("A/1", [("k", value.as_str())], Source::Client, cluster.now(replica))
            .into_result()
            .unwrap();
    }
    assert!(cluster.agree()["1"].ends_with("[(\"k\", \"0\")]"));
}

#[test]
fn metadata_that_is_changed_while_a_status_is_overridden_does_not_outlive_the_override() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.set(0, "1", InstanceStatus::OutOfService);
    cluster.agree();
    cluster.at(10).remove_override(0, "1");
    let at = cluster.at(11).now(1);
    cluster.replicas[1].update_metadata("A/1", [("k", "v")], Source::Client, at).into_result().unwrap();
    assert_eq!(cluster.status("1"), "UP");
}

#[test]
fn data_that_is_kept_from_an_older_registration_does_not_outlive_the_override() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 2);
    cluster.set(0, "1", InstanceStatus::OutOfService);
    cluster.agree();
    cluster.at(10).remove_override(0, "1");
    cluster.at(11).register(1, "1", 1);
    assert_eq!(cluster.status("1"), "UP");
}

#[test]
fn an_instance_that_renews_at_any_replica_is_evicted_at_none() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.renew(0, "1");
    cluster.agree();
    cluster.at(170).renew(0, "1");
    cluster.at(185);
    assert_eq!(cluster.replicas[1].expired(cluster.now(1)).len(), 1);
    cluster.ask(1, 0);
    assert_eq!(cluster.evict(1), 0);
    assert_eq!(cluster.agree().len(), 1);
}

#[test]
fn remembered_cancellations_are_bounded() {
    let cluster = Cluster::new(1);
    for id in 0..20_100 {
        cluster.register(0, &id.to_string(), 1);
        cluster.cancel(0, &id.to_string());
    }
    assert_eq!(cluster.replicas[0].content.lock().tombstones().count(), 20_000);
    cluster.replicas[0].check();
}

#[test]
fn a_time_in_the_future_keeps_no_instance() {
    let mut cluster = Cluster::new(1);
    cluster.register(0, "1", 1);
    let far = cluster.now(0) + HOUR;
    cluster.replicas[0].merge_renewed("A/1", far, cluster.now(0));
    assert_eq!(cluster.at(181).evict(0), 1);
}

#[test]
fn a_time_that_is_further_ahead_than_a_second_is_not_believed() {
    // The call waited while the machine of registry-1 was suspended. By the clock that it had before, the times were right.
    let mut cluster = Cluster::new(2);
    let merge = |cluster: &Cluster, id: &str, ahead: u64| {
        let (fact, lease) = cluster.replicas[0].known(&key(id)).unwrap();
        let (now, renewed) = (cluster.now(1), lease.unwrap().heard().renewed);
        let heard = Heard { at: now + Duration::from_millis(ahead), renewed };
        cluster.replicas[1].merge_fact(fact, Some(heard), &Source::Peer.into(), now)
    };
    for id in ["1", "2", "3"] {
        cluster.register(0, id, 1);
    }
    assert!(!merge(&cluster, "1", 1001), "it may have been evicted since");
    assert!(merge(&cluster, "2", 1000) && merge(&cluster, "3", 0), "clocks are read to within a call");
    assert_eq!(cluster.agree().len(), 3, "a comparison brings it with its true age");
    cluster.at(60);
    cluster.register(0, "3", 2);
    assert!(merge(&cluster, "3", 60_000), "its registration is later");
    cluster.replicas[1].merge_renewed(&key("2"), cluster.now(1) + Duration::from_secs(60), cluster.now(1));
    cluster.at(91);
    assert_eq!(cluster.replicas[1].expired(cluster.now(1)).len(), 3, "none was certainly heard since");
}
