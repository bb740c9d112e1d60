//! [`Key`]: a key of the table.

use crate::config::draft::Draft;

/// One key.
pub(crate) struct Key {
    /// Its name in Spring's canonical form.
    pub(crate) name: &'static str,
    /// The value it has where nobody says anything; empty for none.
    pub(crate) default: &'static str,
    /// What it does.
    pub(crate) meaning: &'static str,
    /// Sets it, or says what was expected.
    pub(crate) set: fn(&mut Draft, &str) -> Result<(), &'static str>,
}

/// Keys that belong together.
pub(crate) struct Group {
    /// What they are about.
    pub(crate) title: &'static str,
    /// The keys.
    pub(crate) keys: &'static [Key],
}
