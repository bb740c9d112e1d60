//! How two of our own replicas find out that they know different things, and repair it.
//!
//! Each replica compares itself with each other one, and only reads: first the digest of everything; if that differs, the digest
//! of each application; and of the applications that differ, the peer's records. So a change that replication lost arrives within
//! seconds. The copy at the start is a comparison of an empty registry. In addition, the peer is asked for the last renewals of
//! the instances that have missed a heartbeat here: they may renew there.

use tracing::{info, warn};

use super::peer_eureka_node::{PeerEurekaNode, Surroundings, Use};
use super::transport::Call;
use crate::codec::exchange::{self, Digests, HeardAnswer, Records, RecordsRequest};
use crate::model::InstanceKey;
use crate::registry::Repaired;

/// Maximum applications asked for at once.
const APPLICATIONS_ASKED: usize = 50;
/// Maximum instances asked for at once.
const INSTANCES_ASKED: usize = 500;

impl PeerEurekaNode {
    /// Compares once, and takes over what the peer knows and this replica does not.
    ///
    /// # Errors The reason, in words.
    pub(super) async fn compare(&self, around: &Surroundings) -> Result<Repaired, String> {
        let ours = around.registry.digest(around.clock.now());
        let mut body = Vec::new();
        exchange::encode_digests(&ours, &mut body);
        let reply = self.ask(around, Call::Digests(body.into())).await?;
        let theirs = exchange::decode_digests(&reply.body).map_err(|error| error.to_string())?;
        around.registry.meet(theirs.clock, around.clock.now());
        let differing = if theirs.total == ours.total { Vec::new() } else { differing(around, &theirs) };
        self.compared(differing.len(), around.clock.now());
        let mut repaired = Repaired::default();
        for applications in differing.chunks(APPLICATIONS_ASKED) {
            repaired += self.take_records(around, applications).await?;
        }
        if !repaired.is_none() {
            let Repaired { registered, cancelled } = repaired;
            info!(
                peer.url = self.shown_url(),
                registered,
                cancelled,
                "repaired differences with a peer: took over what the peer knew and this replica did not"
            );
        }
        around.registry.compared_with(reply.memory, around.clock.now());
        Ok(repaired)
    }

    async fn take_records(&self, around: &Surroundings, applications: &[String]) -> Result<Repaired, String> {
        let mut repaired = Repaired::default();
        let mut request = RecordsRequest { applications: applications.to_vec(), after: None };
        loop {
            let reply = self.ask(around, Call::Records(request.encode().into())).await?;
            let now = around.clock.now();
            let mut records: Records = exchange::decode_records(&reply.body, now).map_err(|error| error.to_string())?;
            for (_, heard) in &mut records.registered {
                heard.at = self.to_ours(heard.at, Use::Comparison);
            }
            if let (skipped @ 1.., first) = &records.skipped {
                warn!(
                    peer.url = self.shown_url(),
                    skipped,
                    why = first,
                    "skipped what a peer knows: it cannot be decoded or is too large"
                );
            }
            let next = records.next.take();
            repaired += around.registry.merge(records, now);
            if next.is_none() || next == request.after {
                return Ok(repaired);
            }
            request.after = next;
        }
    }

    /// Asks for the peer's last renewals of some instances that have missed a heartbeat here, and evicts those that are dead. It
    /// begins after the key `after`, and returns the last key that it asked for: the next call asks for others.
    ///
    /// # Errors The reason, in words.
    pub(super) async fn ask_for_quiet(
        &self,
        around: &Surroundings,
        after: Option<&InstanceKey>,
    ) -> Result<Option<InstanceKey>, String> {
        let quiet = around.registry.quiet(after, INSTANCES_ASKED, around.clock.now());
        self.ask_when_heard(around, &quiet, Use::Comparison).await?;
        Ok(quiet.last().cloned())
    }

    /// Asks for the peer's last renewals of these instances.
    ///
    /// # Errors The reason, in words.
    pub(super) async fn ask_when_heard(
        &self,
        around: &Surroundings,
        keys: &[InstanceKey],
        use_of_it: Use,
    ) -> Result<(), String> {
        for keys in keys.chunks(INSTANCES_ASKED) {
            let mut body = Vec::new();
            exchange::encode_keys(keys, &mut body);
            let reply = self.ask(around, Call::Heard(body.into())).await?;
            let mut answer: HeardAnswer = exchange::decode_heard(&reply.body).map_err(|error| error.to_string())?;
            for heard in answer.heard.iter_mut().flatten() {
                heard.at = self.to_ours(heard.at, use_of_it);
            }
            let gone = around.registry.take_heard(keys, &answer, around.clock.now());
            if gone > 0 {
                info!(peer.url = self.shown_url(), gone, "evicted overdue instances that the peer does not have");
            }
        }
        Ok(())
    }
}

/// The applications of which the peer knows something else.
fn differing(around: &Surroundings, theirs: &Digests) -> Vec<String> {
    let ours = around.registry.digests(around.clock.now());
    // An application that the peer does not know has nothing to take over.
    let differs = |(app, hash): &(&String, &u64)| ours.applications.get(*app) != Some(*hash);
    theirs.applications.iter().filter(differs).map(|(app, _)| app.clone()).collect()
}
