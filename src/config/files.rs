//! `application.yml` and its kin: the files a Spring Boot server reads.
//!
//! `application.yml`, `.yaml` and `.properties` in the working directory and, winning over it, in `config/`; then those of
//! the active profiles (`application-peer1.yml`). A file may hold several documents, each for all profiles or for those
//! that its `spring.config.activate.on-profile` (or, as of old, `spring.profiles`) names.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_norway::Value;

use super::ConfigError;

/// What one document says: keys with dots, values as text.
pub(super) type Document = Vec<(String, String)>;

/// The documents that apply, lowest first, each with the file it is of.
pub(super) fn load(directory: &Path, active: &[String]) -> Result<Vec<(String, Document)>, ConfigError> {
    let plain = std::iter::once("application".to_owned());
    let stems: Vec<String> = plain.chain(active.iter().map(|profile| format!("application-{profile}"))).collect();
    let mut found = Vec::new();
    for stem in stems {
        for place in [directory.to_owned(), directory.join("config")] {
            for extension in ["properties", "yaml", "yml"] {
                read(&place.join(format!("{stem}.{extension}")), active, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn read(path: &PathBuf, active: &[String], found: &mut Vec<(String, Document)>) -> Result<(), ConfigError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(path, &error.to_string())),
    };
    let documents = if path.extension().is_some_and(|extension| extension == "properties") {
        text.split("\n#---").map(properties).collect()
    } else {
        yaml(&text).map_err(|error| unreadable(path, &error))?
    };
    let named = |document: &Document| (path.display().to_string(), document.clone());
    found.extend(documents.iter().filter(|document| applies(document, active)).map(named));
    Ok(())
}

fn unreadable(path: &Path, why: &str) -> ConfigError {
    ConfigError::File { path: path.display().to_string(), why: why.to_owned() }
}

/// Whether a document is for everybody, or for a profile that is active; `!name` is for those who have it not.
fn applies(document: &Document, active: &[String]) -> bool {
    let wanted = document
        .iter()
        .find(|(key, _)| matches!(super::canonical(key).as_str(), "springconfigactivateonprofile" | "springprofiles"));
    let Some((_, wanted)) = wanted else { return true };
    wanted.split([',', '|']).map(str::trim).any(|name| match name.strip_prefix('!') {
        Some(absent) => !active.iter().any(|profile| profile == absent.trim()),
        None => active.iter().any(|profile| profile == name),
    })
}

fn yaml(text: &str) -> Result<Vec<Document>, String> {
    let mut documents = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        let value = Value::deserialize(document).map_err(|error| error.to_string())?;
        let mut entries = Document::new();
        flatten("", &value, &mut entries);
        documents.push(entries);
    }
    Ok(documents)
}

/// `a: {b: c}` as `a.b` = `c`; a list as its elements with commas.
fn flatten(key: &str, value: &Value, entries: &mut Document) {
    match value {
        Value::Mapping(members) => {
            for (name, member) in members {
                let name = scalar(name).unwrap_or_default();
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                flatten(&key, member, entries);
            }
        }
        Value::Sequence(elements) => {
            let elements: Vec<String> = elements.iter().filter_map(scalar).collect();
            entries.push((key.to_owned(), elements.join(",")));
        }
        Value::Tagged(tagged) => flatten(key, &tagged.value, entries),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            entries.extend(scalar(value).map(|text| (key.to_owned(), text)));
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}

/// `key=value` or `key: value`, a line each; a backslash at its end goes on with the next.
fn properties(text: &str) -> Document {
    let text = text.replace("\\\r\n", "").replace("\\\n", "");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!', '-']));
    lines
        .filter_map(|line| line.split_once(['=', ':']))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_those_of_the_active_profiles() {
        let text = "server: {port: 1}\n---\nspring.config.activate.on-profile: peer1\nserver.port: 2\n---\nspring:\n  profiles: [peer2, x]\nserver:\n  port: 3\n---\nspring.config.activate.on-profile: '!peer1'\na: b\n";
        let documents = yaml(text).unwrap();
        let applying = |active: &str| -> Vec<bool> {
            documents.iter().map(|document| applies(document, &[active.to_owned()])).collect()
        };
        assert_eq!(applying("peer1"), [true, true, false, false]);
        assert_eq!(applying("peer2"), [true, false, true, true]);
    }

    #[test]
    fn properties_are_lines() {
        let found = properties("# c\nserver.port=1\na.b : c,\\\n  d\n\nnothing\n");
        assert_eq!(found, [("server.port".to_owned(), "1".to_owned()), ("a.b".to_owned(), "c,  d".to_owned())]);
    }
}
