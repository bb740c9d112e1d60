//! Which profiles are active, and which documents are for them.

use super::error::ConfigError;
use super::placeholders::Resolver;
use super::source::find;

/// Whether a document that asks for `expression` is for these profiles. A list of expressions, with commas, is for each of
/// them; an expression is a name, or made of others with `!`, `&`, `|` and parentheses (Spring's `Profiles.of`).
pub(super) fn applies(expression: &str, active: &[String]) -> Result<bool, String> {
    let mut any = false;
    for one in expression.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let mut rest = one;
        any |= alternatives(&mut rest, active)?;
        if !rest.trim().is_empty() {
            return Err(format!("profile expression {one:?}: {:?} is left over", rest.trim()));
        }
    }
    Ok(any)
}

fn alternatives(rest: &mut &str, active: &[String]) -> Result<bool, String> {
    let mut any = conjunction(rest, active)?;
    while take(rest, '|') {
        any |= conjunction(rest, active)?;
    }
    Ok(any)
}

fn conjunction(rest: &mut &str, active: &[String]) -> Result<bool, String> {
    let mut all = term(rest, active)?;
    while take(rest, '&') {
        all &= term(rest, active)?;
    }
    Ok(all)
}

fn term(rest: &mut &str, active: &[String]) -> Result<bool, String> {
    let mut negated = false;
    while take(rest, '!') {
        negated = !negated;
    }
    if take(rest, '(') {
        let inside = alternatives(rest, active)?;
        return if take(rest, ')') { Ok(inside != negated) } else { Err("a profile expression lacks a )".to_owned()) };
    }
    let text = rest.trim_start();
    let end = text.find(['!', '&', '|', '(', ')']).unwrap_or(text.len());
    let name = text[..end].trim();
    *rest = &text[end..];
    if name.is_empty() {
        return Err("a profile expression lacks a name".to_owned());
    }
    Ok(active.iter().any(|profile| profile == name) != negated)
}

fn take(rest: &mut &str, wanted: char) -> bool {
    let Some(after) = rest.trim_start().strip_prefix(wanted) else { return false };
    *rest = after;
    true
}

/// The active profiles, in the order in which their files are read: those of `spring.profiles.include`, then those of
/// `spring.profiles.active`, each with the members of its `spring.profiles.group.*` behind it; without any, those of
/// `spring.profiles.default`. Of the sources, later ones win; what they include adds up.
pub(super) fn active(resolver: Resolver<'_>) -> Result<Vec<String>, ConfigError> {
    let said = |slot: &str| match find(resolver.sources, slot) {
        Some((source, entry)) => resolver.value_of(source, entry, false).map(Some),
        None => Ok(None),
    };
    let mut active: Vec<String> = Vec::new();
    for source in resolver.sources {
        if let Some(entry) = source.get("springprofilesinclude") {
            for name in names(&resolver.value_of(source, entry, false)?) {
                add(name, &said, &mut active)?;
            }
        }
    }
    for name in names(&said("springprofilesactive")?.unwrap_or_default()) {
        add(name, &said, &mut active)?;
    }
    if active.is_empty() {
        let default = said("springprofilesdefault")?.unwrap_or_else(|| "default".to_owned());
        active.extend(names(&default).map(str::to_owned));
    }
    Ok(active)
}

fn add(
    name: &str,
    said: &impl Fn(&str) -> Result<Option<String>, ConfigError>,
    active: &mut Vec<String>,
) -> Result<(), ConfigError> {
    if active.iter().any(|known| known == name) {
        return Ok(());
    }
    active.push(name.to_owned());
    let members = said(&format!("springprofilesgroup{}", super::name::canonical(name)))?.unwrap_or_default();
    names(&members).try_for_each(|member| add(member, said, active))
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::source::{Kind, Source};
    use crate::config::system::System;

    #[test]
    fn expressions_are_springs() {
        let active = ["peer1".to_owned(), "cloud".to_owned()];
        for (expression, applying) in [
            ("peer1", true),
            ("peer2", false),
            ("!peer2", true),
            ("!!peer1", true),
            ("peer2, peer1", true),
            ("peer1 & cloud", true),
            ("peer1 & !cloud", false),
            ("peer2 | cloud", true),
            ("(peer2 | cloud) & peer1", true),
            ("!(peer1 & cloud)", false),
            ("", false),
        ] {
            assert_eq!(applies(expression, &active), Ok(applying), "{expression}");
        }
        for broken in ["peer1 &", "(peer1", "peer1)", "!", "a & | b"] {
            assert!(applies(broken, &active).is_err(), "{broken}");
        }
    }

    fn profiles(said: &[(&str, &str)]) -> Vec<String> {
        let mut source = Source::new(Kind::Arguments, "test");
        said.iter().for_each(|(name, value)| source.set(name, value));
        let system = System::new(&[].into(), Path::new("/"));
        active(Resolver { sources: &[&source], system: &system }).unwrap()
    }

    #[test]
    fn groups_stand_for_their_members_and_includes_come_first() {
        let said = [
            ("spring.profiles.active", "production,${STAGE:peer1}"),
            ("spring.profiles.include", "common"),
            ("spring.profiles.group.production", "db,peer1"),
        ];
        assert_eq!(profiles(&said), ["common", "production", "db", "peer1"]);
        assert_eq!(profiles(&[]), ["default"]);
        assert_eq!(profiles(&[("spring.profiles.default", "a,b")]), ["a", "b"]);
        assert_eq!(profiles(&[("spring.profiles.include", "common")]), ["common"]);
        assert_eq!(profiles(&[("spring.profiles.active", "")]), ["default"]);
    }
}
