//! The settings as `/actuator/env` and `/actuator/configprops` show them: every source with what it sets, and every key with its value.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{self, Set};
use super::families::FAMILIES;
use super::keys;
use super::load::{Facts, Surroundings};
use super::name::{canonical, element};
use super::placeholders::Resolver;
use super::shown;
use super::source::{Kind, Source};
use crate::http::actuator::{Bean, Environment, Property, PropertySource};

/// Spring's prefixes that are longer than the first part of a key.
const PREFIXES: [&str; 13] = [
    "eureka.client",
    "eureka.dashboard",
    "eureka.instance",
    "eureka.server",
    "management.endpoint",
    "management.endpoint.configprops",
    "management.endpoint.env",
    "management.endpoint.health",
    "management.endpoints",
    "management.endpoints.web",
    "management.server",
    "spring.security",
    "spring.ssl",
];

/// The settings with their sources, without secrets.
pub(super) fn environment(
    application: &str,
    sources: &[Source],
    set: &[Set],
    facts: &Facts,
    surroundings: &Surroundings,
) -> Environment {
    let all: Vec<&Source> = sources.iter().collect();
    let resolver = Resolver { sources: &all, system: &surroundings.system };
    let asked = apply::asked(sources);
    let names = names(sources);
    let described = sources.iter().zip(names).map(|(source, name)| described(source, name, resolver, &asked));
    Environment {
        application: application.to_owned(),
        profiles: facts.profiles.clone(),
        sources: described.rev().collect(),
        beans: beans(set),
    }
}

/// What each source is called.
fn names(sources: &[Source]) -> Vec<String> {
    let mut documents: BTreeMap<&str, usize> = BTreeMap::new();
    let is_of_several = |origin: &str| {
        sources.iter().filter(|source| source.kind == Kind::File && source.origin == origin).nth(1).is_some()
    };
    let mut names = Vec::new();
    for source in sources {
        let origin = source.origin.as_str();
        names.push(match source.kind {
            Kind::File if is_of_several(origin) => {
                let number = documents.entry(origin).or_default();
                *number += 1;
                format!("Config resource 'file [{origin}]' (document #{})", *number - 1)
            }
            Kind::File => format!("Config resource 'file [{origin}]'"),
            Kind::Tree => format!("Config tree '{origin}'"),
            Kind::Environment => "systemEnvironment".to_owned(),
            Kind::JavaOptions => format!("systemProperties ({origin})"),
            Kind::Json => "spring.application.json".to_owned(),
            Kind::Arguments => "commandLineArgs".to_owned(),
        });
    }
    names
}

fn described(source: &Source, name: String, resolver: Resolver<'_>, asked: &BTreeSet<String>) -> PropertySource {
    // Most variables of the environment are somebody else's, and may hold anything.
    let is_shared = matches!(source.kind, Kind::Environment | Kind::JavaOptions);
    let mut properties = Vec::new();
    for entry in source.entries() {
        let slot = canonical(element(&entry.name).map_or(entry.name.as_str(), |(list, _)| list));
        if is_shared && !apply::is_ours(&slot, entry, asked) {
            continue;
        }
        let value = resolver.resolve(&entry.value, true).unwrap_or_default();
        let origin = match source.kind {
            Kind::Arguments | Kind::Json => None,
            Kind::Environment => Some(format!("System Environment Property \"{}\"", entry.name)),
            Kind::File | Kind::Tree | Kind::JavaOptions => Some(source.origin_of(entry)),
        };
        let value = shown::shown_of_any(&slot, &entry.value, &value);
        properties.push(Property { name: entry.name.clone(), value, origin });
    }
    PropertySource { name, properties }
}

/// Every key of the table, and what is set of the families.
fn beans(set: &[Set]) -> Vec<Bean> {
    let mut beans: BTreeMap<String, Vec<Property>> = BTreeMap::new();
    let mut add = |name: &str, value: &str, origin: Option<&str>| {
        let prefix = prefix(name);
        let below = name.strip_prefix(prefix).unwrap_or(name).trim_start_matches('.').to_owned();
        let property = Property { name: below, value: value.to_owned(), origin: origin.map(str::to_owned) };
        beans.entry(prefix.to_owned()).or_default().push(property);
    };
    for key in keys::keys() {
        match set.iter().find(|one| one.key == Some(key.name)) {
            Some(one) => add(key.name, &one.shown, Some(&one.origin)),
            None => add(key.name, key.default, None),
        }
    }
    for one in set.iter().filter(|one| one.key.is_none()) {
        let value = shown::shown_of_any(&canonical(&one.written), "", &one.shown);
        add(&name_in_family(&one.written), &value, Some(&one.origin));
    }
    beans.into_iter().map(|(prefix, properties)| Bean { prefix, properties }).collect()
}

/// The name of a key of a family: one that is not written with dots, as in the environment, gets those of the family.
fn name_in_family(written: &str) -> String {
    if written.contains('.') {
        return written.to_owned();
    }
    let slot = canonical(written);
    let family =
        FAMILIES.iter().filter(|family| slot.starts_with(family.prefix)).max_by_key(|family| family.prefix.len());
    let stem = family.and_then(|family| stem(family.pattern, family.prefix));
    match stem {
        Some(stem) => format!("{stem}.{}", slot[canonical(stem).len()..].trim_start_matches('.')),
        None => written.to_lowercase().replace('_', "."),
    }
}

/// What stands before the dot behind a family's prefix, in its pattern.
fn stem(pattern: &'static str, prefix: &str) -> Option<&'static str> {
    let mut ends = pattern.match_indices('.').map(|(at, _)| &pattern[..at]);
    ends.rfind(|stem| canonical(stem) == prefix)
}

/// The longest prefix of a key.
fn prefix(name: &str) -> &str {
    let begins = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
    let longest = PREFIXES.into_iter().filter(|prefix| begins(prefix)).map(str::len).max();
    &name[..longest.unwrap_or_else(|| name.find('.').unwrap_or(name.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_springs_prefixes_and_families_their_dots() {
        assert_eq!(prefix("management.endpoint.env.show-values"), "management.endpoint.env");
        assert_eq!(prefix("management.endpoints.access.default"), "management.endpoints");
        assert_eq!(prefix("server.port"), "server");
        assert_eq!(name_in_family("EUREKA_INSTANCE_METADATAMAP_TEAM"), "eureka.instance.metadata-map.team");
        assert_eq!(name_in_family("eureka.client.serviceUrl.defaultZone"), "eureka.client.serviceUrl.defaultZone");
    }
}
