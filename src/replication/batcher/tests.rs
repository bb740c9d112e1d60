//! The queue of a peer, rule by rule and by random histories.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::model::AppName;

const NOW: Timestamp = Timestamp(1_000_000);

fn task(action: Action, id: &str) -> ReplicationTask {
    let key = InstanceKey::new(&AppName::new("a"), id);
    ReplicationTask { action, key, lease: None, expires: NOW + Duration::from_secs(30) }
}

fn batch(batcher: &mut Batcher, now: Timestamp) -> Vec<(Action, String)> {
    match batcher.next(now) {
        Next::Batch(tasks) => tasks.into_iter().map(|task| (task.action, task.key.id().to_owned())).collect(),
        Next::WaitUntil(_) | Next::Idle => Vec::new(),
    }
}

fn rng() -> SmallRng {
    SmallRng::seed_from_u64(1)
}

#[test]
fn a_change_goes_at_once_and_what_comes_meanwhile_next() {
    let mut batcher = Batcher::new(100);
    batcher.offer(task(Action::Register, "1"), NOW);
    assert_eq!(batch(&mut batcher, NOW), [(Action::Register, "1".to_owned())]);
    batcher.offer(task(Action::Register, "2"), NOW);
    batcher.offer(task(Action::Heartbeat, "3"), NOW);
    assert!(batch(&mut batcher, NOW).is_empty(), "one batch is on its way");
    batcher.outcome(Outcome::Delivered, &mut rng(), NOW);
    assert_eq!(batch(&mut batcher, NOW).len(), 2, "a heartbeat goes with a change");
}

#[test]
fn heartbeats_wait_for_company() {
    let mut batcher = Batcher::new(1000);
    batcher.offer(task(Action::Heartbeat, "1"), NOW);
    assert!(matches!(batcher.next(NOW), Next::WaitUntil(at) if at == NOW + HEARTBEAT_LINGER));
    (0..300).for_each(|id| batcher.offer(task(Action::Heartbeat, &id.to_string()), NOW));
    assert_eq!(batch(&mut batcher, NOW).len(), BATCH_SIZE, "enough of them do not wait");
    batcher.outcome(Outcome::Delivered, &mut rng(), NOW);
    batcher.flush();
    assert_eq!(batch(&mut batcher, NOW).len(), 50, "nor do those of a process that ends");
}

#[test]
fn a_cancellation_takes_back_what_waits_and_stays_before_what_follows() {
    let mut batcher = Batcher::new(100);
    for action in [Action::Register, Action::Heartbeat, Action::StatusUpdate, Action::Cancel, Action::Register] {
        batcher.offer(task(action, "1"), NOW);
    }
    assert_eq!(batch(&mut batcher, NOW), [(Action::Cancel, "1".to_owned()), (Action::Register, "1".to_owned())]);
}

#[test]
fn the_last_of_two_statuses_holds() {
    let mut batcher = Batcher::new(100);
    for action in [Action::StatusUpdate, Action::DeleteStatusOverride, Action::StatusUpdate] {
        batcher.offer(task(action, "1"), NOW);
    }
    assert_eq!(batch(&mut batcher, NOW), [(Action::StatusUpdate, "1".to_owned())]);
}

#[test]
fn a_failed_batch_is_sent_again_after_a_pause_without_what_was_superseded() {
    let mut batcher = Batcher::new(100);
    batcher.offer(task(Action::Register, "1"), NOW);
    batcher.offer(task(Action::Register, "2"), NOW);
    assert_eq!(batch(&mut batcher, NOW).len(), 2);
    batcher.offer(task(Action::Cancel, "1"), NOW);
    batcher.outcome(Outcome::NetworkFailed, &mut rng(), NOW);
    let Next::WaitUntil(at) = batcher.next(NOW) else { panic!("no pause") };
    assert!(at >= NOW + Duration::from_millis(80) && at <= NOW + Duration::from_millis(120));
    assert_eq!(batch(&mut batcher, at), [(Action::Register, "2".to_owned()), (Action::Cancel, "1".to_owned())]);
    batcher.outcome(Outcome::Congested, &mut rng(), at);
    assert!(matches!(batcher.next(at), Next::WaitUntil(later) if later >= at + Duration::from_millis(800)));
}

#[test]
fn what_cannot_be_delivered_in_time_is_given_up() {
    let mut batcher = Batcher::new(100);
    batcher.offer(task(Action::Register, "1"), NOW);
    assert!(matches!(batcher.next(NOW + Duration::from_secs(30)), Next::Idle));
    assert_eq!((batcher.len(), batcher.expired()), (0, 1));
    batcher.check();
}

#[test]
fn a_full_queue_drops_heartbeats_before_changes() {
    let mut batcher = Batcher::new(3);
    batcher.offer(task(Action::Register, "1"), NOW);
    batcher.offer(task(Action::Heartbeat, "2"), NOW);
    batcher.offer(task(Action::Register, "3"), NOW);
    batcher.offer(task(Action::Register, "4"), NOW);
    assert_eq!(batch(&mut batcher, NOW).iter().filter(|(action, _)| *action == Action::Register).count(), 3);
    assert_eq!(batcher.dropped(), 1);
}

proptest! {
    /// Whatever is offered and however batches fare: the queue keeps its bound, and what a peer is told last of an
    /// instance's coming and going is what was offered last of it.
    #[test]
    fn the_last_word_of_each_instance_arrives(ops in proptest::collection::vec((0u8..6, 0u8..3, any::<bool>()), 1..200)) {
        let mut batcher = Batcher::new(1000);
        let mut now = NOW;
        let (mut offered, mut told) = (HashMap::new(), HashMap::new());
        let mut rng = rng();
        for (op, id, fails) in ops {
            let id = id.to_string();
            match op {
                0 | 1 => {
                    batcher.offer(task(Action::Register, &id), now);
                    offered.insert(id, Action::Register);
                }
                2 => {
                    batcher.offer(task(Action::Cancel, &id), now);
                    offered.insert(id, Action::Cancel);
                }
                3 => batcher.offer(task(Action::Heartbeat, &id), now),
                _ => {
                    let tasks = batch(&mut batcher, now);
                    // An answer may be lost after the batch was applied: it counts as told, and is told again.
                    for (action, id) in tasks.iter().filter(|(action, _)| matches!(action, Action::Register | Action::Cancel)) {
                        told.insert(id.clone(), *action);
                    }
                    if !tasks.is_empty() {
                        let outcome = if fails { Outcome::NetworkFailed } else { Outcome::Delivered };
                        batcher.outcome(outcome, &mut rng, now);
                    }
                    now = now + Duration::from_millis(1);
                }
            }
            batcher.check();
            prop_assert!(batcher.len() <= 12);
        }
        for _ in 0..100 {
            for (action, id) in batch(&mut batcher, now) {
                if matches!(action, Action::Register | Action::Cancel) {
                    told.insert(id, action);
                }
            }
            batcher.outcome(Outcome::Delivered, &mut rng, now);
            now = now + Duration::from_millis(100);
        }
        prop_assert!(batcher.is_empty());
        prop_assert_eq!(told, offered);
    }
}
