//! [`PlainFields`]: the message and the fields of a line, without colours.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes a line's message and fields as `tracing_subscriber` does: `message name=value`.
///
/// That asks at every name whether it is to be coloured, and passes a message on char by char: a twelfth of the registration that the
/// line told of.
#[derive(Debug)]
pub(super) struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = Plain { writer, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Plain<'w> {
    writer: Writer<'w>,
    is_first: bool,
    result: fmt::Result,
}

impl Plain<'_> {
    fn write(&mut self, field: &Field, value: &dyn Debug) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        match field.name() {
            "message" => write!(Escaped(&mut self.writer), "{value:?}"),
            name => {
                self.writer.write_str(name)?;
                self.writer.write_char('=')?;
                write!(self.writer, "{value:?}")
            }
        }
    }
}

impl Visit for Plain<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.result.is_ok() {
            self.result = self.write(field, value);
        }
    }
}

/// Passes text on with its control characters escaped, which a terminal would obey.
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut written = 0;
        for (at, control) in text.match_indices(|c: char| c.is_control() && c != '\n' && c != '\t') {
            self.0.write_str(&text[written..at])?;
            write!(self.0, "{}", control.escape_debug())?;
            written = at + control.len();
        }
        self.0.write_str(&text[written..])
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::{field, info, info_span};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a subscriber writes of some events.
    fn written(subscriber: impl FnOnce(Lines) -> tracing::Dispatch) -> String {
        let lines = Lines::default();
        tracing::dispatcher::with_default(&subscriber(lines.clone()), || {
            let (none, some): (Option<&str>, _) = (None, Some("a \"name\""));
            info!(app.name = "ORDERS", number = 17, certified = true, none, some, "{} registered", "a client");
            let _in_span = info_span!("request", id = "1-2").entered();
            info!(address = field::display("10.0.0.7"), bytes = field::debug([1, 2]), "the text alone");
            info!(only = "a field");
            info!("escaped: \u{1b}[2J \u{7f} \u{9b}1m, and kept: \n\t é");
        });
        String::from_utf8(lines.0.lock().clone()).unwrap()
    }

    #[test]
    fn a_line_is_what_the_library_writes() {
        let logs = |lines: Lines| {
            let logs = tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false);
            logs.with_writer(move || lines.clone())
        };
        let theirs = written(|lines| logs(lines).into());
        let ours = written(|lines| logs(lines).fmt_fields(PlainFields).into());
        // The one difference is how an escape is written.
        let theirs = theirs.replace("\\x1b", "\\u{1b}").replace("\\x7f", "\\u{7f}");
        assert_eq!(ours, theirs);
        assert!(ours.contains("number=17 certified=true some=\"a \\\"name\\\"\"\n"), "{ours}");
    }
}
