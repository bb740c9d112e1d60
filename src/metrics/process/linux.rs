//! Metrics of the process from `/proc/self`.

use std::fmt;

use procfs::process::{LimitValue, Process, Stat};
use procfs::{CurrentSI, WithCurrentSystemInfo};

use crate::metrics::{Exposition, Metric};

const CPU_SECONDS: Metric<0> =
    Metric::counter("process_cpu_seconds", [], "Seconds of processor time that the process has used, user and system");
const RESIDENT_MEMORY_BYTES: Metric<0> =
    Metric::gauge("process_resident_memory_bytes", [], "Bytes of memory that the process has resident");
const VIRTUAL_MEMORY_BYTES: Metric<0> =
    Metric::gauge("process_virtual_memory_bytes", [], "Bytes of address space that the process has mapped");
const THREADS: Metric<0> = Metric::gauge("process_threads", [], "Threads that the process has");
const START_TIME_SECONDS: Metric<0> =
    Metric::gauge("process_start_time_seconds", [], "Time at which the process started, in seconds since 1970");
const OPEN_FDS: Metric<0> = Metric::gauge("process_open_fds", [], "File descriptors that the process has open");
const MAX_FDS: Metric<0> = Metric::gauge("process_max_fds", [], "File descriptors that the process may have open");

/// Writes them. What cannot be read is left out: a scrape never fails for it.
pub(super) fn encode(mut out: Exposition<'_>) -> fmt::Result {
    let Ok(process) = Process::myself() else { return Ok(()) };
    let Ok(stat) = process.stat() else { return Ok(()) };
    let ticks = procfs::ticks_per_second() as f64;
    let cpu = (stat.utime + stat.stime) as f64 / ticks;
    out.value(&CPU_SECONDS, cpu)?;
    let resident = stat.rss_bytes().get() as f64;
    out.value(&RESIDENT_MEMORY_BYTES, resident)?;
    out.value(&VIRTUAL_MEMORY_BYTES, stat.vsize as f64)?;
    out.value(&THREADS, stat.num_threads as f64)?;
    if let Some(started) = start_time(&stat, ticks) {
        out.value(&START_TIME_SECONDS, started)?;
    }
    if let Ok(open) = process.fd_count() {
        out.value(&OPEN_FDS, open as f64)?;
    }
    let limit = process.limits().map(|limits| limits.max_open_files.soft_limit);
    if let Ok(LimitValue::Value(most)) = limit {
        out.value(&MAX_FDS, most as f64)?;
    }
    Ok(())
}

fn start_time(stat: &Stat, ticks: f64) -> Option<f64> {
    let boot = procfs::KernelStats::current().ok()?.btime as f64;
    Some(boot + stat.starttime as f64 / ticks)
}
