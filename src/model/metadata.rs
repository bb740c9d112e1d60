//! [`Metadata`].

use smol_str::SmolStr;

/// An instance's metadata: text by name, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Box<[(SmolStr, SmolStr)]>);

impl Metadata {
    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(key, _)| key.as_str().cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value.as_str())
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// These entries and `more`. If a name is in both, the value of `more` counts.
    #[must_use]
    pub fn with<K: Into<SmolStr>, V: Into<SmolStr>>(&self, more: impl IntoIterator<Item = (K, V)>) -> Self {
        let own = self.0.iter().cloned();
        own.chain(more.into_iter().map(|(name, value)| (name.into(), value.into()))).collect()
    }
}

impl<K: Into<SmolStr>, V: Into<SmolStr>> FromIterator<(K, V)> for Metadata {
    /// If a name is repeated, the last value counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut all: Vec<(SmolStr, SmolStr)> =
            entries.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        all.reverse();
        all.sort_by(|a, b| a.0.cmp(&b.0)); // stable: the last given now stands first among its equals
        all.dedup_by(|later, kept| later.0 == kept.0);
        Self(all.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_equal_names_wins() {
        let metadata: Metadata = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!(metadata.with([("a", "9"), ("c", "4")]).get("a"), Some("9"));
        assert_eq!(metadata.get("z"), None);
    }
}
