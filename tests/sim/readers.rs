//! Readers that fetch everything once, follow deltas and compare hash codes, as Eureka's clients do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eureka_registry::model::{AppsHashCode, InstanceStatus};
use http::Method;
use serde_json::Value as Json;
use tokio::time::sleep;

use crate::clients::{RENEWAL, send};
use crate::oracle::Aspect;
use crate::replicas::RETENTION;
use crate::view::{client_of, id};
use crate::wire::request;
use crate::world::{State, World};

pub(crate) const READERS: usize = 2;
/// Some read so rarely that the delta no longer has what they missed.
const POLLS: [Duration; READERS] = [Duration::from_secs(3), Duration::from_secs(17)];

/// For how long replicas may tell each other of a full fetch: each is in doubt for three renewal intervals.
const PASSED_ON: u64 = 2 * 3 * RENEWAL.as_secs() * 1000;

/// The list of a reader, and its origin.
#[derive(Debug, Default)]
struct Known {
    statuses: Option<BTreeMap<String, InstanceStatus>>,
    /// The process that answered last, and when.
    from: (usize, u64),
    at: u64,
    /// Whether a delta lacked changes, and the hash code was right by chance.
    is_doubtful: bool,
}

/// A reader's life.
pub(crate) async fn follow(world: Arc<World>, reader: usize) {
    let replicas = world.net.shape.replicas;
    let (mut known, mut replica) = (Known::default(), reader % replicas);
    sleep(Duration::from_millis(730 + 190 * reader as u64)).await;
    loop {
        if !read(&world, replica, &mut known, POLLS[reader]).await {
            replica = (replica + 1) % replicas;
        }
        sleep(POLLS[reader]).await;
    }
}

/// Reads once; returns whether the replica answered.
async fn read(world: &Arc<World>, replica: usize, known: &mut Known, poll: Duration) -> bool {
    if let Some(before) = known.statuses.clone() {
        let Some((answer, from)) = fetch(world, replica, "/eureka/apps/delta").await else { return false };
        let Some(delta) = answer else { return true };
        let after = applied(before, &delta);
        let is_right = hash_of(&after) == delta["applications"]["apps__hashcode"].as_str().unwrap();
        let now = world.now();
        // A replica whose clock leaps keeps no change for as long as it should.
        let leapt = world.state.lock().slots[replica].leapt_at;
        known.is_doubtful |= leapt.is_some_and(|leapt| leapt >= known.at);
        let follows = known.from == from
            && !known.is_doubtful
            && now - known.at + 500 < u64::try_from(RETENTION.as_millis()).unwrap();
        if is_right {
            // The delta of another process need not have all that its list lacks, and the hash code counts instances only.
            known.is_doubtful |= !follows && !world.state.lock().knows(replica, &after);
            read_through(world, known, after, from);
            return true;
        }
        if follows {
            let what = format!("a reader that polls every {poll:?} applied a delta of {replica} and got {after:?}");
            world.state.lock().violated("deltas lead to the hash code", now, format!("{what}, not {delta}"));
        }
    }
    let Some((answer, from)) = fetch(world, replica, "/eureka/apps/").await else { return false };
    let Some(full) = answer else { return true };
    let after = applied(BTreeMap::new(), &full);
    if hash_of(&after) != full["applications"]["apps__hashcode"].as_str().unwrap() {
        world.state.lock().violated("an answer has its hash code", world.now(), full.to_string());
    }
    read_through(world, known, after, from);
    known.is_doubtful = false;
    true
}

