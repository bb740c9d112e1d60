//! [`History`]: the metrics of the last fifteen minutes, for the chart on the page.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

use super::by_status::ByStatus;
use crate::registry::InstanceRegistry;
use crate::time::Timestamp;

/// How often a sample is taken.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_secs(15);
/// How many samples are kept: fifteen minutes.
const SAMPLES_KEPT: usize = 60;

/// The metrics of one moment.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample {
    at: i64,
    renewals_last_minute: u64,
    renewals_threshold: u32,
    instances: u32,
    up: u32,
}

/// The last samples, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<Sample>>);

impl History {
    /// Takes a sample of the registry.
    pub(crate) fn sample(&self, registry: &InstanceRegistry, now: Timestamp) {
        let state = registry.self_preservation(now);
        let by_status = ByStatus::new(registry.instances_by_status().map(|(_, count)| count));
        let mut samples = self.0.lock();
        if samples.len() == SAMPLES_KEPT {
            samples.pop_front();
        }
        samples.push_back(Sample {
            at: now.0,
            renewals_last_minute: state.renews_last_minute,
            renewals_threshold: state.renews_per_minute_threshold,
            instances: by_status.total(),
            up: by_status.up(),
        });
    }

    /// The samples that are kept, oldest first.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.0.lock().iter().copied().collect()
    }
}
