//! [`Rule`]: keys of one class for one reason.

/// What it costs that a key is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nothing.
    Harmless,
    /// Something that a Java server does.
    Function,
    /// Something that keeps others out: it ends the start.
    Protection,
}

/// Keys of one class for one reason.
pub(crate) struct Rule {
    pub(crate) class: Class,
    pub(crate) why: &'static str,
    /// Their names; a star at the end stands for any end.
    pub(crate) keys: &'static [&'static str],
}

impl Rule {
    /// Whether one of its names is this one, dots and dashes included.
    pub(crate) fn names(&self, key: &str) -> bool {
        self.keys
            .iter()
            .any(|known| known.strip_suffix('*').map_or(*known == key, |beginning| key.starts_with(beginning)))
    }
}
