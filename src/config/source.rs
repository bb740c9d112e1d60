//! [`Source`]: what one source says.

use std::collections::BTreeMap;

use super::name::{canonical, element};

/// What sort of source it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A document of a file.
    File,
    /// A directory with a file for each value, as Kubernetes mounts a Secret.
    Tree,
    /// The process's environment.
    Environment,
    /// `-Dkey=value` in a variable that is for Java.
    JavaOptions,
    /// `SPRING_APPLICATION_JSON`.
    Json,
    /// The command line.
    Arguments,
}

/// One value as it stands in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name as it is written.
    pub(super) name: String,
    /// The value as it is written, with its placeholders.
    pub(super) value: String,
    /// The line of the file.
    pub(super) line: Option<usize>,
}

/// What one document says, in its order.
pub(super) type Document = Vec<Entry>;

/// What one source says.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// What the source is called.
    pub(super) origin: String,
    pub(super) kind: Kind,
    /// By the one form of their names.
    slots: BTreeMap<String, Entry>,
    /// By their names as they are written, elements of lists included.
    exact: BTreeMap<String, Entry>,
}

impl Source {
    pub(super) fn new(kind: Kind, origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), kind, slots: BTreeMap::new(), exact: BTreeMap::new() }
    }

    pub(super) fn of(kind: Kind, origin: impl Into<String>, document: Document) -> Self {
        let mut source = Self::new(kind, origin);
        document.into_iter().for_each(|entry| source.add(entry));
        source
    }

    /// Takes a value. Elements of a list (`key[0]`, `key[1]`) are joined by commas.
    pub(super) fn add(&mut self, entry: Entry) {
        self.exact.insert(entry.name.clone(), entry.clone());
        let (name, number) = element(&entry.name).map_or((entry.name.as_str(), 0), |(list, number)| (list, number));
        let slot = canonical(name);
        match self.slots.get_mut(&slot) {
            Some(known) if number > 0 => {
                known.value.push(',');
                known.value.push_str(&entry.value);
            }
            Some(_) | None => {
                let name = name.to_owned();
                self.slots.insert(slot, Entry { name, ..entry });
            }
        }
    }

    /// Takes a value that has no line.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.add(Entry { name: name.to_owned(), value: value.to_owned(), line: None });
    }

    /// The value of a name in its one form.
    pub(super) fn get(&self, slot: &str) -> Option<&Entry> {
        self.slots.get(slot)
    }

    /// The value of a name that is written exactly so. Variables of the environment cannot hold dots and dashes, and are also found
    /// with underscores, in capitals or not.
    pub(super) fn exact(&self, name: &str) -> Option<&str> {
        if let Some(entry) = self.exact.get(name) {
            return Some(&entry.value);
        }
        if self.kind != Kind::Environment {
            return None;
        }
        let plain = name.replace(['.', '-'], "_");
        self.exact.get(&plain).or_else(|| self.exact.get(&plain.to_uppercase())).map(|entry| entry.value.as_str())
    }

    /// Every value, by the one form of its name.
    pub(super) fn slots(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.slots.iter().map(|(slot, entry)| (slot.as_str(), entry))
    }

    /// Every value as it is written, elements of lists one by one.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.exact.values()
    }

    /// Where an entry stands.
    pub(super) fn origin_of(&self, entry: &Entry) -> String {
        entry.line.map_or_else(|| self.origin.clone(), |line| format!("{}:{line}", self.origin))
    }
}

/// The value of a name in its one form, and its source; of the sources, later ones win.
pub(super) fn find<'a>(sources: &[&'a Source], slot: &str) -> Option<(&'a Source, &'a Entry)> {
    sources.iter().rev().find_map(|source| Some((*source, source.get(slot)?)))
}
