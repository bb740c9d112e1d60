//! [`Layer`]: what one source says.

use std::collections::BTreeMap;

use figment::providers::Serialized;
use figment::value::{Dict, Map};
use figment::{Error, Metadata, Profile, Provider};

use super::name::canonical;

/// How the names of the lists of service URLs begin, one list a zone.
pub(super) const SERVICE_URLS: &str = "eurekaclientserviceurl";

/// What one source says: values by the one form of their names.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// What the source is called.
    pub(super) origin: String,
    values: BTreeMap<String, String>,
    /// The names as they were written.
    written: BTreeMap<String, String>,
}

impl Layer {
    pub(super) fn new(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), values: BTreeMap::new(), written: BTreeMap::new() }
    }

    /// Takes a value. Of a list that is written element by element (`key[0]`, `key[1]`) the elements are joined by commas; and
    /// peers are those of all zones, whatever these are called.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let element = name.strip_suffix(']').and_then(|name| name.rsplit_once('['));
        let (name, joined) = match element {
            Some((list, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => (list, number != "0"),
            Some(_) | None => (name, false),
        };
        let mut slot = canonical(name);
        let mut joined = joined;
        if slot.starts_with(SERVICE_URLS) {
            slot = format!("{SERVICE_URLS}defaultzone");
            joined = true;
        }
        self.written.insert(slot.clone(), name.to_owned());
        let known = self.values.entry(slot).or_default();
        if joined && !known.is_empty() {
            known.push_str(&format!(",{value}"));
        } else {
            value.clone_into(known);
        }
    }

    /// The value of a name in its one form.
    pub(super) fn get(&self, slot: &str) -> Option<&str> {
        self.values.get(slot).map(String::as_str)
    }

    /// A name as it was written.
    pub(super) fn written(&self, slot: &str) -> Option<&str> {
        self.written.get(slot).map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(slot, value)| (slot.as_str(), value.as_str()))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.values.values_mut()
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Serialized::defaults(&self.values).data()
    }
}
