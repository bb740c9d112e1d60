//! The registry's settings.

use std::time::Duration;

/// How self-preservation decides that the network is at fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelfPreservationMode {
    /// Instances of many applications are silent at once, each by its own lease.
    #[default]
    PerApplication,
    /// Fewer renewals arrived in the last minute than all clients together should send (src/PROTOCOL.md, section 6).
    Java,
}

impl SelfPreservationMode {
    /// As it is configured.
    pub fn name(self) -> &'static str {
        match self {
            Self::PerApplication => "per-application",
            Self::Java => "java",
        }
    }
}

/// Settings of the registry; the names are `eureka.server.*`.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that operators know")]
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Whether self-preservation is on: nothing is evicted while too few renewals arrive.
    pub enable_self_preservation: bool,
    /// How self-preservation decides that.
    pub self_preservation_mode: SelfPreservationMode,
    /// The longest time for which it keeps expired leases, in the mode `per-application`; `None` without an end.
    pub self_preservation_max_duration: Option<Duration>,
    /// The share of the expected renewals below which self-preservation sets in, and of the registry that one
    /// eviction run leaves.
    pub renewal_percent_threshold: f64,
    /// How often the expected number of clients is set to what is registered.
    pub renewal_threshold_update_interval: Duration,
    /// How often a client is expected to renew.
    pub expected_client_renewal_interval: Duration,
    /// How often expired leases are looked for.
    pub eviction_interval: Duration,
    /// How long reads are refused after a start without a copy.
    pub wait_time_when_sync_empty: Duration,
    /// How long a change stays in the delta.
    pub retention_time_in_delta_queue: Duration,
    /// How often changes that are too old leave the delta.
    pub delta_retention_timer_interval: Duration,
    /// Whether the delta is refused.
    pub disable_delta: bool,
    /// Whether answers may be as old as `response_cache_update_interval`, as the Java server's are.
    pub use_read_only_response_cache: bool,
    /// Maximum age of a cached answer when `use_read_only_response_cache` is on.
    pub response_cache_update_interval: Duration,
    /// Whether a heartbeat that names a newer version of the instance is answered 404.
    pub sync_when_timestamp_differs: bool,
    /// The expected number of clients before any has registered.
    pub expected_number_of_clients_sending_renews: u32,
    /// The expected number of clients after a start without a copy; 0 refuses reads until the wait is over.
    pub default_open_for_traffic_count: u32,
    /// Maximum memory of the instances, in bytes.
    pub max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            enable_self_preservation: true,
            self_preservation_mode: SelfPreservationMode::default(),
            self_preservation_max_duration: Some(Duration::from_secs(30 * 60)),
            renewal_percent_threshold: 0.85,
            renewal_threshold_update_interval: Duration::from_secs(15 * 60),
            expected_client_renewal_interval: Duration::from_secs(30),
            eviction_interval: Duration::from_secs(60),
            wait_time_when_sync_empty: Duration::from_secs(5 * 60),
            retention_time_in_delta_queue: Duration::from_secs(180),
            delta_retention_timer_interval: Duration::from_secs(30),
            disable_delta: false,
            use_read_only_response_cache: false,
            response_cache_update_interval: Duration::from_secs(30),
            sync_when_timestamp_differs: true,
            expected_number_of_clients_sending_renews: 1,
            default_open_for_traffic_count: 1,
            max_bytes: usize::MAX,
        }
    }
}
