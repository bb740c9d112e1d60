//! From what the sources say to settings.

use std::collections::{BTreeMap, BTreeSet};

use super::classes::{self, Class};
use super::draft::{Draft, Written};
use super::error::{ConfigError, Notice, Unheeded};
use super::families::{FAMILIES, Family, Sense};
use super::keys::{self, Key};
use super::load::Surroundings;
use super::name::canonical;
use super::placeholders::{self, Resolver};
use super::shown;
use super::source::{Entry, Kind, Source};
use crate::server::Settings;

/// What the sources come to.
#[derive(Debug)]
pub(super) struct Applied {
    /// Keys that a variable for Java sets, with the variable's name.
    pub(super) java_options: Vec<(String, String)>,
    pub(super) settings: Settings,
    pub(super) notices: Vec<Notice>,
    /// What is set, in the order of the slots.
    pub(super) set: Vec<Set>,
}

/// A key that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    /// The key of the table; `None` for one of a family.
    pub(super) key: Option<&'static str>,
    /// The name as it was written.
    pub(super) written: String,
    /// The value, without what is secret in it.
    pub(super) shown: String,
    pub(super) origin: String,
    /// Whether the default is another.
    pub(super) differs: bool,
}

/// What stands for a key in the end.
type Effective<'a> = BTreeMap<&'a str, (&'a Source, &'a Entry)>;

/// The settings that follow, or what is wrong with them.
pub(super) fn apply(sources: &[Source], surroundings: &Surroundings) -> Result<Applied, ConfigError> {
    let all: Vec<&Source> = sources.iter().collect();
    let resolver = Resolver { sources: &all, system: &surroundings.system };
    let asked = asked(sources);
    let effective = effective(sources, &asked);
    let mut draft = Draft::default();
    let (mut notices, mut set) = (Vec::new(), Vec::new());
    for (slot, (source, entry)) in &effective {
        draft.key = Written { name: entry.name.clone(), origin: source.origin_of(entry) };
        let what = if let Some(key) = keys::find(slot) {
            set.push(set_key(&mut draft, key, slot, resolver, source, entry)?);
            continue;
        } else {
            match set_family(&mut draft, slot, resolver, source, entry)? {
                Some((Sense::Known, value)) => {
                    let shown = shown::shown_of(slot, &entry.value, &value);
                    let Written { name, origin } = draft.key.clone();
                    set.push(Set { key: None, written: name, shown, origin, differs: true });
                    continue;
                }
                Some((Sense::Useless, _)) => Unheeded::Harmless("it belongs to something that is not here".into()),
                Some((Sense::Unknown, _)) | None if is_of_spring_itself(slot) => continue,
                // A name that placeholders ask for is a variable, however it begins.
                Some((Sense::Unknown, _)) | None if asked.contains(*slot) && classes::rule(slot).is_none() => continue,
                Some((Sense::Unknown, _)) | None => unheeded(slot, resolver, source, entry)?,
            }
        };
        notices.push(Notice { key: entry.name.clone(), origin: source.origin_of(entry), what });
    }
    notices.append(&mut draft.notices);
    let of_java = effective.values().filter(|(source, _)| source.kind == Kind::JavaOptions);
    let java_options = of_java.map(|(source, entry)| (entry.name.clone(), source.origin.clone())).collect();
    Ok(Applied { settings: draft.finish()?, notices, set, java_options })
}

/// The names that placeholders ask for, in their one form.
pub(super) fn asked(sources: &[Source]) -> BTreeSet<String> {
    let entries = sources.iter().filter(|source| source.kind != Kind::Environment).flat_map(Source::slots);
    entries.flat_map(|(_, entry)| placeholders::names(&entry.value).map(canonical).collect::<Vec<_>>()).collect()
}

/// What stands for each key in the end: of the sources, later ones win; in one source, a key's name of today wins over older ones. Most
/// variables of the environment are somebody else's.
fn effective<'a>(sources: &'a [Source], asked: &BTreeSet<String>) -> Effective<'a> {
    let mut effective = Effective::new();
    let mut by_key: BTreeMap<&'static str, &str> = BTreeMap::new();
    for source in sources {
        let is_shared = matches!(source.kind, Kind::Environment | Kind::JavaOptions);
        let entries = source.slots().filter(|(slot, entry)| !is_shared || is_ours(slot, entry, asked));
        let (of_today, other): (Vec<_>, Vec<_>) =
            entries.partition(|(slot, _)| keys::find(slot).is_none_or(|key| canonical(key.name) == **slot));
        for (slot, entry) in other.into_iter().chain(of_today) {
            if let Some(key) = keys::find(slot)
                && let Some(before) = by_key.insert(key.name, slot)
            {
                effective.remove(before);
            }
            effective.insert(slot, (source, entry));
        }
    }
    effective
}

/// Sets a key of the table. One that is set to nothing keeps its default, unless nothing is a value of it.
fn set_key(
    draft: &mut Draft,
    key: &'static Key,
    slot: &str,
    resolver: Resolver<'_>,
    source: &Source,
    entry: &Entry,
) -> Result<Set, ConfigError> {
    // Eureka itself fills in `${eureka.hostname}` in the URLs of an instance.
    let value = if slot.starts_with("eurekainstance") && slot.ends_with("url") {
        resolver.resolve(&entry.value, true).unwrap_or_default()
    } else {
        resolver.value_of(source, entry, shown::may_hold_secret(slot))?
    };
    // Nothing is a value of some: an empty password lets nobody in.
    let before = value.trim().is_empty().then(|| format!("{draft:?}"));
    let set = (key.set)(draft, &value);
    if before.is_none() {
        set.map_err(|expected| invalid(slot, source, entry, &value, expected))?;
    }
    let differs = before.map_or_else(|| value.trim() != key.default, |before| before != format!("{draft:?}"));
    Ok(Set {
        key: Some(key.name),
        written: entry.name.clone(),
        shown: shown::shown_of(slot, &entry.value, &value),
        origin: source.origin_of(entry),
        differs,
    })
}

