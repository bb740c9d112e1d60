//! [`Tasks`]: every task has a name, an owner, and a say in what happens when it fails.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// The tasks of one component. A token asks them to stop. They belong to the owner of this value: dropping it ends them.
///
/// A task that ends without being asked to, or panics, is noticed: the owner stops the process and Kubernetes restarts it, since
/// a registry that no longer evicts, for example, is worse than one that restarts.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<&'static str>,
    stop: CancellationToken,
    gate: Gate,
}

impl Tasks {
    /// No tasks yet. They are asked to stop when `parent` is.
    pub fn under(parent: &CancellationToken) -> Self {
        Self { set: JoinSet::new(), stop: parent.child_token(), gate: Gate::default() }
    }

    /// The gate that freezes the tasks.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The token that asks the tasks to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task, which has to run until its token asks it to stop.
    pub fn spawn<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (future, gate) = (task(self.stop.clone()), self.gate.clone());
        self.set.spawn(async move {
            gate.pass(future).await;
            name
        })
    }

    /// Starts a task that does something at intervals, with a pause before each time. After a stall of the process, missed runs
    /// are not made up for.
    pub fn every(&mut self, name: &'static str, pause: Duration, mut work: impl FnMut() + Send + 'static) {
        self.spawn(name, |stop| async move {
            while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
                work();
            }
        });
    }

    /// Waits until a task ends that was not asked to.
    pub async fn failed(&mut self) {
        match self.set.join_next().await {
            Some(Ok(name)) => error!(task = name, "a task ended that should run for ever"),
            Some(Err(panic)) => error!(error = %panic, "a task failed"),
            None => std::future::pending().await,
        }
    }

    /// Asks the tasks to stop and waits for them, at most until `deadline`.
    pub async fn stop(mut self, deadline: Duration) {
        self.stop.cancel();
        let ended = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, ended).await.is_err() {
            warn!("some tasks did not stop in time and were ended");
        }
    }
}

/// Freezes tasks while it is closed, as SIGSTOP freezes a process.
///
/// No task runs, but time goes on, so whatever became due meanwhile is late afterwards. Only a simulation closes it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    closed: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Stops the tasks.
    pub fn close(&self) {
        self.0.lock().closed = true;
    }

    /// Lets them go on.
    pub fn open(&self) {
        let waiting = {
            let mut held = self.0.lock();
            held.closed = false;
            std::mem::take(&mut held.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Runs `task` whenever the gate is open.
    async fn pass(&self, task: impl Future<Output = ()>) {
        let mut task = pin!(task);
        poll_fn(|context| if self.holds(context) { Poll::Pending } else { task.as_mut().poll(context) }).await;
    }

    fn holds(&self, context: &Context<'_>) -> bool {
        let mut held = self.0.lock();
        if held.closed {
            held.waiting.push(context.waker().clone());
        }
        held.closed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_holds_tasks_and_none_is_made_up_for() {
        let (ran, mut tasks) = (Arc::new(AtomicU32::new(0)), Tasks::under(&CancellationToken::new()));
        let counted = Arc::clone(&ran);
        tasks.every("counting", Duration::from_secs(1), move || {
            counted.fetch_add(1, Relaxed);
        });
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(ran.load(Relaxed), 1);
        tasks.gate().close();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(ran.load(Relaxed), 1);
        tasks.gate().open();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(ran.load(Relaxed), 3, "once late, and once in its time");
    }
}
