//! Logs.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Duration;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: in colours, if somebody watches.
    #[default]
    Text,
    /// One JSON object a line, for whoever collects logs.
    Json,
}

/// Settings of the logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What is logged, as a filter of `tracing_subscriber`.
    pub filter: String,
    /// How.
    pub format: Format,
}

impl Default for Options {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: Format::Text }
    }
}

/// So long the thread that writes rests after it wrote: waking it for every line cost as much as a third of the
/// registration that the line told of.
const REST: Duration = Duration::from_millis(5);

/// So many lines may wait for it. Places for 128,000, which is the default, took 4 MB of an empty registry's memory.
const LINES: usize = 4096;

/// Standard output for the thread that writes: it flushes when no line is left, and then rests while more come.
struct Gulps<W: Write>(BufWriter<W>);

impl<W: Write> Write for Gulps<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        std::thread::sleep(REST);
        Ok(())
    }
}

/// Logs to standard output until what this gives is dropped, which waits for the last line.
///
/// Lines are written by a thread of their own, many at a time where many come: a slow reader of the log, or a system call for
/// each of ten thousand registrations, holds no request up. None is dropped; who logs faster than can be written waits.
#[must_use = "logs end when it is dropped"]
pub fn init(options: &Options) -> WorkerGuard {
    let filter = EnvFilter::try_new(&options.filter).unwrap_or_else(|_not_a_filter| EnvFilter::new("info"));
    let terminal = io::stdout().is_terminal();
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(false)
        .buffered_lines_limit(LINES)
        .thread_name("log")
        .finish(Gulps(BufWriter::new(io::stdout())));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(writer);
    match options.format {
        Format::Text => logs.with_ansi(terminal).init(),
        Format::Json => logs.json().flatten_event(true).with_span_list(false).init(),
    }
    guard
}
