//! `application.yml` and its kin: the files a Spring Boot server reads.
//!
//! They are called `application` (`spring.config.name`), with the endings `.yaml`, `.yml` and, winning over these, `.properties`, and
//! stand in the working directory and, winning over it, in `config/` and in each directory of `config/`; or at the places that
//! `spring.config.location` names. Files of the active profiles (`application-peer1.yml`) win over those. A file may hold several
//! documents, each for all profiles or for those that its `spring.config.activate.on-profile` (or, as of old, `spring.profiles`)
//! names, and may import others, which win over it.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Notice, Unheeded};
use super::location::{Location, Place, entries};
use super::placeholders::Resolver;
use super::source::{Document, Entry, Kind, Source, find};
use super::system::System;
use super::{profiles, properties, yaml};

/// Maximum number of files: imports of imports would go on for ever.
const MOST_FILES: usize = 1000;
/// Deeper directories of a tree are not read; Spring's own limit is 100.
const DEEPEST_TREE: usize = 20;
/// Where files are looked for.
const DEFAULT_LOCATIONS: &str = "optional:file:./;optional:file:./config/;optional:file:./config/*/";

/// Finds and reads files.
#[derive(Debug)]
pub(super) struct Files<'a> {
    /// The working directory.
    pub(super) directory: &'a Path,
    /// The sources above all files.
    pub(super) above: &'a [&'a Source],
    pub(super) system: &'a System,
    pub(super) environment: &'a BTreeMap<String, String>,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Documents, lowest first.
    pub(super) sources: Vec<Source>,
    /// What is not read.
    pub(super) notices: Vec<Notice>,
    /// Whether what is being read is for a profile by its file's name.
    of_profile: bool,
    seen: HashSet<PathBuf>,
}

/// What imports others.
#[derive(Clone, Copy)]
struct Importer<'a> {
    key: &'a str,
    origin: &'a str,
}

