//! The forms of metrics: histograms, and how families are written.
//!
//! A component counts in plain atomic fields, each with a doc comment. The fields are read when a scraper asks, so no request
//! looks up a label or takes a lock. The names of the metrics are in `http::exposition` and `http::metrics`.

pub mod connections;
pub mod process;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;

/// The upper bounds of the buckets of [`Durations`], in microseconds: a heartbeat takes tens of them, a full fetch that
/// has to be encoded tens of thousands.
const BOUNDS_MICROS: [u64; 14] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];

/// How long something took, each time: a histogram that is written without a lock.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    nanos: AtomicU64,
}

impl Durations {
    /// Notes one.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How often it was done.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

/// What is told to a scraper: families, each with its help and its samples.
#[derive(Debug)]
pub struct Exposition<'a>(pub DescriptorEncoder<'a>);

impl Exposition<'_> {
    /// Values that go up and down.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn gauge<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        samples.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    /// A value that goes up and down, without labels.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn level(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A value that only grows, without labels; `_total` is added to the name.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn total(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabels, f64, f64>(&value, None)
    }

    /// Values that only grow; `_total` is added to the name.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn counter<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabels, f64, f64>(&value, None)
        })
    }

    /// Histograms of seconds.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn durations<'d, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, &'d Durations)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        samples.into_iter().try_for_each(|(labels, durations)| {
            let bounds = BOUNDS_MICROS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
            let counts = durations.buckets.iter().map(|bucket| bucket.load(Relaxed));
            let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let seconds = durations.nanos.load(Relaxed) as f64 / 1e9;
            family.encode_family(&labels)?.encode_histogram::<NoLabels>(seconds, count, &buckets, None)
        })
    }
}

/// The labels of an exemplar, of which there is none.
type NoLabels = [(&'static str, &'static str); 0];

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Example(Durations);

    impl Collector for Example {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut exposition = Exposition(encoder);
            exposition.gauge("level", "How full it is", [([("of", "cup")], 0.5)])?;
            exposition.total("sips", "How often was drunk", 3.0)?;
            exposition.durations("drinking_seconds", "How long it took", [([("of", "cup")], &self.0)])
        }
    }

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let durations = Durations::default();
        durations.observe(Duration::from_micros(50));
        durations.observe(Duration::from_micros(51));
        durations.observe(Duration::from_secs(2));
        assert_eq!(durations.count(), 3);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Example(durations)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "# TYPE level gauge",
            "level{of=\"cup\"} 0.5",
            "sips_total 3.0",
            "drinking_seconds_bucket{le=\"0.00005\",of=\"cup\"} 1",
            "drinking_seconds_bucket{le=\"0.0001\",of=\"cup\"} 2",
            "drinking_seconds_bucket{le=\"1.0\",of=\"cup\"} 2",
            "drinking_seconds_bucket{le=\"+Inf\",of=\"cup\"} 3",
            "drinking_seconds_count{of=\"cup\"} 3",
            "drinking_seconds_sum{of=\"cup\"} 2.000101",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
        }
    }
}
