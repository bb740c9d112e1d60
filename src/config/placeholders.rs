//! `${NAME:default}`.

use super::error::ConfigError;
use super::name::{canonical, is_uniform};
use super::source::{Entry, Kind, Source, find};
use super::system::System;

/// Placeholders within the values of placeholders, and so on.
const DEEPEST: usize = 32;
/// Maximum length of a value in bytes: values that stand for others twice grow without end.
const LONGEST: usize = 1 << 20;

/// Why a placeholder has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// There is no such name, and no default.
    Name(String),
    /// What it stands for is too long, or too deep.
    TooLong,
}

/// Resolves placeholders by what the sources say; of these, later ones win.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolver<'a> {
    pub(super) sources: &'a [&'a Source],
    pub(super) system: &'a System,
}

impl Resolver<'_> {
    /// The value of an entry of a source. A secret that does not stand in a file is taken as it is where a placeholder in it has no
    /// value.
    pub(super) fn value_of(&self, source: &Source, entry: &Entry, secret: bool) -> Result<String, ConfigError> {
        let missing =
            |name| ConfigError::Placeholder { key: entry.name.clone(), name, origin: source.origin_of(entry) };
        let value = self.resolve(&entry.value, secret && source.kind != Kind::File).map_err(|error| match error {
            Unresolved::Name(name) => missing(format!("${{{name}}}")),
            Unresolved::TooLong => missing("placeholders of placeholders".to_owned()),
        })?;
        if is_for_maven(&value) && source.kind == Kind::File {
            return Err(missing(format!("{} (Maven fills it in when it builds)", value.trim())));
        }
        Ok(value)
    }

    /// The value with the values of its placeholders. Where `as_it_is`, a placeholder without a value stays as it stands: a password
    /// may look like one.
    pub(super) fn resolve(&self, text: &str, as_it_is: bool) -> Result<String, Unresolved> {
        self.within(text, as_it_is, &[])
    }

    /// `asked` are the names on the way to this text, those of the texts around it among them.
    fn within(&self, text: &str, as_it_is: bool, asked: &[&str]) -> Result<String, Unresolved> {
        if asked.len() > DEEPEST {
            return Err(Unresolved::TooLong);
        }
        let (mut result, mut rest) = (String::new(), text);
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('\\') {
                // As Spring Framework 6.2: `\${` stands for itself.
                result.push_str(&rest[..start - 1]);
                result.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            let Some((inside, after)) = enclosed(&rest[start + 2..]) else { break };
            result.push_str(&rest[..start]);
            match self.placeholder(inside, as_it_is, asked) {
                Ok(value) => result.push_str(&value),
                Err(Unresolved::Name(_)) if as_it_is => result.push_str(&rest[start..rest.len() - after.len()]),
                Err(error) => return Err(error),
            }
            if result.len() > LONGEST {
                return Err(Unresolved::TooLong);
            }
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    /// The value of a placeholder. One that stands for itself on the way (`server.port: ${server.port:8761}`) has its default.
    fn placeholder(&self, inside: &str, as_it_is: bool, asked: &[&str]) -> Result<String, Unresolved> {
        let (name, default) = parted(inside);
        let name = self.within(name, as_it_is, &deeper(asked, ""))?;
        if !asked.contains(&name.as_str())
            && let Some((value, is_plain)) = self.find(&name)
        {
            // What comes from the environment may be a password with a dollar sign.
            return self.within(&value, as_it_is || is_plain, &deeper(asked, &name));
        }
        match default {
            Some(default) => self.within(default, as_it_is, &deeper(asked, "")),
            None => Err(Unresolved::Name(name)),
        }
    }

    /// What a name stands for, and whether it comes from outside of files.
    fn find(&self, name: &str) -> Option<(String, bool)> {
        let relaxed = || find(self.sources, &canonical(name)).map(|(source, entry)| (source, entry.value.as_str()));
        let exact = || self.sources.iter().rev().find_map(|source| Some((*source, source.exact(name)?)));
        let found = if is_uniform(name) { relaxed() } else { None }.or_else(exact);
        match found {
            Some((source, value)) => Some((value.to_owned(), source.kind != Kind::File)),
            None => self.system.get(name).map(|value| (value, true)),
        }
    }
}

fn deeper<'a>(asked: &[&'a str], name: &'a str) -> Vec<&'a str> {
    asked.iter().copied().chain([name]).collect()
}