impl Files<'_> {
    /// Reads the documents that are for these profiles; without profiles those that are for all.
    pub(super) fn read(&self, active: Option<&[String]>) -> Result<Read, ConfigError> {
        let mut read = Read::default();
        for (key, default) in [
            ("spring.config.location", DEFAULT_LOCATIONS),
            ("spring.config.additional-location", ""),
            ("spring.config.import", ""),
        ] {
            let (text, origin) = self.said(key)?.unwrap_or_else(|| (default.to_owned(), String::new()));
            for group in Location::groups(&text, self.directory) {
                let importer = Importer { key, origin: &origin };
                self.group(&group, importer, active, &mut read)?;
            }
        }
        Ok(read)
    }

    /// Reads the bootstrap files, as Spring Cloud did before 2020.0.
    pub(super) fn read_bootstrap(&self, active: Option<&[String]>) -> Result<Read, ConfigError> {
        let mut read = Read::default();
        let group = Location::groups(DEFAULT_LOCATIONS, self.directory).into_iter().flatten();
        for profile in suffixes(active) {
            for location in group.clone() {
                self.directories(&location.place, "bootstrap", &profile, active, &mut read)?;
            }
        }
        Ok(read)
    }

    /// What the sources above all files say of a key, and which says it.
    fn said(&self, key: &str) -> Result<Option<(String, String)>, ConfigError> {
        let Some((source, entry)) = find(self.above, &super::name::canonical(key)) else { return Ok(None) };
        let resolver = Resolver { sources: self.above, system: self.system };
        let value = resolver.value_of(source, entry, false)?;
        Ok(Some((value, source.origin.clone())))
    }

    /// What is for all profiles at these places, then what is for each of the active ones.
    fn group(
        &self,
        group: &[Location],
        importer: Importer<'_>,
        active: Option<&[String]>,
        read: &mut Read,
    ) -> Result<(), ConfigError> {
        let names = self.said("spring.config.name")?.map_or_else(|| "application".to_owned(), |(names, _)| names);
        let of_profile = read.of_profile;
        for suffix in suffixes(active) {
            read.of_profile = of_profile || !suffix.is_empty();
            for location in group {
                for name in entries(&names, ',') {
                    self.directories(&location.place, name, &suffix, active, read)?;
                }
                self.place(location, &suffix, importer, active, read)?;
            }
        }
        read.of_profile = of_profile;
        Ok(())
    }

    /// The files of this name in a directory, or in each of several.
    fn directories(
        &self,
        place: &Place,
        name: &str,
        suffix: &str,
        active: Option<&[String]>,
        read: &mut Read,
    ) -> Result<(), ConfigError> {
        let directories = match place {
            Place::Directory(directory) => vec![directory.clone()],
            Place::Directories(above) => below(above),
            Place::File(..) | Place::Tree(_) | Place::Trees(_) | Place::Variable(..) | Place::Elsewhere(_) => {
                return Ok(());
            }
        };
        for directory in directories {
            for extension in ["yaml", "yml", "properties"] {
                let path = directory.join(format!("{name}{suffix}.{extension}"));
                if path.is_file() {
                    self.file(&path, extension, active, read)?;
                }
            }
        }
        Ok(())
    }

    /// What is at a place that is not a directory with files of a name.
    fn place(
        &self,
        location: &Location,
        suffix: &str,
        importer: Importer<'_>,
        active: Option<&[String]>,
        read: &mut Read,
    ) -> Result<(), ConfigError> {
        let required = !location.optional && suffix.is_empty() && !self.may_be_missing();
        if let Place::File(path, hint) = &location.place {
            let (path, extension) = with_suffix(path, hint.as_deref(), suffix);
            return match (path.is_file(), required) {
                (true, _) => self.file(&path, &extension, active, read),
                (false, true) => {
                    Err(unreadable(&path, "there is no such file; `optional:` before it says that none is needed"))
                }
                (false, false) => Ok(()),
            };
        }
        if !suffix.is_empty() {
            return Ok(());
        }
        match &location.place {
            Place::Directory(path) if required && !path.is_dir() => {
                Err(unreadable(path, "there is no such directory; `optional:` before it says that none is needed"))
            }
            Place::Tree(path) if required || path.is_dir() => read_tree(path, read),
            Place::Trees(above) => below(above).iter().try_for_each(|path| read_tree(path, read)),
            Place::Variable(name, hint) => {
                self.variable(name, hint.as_deref().unwrap_or("properties"), required, importer, active, read)
            }
            Place::Elsewhere(scheme) => elsewhere(scheme, location.optional, importer, read),
            Place::File(..) | Place::Directory(_) | Place::Directories(_) | Place::Tree(_) => Ok(()),
        }
    }

    /// The documents that a variable of the environment holds.
    fn variable(
        &self,
        name: &str,
        extension: &str,
        required: bool,
        importer: Importer<'_>,
        active: Option<&[String]>,
        read: &mut Read,
    ) -> Result<(), ConfigError> {
        let wrong = |path: String, why| ConfigError::File { path, why };
        match self.environment.get(name) {
            Some(text) => {
                let origin = format!("the variable {name}");
                let documents = parse(text.as_bytes(), extension).map_err(|why| wrong(origin.clone(), why))?;
                self.documents(documents, &origin, self.directory, active, read)
            }
            None if required => Err(wrong(importer.origin.to_owned(), format!("there is no variable {name}"))),
            None => Ok(()),
        }
    }

    /// `spring.config.on-not-found`
    fn may_be_missing(&self) -> bool {
        find(self.above, "springconfigonnotfound").is_some_and(|(_, entry)| entry.value.eq_ignore_ascii_case("ignore"))
    }

    /// Takes the documents of a file that are for these profiles, each with what it imports above it. A file is read once.
    fn file(
        &self,
        path: &Path,
        extension: &str,
        active: Option<&[String]>,
        read: &mut Read,
    ) -> Result<(), ConfigError> {
        if !read.seen.insert(path.to_owned()) {
            return Ok(());
        }
        if read.seen.len() > MOST_FILES {
            return Err(unreadable(path, "too many files are imported"));
        }
        let bytes = fs::read(path).map_err(|error| unreadable(path, &error.to_string()))?;
        let documents = parse(&bytes, extension).map_err(|error| unreadable(path, &error))?;
        let beside = path.parent().unwrap_or(self.directory);
        self.documents(documents, &path.display().to_string(), beside, active, read)
    }

    fn documents(
        &self,
        documents: Vec<Document>,
        origin: &str,
        beside: &Path,
        active: Option<&[String]>,
        read: &mut Read,
    ) -> Result<(), ConfigError> {
        for document in documents {
            let source = Source::of(Kind::File, origin, document);
            if !self.is_for(&source, active, read)? {
                continue;
            }
            let is_of_profile = read.of_profile
                || ["springconfigactivateonprofile", "springprofiles"].iter().any(|slot| source.get(slot).is_some());
            if is_of_profile {
                read.notices.extend(too_late(&source));
            }
            let imports = self.value_in(&source, "springconfigimport", read)?.unwrap_or_default();
            let origin = source.get("springconfigimport").map(|entry| source.origin_of(entry)).unwrap_or_default();
            read.sources.push(source);
            let importer = Importer { key: "spring.config.import", origin: &origin };
            let parsed = entries(&imports, ',').map(|import| Location::parse(import, self.directory, beside));
            self.group(&parsed.collect::<Vec<_>>(), importer, active, read)?;
        }
        Ok(())
    }

    /// Whether a document is for these profiles, and for the platform that this is.
    fn is_for(&self, source: &Source, active: Option<&[String]>, read: &Read) -> Result<bool, ConfigError> {
        if let Some(platform) = self.value_in(source, "springconfigactivateoncloudplatform", read)? {
            let here = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"]
                .iter()
                .all(|variable| self.environment.contains_key(*variable));
            if platform.eq_ignore_ascii_case("kubernetes") != here && !platform.is_empty() {
                return Ok(false);
            }
        }
        let wanted = match self.value_in(source, "springconfigactivateonprofile", read)? {
            Some(wanted) => Some(wanted),
            None => self.value_in(source, "springprofiles", read)?,
        };
        match (wanted, active) {
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
            (Some(wanted), Some(active)) => {
                profiles::applies(&wanted, active).map_err(|why| ConfigError::File { path: source.origin.clone(), why })
            }
        }
    }

    /// What a document says of a key, by what is known so far.
    fn value_in(&self, source: &Source, slot: &str, read: &Read) -> Result<Option<String>, ConfigError> {
        let Some(entry) = source.get(slot) else { return Ok(None) };
        let known: Vec<&Source> = read.sources.iter().chain([source]).chain(self.above.iter().copied()).collect();
        Resolver { sources: &known, system: self.system }.value_of(source, entry, false).map(Some)
    }
}

