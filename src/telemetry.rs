//! Logs.
//!
//! A line is put into a bounded queue, and a thread of its own writes it. Logging never waits: if standard output is not read, or
//! not fast enough, lines are dropped and counted.

mod plain;
mod structured;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{Dispatch, warn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::{FormatEvent, FormatFields, MakeWriter, SubscriberBuilder};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use crate::log_levels::{CURRENT, LogLevels};
use crate::metrics::process::LOG_LINES_DROPPED;
use plain::PlainFields;
use structured::{Shape, Structured};

/// The target of the log lines about starting and stopping. Log levels of Java loggers do not silence it.
pub const START: &str = "eureka_registry::start";

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: in colours, if standard output is a terminal.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
    /// One JSON object a line, as Spring Boot's `ecs`.
    Ecs,
    /// One JSON object a line, as Spring Boot's `logstash`.
    Logstash,
    /// One JSON object a line, as Spring Boot's `gelf`.
    Gelf,
}

/// Settings of the logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What is logged, as a filter of `tracing_subscriber`.
    pub filter: String,
    /// How lines are written.
    pub format: Format,
    /// What ECS and GELF call this service (`spring.application.name`).
    pub service: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: Format::Text, service: "eureka".to_owned() }
    }
}

/// How long the writing thread pauses after each write. Waking it for every line took a third of the time of a registration.
const REST: Duration = Duration::from_millis(5);
/// Maximum bytes of queued lines: some thousand lines.
const QUEUED_BYTES: usize = 1024 * 1024;
/// The buffer that is kept after many lines.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long writing the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The lines that wait to be written.
#[derive(Debug, Default)]
struct Queue {
    lines: Mutex<Lines>,
    /// Signals that there are lines, or that no more will come.
    more: Condvar,
    /// Signals that all lines are written.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    dropped: u64,
    writing: bool,
    ended: bool,
}

impl Queue {
    /// Appends a line, or drops it if there is no room.
    fn push(&self, line: &[u8]) {
        let mut lines = self.lines.lock();
        if lines.text.len() + line.len() > QUEUED_BYTES {
            lines.dropped += 1;
            LOG_LINES_DROPPED.fetch_add(1, Relaxed);
            return;
        }
        lines.text.extend_from_slice(line);
        drop(lines);
        self.more.notify_one();
    }

    /// Writes lines until no more come.
    fn write_to(&self, out: &mut impl Write) {
        let mut text = Vec::new();
        loop {
            text.clear();
            let dropped = {
                let mut lines = self.lines.lock();
                lines.writing = false;
                while lines.text.is_empty() && !lines.ended {
                    self.idle.notify_all();
                    self.more.wait(&mut lines);
                }
                if lines.text.is_empty() {
                    self.idle.notify_all();
                    return;
                }
                lines.writing = true;
                std::mem::swap(&mut lines.text, &mut text);
                std::mem::take(&mut lines.dropped)
            };
            // A line that cannot be written is lost, and a message about it would be lost, too.
            if out.write_all(&text).and_then(|()| out.flush()).is_err() {
                let lost = text.iter().filter(|byte| **byte == b'\n').count();
                LOG_LINES_DROPPED.fetch_add(lost as u64, Relaxed);
            }
            if dropped > 0 {
                warn!(dropped, "log lines were dropped: standard output is not read, or too slowly");
            }
            if text.capacity() > BUFFER_BYTES {
                text = Vec::new();
            }
            thread::sleep(REST);
        }
    }

    /// Notes that no more lines will come, and waits for a short time until all are written.
    fn end(&self) {
        let mut lines = self.lines.lock();
        lines.ended = true;
        self.more.notify_all();
        let is_left = |lines: &mut Lines| lines.writing || !lines.text.is_empty();
        let _in_time = self.idle.wait_while_for(&mut lines, is_left, LAST_LINES);
    }
}

/// Makes writers that put lines into the queue.
#[derive(Clone, Debug)]
struct Queued(Arc<Queue>);