/// What stands before the brace that closes a placeholder, and what stands after it.
fn enclosed(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut before) = (0_usize, '\0');
    for (at, character) in text.char_indices() {
        match (character, before) {
            ('{', '$') => depth += 1,
            ('}', _) if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            ('}', _) => depth -= 1,
            _ => {}
        }
        before = character;
    }
    None
}

/// The name of a placeholder, and its default behind the first colon that is in no other placeholder.
fn parted(inside: &str) -> (&str, Option<&str>) {
    let (mut depth, mut before) = (0_usize, '\0');
    for (at, character) in inside.char_indices() {
        match (character, before) {
            ('{', '$') => depth += 1,
            ('}', _) => depth = depth.saturating_sub(1),
            (':', _) if depth == 0 => return (&inside[..at], Some(&inside[at + 1..])),
            _ => {}
        }
        before = character;
    }
    (inside, None)
}

/// The names that the placeholders of a text ask for, those of their defaults among them.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split([':', '}', '$']).next())
}

/// Whether a text holds what Maven was to fill in: `@project.version@`.
pub(super) fn is_for_maven(text: &str) -> bool {
    let name = text.trim().strip_prefix('@').and_then(|rest| rest.strip_suffix('@'));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn resolved(text: &str, as_it_is: bool) -> Result<String, Unresolved> {
        let mut file = Source::new(Kind::File, "a file");
        for (name, value) in [
            ("server.port", "${SERVER_PORT:8761}"),
            ("itself", "${itself:me}"),
            ("to.and", "${fro}"),
            ("fro", "${to.and:end}"),
            ("some-name", "found"),
            ("key", "some-name"),
            ("twice", "${twice2}${twice2}"),
            ("a.b", "${missing}"),
        ] {
            file.set(name, value);
        }
        let mut environment = Source::new(Kind::Environment, "the environment");
        environment.set("PASSWORD", "a${b}c$d}");
        environment.set("POD_NAME", "r-0");
        let system = System::new(&[("HOME".to_owned(), "/root".to_owned())].into(), Path::new("/"));
        Resolver { sources: &[&file, &environment], system: &system }.resolve(text, as_it_is)
    }

    #[test]
    fn names_are_found_as_spring_finds_them() {
        for (text, value) in [
            ("${SERVER_PORT:8761}", "8761"),
            ("${server.port}", "8761"),
            ("${itself}", "me"),
            ("${to.and}", "end"),
            ("${some.name}", "found"),
            ("${some-name}", "found"),
            ("${${key}}", "found"),
            ("${pod.name}.x", "r-0.x"),
            ("${POD_NAME}", "r-0"),
            ("${podName:none}", "none"),
            ("${SOME_NAME:none}", "none"),
            ("${no:${other:http://a:1}}", "http://a:1"),
            ("${no:}", ""),
            ("${user.home}", "/root"),
            ("\\${itself}", "${itself}"),
            ("${PASSWORD}", "a${b}c$d}"),
            ("a$b{c}", "a$b{c}"),
            ("${open", "${open"),
        ] {
            assert_eq!(resolved(text, false).as_deref(), Ok(value), "{text}");
        }
        for (text, name) in [("x${no}", "no"), ("${a.b}", "missing"), ("${${key}x}", "some-namex")] {
            assert_eq!(resolved(text, false), Err(Unresolved::Name(name.to_owned())), "{text}");
            assert!(resolved(text, true).is_ok());
        }
        assert_eq!(resolved("p${x}q", true).as_deref(), Ok("p${x}q"));
    }

    #[test]
    fn values_do_not_grow_without_end() {
        let mut file = Source::new(Kind::File, "a file");
        file.set("a0", "xxxxxxxxxxxxxxxx");
        for level in 1..30 {
            file.set(&format!("a{level}"), &format!("${{a{0}}}${{a{0}}}", level - 1));
        }
        let system = System::new(&[].into(), Path::new("/"));
        let resolver = Resolver { sources: &[&file], system: &system };
        assert_eq!(resolver.resolve("${a29}", false), Err(Unresolved::TooLong));
        assert_eq!(resolver.resolve(&"${".repeat(100_000), false).map(|text| text.len()), Ok(200_000));
        let nested = format!("{}{}", "${".repeat(10_000), "}".repeat(10_000));
        assert_eq!(resolver.resolve(&nested, true), Err(Unresolved::TooLong));
    }

    #[test]
    fn what_maven_was_to_fill_in_is_known() {
        assert!(
            is_for_maven("@project.version@") && !is_for_maven("@") && !is_for_maven("a@b@") && !is_for_maven("@@")
        );
        assert_eq!(names("${A:${B}}-${C}").collect::<Vec<_>>(), ["A", "B", "C"]);
    }
}
