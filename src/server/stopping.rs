//! [`Stopping`]: how connections learn that the server stops.

use tokio_util::sync::CancellationToken;

/// The two steps in which connections end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopping {
    /// Every answer is its connection's last.
    pub(crate) no_new_requests: CancellationToken,
    /// Nothing is accepted any more, and idle connections are closed.
    pub(crate) draining: CancellationToken,
}
