//! [`Finding`]: one thing that is the same, differs, or has to be done.

/// Maximum instances that a finding names. All are counted.
const MOST_NAMED: usize = 20;

/// What a finding means for the move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Something has to be done before the move.
    Act,
    /// It will be different afterwards.
    Differs,
    /// It will be the same.
    Same,
}

impl Severity {
    /// All, the most urgent first.
    pub(super) const ALL: [Self; 3] = [Self::Act, Self::Differs, Self::Same];

    /// Its name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Differs => "differs",
            Self::Same => "same",
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// A name that stays, for programs.
    pub(super) id: &'static str,
    /// What it means.
    pub(super) severity: Severity,
    /// The finding, as a sentence.
    pub(super) says: String,
    /// What to do; empty if there is nothing.
    pub(super) todo: String,
    /// The instances (or peers, or settings) that it is about: at most 20.
    pub(super) about: Vec<String>,
    /// The number of those that are not named.
    pub(super) more: usize,
}

impl Finding {
    pub(super) fn same(id: &'static str, says: impl Into<String>) -> Self {
        Self::new(id, Severity::Same, says)
    }

    pub(super) fn differs(id: &'static str, says: impl Into<String>) -> Self {
        Self::new(id, Severity::Differs, says)
    }

    pub(super) fn act(id: &'static str, says: impl Into<String>) -> Self {
        Self::new(id, Severity::Act, says)
    }

    fn new(id: &'static str, severity: Severity, says: impl Into<String>) -> Self {
        Self { id, severity, says: says.into(), todo: String::new(), about: Vec::new(), more: 0 }
    }

    /// Says what to do.
    pub(super) fn todo(self, todo: impl Into<String>) -> Self {
        Self { todo: todo.into(), ..self }
    }

    /// Names what it is about, in a form that cannot disturb a terminal.
    pub(super) fn about(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        for name in names {
            if self.about.len() < MOST_NAMED {
                self.about.push(printable(name.as_ref()));
            } else {
                self.more += 1;
            }
        }
        self
    }
}

/// Text that somebody sent, so that it can neither begin a line of its own nor change a terminal's state. Quotation marks stay: nothing is
/// quoted here.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\'' | '"') { shown.push(character) } else { shown.extend(character.escape_debug()) }
    }
    shown
}

/// A number and its noun: `1 instance`, `2 instances`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_twenty_and_counts_the_others() {
        let finding = Finding::act("x", "y").about((0..25).map(|number| format!("A/{number}\n")));
        assert_eq!((finding.about.len(), finding.more), (20, 5));
        assert_eq!(finding.about[0], "A/0\\n");
        assert_eq!(printable("the server's \u{1b}[1m"), "the server's \\u{1b}[1m");
        assert_eq!([count(1, "peer"), count(0, "peer")], ["1 peer", "0 peers"]);
    }
}