/// Sends a request; the answer is `None` if it was refused. Returns the process that answered.
async fn fetch(world: &Arc<World>, replica: usize, path: &str) -> Option<(Option<Json>, (usize, u64))> {
    let handle = Arc::clone(world);
    let is_delta = path.ends_with("delta");
    let request = request(Method::GET, path, Bytes::new());
    let (status, body) = send(world, replica, request, move |_| {
        let now = handle.now();
        let mut state = handle.state.lock();
        // A replica that opened without a copy tells its peers about a full fetch, even if it ends soon after: from then on a delta
        // is no sign that a client had a list before.
        let was_fetched = state.fetched_in_doubt.is_some_and(|at| now < at + PASSED_ON);
        if is_delta && !was_fetched {
            state.signs.push((now, replica));
        } else if !is_delta && state.slots[replica].opened_empty {
            state.fetched_in_doubt = Some(now);
        }
    })
    .await?;
    let incarnation = world.state.lock().slots[replica].incarnation;
    let answer = (status == 200).then(|| serde_json::from_slice(&body).unwrap());
    Some((answer, (replica, incarnation)))
}

/// The list is complete: no living instance is missing.
fn read_through(world: &Arc<World>, known: &mut Known, after: BTreeMap<String, InstanceStatus>, from: (usize, u64)) {
    let now = world.now();
    let before = known.statuses.take().unwrap_or_default();
    let mut state = world.state.lock();
    let is_there = state.slots[from.0].incarnation == from.1;
    for client in state.with_time_to_renew(from.0, now).into_iter().filter(|_| is_there) {
        if !after.contains_key(&id(client)) {
            let what = format!("{} restored {}, and a fetch lacks it", from.0, id(client));
            state.violated("what was kept is known", now, what);
        }
    }
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        state.lost_by_reader(id, from.0, now);
    }
    (known.statuses, known.from, known.at) = (Some(after), from, now);
}

fn applied(mut known: BTreeMap<String, InstanceStatus>, answer: &Json) -> BTreeMap<String, InstanceStatus> {
    for application in answer["applications"]["application"].as_array().unwrap() {
        for instance in application["instance"].as_array().unwrap() {
            let id = instance["instanceId"].as_str().unwrap().to_owned();
            let status = InstanceStatus::from_name(instance["status"].as_str().unwrap()).unwrap();
            if instance["actionType"] == "DELETED" {
                known.remove(&id);
            } else {
                known.insert(id, status);
            }
        }
    }
    known
}

fn hash_of(statuses: &BTreeMap<String, InstanceStatus>) -> String {
    statuses.values().copied().collect::<AppsHashCode>().to_string()
}

impl State {
    /// Whether a replica shows exactly this.
    fn knows(&self, replica: usize, statuses: &BTreeMap<String, InstanceStatus>) -> bool {
        let shown = self.slots[replica].view.iter().flatten().map(|(id, held)| (id, &held.seen.status));
        shown.eq(statuses)
    }

    /// A reader had an instance, and a replica's answer took it away.
    fn lost_by_reader(&mut self, id: &str, replica: usize, now: u64) {
        let Some(client) = client_of(id).filter(|client| self.clients[*client].lives) else { return };
        let slot = &self.slots[replica];
        let refused = u64::try_from(RENEWAL.as_millis()).unwrap() * 3 / 2;
        let opened = slot.opened.unwrap_or_default();
        // A registry that has lost its memory refuses reads until its clients have had time to register again: since the first sign
        // that it saw, or that a peer told it of.
        let sign_here = self.signs.iter().find(|(at, place)| *place == replica && *at >= opened).map(|(at, _)| *at);
        let was_told =
            |sign: u64| self.signs.iter().any(|(at, place)| *place != replica && *at < sign && *at + refused >= opened);
        let may_not_be_read = slot.opened_empty
            && slot.leapt_at.is_none()
            && sign_here.is_some_and(|sign| now < sign + refused && !was_told(sign));
        // A process that was frozen answers all waiting requests in one millisecond, perhaps the reader's first.
        let registered_just_now = self.oracle.last(client, Aspect::Presence).is_some_and(|event| event.applied == now);
        if may_not_be_read && self.was_present_before(client, opened) {
            self.violated("whole or closed", now, format!("{replica} lost its memory, and took {id} from a reader"));
        } else if self.must_show(client, replica, now) && !registered_just_now {
            self.violated("no loss", now, format!("a reader lost {id} by an answer of {replica}"));
        }
    }
}
