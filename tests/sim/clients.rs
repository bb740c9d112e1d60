//! Clients that register, renew and leave, and operators that send commands; and what is noted of the answers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use eureka_registry::http::Connection;
use eureka_registry::model::InstanceStatus;
use http::{Method, Request};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::oracle::{Aspect, Value};
use crate::view::{Held, TAG, id, view};
use crate::wire::request;
use crate::world::{State, World};

/// Clients renew this often.
pub(crate) const RENEWAL: Duration = Duration::from_secs(3);
/// The duration of their leases.
pub(crate) const LEASE: Duration = Duration::from_secs(9);
/// How long they wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client's side of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) lives: bool,
    pub(crate) last_dirty: i64,
    /// The replica that answered last.
    pub(crate) replica: usize,
}

impl Client {
    pub(crate) fn new(replica: usize) -> Self {
        Self { lives: false, last_dirty: 0, replica }
    }
}

/// A request about an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ask {
    Register { last_dirty: i64 },
    Renew { last_dirty: i64 },
    Cancel,
    SetStatus(InstanceStatus),
    RemoveStatus,
    Put(u32),
}

impl Ask {
    fn request(self, client: usize) -> Request<Body> {
        let path = format!("/eureka/apps/A/{}", id(client));
        let ask = |method, path: &str| request(method, path, Bytes::new());
        match self {
            Self::Register { last_dirty } => request(Method::POST, "/eureka/apps/A", body(client, last_dirty).into()),
            Self::Renew { last_dirty } => {
                ask(Method::PUT, &format!("{path}?status=UP&lastDirtyTimestamp={last_dirty}"))
            }
            Self::Cancel => ask(Method::DELETE, &path),
            Self::SetStatus(status) => ask(Method::PUT, &format!("{path}/status?value={status}")),
            Self::RemoveStatus => ask(Method::DELETE, &format!("{path}/status?value=UP")),
            Self::Put(value) => ask(Method::PUT, &format!("{path}/metadata?{TAG}={value}")),
        }
    }
}

fn body(client: usize, last_dirty: i64) -> String {
    let json = serde_json::json!({"instance": {
        "instanceId": id(client), "hostName": "h", "app": "A", "ipAddr": "10.0.0.1",
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "leaseInfo": {"renewalIntervalInSecs": RENEWAL.as_secs(), "durationInSecs": LEASE.as_secs()},
        "lastDirtyTimestamp": last_dirty,
    }});
    json.to_string()
}

/// A client's life: heartbeats at intervals.
pub(crate) async fn live(world: Arc<World>, client: usize) {
    sleep(Duration::from_millis(370 * client as u64)).await;
    loop {
        sleep(RENEWAL).await;
        let Client { lives, last_dirty, .. } = world.state.lock().clients[client].clone();
        if lives && ask_somebody(&world, client, Ask::Renew { last_dirty }).await == Some(404) {
            register(&world, client).await;
        }
    }
}

async fn register(world: &Arc<World>, client: usize) {
    let last_dirty = world.state.lock().clients[client].last_dirty;
    ask_somebody(world, client, Ask::Register { last_dirty }).await;
}

/// A client starts.
pub(crate) fn come(world: &Arc<World>, client: usize) {
    world.state.lock().clients[client].lives = true;
    change(world, client);
}

/// It has newer data.
pub(crate) fn change(world: &Arc<World>, client: usize) {
    {
        let client = &mut world.state.lock().clients[client];
        if !client.lives {
            return;
        }
        client.last_dirty += 1;
    }
    let world = Arc::clone(world);
    tokio::spawn(async move { register(&world, client).await });
}

/// It stops in an orderly way.
pub(crate) fn leave(world: &Arc<World>, client: usize) {
    if !std::mem::replace(&mut world.state.lock().clients[client].lives, false) {
        return;
    }
    let world = Arc::clone(world);
    tokio::spawn(async move { ask_somebody(&world, client, Ask::Cancel).await });
}

/// An operator sends a command to a replica.
pub(crate) fn command(world: &Arc<World>, client: usize, replica: usize, what: Ask) {
    let world = Arc::clone(world);
    tokio::spawn(async move { ask(&world, client, replica, what).await });
}

