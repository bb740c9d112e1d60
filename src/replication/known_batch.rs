//! The batch for one of our own replicas. It has what is known of an instance by now, not what was done to it.
//!
//! The latest state is sent, whatever was queued, so a batch that arrives late or twice can undo nothing.

use std::collections::{HashMap, HashSet};

use super::{PeerClock, ReplicationTask};
use crate::codec::json::encode::{KnownItem, ReplicationItem, replication_list};
use crate::model::{Action, Fact, Heard, LeaseInfo, Record, Tombstone};
use crate::registry::{Caller, InstanceRegistry, Reason};
use crate::time::Timestamp;

/// One item, as it is when the batch is put together.
enum Item {
    Registered(LeaseInfo, Box<Record>, Heard),
    Cancelled(Tombstone),
    Renewed(Timestamp, Timestamp),
}

/// The batch for these tasks, and the tasks of its items. Several tasks of one instance become one item; an instance that was
/// evicted meanwhile becomes none.
pub(super) fn encode(
    tasks: &[ReplicationTask],
    registry: &InstanceRegistry,
    clock: &PeerClock,
) -> (Vec<ReplicationTask>, Vec<u8>) {
    let mut told = HashSet::new();
    // Of several changes of an instance the last one made its state.
    let changes = tasks.iter().filter(|task| task.action != Action::Heartbeat);
    let by: HashMap<_, _> = changes.map(|task| (&task.key, task.by.as_deref())).collect();
    let mut items = Vec::with_capacity(tasks.len());
    for task in tasks {
        let item = match (task.action, &task.lease) {
            (Action::Heartbeat, Some(lease)) => {
                let last_dirty = lease.with_record(|record| record.info.last_dirty);
                Some(Item::Renewed(lease.last_heard(), last_dirty))
            }
            _ if !told.insert(&task.key) => None,
            _ => match registry.known(task.key.as_str()) {
                Some((Fact::Registered(record), Some(lease))) => {
                    Some(Item::Registered(lease.info(&record.info), record, lease.heard()))
                }
                Some((Fact::Cancelled(tombstone), _)) => Some(Item::Cancelled(tombstone)),
                Some((Fact::Registered(_), None)) | None => None,
            },
        };
        items.extend(item.map(|item| (task, item)));
    }
    let mut body = Vec::with_capacity(items.len() * 200);
    replication_list(
        items.iter().map(|(task, item)| wire_item(task, item, by.get(&task.key).copied().flatten(), clock)),
        &mut body,
    );
    (items.into_iter().map(|(task, _)| task.clone()).collect(), body)
}

fn wire_item<'a>(
    task: &'a ReplicationTask,
    item: &'a Item,
    by: Option<&'a Caller>,
    clock: &PeerClock,
) -> ReplicationItem<'a> {
    let by = by.filter(|_| task.action != Action::Heartbeat);
    // The peer has answered a call before, which shows its clock.
    let there = |at: Timestamp| clock.to_theirs(at).unwrap_or(Timestamp::NEVER);
    let (action, last_dirty, instance, known) = match item {
        Item::Registered(info, record, heard) => {
            let known = KnownItem::Registered(record, Heard { at: there(heard.at), ..*heard });
            (Action::Register, Some(record.info.last_dirty), Some((&record.info, info)), known)
        }
        Item::Cancelled(tombstone) => (Action::Cancel, None, None, KnownItem::Cancelled(tombstone)),
        Item::Renewed(at, last_dirty) => (Action::Heartbeat, Some(*last_dirty), None, KnownItem::Renewed(there(*at))),
    };
    ReplicationItem {
        action,
        app: task.key.app(),
        id: task.key.id(),
        last_dirty,
        overridden_status: None,
        status: None,
        instance,
        known: Some(known),
        user: by.and_then(Caller::acting_user),
        reason: by.and_then(|by| by.reason.as_ref()).map(Reason::as_str),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::model::{AppName, InstanceInfo};
    use crate::registry::{Options, Source};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn a_change_names_its_user_and_reason_and_a_heartbeat_does_not() {
        let registry = InstanceRegistry::new(Options::default(), 1, NOW);
        let info = InstanceInfo::new(AppName::new("orders"), "h", "10.0.0.1", NOW);
        let lease = registry.register(info, Source::Client, NOW).into_result().lease;
        let caller = Caller { user: Some("admin".into()), ..Caller::from(Source::Client) };
        let caller = Caller { reason: Reason::parse("disk").unwrap(), ..caller };
        let task = |action, by: Option<&Caller>| ReplicationTask {
            action,
            key: lease.key().clone(),
            lease: Some(Arc::clone(&lease)),
            by: by.map(|by| Arc::new(by.clone())),
            expires: NOW,
        };
        let sent = |tasks: &[ReplicationTask]| {
            let (_, body) = encode(tasks, &registry, &PeerClock::default());
            let sent: Value = serde_json::from_slice(&body).unwrap();
            let items = sent["replicationList"].as_array().unwrap().clone();
            items.iter().map(|item| [&item["user"], &item["reason"]].map(Value::clone)).collect::<Vec<_>>()
        };
        let nobody = [Value::Null, Value::Null];
        let admin = [Value::from("admin"), Value::from("disk")];
        let (change, heartbeat) = (task(Action::StatusUpdate, Some(&caller)), task(Action::Heartbeat, None));
        assert_eq!(sent(&[change.clone(), heartbeat]), [admin, nobody.clone()]);
        // Its state is that of the later change.
        assert_eq!(sent(&[change, task(Action::Register, None)]), [nobody]);
    }
}
