//! [`Capacity`]: how many connections there may be, and how many of them may be busy at a time.

use super::options::Options;
use crate::limits::{Budget, Limits};

/// The maximum memory of a busy connection: headers of 32 KiB as they arrive, 8 KiB of them or of a body read ahead, the headers
/// of the answer, and what hyper and the request's future need. Bodies and answers are counted where they are held.
const BUSY_BYTES: usize = 48 * 1024;
/// The memory of a connection that waits for a request: its task, its timer, and the socket's part in the kernel.
const IDLE_BYTES: usize = 4 * 1024;
/// The same with TLS: its keys and a buffer of 4 KiB.
const IDLE_TLS_BYTES: usize = 12 * 1024;

/// Minimum number of busy connections, however little memory there is.
const LEAST_BUSY: usize = 32;
/// Maximum number of busy connections, however much memory there is: more are never busy at once unless clients hold them up.
const MOST_BUSY: usize = 4096;
/// Minimum number of connections, however little memory there is.
const LEAST_CONNECTIONS: usize = 64;
/// Maximum number of connections, however much memory there is.
const MOST_CONNECTIONS: usize = 100_000;
/// Open files that are not connections of clients: those to peers and name servers, certificates, logs.
const OTHER_FILES: usize = 128;

/// Probes and scrapers are few.
const MANAGEMENT: Capacity = Capacity { connections: 256, busy: 16 };

/// The limits of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Maximum number of open connections, including idle ones.
    pub(super) connections: usize,
    /// Maximum number of connections with a request that is being read or answered.
    pub(super) busy: usize,
}

impl Capacity {
    /// The limits that follow from those of the process. `server.tomcat.max-connections` takes precedence.
    pub(super) fn of(options: &Options, limits: &Limits) -> Self {
        let share = Budget::of(limits.memory).connections;
        let busy = (share / 4 / BUSY_BYTES).clamp(LEAST_BUSY, MOST_BUSY);
        let each = if options.tls.is_some() { IDLE_TLS_BYTES } else { IDLE_BYTES };
        let by_memory = (share.saturating_sub(busy * BUSY_BYTES) / each).clamp(LEAST_CONNECTIONS, MOST_CONNECTIONS);
        let by_files = limits.open_files.saturating_sub(OTHER_FILES).max(limits.open_files / 2).max(1);
        // With more connections than open files, accept() would fail, so no setting raises this limit.
        let connections = options.max_connections.unwrap_or(by_memory).min(by_files);
        Self { connections, busy: busy.min(connections) }
    }

    /// The limits of the management port.
    pub(super) fn of_management(self) -> Self {
        Self { connections: self.connections.min(MANAGEMENT.connections), busy: self.busy.min(MANAGEMENT.busy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MemorySource;
    use crate::tls;

    const MIB: usize = 1024 * 1024;

    fn capacity(memory: usize, open_files: usize, change: impl FnOnce(&mut Options)) -> Capacity {
        let mut options = Options::default();
        change(&mut options);
        Capacity::of(&options, &Limits { memory, memory_source: MemorySource::Cgroup, open_files })
    }

    #[test]
    fn connections_follow_from_memory() {
        let small = capacity(128 * MIB, 1_000_000, |_| {});
        assert!((6_000..8_192).contains(&small.connections) && (128..256).contains(&small.busy), "{small:?}");
        assert!(small.busy * BUSY_BYTES + small.connections * IDLE_BYTES <= Budget::of(128 * MIB).connections);
        let with_tls = capacity(128 * MIB, 1_000_000, |options| options.tls = Some(tls::Options::default()));
        assert!((1_500..3_000).contains(&with_tls.connections), "{with_tls:?}");
        let large = capacity(64 * 1024 * MIB, 1_000_000, |_| {});
        assert_eq!(large, Capacity { connections: MOST_CONNECTIONS, busy: MOST_BUSY });
        assert_eq!(capacity(1, 1_000_000, |_| {}), Capacity { connections: LEAST_CONNECTIONS, busy: LEAST_BUSY });
    }

    #[test]
    fn connections_follow_from_open_files() {
        assert_eq!(capacity(1024 * MIB, 1024, |_| {}).connections, 1024 - OTHER_FILES);
        assert_eq!(capacity(1024 * MIB, 100, |_| {}).connections, 50);
        assert_eq!(capacity(1024 * MIB, 0, |_| {}).connections, 1);
    }

    #[test]
    fn an_operator_knows_better_than_memory_but_not_than_open_files() {
        assert_eq!(capacity(MIB, 1_000_000, |options| options.max_connections = Some(20_000)).connections, 20_000);
        assert_eq!(capacity(1024 * MIB, 1024, |options| options.max_connections = Some(20_000)).connections, 896);
        assert_eq!(
            capacity(1024 * MIB, 1024, |options| options.max_connections = Some(1)),
            Capacity { connections: 1, busy: 1 }
        );
    }
}
