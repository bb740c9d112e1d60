//! The kinds of metrics, and how they are written for a scraper.
//!
//! A component counts in plain atomic fields, each with a doc comment. The fields are read when a scraper asks, so no request
//! looks up a label or takes a lock. Each metric is declared once, in [`catalog`].

pub(crate) mod catalog;
pub mod connections;
pub mod process;

use std::array;
use std::borrow::Borrow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
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

    /// All of several together.
    pub fn sum<'d>(parts: impl IntoIterator<Item = &'d Self>) -> Self {
        let sum = Self::default();
        for part in parts {
            let counters = sum.buckets.iter().zip(&part.buckets).chain([(&sum.nanos, &part.nanos)]);
            counters.for_each(|(all, one)| _ = all.fetch_add(one.load(Relaxed), Relaxed));
        }
        sum
    }

    /// How often it was done.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

/// How long something took at most lately: in the last period, or in the one before.
#[derive(Debug, Default)]
pub struct Longest {
    nanos: AtomicU64,
    nanos_before: AtomicU64,
}

impl Longest {
    /// Notes one.
    pub fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // Nearly always it was less: then nothing is written that other cores read.
        if self.nanos.load(Relaxed) < nanos {
            self.nanos.fetch_max(nanos, Relaxed);
        }
    }

    /// Begins a period.
    pub fn next_period(&self) {
        self.nanos_before.store(self.nanos.swap(0, Relaxed), Relaxed);
    }

    /// In seconds; 0 if there was none.
    pub fn seconds(&self) -> f64 {
        self.nanos.load(Relaxed).max(self.nanos_before.load(Relaxed)) as f64 / 1e9
    }
}

/// A metric of single values: what it is called, which labels it has, and what it means.
#[derive(Debug)]
pub struct Metric<const LABELS: usize> {
    kind: Kind,
    name: &'static str,
    labels: [&'static str; LABELS],
    help: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Gauge,
    Counter,
}

impl<const LABELS: usize> Metric<LABELS> {
    /// A metric that goes up and down.
    pub const fn gauge(name: &'static str, labels: [&'static str; LABELS], help: &'static str) -> Self {
        Self { kind: Kind::Gauge, name, labels, help }
    }

    /// A metric that only grows. `_total` is added to its name when it is written.
    pub const fn counter(name: &'static str, labels: [&'static str; LABELS], help: &'static str) -> Self {
        Self { kind: Kind::Counter, name, labels, help }
    }
}

/// A metric of durations in seconds: what it is called, which labels it has, and what it means.
#[derive(Debug)]
pub struct Histogram<const LABELS: usize> {
    name: &'static str,
    labels: [&'static str; LABELS],
    help: &'static str,
}

impl<const LABELS: usize> Histogram<LABELS> {
    /// A histogram of this name.
    pub const fn new(name: &'static str, labels: [&'static str; LABELS], help: &'static str) -> Self {
        Self { name, labels, help }
    }
}

/// Writes metrics for a scraper.
#[derive(Debug)]
pub struct Exposition<'a>(pub DescriptorEncoder<'a>);

impl Exposition<'_> {
    /// Writes a metric without labels.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn value(&mut self, metric: &Metric<0>, value: f64) -> fmt::Result {
        metric.kind.encode(self.family(metric)?, value)
    }

    /// Writes a metric with labels: the values of the labels in the order in which they are declared, and the value.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn values<L: AsRef<str>, const LABELS: usize>(
        &mut self,
        metric: &Metric<LABELS>,
        samples: impl IntoIterator<Item = ([L; LABELS], f64)>,
    ) -> fmt::Result {
        let mut family = self.family(metric)?;
        samples.into_iter().try_for_each(|(values, value)| {
            metric.kind.encode(family.encode_family(&labelled(metric.labels, &values))?, value)
        })
    }

    /// Writes histograms, each with the values of its labels in the order in which they are declared.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn durations<L: AsRef<str>, D: Borrow<Durations>, const LABELS: usize>(
        &mut self,
        metric: &Histogram<LABELS>,
        samples: impl IntoIterator<Item = ([L; LABELS], D)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(metric.name, metric.help, None, MetricType::Histogram)?;
        samples.into_iter().try_for_each(|(values, durations)| {
            let durations = durations.borrow();
            let bounds = BOUNDS_MICROS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
            let counts = durations.buckets.iter().map(|bucket| bucket.load(Relaxed));
            let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let seconds = durations.nanos.load(Relaxed) as f64 / 1e9;
            let labels = labelled(metric.labels, &values);
            family.encode_family(&labels)?.encode_histogram::<NoLabels>(seconds, count, &buckets, None)
        })
    }

    fn family<const LABELS: usize>(&mut self, metric: &Metric<LABELS>) -> Result<MetricEncoder<'_>, fmt::Error> {
        let kind = match metric.kind {
            Kind::Gauge => MetricType::Gauge,
            Kind::Counter => MetricType::Counter,
        };
        self.0.encode_descriptor(metric.name, metric.help, None, kind)
    }
}

impl Kind {
    fn encode(self, mut encoder: MetricEncoder<'_>, value: f64) -> fmt::Result {
        match self {
            Self::Gauge => encoder.encode_gauge(&value),
            Self::Counter => encoder.encode_counter::<NoLabels, f64, f64>(&value, None),
        }
    }
}

fn labelled<'v, L: AsRef<str>, const LABELS: usize>(
    names: [&'static str; LABELS],
    values: &'v [L; LABELS],
) -> [(&'static str, &'v str); LABELS] {
    array::from_fn(|at| (names[at], values[at].as_ref()))
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
            exposition.values(&Metric::gauge("level", ["of"], "How full it is"), [(["cup"], 0.5)])?;
            exposition.value(&Metric::counter("sips", [], "Sips that were taken"), 3.0)?;
            exposition.durations(&Histogram::new("drinking_seconds", ["of"], "How long it took"), [(["cup"], &self.0)])
        }
    }

    #[test]
    fn the_longest_is_forgotten_after_two_periods() {
        let longest = Longest::default();
        longest.observe(Duration::from_millis(500));
        longest.observe(Duration::from_millis(20));
        assert_eq!(longest.seconds(), 0.5);
        longest.next_period();
        longest.observe(Duration::from_millis(30));
        assert_eq!(longest.seconds(), 0.5, "in the period before");
        longest.next_period();
        assert_eq!(longest.seconds(), 0.03);
        longest.next_period();
        assert_eq!(longest.seconds(), 0.0);
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
