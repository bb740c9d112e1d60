//! Durations and counts as text for people.

use std::fmt;
use std::time::Duration;

/// `1 lease`, `2,000 leases`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A number with separators between thousands.
pub(crate) fn grouped(number: impl fmt::Display) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A duration for people: in its largest one or two units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        match (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60, secs % 60) {
            (0, 0, 0, secs) => write!(f, "{secs} s"),
            (0, 0, minutes, secs) if minutes < 10 && secs > 0 => write!(f, "{minutes} min {secs} s"),
            (0, 0, minutes, _) => write!(f, "{minutes} min"),
            (0, hours, 0, _) => write!(f, "{hours} h"),
            (0, hours, minutes, _) => write!(f, "{hours} h {minutes} min"),
            (days, 0, _, _) => write!(f, "{days} d"),
            (days, hours, _, _) => write!(f, "{days} d {hours} h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        let said = [0, 7, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(said, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = [0, 59, 60, 61, 600, 601, 3_599, 3_600, 7_260, 86_400, 90_000, 1_000_000]
            .map(|secs| Span(Duration::from_secs(secs)).to_string());
        assert_eq!(
            said,
            [
                "0 s",
                "59 s",
                "1 min",
                "1 min 1 s",
                "10 min",
                "10 min",
                "59 min",
                "1 h",
                "2 h 1 min",
                "1 d",
                "1 d 1 h",
                "11 d 13 h"
            ]
        );
    }
}