impl Write for Queued {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queued {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Ends logging when it is dropped: the last lines are then written, if that takes less than a second.
#[derive(Debug)]
pub struct Guard(Arc<Queue>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Logs to standard output until the returned guard is dropped.
#[must_use = "logs end when it is dropped"]
pub fn init(options: &Options) -> Guard {
    let filter = EnvFilter::try_new(&options.filter).unwrap_or_else(|_not_a_filter| EnvFilter::new("info"));
    let terminal = io::stdout().is_terminal();
    let queue = start(io::stdout());
    let writer = Queued(Arc::clone(&queue));
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(terminal).with_writer(writer);
    let structured = |shape| Structured { shape, service: options.service.clone() };
    let filter = options.filter.as_str();
    let log = match options.format {
        Format::Text if terminal => with_levels(logs, filter, &CURRENT),
        Format::Text => with_levels(logs.fmt_fields(PlainFields), filter, &CURRENT),
        Format::Json => with_levels(logs.json().flatten_event(true).with_span_list(false), filter, &CURRENT),
        Format::Ecs => {
            with_levels(logs.fmt_fields(JsonFields::new()).event_format(structured(Shape::Ecs)), filter, &CURRENT)
        }
        Format::Logstash => {
            with_levels(logs.fmt_fields(JsonFields::new()).event_format(structured(Shape::Logstash)), filter, &CURRENT)
        }
        Format::Gelf => {
            with_levels(logs.fmt_fields(JsonFields::new()).event_format(structured(Shape::Gelf)), filter, &CURRENT)
        }
    };
    log.init();
    Guard(queue)
}

/// A log with this filter, until `levels` has another.
fn with_levels<N, E>(logs: SubscriberBuilder<N, E, EnvFilter, Queued>, filter: &str, levels: &LogLevels) -> Dispatch
where
    N: for<'w> FormatFields<'w> + Send + Sync + 'static,
    E: FormatEvent<Registry, N> + Send + Sync + 'static,
{
    let logs = logs.with_filter_reloading();
    let handle = logs.reload_handle();
    levels.begin(filter, move |filter| EnvFilter::try_new(filter).is_ok_and(|filter| handle.reload(filter).is_ok()));
    logs.finish().into()
}

/// A queue, and the thread that writes its lines. If the system refuses to start the thread, nothing is logged.
fn start(mut out: impl Write + Send + 'static) -> Arc<Queue> {
    let queue = Arc::<Queue>::default();
    let written = Arc::clone(&queue);
    let started = thread::Builder::new().name("log".to_owned()).spawn(move || written.write_to(&mut out));
    if started.is_err() {
        LOG_LINES_DROPPED.fetch_add(1, Relaxed);
    }
    queue
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Accepts what is written when the test allows it.
    struct Reader {
        ready: mpsc::Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // When the test is over, everything is taken.
            let _over = self.ready.recv().is_err();
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn logging_never_waits_and_dropped_lines_are_counted() {
        let ((read, ready), (written, lines)) = (mpsc::channel(), mpsc::channel());
        let queue = start(Reader { ready, written });
        let before = LOG_LINES_DROPPED.load(Relaxed);
        let line = [b"x".repeat(999).as_slice(), b"\n"].concat();
        // One part is with the thread that writes, one waits; nobody reads.
        (0..3 * QUEUED_BYTES / line.len()).for_each(|_| queue.push(&line));
        let dropped = LOG_LINES_DROPPED.load(Relaxed) - before;
        assert!(dropped >= (QUEUED_BYTES / line.len()) as u64, "{dropped} lines");
        assert!(queue.lines.lock().text.len() <= QUEUED_BYTES);
        // It waits for the reader, but not for ever.
        queue.end();
        let is_left = |lines: &Lines| lines.writing || !lines.text.is_empty();
        assert!(is_left(&queue.lines.lock()));
        drop(read);
        let taken: usize = lines.iter().map(|text| text.len()).sum();
        assert_eq!(taken as u64 / 1000 + dropped, (3 * QUEUED_BYTES / line.len()) as u64, "each is written or counted");
    }

    #[test]
    fn a_level_that_is_set_counts_at_once() {
        let (queue, levels) = (Arc::<Queue>::default(), LogLevels::new());
        let logs = tracing_subscriber::fmt().with_env_filter("info").with_writer(Queued(Arc::clone(&queue)));
        tracing::dispatcher::with_default(&with_levels(logs, "info", &levels), || {
            let said = |what: &str| {
                tracing::debug!(target: "eureka_registry::http", "{what}");
                String::from_utf8(std::mem::take(&mut queue.lines.lock().text)).unwrap().contains(what)
            };
            assert!(!said("before"));
            assert_eq!(levels.set("eureka_registry::http", Some("debug")), Ok(()));
            assert!(said("while it is set"));
            assert_eq!(levels.set("eureka_registry::http", None), Ok(()));
            assert!(!said("after"));
        });
    }

    #[test]
    fn the_last_line_is_written_before_the_end() {
        let ((read, ready), (written, lines)) = (mpsc::channel(), mpsc::channel());
        let queue = start(Reader { ready, written });
        drop(read);
        queue.push(b"last\n");
        queue.end();
        assert_eq!(lines.try_iter().flatten().collect::<Vec<u8>>(), b"last\n");
    }
}
