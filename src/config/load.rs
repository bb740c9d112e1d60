//! Every source, in the order in which they count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{ConfigError, Notice, Unheeded};
use super::files::{Files, Read};
use super::placeholders::Resolver;
use super::source::{Document, Entry, Kind, Source, find};
use super::system::System;
use super::{java_options, profiles};

/// Where settings come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The active profiles.
    pub profiles: Vec<String>,
    /// The files that were read, lowest first.
    pub files: Vec<String>,
    /// Keys that `-D` sets in a variable that is for Java, with the variable's name.
    pub java_options: Vec<(String, String)>,
}

/// What a process is started with.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) system: System,
    environment: BTreeMap<String, String>,
    directory: PathBuf,
    arguments: Source,
}

impl Surroundings {
    pub(super) fn new(arguments: Source, environment: BTreeMap<String, String>, directory: &Path) -> Self {
        let system = System::new(&environment, directory);
        Self { system, environment, directory: directory.to_owned(), arguments }
    }

    /// Every source, lowest first.
    pub(super) fn read(&self) -> Result<(Vec<Source>, Facts, Vec<Notice>), ConfigError> {
        let above = self.above_files()?;
        let above: Vec<&Source> = above.iter().collect();
        let files =
            Files { directory: &self.directory, above: &above, system: &self.system, environment: &self.environment };
        // Which profiles are active may be said by a file, in what is for all profiles.
        let for_all = files.read(None)?;
        let mut bootstrap = files.read_bootstrap(None)?;
        let is_read = is_bootstrap_read(&above);
        let mut known: Vec<&Source> = if is_read { bootstrap.sources.iter().collect() } else { Vec::new() };
        known.extend(for_all.sources.iter().chain(above.iter().copied()));
        let active = profiles::active(Resolver { sources: &known, system: &self.system })?;
        let Read { sources: of_files, mut notices, .. } = files.read(Some(&active))?;
        if is_read {
            bootstrap = files.read_bootstrap(Some(&active))?;
        } else {
            notices.extend(unread(&bootstrap)?);
            bootstrap.sources.clear();
        }
        let mut sources = bootstrap.sources;
        sources.extend(of_files);
        let mut facts = Facts { profiles: active, ..Facts::default() };
        for source in &sources {
            if facts.files.last() != Some(&source.origin) && !facts.files.contains(&source.origin) {
                facts.files.push(source.origin.clone());
            }
        }
        sources.extend(above.into_iter().cloned());
        Ok((sources, facts, notices))
    }

    /// The sources above all files, lowest first.
    fn above_files(&self) -> Result<Vec<Source>, ConfigError> {
        let mut from_environment = Source::new(Kind::Environment, "the environment");
        for (name, value) in &self.environment {
            from_environment.add(of_environment(name, value));
        }
        let mut sources = vec![from_environment];
        sources.extend(java_options::sources(&self.environment));
        let all: Vec<&Source> = sources.iter().chain([&self.arguments]).collect();
        let json = find(&all, "springapplicationjson").map(|(_, entry)| entry.value.clone());
        if let Some(text) = json.filter(|text| !text.trim().is_empty()) {
            let origin = "SPRING_APPLICATION_JSON";
            let document = json_document(&text).map_err(|why| ConfigError::File { path: origin.to_owned(), why })?;
            sources.push(Source::of(Kind::Json, origin, document));
        }
        sources.push(self.arguments.clone());
        Ok(sources)
    }
}

/// A variable as an entry: of a list, `KEY_0` is `KEY[0]`.
fn of_environment(name: &str, value: &str) -> Entry {
    let number = name.trim_end_matches('_').rsplit_once('_').filter(|(list, number)| {
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number && super::keys::find(&super::name::canonical(list)).is_some()
    });
    let name = number.map_or_else(|| name.to_owned(), |(list, number)| format!("{list}[{number}]"));
    Entry { name, value: value.to_owned(), line: None }
}

/// Whether Spring Cloud would read `bootstrap.yml`: since 2020.0 only if it is told to.
fn is_bootstrap_read(above: &[&Source]) -> bool {
    ["springcloudbootstrapenabled", "springconfiguselegacyprocessing"]
        .iter()
        .any(|slot| find(above, slot).is_some_and(|(_, entry)| entry.value.trim().eq_ignore_ascii_case("true")))
}

/// What to say of bootstrap files that are not read. Those with users end the start: it would be open to everybody.
fn unread(bootstrap: &Read) -> Result<Vec<Notice>, ConfigError> {
    let mut notices = Vec::new();
    for source in &bootstrap.sources {
        let protects = |slot: &str| {
            ["springsecurity", "securityuser", "securitybasic", "registrysecurity"]
                .iter()
                .any(|it| slot.starts_with(it))
        };
        if let Some((_, entry)) = source.slots().find(|(slot, _)| protects(slot)) {
            return Err(ConfigError::Bootstrap { key: entry.name.clone(), origin: source.origin_of(entry) });
        }
        let why = "it is not read, as in Spring Cloud since 2020.0: move it to application.yml, or set spring.cloud.bootstrap.enabled=true";
        let key = Path::new(&source.origin).file_name().map(|name| name.to_string_lossy().into_owned());
        notices.push(Notice {
            key: key.unwrap_or_default(),
            origin: source.origin.clone(),
            what: Unheeded::Missing(why.into()),
        });
    }
    notices.dedup();
    Ok(notices)
}

/// What a JSON object says (`SPRING_APPLICATION_JSON`).
fn json_document(text: &str) -> Result<Document, String> {
    // Without the text around the mistake, which may be a password.
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("no JSON at line {}, column {}", error.line(), error.column()))?;
    if !value.is_object() {
        return Err("expected an object".to_owned());
    }
    let mut entries = Document::new();
    flatten("", &value, &mut entries);
    Ok(entries)
}

fn flatten(key: &str, value: &Value, entries: &mut Document) {
    let text = match value {
        Value::Object(members) => {
            for (name, member) in members {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, member, entries);
            }
            return;
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (number, element) in elements.iter().enumerate() {
                flatten(&format!("{key}[{number}]"), element, entries);
            }
            return;
        }
        Value::Array(_) | Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
    };
    entries.push(Entry { name: key.to_owned(), value: text, line: None });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_object_is_flattened_and_an_error_shows_nothing_of_it() {
        let document = json_document(r#"{"a": {"b": [1, {"c": true}]}, "d": null, "e": []}"#).unwrap();
        let found: Vec<_> = document.iter().map(|entry| (entry.name.as_str(), entry.value.as_str())).collect();
        assert_eq!(found, [("a.b[0]", "1"), ("a.b[1].c", "true"), ("d", ""), ("e", "")]);
        let error = json_document(r#"{"spring.security.user.password": "secret" x}"#).unwrap_err();
        assert!(error.contains("column") && !error.contains("secret"), "{error}");
        assert!(json_document("[1]").is_err());
    }

    #[test]
    fn numbers_at_the_end_of_variables_are_places_in_lists() {
        let name = |name: &str| of_environment(name, "").name;
        assert_eq!(name("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_1"), "MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE[1]");
        assert_eq!(
            name("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_1_"),
            "MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE[1]"
        );
        assert_eq!(name("REGISTRY_SECURITY_USERS_0_NAME"), "REGISTRY_SECURITY_USERS_0_NAME");
        assert_eq!(name("OTHER_0"), "OTHER_0");
    }
}
