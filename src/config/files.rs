//! `application.yml` and its kin: the files a Spring Boot server reads.
//!
//! They are called `application` (`spring.config.name`), with the endings `.properties`, `.yaml` and `.yml`, and stand in the working
//! directory and, winning over it, in `config/`; or at the places that `spring.config.location` names. Files of the active profiles
//! (`application-peer1.yml`) win over those. A file may hold several documents, each for all profiles or for those that its
//! `spring.config.activate.on-profile` (or, as of old, `spring.profiles`) names, and may import others.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_norway::Value;

use super::error::ConfigError;
use super::layer::Layer;
use super::profiles;

/// What one document says: keys with dots, values as text.
type Document = Vec<(String, String)>;

/// Files that import each other would go on for ever.
const DEEPEST_IMPORT: usize = 10;

/// Where files are looked for.
#[derive(Debug)]
pub(super) struct Locations {
    names: Vec<String>,
    places: Vec<Place>,
}

#[derive(Clone, Debug)]
struct Place {
    path: PathBuf,
    is_directory: bool,
    optional: bool,
}

impl Locations {
    /// The places that the settings before all files name, relative to `directory`.
    pub(super) fn of(layers: &[&Layer], directory: &Path) -> Self {
        let said = |slot: &str| layers.iter().rev().find_map(|layer| layer.get(slot));
        let list = |text: &str| -> Vec<Place> {
            text.split([',', ';']).map(str::trim).filter_map(|place| Place::parse(place, directory)).collect()
        };
        let mut places = match said("springconfiglocation") {
            Some(named) => list(named),
            None => list("optional:./,optional:./config/"),
        };
        places.extend(list(said("springconfigadditionallocation").unwrap_or_default()));
        let names = said("springconfigname").unwrap_or("application");
        Self { names: names.split(',').map(|name| name.trim().to_owned()).collect(), places }
    }

    /// The documents that are for these profiles, lowest first; without profiles those that are for all.
    pub(super) fn read(&self, active: Option<&[String]>) -> Result<Vec<Layer>, ConfigError> {
        let mut found = Vec::new();
        let suffixes = std::iter::once(String::new())
            .chain(active.unwrap_or_default().iter().map(|profile| format!("-{profile}")));
        for suffix in suffixes {
            for place in &self.places {
                self.read_place(place, &suffix, active, &mut found)?;
            }
        }
        Ok(found)
    }

    fn read_place(
        &self,
        place: &Place,
        suffix: &str,
        active: Option<&[String]>,
        found: &mut Vec<Layer>,
    ) -> Result<(), ConfigError> {
        if !place.is_directory {
            return match (suffix.is_empty(), place.path.exists()) {
                (true, true) => read(&place.path, active, 0, found),
                (true, false) if !place.optional => Err(unreadable(&place.path, "there is no such file")),
                _ => Ok(()),
            };
        }
        if !place.optional && !place.path.is_dir() {
            return Err(unreadable(&place.path, "there is no such directory"));
        }
        for name in &self.names {
            for extension in ["properties", "yaml", "yml"] {
                let path = place.path.join(format!("{name}{suffix}.{extension}"));
                if path.exists() {
                    read(&path, active, 0, found)?;
                }
            }
        }
        Ok(())
    }
}

impl Place {
    /// `optional:file:./config/`; a place inside a Java archive is none.
    fn parse(text: &str, directory: &Path) -> Option<Self> {
        let (text, optional) = text.strip_prefix("optional:").map_or((text, false), |text| (text, true));
        if text.is_empty() || text.starts_with("classpath:") {
            return None;
        }
        let path = text.strip_prefix("file:").unwrap_or(text);
        let is_directory = path.ends_with('/') || directory.join(path).is_dir();
        Some(Self { path: directory.join(path.trim_start_matches("./")), is_directory, optional })
    }
}

/// Takes the documents of a file that are for these profiles, each with what it imports above it.
fn read(path: &Path, active: Option<&[String]>, depth: usize, found: &mut Vec<Layer>) -> Result<(), ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error.to_string()))?;
    let documents = if path.extension().is_some_and(|extension| extension == "properties") {
        text.split("\n#---").map(properties).collect()
    } else {
        yaml(&text).map_err(|error| unreadable(path, &error))?
    };
    for document in documents {
        let mut layer = Layer::new(path.display().to_string());
        document.iter().for_each(|(name, value)| layer.set(name, value));
        let wanted = layer.get("springconfigactivateonprofile").or_else(|| layer.get("springprofiles"));
        let applies = match (wanted, active) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(active)) => {
                profiles::applies(wanted, active).map_err(|error| unreadable(path, &error))?
            }
        };
        if applies {
            let imports = layer.get("springconfigimport").unwrap_or_default().to_owned();
            found.push(layer);
            for import in imports.split(',').map(str::trim).filter(|import| !import.is_empty()) {
                read_import(import, path, active, depth, found)?;
            }
        }
    }
    Ok(())
}

