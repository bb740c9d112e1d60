//! The queue of a peer, rule by rule and by random histories.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::model::AppName;

const NOW: Timestamp = Timestamp(1_000_000);

fn task(action: Action, id: &str) -> ReplicationTask {
    let key = InstanceKey::new(&AppName::new("a"), id);
    ReplicationTask { action, key, lease: None, by: None, expires: NOW + Duration::from_secs(30) }
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
fn the_queue_is_counted_and_dated() {
    let (mut batcher, later) = (Batcher::new(100), NOW + Duration::from_millis(5));
    assert_eq!((batcher.len(), batcher.is_empty(), batcher.oldest()), (0, true, None));
    assert_eq!((batcher.dropped(), batcher.expired()), (0, 0));
    batcher.offer(task(Action::Heartbeat, "1"), NOW);
    batcher.offer(task(Action::Register, "2"), later);
    assert_eq!((batcher.len(), batcher.is_empty(), batcher.oldest()), (2, false, Some(NOW)));
    assert_eq!(batch(&mut batcher, later).len(), 2);
    batcher.offer(task(Action::Register, "3"), later);
    assert_eq!((batcher.len(), batcher.oldest()), (3, Some(NOW)), "what is on its way counts");
    batcher.outcome(Outcome::Delivered, &mut rng(), later);
    assert_eq!((batcher.len(), batcher.oldest()), (1, Some(later)));
}

#[test]
fn half_of_a_batch_is_kept_for_heartbeats_that_waited_their_time() {
    let (early, due) = (NOW + HEARTBEAT_LINGER - Duration::from_millis(1), NOW + HEARTBEAT_LINGER);
    let changes = |batch: &[(Action, String)]| batch.iter().filter(|(action, _)| *action == Action::Register).count();
    for (waiting, most_changes) in [(0, BATCH_SIZE), (10, BATCH_SIZE - 10), (200, BATCH_SIZE / 2)] {
        let filled = || {
            let mut batcher = Batcher::new(1000);
            (0..waiting).for_each(|id| batcher.offer(task(Action::Heartbeat, &id.to_string()), NOW));
            (1000..1300).for_each(|id| batcher.offer(task(Action::Register, &id.to_string()), early));
            batcher
        };
        assert_eq!(changes(&batch(&mut filled(), early)), BATCH_SIZE, "heartbeats that can wait do");
        let batch = batch(&mut filled(), due);
        assert_eq!((changes(&batch), batch.len()), (most_changes, BATCH_SIZE), "{waiting} waited");
    }
}

#[test]
fn a_registration_replaces_the_heartbeat_before_it() {
    let mut batcher = Batcher::new(100);
    batcher.offer(task(Action::Heartbeat, "1"), NOW);
    batcher.offer(task(Action::Register, "1"), NOW);
    assert_eq!(batch(&mut batcher, NOW), [(Action::Register, "1".to_owned())]);
    batcher.outcome(Outcome::Delivered, &mut rng(), NOW);
    batcher.flush();
    batcher.offer(task(Action::Heartbeat, "2"), NOW);
    assert_eq!(batch(&mut batcher, NOW), [(Action::Heartbeat, "2".to_owned())]);
    batcher.offer(task(Action::Register, "2"), NOW);
    batcher.outcome(Outcome::NetworkFailed, &mut rng(), NOW);
    let later = NOW + Duration::from_secs(1);
    assert_eq!(batch(&mut batcher, later), [(Action::Register, "2".to_owned())], "also one that was on its way");
}

#[test]
fn pauses_double_up_to_two_seconds_while_the_network_fails() {
    let (mut batcher, mut now, mut rng) = (Batcher::new(100), NOW, rng());
    batcher.offer(task(Action::Register, "1"), now);
    for millis in [100, 200, 400, 800, 1600, 2000, 2000] {
        let Next::Batch(_) = batcher.next(now) else { panic!("it is tried again") };
        batcher.outcome(Outcome::NetworkFailed, &mut rng, now);
        let Next::WaitUntil(at) = batcher.next(now) else { panic!("no pause") };
        let pause = Duration::from_millis(millis);
        assert!((pause.mul_f64(0.8)..=pause.mul_f64(1.2)).contains(&at.since(now)), "{pause:?}: {:?}", at.since(now));
        now = at;
    }
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
fn an_undelivered_task_is_given_up_in_time() {
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
    /// Whatever is offered, and whatever the outcomes of batches are: the queue keeps its limit, and the last registration or
    /// cancellation of an instance that a peer receives is the last one that was offered.
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
                    // An answer may be lost after the batch was applied: then the peer has received it, and receives it again.
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
