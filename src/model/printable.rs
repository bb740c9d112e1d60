//! [`Printable`]: text that somebody sent, in a log line.

use std::fmt;

/// Text that somebody sent, written so that it can neither begin a log line of its own nor change a terminal's state.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\');
        // In one piece where nothing has to be escaped, as nearly always: char by char it was a tenth of a registration.
        if self.0.bytes().all(is_plain) { f.write_str(self.0) } else { write!(f, "{}", self.0.escape_debug()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_be_forged() {
        assert_eq!(Printable("ORDERS/o-1").to_string(), "ORDERS/o-1");
        assert_eq!(Printable("o-1\n2026-01-01 INFO").to_string(), "o-1\\n2026-01-01 INFO");
        assert_eq!(Printable("\u{1b}[2J\u{9b}").to_string(), "\\u{1b}[2J\\u{9b}");
        assert_eq!(Printable("grün").to_string(), "grün");
    }
}