/// `file:` and `configtree:`, as Kubernetes mounts a Secret: a file a key.
fn read_import(
    import: &str,
    by: &Path,
    active: Option<&[String]>,
    depth: usize,
    found: &mut Vec<Layer>,
) -> Result<(), ConfigError> {
    let (import, optional) = import.strip_prefix("optional:").map_or((import, false), |import| (import, true));
    let beside = by.parent().unwrap_or_else(|| Path::new("."));
    if depth == DEEPEST_IMPORT {
        return Err(unreadable(by, "imports go too deep"));
    }
    if let Some(tree) = import.strip_prefix("configtree:") {
        let tree = beside.join(tree.strip_prefix("file:").unwrap_or(tree));
        return if optional && !tree.is_dir() { Ok(()) } else { read_tree(&tree, found) };
    }
    if let Some((scheme, _)) = import.split_once(':').filter(|(scheme, _)| *scheme != "file") {
        let why = format!("spring.config.import={import}: only file: and configtree: are understood, not {scheme}:");
        return if optional { Ok(()) } else { Err(unreadable(by, &why)) };
    }
    let path = beside.join(import.strip_prefix("file:").unwrap_or(import).trim_start_matches("./"));
    if optional && !path.exists() {
        return Ok(());
    }
    read(&path, active, depth + 1, found)
}

fn read_tree(tree: &Path, found: &mut Vec<Layer>) -> Result<(), ConfigError> {
    let entries = fs::read_dir(tree).map_err(|error| unreadable(tree, &error.to_string()))?;
    let mut layer = Layer::new(tree.display().to_string());
    for entry in entries.filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // Kubernetes keeps the files themselves in directories that begin with dots.
        if !name.starts_with('.') && path.is_file() {
            let value = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error.to_string()))?;
            layer.set(&name, value.trim_end_matches(['\n', '\r']));
        }
    }
    found.push(layer);
    Ok(())
}

fn unreadable(path: &Path, why: &str) -> ConfigError {
    ConfigError::File { path: path.display().to_string(), why: why.to_owned() }
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

/// What a JSON object says (`SPRING_APPLICATION_JSON`); YAML has all of JSON.
pub(super) fn json(text: &str) -> Result<Document, String> {
    let value: Value = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    if !value.is_mapping() {
        return Err("expected an object".to_owned());
    }
    let mut entries = Document::new();
    flatten("", &value, &mut entries);
    Ok(entries)
}

/// `a: {b: c}` as `a.b` = `c`, an element of a list as `a[0]`.
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
            for (number, element) in elements.iter().enumerate() {
                flatten(&format!("{key}[{number}]"), element, entries);
            }
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

/// `key=value`, `key: value` or `key value`, a line each; a backslash at its end goes on with the next, whose indentation
/// does not count.
fn properties(text: &str) -> Document {
    let mut entries = Document::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim_start().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while line.ends_with('\\') {
            line.pop();
            line.push_str(lines.next().unwrap_or_default().trim_start());
        }
        let (key, value) = line.split_once(['=', ':']).unwrap_or_else(|| line.split_once(' ').unwrap_or((&line, "")));
        entries.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_lines() {
        let found = properties("# c\n! c\nserver.port=1\n a.b : c,\\\n  d\n\nurl=http://a:1/?x=y\nalone\n");
        let expected = [("server.port", "1"), ("a.b", "c,d"), ("url", "http://a:1/?x=y"), ("alone", "")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn lists_and_objects_are_flattened() {
        let found = json(r#"{"a": {"b": [1, {"c": true}]}, "d": null}"#).unwrap();
        assert_eq!(found, [("a.b[0]".to_owned(), "1".to_owned()), ("a.b[1].c".to_owned(), "true".to_owned())]);
        assert!(json("[1]").is_err());
        assert!(yaml("a:\n\tb: 1\n").unwrap_err().contains("line 2"), "{:?}", yaml("a:\n\tb: 1\n"));
        assert!(yaml("a: 1\na: 2\n").unwrap_err().contains("duplicate"));
    }
}
