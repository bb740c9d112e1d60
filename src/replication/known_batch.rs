//! The batch for one of our own replicas. It has what is known of an instance by now, not what was done to it.
//!
//! The latest state is sent, whatever was queued, so a batch that arrives late or twice can undo nothing.

use std::collections::HashSet;

use super::{PeerClock, ReplicationTask};
use crate::codec::json::encode::{KnownItem, ReplicationItem, replication_list};
use crate::model::{Action, Fact, Heard, LeaseInfo, Record, Tombstone};
use crate::registry::InstanceRegistry;
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
    replication_list(items.iter().map(|(task, item)| wire_item(task, item, clock)), &mut body);
    (items.into_iter().map(|(task, _)| task.clone()).collect(), body)
}

fn wire_item<'a>(task: &'a ReplicationTask, item: &'a Item, clock: &PeerClock) -> ReplicationItem<'a> {
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
    }
}