/// Sets a key of a family, and gives its value.
fn set_family(
    draft: &mut Draft,
    slot: &str,
    resolver: Resolver<'_>,
    source: &Source,
    entry: &Entry,
) -> Result<Option<(Sense, String)>, ConfigError> {
    let mut sense = None;
    for (family, rest) in families(slot) {
        if !(family.has)(rest) {
            sense = sense.or(Some((Sense::Unknown, String::new())));
            continue;
        }
        // Metadata is for people: as in Spring, a placeholder without a value is shown as it stands.
        let value = if family.prefix == "eurekainstancemetadatamap" {
            resolver.resolve(&entry.value, true).unwrap_or_default()
        } else {
            resolver.value_of(source, entry, shown::may_hold_secret(slot))?
        };
        match (family.set)(draft, rest, &value) {
            Ok(Sense::Unknown) => sense = Some((Sense::Unknown, value)),
            Ok(known) => return Ok(Some((known, value))),
            Err(_) if value.trim().is_empty() => return Ok(Some((Sense::Known, value))),
            Err(expected) => return Err(invalid(slot, source, entry, &value, expected)),
        }
    }
    Ok(sense)
}

fn families(slot: &str) -> impl Iterator<Item = (&'static Family, &str)> {
    FAMILIES.iter().filter_map(move |family| Some((family, slot.strip_prefix(family.prefix)?)))
}

fn invalid(slot: &str, source: &Source, entry: &Entry, value: &str, expected: &'static str) -> ConfigError {
    ConfigError::Invalid {
        key: entry.name.clone(),
        value: shown::shown_of(slot, &entry.value, value.trim()),
        origin: source.origin_of(entry),
        expected,
    }
}

/// Whether a variable of the environment, or a system property, is for this process.
pub(super) fn is_ours(slot: &str, entry: &Entry, asked: &BTreeSet<String>) -> bool {
    let name = &entry.name;
    // Kubernetes tells of a Service by variables that begin with its name, and ours is called `registry`.
    let of_a_service = ["SERVICE_HOST", "SERVICE_PORT", "_PORT"].iter().any(|part| name.contains(part));
    if name.ends_with("_PORT") && entry.value.starts_with("tcp://") {
        return false;
    }
    let ours = ["eureka", "registry"].iter().any(|word| slot.starts_with(word)) && name.contains(['_', '.']);
    keys::find(slot).is_some()
        || families(slot).any(|(family, rest)| (family.has)(rest))
        || (is_of_spring_itself(slot) && name.contains(['_', '.']))
        || (classes::rule(slot).is_some() && name.contains(['_', '.']))
        || (ours && !of_a_service && !asked.contains(slot))
}

/// Keys that say which documents and files are read, and with what.
fn is_of_spring_itself(slot: &str) -> bool {
    ["springprofiles", "springconfig", "springapplicationjson", "springcloudbootstrap"]
        .iter()
        .any(|prefix| slot.starts_with(prefix))
}

/// What to say of a key that is not read.
fn unheeded(slot: &str, resolver: Resolver<'_>, source: &Source, entry: &Entry) -> Result<Unheeded, ConfigError> {
    if let Some(rule) = classes::rule(slot) {
        let is_off = || resolver.resolve(&entry.value, true).is_ok_and(|value| classes::is_off(&value));
        return match rule.class {
            Class::Harmless => Ok(Unheeded::Harmless(rule.why.into())),
            Class::Function | Class::Protection if is_off() => {
                Ok(Unheeded::Harmless(format!("it is switched off; {}", rule.why).into()))
            }
            Class::Function => Ok(Unheeded::Missing(rule.why.into())),
            Class::Protection => {
                let (key, origin) = (entry.name.clone(), source.origin_of(entry));
                Err(ConfigError::Protection { key, origin, why: rule.why })
            }
        };
    }
    let ours = ["eureka", "registry", "serverssl", "springsecurity"].iter().any(|prefix| slot.starts_with(prefix));
    let nearest = nearest(slot);
    Ok(if ours || nearest.is_some() {
        Unheeded::Unknown(nearest)
    } else {
        Unheeded::Harmless("no part of a Eureka server reads it".into())
    })
}

/// The known key spelt most like this one, if it is spelt like one at all.
fn nearest(slot: &str) -> Option<&'static str> {
    let distance = |key: &&Key| strsim::damerau_levenshtein(&canonical(key.name), slot);
    let key = keys::keys().min_by_key(distance)?;
    (distance(&key) <= slot.len() / 5).then_some(key.name)
}

/// What becomes of a key of a Java server, in Spring's canonical form: `honoured`, `harmless`, `costs a function` or `costs a
/// protection`; `None` for one that nobody has classed.
pub fn class_of(key: &str) -> Option<&'static str> {
    let slot = canonical(key);
    if keys::find(&slot).is_some() || families(&slot).any(|(family, rest)| rest.is_empty() || (family.has)(rest)) {
        return Some("honoured");
    }
    classes::rule(&slot).filter(|rule| rule.names(key)).map(|rule| match rule.class {
        Class::Harmless => "harmless",
        Class::Function => "costs a function",
        Class::Protection => "costs a protection",
    })
}
