//! [`Tasks`]: every task has a name, an owner, and a say in what happens when it fails.

use std::future::Future;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// The tasks of one component. They are told to stop by a token and belong to whoever holds this: dropping it ends
/// them.
///
/// A task that ends before it is told to, or panics, is not missed in silence: the owner stops the process and
/// Kubernetes starts it anew, since a registry that no longer evicts, say, is worse than one that restarts.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<&'static str>,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet, stopped when `parent` is.
    pub fn under(parent: &CancellationToken) -> Self {
        Self { set: JoinSet::new(), stop: parent.child_token() }
    }

    /// The token that tells the tasks to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task, which is to run until the token it is given says stop.
    pub fn spawn<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let future = task(self.stop.clone());
        self.set.spawn(async move {
            future.await;
            name
        })
    }

    /// Starts a task that does something again and again, a pause before each time. Time lost by a stalled process is
    /// not made up for by a burst.
    pub fn every(&mut self, name: &'static str, pause: Duration, mut work: impl FnMut() + Send + 'static) {
        self.spawn(name, |stop| async move {
            while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
                work();
            }
        });
    }

    /// Waits until a task ends that was not told to.
    pub async fn failed(&mut self) {
        match self.set.join_next().await {
            Some(Ok(name)) => error!(task = name, "a task ended that should run for ever"),
            Some(Err(panic)) => error!(error = %panic, "a task failed"),
            None => std::future::pending().await,
        }
    }

    /// Tells the tasks to stop and waits for them, until `deadline` has passed at the latest.
    pub async fn stop(mut self, deadline: Duration) {
        self.stop.cancel();
        let ended = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, ended).await.is_err() {
            warn!("some tasks did not stop in time and were ended");
        }
    }
}
