//! How a replica uses its snapshot: what it reads at the start, and that it writes from then on.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{error, warn};

use crate::registry::{PeerMemory, Restore};
use crate::replication::start::Opening;
use crate::replication::{PeerAwareInstanceRegistry, PeerEurekaNodes, ServiceUrl};
use crate::snapshot::{Header, Snapshots};
use crate::tasks::Tasks;

/// How long the disk may take before that is said, and before a start goes on without the snapshot.
const SLOW: Duration = Duration::from_secs(30);

/// How long a start waits for the process before it, which may still use the directory: a pod that was deleted by force ends while the
/// one in its place starts. So many times it looks again.
const ENDING_LOOKS: usize = 100;
/// After so long each time.
const ENDING_INTERVAL: Duration = Duration::from_millis(100);

/// The snapshots of a replica, and what they say about it.
#[derive(Clone, Debug)]
pub(super) struct Remembering {
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) nodes: Option<Arc<PeerEurekaNodes>>,
    pub(super) peer_aware: Arc<PeerAwareInstanceRegistry>,
    pub(super) interval: Duration,
}

impl Remembering {
    /// What the snapshot says about itself, if there is one that can be used.
    pub(super) async fn look(&self) -> Option<Header> {
        let nodes = self.nodes.clone();
        let is_other = move |name: &str| nodes.as_ref().is_some_and(|nodes| nodes.is_another_cluster(name));
        let mut looks = 0..ENDING_LOOKS;
        let wait = move || {
            thread::sleep(ENDING_INTERVAL);
            looks.next().is_some()
        };
        let found = self.apart(move |snapshots| snapshots.look(is_other, wait)).within(SLOW).await.flatten()?;
        if let (Some(nodes), Some(cluster)) = (&self.nodes, &found.cluster) {
            nodes.remember_cluster(cluster);
        }
        Some(found)
    }

    /// Restores what the snapshot has and the copy at the start lacks. Returns whether the registry knows what clients know.
    pub(super) async fn restore(&self, header: Header, opening: &Opening) -> PeerMemory {
        let copied = opening.memory();
        let (is_alone, has_instances) = (copied != PeerMemory::Whole, header.instances > 0);
        let how = if is_alone { Restore::Alone } else { Restore::BesideCopy };
        match self.apart(move |snapshots| snapshots.restore(&header, how)).within(SLOW).await {
            // What registered after it was written is missing, here and perhaps everywhere.
            Some(_) if is_alone && has_instances => PeerMemory::Fetched,
            Some(_) | None => copied,
        }
    }

    /// Writes snapshots from now on, and the last one when told to stop.
    pub(super) fn start(self, tasks: &mut Tasks) {
        tasks.spawn("snapshots", |stop| async move {
            while stop.run_until_cancelled(tokio::time::sleep(self.interval)).await.is_some() {
                if self.snapshots.is_due() {
                    self.write().await;
                }
            }
            self.write().await;
        });
    }

    async fn write(&self) {
        let cluster = self.nodes.as_ref().and_then(|nodes| nodes.cluster());
        let peers = self.peer_aware.peers().all().iter().map(|peer| peer.shown_url()).collect();
        let Working(mut writing) = self.apart(move |snapshots| snapshots.write(cluster, peers));
        loop {
            match tokio::time::timeout(SLOW, &mut writing).await {
                Ok(Ok(())) => return,
                Ok(Err(_)) => return self.snapshots.note_failure("the thread that writes it ended"),
                Err(_) => self.snapshots.note_failure("the disk does not answer"),
            }
        }
    }

    /// Work that may wait for the disk, apart from what answers requests.
    fn apart<T: Send + 'static>(&self, work: impl FnOnce(&Snapshots) -> T + Send + 'static) -> Working<T> {
        let (done, wait) = oneshot::channel();
        let snapshots = Arc::clone(&self.snapshots);
        // Nobody waits any more where the replica has stopped.
        let begun = self.snapshots.disk().work(Box::new(move || drop(done.send(work(&snapshots)))));
        if let Err(error) = begun {
            error!(%error, "cannot start a thread for the snapshot");
        }
        Working(wait)
    }
}

/// The peers that a snapshot names.
pub(super) fn peers(header: Option<&Header>) -> Vec<ServiceUrl> {
    let named = header.into_iter().flat_map(|header| &header.peers);
    named.filter_map(|url| ServiceUrl::parse(url).ok()).collect()
}

/// The result of work on another thread.
struct Working<T>(oneshot::Receiver<T>);

impl<T> Working<T> {
    /// The result; `None` if there is none within this time, or the thread failed.
    async fn within(self, time: Duration) -> Option<T> {
        match tokio::time::timeout(time, self.0).await {
            Ok(result) => result.ok(),
            Err(_) => {
                warn!(
                    "the disk of registry.data-dir has not answered for {} seconds: going on without it",
                    time.as_secs()
                );
                None
            }
        }
    }
}
