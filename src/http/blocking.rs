//! Work whose time grows with the number of instances, on a thread of its own.

/// Does `work` on a thread where no heartbeat waits for it.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    #[expect(clippy::expect_used, reason = "it fails only if the work panics, and then this request shall, too")]
    tokio::task::spawn_blocking(work).await.expect("work over all instances does not panic")
}
