//! Metrics of the process, under the names that every Prometheus client library gives them.

#[cfg(target_os = "linux")]
mod linux;

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

/// Log lines that were dropped because standard output was not read, or not fast enough. There is one log in a process.
pub static LOG_LINES_DROPPED: AtomicU64 = AtomicU64::new(0);

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
