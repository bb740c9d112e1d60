//! [`Term`]: one word of a search.
//!
//! A search compares texts where they are: it copies none of them, however many instances there are.

use crate::model::InstanceInfo;

/// One word of a search, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// The whole word, which a name, an address, the zone or the version may contain.
    word: String,
    /// The word as a name and a value, if it has an equals sign: `team=payments`.
    entry: Option<(String, Pattern)>,
}

/// A value in a search: a whole one, or with `*` at its beginning or end for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: String,
    starts_anywhere: bool,
    ends_anywhere: bool,
}

impl Term {
    /// The terms of a search, separated by spaces.
    pub(crate) fn all(search: &str) -> Vec<Self> {
        search.split_whitespace().map(Self::of).collect()
    }

    fn of(word: &str) -> Self {
        let word = word.to_lowercase();
        let entry = word.split_once('=').filter(|(name, _)| !name.is_empty());
        let entry = entry.map(|(name, value)| (name.to_owned(), Pattern::of(value)));
        Self { word, entry }
    }

    /// Whether an instance fits.
    pub(crate) fn fits(&self, info: &InstanceInfo) -> bool {
        let has_entry = |(name, pattern): &(String, Pattern)| values(info, name).any(|value| pattern.fits(value));
        self.entry.as_ref().is_some_and(has_entry) || texts(info).any(|text| contains(text, &self.word))
    }
}

impl Pattern {
    /// Without a value, any one fits: the instance has the entry.
    fn of(value: &str) -> Self {
        let (starts_anywhere, rest) = value.strip_prefix('*').map_or((false, value), |rest| (true, rest));
        let (ends_anywhere, text) = rest.strip_suffix('*').map_or((rest.is_empty(), rest), |text| (true, text));
        Self { text: text.to_owned(), starts_anywhere, ends_anywhere }
    }

    fn fits(&self, value: &str) -> bool {
        match (self.starts_anywhere, self.ends_anywhere) {
            (true, true) => contains(value, &self.text),
            (false, false) => equal(value, &self.text),
            (false, true) => starts(value, &self.text),
            (true, false) => ends(value, &self.text),
        }
    }
}

/// The texts in which a plain word is looked for.
fn texts(info: &InstanceInfo) -> impl Iterator<Item = &str> {
    let always = [info.app.as_str(), info.id(), &info.host_name, &info.ip_addr];
    let sometimes = [info.vip_address.as_deref(), info.secure_vip_address.as_deref(), info.zone(), info.version()];
    always.into_iter().chain(sometimes.into_iter().flatten())
}

/// The values of a name in a search: of a field, or of the metadata.
fn values<'a>(info: &'a InstanceInfo, name: &'a str) -> impl Iterator<Item = &'a str> {
    let field = match name {
        "app" | "application" => Some(info.app.as_str()),
        "id" => Some(info.id()),
        "host" => Some(&*info.host_name),
        "address" | "ip" => Some(&*info.ip_addr),
        "status" => Some(info.status.name()),
        "zone" => info.zone(),
        "version" => info.version(),
        _ => None,
    };
    field.into_iter().chain(info.metadata.iter().filter(move |(key, _)| equal(key, name)).map(|(_, value)| value))
}

/// Whether a text is this word, which is in lower case.
pub(super) fn equal(text: &str, word: &str) -> bool {
    if text.is_ascii() { text.eq_ignore_ascii_case(word) } else { text.to_lowercase() == word }
}

fn starts(text: &str, word: &str) -> bool {
    if text.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        return text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    }
    text.to_lowercase().starts_with(word)
}

fn ends(text: &str, word: &str) -> bool {
    if text.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        return text.len() >= word.len() && text[text.len() - word.len()..].eq_ignore_ascii_case(word);
    }
    text.to_lowercase().ends_with(word)
}

/// Whether a text contains a word, which is in lower case.
pub(super) fn contains(text: &str, word: &str) -> bool {
    if text.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        let Some(first) = word.first() else { return true };
        // Most places are ruled out by their first letter.
        return text
            .windows(word.len())
            .any(|part| part[0].eq_ignore_ascii_case(first) && part.eq_ignore_ascii_case(word));
    }
    text.to_lowercase().contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AppName;
    use crate::time::Timestamp;

    fn info(metadata: &[(&str, &str)]) -> InstanceInfo {
        let mut info = InstanceInfo::new(AppName::new("orders"), "Host-1", "10.0.0.1", Timestamp(0));
        info.metadata = metadata.iter().copied().collect();
        info
    }

    fn check(search: &str, found: bool) {
        let info = info(&[("Team", "Payments"), ("zone", "eu-1a"), ("version", "2.0"), ("ort", "Köln"), ("empty", "")]);
        assert_eq!(Term::all(search).iter().all(|term| term.fits(&info)), found, "{search}");
    }

    #[test]
    fn words_are_found_in_names_addresses_zones_and_versions() {
        for search in ["ORD", "host-1", "10.0.0", "EU-1A", "2.0", "ord eu-1", ""] {
            check(search, true);
        }
        for search in ["payments", "köln", "ord eu-2"] {
            check(search, false);
        }
    }

    #[test]
    fn a_name_and_a_value_are_found_in_the_metadata() {
        for search in [
            "team=payments",
            "TEAM=PAYMENTS",
            "team=pay*",
            "team=*ments",
            "team=*yme*",
            "team=*",
            "team=",
            "zone=eu-1a",
            "zone=eu*",
            "app=orders",
            "status=up",
            "ort=köln",
            "ort=KÖLN",
            "ort=kö*",
            "ort=*ln",
            "empty=",
            "team=payments zone=eu-1a",
            "host=host-1",
        ] {
            check(search, true);
        }
        for search in [
            "team=pay",
            "team=ments",
            "team=*pay",
            "tea=payments",
            "team=paymentss",
            "nothing=",
            "zone=eu",
            "ort=koln",
            "team=payments zone=b",
        ] {
            check(search, false);
        }
    }

    #[test]
    fn a_word_with_an_equals_sign_may_be_part_of_a_name() {
        let mut odd = info(&[]);
        odd.instance_id = Some("shard=7".into());
        assert!(Term::all("shard=7").iter().all(|term| term.fits(&odd)));
    }

    #[test]
    fn words_are_found_whatever_their_case() {
        for (text, word) in [("ORDERS", "orders"), ("Orders-1", "rs-1"), ("ÄPFEL", "äpf"), ("a", "a")] {
            assert!(contains(text, word), "{text} {word}");
        }
        for (text, word) in [("ORDERS", "orderss"), ("", "a"), ("apfel", "äpf")] {
            assert!(!contains(text, word), "{text} {word}");
        }
    }
}