/// Sends a request to the replica that answered last, else to the next, as Eureka's client does. Returns the answer.
async fn ask_somebody(world: &Arc<World>, client: usize, what: Ask) -> Option<u16> {
    let all = world.net.shape.replicas + usize::from(world.net.shape.java);
    let first = world.state.lock().clients[client].replica;
    for replica in (0..all).map(|next| (first + next) % all) {
        if let Some(status) = ask(world, client, replica, what).await {
            world.state.lock().clients[client].replica = replica;
            return Some(status);
        }
    }
    None
}

/// Sends a request to one replica; `None` if it does not answer in time.
async fn ask(world: &Arc<World>, client: usize, replica: usize, what: Ask) -> Option<u16> {
    let issued = world.now();
    let handle = Arc::clone(world);
    let status = send(world, replica, what.request(client), move |status| {
        let now = handle.now();
        handle.net.trace.say(format_args!("> client {client} asks {replica} {what:?}: {status}"));
        let mut state = handle.state.lock();
        state.asked((client, replica, what, status), (issued, now), handle.net.shape.is_skewed());
        state.inspect(replica, &handle.net.shape, now);
    });
    Some(status.await?.0)
}

/// Sends a request. If it arrives, it is answered even if the caller no longer waits; `applied` is called then.
pub(crate) async fn send(
    world: &Arc<World>,
    replica: usize,
    request: Request<Body>,
    applied: impl FnOnce(u16) + Send + 'static,
) -> Option<(u16, Bytes)> {
    sleep(Duration::from_millis(1)).await;
    world.net.service(replica)?;
    let (answer, answered) = oneshot::channel();
    let net = Arc::clone(&world.net);
    tokio::spawn(async move {
        net.runs(replica).await;
        let Some(service) = net.service(replica) else { return };
        let response = service.handle(Connection::default(), request).await;
        let status = response.status().as_u16();
        applied(status);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let _gone = answer.send((status, body));
    });
    timeout(PATIENCE, answered).await.ok()?.ok()
}

impl State {
    /// Notes the answer of a replica, and the change that it made.
    fn asked(
        &mut self,
        (client, place, what, status): (usize, usize, Ask, u16),
        (issued, now): (u64, u64),
        skewed: bool,
    ) {
        let accepted = (200..300).contains(&status);
        let held = self.slots[place].registry.as_ref().and_then(|registry| view(registry).remove(&id(client)));
        if !accepted {
            if matches!(what, Ask::Renew { .. }) {
                self.signs.push((now, place));
            }
            if held.is_some() {
                self.oracle.touched[client] = now;
            }
            return;
        }
        let stamping = (skewed, self.slots[place].stamps_ahead(now));
        let silent = now - self.oracle.touched[client];
        self.oracle.touched[client] = now;
        let value = match what {
            Ask::Renew { .. } => {
                self.oracle.contact(client, place, false, now);
                return;
            }
            Ask::Register { last_dirty } => {
                if u128::from(silent) > LEASE.as_millis() {
                    self.oracle.blur(client, Aspect::Status);
                }
                self.oracle.contact(client, place, true, now);
                let present = (client, Value::Present(true), place);
                self.oracle.note(present, (issued, now), &self.links, stamping);
                Value::Data { last_dirty, tag: None }
            }
            Ask::Cancel => {
                self.oracle.blur(client, Aspect::Status);
                Value::Present(false)
            }
            Ask::SetStatus(_) | Ask::RemoveStatus => {
                // The status that it leaves in the data wins over all earlier changes of the data, including metadata.
                if let Some(held) = held.filter(Held::command_changed_data) {
                    let data = Value::Data { last_dirty: held.seen.last_dirty, tag: held.seen.tag };
                    self.oracle.note((client, data, place), (issued, now), &self.links, stamping);
                }
                let status = if let Ask::SetStatus(status) = what { status } else { InstanceStatus::Up };
                Value::Status(status)
            }
            Ask::Put(tag) => Value::Data { last_dirty: held.map_or(0, |held| held.seen.last_dirty), tag: Some(tag) },
        };
        self.oracle.note((client, value, place), (issued, now), &self.links, stamping);
    }
}