/// A directory with a file for each value, whose name is the key; of one in a directory, the directory's name and a dot before it.
fn read_tree(tree: &Path, read: &mut Read) -> Result<(), ConfigError> {
    if !read.seen.insert(tree.to_owned()) {
        return Ok(());
    }
    let mut source = Source::new(Kind::Tree, tree.display().to_string());
    add_tree(tree, "", 0, &mut source)?;
    read.sources.push(source);
    Ok(())
}

fn add_tree(directory: &Path, prefix: &str, depth: usize, source: &mut Source) -> Result<(), ConfigError> {
    let entries = fs::read_dir(directory).map_err(|error| unreadable(directory, &error.to_string()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Kubernetes keeps the files themselves in directories that begin with two dots.
        if name.starts_with("..") {
            continue;
        }
        let key = format!("{prefix}{name}");
        if path.is_dir() && depth < DEEPEST_TREE {
            add_tree(&path, &format!("{key}."), depth + 1, source)?;
        } else if path.is_file() {
            let value = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error.to_string()))?;
            source.set(&key, without_line_end(&value));
        }
    }
    Ok(())
}

/// Without the line end behind a single line.
fn without_line_end(value: &str) -> &str {
    let line = value.strip_suffix('\n').map_or(value, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.contains('\n') { value } else { line }
}

/// Nothing, for what is for all profiles, then what stands behind the name of a file for each profile.
fn suffixes(active: Option<&[String]>) -> Vec<String> {
    let of_profiles = active.unwrap_or_default().iter().map(|profile| format!("-{profile}"));
    std::iter::once(String::new()).chain(of_profiles).collect()
}

/// `extra.yml` as `extra-peer1.yml`, and what kind of file it is.
fn with_suffix(path: &Path, hint: Option<&str>, suffix: &str) -> (PathBuf, String) {
    let own = path.extension().map(|extension| extension.to_string_lossy().into_owned());
    let kind = hint.map(str::to_owned).or_else(|| own.clone()).unwrap_or_default();
    if suffix.is_empty() {
        return (path.to_owned(), kind);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = match own.filter(|_| hint.is_none()) {
        Some(own) => format!("{}{suffix}.{own}", name.strip_suffix(&format!(".{own}")).unwrap_or(&name)),
        None => format!("{name}{suffix}"),
    };
    (path.with_file_name(name), kind)
}

/// The directories in one, in the order of their names.
fn below(above: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(above).into_iter().flatten().filter_map(Result::ok);
    let mut directories: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    directories.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("..")));
    directories.sort();
    directories
}

