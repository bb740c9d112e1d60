//! [`Completions`]: what the last word of a search may become.

use std::collections::HashMap;

use serde::Serialize;

use super::instances::Filter;
use super::search::{Term, contains, equal};
use crate::model::InstanceInfo;
use crate::registry::View;
use crate::time::Timestamp;

/// Maximum number of different texts that are counted.
const MOST_COUNTED: usize = 10_000;

/// The words that complete a search. Described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Completions {
    now: i64,
    completions: Vec<Completion>,
}

/// A word that completes a search.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Completion {
    /// The word: the name of an application, `name=` of metadata, or `name=value`.
    text: String,
    /// How many instances it would find, of those that the words before it find.
    count: usize,
}

impl Completions {
    /// The completions of a search, the most frequent first, at most `most`. Only instances count that the words before the last one
    /// find.
    pub(crate) fn of(view: &View, search: &str, most: usize, now: Timestamp) -> Self {
        let last = search.rsplit(char::is_whitespace).next().unwrap_or_default();
        let before = Filter { terms: Term::all(&search[..search.len() - last.len()]), ..Filter::default() };
        let last = last.to_lowercase();
        let mut counts = Counts::default();
        for (info, _) in view.iter().filter(|(info, lease)| before.matches(info, lease, now)) {
            counts.add(info, &last);
        }
        Self { now: now.0, completions: counts.completions(most) }
    }
}

/// How often words occur: as `(name, value)`, with an empty name for an application, and an empty value for a name.
#[derive(Default)]
struct Counts<'a>(HashMap<(&'a str, &'a str), usize>);

impl<'a> Counts<'a> {
    fn add(&mut self, info: &'a InstanceInfo, last: &str) {
        if let Some((name, start)) = last.split_once('=') {
            let zone = info.zone().filter(|_| name == "zone").map(|zone| ("zone", zone));
            let entries =
                info.metadata.iter().filter(|(key, _)| equal(key, name) && !(zone.is_some() && *key == "zone"));
            zone.into_iter()
                .chain(entries)
                .filter(|(_, value)| contains(value, start))
                .for_each(|pair| self.count(pair));
            return;
        }
        if contains(info.app.as_str(), last) {
            self.count(("", info.app.as_str()));
        }
        for (name, value) in info.metadata.iter() {
            if contains(name, last) {
                self.count((name, ""));
            } else if !last.is_empty() && contains(value, last) {
                self.count((name, value));
            }
        }
    }

    fn count(&mut self, pair: (&'a str, &'a str)) {
        // A word ends at a space, so a value with one cannot be searched for.
        if pair.0.contains(char::is_whitespace) || pair.1.contains(char::is_whitespace) {
            return;
        }
        if let Some(count) = self.0.get_mut(&pair) {
            *count += 1;
        } else if self.0.len() < MOST_COUNTED {
            self.0.insert(pair, 1);
        }
    }

    fn completions(self, most: usize) -> Vec<Completion> {
        let mut counted: Vec<_> = self.0.into_iter().collect();
        counted.sort_unstable_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        counted.truncate(most);
        let text =
            |(name, value): (&str, &str)| if name.is_empty() { value.to_owned() } else { format!("{name}={value}") };
        counted.into_iter().map(|(pair, count)| Completion { text: text(pair), count }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AppName;

    fn info(metadata: &[(&str, &str)]) -> InstanceInfo {
        let mut info = InstanceInfo::new(AppName::new("orders"), "Host-1", "10.0.0.1", Timestamp(0));
        info.metadata = metadata.iter().copied().collect();
        info
    }

    #[test]
    fn the_last_word_is_completed() {
        let completed = |infos: &[InstanceInfo], last: &str, most| {
            let mut counts = Counts::default();
            infos.iter().for_each(|info| counts.add(info, last));
            let all = counts.completions(most).into_iter();
            all.map(|completion| (completion.text, completion.count)).collect::<Vec<_>>()
        };
        let infos = [
            info(&[("team", "payments"), ("zone", "a")]),
            info(&[("team", "payments"), ("note", "two words")]),
            info(&[("team", "pay-out")]),
        ];
        let pairs =
            |expected: &[(&str, usize)]| expected.iter().map(|(text, n)| ((*text).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(completed(&infos, "te", 10), pairs(&[("team=", 3), ("note=", 1)]));
        assert_eq!(completed(&infos, "team=pay", 10), pairs(&[("team=payments", 2), ("team=pay-out", 1)]));
        assert_eq!(completed(&infos, "team=pay", 1), pairs(&[("team=payments", 2)]));
        assert_eq!(completed(&infos, "pay", 10), pairs(&[("team=payments", 2), ("team=pay-out", 1)]));
        assert_eq!(completed(&infos, "ord", 10), pairs(&[("ORDERS", 3)]));
        assert_eq!(completed(&infos, "zone=", 10), pairs(&[("zone=a", 1)]));
        assert_eq!(completed(&infos, "words", 10), pairs(&[]));
    }

    #[test]
    fn completions_are_counted_in_bounded_memory() {
        let infos: Vec<_> = (0..MOST_COUNTED + 100).map(|number| info(&[("n", &format!("value-{number}"))])).collect();
        let mut counts = Counts::default();
        infos.iter().for_each(|info| counts.add(info, "n=value"));
        assert_eq!(counts.0.len(), MOST_COUNTED);
    }
}
