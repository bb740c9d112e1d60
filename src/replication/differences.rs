//! What this replica and a peer know differently, instance by instance. Read when a person asks for it: a comparison only
//! counts the applications.

use std::collections::BTreeSet;
use std::time::Duration;

use thiserror::Error;

use super::peer_eureka_node::{PeerEurekaNode, Surroundings, Use};
use super::peer_eureka_nodes::PeerEurekaNodes;
use super::transport::Call;
use crate::codec::exchange::{self, RecordsRequest};
use crate::model::{Fact, Heard, InstanceKey};

/// Maximum differing applications whose records are read.
const MOST_APPLICATIONS: usize = 20;
/// Maximum differing applications that are named.
const MOST_NAMES: usize = 50;
/// Maximum answers of the peer with records, each of about a megabyte.
const MOST_ANSWERS: usize = 30;
/// Maximum differing instances that are kept.
const MOST_INSTANCES: usize = 200;
/// How long the peer may take for all of its answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The differences between this replica and a peer at one moment.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// The number of applications of which the two know something different.
    pub applications: usize,
    /// The first of their names.
    pub names: Vec<String>,
    /// The differing instances, one application after the other.
    pub instances: Vec<Difference>,
    /// Whether these are all: there are limits to what is read.
    pub is_complete: bool,
}

/// An instance of which the two know something different.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The instance.
    pub key: InstanceKey,
    /// What this replica knows.
    pub here: Option<Known>,
    /// What the peer knows.
    pub there: Option<Known>,
}

/// What one replica knows of an instance.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its record, or that it was cancelled.
    pub fact: Fact,
    /// The last renewal or registration, by this replica's clock; `None` if it was cancelled.
    pub heard: Option<Heard>,
}

/// Why there is nothing to compare with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Incomparable {
    /// It has not answered who it is.
    #[error("The peer has not been reached yet, so it is not known what it has.")]
    NotReached,
    /// A Java server has no records with stamps.
    #[error(
        "The peer is another Eureka server. It cannot be asked for its records; only replicas of this registry are compared."
    )]
    AnotherServer,
    /// It cannot be reached now, or its answer is not understood.
    #[error("The peer could not be asked just now: {0}.")]
    Unreachable(String),
}

impl PeerEurekaNodes {
    /// Asks a peer for what it knows of the applications that differ. A peer that takes longer than five seconds counts as
    /// unreachable.
    ///
    /// # Errors
    /// If there is nothing to compare with.
    pub async fn differences(&self, peer: &PeerEurekaNode) -> Result<Differences, Incomparable> {
        let state = peer.state();
        match (state.identified, state.node) {
            (false, _) => return Err(Incomparable::NotReached),
            (true, None) => return Err(Incomparable::AnotherServer),
            (true, Some(_)) => {}
        }
        let read = tokio::time::timeout(PATIENCE, peer.differences(self.around())).await;
        let late = || format!("it did not answer within {} seconds", PATIENCE.as_secs());
        read.unwrap_or_else(|_elapsed| Err(late())).map_err(Incomparable::Unreachable)
    }
}

impl PeerEurekaNode {
    async fn differences(&self, around: &Surroundings) -> Result<Differences, String> {
        let ours = around.registry.digests(around.clock.now());
        let mut body = Vec::new();
        exchange::encode_digests(&around.registry.digest(around.clock.now()), &mut body);
        let reply = self.ask(around, Call::Digests(body.into())).await?;
        let theirs = exchange::decode_digests(&reply.body).map_err(|error| error.to_string())?;
        if theirs.total == ours.total {
            return Ok(Differences { is_complete: true, ..Differences::default() });
        }
        let names: BTreeSet<&String> = ours.applications.keys().chain(theirs.applications.keys()).collect();
        let differs = |app: &&&String| ours.applications.get(**app) != theirs.applications.get(**app);
        let differing: Vec<&String> = names.iter().filter(differs).copied().collect();
        let mut found = Differences {
            applications: differing.len(),
            names: differing.iter().take(MOST_NAMES).map(|app| (*app).clone()).collect(),
            is_complete: differing.len() <= MOST_APPLICATIONS,
            ..Differences::default()
        };
        let mut answers = 0;
        for app in differing.into_iter().take(MOST_APPLICATIONS) {
            if !self.compare_records(around, app, &mut answers, &mut found).await? {
                found.is_complete = false;
                break;
            }
        }
        Ok(found)
    }

    /// Reads what the peer knows of an application, and adds what is different here. Returns whether all of it was read: there may
    /// be too much.
    async fn compare_records(
        &self,
        around: &Surroundings,
        app: &str,
        answers: &mut usize,
        found: &mut Differences,
    ) -> Result<bool, String> {
        let mut seen = BTreeSet::new();
        let mut request = RecordsRequest { applications: vec![app.to_owned()], after: None };
        while *answers < MOST_ANSWERS && found.instances.len() < MOST_INSTANCES {
            *answers += 1;
            let reply = self.ask(around, Call::Records(request.encode().into())).await?;
            let records = exchange::decode_records(&reply.body, around.clock.now());
            let records = records.map_err(|error| error.to_string())?;
            for (record, heard) in records.registered {
                let heard = Some(Heard { at: self.to_ours(heard.at, Use::Comparison), ..heard });
                let key = record.info.key();
                found.add(around, key.clone(), Some(Known { fact: Fact::Registered(Box::new(record)), heard }));
                seen.insert(key);
            }
            for gone in records.cancelled {
                let key = gone.key.clone();
                found.add(around, key.clone(), Some(Known { fact: Fact::Cancelled(gone), heard: None }));
                seen.insert(key);
            }
            if records.next.is_none() || records.next == request.after {
                let ours = around.registry.keys_of(app).into_iter().filter(|key| !seen.contains(key));
                ours.for_each(|key| found.add(around, key, None));
                return Ok(true);
            }
            request.after = records.next;
        }
        Ok(false)
    }
}

impl Differences {
    /// Adds an instance, unless the same is known of it here.
    fn add(&mut self, around: &Surroundings, key: InstanceKey, there: Option<Known>) {
        let here = around.registry.known(key.as_str());
        let here = here.map(|(fact, lease)| Known { fact, heard: lease.map(|lease| lease.heard()) });
        let parts = |known: &Option<Known>| known.as_ref().map(|known| known.fact.parts());
        if parts(&here) == parts(&there) {
            return;
        }
        if self.instances.len() < MOST_INSTANCES {
            self.instances.push(Difference { key, here, there });
        } else {
            self.is_complete = false;
        }
    }
}
