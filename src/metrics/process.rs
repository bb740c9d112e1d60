//! Metrics of the process, under the names that every Prometheus client library gives them.

#[cfg(target_os = "linux")]
mod linux;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

/// Reads processor time, memory, threads and file descriptors of this process at each scrape.
///
/// They come from `/proc/self`. Where there is none, on macOS above all, the collector is empty.
#[derive(Debug)]
pub struct ProcessMetrics;

impl Collector for ProcessMetrics {
    #[cfg(target_os = "linux")]
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        linux::encode(super::Exposition(encoder))
    }

    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}
