//! [`Key`]: a key of the table.

use crate::config::draft::Draft;

/// One key.
pub(in crate::config) struct Key {
    /// Its name in Spring's canonical form.
    pub(in crate::config) name: &'static str,
    /// The value it has where nobody says anything; empty for none.
    pub(in crate::config) default: &'static str,
    /// What it does.
    pub(in crate::config) meaning: &'static str,
    /// Sets it, or says what was expected.
    pub(in crate::config) set: fn(&mut Draft, &str) -> Result<(), &'static str>,
}

/// Keys that belong together.
pub(in crate::config) struct Group {
    /// What they are about.
    pub(in crate::config) title: &'static str,
    /// The keys.
    pub(in crate::config) keys: &'static [Key],
}