/// The documents of a text, by the kind of its file.
fn parse(bytes: &[u8], extension: &str) -> Result<Vec<Document>, String> {
    match extension {
        "properties" => properties::documents(bytes),
        "yml" | "yaml" => {
            let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
            yaml::documents(text)
        }
        _ => Err("expected a file that ends with .yml, .yaml or .properties".to_owned()),
    }
}

/// What a document of a profile says of which profiles are active: it is read when that is settled.
fn too_late(source: &Source) -> impl Iterator<Item = Notice> {
    let why =
        "which profiles are active cannot be said in a document of a profile, nor can it in Spring Boot since 2.4";
    let said = ["springprofilesactive", "springprofilesinclude", "springprofilesdefault"].map(|slot| source.get(slot));
    let notice = |entry: &Entry| Notice {
        key: entry.name.clone(),
        origin: source.origin_of(entry),
        what: Unheeded::Missing(why.into()),
    };
    said.into_iter().flatten().map(notice).collect::<Vec<_>>().into_iter()
}

/// What only a Java server reads. What is optional is said; what is not ends the start, as it may hold a password.
fn elsewhere(scheme: &str, optional: bool, importer: Importer<'_>, read: &mut Read) -> Result<(), ConfigError> {
    let why = if scheme.starts_with("classpath") {
        "files inside a Java archive are not read: take what it holds into a file, and name that with file:".to_owned()
    } else {
        format!(
            "settings from {scheme}: are not read: put what it holds into a file, a mounted Secret or the environment"
        )
    };
    let is_location = importer.key != "spring.config.import";
    if optional || is_location {
        let (key, origin) = (importer.key.to_owned(), importer.origin.to_owned());
        read.notices.push(Notice { key, origin, what: Unheeded::Missing(why.into()) });
        return Ok(());
    }
    Err(ConfigError::File { path: format!("{} ({})", importer.key, importer.origin), why })
}

fn unreadable(path: &Path, why: &str) -> ConfigError {
    ConfigError::File { path: path.display().to_string(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_have_files_of_their_own() {
        let named = |path: &str, hint: Option<&str>| {
            let (path, kind) = with_suffix(Path::new(path), hint, "-eu");
            format!("{} {kind}", path.display())
        };
        assert_eq!(named("/a/extra.yml", None), "/a/extra-eu.yml yml");
        assert_eq!(named("/a/.env", Some("properties")), "/a/.env-eu properties");
        assert_eq!(without_line_end("secret\r\n"), "secret");
        assert_eq!(without_line_end("a\nb\n"), "a\nb\n");
    }
}
